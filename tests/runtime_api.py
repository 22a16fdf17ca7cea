"""The Runtime API, played by a test by hand, for our runtime's loop in a thread of the test."""

from __future__ import annotations

import base64
import fcntl
import json
import socket
import struct
import termios
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import pytest
from tests.peers import Peer, PeerConnection, Running

from tailrace.errors import RuntimeApiError
from tailrace.net.blocking.keep_alive import KeepAliveClient
from tailrace.runtime.invocation_loop import InvocationLoop
from tailrace.runtime.logs import RuntimeLog
from tailrace.wire.integration import Head, PreludeParser
from tailrace.wire.runtime_api import ACCEPTED_BODY, Invocation, next_headers

NEXT = "GET /2018-06-01/runtime/invocation/next HTTP/1.1"
HTTP_EVENT = {"version": "2.0", "requestContext": {"http": {"method": "GET", "path": "/"}}}


class StreamPost(PeerConnection):
    """The connection of a streamed response."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        self.line = ""
        self.headers: list[tuple[str, str]] = []
        self._rest = b""

    def begin(self) -> Self:
        """Read the request's head."""
        self.line, self.headers = self.read_head()
        return self

    def header(self, name: str) -> str | None:
        return dict(self.headers).get(name)

    def read_response_head(self) -> Head:
        """Read the prelude, however it was cut up."""
        parser = PreludeParser()
        head = None
        while head is None:
            chunk = self.read_chunk()
            assert chunk, "the response ended in its prelude"
            head = parser.feed(chunk)
        self._rest = parser.rest
        return head

    def read_piece(self) -> bytes:
        """Return the next piece of the body, as it was sent; b"" before the trailers."""
        if self._rest:
            rest, self._rest = self._rest, b""
            return rest
        size = int(self.read_until(b"\r\n"), 16)
        if size == 0:
            return b""
        data = self.read(size)
        assert self.read(2) == b"\r\n"
        return data

    def read_trailers(self) -> dict[str, str]:
        """Return the trailers, after the last chunk."""
        trailers: dict[str, str] = {}
        while (line := self.read_until(b"\r\n")) != b"\r\n":
            name, _, value = line.decode("ascii").strip().partition(": ")
            trailers[name] = value
        return trailers

    def read_body(self) -> tuple[bytes, dict[str, str]]:
        """Read the rest of the body, and the trailers."""
        pieces = []
        while piece := self.read_piece():
            pieces.append(piece)
        return b"".join(pieces), self.read_trailers()

    def accept_response(self) -> None:
        """Say that it was taken; the connection must end by itself then."""
        head = f"HTTP/1.1 202 Accepted\r\ncontent-length: {len(ACCEPTED_BODY)}\r\n\r\n"
        self.send(head.encode() + ACCEPTED_BODY)
        assert self.ends_with() == b""

    def unread_bytes(self) -> int:
        """How many bytes wait to be read."""
        raw = fcntl.ioctl(self.socket.fileno(), termios.FIONREAD, struct.pack("i", 0))
        (count,) = struct.unpack("i", raw)
        assert isinstance(count, int)
        return count

    def segments(self) -> int:
        """How many TCP segments with data have come."""
        info = self.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 160)
        (count,) = struct.unpack_from("I", info, 152)
        assert isinstance(count, int)
        return count


def error_in(trailers: dict[str, str]) -> tuple[str, dict[str, Any]]:
    """Return type and error of a failed stream's trailers."""
    assert list(trailers) == [
        "lambda-runtime-function-error-type",
        "lambda-runtime-function-error-body",
    ]
    error_type, encoded = trailers.values()
    error = json.loads(base64.b64decode(encoded, validate=True))
    assert isinstance(error, dict)
    return error_type, error


class RuntimeLoop:
    """Our runtime's loop with a handler, and its Runtime API."""

    def __init__(self, peer: Peer, handler: Callable[[Any, Any], Any], **environment: str) -> None:
        self.peer = peer
        self._client = KeepAliveClient("127.0.0.1", peer.port)
        loop = InvocationLoop(self._client, RuntimeLog({}), environment)
        self.call = Running(loop.run, handler)
        self.api = peer.accept()
        self._is_asked = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        if kind is None and self.call.is_running:
            self.expect_next()
            self.api.send(b"HTTP/1.1 500 X\r\ncontent-length: 3\r\n\r\nend")
            with pytest.raises(RuntimeApiError, match="with 500: end"):
                self.call.result()
        self._client.close()

    def give(self, event: Any = HTTP_EVENT, **invocation: Any) -> None:
        """Answer the request for the next event."""
        self.expect_next()
        self._is_asked = False
        fields = {"request_id": "r1", "deadline_ms": 1, "function_arn": "arn:f", **invocation}
        body = json.dumps(event).encode()
        lines = [f"{name}: {value}" for name, value in next_headers(Invocation(**fields))]
        head = ["HTTP/1.1 200 OK", f"content-length: {len(body)}", *lines, "", ""]
        self.api.send("\r\n".join(head).encode("latin-1") + body)

    def accept_stream(self) -> StreamPost:
        """The connection that the SDK opens before the handler runs; it has sent nothing yet."""
        stream = StreamPost(self.peer.socket.accept()[0])
        self.peer.connections.append(stream)
        return stream

    def stream(self, event: Any = HTTP_EVENT, **invocation: Any) -> StreamPost:
        """Give an event, and read the head of the streamed response."""
        self.give(event, **invocation)
        return self.accept_stream().begin()

    def report(self, status: int = 202) -> tuple[str, dict[str, str], bytes]:
        """A buffered report, on the connection that is kept: kind, headers, body; answered."""
        line, headers, body = self.api.read_message()
        method, path, _ = line.split(" ")
        assert method == "POST"
        head = f"HTTP/1.1 {status} X\r\ncontent-length: {len(ACCEPTED_BODY)}\r\n\r\n"
        self.api.send(head.encode() + ACCEPTED_BODY)
        return path.rpartition("/")[2], headers, body

    def expect_next(self) -> None:
        """The runtime asks for another event: the invocation is over, and was reported by now."""
        if not self._is_asked:
            assert self.api.read_message()[0] == NEXT
            self._is_asked = True
