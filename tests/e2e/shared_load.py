"""Clients and functions of a gateway with several workers, in one event loop.

A function knows the worker that holds its client's response by the callback port of its event.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import psutil
from tests.command import PATIENCE_S, Command
from tests.fakes import encode_chunk, encode_head, encode_request
from tests.torture.fleet import listening_ports
from tests.torture.functions import Endpoint

from tailrace.wire.integration import MEDIA_TYPE

BEGUN = b"begun\n"
BUSY_S = 0.006
"""As long as a turn of the event loop with some twenty requests."""


class Functions:
    """Lambda's endpoint, and functions that answer BEGUN and then what a test makes them send.

    `on_invoked` is called with each call at its event, `on_begun` when its response has begun.
    """

    def __init__(self) -> None:
        self.on_invoked: Callable[[Call], None] = lambda call: None
        self.on_begun: Callable[[Call], None] = lambda call: None
        self.calls: list[Call] = []
        self._open: set[asyncio.Transport] = set()
        self._tasks: set[asyncio.Task[Any]] = set()

    async def start(self) -> None:
        """Listen."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Endpoint(self), "127.0.0.1", 0)  # type: ignore[arg-type]
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        """Leave nothing open."""
        self._server.close()
        for transport in list(self._open):
            transport.abort()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0)

    def invoke(self, name: str, event: dict[str, Any]) -> None:
        """An event has arrived: call back."""
        call = Call(self, event)
        self.calls.append(call)
        self.on_invoked(call)
        loop = asyncio.get_running_loop()
        dialling = loop.create_connection(lambda: call, "127.0.0.1", call.port)
        task = loop.create_task(dialling)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def add(self, transport: asyncio.Transport) -> None:
        """A connection has been made."""
        self._open.add(transport)

    def discard(self, transport: asyncio.Transport) -> None:
        """A connection has ended."""
        self._open.discard(transport)


class Call(asyncio.Protocol):
    """One invocation, and its callback."""

    def __init__(self, functions: Functions, event: dict[str, Any]) -> None:
        self._functions = functions
        self._url = urlsplit(event["tailrace"]["callback"])
        self._is_begun = False
        self.path: str = event["rawPath"]
        self.port = self._url.port or 0
        """Of the worker's callback listener."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop."""
        self._transport = cast("asyncio.Transport", transport)
        self._functions.add(self._transport)
        fields = [
            ("host", self._url.netloc),
            ("content-type", MEDIA_TYPE),
            ("transfer-encoding", "chunked"),
            ("expect", "100-continue"),
        ]
        self._transport.write(encode_request("POST", self._url.path, fields))

    def data_received(self, data: bytes) -> None:
        """Called by the event loop."""
        if not self._is_begun and data.startswith(b"HTTP/1.1 100 "):
            self._is_begun = True
            self.send(encode_chunk(encode_head()) + encode_chunk(BEGUN))
            self._functions.on_begun(self)

    def connection_lost(self, exception: Exception | None) -> None:
        """Called by the event loop."""
        self._functions.discard(self._transport)

    def send(self, data: bytes) -> None:
        """Send framed bytes."""
        self._transport.write(data)

    def end(self) -> None:
        """The response is complete."""
        self.send(b"0\r\n\r\n")


class Client(asyncio.Protocol):
    """One connection; `ask` waits until the response has begun, or was refused."""

    def __init__(self) -> None:
        self.unread = b""
        self._news = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Called by the event loop."""
        self.unread = (self.unread + data)[-4096:]
        self._news.set()

    def connection_lost(self, exception: Exception | None) -> None:
        """Called by the event loop."""
        self._news.set()

    async def ask(self, path: str) -> int:
        """Send a request; return the status once the response has begun."""
        self.unread = b""
        self.transport.write(encode_request("GET", path, [("host", "h")]))
        await self.wait(lambda: BEGUN in self.unread or b'"status"' in self.unread)
        return int(self.unread[9:12])

    async def wait_end(self) -> None:
        """Wait for the end of the response."""
        await self.wait(lambda: b"\n\r\n0\r\n\r\n" in self.unread)

    async def wait(self, condition: Callable[[], bool]) -> None:
        """Wait for what data changes."""
        while not condition():
            assert not self.transport.is_closing(), self.unread
            self._news.clear()
            await self._news.wait()


async def connect(url: str) -> Client:
    """A client that has connected."""
    parts = urlsplit(url)
    loop = asyncio.get_running_loop()
    _, client = await loop.create_connection(Client, parts.hostname or "", parts.port or 0)
    return client


@dataclass(frozen=True, slots=True)
class Gateway:
    """`tailrace gateway` with two workers."""

    url: str
    pids: dict[int, int]
    """Of the workers, by the port of their callback listeners."""


@contextmanager
def gateway(directory: Path, endpoint_url: str, config_text: str) -> Iterator[Gateway]:
    """Start one."""
    config = directory / "tailrace.toml"
    config.write_text(config_text)
    arguments = [
        *["gateway", "--config", str(config), "--workers", "2", "--endpoint-url", endpoint_url],
        *["--listen", "127.0.0.1:0", "--callback-listen", "127.0.0.1:0"],
        *["--admin-listen", "off"],
    ]
    with Command(arguments) as command:
        line = command.wait_line(r"gateway on (\S+), 2 workers, called back at (\S+), (\S+),")
        ports = {urlsplit(url).port or 0 for url in (line[2], line[3])}
        pids = {}
        for worker in psutil.Process(command.process.pid).children():
            (port,) = ports & listening_ports(worker)
            pids[port] = worker.pid
        yield Gateway(line[1], pids)


BUSY = """
import os, select, signal, sys, time

pid, busy_s, idle_s = int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
begun_s, away_s = time.monotonic(), 0.0
print("begun", flush=True)
try:
    while not select.select([sys.stdin], [], [], idle_s)[0]:
        stopped_s = time.monotonic()
        os.kill(pid, signal.SIGSTOP)
        time.sleep(busy_s)
        os.kill(pid, signal.SIGCONT)
        away_s += time.monotonic() - stopped_s
finally:
    os.kill(pid, signal.SIGCONT)
print(away_s / (time.monotonic() - begun_s))
"""


class Burden:
    """Keeps a process from its event loop for a share of the time, in turns of BUSY_S.

    It is stopped for that long: so it is as late as by work of its own, but what it cannot do does
    not depend on how fast this machine is.
    """

    def __init__(self, pid: int, share: float) -> None:
        arguments = (str(pid), str(BUSY_S), str(BUSY_S * (1 - share) / share))
        self._process = subprocess.Popen(
            [sys.executable, "-c", BUSY, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "begun\n"

    def end(self) -> float:
        """End it, and return the share."""
        return float(self._process.communicate(timeout=PATIENCE_S)[0])
