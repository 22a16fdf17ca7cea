"""The input of a handler: an event, and what the SDK itself reads from it.

That is the gateway's mark, and the event's shape: every invocation needs them. The request in the
event is a `Request`, which few handlers use.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import lru_cache

from tailrace.errors import ConfigError
from tailrace.wire.events.fields import context_of, fields_of, text_in
from tailrace.wire.events.shapes import find_shape
from tailrace.wire.mark import MARK_VERSION, Mark, read_mark

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from typing import Any, Final, Literal, TypeAlias

    from tailrace.function.request import Request

    Mode: TypeAlias = Literal["stream", "buffer"]

logger = logging.getLogger("tailrace.function")

MODE_VARIABLE: Final = "TAILRACE_RESPONSE_MODE"


class Input:
    """One event: its shape, and the gateway's mark.

    Raises:
        TypeError: the event's fields cannot be read, so the place of its response is unknown.
    """

    def __init__(self, event: object) -> None:
        self.event: Final = event
        """The event, as the handler receives it."""
        self.fields: Final = fields_of(event)
        self.mark: Final = _mark_of(self.fields)
        """The gateway's mark; None if no gateway has sent the event."""
        self._context: Final = context_of(self.fields)
        self.shape: Final = find_shape(self.fields, self._context)
        """The shape of the event; None if it is no HTTP request, or of an unknown front end."""
        self.codec: Final = None if self.shape is None else self.shape.codec
        """How the request is read and answered; None if it is not."""

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
        return text_in(self._context, "requestId") or None

    @property
    def is_http(self) -> bool:
        """Whether the event is an HTTP request in a shape that is read here."""
        return self.codec is not None

    @property
    def method(self) -> str:
        """The request's method, in capitals; empty if the event is no HTTP request."""
        codec = self.codec
        return "" if codec is None else codec.reader(self.fields, self._context).method

    @property
    def request(self) -> Request | None:
        """The request in the event; None if it is no HTTP request, or in a shape not read here."""
        if not self.is_http:
            return None
        from tailrace.function.request import Request  # here: most handlers read the event

        return Request(self.event)


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


def warn_of_lost_head(incoming: Input) -> None:
    """Warn, once in an environment, of a response whose head is lost.

    The SDK writes no results for front ends whose events it does not read. It returns the body
    alone, which is no result there.
    """
    if incoming.shape is not None and incoming.codec is None:
        _warn_once(incoming.shape.front_end)


@lru_cache(maxsize=8)
def _warn_once(front_end: str) -> None:
    logger.warning(
        "the event is one of %s, whose form of a result this SDK does not write: the response's"
        " status, headers and cookies are lost, and the body alone is returned, which is no result"
        " there. Return a dict in its form from this handler, or put a Function URL, an API of API"
        " Gateway, a load balancer or the gateway in front of the function",
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
