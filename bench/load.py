"""The clients: connections that ask a relay for a path and count what comes.

Concurrency law: protocol callbacks of one event loop; a `Goal` is what a measurement awaits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import cast

import httptools

REQUEST = "GET {path} HTTP/1.1\r\nhost: localhost\r\nuser-agent: bench\r\naccept: */*\r\n\r\n"


class BenchError(Exception):
    """A relay did what it should not, or nothing; its number would be worthless."""


class Goal:
    """Reached when something has happened so many times, or spoilt by the first failure."""

    def __init__(self, expected: int, what: str) -> None:
        self.count = 0
        self._expected = expected
        self._what = what
        self._failure: str | None = None
        self._is_over = asyncio.Event()

    def add(self, count: int = 1) -> None:
        self.count += count
        if self.count >= self._expected:
            self._is_over.set()

    def fail(self, message: str) -> None:
        if not self._is_over.is_set():
            self._failure = message
            self._is_over.set()

    async def wait(self, timeout_s: float = 60.0) -> None:
        """Raises BenchError when something failed or the goal was not reached in time."""
        try:
            await asyncio.wait_for(self._is_over.wait(), timeout_s)
        except TimeoutError:
            self._failure = f"{self.count} of {self._expected} {self._what} in {timeout_s:.0f} s"
        if self._failure is not None:
            raise BenchError(self._failure)


class Client(asyncio.Protocol):
    """One connection to an HTTP relay; it can ask again after each response.

    `on_bytes` is called once per read with the number of body bytes that the read brought,
    `on_end` after each complete response, `on_failure` when a response breaks off or is not 200.
    """

    transport: asyncio.Transport

    def __init__(
        self,
        on_bytes: Callable[[int], None],
        on_end: Callable[[Client], None],
        on_failure: Callable[[str], None],
    ) -> None:
        self._on_bytes = on_bytes
        self._on_end = on_end
        self._on_failure = on_failure
        self._parser = httptools.HttpResponseParser(self)
        self._read_bytes = 0
        self._is_waiting = False
        self._is_complete = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is not a subclass

    def ask(self, path: str) -> None:
        """Sends the request; one at a time."""
        self.send(REQUEST.format(path=path).encode())

    def send(self, request: bytes) -> None:
        """The same with any request."""
        self._is_waiting = True
        self._is_complete = False
        self.transport.write(request)

    def abandon(self) -> None:
        """Leaves without waiting for the response."""
        self._is_waiting = False
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        self._read_bytes = 0
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._on_failure(f"a response that HTTP does not allow: {error}")
            return
        if self._read_bytes:
            self._on_bytes(self._read_bytes)
        if self._is_complete:
            self._is_complete = self._is_waiting = False
            self._on_end(self)

    def on_body(self, body: bytes) -> None:
        self._read_bytes += len(body)

    def on_message_complete(self) -> None:
        self._is_complete = True
        if self._parser.get_status_code() != 200:
            self._on_failure(f"a client was answered {self._parser.get_status_code()}")

    def connection_lost(self, error: Exception | None) -> None:
        if self._is_waiting:
            self._on_failure(f"a response broke off: {error}")


class RawClient(Client):
    """One connection to the floor: a line out, bytes in; a response ends when it is as long as
    `sizes` says of its path."""

    def __init__(
        self,
        on_bytes: Callable[[int], None],
        on_end: Callable[[Client], None],
        on_failure: Callable[[str], None],
        sizes: Mapping[str, int],
    ) -> None:
        super().__init__(on_bytes, on_end, on_failure)
        self._sizes = sizes
        self._left_bytes = 0

    def ask(self, path: str) -> None:
        self._is_waiting = True
        self._left_bytes = self._sizes[path]
        self.transport.write(path.encode() + b"\n")

    def data_received(self, data: bytes) -> None:
        self._left_bytes -= len(data)
        self._on_bytes(len(data))
        if self._left_bytes > 0:
            return
        self._is_waiting = False
        if self._left_bytes < 0:
            self._on_failure("a response was longer than it should be")
        self._on_end(self)


async def connect(port: int, factory: Callable[[], Client]) -> Client:
    """A connection to a relay's public port."""
    loop = asyncio.get_running_loop()
    try:
        return (await loop.create_connection(factory, "127.0.0.1", port))[1]
    except OSError as error:
        raise BenchError(f"nobody accepts connections on port {port}: {error}") from None
