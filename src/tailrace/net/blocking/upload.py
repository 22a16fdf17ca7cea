"""A request whose body is streamed, for blocking code; `async_upload` adds asyncio.

Concurrency law: one thread at a time. The socket never blocks: `put` queues and sends what the
kernel takes now, `drain` waits for the rest. Both read what the peer sends meanwhile, so that an
early answer is noticed before and while bytes are sent.

No redirects, no proxies from the environment, standard library only; ssl is imported for https.
"""

from __future__ import annotations

import _socket
import re
import select
import struct
import time
from collections import deque
from collections.abc import Iterable
from functools import lru_cache
from itertools import islice

from tailrace.errors import AnsweredEarlyError, PeerError
from tailrace.limits import (
    ANSWER_BODY_BYTES_MAX,
    ANSWER_TIMEOUT_S,
    CONNECT_TIMEOUT_S,
    FINISH_TIMEOUT_S,
    JOINED_CHUNK_BYTES_MAX,
    SEND_STALL_TIMEOUT_S,
)
from tailrace.net.blocking.answer import AnswerParser, HttpAnswer
from tailrace.net.blocking.connection import open_connection, text_of
from tailrace.records import NamedTuple

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    import ssl
    from typing import Final, NoReturn

Fields = Iterable[tuple[str, str]]
"""Header or trailer fields; the caller ensures that names and values are legal."""

_READ_BYTES: Final = 64 * 1024
_PIECES_PER_CALL: Final = 64  # far below the kernel's IOV_MAX
_WAIT_S_MAX: Final = 86_400  # longer than any response takes; `poll` fails above 24 days
_LINGER_0: Final = struct.pack("ii", 1, 0)


class Url(NamedTuple):
    """The parts of a URL that a request needs."""

    is_tls: bool
    host: str
    port: int
    target: str
    authority: str
    """The value of the Host header."""


def parse_url(url: str) -> Url:
    """Split a URL. Not with urllib.parse, which adds 14 ms to a cold start.

    Raises:
        PeerError: it is not an absolute http or https URL in ASCII, or has a user name.
    """
    match = _url_pattern().fullmatch(url)
    if match is None or int(match[3] or 0) > 65535:
        raise PeerError("this is not the URL of an HTTP server")
    is_tls = match[1] == "https"
    port = int(match[3]) if match[3] else (443 if is_tls else 80)
    authority = url[len(match[1]) + 3 :].partition("/")[0]
    return Url(is_tls, match[2].strip("[]"), port, match[4] or "/", authority)


def connect(url: Url, timeout_s: float = CONNECT_TIMEOUT_S) -> _socket.socket:
    """Open a connection without Nagle's delay; over TLS for an https URL.

    Raises:
        PeerError: the name is unknown, the connection is refused, or it takes too long.
    """
    sock = open_connection(url.host, url.port, timeout_s)
    if not url.is_tls:
        return sock
    try:
        return _tls_context().wrap_socket(sock, server_hostname=url.host)  # type: ignore[arg-type]  # typeshed: a `socket.socket`
    except OSError as error:
        sock.close()
        raise PeerError(f"no connection to {url.host}:{url.port}: {text_of(error)}") from error
    except BaseException:
        sock.close()
        raise


def open_upload(
    url: str,
    headers: Fields = (),
    *,
    connect_timeout_s: float = CONNECT_TIMEOUT_S,
    answer_timeout_s: float = ANSWER_TIMEOUT_S,
) -> Upload:
    """POST a body of unknown length; return once the peer has sent `100 Continue`.

    Raises:
        AnsweredEarlyError: the peer sent a final answer instead, and refuses the body.
        PeerError: no connection, or no answer within `answer_timeout_s`.
    """
    parts = parse_url(url)
    upload = Upload(connect(parts, connect_timeout_s))
    try:
        upload.queue_head(parts, headers, expects_continue=True)
        upload.push()
        upload.wait_continue(answer_timeout_s)
    except BaseException:
        upload.close()
        raise
    return upload


