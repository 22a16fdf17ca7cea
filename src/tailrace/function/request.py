"""The input of a handler: an event, and what the SDK reads from it.

What every invocation needs is read at once: the gateway's mark, and the event's shape. Headers and
body are read when they are first used, and once.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import cached_property, lru_cache

from tailrace.errors import ConfigError
from tailrace.wire.events import FunctionUrlReader, context_of, find_shape
from tailrace.wire.mark import MARK_VERSION, Mark, read_mark

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from typing import Any, Final, Literal, TypeAlias

    Mode: TypeAlias = Literal["stream", "buffer"]

logger = logging.getLogger("tailrace.function")

MODE_VARIABLE: Final = "TAILRACE_RESPONSE_MODE"
_WITHOUT_FIELDS: Final = (str, int, float, list, tuple, bytes, type(None))


class Request:
    """One event: the HTTP request in it, if there is one, and the gateway's mark.

    `wire.events` has the forms of events whose HTTP parts are read: payload format 2.0 (Function
    URLs, HTTP APIs, the gateway). In any other event they are empty, and `is_http` is false.

    Raises:
        TypeError: the event's fields cannot be read, so the place of its response is unknown.
    """

    def __init__(self, event: object) -> None:
        self.event: Final = event
        """The event, as the handler receives it."""
        self.fields: Final = _fields_of(event)
        self.mark: Final = _mark_of(self.fields)
        """The gateway's mark; None if no gateway has sent the event."""
        self._context: Final = context_of(self.fields)
        self.shape: Final = find_shape(self.fields, self._context)
        """The form of the event; None if it is no HTTP request, or of an unknown front end."""

    @property
    def callback(self) -> str | None:
        """The URL of the gateway's callback; None if the response is streamed or returned."""
        return None if self.mark is None else self.mark.callback

    @property
    def wants_stream(self) -> bool:
        """Whether the gateway reads the function's native stream."""
        return self.mark is not None and self.mark.has_stream

    @property
    def wants_frames(self) -> bool:
        """Whether the gateway reads frames in that stream, of the version that this SDK writes."""
        return self.mark is not None and self.mark.has_frames and self.is_http

    @property
    def exchange_id(self) -> str | None:
        """The id of the gateway's exchange; None if no gateway has sent the event."""
        if self.mark is None:
            return None
        return FunctionUrlReader(self.fields, self._context).request_id or None

    @property
    def is_http(self) -> bool:
        """Whether the event is an HTTP request in a form that is read here."""
        return self.shape is not None and self.shape.reader is not None

    @property
    def method(self) -> str:
        """The method, in capitals."""
        return self._http.method

    @property
    def path(self) -> str:
        """The path as sent: percent-encoded, without the query."""
        return self._http.path

    @property
    def query(self) -> str:
        """The query as sent, without the question mark."""
        return self._http.query

    @cached_property
    def headers(self) -> dict[str, str]:
        """The header fields; names are in lower case, repeated fields are joined."""
        return self._http.headers

    @cached_property
    def body(self) -> bytes:
        """The body.

        Raises:
            ValueError: it should be base64, and is not.
        """
        return self._http.body

    @property
    def _http(self) -> FunctionUrlReader:
        shape = self.shape
        if shape is None or shape.reader is None:
            return FunctionUrlReader({}, {})
        return shape.reader(self.fields, self._context)


def mode_from(environment: Mapping[str, str]) -> Mode | None:
    """Return the mode that `TAILRACE_RESPONSE_MODE` sets for responses without a callback.

    None: it is not set, and the runtime decides.

    Raises:
        ConfigError: it is neither `stream` nor `buffer`.
    """
    value = environment.get(MODE_VARIABLE)
    if not value:
        return None
    if value == "stream":
        return "stream"
    if value == "buffer":
        return "buffer"
    raise ConfigError(f'{MODE_VARIABLE} is "stream" or "buffer", not {value[:40]!r}')


def warn_of_lost_head(request: Request) -> None:
    """Warn, once in an environment, of a response whose head is lost.

    Front ends other than Function URLs and HTTP APIs have their own forms of events and results.
    The SDK writes none of those results; it returns the body alone, which is no result there.
    """
    if request.shape is not None and request.shape.reader is None:
        _warn_once(request.shape.front_end)


@lru_cache(maxsize=8)
def _warn_once(front_end: str) -> None:
    logger.warning(
        "the event is one of %s, whose form of a result this SDK does not write: the response's"
        " status, headers and cookies are lost, and the body alone is returned, which is no result"
        " there. Return a dict in its form from this handler, or put a Function URL, an HTTP API"
        " with payload format 2.0, or the gateway in front of the function",
        front_end,
    )


def _mark_of(fields: Mapping[str, Any]) -> Mark | None:
    """Return the gateway's mark. An unknown version is served, with a warning (`wire.mark`)."""
    mark = read_mark(fields)
    if mark is not None and mark.version != MARK_VERSION:
        logger.warning(
            "the event's tailrace version is %.20r, this SDK knows %d: %s",
            mark.version,
            MARK_VERSION,
            "its callback is taken for known"
            if mark.callback is not None
            else "the response is returned",
        )
    return mark


def _fields_of(event: object) -> Mapping[str, Any]:
    """Return the fields of an event, in whatever form it reaches the handler.

    Another decorator may have converted it. Any Mapping is read as it is (a dict, powertools' data
    classes, UserDict, MappingProxyType), and so is a Pydantic model that keeps unknown keys. Other
    JSON types have no fields.
    """
    if isinstance(event, (dict, Mapping)):
        return event
    if isinstance(event, _WITHOUT_FIELDS):
        return {}
    if getattr(event, "model_extra", None) is not None:
        fields = event.model_dump(by_alias=True)  # type: ignore[attr-defined]  # pydantic.BaseModel
        if isinstance(fields, Mapping):
            return fields
    raise TypeError(
        f"the event is a {type(event).__qualname__}, which is not a mapping: the callback and the"
        " kind of the event cannot be read from it. Put streamify_response outermost and convert"
        " the event inside it, or let the model keep unknown keys (extra='allow')"
    )
