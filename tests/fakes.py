"""Scripted peers with behaviour: raw clients, a raw function, a Lambda endpoint.

Everything speaks over loopback sockets, byte by byte where it matters. Nothing here sleeps to let
something else happen: it waits for bytes, ends and events, each with a time-out that only fails
a test that waits in vain.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import select
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import unquote, urlsplit

from tailrace.gateway.exchange.record import ExchangeRecord
from tailrace.net.server.listener import Connection, HttpServer, RequestHead, WholeBody
from tailrace.wire.integration import DELIMITER, MEDIA_TYPE

PATIENCE_S = 30.0
"""When a wait is in vain."""

HOP_BY_HOP = [
    b"connection",
    b"expect",
    b"http2-settings",
    b"keep-alive",
    b"proxy-authenticate",
    b"proxy-authorization",
    b"proxy-connection",
    b"tailrace-frames",
    b"te",
    b"trailer",
    b"transfer-encoding",
    b"upgrade",
]
"""Names of fields that belong to one connection, and must not cross the gateway."""

_ROUNDS = 50
"""More than any chain of calls, each of which makes the next one ready, has links."""

Fields = Iterable[tuple[str, str]]

RECORD = ExchangeRecord(
    exchange_id="8f5b6a0e-5d0e-4f1c-9a53-0e3a2b6f1c11",
    request_id="3c0a5f0e",
    client="203.0.113.7",
    method="GET",
    path="/lines",
    function="lines",
    transport="callback",
    status=200,
    outcome="complete",
    bytes_relayed=420,
    bytes_padded=7,
    first_byte_s=0.1394,
    total_s=3.1666,
)
"""Of an exchange that is complete."""


async def soon(awaitable: Awaitable[Any], what: str = "it") -> Any:
    """Await, but not for ever.

    Not with `wait_for`: before Python 3.12 it loses a cancellation that meets the result. In a
    task of its own, so that the loop goes round between two sends that do not block.
    """
    try:
        async with asyncio.timeout(PATIENCE_S):
            return await asyncio.ensure_future(awaitable)
    except TimeoutError:
        raise AssertionError(f"waited in vain for {what}") from None


async def until(condition: Callable[[], object], what: str = "the condition") -> None:
    """Wait until a condition holds; looks again whenever the loop has gone round."""
    deadline_s = asyncio.get_running_loop().time() + PATIENCE_S
    while not condition():
        if asyncio.get_running_loop().time() > deadline_s:
            raise AssertionError(f"waited in vain for {what}")
        await asyncio.sleep(0.001)


async def settle() -> None:
    """Let all that is ready in this event loop run: calls, tasks, and sockets with their peers."""
    for _ in range(_ROUNDS):
        await asyncio.sleep(0)


def is_writable(sock: socket.socket) -> bool:
    """Whether the kernel takes at least one more byte now."""
    return bool(select.select([], [sock], [], 0)[1])


class Broken(Exception):
    """The peer ended its message before it was complete; `received` is what came of the body."""

    def __init__(self, received: bytes, how: str) -> None:
        super().__init__(f"{how} after {len(received)} bytes of the body")
        self.received = received
        self.how = how


@dataclass(frozen=True, slots=True)
class Response:
    """What a peer answered."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes = b""
    version: str = "1.1"

    def get(self, name: str) -> str | None:
        """The first value of a header."""
        return next((value for key, value in self.headers if key == name), None)

    def all(self, name: str) -> list[str]:
        """Every value of a header."""
        return [value for key, value in self.headers if key == name]

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class Peer:
    """One TCP connection, with nothing between the test and the socket but a read buffer."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.buffer = b""

    @classmethod
    async def connect(cls, url: str, *, receive_bytes: int | None = None) -> Self:
        """Connect to the host and port of a URL; `receive_bytes` is the kernel's buffer."""
        parts = urlsplit(url)
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.setblocking(False)
        if receive_bytes is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        loop = asyncio.get_running_loop()
        try:
            await soon(loop.sock_connect(sock, (parts.hostname, parts.port)), "a connection")
        except BaseException:
            sock.close()
            raise
        return cls(sock)

    async def send(self, data: bytes) -> None:
        """Send all of it."""
        await soon(asyncio.get_running_loop().sock_sendall(self.sock, data), "a send")

    async def read_some(self) -> bytes:
        """The next bytes; empty at the end of the stream. Raises ConnectionResetError."""
        if self.buffer:
            data, self.buffer = self.buffer, b""
            return data
        data = await soon(asyncio.get_running_loop().sock_recv(self.sock, 262_144), "bytes")
        return bytes(data)

    async def read_until(self, separator: bytes) -> bytes:
        """Bytes up to and including the separator."""
        while separator not in self.buffer:
            await self._read_more()
        found, _, self.buffer = self.buffer.partition(separator)
        return found + separator

    async def read_exactly(self, count: int) -> bytes:
        """So many bytes."""
        while len(self.buffer) < count:
            await self._read_more()
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    async def _read_more(self) -> None:
        """More bytes into the buffer, or `Broken` with what is there."""
        received, self.buffer = self.buffer, b""
        try:
            data = await self.read_some()
        except (ConnectionResetError, BrokenPipeError):
            self.buffer = received
            raise Broken(received, "reset") from None
        self.buffer = received + data
        if not data:
            raise Broken(received, "end")

    async def read_to_end(self) -> tuple[bytes, str]:
        """Everything until the peer ends, and how: "end" or "reset"."""
        try:
            while True:
                await self._read_more()
        except Broken as broken:
            self.buffer = b""
            return broken.received, broken.how

    async def read_head(self) -> Response:
        """Status line and headers of the next response, be it 1xx."""
        lines = (await self.read_until(b"\r\n\r\n")).decode("latin-1").split("\r\n")[:-2]
        version, status, *_ = lines[0].split(" ")
        fields = [line.partition(": ")[::2] for line in lines[1:]]
        return Response(
            int(status),
            [(name.lower(), value) for name, value in fields],
            version=version.removeprefix("HTTP/"),
        )

    async def read_chunk(self) -> bytes:
        """The next chunk of a chunked body; empty is the end of the body."""
        size = int((await self.read_until(b"\r\n")).rstrip(), 16)
        data = await self.read_exactly(size)
        if await self.read_exactly(2) != b"\r\n":
            raise AssertionError("a chunk does not end with CRLF")
        return data

    async def read_body(self, head: Response, method: str = "GET") -> bytes:
        """The body by its framing. Raises Broken when it is not complete."""
        if method == "HEAD" or head.status in (204, 304):
            return b""
        body = b""
        length = head.get("content-length")
        try:
            if head.get("transfer-encoding") == "chunked":
                while data := await self.read_chunk():
                    body += data
                return body
            if length is not None:
                return await self.read_exactly(int(length))
        except Broken as broken:
            raise Broken(body + broken.received, broken.how) from None
        rest, how = await self.read_to_end()
        if how != "end":
            raise Broken(rest, how)
        return rest

    async def read_response(self, method: str = "GET") -> Response:
        """A whole response; raises Broken when it is not complete."""
        head = await self.read_head()
        return Response(
            head.status, head.headers, await self.read_body(head, method), version=head.version
        )

    async def is_silent(self) -> bool:
        """Whether nothing has come, not even an end, once all that was ready in the loop has run.

        For peers of the same event loop: what they send over loopback is here at once.
        """
        await settle()
        if self.buffer:
            return False
        try:
            self.sock.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def fin(self) -> None:
        """Half-close: nothing more will be sent."""
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Close with RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def close(self) -> None:
        """Close; with a FIN unless bytes are unread."""
        self.sock.close()


