"""Small whole requests to one origin over kept connections: how the gateway asks Lambda.

Concurrency law: protocol callbacks and coroutines of one event loop. A connection carries one
request at a time and returns itself to the pool when its answer is complete, be there somebody
who still waits for that answer or not; so cancelling a request costs no connection.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, cast
from urllib.parse import urlsplit

from tailrace import limits
from tailrace.errors import PeerError
from tailrace.net.client.reply import ReplyReader, no_connection
from tailrace.net.clock import LoopClock, TimerClock, time_limit
from tailrace.net.sweeper import Sweeper


class PoolAnswer(NamedTuple):
    """A whole answer; header names in lower case, the last of repeats."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where requests go."""

    host: str
    port: int
    is_tls: bool

    @classmethod
    def of(cls, url: str) -> Origin:
        """The origin of an http or https URL. Raises ValueError for a port that is none."""
        parts = urlsplit(url)
        is_tls = parts.scheme == "https"
        port = parts.port or (443 if is_tls else 80)
        return cls(host=parts.hostname or "", port=port, is_tls=is_tls)

    def tls(self) -> ssl.SSLContext | None:
        """What connections to it are encrypted with."""
        return ssl.create_default_context() if self.is_tls else None


class HttpPool:
    """Up to `connections_max` connections to one origin; further requests wait, in their order.

    A request is sent again when a kept connection turns out to be closed before a byte of
    the answer has come: the peer may close those when it likes. Should it have taken the first
    all the same, it has the request twice.
    """

    def __init__(
        self,
        origin: Origin,
        *,
        connections_max: int,
        timeout_s: float,
        kept_timeout_s: float = limits.POOL_KEPT_TIMEOUT_S,
        answer_bytes_max: int = limits.POOL_ANSWER_BYTES_MAX,
        clock: TimerClock | None = None,
    ) -> None:
        self.clock = clock if clock is not None else LoopClock()
        self.kept_timeout_s = kept_timeout_s
        self.answer_bytes_max = answer_bytes_max
        self._origin = origin
        self._timeout_s = timeout_s
        # One is taken by each connection that works, and by each that is being made. An idle
        # connection has none: whoever takes a place takes an idle connection, if there is one.
        self._places = asyncio.Semaphore(connections_max)
        self._entering: set[asyncio.Timeout] = set()
        self._open: set[_Connection] = set()
        self._idle: list[_Connection] = []  # the last one used is taken first
        self._is_closed = False
        interval_s = min(limits.SWEEP_INTERVAL_S, timeout_s / 4)
        self._sweeper = Sweeper(self.clock, interval_s=lambda: interval_s, look=self._look)

    def start(self) -> None:
        """Begin to watch time-outs; requests may follow."""
        self.loop = asyncio.get_running_loop()
        self._tls = self._origin.tls()
        self._has_ended = asyncio.Event()  # a connection, or the way to one
        self._sweeper.start()

    async def request(self, message: bytes) -> PoolAnswer:
        """Send an encoded request and wait for its answer; cancelling is safe.

        Raises:
            PeerError: the peer cannot be reached, broke off, or sent what is no answer.
            TimeoutError: waiting for a connection, connecting and the answer took too long.
        """
        deadline_s = self.clock.now_s() + self._timeout_s
        while True:
            if self._idle and not self._places.locked():
                await self._places.acquire()  # at once
                connection = self._idle.pop()
            else:
                connection = await self._enter(deadline_s)
            try:
                return await connection.request(message, deadline_s)
            except _NothingCameError:
                pass  # other kept ones may be dead as well; a new one is not

    async def close(self) -> None:
        """Cut every connection; requests that are under way end with an error."""
        self._is_closed = True
        self._sweeper.stop()
        for timeout in list(self._entering):
            if not timeout.expired():
                timeout.reschedule(self.loop.time())
        while self._open or self._entering:
            for connection in list(self._open):
                connection.give_up(PeerError("the connections are closed"))
            self._has_ended.clear()
            await self._has_ended.wait()

    async def _enter(self, deadline_s: float) -> _Connection:
        """Wait for a place; return the connection that goes with it."""
        async with time_limit(self.clock, deadline_s - self.clock.now_s()) as timeout:
            self._entering.add(timeout)
            try:
                await self._places.acquire()
                try:
                    return self._idle.pop() if self._idle else await self._connect()
                except BaseException:
                    self._places.release()
                    raise
            finally:
                self._entering.remove(timeout)
                self._has_ended.set()

    async def _connect(self) -> _Connection:
        origin = self._origin
        if self._is_closed:
            raise PeerError("the connections are closed")
        try:
            _, connection = await self.loop.create_connection(
                lambda: _Connection(self), origin.host, origin.port, ssl=self._tls
            )
        except OSError as error:
            raise no_connection(origin.host, origin.port, error) from error
        # Not in `connection_made`: when we are cancelled then, uvloop does not tell the end.
        self._open.add(connection)
        return connection

    # --- for connections ----------------------------------------------------------------------

    def keep(self, connection: _Connection) -> None:
        """A connection's answer is complete, and another request may follow."""
        self._idle.append(connection)
        self._places.release()

    def drop(self, connection: _Connection) -> None:
        """A connection has ended."""
        self._open.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        elif connection.is_working:
            self._places.release()
        self._has_ended.set()

    def _look(self) -> Iterator[bool]:
        now_s = self.clock.now_s()
        for connection in list(self._open):
            is_over = now_s >= connection.deadline_s
            if is_over:
                connection.give_up(TimeoutError("the answer took too long"))
            yield is_over


