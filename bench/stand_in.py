"""A stand-in for Lambda and for the function, cheap enough to load any relay.

The function's side of three kinds of relay: tailrace and its like invoke it through the Lambda API
and are called back; nginx asks it as an upstream; the floor names a client on its control
connection and is called back. In each case the response is written by the same code to a `Sink`.

An event with `rawPath` is a Function URL's: the callback is that of tailrace's SDK, with a prelude.
An event without it has the path in `url`: the callback's headers are those of the response. So are
those of a path that starts with `HEADERS_PATH`.

Concurrency law: protocol callbacks of one event loop; nothing is awaited but connecting.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from functools import lru_cache, partial
from typing import cast
from urllib.parse import urlsplit

import httptools

PRELUDE = b'{"statusCode":200,"headers":{"content-type":"text/plain"},"cookies":[]}' + bytes(8)
CALLBACK_HEAD = (
    "POST {path} HTTP/1.1\r\nhost: {host}\r\n"
    "content-type: application/vnd.awslambda.http-integration-response\r\n"
    "transfer-encoding: chunked\r\nexpect: 100-continue\r\n\r\n"
)
HEADERS_CALLBACK_HEAD = (
    "POST {path} HTTP/1.1\r\nhost: {host}\r\n"
    "content-type: text/plain\r\nx-status-code: 200\r\ntransfer-encoding: chunked\r\n\r\n"
)
HEADERS_PATH = "/headers/"
UPSTREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n"
ACCEPTED = (
    b"HTTP/1.1 202 Accepted\r\nx-amzn-requestid: 00000000-0000-0000-0000-000000000000\r\n"
    b"content-length: 0\r\n\r\n"
)
WRITE_BUFFER_HIGH_BYTES = 1024 * 1024
BACKLOG = 4096


@lru_cache(maxsize=16)
def frame(data: bytes) -> bytes:
    """One chunk of HTTP's chunked coding; the few different ones of a benchmark are kept."""
    return b"%x\r\n%b\r\n" % (len(data), data)


class Sink:
    """Where a function writes its response."""

    __slots__ = ("_is_chunked", "_opening", "_transport", "is_paused", "on_resume")

    def __init__(
        self, transport: asyncio.WriteTransport, opening: bytes, *, is_chunked: bool
    ) -> None:
        self._transport = transport
        self._opening = opening
        self._is_chunked = is_chunked
        self.is_paused = False
        self.on_resume: Callable[[], None] | None = None

    def write(self, data: bytes, *, is_last: bool = False) -> None:
        """One chunk; the response's head goes with the first one, its end with the last one."""
        if self._is_chunked:
            data = frame(data) if data else b""
            if is_last:
                data += b"0\r\n\r\n"
        if self._opening:
            data = self._opening + data
            self._opening = b""
        self._transport.write(data)
        if is_last and not self._is_chunked:
            self._transport.close()

    def open(self) -> None:
        """The response's head alone, unless it has gone with a chunk."""
        if self._opening:
            self._transport.write(self._opening)
            self._opening = b""


class _Writer(asyncio.Protocol):
    """A connection with a sink that hears of back-pressure."""

    sink: Sink | None = None
    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is not a subclass
        self.transport.set_write_buffer_limits(high=WRITE_BUFFER_HIGH_BYTES)

    def pause_writing(self) -> None:
        if self.sink is not None:
            self.sink.is_paused = True

    def resume_writing(self) -> None:
        if self.sink is None:
            return
        self.sink.is_paused = False
        if self.sink.on_resume is not None:
            self.sink.on_resume()


class StandIn:
    """Listens for invocations, upstream requests and the floor's control connections.

    `play` is called with the path that the client asked for and the sink; `skips_callback` says
    of a path that the invocation is taken and nothing more happens; `on_held` is called then.
    `fail` is called with a message when a relay does what it should not.
    """

    def __init__(self) -> None:
        self.play: Callable[[str, Sink], None] = lambda path, sink: None
        self.skips_callback: Callable[[str], bool] = lambda path: False
        self.on_held: Callable[[], None] = lambda: None
        self.fail: Callable[[str], None] = lambda message: None
        self.invoke_port = 0
        self.upstream_port = 0
        self._servers: list[asyncio.Server] = []
        self._tasks: set[asyncio.Task[object]] = set()

    async def start(self) -> None:
        """Listens on two free ports of 127.0.0.1."""
        self.invoke_port = await self._listen(partial(_LambdaApi, self))
        self.upstream_port = await self._listen(partial(_Upstream, self))

    async def control(self, callback_port: int) -> int:
        """Listens for the control connection of a floor relay; answers the port to give it."""
        return await self._listen(partial(_Control, self, callback_port))

    async def stop(self) -> None:
        for server in self._servers:
            server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def call_back(self, port: int, factory: Callable[[], asyncio.Protocol]) -> None:
        """Connects to a relay's callback port."""
        task = asyncio.get_running_loop().create_task(self._connect(port, factory))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, port: int, factory: Callable[[], asyncio.Protocol]) -> None:
        try:
            await asyncio.get_running_loop().create_connection(factory, "127.0.0.1", port)
        except OSError as error:
            self.fail(f"the callback found nobody: {error}")

    async def _listen(self, factory: Callable[[], asyncio.Protocol]) -> int:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(factory, "127.0.0.1", 0, backlog=BACKLOG)
        self._servers.append(server)
        port: int = server.sockets[0].getsockname()[1]
        return port


