"""One client-side HTTP/1.1 connection: sends a request, streams the answer to its receiver.

Concurrency law: everything runs in protocol callbacks of one event loop. A connection carries one
request at a time. There is no task, queue or future for a piece of an answer.
"""

from __future__ import annotations

import asyncio
import math
import sys
from typing import Protocol, cast

from tailrace import limits
from tailrace.errors import PeerError
from tailrace.net.client.reply import ReplyParser
from tailrace.net.clock import TimerClock


class StreamReceiver(Protocol):
    """What gets an answer. Calls are never concurrent; none follows `on_end` or `on_broken`."""

    def on_head(self, status: int, fields: dict[str, str]) -> None:
        """Status and headers: names in lower case; of repeats the last value."""

    def on_body(self, data: bytes) -> None:
        """Body bytes: one call per read, however many chunks it had."""

    def on_end(self) -> None:
        """The answer is complete."""

    def on_broken(self, error: PeerError) -> None:
        """The answer stays incomplete."""


class Pool(Protocol):
    """The pool of a connection (`HttpPool`, which imports this module)."""

    clock: TimerClock
    kept_timeout_s: float

    def keep(self, connection: ClientConnection) -> bool: ...
    def discard(self, connection: ClientConnection) -> None: ...


class ClientConnection(asyncio.Protocol):
    """One connection: it sends a request, receives the answer, then takes the next request."""

    __slots__ = (
        "_bytes_max",
        "_has_request",
        "_is_paused",
        "_parser",
        "_pool",
        "_receiver",
        "_silent_bytes",
        "_transport",
        "deadline_s",
        "is_lost",
        "is_used",
    )

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._parser = ReplyParser()
        self._transport: asyncio.Transport
        self._receiver: StreamReceiver | None = None
        self._has_request = False  # a request was sent whose answer has not ended
        self._bytes_max = sys.maxsize
        self._is_paused = False
        self._silent_bytes = 0  # since the last byte of a body
        self.deadline_s = math.inf
        self.is_lost = False
        self.is_used = False  # it has carried a request before

    @property
    def is_closing(self) -> bool:
        """Whether the connection has ended or is closing."""
        return self._transport.is_closing()

    @property
    def http_version(self) -> str:
        """The version of the present answer, such as "1.1"."""
        return self._parser.http_version

    @property
    def read_bytes(self) -> int:
        """How much of the answer has arrived, framing included."""
        return self._parser.read_bytes

    def send_request(
        self,
        message: bytes,
        receiver: StreamReceiver,
        deadline_s: float = math.inf,
        bytes_max: int = sys.maxsize,
    ) -> None:
        """Send a request.

        The receiver gets `on_broken` if the answer is not complete at `deadline_s`, with the fault
        "overdue", or if it has more than `bytes_max` bytes, head included.
        """
        self.deadline_s = deadline_s
        self._bytes_max = bytes_max
        self._receiver = receiver
        self._has_request = True
        self._transport.write(message)

    def pause_reading(self) -> None:
        """Stop reading, so that the peer's writes wait. While paused, its end is not noticed."""
        if not self.is_closing:
            self._is_paused = True
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Continue to read."""
        if not self.is_closing:
            self._is_paused = False
            self._transport.resume_reading()

    def release(self) -> None:
        """Wait for the end of the answer only; the receiver is not called again.

        When the end follows, the connection returns to the pool; if body bytes follow, it is
        aborted.
        """
        if self._receiver is not None:
            self._receiver = None
            self.deadline_s = self._pool.clock.now_s() + limits.LINGER_TIMEOUT_S
            self.resume_reading()

    def abort(self) -> None:
        """Reset the connection; the receiver is not called again."""
        self._receiver = None
        self._transport.abort()

    def fail(self, error: PeerError) -> None:
        """Reset the connection and report the error to the receiver, if there is one."""
        receiver, self._receiver = self._receiver, None
        self._transport.abort()
        if receiver is not None:
            receiver.on_broken(error)

    # --- called by the event loop ---------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is not a subclass

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_lost = True
        self._pool.discard(self)
        receiver, self._receiver = self._receiver, None
        if receiver is not None:
            if self._parser.ends_with_connection and exc is None:
                receiver.on_end()
            else:
                text = "the connection broke before its answer was complete"
                receiver.on_broken(PeerError(text, "cut-short"))
        self._parser.close()

    def data_received(self, data: bytes) -> None:
        if self._transport.is_closing():
            return
        if not self._has_request:
            self._transport.abort()
            return
        parser = self._parser
        has_head = parser.status > 0
        try:
            # Bounds an answer with `bytes_max`, before its bytes are parsed.
            if parser.read_bytes + len(data) > self._bytes_max:
                raise PeerError(f"the answer is over {self._bytes_max} bytes")
            parser.feed(data)
            body = parser.take_body()
            # Bounds heads, chunk extensions and trailers, which the parser buffers without limit.
            self._silent_bytes = 0 if body else self._silent_bytes + len(data)
            if self._silent_bytes > limits.HEAD_BYTES_MAX:
                raise PeerError(f"more than {limits.HEAD_BYTES_MAX} bytes without one of the body")
        except PeerError as error:
            self.fail(error)
            return
        if body and self._receiver is None:
            self._transport.abort()  # released, but the body continues
            return
        if parser.status and not has_head and self._receiver is not None:
            self._receiver.on_head(parser.status, parser.fields)
        if body and self._receiver is not None:
            self._receiver.on_body(body)
        if parser.is_complete and not self._transport.is_closing():
            self._end()

    def _end(self) -> None:
        """Report a complete answer; then prepare for another request, or close."""
        parser, receiver = self._parser, self._receiver
        # After an answer to a request that was not sent completely, the peer may read anything.
        is_kept = parser.is_kept and not self._transport.get_write_buffer_size()
        self._receiver = None
        if receiver is not None:
            receiver.on_end()
        if not is_kept or self._transport.is_closing() or not self._pool.keep(self):
            self._transport.abort()
            return
        self._has_request = False
        self.is_used = True
        self.deadline_s = self._pool.clock.now_s() + self._pool.kept_timeout_s
        if self._is_paused:
            self.resume_reading()
        parser.renew()
        self._silent_bytes = 0
