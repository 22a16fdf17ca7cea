"""Requests whose answers are streams: read by read to whoever asked, at that one's pace.

Concurrency law: protocol callbacks of one event loop, and one coroutine to connect. A connection
carries one request at a time. There is no task, queue or future for a piece of an answer.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator
from typing import Protocol, cast

from tailrace import limits
from tailrace.errors import PeerError
from tailrace.net.client.pool import Origin
from tailrace.net.client.reply import ReplyReader, no_connection
from tailrace.net.clock import LoopClock, TimerClock, time_limit
from tailrace.net.sweeper import Sweeper


class StreamReceiver(Protocol):
    """Who gets an answer. Calls are never concurrent; after the end, or a break, none follows."""

    def on_head(self, status: int, fields: dict[str, str]) -> None:
        """Status and headers: names in lower case, the last of repeats."""

    def on_body(self, data: bytes) -> None:
        """Body bytes: one call per read, whatever number of chunks it carried."""

    def on_end(self) -> None:
        """The answer is complete."""

    def on_broken(self, error: PeerError) -> None:
        """The answer will never be complete."""


class HttpStreams:
    """Streamed answers of one origin, each on a connection of its own.

    Nothing is sent twice: what a peer streams it has usually worked for. So a request fails when a
    kept connection turns out to be closed just then. Connections are kept for `kept_timeout_s`
    when their answer was complete, and up to `kept_max` of them. `len()` is the number of answers
    that are open.
    """

    def __init__(
        self,
        origin: Origin,
        *,
        connect_timeout_s: float = limits.CONNECT_TIMEOUT_S,
        kept_max: int = limits.STREAM_CONNECTIONS_KEPT_MAX,
        kept_timeout_s: float = limits.POOL_KEPT_TIMEOUT_S,
        clock: TimerClock | None = None,
    ) -> None:
        self.clock = clock if clock is not None else LoopClock()
        self.kept_timeout_s = kept_timeout_s
        self._origin = origin
        self._connect_timeout_s = connect_timeout_s
        self._kept_max = kept_max
        self._connecting = 0
        self._open: set[HttpStream] = set()
        self._idle: list[HttpStream] = []  # the last one used is taken first
        self._is_closed = False
        interval_s = min(limits.SWEEP_INTERVAL_S, kept_timeout_s / 4)
        self._sweeper = Sweeper(self.clock, interval_s=lambda: interval_s, look=self._look)

    def __len__(self) -> int:
        return len(self._open) - len(self._idle)

    @property
    def kept_count(self) -> int:
        """Connections that wait for another request; their peers may close them at any time."""
        return len(self._idle)

    def start(self) -> None:
        """Begin to watch time-outs; requests may follow."""
        self.loop = asyncio.get_running_loop()
        self._tls = self._origin.tls()
        self._has_ended = asyncio.Event()  # a connection, or the way to one
        self._sweeper.start()

    async def open(self, message: bytes, receiver: StreamReceiver) -> HttpStream:
        """Send an encoded request; its answer goes to the receiver, perhaps before this returns.

        Cancelling is safe: until this returns nothing has been sent.

        Raises:
            PeerError: the peer cannot be reached.
            TimeoutError: connecting took too long.
        """
        stream = await self.connect()
        stream.ask(message, receiver)
        return stream

    async def connect(self) -> HttpStream:
        """Return a connection that can be asked at once, and must be; raises as `open` does.

        For whoever wants to know when the request was sent.
        """
        return self._take_idle() or await self._connect()

    def _take_idle(self) -> HttpStream | None:
        while self._idle:
            stream = self._idle.pop()
            if not stream.is_closing:
                return stream
        return None

    async def close(self) -> None:
        """Cut every connection; answers that are open end as broken."""
        self._is_closed = True
        self._sweeper.stop()
        while self._open or self._connecting:
            for stream in list(self._open):
                stream.break_off(PeerError("the connections are closed"))
            self._has_ended.clear()
            await self._has_ended.wait()

    async def _connect(self) -> HttpStream:
        if self._is_closed:
            raise PeerError("the connections are closed")
        origin = self._origin
        self._connecting += 1
        try:
            async with time_limit(self.clock, self._connect_timeout_s):
                _, stream = await self.loop.create_connection(
                    lambda: HttpStream(self), origin.host, origin.port, ssl=self._tls
                )
        except TimeoutError:  # an OSError, too
            raise
        except OSError as error:
            raise no_connection(origin.host, origin.port, error) from error
        finally:
            self._connecting -= 1
            self._has_ended.set()
        if stream.is_lost:
            raise PeerError(f"the connection to {origin.host}:{origin.port} broke at once")
        # Not in `connection_made`: when we are cancelled then, uvloop does not tell the end.
        self._open.add(stream)
        return stream

    # --- for connections ----------------------------------------------------------------------

    def keep(self, stream: HttpStream) -> bool:
        """A connection's answer is complete: whether it is kept for another request."""
        if self._is_closed or len(self._idle) >= self._kept_max:
            return False
        self._idle.append(stream)
        return True

    def drop(self, stream: HttpStream) -> None:
        """A connection has ended."""
        self._open.discard(stream)
        if stream in self._idle:
            self._idle.remove(stream)
        self._has_ended.set()

    def _look(self) -> Iterator[bool]:
        now_s = self.clock.now_s()
        for stream in list(self._open):
            is_over = now_s >= stream.deadline_s
            if is_over:
                stream.abort()
            yield is_over


