"""Servers that say exactly what a test wants, each connection in a thread of its own."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

WAIT_S = 20.0
"""When a wait is in vain."""

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"transfer-encoding: chunked\r\n"


def chunk(data: bytes) -> bytes:
    """A piece of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def answer(body: bytes, fields: bytes = b"content-type: text/plain\r\n") -> bytes:
    """A whole answer."""
    return OK + fields + b"content-length: %d\r\n\r\n" % len(body) + body


class Connection:
    """One connection, as its server's script sees it."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._unread = b""

    def head(self) -> bytes:
        """Read the head of the next request; empty when the client has left."""
        while b"\r\n\r\n" not in self._unread:
            data = self._sock.recv(65_536)
            if not data:
                return b""
            self._unread += data
        head, _, self._unread = self._unread.partition(b"\r\n\r\n")
        return head

    def send(self, data: bytes) -> None:
        """Send bytes."""
        self._sock.sendall(data)

    def wait_end(self) -> None:
        """Wait until the client has left."""
        try:
            while self._sock.recv(65_536):
                pass
        except OSError:
            pass

    def reset(self) -> None:
        """Cut the connection, visibly."""
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._sock.close()


Script = Callable[[Connection], object]


class Server:
    """Runs a script for each connection while it is entered; `heads` are the requests it read."""

    def __init__(self, script: Script, *, tls: ssl.SSLContext | None = None) -> None:
        self._script = script
        self._tls = tls
        self._threads: list[threading.Thread] = []
        self._socks: list[socket.socket] = []
        self.heads: list[bytes] = []
        self.failures: list[BaseException] = []

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._acceptor = threading.Thread(target=self._accept)
        self._acceptor.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._acceptor.join(WAIT_S)
        for sock in self._socks:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        for thread in self._threads:
            thread.join(WAIT_S)
            assert not thread.is_alive()
        for sock in self._socks:
            sock.close()
        if kind is None:
            assert not self.failures, self.failures

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.settimeout(WAIT_S)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socks.append(sock)
            thread = threading.Thread(target=self._serve, args=(sock,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket) -> None:
        try:
            if self._tls is not None:
                sock = self._tls.wrap_socket(sock, server_side=True)
                self._socks.append(sock)
            self._script(_Recorded(sock, self.heads))
        except OSError:
            pass  # the client has left
        except BaseException as error:
            self.failures.append(error)
        try:
            sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


class _Recorded(Connection):
    def __init__(self, sock: socket.socket, heads: list[bytes]) -> None:
        super().__init__(sock)
        self._heads = heads

    def head(self) -> bytes:
        head = super().head()
        if head:
            self._heads.append(head)
        return head


def sending(*pieces: bytes) -> Script:
    """A script that answers every request with these bytes, in so many writes."""

    def script(connection: Connection) -> None:
        while connection.head():
            for piece in pieces:
                connection.send(piece)

    return script
