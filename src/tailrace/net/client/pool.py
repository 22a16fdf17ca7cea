"""The connections to one origin: requests whose answers are collected, or streamed.

Concurrency law: protocol callbacks and coroutines of one event loop. A request runs no task if a
kept connection is free. A connection returns to the pool when its answer is complete, even if the
request was cancelled meanwhile; so cancelling a request costs no connection.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from tailrace import limits
from tailrace.errors import PeerError
from tailrace.net.client.connection import ClientConnection
from tailrace.net.client.places import Places
from tailrace.net.client.request import EncodedRequest, PoolAnswer, WholeRequest
from tailrace.net.clock import LoopClock, TimerClock, time_limit
from tailrace.net.sweeper import Sweeper
from tailrace.net.tasks import TaskSet


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The host and port to which requests are sent, with or without TLS."""

    host: str
    port: int
    is_tls: bool

    @classmethod
    def of(cls, url: str) -> Origin:
        """Return the origin of an http or https URL. Raises ValueError if its port is invalid."""
        parts = urlsplit(url)
        is_tls = parts.scheme == "https"
        port = parts.port or (443 if is_tls else 80)
        return cls(host=parts.hostname or "", port=port, is_tls=is_tls)

    def tls(self) -> ssl.SSLContext | None:
        """Return a new TLS context for its connections; None without TLS."""
        return ssl.create_default_context() if self.is_tls else None


