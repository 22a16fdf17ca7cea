"""A server of a language model's API, on a real socket, that the test plays step by step."""

from __future__ import annotations

import asyncio
import functools
import ssl
import threading
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Self


def in_loop(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Run a test in a loop, and check that neither a task nor a thread is left."""

    async def whole(**arguments: Any) -> None:
        await test(**arguments)
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            assert "athrow" in repr(task), "an SDK drops its generators, and the loop closes them"
            await asyncio.wait([task])

    @functools.wraps(test)
    def run(**arguments: Any) -> None:
        before = set(threading.enumerate())
        asyncio.run(whole(**arguments))
        for thread in set(threading.enumerate()) - before:
            thread.join()

    return run


class PlayedModel:
    """Serves one connection after the other; the test reads and writes the current one."""

    url = ""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls

    async def __aenter__(self) -> Self:
        self._arrived: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]]
        self._arrived = asyncio.Queue()
        self._writers: list[asyncio.StreamWriter] = []
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self._tls)
        scheme = "http" if self._tls is None else "https"
        self.url = f"{scheme}://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for writer in self._writers:
            writer.close()
        self._server.close()
        await self._server.wait_closed()

    async def request(self) -> bytes:
        """Take the next connection, and return the request that it begins with."""
        self._reader, self._writer = await self._arrived.get()
        return await self.next_request()

    async def next_request(self) -> bytes:
        """Return another request of the same connection."""
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = 0
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        return head + await self._reader.readexactly(length)

    async def begin(self, content_type: str, status: str = "200 OK") -> None:
        """Send the head of an answer."""
        head = f"HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\ntransfer-encoding: chunked"
        self._writer.write(f"{head}\r\n\r\n".encode())
        await self._writer.drain()

    async def send(self, *pieces: bytes) -> None:
        """Send pieces of the body, each in a chunk of its own."""
        for piece in pieces:
            self._writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        await self._writer.drain()

    async def end(self) -> None:
        """Send the end of the answer. The connection stays open."""
        self._writer.write(b"0\r\n\r\n")
        await self._writer.drain()

    def lose(self) -> None:
        """Lose the connection."""
        self._writer.transport.abort()

    async def client_left(self) -> None:
        """Wait until the client has closed the connection; this sends nothing."""
        try:
            assert await self._reader.read() == b""
        except (ConnectionResetError, ssl.SSLError):
            pass  # an alert of TLS is the end, too

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        self._arrived.put_nowait((reader, writer))
