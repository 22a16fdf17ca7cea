"""Small whole requests to one origin over kept connections: how the gateway asks Lambda.

Concurrency law: protocol callbacks and coroutines of one event loop. A connection carries one
request at a time and returns itself to the pool when its answer is complete, be there somebody
who still waits for that answer or not; so cancelling a request costs no connection.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from dataclasses import dataclass
from functools import cache
from typing import Final, NamedTuple, cast

import httptools

from tailrace import limits
from tailrace.errors import PeerError

_HEAD_BYTES_MAX: Final = limits.HEAD_BYTES_MAX


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


class HttpPool:
    """Up to `connections_max` connections to one origin; further requests wait for one.

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
    ) -> None:
        self.answer_bytes_max = answer_bytes_max
        self._origin = origin
        self._connections_max = connections_max
        self._timeout_s = timeout_s
        self._kept_timeout_s = kept_timeout_s
        self._open: set[_Connection] = set()
        self._idle: list[_Connection] = []  # the last one used is taken first
        self._places = 0  # taken by open connections and by those that are being made
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._sweeper: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to watch time-outs; requests may follow."""
        self.loop = asyncio.get_running_loop()
        self._all_closed = asyncio.Event()
        self._interval_s = min(limits.SWEEP_INTERVAL_S, self._timeout_s / 4)
        self._sweeper = self.loop.call_later(self._interval_s, self._sweep)

    async def request(self, message: bytes) -> PoolAnswer:
        """Send an encoded request and wait for its answer; cancelling is safe.

        Raises:
            PeerError: the peer cannot be reached, broke off, or sent what is no answer.
            TimeoutError: connecting, waiting for a connection and the answer took too long.
        """
        deadline_s = self.loop.time() + self._timeout_s
        while True:
            if self._idle:
                try:
                    return await self._idle.pop().request(message)
                except _NothingCameError:
                    continue  # other kept ones may be dead as well; a new one is not
            if self._places < self._connections_max:
                return await (await self._connect(deadline_s)).request(message)
            await self._wait_for_place(deadline_s)

    async def close(self) -> None:
        """Cut every connection; who waits for an answer gets a PeerError."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        for connection in list(self._open):
            connection.abort()
        self._all_closed.clear()
        if self._open:
            await self._all_closed.wait()

    async def _wait_for_place(self, deadline_s: float) -> None:
        place = self.loop.create_future()
        self._waiting.append(place)
        try:
            async with asyncio.timeout_at(deadline_s):
                await place
        finally:
            if not place.done() or place.cancelled():
                self._waiting.remove(place)

    async def _connect(self, deadline_s: float) -> _Connection:
        origin = self._origin
        self._places += 1
        try:
            async with asyncio.timeout_at(deadline_s):
                _, connection = await self.loop.create_connection(
                    lambda: _Connection(self),
                    origin.host,
                    origin.port,
                    ssl=_tls_context() if origin.is_tls else None,
                )
        except BaseException as error:
            self.give_up_place()
            if isinstance(error, OSError) and not isinstance(error, TimeoutError):
                raise PeerError(f"no connection to {origin.host}:{origin.port}") from error
            raise
        return connection

    # --- for connections ----------------------------------------------------------------------

    def add(self, connection: _Connection) -> None:
        """A connection has been made."""
        self._open.add(connection)

    def keep(self, connection: _Connection) -> None:
        """A connection's answer is complete, and another request may follow."""
        self._idle.append(connection)
        self._wake_one()

    def drop(self, connection: _Connection) -> None:
        """A connection has ended."""
        self._open.discard(connection)
        if not self._open:
            self._all_closed.set()
        if connection in self._idle:
            self._idle.remove(connection)
        self.give_up_place()

    def give_up_place(self) -> None:
        """There is room for another connection."""
        self._places -= 1
        self._wake_one()

    def _wake_one(self) -> None:
        while self._waiting:
            place = self._waiting.popleft()
            if not place.done():
                place.set_result(None)
                return

    def _sweep(self) -> None:
        now_s = self.loop.time()
        for connection in list(self._open):
            is_idle = connection.waiter is None
            bound_s = self._kept_timeout_s if is_idle else self._timeout_s
            if now_s - connection.since_s >= bound_s:
                connection.give_up(TimeoutError("the answer took too long"))
        self._sweeper = self.loop.call_later(self._interval_s, self._sweep)