class HttpStream(ReplyReader, asyncio.Protocol):
    """One connection: a request, the stream that answers it, the next request."""

    __slots__ = (
        "_pieces",
        "_receiver",
        "_silent_bytes",
        "_streams",
        "_transport",
        "deadline_s",
        "is_lost",
    )

    def __init__(self, streams: HttpStreams) -> None:
        self._streams = streams
        self._transport: asyncio.Transport
        self._receiver: StreamReceiver | None = None
        self._pieces: list[bytes] = []
        self._silent_bytes = 0
        self.deadline_s = math.inf  # only while nobody waits for anything
        self.is_lost = False
        self._renew()

    @property
    def is_closing(self) -> bool:
        """Whether the connection has ended, or is about to."""
        return self._transport.is_closing()

    def ask(self, message: bytes, receiver: StreamReceiver) -> None:
        """Send a request."""
        self.deadline_s = math.inf
        self._receiver = receiver
        self._transport.write(message)

    def pause_reading(self) -> None:
        """Stop reading: the peer's writes will wait. While paused its end is not seen."""
        if not self.is_closing:
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read on."""
        if not self.is_closing:
            self._transport.resume_reading()

    def release(self) -> None:
        """Want nothing more of an answer that says no more: its receiver is not called again.

        The connection is kept when the end of the answer follows, and cut when anything else does.
        """
        if self._receiver is not None:
            self._receiver = None
            self.deadline_s = self._streams.clock.now_s() + limits.LINGER_TIMEOUT_S
            self.resume_reading()

    def abort(self) -> None:
        """Cut the connection; the receiver is not called again."""
        self._receiver = None
        self._transport.abort()

    def break_off(self, error: PeerError) -> None:
        """Cut the connection and tell the receiver."""
        receiver, self._receiver = self._receiver, None
        self._transport.abort()
        if receiver is not None:
            receiver.on_broken(error)

    # --- called by the event loop ---------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is not a subclass

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_lost = True
        self._streams.drop(self)
        receiver, self._receiver = self._receiver, None
        if receiver is not None:
            if self._is_delimited_by_close and exc is None:
                receiver.on_end()
            else:
                text = "the connection broke before its answer was complete"
                receiver.on_broken(PeerError(text, "cut-short"))
        self._forget_parser()

    def data_received(self, data: bytes) -> None:
        if self.is_closing:
            return
        if self.deadline_s < math.inf and not self._status:
            self._transport.abort()  # nobody asked
            return
        has_head = self._status > 0
        try:
            self._read(data)
            self._check_progress(len(data))
        except PeerError as error:
            self.break_off(error)
            return
        pieces = self._pieces
        if pieces:
            self._pieces = []
            if self._receiver is None:
                self._transport.abort()  # it goes on, and nobody wants it
                return
        if self._status and not has_head and self._receiver is not None:
            self._receiver.on_head(self._status, self._fields)
        if pieces and self._receiver is not None:
            self._receiver.on_body(pieces[0] if len(pieces) == 1 else b"".join(pieces))
        if self._is_complete and not self.is_closing:
            self._end()

    def _check_progress(self, count: int) -> None:
        """Bound a head, chunk extensions and trailers, of which the parser tells too late."""
        if self._pieces:
            self._silent_bytes = 0
            return
        self._silent_bytes += count
        if self._silent_bytes > limits.HEAD_BYTES_MAX:
            raise PeerError(f"more than {limits.HEAD_BYTES_MAX} bytes without one of the body")

    def _end(self) -> None:
        """The answer is complete: be ready for another request, or go."""
        receiver, self._receiver = self._receiver, None
        # An answer that came before all of the request was sent says nothing of what follows.
        is_kept = self._is_kept and not self._transport.get_write_buffer_size()
        if is_kept and self._streams.keep(self):
            self.deadline_s = self._streams.clock.now_s() + self._streams.kept_timeout_s
            self.resume_reading()
            self._renew()
            self._silent_bytes = 0
        else:
            self._transport.abort()
        if receiver is not None:
            receiver.on_end()

    # --- called by the parser -------------------------------------------------------------------

    def on_body(self, data: bytes) -> None:
        self._pieces.append(data)
