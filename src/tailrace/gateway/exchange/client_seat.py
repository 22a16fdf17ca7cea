"""The client's seat of an exchange: the exchange writes to it, and receives its client's events.

The seat is the exchange's only link to its client. It is taken while a client is connected and its
response has not ended. The only implementation is for HTTP/1.1 connections.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from tailrace.net.server.listener import Connection, Headers


class SeatedExchange(Protocol):
    """The receiver of a seat's events: its exchange."""

    def client_left(self) -> None:
        """The client's connection has ended before its response."""

    def client_stalled(self) -> None:
        """The client's connection was aborted: it accepted no bytes for too long."""

    def client_is_slow(self) -> None:
        """Unsent bytes have risen above the high water mark."""

    def client_has_caught_up(self) -> None:
        """Unsent bytes have fallen below the low water mark."""


class ClientSeat(Protocol):
    """The place of an exchange's client: taken, or free once the client has left.

    A response is started once, written, and then ended or aborted; or it is answered as a whole.
    The seat is free after that, and after the client has left. A free seat reports no events; its
    properties may be read, and corking has no effect.
    """

    exchange: SeatedExchange | None
    """The receiver of its events; None while it is free."""

    @property
    def is_taken(self) -> bool:
        """Whether a client waits for a response, or for more of it."""

    @property
    def unsent_bytes(self) -> int:
        """Bytes of the response that the client has not accepted; 0 if the seat is free."""

    @property
    def missing_bytes(self) -> int:
        """Bytes that the body lacks of its announced length; 0 if the seat is free."""

    def start(self, status: int, headers: Headers, length: int | None) -> None:
        """Start a response; `length` is that of its body, None if unknown."""

    def write(self, data: bytes) -> None:
        """Write body bytes.

        Raises:
            ResponseFormatError: the body is longer than its announced length.
        """

    def cork(self) -> None:
        """Buffer what is written until `uncork`, `end` or `abort`."""

    def uncork(self) -> None:
        """Send what was buffered."""

    def end(self) -> None:
        """End the response: it is complete."""

    def abort(self, *, is_flushed: bool) -> None:
        """Abort the response: it is visibly incomplete. With `is_flushed` unsent bytes are sent."""

    def answer(self, status: int, headers: Headers, body: bytes) -> None:
        """Send a whole response."""


@dataclass(slots=True, eq=False, repr=False)
class HttpSeat:
    """The seat of a client on an HTTP/1.1 connection, and that connection's receiver."""

    _connection: Connection | None
    exchange: SeatedExchange | None = None

    # --- for the exchange -----------------------------------------------------------------------

    @property
    def is_taken(self) -> bool:
        """See `ClientSeat`."""
        return self._connection is not None

    @property
    def unsent_bytes(self) -> int:
        """See `ClientSeat`."""
        return self._connection.unsent_bytes if self._connection is not None else 0

    @property
    def missing_bytes(self) -> int:
        """See `ClientSeat`."""
        return self._connection.missing_bytes if self._connection is not None else 0

    def start(self, status: int, headers: Headers, length: int | None) -> None:
        """See `ClientSeat`."""
        assert self._connection is not None
        self._connection.start(status, headers, length)

    def write(self, data: bytes) -> None:
        """See `ClientSeat`."""
        assert self._connection is not None
        self._connection.write(data)

    def cork(self) -> None:
        """See `ClientSeat`."""
        if self._connection is not None:
            self._connection.cork()

    def uncork(self) -> None:
        """See `ClientSeat`."""
        if self._connection is not None:
            self._connection.uncork()

    def end(self) -> None:
        """See `ClientSeat`."""
        self._leave().end()

    def abort(self, *, is_flushed: bool) -> None:
        """See `ClientSeat`."""
        connection = self._leave()
        if is_flushed:
            connection.abort()
        else:
            connection.reset()

    def answer(self, status: int, headers: Headers, body: bytes) -> None:
        """See `ClientSeat`."""
        self._leave().respond(status, headers, body)

    def _leave(self) -> Connection:
        """Free the seat; this must precede calls of the connection, which may call back."""
        connection = self._connection
        assert connection is not None, "the seat is free"
        self._connection = self.exchange = None
        return connection

    # --- for the connection ---------------------------------------------------------------------

    def on_body(self, data: bytes) -> None:
        """Not called: the request is complete before its client takes the seat."""

    def on_end(self, trailers: Headers) -> None:
        """See `on_body`."""

    def on_gone(self) -> None:
        """The connection has ended: the client has left, or it was aborted after a stall."""
        connection, exchange = self._connection, self.exchange
        assert connection is not None and exchange is not None
        if connection.has_stalled:
            exchange.client_stalled()  # which aborts the response, and so frees the seat
        else:
            self._connection = self.exchange = None
            exchange.client_left()

    def on_pause(self) -> None:
        """The client reads too slowly."""
        if self.exchange is not None:
            self.exchange.client_is_slow()

    def on_resume(self) -> None:
        """The client has caught up."""
        if self.exchange is not None:
            self.exchange.client_has_caught_up()