class _LambdaApi(asyncio.Protocol):
    """Answers each invocation 202, then plays the function."""

    transport: asyncio.Transport

    def __init__(self, stand_in: StandIn) -> None:
        self._stand_in = stand_in
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""
        self._body: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is not a subclass

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        event, path = b"".join(self._body), self._url
        self._url, self._body = b"", []
        if not path.startswith(b"/2015-03-31/functions/") or not path.endswith(b"/invocations"):
            self._stand_in.fail(f"not an invocation: {path!r}")
            return
        self.transport.write(ACCEPTED)
        self._run(json.loads(event))

    def _run(self, event: dict[str, str]) -> None:
        is_url_event = "rawPath" in event
        path = event["rawPath" if is_url_event else "url"]
        if self._stand_in.skips_callback(path):
            self._stand_in.on_held()
            return
        origin = urlsplit(event["origin"])
        has_prelude = is_url_event and not path.startswith(HEADERS_PATH)
        opening = CALLBACK_HEAD if has_prelude else HEADERS_CALLBACK_HEAD
        head = opening.format(path=origin.path, host=origin.netloc).encode()
        kind = _Callback if has_prelude else _HeadersCallback
        self._stand_in.call_back(origin.port or 80, partial(kind, self._stand_in, path, head))


class _Callback(_Writer):
    """The function's side of tailrace's callback: 100, then run; 200 after the end."""

    def __init__(self, stand_in: StandIn, path: str, head: bytes) -> None:
        self._stand_in = stand_in
        self._fail = stand_in.fail  # a late failure is not that of the next measurement
        self._path = path
        self._head = head
        self._answer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.transport.write(self._head)

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, end, body = self._answer.partition(b"\r\n\r\n")
        if not end:
            return
        status = head[9:12]
        if status == b"100" and self.sink is None:
            self._answer = body
            self.sink = Sink(self.transport, frame(PRELUDE), is_chunked=True)
            self._stand_in.play(self._path, self.sink)
            return
        if status != b"200":
            self._fail(f"the callback for {self._path} was answered {status!r}")
        if len(body) >= _content_length(head):
            self.transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        if not self._answer:
            self._fail(f"the callback for {self._path} got no answer: {error}")


class _HeadersCallback(_Callback):
    """The same without a 100: the head goes with the first chunk, if there is one at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        _Writer.connection_made(self, transport)
        self.sink = Sink(self.transport, self._head, is_chunked=True)
        self._stand_in.play(self._path.removeprefix(HEADERS_PATH[:-1]), self.sink)
        self.sink.open()


def _content_length(head: bytes) -> int:
    """0 when there is none: then the head is the answer."""
    return int(head.lower().partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0] or 0)


class _Upstream(_Writer):
    """The function as an HTTP server behind nginx; its connections are kept alive."""

    def __init__(self, stand_in: StandIn) -> None:
        self._stand_in = stand_in
        self._parser = httptools.HttpRequestParser(self)
        self._path = b""

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self._path += url

    def on_message_complete(self) -> None:
        path = self._path.decode()
        self._path = b""
        if self._stand_in.skips_callback(path):
            self._stand_in.on_held()
            return
        self.sink = Sink(self.transport, UPSTREAM_HEAD, is_chunked=True)
        self._stand_in.play(path, self.sink)


class _Control(asyncio.Protocol):
    """The floor's control connection: lines "NUMBER PATH" name the clients that it holds."""

    def __init__(self, stand_in: StandIn, callback_port: int) -> None:
        self._stand_in = stand_in
        self._port = callback_port
        self._rest = b""

    def data_received(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            number, _, path = line.partition(b" ")
            if self._stand_in.skips_callback(path.decode()):
                self._stand_in.on_held()
                continue
            self._stand_in.call_back(
                self._port, partial(_FloorCallback, self._stand_in, path.decode(), number + b"\n")
            )


class _FloorCallback(_Writer):
    """The function's connection to the floor: its client's number, then the plain bytes."""

    def __init__(self, stand_in: StandIn, path: str, opening: bytes) -> None:
        self._stand_in = stand_in
        self._path = path
        self._opening = opening

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.sink = Sink(self.transport, self._opening, is_chunked=False)
        self._stand_in.play(self._path, self.sink)
