"""The input of a handler: an event, and what the SDK reads from it.

A part is read when it is first used, and once. A handler that uses none of them costs nothing
beyond the check that the event can be read at all.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import cached_property, lru_cache
from typing import Any, Final, Literal, TypeAlias

from tailrace.errors import ConfigError
from tailrace.wire.mark import MARK_VERSION, Mark, read_mark

logger = logging.getLogger("tailrace.function")

Mode: TypeAlias = Literal["stream", "buffer"]

MODE_VARIABLE: Final = "TAILRACE_RESPONSE_MODE"
_WITHOUT_FIELDS: Final = (str, int, float, list, tuple, bytes, type(None))


class Request:
    """One event: the HTTP request in it, if there is one, and the gateway's mark.

    The HTTP parts are those of payload format 2.0 (Function URLs, HTTP APIs, the gateway). In any
    other event they are empty, and `is_http` is false.

    Raises:
        TypeError: the event's fields cannot be read, so the place of its response is unknown.
    """

    def __init__(self, event: object) -> None:
        self.event: Final = event
        """As the handler gets it."""
        self.fields: Final = _fields_of(event)

    @cached_property
    def mark(self) -> Mark | None:
        """What the gateway asks for; None if no gateway has sent the event.

        An unknown version of the mark is served, with a warning (see `wire.mark`).
        """
        mark = read_mark(self.fields)
        if mark is not None and mark.version != MARK_VERSION:
            has_callback = mark.callback is not None
            logger.warning(
                "the event's tailrace version is %.20r, this SDK knows %d: %s",
                mark.version,
                MARK_VERSION,
                "its callback is taken for known" if has_callback else "the response is returned",
            )
        return mark

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
        exchange_id = self._context.get("requestId")
        return exchange_id if isinstance(exchange_id, str) else None

    @property
    def is_http(self) -> bool:
        """Whether the event is an HTTP request in payload format 2.0."""
        return isinstance(self._context.get("http"), Mapping)

    @property
    def method(self) -> str:
        """The method, in capitals."""
        return _text_in(_mapping_in(self._context, "http"), "method")

    @property
    def path(self) -> str:
        """The path as sent: percent-encoded, without the query."""
        return _text_in(self.fields, "rawPath") if self.is_http else ""

    @property
    def query(self) -> str:
        """The query as sent, without the question mark."""
        return _text_in(self.fields, "rawQueryString") if self.is_http else ""

    @cached_property
    def headers(self) -> dict[str, str]:
        """The header fields; names are in lower case, repeated fields are joined.

        An HTTP API moves the Cookie field to the event's `cookies`; here it is a field again.
        """
        if not self.is_http:
            return {}
        fields = _mapping_in(self.fields, "headers").items()
        headers = {name.lower(): value for name, value in fields if isinstance(value, str)}
        cookies = self.fields.get("cookies")
        if cookies and "cookie" not in headers:
            headers["cookie"] = "; ".join(cookies)
        return headers

    @cached_property
    def body(self) -> bytes:
        """The body.

        Raises:
            ValueError: it should be base64, and is not.
        """
        text = _text_in(self.fields, "body") if self.is_http else ""
        if not self.fields.get("isBase64Encoded"):
            return text.encode("utf-8")
        from binascii import a2b_base64

        return a2b_base64(text, strict_mode=True)

    @cached_property
    def _context(self) -> Mapping[str, Any]:
        return _mapping_in(self.fields, "requestContext")


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
    front_end = None if request.is_http else _other_front_end(request.fields)
    if front_end is not None:
        _warn_once(front_end)


@lru_cache(maxsize=8)
def _warn_once(front_end: str) -> None:
    logger.warning(
        "the event is one of %s, whose form of a result this SDK does not write: the response's"
        " status, headers and cookies are lost, and the body alone is returned, which is no result"
        " there. Return a dict in its form from this handler, or put a Function URL, an HTTP API"
        " with payload format 2.0, or the gateway in front of the function",
        front_end,
    )


def _other_front_end(fields: Mapping[str, Any]) -> str | None:
    """Return the name of the front end that sends HTTP requests in a form like this event's."""
    context = _mapping_in(fields, "requestContext")
    if "elb" in context:
        return "an Application Load Balancer"
    if "connectionId" in context:
        return "API Gateway's WebSocket API"
    if "httpMethod" in fields:
        return "API Gateway's REST API, or HTTP API with payload format 1.0"
    if "serviceNetworkArn" in context or ("raw_path" in fields and "method" in fields):
        return "VPC Lattice"
    records = fields.get("Records")
    if isinstance(records, list) and records and isinstance(records[0], Mapping):
        return "CloudFront (Lambda@Edge)" if "cf" in records[0] else None
    return None


def _fields_of(event: object) -> Mapping[str, Any]:
    """Return the fields of an event, in whatever form it reaches the handler.

    Another decorator may have converted it. Any Mapping is read as it is (a dict, powertools' data
    classes, UserDict, MappingProxyType), and so is a Pydantic model that keeps unknown keys. Other
    JSON types have no fields.
    """
    if isinstance(event, Mapping):
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


def _mapping_in(fields: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = fields.get(name)
    return value if isinstance(value, Mapping) else {}


def _text_in(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    return value if isinstance(value, str) else ""
