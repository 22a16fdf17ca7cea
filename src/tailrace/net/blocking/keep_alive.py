"""Whole requests over one kept connection: a runtime's client of the Runtime API.

Concurrency law: one thread, one request at a time. Calls block; a signal handler that raises ends
them, and the connection is not used again. Python runs signal handlers between its own steps: a
signal that arrives just before a call blocks would be handled only when the call returns. Therefore
the wait also watches `wake_fd`, to which Python writes at each signal (`signal.set_wakeup_fd`).
"""

from __future__ import annotations

# Not `socket`: its enumerations cost a cold start as much as all modules of tailrace.
import _socket
import os
import select
import time

from tailrace.errors import PeerError
from tailrace.limits import CONNECT_TIMEOUT_S, EVENT_BYTES_MAX
from tailrace.net.blocking.answer import AnswerParser, HttpAnswer

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Final

_READ_BYTES: Final = 64 * 1024  # more would be mapped and unmapped for each event


class KeepAliveClient:
    """Requests to one server, over plain HTTP, one after the other."""

    __slots__ = ("_body_bytes_max", "_sock", "_wake_fd", "authority", "host", "port")

    def __init__(
        self,
        host: str,
        port: int,
        *,
        body_bytes_max: int = EVENT_BYTES_MAX,
        wake_fd: int | None = None,
    ) -> None:
        self.host = host
        self.port = port
        self.authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._body_bytes_max = body_bytes_max
        self._wake_fd = wake_fd
        self._sock: _socket.socket | None = None

    def request(
        self,
        method: str,
        path: str,
        headers: Iterable[tuple[str, str]] = (),
        body: bytes | None = None,
        *,
        timeout_s: float | None,
    ) -> HttpAnswer:
        """Send a request and return its answer within `timeout_s`; None waits without a limit.

        A kept connection that turns out to be dead (an environment was frozen for long) is
        replaced once: if nothing was sent yet, or if a GET got no byte of an answer.

        Raises:
            PeerError: there is no connection, no answer in time, or it is not HTTP.
        """
        head = [f"{method} {path} HTTP/1.1", f"host: {self.authority}"]
        head += [f"{name}: {value}" for name, value in headers]
        if body is not None:
            head.append(f"content-length: {len(body)}")
        message = "\r\n".join((*head, "", "")).encode("latin-1") + (body or b"")
        was_kept = self._has_live_connection()
        parser = AnswerParser(self._body_bytes_max)
        try:
            return self._exchange(message, parser, timeout_s)
        except PeerError:
            if not was_kept or method != "GET" or parser.has_started:
                raise
        return self._exchange(message, AnswerParser(self._body_bytes_max), timeout_s)

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._sock is not None:
            self._sock.close()
            self._sock = None

    def _has_live_connection(self) -> bool:
        """Return whether the kept connection is still open; close it if it is not."""
        if self._sock is None:
            return False
        self._sock.setblocking(False)
        try:
            self._sock.recv(1)  # its end, or bytes that answer no request
        except BlockingIOError:
            return True
        except OSError:
            pass
        self.close()
        return False

    def _exchange(
        self, message: bytes, parser: AnswerParser, timeout_s: float | None
    ) -> HttpAnswer:
        is_done = False
        try:
            if self._sock is None:
                self._sock = _connect(self.host, self.port)
            answer = self._talk(self._sock, message, parser, timeout_s)
            is_done = parser.can_keep
        except OSError as error:
            reason = error.strerror or str(error) or type(error).__name__
            raise PeerError(f"no answer from {self.authority}: {reason}") from error
        finally:
            if not is_done:
                self.close()
        return answer

    def _talk(
        self, sock: _socket.socket, message: bytes, parser: AnswerParser, timeout_s: float | None
    ) -> HttpAnswer:
        deadline_s = None if timeout_s is None else time.monotonic() + timeout_s
        sock.settimeout(timeout_s)
        sock.sendall(message)
        while parser.answer is None:
            if deadline_s is None:
                self._wait_readable(sock)
            else:
                sock.settimeout(max(0.001, deadline_s - time.monotonic()))
            data = sock.recv(_READ_BYTES)
            if data:
                parser.feed(data)
            else:
                parser.end()
        return parser.answer

    def _wait_readable(self, sock: _socket.socket) -> None:
        """Wait without a limit; signal handlers run meanwhile."""
        if self._wake_fd is None:
            return
        poll = select.poll()
        poll.register(sock, select.POLLIN)
        poll.register(self._wake_fd, select.POLLIN)
        while True:
            ready = {fd for fd, _ in poll.poll()}
            if self._wake_fd in ready:
                os.read(self._wake_fd, 4096)
            if sock.fileno() in ready:
                return


def _connect(host: str, port: int) -> _socket.socket:
    """Open a connection with TCP_NODELAY set.

    Raises:
        PeerError: the name is unknown, the connection is refused, or takes too long.
    """
    reason: OSError | None = None
    try:
        # As bytes: text would go through the idna codec, whose import costs a cold start.
        found = _socket.getaddrinfo(host.encode("ascii"), port, 0, _socket.SOCK_STREAM)
    except OSError as error:
        reason, found = error, []
    for family, kind, protocol, _, address in found:
        sock = _socket.socket(family, kind, protocol)
        try:
            sock.settimeout(CONNECT_TIMEOUT_S)
            sock.connect(address)
            sock.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
        except OSError as error:
            sock.close()
            reason = error
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    text = (reason and (reason.strerror or str(reason))) or "no address"
    raise PeerError(f"no connection to {host}:{port}: {text}") from reason
