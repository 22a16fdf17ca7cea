"""Frames of a response stream for a gateway: data, padding, an error or the end.

    type (1 byte) · length of the payload (4 bytes, big-endian) · payload

    D  data      bytes of the body
    P  padding   bytes without meaning, which push out the bytes before them
    X  error     the function has failed: JSON; the last frame
    E  end       how many bytes of data there were (8 bytes, big-endian); the last frame

They follow the prelude and its eight NUL bytes, if the event's mark allows them and the prelude
has `FRAMES_FIELD`. They serve every content type: no byte of a body looks like padding, and the end
proves that a body is complete. The format is not AWS's. Functions import this module when their
response has frames.
"""

from __future__ import annotations

from struct import Struct

from tailrace.errors import FrameError
from tailrace.limits import FRAME_BYTES_MAX, FRAME_ERROR_BYTES_MAX, FRAMES_PER_TURN_MAX

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from typing import Final

FRAMES_FIELD: Final = "tailrace-frames"
"""The header of a prelude that frames follow, for the gateway only; `mark.FRAMES_VERSION` in it."""

_DATA: Final = ord("D")
_PADDING: Final = ord("P")
_ERROR: Final = ord("X")
_END: Final = ord("E")
_HEADER: Final = Struct(">BI")
_HEADER_BYTES: Final = _HEADER.size
_COUNT: Final = Struct(">Q")
_SIZES: Final = {
    _DATA: range(FRAME_BYTES_MAX + 1),
    _PADDING: range(FRAME_BYTES_MAX + 1),
    _ERROR: range(FRAME_ERROR_BYTES_MAX + 1),
    _END: range(_COUNT.size, _COUNT.size + 1),
}
"""How long each frame's payload may be."""
_NOTHING: Final = memoryview(b"")


def data_header(size: int) -> bytes:
    """Return the header of a frame with `size` bytes of data, at most `FRAME_BYTES_MAX`."""
    assert size <= FRAME_BYTES_MAX, "too long a frame"
    return _HEADER.pack(_DATA, size)


def encode_data(data: bytes) -> bytes:
    """Return a frame of data, at most `FRAME_BYTES_MAX` bytes."""
    return data_header(len(data)) + data


def encode_padding(padding: bytes) -> bytes:
    """Return a frame of padding, at most `FRAME_BYTES_MAX` bytes."""
    assert len(padding) <= FRAME_BYTES_MAX, "too long a frame"
    return _HEADER.pack(_PADDING, len(padding)) + padding


def encode_error(text: bytes) -> bytes:
    """Return the error that ends a response, at most `FRAME_ERROR_BYTES_MAX` bytes of JSON."""
    assert len(text) <= FRAME_ERROR_BYTES_MAX, "too long an error"
    return _HEADER.pack(_ERROR, len(text)) + text


def encode_end(count: int) -> bytes:
    """Return the end of a response with `count` bytes of data."""
    return _HEADER.pack(_END, _COUNT.size) + _COUNT.pack(count)