class HttpPool:
    """Connections to one origin, kept between requests; the most recently used is taken first.

    `request` collects an answer of at most `answer_bytes_max` within `timeout_s`, connecting
    included. It repeats a request if a kept connection ends before a byte of the answer arrives:
    the peer may close those at any time. If the peer read the first all the same, it gets the
    request twice.

    `connect` and `take_kept` are for answers that are streamed to a receiver. Nothing is repeated:
    a peer that streams has usually worked for it.

    At most `connections_max` connections are in use at a time (None: the caller bounds them);
    further requests wait in order. At most `kept_max` idle ones are kept, for `kept_timeout_s`.
    `len()` is the number of connections in use.
    """

    def __init__(
        self,
        origin: Origin,
        *,
        connections_max: int | None = None,
        kept_max: int | None = None,
        timeout_s: float = limits.INVOKE_TIMEOUT_S,
        connect_timeout_s: float = limits.CONNECT_TIMEOUT_S,
        kept_timeout_s: float = limits.POOL_KEPT_TIMEOUT_S,
        answer_bytes_max: int = limits.POOL_ANSWER_BYTES_MAX,
        clock: TimerClock | None = None,
    ) -> None:
        self.clock = clock if clock is not None else LoopClock()
        self.kept_timeout_s = kept_timeout_s
        self.answer_bytes_max = answer_bytes_max
        self.tasks = TaskSet()  # of requests that wait for a connection
        self._origin = origin
        self._timeout_s = timeout_s
        self._connect_timeout_s = connect_timeout_s
        if kept_max is None:
            kept_max = connections_max or limits.STREAM_CONNECTIONS_KEPT_MAX
        self._kept_max = kept_max
        # One is taken by each connection that works, and by each that is being made. An idle
        # connection has none: a request that takes a place takes an idle connection, if any.
        self._places = Places(connections_max or sys.maxsize)
        self._entering: set[asyncio.Timeout] = set()
        self._open: set[ClientConnection] = set()
        self._idle: list[ClientConnection] = []
        self._is_closed = False
        interval_s = min(limits.SWEEP_INTERVAL_S, timeout_s / 4, kept_timeout_s / 4)
        self._sweeper = Sweeper(self.clock, interval_s=lambda: interval_s, look=self._look)

    def __len__(self) -> int:
        return len(self._open) - len(self._idle)

    @property
    def kept_count(self) -> int:
        """The number of idle connections; their peers may close them at any time."""
        return len(self._idle)

    def start(self) -> None:
        """Start the sweep for time-outs; call this before the first request."""
        self.loop = asyncio.get_running_loop()
        self._tls = self._origin.tls()
        self._has_ended = asyncio.Event()  # set when a connection, or an attempt to connect, ends
        self._sweeper.start()

    # --- whole answers ------------------------------------------------------------------------

    def request(
        self, message: EncodedRequest, on_done: Callable[[WholeRequest], None]
    ) -> WholeRequest:
        """Send an encoded request; `on_done` is called once, after this has returned.

        See `WholeRequest` for its result, and for cancelling.
        """
        request = WholeRequest(self, message, self.clock.now_s() + self._timeout_s, on_done)
        request.start()
        return request

    async def ask(self, message: EncodedRequest) -> PoolAnswer:
        """Send an encoded request and return its answer. Cancelling is safe.

        Raises:
            PeerError: the peer is unreachable, or its answer is no HTTP.
            TimeoutError: it did not answer in time.
        """
        done: asyncio.Future[WholeRequest] = asyncio.get_running_loop().create_future()

        def on_done(request: WholeRequest) -> None:
            if not done.done():
                done.set_result(request)

        self.request(message, on_done)
        return (await done).answer()

    # --- streamed answers ---------------------------------------------------------------------

    async def connect(self) -> ClientConnection:
        """Return a connection for one `send_request`, which must follow before any other wait.

        Raises:
            PeerError: the peer is unreachable.
            TimeoutError: connecting took too long.
        """
        deadline_s = self.clock.now_s() + self._connect_timeout_s
        connection = await self.enter(deadline_s)
        while connection.is_closing and connection.is_used:  # a new one fails when it is used
            connection.abort()  # its place is free once it has ended
            connection = await self.enter(deadline_s)
        return connection

    # --- connections --------------------------------------------------------------------------

    async def close(self) -> None:
        """Reset every connection; requests that are not answered yet raise PeerError."""
        self._is_closed = True
        self._sweeper.stop()
        for timeout in list(self._entering):
            if not timeout.expired():
                timeout.reschedule(self.loop.time())
        while self._open or self._entering:
            for connection in list(self._open):
                connection.fail(PeerError("the connections are closed"))
            self._has_ended.clear()
            await self._has_ended.wait()
        await self.tasks.cancel_all()

    async def _connect(self) -> ClientConnection:
        origin = self._origin
        if self._is_closed:
            raise PeerError("the connections are closed")
        where = f"{origin.host}:{origin.port}"
        try:
            _, connection = await self.loop.create_connection(
                lambda: ClientConnection(self), origin.host, origin.port, ssl=self._tls
            )
        except TimeoutError:  # an OSError, too
            raise
        except OSError as error:
            # The name, the network or the certificate is wrong.
            reason = error.strerror or str(error) or type(error).__name__
            raise PeerError(f"no connection to {where}: {reason}") from error
        if connection.is_lost:
            raise PeerError(f"the connection to {where} broke at once")
        # Not in `connection_made`: if this is cancelled then, uvloop does not report the end.
        self._open.add(connection)
        return connection

    def _look(self) -> Iterator[bool]:
        """Fail the connections whose deadline has passed."""
        now_s = self.clock.now_s()
        for connection in list(self._open):
            is_overdue = now_s >= connection.deadline_s
            if is_overdue:
                connection.fail(PeerError("the answer took too long", "overdue"))
            yield is_overdue

    # --- for requests -------------------------------------------------------------------------

    def deadline_s(self) -> float:
        """Return when a request that starts now must have its answer."""
        return self.clock.now_s() + self._timeout_s

    def take_kept(self) -> ClientConnection | None:
        """Return an idle connection with a place, before any wait; None if there is none.

        It may be closing; its place is free once it has ended.
        """
        return self._idle.pop() if self._idle and self._places.take() else None

    async def enter(self, deadline_s: float) -> ClientConnection:
        """Wait for a place; return an idle connection or a new one, which holds the place."""
        async with time_limit(self.clock, deadline_s - self.clock.now_s()) as timeout:
            self._entering.add(timeout)
            try:
                await self._places.wait()
                try:
                    return self._idle.pop() if self._idle else await self._connect()
                except BaseException:
                    self._places.free()
                    raise
            finally:
                self._entering.remove(timeout)
                self._has_ended.set()

    # --- for connections ----------------------------------------------------------------------

    def keep(self, connection: ClientConnection) -> bool:
        """Keep a connection whose answer is complete, if there is room; return whether it is."""
        if self._is_closed or len(self._idle) >= self._kept_max:
            return False
        self._idle.append(connection)
        self._places.free()
        return True

    def discard(self, connection: ClientConnection) -> None:
        """Remove a connection that has ended."""
        if connection in self._idle:
            self._idle.remove(connection)
        elif connection in self._open:
            self._places.free()
        self._open.discard(connection)
        self._has_ended.set()


def encode_post(target: str, headers: dict[str, str], body: bytes) -> bytes:
    """Return a whole POST as bytes; target and headers must be legal, and are not checked."""
    lines = [f"POST {target} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines += [f"content-length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode("latin-1") + body