def encode_request(
    method: str = "GET",
    target: str = "/",
    headers: Fields = (),
    body: bytes = b"",
    *,
    version: str = "1.1",
) -> bytes:
    """A request as bytes; Host and Content-Length are added unless they are given."""
    fields = list(headers)
    names = {name.lower() for name, _ in fields}
    if "host" not in names:
        fields.insert(0, ("host", "example.test"))
    if body and not names & {"content-length", "transfer-encoding"}:
        fields.append(("content-length", str(len(body))))
    lines = [f"{method} {target} HTTP/{version}", *(f"{name}: {value}" for name, value in fields)]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


class Client(Peer):
    """A client of the gateway."""

    async def request(
        self,
        method: str = "GET",
        target: str = "/",
        headers: Fields = (),
        body: bytes = b"",
        *,
        version: str = "1.1",
    ) -> None:
        """Send a request."""
        await self.send(encode_request(method, target, headers, body, version=version))


def encode_head(status: int = 200, headers: Any = None, cookies: Any = None, **more: Any) -> bytes:
    """A prelude with its eight NUL bytes, as any function might write it."""
    prelude: dict[str, Any] = {"statusCode": status}
    if headers is not None:
        prelude["headers"] = headers
    if cookies is not None:
        prelude["cookies"] = cookies
    return json.dumps(prelude | more).encode() + DELIMITER