class FrameDecoder:
    """Reads frames from chunks of any size; it holds no data. It is of no use after an exception.

    `padded_bytes` counts the padding; `error` is the payload of an error frame.
    """

    __slots__ = ("_count", "_is_over", "_kind", "_left", "_unread", "error", "padded_bytes", "rest")

    padded_bytes: int
    error: bytes | None
    rest: memoryview
    """What has been fed and not been read: more frames than one call reads."""

    def __init__(self) -> None:
        self._kind = 0  # of the frame whose payload is read; 0 while its header is
        self._left = 0  # of that payload
        self._unread = b""  # a part of a header, or of the payload of an error or an end
        self._count = 0  # of all data
        self._is_over = False  # the last frame, the end or an error, has been read
        self.padded_bytes = 0
        self.error = None
        self.rest = _NOTHING

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes; return the data among them. Bytes behind an error are not read.

        At most `FRAMES_PER_TURN_MAX` frames are read. If there are more, `rest` is not empty, and
        `feed_rest` must be called before the next bytes are fed.

        Raises:
            FrameError: a frame is unknown, too long, or behind the end; or the count of the end is
                not the number of bytes of data.
        """
        if self._kind == _DATA and len(data) < self._left:
            self._left -= len(data)
            self._count += len(data)
            return data  # inside a large frame
        if not (self._kind or self._unread or self._is_over):
            size = len(data) - _HEADER_BYTES
            if 0 <= size <= FRAME_BYTES_MAX and _HEADER.unpack_from(data) == (_DATA, size):
                self._count += size
                return data[_HEADER_BYTES:]  # one frame, as most reads are
        return self._read(memoryview(data))

    def feed_rest(self) -> bytes:
        """Read the frames in `rest`; see `feed`."""
        return self._read(self.rest)

    def finish(self) -> None:
        """End the input: no more bytes follow.

        Raises:
            FrameError: there was no end frame.
        """
        assert not self.rest, "not all frames have been read"
        if not self._is_over or self.error is not None:
            raise _malformed("the stream has ended without an end frame")

    def _read(self, data: memoryview) -> bytes:
        body = bytearray()  # no list of pieces: of tiny frames it would take 40 times their bytes
        at, size = 0, len(data)
        left = FRAMES_PER_TURN_MAX
        while at < size and left and self.error is None:
            if not self._kind:
                at, left = self._read_whole(data, at, left, body)
                if at < size and left:
                    at = self._read_header(data, at)
                    left -= 1
                continue
            until = min(size, at + self._left)
            self._left -= until - at
            if self._kind == _DATA:
                body += data[at:until]
                self._count += until - at
            elif self._kind == _PADDING:
                self.padded_bytes += until - at
            else:
                self._unread += data[at:until]
            at = until
            if not self._left:
                self._end_frame()
        self.rest = data[at:] if at < size and self.error is None else _NOTHING
        return bytes(body)

    def _read_whole(self, data: memoryview, at: int, left: int, body: bytearray) -> tuple[int, int]:
        """Read up to `left` complete frames of data and padding.

        Returns the place behind them, and how many more may be read. It is the fast path: one chunk
        may have thousands.
        """
        if self._unread or self._is_over:
            return at, left
        size_before = len(body)
        unpack_from = _HEADER.unpack_from
        end = len(data)
        while left and at + _HEADER_BYTES <= end:
            kind, size = unpack_from(data, at)
            start = at + _HEADER_BYTES
            until = start + size
            if until > end or size > FRAME_BYTES_MAX:
                break
            if kind == _DATA:
                body += data[start:until]
            elif kind == _PADDING:
                self.padded_bytes += size
            else:
                break
            at = until
            left -= 1
        self._count += len(body) - size_before
        return at, left

    def _read_header(self, data: memoryview, at: int) -> int:
        """Read a header or a part of one; return the place behind it."""
        if self._is_over:
            raise _malformed("bytes follow the end frame")
        until = at + _HEADER_BYTES - len(self._unread)
        header = self._unread + data[at:until]
        sizes = _SIZES.get(header[0])
        if sizes is None:
            raise _malformed(f"byte 0x{header[0]:02x} begins no frame")
        if len(header) < _HEADER_BYTES:
            self._unread = header
            return len(data)
        kind, size = _HEADER.unpack(header)
        if size not in sizes:
            raise _malformed(f"a frame {chr(kind)} of {size} bytes")
        self._unread = b""
        self._kind, self._left = kind, size
        if not size:
            self._end_frame()
        return until

    def _end_frame(self) -> None:
        kind, self._kind = self._kind, 0
        if kind == _ERROR:
            self._is_over = True
            self.error = self._unread
        elif kind == _END:
            (count,) = _COUNT.unpack(self._unread)
            if count != self._count:
                raise _malformed(f"the end says {count} bytes of data, {self._count} have come")
            self._is_over = True
            self._unread = b""


def _malformed(what: str) -> FrameError:
    return FrameError(f"malformed frames: {what}")