class Upload:
    """One POST whose body is sent as it is written, and the answer to it.

    `queue_head`, `put` … `put_end`, then `wait_answer`, then `close`; `abort` at any time. The
    owner must call `close` or `abort`.
    """

    __slots__ = (
        "_is_ended",
        "_is_tls",
        "_loss",
        "_parser",
        "_poll",
        "_sock",
        "_unsent",
        "_would_block",
    )

    def __init__(self, sock: _socket.socket) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)
        self._parser = AnswerParser(ANSWER_BODY_BYTES_MAX)
        self._unsent: deque[bytes | memoryview] = deque()
        self._is_ended = False
        self._loss: str | None = None  # why the connection can no longer be used
        self._is_tls = hasattr(sock, "pending")
        self._would_block = _would_block_errors(is_tls=self._is_tls)

    def queue_head(self, url: Url, headers: Fields, *, expects_continue: bool = False) -> None:
        """Queue the request's head: it is sent together with the first chunk, or by `push`.

        `expects_continue`: send `Expect: 100-continue`; see `wait_continue`.
        """
        lines = [f"POST {url.target} HTTP/1.1", f"host: {url.authority}"]
        lines += [f"{name}: {value}" for name, value in headers]
        lines.append("transfer-encoding: chunked")
        if expects_continue:
            lines.append("expect: 100-continue")
        self._unsent.append("\r\n".join((*lines, "", "")).encode("latin-1"))

    def wait_continue(self, timeout_s: float) -> None:
        """Wait for the peer's `100 Continue`.

        Raises:
            AnsweredEarlyError: the peer sent a final answer instead.
            PeerError: the peer has left, or sends nothing within `timeout_s`.
        """
        deadline_s = time.monotonic() + timeout_s
        self._raise_if_over()
        while not self._parser.is_continued:
            self._wait(deadline_s - time.monotonic(), "did not say within the time-out to go on")

    @property
    def is_ended(self) -> bool:
        """Whether `put_end` was called."""
        return self._is_ended

    @property
    def has_unsent(self) -> bool:
        """Whether the kernel has not accepted all bytes yet."""
        return bool(self._unsent)

    @property
    def continue_headers(self) -> dict[str, str]:
        """The fields of the peer's `100 Continue`, names in lower case."""
        return self._parser.continue_headers

    @property
    def answer(self) -> HttpAnswer | None:
        """The peer's final answer, once it is complete."""
        return self._parser.answer

    @property
    def is_over(self) -> bool:
        """Whether the peer has started a final answer, or has left."""
        return self._loss is not None or self._parser.status is not None

    def fileno(self) -> int:
        """The socket's descriptor, -1 once it is closed."""
        return self._sock.fileno()

    def put(self, data: bytes) -> None:
        """Queue one chunk, and send what the kernel takes now. Without bytes, do nothing.

        Raises:
            AnsweredEarlyError, PeerError: as `look`; the chunk is not sent, or only in part.
        """
        assert not self._is_ended, "the body has ended"
        self.look()
        if not data:
            return
        if len(data) <= JOINED_CHUNK_BYTES_MAX:
            self._unsent.append(b"%x\r\n%b\r\n" % (len(data), data))
        else:
            self._unsent += (b"%x\r\n" % len(data), memoryview(data), b"\r\n")
        self._push()

    def put_end(self, trailers: Fields = ()) -> None:
        """Queue the end of the body, and send what the kernel accepts now.

        Raises:
            AnsweredEarlyError, PeerError: as `look`.
        """
        self.look()
        fields = "".join(f"{name}: {value}\r\n" for name, value in trailers)
        self._unsent.append(f"0\r\n{fields}\r\n".encode("latin-1"))
        self._is_ended = True
        self._push()

    def push(self) -> None:
        """Send what the kernel accepts of the queue now.

        Raises:
            AnsweredEarlyError, PeerError: as `look`.
        """
        self.look()
        self._push()

    def look(self) -> None:
        """Read what the peer has sent, without waiting.

        Raises:
            AnsweredEarlyError: the peer has answered although the body is not complete.
            PeerError: the peer has left, or sent what is not HTTP. Later calls raise the same.
        """
        # A poll is cheaper than a read that raises. TLS may hold bytes that no poll shows.
        if (
            self._is_tls
            or self._poll.poll(0)
            or self._loss is not None  # `is_over`; a property costs each chunk a call
            or self._parser.status is not None
        ):
            self._take()

    def drain(self, timeout_s: float = SEND_STALL_TIMEOUT_S) -> None:
        """Wait until the kernel has taken all bytes, for at most `timeout_s` without progress.

        Raises:
            AnsweredEarlyError, PeerError: as `look`, also while it waits.
        """
        while self._unsent:
            self._wait(timeout_s, "took no bytes within the time-out")

    def wait_answer(self, timeout_s: float = FINISH_TIMEOUT_S) -> HttpAnswer:
        """Wait, after `put_end`, until everything was sent and the answer is complete.

        Raises:
            PeerError: the peer has left, sent what is not HTTP, or took longer than `timeout_s`.
        """
        assert self._is_ended, "the body has not ended"
        deadline_s = time.monotonic() + timeout_s
        self._raise_if_over()
        while self.answer is None:
            self._wait(deadline_s - time.monotonic(), "did not answer within the time-out")
        return self.answer

    def abort(self) -> None:
        """Reset the connection, so that an incomplete body cannot look complete."""
        try:
            self._sock.setsockopt(_socket.SOL_SOCKET, _socket.SO_LINGER, _LINGER_0)
        except OSError:
            pass  # it is closed, or broken already
        self._sock.close()

    def close(self) -> None:
        """Close the connection."""
        self._sock.close()

    def _wait(self, timeout_s: float, complaint: str) -> None:
        """Wait for bytes of the peer, or for room to send; then read and send."""
        timeout_ms = min(max(0.0, timeout_s), _WAIT_S_MAX) * 1000
        if not self._unsent:
            ready = self._poll.poll(timeout_ms)
        else:
            self._poll.modify(self._sock, select.POLLIN | select.POLLOUT)
            try:
                ready = self._poll.poll(timeout_ms)
            finally:
                self._poll.modify(self._sock, select.POLLIN)
        if not ready:
            self._loss = f"the peer {complaint}"
        if self._is_tls or not ready or ready[0][1] != select.POLLOUT:
            self._take()
        self._push()

    def _push(self) -> None:
        unsent = self._unsent
        try:
            while unsent:
                if len(unsent) == 1 or self._is_tls:
                    sent = self._sock.send(unsent[0])
                else:  # one call, and one segment if it fits
                    sent = self._sock.sendmsg(islice(unsent, _PIECES_PER_CALL))
                while unsent and sent >= len(unsent[0]):
                    sent -= len(unsent.popleft())
                if sent:
                    unsent[0] = memoryview(unsent[0])[sent:]
        except self._would_block:
            return
        except OSError as error:
            # The peer may have sent a reason before it closed.
            self._read()
            self._loss = self._loss or f"the connection broke: {text_of(error)}"
            self._raise_if_over()

    def _take(self) -> None:
        """Read what has arrived, unless no more is expected; raise as `look`."""
        if not self.is_over or (self._is_ended and self.answer is None):
            self._read()
        self._raise_if_over()

    def _read(self) -> None:
        """Read what has arrived. Never raises: an error is kept in `_loss`."""
        try:
            while True:
                data = self._sock.recv(_READ_BYTES)
                if not data:
                    self._parser.end()
                    return
                self._parser.feed(data)
                if not self._is_tls and (self.answer is not None or not self._poll.poll(0)):
                    return
        except self._would_block:
            return
        except OSError as error:
            self._loss = f"the connection broke: {text_of(error)}"
        except PeerError as error:
            self._loss = str(error)

    def _raise_if_over(self) -> None:
        if self._parser.status is not None:
            self._unsent.clear()  # after any final answer, the peer reads no more of the body
        if self._is_ended and self.answer is not None:
            return
        if self._parser.status is not None and not self._is_ended:
            self._raise_answered(self._parser.status)
        if self._loss is not None:
            raise PeerError(self._loss)

    def _raise_answered(self, status: int) -> NoReturn:
        text = self._parser.body_so_far[:200].decode("utf-8", "replace").strip()
        raise AnsweredEarlyError(status, f"the peer answered {status} {text}".rstrip())


@lru_cache(maxsize=1)
def _url_pattern() -> re.Pattern[str]:
    """Compiled at the first use: a runtime needs none at its start."""
    return re.compile(
        r"(https?)://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~-]+)(?::([0-9]{1,5}))?(/[!-\"$-~]*)?"
    )


@lru_cache(maxsize=1)
def _tls_context() -> ssl.SSLContext:
    """The platform's certificates, read once: it takes tens of milliseconds."""
    import ssl

    return ssl.create_default_context()


def _would_block_errors(*, is_tls: bool) -> tuple[type[OSError], ...]:
    if not is_tls:
        return (BlockingIOError,)
    import ssl

    return (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
