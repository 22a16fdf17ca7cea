"""Peers that a test plays by hand over a real socket, while the code under test runs in a thread.

The test is then a script in the order in which things happen: read this, answer that. Every wait
is bounded, and fails the test when its time is over.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from tailrace.wire.integration import Head, PreludeParser

WAIT_S = 10.0
EXCHANGE_ID = "0a1b2c3d-0a1b-2c3d-4e5f-0123456789ab"
SECRET = "5ec2e75ec2e75ec2e75ec2e75ec2e75e"


class Running:
    """A call that runs in a thread."""

    def __init__(self, function: Callable[..., Any], *arguments: Any, **options: Any) -> None:
        self._outcome: list[Any] = []
        self._error: BaseException | None = None

        def run() -> None:
            try:
                self._outcome.append(function(*arguments, **options))
            except BaseException as error:
                self._error = error

        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()

    @property
    def is_running(self) -> bool:
        return self._thread.is_alive()

    def result(self) -> Any:
        """Wait for the end; return or raise what the call did."""
        self._thread.join(WAIT_S)
        assert not self._thread.is_alive(), "the call did not end"
        if self._error is not None:
            raise self._error
        return self._outcome[0]


class PeerConnection:
    """One accepted connection, read and written by the test."""

    def __init__(self, sock: socket.socket) -> None:
        sock.settimeout(WAIT_S)
        self.socket = sock
        self.unread = b""

    def read_until(self, end: bytes) -> bytes:
        """Return all up to and including `end`."""
        while end not in self.unread:
            data = self.socket.recv(65536)
            assert data, f"the connection ended; unread: {self.unread!r}"
            self.unread += data
        found, _, self.unread = self.unread.partition(end)
        return found + end

    def read(self, size: int) -> bytes:
        while len(self.unread) < size:
            data = self.socket.recv(65536)
            assert data, f"the connection ended; unread: {self.unread!r}"
            self.unread += data
        taken, self.unread = self.unread[:size], self.unread[size:]
        return taken

    def read_head(self) -> tuple[str, list[tuple[str, str]]]:
        """Return request line and headers, names in lower case."""
        first, *lines = self.read_until(b"\r\n\r\n").decode("latin-1").split("\r\n")[:-2]
        pairs = [line.partition(": ") for line in lines]
        return first, [(name.lower(), value) for name, _, value in pairs]

    def read_message(self) -> tuple[str, dict[str, str], bytes]:
        """Return request line, headers and a body of known length."""
        first, headers = self.read_head()
        fields = dict(headers)
        return first, fields, self.read(int(fields.get("content-length", "0")))

    def read_chunk(self) -> bytes:
        """Return one chunk as it was framed; the last one is empty."""
        size = int(self.read_until(b"\r\n"), 16)
        data = self.read(size)
        assert self.read(2) == b"\r\n"
        return data

    def ends_with(self) -> type[BaseException] | bytes:
        """Read until the connection ends: ConnectionResetError, or the bytes before its end."""
        try:
            while data := self.socket.recv(65536):
                self.unread += data
        except ConnectionResetError:
            return ConnectionResetError
        return self.unread

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def answer(self, status: int, body: bytes = b"", *more: str) -> None:
        """Send an answer that closes the connection, as the gateway's do."""
        head = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", "Connection: close", *more]
        self.send("\r\n".join((*head, "", "")).encode() + body)

    def close(self) -> None:
        self.socket.close()

    def reset(self) -> None:
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


class Callback(PeerConnection):
    """A callback, as the gateway sees it."""

    head: Head
    """Status, headers and cookies, after `read_response_head`."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        self.line, self.headers = self.read_head()
        self._rest = b""
        self.has_gone_on = False

    def go_on(self) -> None:
        """The exchange is the function's; said once."""
        if self.has_gone_on:
            return
        self.has_gone_on = True
        exchange_id = self.line.split("/")[1]
        self.send(f"HTTP/1.1 100 Continue\r\ntailrace-exchange: {exchange_id}\r\n\r\n".encode())

    def read_response_head(self) -> Head:
        """Read the prelude, however it was cut up."""
        parser = PreludeParser()
        head = None
        while head is None:
            chunk = self.read_chunk()
            assert chunk, "the response ended in its prelude"
            head = parser.feed(chunk)
        self.head = head
        self._rest = parser.rest
        return head

    def read_piece(self) -> bytes:
        """Return the next piece of the body, as it was sent."""
        if self._rest:
            rest, self._rest = self._rest, b""
            return rest
        return self.read_chunk()

    def read_body(self) -> bytes:
        """Read to the end of a complete body."""
        pieces = []
        while piece := self.read_piece():
            pieces.append(piece)
        return b"".join(pieces)

    def finish(self, body: bytes) -> None:
        """Say that all bytes were taken."""
        self.answer(200, json.dumps({"bytes": len(body)}).encode())
        self.close()

    def serve(self) -> tuple[Head, bytes]:
        """Let the function run, unless it runs already; take all of its response."""
        self.go_on()
        head = self.read_response_head()
        return head, self.serve_rest()

    def serve_rest(self) -> bytes:
        """Take the rest of the body, and say so."""
        body = self.read_body()
        self.finish(body)
        return body


class Peer:
    """A listener on loopback; `accept` hands out what has connected."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.socket.settimeout(WAIT_S)
        self.port: int = self.socket.getsockname()[1]
        self.connections: list[PeerConnection] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        for connection in self.connections:
            connection.close()
        self.socket.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/{EXCHANGE_ID}/{SECRET}"

    def accept(self) -> PeerConnection:
        connection = PeerConnection(self.socket.accept()[0])
        self.connections.append(connection)
        return connection

    def accept_callback(self) -> Callback:
        callback = Callback(self.socket.accept()[0])
        self.connections.append(callback)
        return callback

    def event(self, method: str = "GET", **more: Any) -> dict[str, Any]:
        """An HTTP event whose response is to be sent here."""
        return {
            "version": "2.0",
            "requestContext": {"http": {"method": method, "path": "/"}},
            "tailrace": {"v": 1, "callback": self.url},
            **more,
        }


def until(condition: Callable[[], object], what: str = "the condition") -> None:
    """Wait until something is true that announces itself in no other way."""
    end_s = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < end_s, f"{what} did not come true"
        time.sleep(0.002)