def encode_chunk(data: bytes) -> bytes:
    """A chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


class Function(Peer):
    """A function that calls back, byte by byte as the test says."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        self.url = ""

    @classmethod
    async def dial(cls, url: str) -> Self:
        """Connect to a callback URL; nothing is sent yet."""
        function = await cls.connect(url)
        function.url = url
        return function

    async def post(
        self,
        headers: Fields = (),
        *,
        media_type: str | None = MEDIA_TYPE,
        expects: bool = True,
        length: int | None = None,
    ) -> None:
        """Send the callback's head."""
        parts = urlsplit(self.url)
        fields = [("host", parts.netloc)]
        if media_type is not None:
            fields.append(("content-type", media_type))
        if length is None:
            fields.append(("transfer-encoding", "chunked"))
        else:
            fields.append(("content-length", str(length)))
        if expects:
            fields.append(("expect", "100-continue"))
        await self.send(encode_request("POST", parts.path, [*fields, *headers]))

    async def write(self, data: bytes) -> None:
        """Send one chunk."""
        await self.send(encode_chunk(data))

    async def end(self) -> None:
        """Send the end of the body."""
        await self.send(b"0\r\n\r\n")

    async def finish(self, rest: bytes) -> None:
        """Send what is left, framed already, and the end of the body."""
        await self.send(rest)
        await self.end()

    async def send_until_blocked(self, data: bytes) -> bytes:
        """Send until the kernel takes no more for a while; return what is left.

        Whoever waits in vain for the function to be blocked sends everything.
        """
        loop = asyncio.get_running_loop()
        while data:
            try:
                data = data[self.sock.send(data) :]
            except BlockingIOError:
                writable = asyncio.Event()
                loop.add_writer(self.sock, writable.set)
                try:
                    await asyncio.wait_for(writable.wait(), 0.1)
                except TimeoutError:
                    return data
                finally:
                    loop.remove_writer(self.sock)
        return data

    async def read_status(self) -> int:
        """The status of the next answer, 100 or final, with its body taken in."""
        head = await self.read_head()
        if head.status != 100:
            await self.read_body(head)
        return head.status


@dataclass(frozen=True, slots=True)
class Invocation:
    """What reached the Lambda endpoint."""

    function: str
    method: str
    path: str
    headers: dict[str, str]
    payload: bytes

    @property
    def event(self) -> dict[str, Any]:
        """The payload as JSON."""
        event = json.loads(self.payload)
        assert isinstance(event, dict)
        return event

    @property
    def url(self) -> str:
        """The callback URL."""
        url = self.event["tailrace"]["callback"]
        assert isinstance(url, str)
        return url

    @property
    def secret(self) -> str:
        """The part of the callback URL that must not be seen anywhere."""
        return self.url.rpartition("/")[2]

    @property
    def body(self) -> bytes:
        """The body of the client's request."""
        event = self.event
        if event["isBase64Encoded"]:
            return base64.b64decode(event["body"])
        return str(event.get("body", "")).encode()


Answer = Callable[[Connection], None]
"""How a Lambda endpoint treats one invocation."""


def accept(connection: Connection) -> None:
    """Take the invocation, as Lambda does."""
    connection.respond(202)


def never(connection: Connection) -> None:
    """Leave the invocation without an answer."""


def refuse(
    status: int, name: str | None = None, message: str = "", headers: Fields = (), body: bytes = b""
) -> Answer:
    """Answer as the Lambda API does when it does not take an invocation."""
    fields = [(key.encode(), value.encode("latin-1")) for key, value in headers]
    if name is not None:
        fields.append((b"x-amzn-ErrorType", name.encode()))
        body = body or json.dumps({"Type": "User", "message": message}).encode()

    def answer(connection: Connection) -> None:
        connection.respond(status, fields, body)

    return answer


@dataclass
class FakeLambda:
    """A Lambda endpoint: records invocations and answers each as `answer` says."""

    answer: Answer = accept
    invocations: list[Invocation] = field(default_factory=list)
    connections: set[int] = field(default_factory=set)
    _waiting: asyncio.Queue[Invocation] = field(default_factory=asyncio.Queue)

    async def start(self) -> None:
        """Listen."""
        self._server = HttpServer(self._on_head, name="fake lambda")
        await self._server.start("127.0.0.1", 0)

    @property
    def url(self) -> str:
        """The endpoint."""
        return f"http://127.0.0.1:{self._server.port}"

    async def stop(self) -> None:
        """Close everything."""
        await self._server.stop()

    async def invocation(self) -> Invocation:
        """The next invocation."""
        invocation = await soon(self._waiting.get(), "an invocation")
        assert isinstance(invocation, Invocation)
        return invocation

    def _on_head(self, head: RequestHead, connection: Connection) -> WholeBody:
        self.connections.add(id(connection))

        def on_body(body: bytes, _trailers: object) -> None:
            name = head.path.removeprefix("/2015-03-31/functions/").removesuffix("/invocations")
            headers = {key.decode(): value.decode("latin-1") for key, value in head.headers}
            invocation = Invocation(unquote(name), head.method, head.path, headers, body)
            self.invocations.append(invocation)
            self.answer(connection)
            self._waiting.put_nowait(invocation)

        return WholeBody(head, 10_000_000, on_body, lambda: None)


@contextlib.asynccontextmanager
async def raw_server(script: Callable[[Peer], Awaitable[None]]) -> AsyncIterator[str]:
    """A server that does anything at all with each connection; yields its URL."""
    loop = asyncio.get_running_loop()
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    tasks: set[asyncio.Task[None]] = set()

    async def serve(sock: socket.socket) -> None:
        with sock:
            await script(Peer(sock))

    async def accept_all() -> None:
        while True:
            sock, _ = await loop.sock_accept(listener)
            sock.setblocking(False)
            tasks.add(asyncio.create_task(serve(sock)))

    tasks.add(asyncio.create_task(accept_all()))
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        listener.close()
