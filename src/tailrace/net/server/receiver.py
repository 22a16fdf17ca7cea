"""Receivers of a request: the protocol, and a receiver that collects the whole body."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NoReturn, Protocol

from tailrace.errors import HttpError
from tailrace.wire.http_head import Headers, RequestHead


class Receiver(Protocol):
    """Receives the body and the events of one request. An application returns it.

    Calls are never concurrent. None follows `on_gone` or the end of the response.
    """

    def on_body(self, data: bytes) -> None:
        """Body bytes: one call per read, however many chunks it carried."""

    def on_end(self, trailers: Headers) -> None:
        """The request is complete."""

    def on_gone(self) -> None:
        """The peer left or broke its message before its exchange was over; or it took nothing of
        its response for the stall time-out (`Connection.has_stalled`)."""

    def on_pause(self) -> None:
        """The response's unsent bytes have risen above the high water mark."""

    def on_resume(self) -> None:
        """The response's unsent bytes have fallen below the low water mark."""


class _Ignored:
    """Discards a request that has been answered from its head alone."""

    __slots__ = ()

    def on_body(self, data: bytes) -> None: ...
    def on_end(self, trailers: Headers) -> None: ...
    def on_gone(self) -> None: ...
    def on_pause(self) -> None: ...
    def on_resume(self) -> None: ...


IGNORE: Final[Receiver] = _Ignored()
"""Returned by an application that has responded from the head alone."""


class WholeBody:
    """A receiver that collects the body.

    `on_complete(body, trailers)` is called when the request is complete; `on_gone()` when the
    peer leaves before its response has ended, whether or not the request is complete. A body over
    `bytes_max` is refused with 413; if its length is announced, before a byte of it is read.
    """

    __slots__ = ("_body", "_bytes_max", "_on_complete", "_on_gone")

    def __init__(
        self,
        head: RequestHead,
        bytes_max: int,
        on_complete: Callable[[bytes, Headers], None],
        on_gone: Callable[[], None],
    ) -> None:
        self._bytes_max = bytes_max
        self._on_complete = on_complete
        self._on_gone = on_gone
        self._body = bytearray()  # not a list: for tiny pieces it would take many times their size
        if (head.content_length or 0) > bytes_max:
            self._refuse()

    def _refuse(self) -> NoReturn:
        raise HttpError(413, f"the body is over the limit of {self._bytes_max} bytes")

    def on_body(self, data: bytes) -> None:
        """Append to the body, or refuse it."""
        if len(self._body) + len(data) > self._bytes_max:
            self._refuse()
        self._body += data

    def on_end(self, trailers: Headers) -> None:
        """Call `on_complete`."""
        body = bytes(self._body)
        self._body.clear()
        self._on_complete(body, trailers)

    def on_gone(self) -> None:
        """Call `on_gone`."""
        self._on_gone()

    def on_pause(self) -> None:
        """Do nothing: `on_complete` may set another receiver for the response."""

    def on_resume(self) -> None:
        """See `on_pause`."""
