"""Whole requests over one kept connection: a runtime's client of the Runtime API.

Concurrency law: one thread, one request at a time. Calls block; a signal handler that raises ends
them, and the connection is not used again. Python runs signal handlers between its own steps: a
signal that arrives just before a call blocks would be handled only when the call returns. Therefore
a wait without a limit also watches a pipe, to which Python writes at each signal
(`signal.set_wakeup_fd`). Only then: event loops of a handler have a pipe of their own.
"""

from __future__ import annotations

import _signal as signal  # type: ignore[import-not-found]  # see `runtime.__main__`
import os
import select
import time

from tailrace.errors import PeerError
from tailrace.limits import CONNECT_TIMEOUT_S, EVENT_BYTES_MAX
from tailrace.net.blocking.answer import AnswerParser, HttpAnswer
from tailrace.net.blocking.connection import open_connection, text_of

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    import _socket
    from collections.abc import Iterable
    from typing import Final

_READ_BYTES: Final = 64 * 1024  # more would be mapped and unmapped for each event


class KeepAliveClient:
    """Requests to one server, over plain HTTP, one after the other."""

    __slots__ = ("_body_bytes_max", "_poll", "_sock", "_wake_pipe", "authority", "host", "port")

    def __init__(
        self,
        host: str,
        port: int,
        *,
        body_bytes_max: int = EVENT_BYTES_MAX,
        wake_pipe: tuple[int, int] | None = None,
    ) -> None:
        self.host = host
        self.port = port
        self.authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._body_bytes_max = body_bytes_max
        self._wake_pipe = wake_pipe
        self._sock: _socket.socket | None = None
        self._poll = select.poll()  # of `_wake_pipe`, and of the socket while there is one
        if wake_pipe is not None:
            self._poll.register(wake_pipe[0], select.POLLIN)

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
            self._poll.unregister(self._sock)
            self._sock.close()
            self._sock = None

    def _has_live_connection(self) -> bool:
        """Return whether the kept connection is still open; close it if it is not."""
        if self._sock is None:
            return False
        if self._wait(self._sock, 0.0):  # its end, or bytes that answer no request
            self.close()
            return False
        return True

    def _exchange(
        self, message: bytes, parser: AnswerParser, timeout_s: float | None
    ) -> HttpAnswer:
        is_done = False
        try:
            if self._sock is None:
                sock = open_connection(self.host, self.port, CONNECT_TIMEOUT_S)
                sock.setblocking(False)
                self._poll.register(sock, select.POLLIN)
                self._sock = sock
            answer = self._talk(self._sock, message, parser, timeout_s)
            is_done = parser.can_keep
        except OSError as error:
            raise PeerError(f"no answer from {self.authority}: {text_of(error)}") from error
        finally:
            if not is_done:
                self.close()
        return answer

    def _talk(
        self, sock: _socket.socket, message: bytes, parser: AnswerParser, timeout_s: float | None
    ) -> HttpAnswer:
        deadline_s = None if timeout_s is None else time.monotonic() + timeout_s
        unsent = memoryview(message)
        while unsent := unsent[_send(sock, unsent) :]:
            self._wait_writable(sock, deadline_s)
        if deadline_s is not None or self._wake_pipe is None:
            return self._receive(sock, parser, deadline_s)
        previous = signal.set_wakeup_fd(self._wake_pipe[1], warn_on_full_buffer=False)
        try:
            return self._receive(sock, parser, None)
        finally:
            try:
                signal.set_wakeup_fd(previous)
            except (OSError, ValueError):
                signal.set_wakeup_fd(-1)  # the handler has closed it

    def _receive(
        self, sock: _socket.socket, parser: AnswerParser, deadline_s: float | None
    ) -> HttpAnswer:
        while parser.answer is None:
            if not self._wait(sock, deadline_s):
                raise TimeoutError("timed out")
            data = sock.recv(_READ_BYTES)
            if data:
                parser.feed(data)
            else:
                parser.end()
        return parser.answer

    def _wait(self, sock: _socket.socket, deadline_s: float | None) -> bool:
        """Wait until the peer has sent or left; return whether it has before the deadline.

        Without a deadline the wait has no limit. Signal handlers run meanwhile.
        """
        descriptor = sock.fileno()
        while True:
            ready = self._poll.poll(_left_ms(deadline_s))
            for ready_fd, _ in ready:
                if ready_fd == descriptor:
                    return True
            if not ready:
                return False
            if self._wake_pipe is not None:
                os.read(self._wake_pipe[0], 4096)

    def _wait_writable(self, sock: _socket.socket, deadline_s: float | None) -> None:
        self._poll.modify(sock, select.POLLOUT)
        try:
            if not self._wait(sock, deadline_s):
                raise TimeoutError("timed out")
        finally:
            self._poll.modify(sock, select.POLLIN)


def _send(sock: _socket.socket, data: memoryview) -> int:
    """Send what the kernel accepts now; return how many bytes."""
    try:
        return sock.send(data)
    except BlockingIOError:
        return 0


def _left_ms(deadline_s: float | None) -> float | None:
    return None if deadline_s is None else max(0.0, deadline_s - time.monotonic()) * 1000
