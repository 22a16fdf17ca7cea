"""What is known of the way that a response takes, for those who write it."""

from __future__ import annotations

from tailrace.records import NamedTuple

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from typing import Final

    from tailrace.function.stream import Stream

EXTENSION: Final = "tailrace.way"
"""The key of a `ResponseWay` among the extensions of an ASGI scope."""
FLUSH_EXTENSION: Final = "tailrace.flush"
"""The key of a coroutine function there that does as `ResponseStream.flush`; it is absent where
nothing is held back. Middleware may not have passed on yet what the app has sent."""


class ResponseWay(NamedTuple):
    """What a response's way can do."""

    streams: bool = True
    """Bytes leave while the response is made; otherwise it is collected and returned as a whole."""
    stops_on_leave: bool = True
    """The handler is stopped when its client leaves."""
    holds_back: bool = False
    """Small writes may be late, and a flush may cost padding."""


def way_of(stream: Stream) -> ResponseWay:
    """Return the way of a response."""
    streams = stream.output.transport.peer is not None
    is_native = stream.output.flushes is not None
    return ResponseWay(streams, stops_on_leave=streams and not is_native, holds_back=is_native)