class _NothingCameError(PeerError):
    """A kept connection was closed before a byte of the answer had come."""


class _Connection(ReplyReader, asyncio.Protocol):
    """One connection: a request, its answer, the next request."""

    __slots__ = (
        "_body",
        "_bytes",
        "_is_used",
        "_pool",
        "_transport",
        "_waiter",
        "deadline_s",
    )

    def __init__(self, pool: HttpPool) -> None:
        self._pool = pool
        self._transport: asyncio.Transport
        self._is_used = False  # it has carried a request before
        self._waiter: asyncio.Future[PoolAnswer] | None = None  # from the request to the next rest
        self._rest()

    def _rest(self) -> None:
        """Be ready for a request."""
        self.deadline_s = self._pool.clock.now_s() + self._pool.kept_timeout_s
        self._waiter = None
        self._renew()
        self._bytes = 0
        self._body = b""

    @property
    def is_working(self) -> bool:
        """Whether it has a request, be it one that was given up."""
        return self._waiter is not None

    async def request(self, message: bytes, deadline_s: float) -> PoolAnswer:
        """Send a request and wait for its answer."""
        self.deadline_s = deadline_s
        self._waiter = self._pool.loop.create_future()
        self._transport.write(message)
        return await self._waiter

    def give_up(self, error: Exception) -> None:
        """Cut the connection, with an error for whoever waits."""
        self._fail(error)
        self._transport.abort()

    def _fail(self, error: Exception) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(error)

    # --- called by the event loop ---------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is not a subclass

    def connection_lost(self, exc: Exception | None) -> None:
        if self._is_delimited_by_close and exc is None:
            self._answer()
        elif self._is_used and not self._bytes:
            self._fail(_NothingCameError("the kept connection was closed"))
        else:
            self._fail(
                PeerError("the connection broke before the answer was complete", "cut-short")
            )
        self._pool.drop(self)
        self._forget_parser()

    def data_received(self, data: bytes) -> None:
        if self._waiter is None:
            self._transport.abort()  # nobody asked
            return
        self._bytes += len(data)
        if self._bytes > self._pool.answer_bytes_max:
            self.give_up(PeerError(f"the answer is over {self._pool.answer_bytes_max} bytes"))
            return
        try:
            self._read(data)
        except PeerError as error:
            self.give_up(error)
            return
        if self._is_complete:
            self._answer()

    def _answer(self) -> None:
        assert self._waiter is not None
        if not self._waiter.done():
            self._waiter.set_result(PoolAnswer(self._status, self._fields, self._body))
        if self._is_kept:
            self._is_used = True
            self._rest()
            self._pool.keep(self)
        else:
            self._transport.abort()

    # --- called by the parser -------------------------------------------------------------------

    def on_body(self, data: bytes) -> None:
        self._body += data


def encode_post(target: str, headers: dict[str, str], body: bytes) -> bytes:
    """A whole POST as bytes; target and headers are taken as they are."""
    lines = [f"POST {target} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines += [f"content-length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode("latin-1") + body
