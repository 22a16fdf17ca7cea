"""The sending half of a server's connection: framing of responses, and the transport below.

A body that ends with its connection is complete for its reader if that end is clean. The kernel
closes the sockets of a killed process cleanly, unless they are set to reset. Therefore the socket
is set to reset while such a body is open, and until the kernel has all of it.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from enum import Enum
from typing import Final

from tailrace import limits
from tailrace.errors import ResponseFormatError
from tailrace.net.server.received import received_ago_s
from tailrace.wire.http_head import RequestHead, has_body

_JOIN_BYTES_MAX: Final = 16 * limits.KIB  # below this, one copy costs less than a vector write
_LINGER_RESET: Final = struct.pack("ii", 1, 0)
_LINGER_SEND: Final = struct.pack("ii", 0, 0)
_CHUNKED_LINE: Final = b"transfer-encoding: chunked\r\n"
_LENGTH_LINE: Final = b"content-length: %d\r\n"
_LAST_CHUNK: Final = b"0\r\n\r\n"


class Framing(Enum):
    """How the body of a response is delimited."""

    NONE = "no response is open"
    CHUNKED = "chunked"
    LENGTH = "content-length"
    CLOSE = "the end of the connection"
    EMPTY = "a response without a body"


# As in `phases`: for speed.
UNFRAMED, _CHUNKED, _LENGTH, _UNTIL_CLOSE, _EMPTY = Framing


def set_reset_on_close(transport: asyncio.BaseTransport, is_reset: bool) -> None:
    """Set whether closing a socket resets it, and loses unsent bytes, or sends them and a FIN."""
    # The transport keeps its socket until it has called `connection_lost`.
    sock = transport.get_extra_info("socket")
    try:
        sock.setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_RESET if is_reset else _LINGER_SEND
        )
    except OSError:
        pass  # macOS refuses it for a socket that its peer has reset


class FramedWriter:
    """Frames one response after the other.

    `Connection` inherits from it rather than owning one: that saves a call for each piece of a
    body, and an object for each held response.
    """

    __slots__ = (
        "_corked",
        "_framing",
        "_last_byte",
        "_left",
        "_resets_until_sent",
        "_transport",
        "_written_bytes",
    )

    def __init__(self) -> None:
        self._transport: asyncio.Transport = None  # type: ignore[assignment] # connection_made
        self._corked: list[bytes] | None = None  # pieces that wait for `uncork`
        self._framing = UNFRAMED
        self._left = 0
        self._written_bytes = 0
        self._last_byte = b""
        self._resets_until_sent = False  # a body with CLOSE framing has ended, but is not sent yet

    def _attach(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        transport.set_write_buffer_limits(
            limits.WRITE_BUFFER_HIGH_BYTES, limits.WRITE_BUFFER_LOW_BYTES
        )

    @property
    def unsent_bytes(self) -> int:
        """Bytes of responses that the kernel has not accepted yet."""
        return self._transport.get_write_buffer_size()

    @property
    def taken_bytes(self) -> int:
        """Bytes of responses that the kernel has accepted; the count grows while the peer reads."""
        return self._written_bytes - self._transport.get_write_buffer_size()

    @property
    def descriptor(self) -> int:
        """The number of the socket's file descriptor."""
        number: int = self._transport.get_extra_info("socket").fileno()
        return number

    @property
    def has_responded(self) -> bool:
        """Whether anything of a response was written since the peer connected."""
        return self._written_bytes > 0

    @property
    def received_ago_s(self) -> float:
        """See the function of this name."""
        return received_ago_s(self._transport.get_extra_info("socket"))

    @property
    def missing_bytes(self) -> int:
        """Bytes that the body still lacks of its announced length."""
        return self._left

    @property
    def peer(self) -> str:
        """The address of the peer, empty once it has left."""
        name = self._transport.get_extra_info("peername")
        return name[0] if isinstance(name, tuple) else ""

    @property
    def is_reading(self) -> bool:
        """Whether reading is not paused."""
        return self._transport.is_reading()

    def resume_reading(self) -> None:
        """Continue to read."""
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def cork(self) -> None:
        """Keep what is written until `uncork`, `end` or `abort`, within one read.

        Every write to the transport is a system call: head, body and end of a short response
        share one.
        """
        if self._corked is None:
            self._corked = []

    def uncork(self) -> None:
        """Write what was kept."""
        pieces, self._corked = self._corked, None
        if pieces:
            self._transport.write(pieces[0] if len(pieces) == 1 else b"".join(pieces))

    def _send(self, data: bytes) -> None:
        self._written_bytes += len(data)
        if self._corked is None:
            self._transport.write(data)
        else:
            self._corked.append(data)

    def write(self, data: bytes) -> None:
        """Write a piece of the body, framed; where no body is allowed it is discarded.

        The last byte of a body with a known length is kept until `end`, so that a response
        that is aborted before it cannot look complete.

        Raises:
            ResponseFormatError: the body is longer than its announced length.
        """
        if not data:
            return  # an empty chunk would end the body
        framing = self._framing
        if framing is _CHUNKED:
            if len(data) >= _JOIN_BYTES_MAX and self._corked is None:
                size = b"%x\r\n" % len(data)
                self._written_bytes += len(size) + len(data) + 2
                self._transport.writelines((size, data, b"\r\n"))
                return
            chunk = b"%x\r\n%b\r\n" % (len(data), data)
            self._written_bytes += len(chunk)
            if self._corked is None:
                self._transport.write(chunk)
            else:
                self._corked.append(chunk)
        elif framing is _LENGTH:
            self._write_counted(data)
        elif framing is _UNTIL_CLOSE:
            self._send(data)

    def _write_counted(self, data: bytes) -> None:
        if len(data) > self._left:
            raise ResponseFormatError("the body is longer than its content-length")
        self._left -= len(data)
        if self._left == 0:
            self._last_byte = data[-1:]
            data = data[:-1]
        if data:
            self._send(data)

    def _frame(self, head: RequestHead, status: int, length: int | None) -> bytes:
        """Choose the framing of a response's body; return the line that announces it, if any."""
        if not has_body(head.method, status):
            self._framing = _EMPTY
            return b"" if length is None or status == 204 else _LENGTH_LINE % length
        if length is not None:
            self._framing = _LENGTH
            self._left = length
            return _LENGTH_LINE % length
        if head.version == "1.1":
            self._framing = _CHUNKED
            return _CHUNKED_LINE
        self._framing = _UNTIL_CLOSE
        set_reset_on_close(self._transport, True)
        return b""

    def _finish(self) -> None:
        """End the body: it is complete."""
        framing, self._framing = self._framing, UNFRAMED
        if framing is _CHUNKED:
            self._send(_LAST_CHUNK)
        elif self._last_byte:
            self._send(self._last_byte)
            self._last_byte = b""
        if framing is _UNTIL_CLOSE:
            self._resets_until_sent = True
        if self._corked is not None:
            self.uncork()
        if framing is _UNTIL_CLOSE:
            self._allow_clean_close()

    def _allow_clean_close(self) -> None:
        """Stop resetting on close once the kernel has all bytes; see `resume_writing`."""
        if self.unsent_bytes:
            self._transport.set_write_buffer_limits(0)
            return
        self._resets_until_sent = False
        set_reset_on_close(self._transport, False)

    def _discard_rest(self) -> None:
        """Write nothing more: the response was aborted, or its peer has left."""
        self._framing = UNFRAMED
        self._corked = None