class _NothingCameError(PeerError):
    """A kept connection was closed before a byte of the answer had come."""


class _Connection(asyncio.Protocol):
    """One connection: a request, its answer, the next request."""

    __slots__ = (
        "_body",
        "_fields",
        "_head_bytes",
        "_is_complete",
        "_is_kept",
        "_is_used",
        "_parser",
        "_pool",
        "_status",
        "_transport",
        "since_s",
        "waiter",
    )

    def __init__(self, pool: HttpPool) -> None:
        self._pool = pool
        self._transport: asyncio.Transport
        self._is_used = False  # it has carried a request before
        self.waiter: asyncio.Future[PoolAnswer] | None = None
        self.since_s = pool.loop.time()
        self._reset()

    def _reset(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._head_bytes = 0
        self._status = 0
        self._fields: dict[str, str] = {}
        self._body = b""
        self._is_complete = self._is_kept = False

    async def request(self, message: bytes) -> PoolAnswer:
        """Send a request and wait for its answer."""
        self.waiter = self._pool.loop.create_future()
        self.since_s = self._pool.loop.time()
        self._transport.write(message)
        return await self.waiter

    def abort(self) -> None:
        """Cut the connection."""
        self._transport.abort()

    def give_up(self, error: Exception) -> None:
        """End with an error for whoever waits."""
        waiter, self.waiter = self.waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_exception(error)
        self._transport.abort()

    # --- called by the event loop ---------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is not a subclass
        self._pool.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._pool.drop(self)
        is_delimited_by_close = self._status and not (
            self._is_complete or {"content-length", "transfer-encoding"} & self._fields.keys()
        )
        if is_delimited_by_close and exc is None:
            self._answer()
        elif self._is_used and not self._head_bytes:
            self.give_up(_NothingCameError("the kept connection was closed"))
        else:
            self.give_up(PeerError("the connection broke before the answer was complete"))
        self._parser = None  # type: ignore[assignment] # it holds our bound methods

    def data_received(self, data: bytes) -> None:
        if self.waiter is None:
            self._transport.abort()  # nobody asked
            return
        if not self._status:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self.give_up(
                error.__context__
                if isinstance(error.__context__, PeerError)
                else PeerError("the answer is not HTTP")
            )
            return
        if not self._status and self._head_bytes > _HEAD_BYTES_MAX:
            self.give_up(PeerError(f"the answer's head is over {_HEAD_BYTES_MAX} bytes"))
        elif self._is_complete:
            self._answer()

    def _answer(self) -> None:
        answer = PoolAnswer(self._status, self._fields, self._body)
        waiter, self.waiter = self.waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(answer)
        if self._is_kept:
            self._is_used = True
            self.since_s = self._pool.loop.time()
            self._reset()
            self._pool.keep(self)
        else:
            self._transport.abort()

    # --- called by the parser -------------------------------------------------------------------

    def on_header(self, name: bytes, value: bytes) -> None:
        self._fields[name.decode("latin-1").lower()] = value.decode("latin-1")
        if len(self._fields) > limits.HEADER_COUNT_MAX:
            raise PeerError(f"the answer has more than {limits.HEADER_COUNT_MAX} header fields")

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status >= 200:
            self._status = status
            self._is_kept = self._parser.should_keep_alive()
        elif status < 100:
            raise PeerError("the answer has no status")

    def on_body(self, data: bytes) -> None:
        self._body += data
        if len(self._body) > self._pool.answer_bytes_max:
            raise PeerError(f"the answer is over {self._pool.answer_bytes_max} bytes")

    def on_message_complete(self) -> None:
        if self._status:
            self._is_complete = True
        else:  # an informational answer (RFC 9110 §15.2): the real one follows
            self._fields = {}


@cache
def _tls_context() -> ssl.SSLContext:
    return ssl.create_default_context()


def encode_post(target: str, headers: dict[str, str], body: bytes) -> bytes:
    """A whole POST as bytes; target and headers are taken as they are."""
    lines = [f"POST {target} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines += [f"content-length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode("latin-1") + body
