"""Servers that answer badly, or not at all: what may stand behind a URL that somebody tries."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

TLS: Final = Path(__file__).parents[1] / "net" / "tls"
CERTIFICATE: Final = TLS / "localhost.pem"
"""Signed by itself, for localhost and 127.0.0.1."""
EXPIRED: Final = TLS / "expired.pem"
"""The same, until 2020."""

CHUNKED: Final = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
)
EVENT: Final = b"9\r\ndata: 1\n\n\r\n"


async def gone(reader: asyncio.StreamReader) -> None:
    """Wait until the client has left."""
    while await reader.read(65_536):
        pass


def saying(data: bytes) -> Script:
    """Read a request, say this and close."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(data)
        await writer.drain()

    return script


def redirecting(location: str) -> Script:
    """Send somewhere else."""
    head = f"HTTP/1.1 302 Found\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n"
    return saying(head.encode())


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Take the request, and never answer."""
    await gone(reader)


async def begins(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Begin to answer, and never go on."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(CHUNKED + EVENT)
    await gone(reader)


async def trickles(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Never come to an end."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(CHUNKED)
    leaving = asyncio.ensure_future(gone(reader))
    while not leaving.done():
        writer.write(EVENT)
        await asyncio.wait([leaving], timeout=0.05)


async def banner(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Another protocol, whose server speaks first."""
    writer.write(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n")
    await gone(reader)


async def resets(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Break off without an end."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(CHUNKED + EVENT)
    await writer.drain()
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


SCRIPTS: Final[dict[str, Script]] = {
    "silent": silent,
    "begins": begins,
    "trickles": trickles,
    "banner": banner,
    "resets": resets,
    "hangs_up": saying(b""),
    "cut_chunked": saying(CHUNKED + EVENT + b"9\r\ndata"),
    "cut_length": saying(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf"),
    "no_http": saying(b"220 mail.example.com ESMTP\r\n"),
    "no_body": saying(b"HTTP/1.1 204 No Content\r\n\r\n"),
    "to_ftp": redirecting("ftp://files.example.com/"),
    "no_gzip": saying(
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\nnope"
    ),
}


@asynccontextmanager
async def hostile(dead: str) -> AsyncIterator[dict[str, str]]:
    """The URL of each; `to_dead` sends to a dead one, `tls`, `expired`, `other_name` speak TLS."""
    async with AsyncExitStack() as stack:
        urls = {
            name: await stack.enter_async_context(_serving(script))
            for name, script in (*SCRIPTS.items(), ("to_dead", redirecting(dead)))
        }
        ok = saying(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        tls = await stack.enter_async_context(_serving(ok, CERTIFICATE))
        expired = await stack.enter_async_context(_serving(ok, EXPIRED))
        other = await stack.enter_async_context(_serving(ok, CERTIFICATE, host="127.0.0.2"))
        urls |= {"tls": tls, "expired": expired, "other_name": other}
        yield urls


@asynccontextmanager
async def _serving(
    script: Script, certificate: Path | None = None, *, host: str = "127.0.0.1"
) -> AsyncIterator[str]:
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
    open_ones: set[asyncio.Task[None] | None] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_ones.add(asyncio.current_task())
        try:
            await script(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # it was the client's turn to be rude
        finally:
            open_ones.discard(asyncio.current_task())
            writer.close()

    server = await asyncio.start_server(serve, host, 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"{'https' if context else 'http'}://{host}:{port}/"
    finally:
        server.close()
        left = [task for task in open_ones if task is not None]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await server.wait_closed()
