"""Plain sockets of 127.0.0.1, read with the times at which the kernel got the bytes.

On loopback that time is within the writer's system call. So the time from a write to its arrival
at the other end has neither the reader's delay nor the writer's in it. All times are nanoseconds of
CLOCK_REALTIME, which is the clock of these stamps.

Concurrency law: one thread, and readers that are called one after the other. What a reader raises
ends the run.
"""

from __future__ import annotations

import ctypes
import select
import socket
import struct
import time
from typing import Final, Protocol

from bench.load import BenchError

READ_BYTES: Final = 64 * 1024
EVENTS_AT_ONCE: Final = 8
"""So many readers are called before it is checked whether a write is due."""
CONNECT_TIMEOUT_S: Final = 0.2
"""On loopback only a full backlog takes longer than a system call."""
BACKLOG: Final = 4096
STAMPS_TIMEOUT_S: Final = 1.0
"""The kernel begins to stamp some milliseconds after the first socket wants it."""
_SO_TIMESTAMPNS: Final = 35  # asm-generic/socket.h; the control message has the same number
_TIMESPEC: Final = struct.Struct("qq")
_CONTROL_BYTES: Final = socket.CMSG_SPACE(_TIMESPEC.size)
_PR_SET_TIMERSLACK: Final = 29


class OverloadError(BenchError):
    """A relay does not keep up with the schedule: there is no figure of this run."""


class Reader(Protocol):
    """What reads a socket when it has something."""

    def on_readable(self) -> None:
        """Reads once."""


class Poll:
    """Calls readers until a write is due, to some microseconds."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._readers: dict[int, Reader] = {}
        self._stamped = listen()
        """As long as it is open, the kernel stamps what arrives."""
        _wait_for_stamps(self._stamped)
        ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, 1)  # waits are not 50 µs longer

    def add(self, sock: socket.socket, reader: Reader) -> None:
        self._readers[sock.fileno()] = reader
        self._epoll.register(sock, select.EPOLLIN)

    def close(self, sock: socket.socket) -> None:
        """Closes a socket that was added; nothing happens if it is closed."""
        if sock.fileno() >= 0:
            del self._readers[sock.fileno()]
            sock.close()

    def look_until(self, due_ns: int) -> None:
        """Calls readers, at least those that have something now, until it is that time."""
        self._look()
        while (left_ns := due_ns - time.time_ns()) > 0:
            # A wait in epoll would end at a whole millisecond.
            select.select((self._epoll,), (), (), left_ns / 1e9)
            self._look()

    def stop(self) -> None:
        self._epoll.close()
        self._stamped.close()

    def _look(self) -> None:
        for descriptor, _ in self._epoll.poll(0, EVENTS_AT_ONCE):
            # It may have been closed by a reader of this round, and its number given away again.
            reader = self._readers.get(descriptor)
            if reader is not None:
                reader.on_readable()


def listen() -> socket.socket:
    """Listens on a free port; what is accepted has arrival times as well."""
    sock = socket.socket()
    _prepare(sock)
    sock.bind(("127.0.0.1", 0))
    sock.listen(BACKLOG)
    sock.setblocking(False)
    return sock


def connect(port: int) -> socket.socket:
    """Raises OverloadError if the listener does not keep up, BenchError if there is none."""
    sock = socket.socket()
    _prepare(sock)
    sock.settimeout(CONNECT_TIMEOUT_S)
    try:
        sock.connect(("127.0.0.1", port))
    except TimeoutError:
        sock.close()
        raise OverloadError(f"port {port} accepts no more connections") from None
    except OSError as error:
        sock.close()
        raise BenchError(f"no connection to port {port}: {error}") from None
    sock.setblocking(False)
    return sock


def send(sock: socket.socket, data: bytes) -> None:
    """Writes some bytes at once: they always fit, unless the peer has stopped reading."""
    try:
        sent = sock.send(data)
    except BlockingIOError:
        raise OverloadError("a peer has stopped reading") from None
    except OSError as error:
        raise BenchError(f"a connection was closed by its peer: {error}") from None
    if sent != len(data):
        raise OverloadError("a peer has stopped reading")


def receive(sock: socket.socket) -> tuple[bytes, int]:
    """Returns the bytes, none after the end or a reset, and when the last of them arrived."""
    try:
        data, control, _, _ = sock.recvmsg(READ_BYTES, _CONTROL_BYTES)
    except ConnectionResetError:
        return b"", 0
    if not data:
        return data, 0
    if not control:
        raise BenchError("the kernel gave no arrival time")
    seconds, nanoseconds = _TIMESPEC.unpack(control[0][2])
    return data, seconds * 1_000_000_000 + nanoseconds


def _wait_for_stamps(listener: socket.socket) -> None:
    until_s = time.monotonic() + STAMPS_TIMEOUT_S
    writer = connect(listener.getsockname()[1])
    reader, _ = listener.accept()
    with writer, reader:
        while time.monotonic() < until_s:
            send(writer, b" ")
            _, control, _, _ = reader.recvmsg(READ_BYTES, _CONTROL_BYTES)
            if control:
                return
            time.sleep(0.001)
    raise BenchError("the kernel gives no arrival times (SO_TIMESTAMPNS)")


def _prepare(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # accepted sockets inherit both
