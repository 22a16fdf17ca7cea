"""A client on a raw socket, written as a script: ask, read the head, read so many bytes."""

from __future__ import annotations

import select
import socket
from typing import Self
from urllib.parse import urlsplit

from tests.e2e.gate import WAIT_S
from tests.fakes import Broken, Fields, Response, encode_request


class Client:
    """A client on a raw socket, for one connection and any number of requests."""

    def __init__(self, url: str, *, receive_bytes: int | None = None) -> None:
        parts = urlsplit(url)
        self._sock = socket.socket()
        self._sock.settimeout(WAIT_S)
        if receive_bytes is not None:
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        try:
            self._sock.connect((parts.hostname, parts.port))
        except OSError:
            self._sock.close()
            raise
        self._unread = b""
        self._method = "GET"
        self._left: int | None = 0  # of the chunk or body; None: until the connection ends
        self._is_chunked = False

    def ask(
        self,
        target: str,
        method: str = "GET",
        headers: Fields = (),
        body: bytes = b"",
        *,
        version: str = "1.1",
    ) -> Self:
        """Send a request."""
        self._method = method
        self.send(encode_request(method, target, headers, body, version=version))
        return self

    def send(self, data: bytes) -> None:
        """Send any bytes."""
        self._sock.sendall(data)

    def head(self) -> Response:
        """Status and headers of the next response, be it 1xx."""
        first, *lines = self._until(b"\r\n\r\n").decode("latin-1").split("\r\n")[:-2]
        version, status = first.split(" ")[:2]
        pairs = [line.partition(": ") for line in lines]
        fields = [(name.lower(), value) for name, _, value in pairs]
        head = Response(int(status), fields, version=version.removeprefix("HTTP/"))
        length = head.get("content-length")
        self._is_chunked = head.get("transfer-encoding") == "chunked"
        if self._method == "HEAD" or head.status in (204, 304):
            self._is_chunked, self._left = False, 0
        elif self._is_chunked:
            self._left = 0
        else:
            self._left = None if length is None else int(length)
        return head

    def some(self, size_max: int = 65_536) -> bytes:
        """The next bytes of the body; none at its end. Raises Broken."""
        if self._is_chunked and self._left == 0:
            self._left = int(self._until(b"\r\n"), 16)
            if self._left == 0:
                assert self._until(b"\r\n") == b"\r\n", "no trailers are relayed"
                self._is_chunked = False
        if self._left == 0:
            return b""
        wanted = size_max if self._left is None else min(size_max, self._left)
        if not self._unread:
            try:
                self._receive()
            except Broken as broken:
                if self._left is None and broken.how == "end":
                    return b""
                raise
        data, self._unread = self._unread[:wanted], self._unread[wanted:]
        if self._left is not None:
            self._left -= len(data)
            if self._is_chunked and self._left == 0:
                assert self._until(b"\r\n") == b"\r\n", "a chunk ends with CRLF"
        return data

    def body(self, size: int) -> bytes:
        """So many bytes of the body. Raises Broken when it ends before."""
        pieces: list[bytes] = []
        left = size
        while left:
            piece = self.some(left)
            if not piece:
                raise Broken(b"".join(pieces), "complete")
            pieces.append(piece)
            left -= len(piece)
        return b"".join(pieces)

    def rest(self) -> bytes:
        """The body to its end. Raises Broken when it is not complete."""
        pieces = []
        try:
            while piece := self.some():
                pieces.append(piece)
        except Broken as broken:
            raise Broken(b"".join(pieces), broken.how) from None
        return b"".join(pieces)

    def answer(self) -> Response:
        """The next response as a whole."""
        head = self.head()
        return Response(head.status, head.headers, self.rest(), version=head.version)

    @property
    def has_more(self) -> bool:
        """Whether anything has come that was not read, the connection's end included."""
        return bool(self._unread or select.select([self._sock], [], [], 0)[0])

    def close(self) -> None:
        """Leave."""
        self._sock.close()

    def _until(self, separator: bytes) -> bytes:
        while separator not in self._unread:
            self._receive()
        found, _, self._unread = self._unread.partition(separator)
        return found + separator

    def _receive(self) -> None:
        try:
            data = self._sock.recv(65_536)
        except ConnectionResetError:
            raise Broken(b"", "reset") from None
        if not data:
            raise Broken(b"", "end")
        self._unread += data
