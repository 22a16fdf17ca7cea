"""The server side of HTTP/1.1: a listener, its connections, their deadlines and its drain."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import time
from collections.abc import Callable, Sequence
from email.utils import formatdate
from typing import Any, Final

from tailrace import limits
from tailrace.net.clock import LoopClock, TimerClock, time_limit
from tailrace.net.server.acceptor import Acceptor
from tailrace.net.server.balance import Balance
from tailrace.net.server.connection import Application, Connection
from tailrace.net.server.crowd import Crowd
from tailrace.net.server.deadlines import PeerDeadlines
from tailrace.net.server.parser import HttpLimits
from tailrace.net.server.phases import Phase
from tailrace.net.server.receiver import IGNORE, Receiver, WholeBody
from tailrace.net.server.turns import Turns
from tailrace.net.tasks import TaskSet
from tailrace.wire.http_head import Headers, RequestHead

__all__ = [
    "IGNORE",
    "Application",
    "Connection",
    "Headers",
    "HttpLimits",
    "HttpServer",
    "Phase",
    "Receiver",
    "RequestHead",
    "WholeBody",
]

_KEEP_ALIVE_S_MAX: Final = 32_767  # Linux: MAX_TCP_KEEPIDLE in net/tcp.h


class HttpServer:
    """A listener and its connections.

    `stop_accepting` closes the listener; each open connection gets one more response, an idle one
    if its request arrives within `drain_idle_timeout_s`. `drain` waits until all have ended; `stop`
    aborts what is left.
    """

    def __init__(
        self,
        application: Application,
        *,
        name: str,
        bounds: HttpLimits | None = None,
        clock: TimerClock | None = None,
    ) -> None:
        self.application = application
        self.name = name
        self.limits = bounds if bounds is not None else HttpLimits()
        self._clock = clock if clock is not None else LoopClock()
        self.deadlines = PeerDeadlines(self.limits, self._clock)
        self.turns = Turns()
        self.crowd = Crowd(name, self.limits, self._clock)
        self.is_draining = False
        self._is_stopped = False
        self._tasks = TaskSet()
        self._connections: set[Connection] = set()
        self._empty = asyncio.Event()
        self._date: tuple[int, bytes] = (0, b"")
        self._listener: asyncio.Server | None = None
        self._acceptor: Acceptor | None = None
        self.accepted = 0
        """Connections since the start."""
        self.gauge: Callable[[int], None] | None = None
        """Called with the number of connections whenever it changes."""

    async def start(self, host: str, port: int) -> None:
        """Listen. Raises OSError if the address is not available."""
        await self._start(host=host, port=port, backlog=limits.BACKLOG_MAX)

    async def start_on(
        self,
        listening: Sequence[socket.socket],
        balance: Balance | None = None,
        turns_away: Callable[[socket.socket], bool] | None = None,
    ) -> None:
        """Serve on sockets that listen already.

        With a balance other processes accept from them as well. Otherwise the event loop accepts:
        that costs less than `Acceptor`, which works on no other system than POSIX.
        """
        if balance is None:
            (sock,) = listening
            await self._start(sock=sock, backlog=limits.BACKLOG_MAX)
            return
        self._begin(listening)
        self._acceptor = Acceptor(
            listening,
            self._new_connection,
            name=self.name,
            is_above=balance.is_above,
            is_behind=self.turns.is_behind,
            turns_away=turns_away,
            clock=self._clock,
        )
        self._acceptor.start()

    def _new_connection(self) -> Connection:
        return Connection(self)

    async def _start(self, **where: Any) -> None:
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(self._new_connection, **where)
        self._begin(self._listener.sockets)

    def _begin(self, listening: Sequence[socket.socket]) -> None:
        for sock in listening:
            _notice_vanished_peers(sock, self.limits.stall_timeout_s)
        self.host, self.port = listening[0].getsockname()[:2]
        self.deadlines.start()
        self.crowd.start()

    def stop_accepting(self, *, keeps_queue: bool = False) -> None:
        """Close the listener; each open connection gets one more response.

        Connections that wait to be accepted are served as well. With `keeps_queue` they are left to
        the other processes that share the listening sockets.
        """
        if self.is_draining:
            return
        self.is_draining = True
        if self._acceptor is not None:
            self._acceptor.stop(keeps_queue=keeps_queue)
        if self._listener is not None:
            if not keeps_queue:
                self._serve_backlog(self._listener)
            self._listener.close()
        self.deadlines.shorten_idle()

    def _serve_backlog(self, listener: asyncio.Server) -> None:
        """Accept the connections that wait in the kernel's queue.

        Their clients are connected already, and closing the listener would reset them.
        """
        for sock in listener.sockets:
            try:
                queue = socket.socket(fileno=os.dup(sock.fileno()))
            except OSError:  # no file descriptor is left
                return
            with queue:
                queue.setblocking(False)
                while (accepted := _accepted(queue)) is not None:
                    self._tasks.spawn(self._take_up(accepted), "connection of the backlog")

    async def _take_up(self, accepted: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        await loop.connect_accepted_socket(lambda: Connection(self), accepted)

    async def wait_empty(self) -> None:
        """Wait until no connection is open; new ones may follow. Cancelling is safe."""
        while self._connections:
            self._empty.clear()
            await self._empty.wait()

    async def drain(self, timeout_s: float) -> bool:
        """Wait until every connection has ended; return False if the time-out came first."""
        self.stop_accepting()
        try:
            async with time_limit(self._clock, timeout_s):
                if self._acceptor is not None:
                    await self._acceptor.wait_closed()
                # Connections that were accepted are made within one turn.
                await asyncio.sleep(0)
                await self._tasks.wait_all()
                await self.wait_empty()
        except TimeoutError:
            pass
        return not self._connections

    async def stop(self) -> None:
        """Close the listener and abort every connection; on return none is open."""
        self.stop_accepting(keeps_queue=self._acceptor is not None)
        if self._acceptor is not None:
            self._acceptor.close()
        self._is_stopped = True
        for connection in list(self._connections):
            connection.fail()
        if not await self.drain(self.limits.linger_timeout_s):
            for connection in list(self._connections):
                connection.reset()
            await self.drain(self.limits.linger_timeout_s)
        self.deadlines.stop()

    def statistics(self) -> dict[str, int]:
        """Current counts: connections, those that wait for a response, request bodies."""
        answering = sum(c.phase is Phase.ANSWER for c in self._connections)
        return {
            "connections": len(self._connections),
            "answering": answering,
            "uploads": self.crowd.upload_count,
        }

    # --- for connections ----------------------------------------------------------------------

    def add(self, connection: Connection) -> None:
        """Add a new connection; above a limit it, or an idle one, is closed."""
        self.accepted += 1
        self._connections.add(connection)
        if self.gauge is not None:
            self.gauge(len(self._connections))
        if self._is_stopped:
            connection.reset()
        else:
            self.crowd.admit(connection, len(self._connections), self.deadlines)

    def admit_upload(self, connection: Connection) -> None:
        """See `Crowd.admit_upload`."""
        self.crowd.admit_upload(connection)

    def discard(self, connection: Connection) -> None:
        """Remove a connection that has ended."""
        self._connections.discard(connection)
        if self.gauge is not None:
            self.gauge(len(self._connections))
        self.crowd.discard(connection)
        self.deadlines.unwatch(connection)
        if not self._connections:
            self._empty.set()

    def date_line(self) -> bytes:
        """Return the Date field as a line (RFC 9110 §6.6.1), made once a second."""
        now = int(time.time())
        if now != self._date[0]:
            self._date = (now, f"date: {formatdate(now, usegmt=True)}\r\n".encode())
        return self._date[1]


def _accepted(queue: socket.socket) -> socket.socket | None:
    """Accept the next connection of a queue that does not block; None if there is none."""
    try:
        return queue.accept()[0]
    except OSError:  # also if its peer has left, or no file descriptor is free
        return None


def _notice_vanished_peers(listener: socket.socket, timeout_s: float) -> None:
    """Let the kernel end connections whose peer has vanished; accepted sockets inherit this.

    Small writes to such a peer stay in the kernel's buffers, where nothing else notices it.
    """
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if sys.platform == "linux":
        # Twice the time, so that our own stall deadline comes first.
        seconds = min(max(1, round(2 * timeout_s)), _KEEP_ALIVE_S_MAX)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, seconds)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, max(1, seconds // 4))
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 4)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, seconds * 1000)
