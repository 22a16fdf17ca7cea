"""A real server between raw peers, and the proof that nothing is left behind.

`@played(...)` turns `async def test_…(stage)` into a plain test: it starts a server whose
application records what it is told, plays the story, and then checks that no connection, no
deadline, no task and no socket is left, and that nothing was raised into the event loop.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import inspect
import logging
import os
import socket
import weakref
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.clock import ManualClock
from tests.fakes import Peer, soon, until

from tailrace.net.process.startup import run
from tailrace.net.server.listener import (
    Connection,
    Headers,
    HttpLimits,
    HttpServer,
    Phase,
    Receiver,
    RequestHead,
)

LONG_S = 600.0
SEND_BYTES = 65_536
"""What the kernel buffers of a response: little, so that a slow reader is soon felt."""

LOOPS: dict[str, Callable[..., Any]] = {"uvloop": run, "asyncio": asyncio.run}
BOTH = ("uvloop", "asyncio")

GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"


def post(size: int, *fields: bytes) -> bytes:
    """The head of a request with a body of so many bytes."""
    lines = [b"POST / HTTP/1.1", b"Host: h", b"Content-Length: %d" % size, *fields]
    return b"\r\n".join([*lines, b"", b""])


CHUNKED_POST = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"


def bounds(**changes: Any) -> HttpLimits:
    """Limits whose deadlines are far away unless given."""
    far: dict[str, Any] = {
        "head_timeout_s": LONG_S,
        "body_timeout_s": LONG_S,
        "keep_alive_timeout_s": LONG_S,
        "drain_idle_timeout_s": LONG_S,
        "linger_timeout_s": LONG_S,
        "stall_timeout_s": LONG_S,
    }
    return HttpLimits(**(far | changes))


class Request:
    """A request as the application sees it: its head, how to answer it, and what followed.

    `events` are the names of the calls, in order; equal ones in a row are one.
    """

    def __init__(self, stage: Stage, head: RequestHead, connection: Connection) -> None:
        self.head = head
        self.connection = connection
        self.events: list[str] = []
        self.reads: list[bytes] = []
        self.trailers: Headers | None = None
        self._stage = stage

    @property
    def body(self) -> bytes:
        """What has come of the body."""
        return b"".join(self.reads)

    def on_body(self, data: bytes) -> None:
        """Record, as do the others."""
        self.reads.append(data)
        self._note("body")

    def on_end(self, trailers: Headers) -> None:
        self.trailers = trailers
        self._note("end")

    def on_gone(self) -> None:
        self._note("gone")

    def on_pause(self) -> None:
        self._note("pause")

    def on_resume(self) -> None:
        self._note("resume")

    def _note(self, name: str) -> None:
        if "gone" in self.events or (name in ("body", "end") and "end" in self.events):
            self._stage.failures.append(f"{name} after {self.events}")
        if self.events[-1:] != [name]:
            self.events.append(name)
        script = self._stage.scripts.get(name)
        if script is not None:
            script(self)


class Stage:
    """A server and its peers. `scripts` are what the application does, by the name of the call:
    "head", "body", "end", "gone", "pause", "resume"; without one it only records.

    Deadlines count on `clock`, which stands still until the test advances it.
    """

    def __init__(self, limits: HttpLimits) -> None:
        self.clock = ManualClock()
        self.server = HttpServer(self._serve, name="stage", bounds=limits, clock=self.clock)
        self.scripts: dict[str, Callable[[Request], object]] = {}
        self.requests: list[Request] = []
        self.failures: list[str] = []
        self.peers: list[Peer] = []
        self.transports: list[weakref.ref[object]] = []  # a connection itself takes no weak one
        self._new = asyncio.Queue[Request]()

    def _serve(self, head: RequestHead, connection: Connection) -> Receiver:
        request = Request(self, head, connection)
        self.requests.append(request)
        self.transports.append(weakref.ref(connection._transport))
        self._new.put_nowait(request)
        script = self.scripts.get("head")
        if script is not None:
            receiver = script(request)
            if receiver is not None:
                return receiver  # type: ignore[return-value]
        return request

    async def start(self) -> None:
        """Listen, and hear what is raised into the event loop."""
        asyncio.get_running_loop().set_exception_handler(
            lambda loop, context: self.failures.append(repr(context))
        )
        await self.server.start("127.0.0.1", 0)
        for sock in self.server._listener.sockets:  # a connection has the buffers of its listener
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BYTES)

    @property
    def url(self) -> str:
        """Where peers connect."""
        return f"http://127.0.0.1:{self.server.port}"

    async def peer(self, data: bytes = b"", *, receive_bytes: int | None = None) -> Peer:
        """A peer that has connected, and sent this."""
        peer = await Peer.connect(self.url, receive_bytes=receive_bytes)
        self.peers.append(peer)
        if data:
            await peer.send(data)
        return peer

    async def request(self) -> Request:
        """The next request."""
        request = await soon(self._new.get(), "a request")
        assert isinstance(request, Request)
        return request

    async def exchange(
        self, data: bytes, *, receive_bytes: int | None = None
    ) -> tuple[Peer, Request]:
        """A peer that has sent this, and the request that it became."""
        peer = await self.peer(data, receive_bytes=receive_bytes)
        return peer, await self.request()

    async def reach(self, *phases: Phase) -> None:
        """Wait until the server has so many connections, which wait for this."""
        wanted = sorted(phase.name for phase in phases)

        def names() -> list[str]:
            return sorted(connection.phase.name for connection in self.server._connections)

        await until(lambda: names() == wanted, f"{wanted} in {names()}")

    @property
    def open_count(self) -> int:
        """Connections that the server has."""
        return self.server.statistics()["connections"]

    @property
    def watched_count(self) -> int:
        """Connections that have a deadline."""
        return len(self.server.deadlines)

    async def assert_nothing_left(self) -> None:
        """With its peers gone, the server holds nothing."""
        for peer in self.peers:
            peer.close()
        await until(lambda: self.open_count == 0, "connections to end")
        assert self.watched_count == 0


Story = Callable[..., Awaitable[None]]


def played(
    *,
    loops: tuple[str, ...] = ("uvloop",),
    is_quiet: bool = True,
    **limits: Any,
) -> Callable[[Story], Callable[..., None]]:
    """Play a story with a server of these limits, on these event loops.

    Unless `is_quiet` is False, nothing may be raised into the event loop or logged as a warning.
    """

    async def play(story: Story, args: dict[str, Any]) -> list[weakref.ref[object]]:
        sockets_before = open_sockets()
        log = Warnings()
        logging.getLogger().addHandler(log)
        stage = Stage(bounds(**limits))
        await stage.start()
        try:
            await story(stage, **args)
            await stage.assert_nothing_left()
        finally:
            for peer in stage.peers:
                peer.close()
            await soon(stage.server.stop(), "the server to stop")
            logging.getLogger().removeHandler(log)
        await until(lambda: asyncio.all_tasks() == {asyncio.current_task()}, "tasks to end")
        await until(lambda: open_sockets() <= sockets_before, "sockets to be closed")
        if is_quiet:
            assert not stage.failures
            assert not log.lines
        return stage.transports

    def decorate(story: Story) -> Callable[..., None]:
        @functools.wraps(story)
        def test(loop: str = loops[0], **args: Any) -> None:
            transports = LOOPS[loop](play(story, args))
            if any(ref() for ref in transports):
                gc.collect()
            assert not any(ref() for ref in transports), "a connection is still held by somebody"

        signature = inspect.signature(story)
        parameters = [p for name, p in signature.parameters.items() if name != "stage"]
        if len(loops) > 1:
            parameters.insert(0, inspect.Parameter("loop", inspect.Parameter.POSITIONAL_OR_KEYWORD))
        del test.__wrapped__  # type: ignore[attr-defined]
        test.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        return pytest.mark.parametrize("loop", loops)(test) if len(loops) > 1 else test

    return decorate


class Warnings(logging.Handler):
    """Keeps what is logged as a warning or worse."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Called by logging."""
        self.lines.append(self.format(record))


def open_sockets() -> set[str]:
    """The sockets of this process, by their inode."""
    found = set()
    for name in os.listdir("/proc/self/fd"):
        try:
            link = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            continue
        if link.startswith("socket:"):
            found.add(link)
    return found
