"""Bodies that a Function URL decompresses on their way, as was once seen on Lambda."""

from __future__ import annotations

import zlib
from typing import Final

from tailrace import limits
from tailrace.errors import ResultError

_GZIP: Final = 16 + zlib.MAX_WBITS
_MEMBER: Final = b"\x1f"  # what each member begins with
_MAX: Final = limits.STREAM_RESPONSE_BYTES_MAX


class GzipDecoder:
    """Decompresses one body as it comes, in steps that are short whatever is in it.

    It may have several members (RFC 1952, section 2.2); what else follows them is dropped.
    """

    __slots__ = ("_at", "_data", "_decompressor", "_has_begun", "_is_full", "_is_over", "_size")

    def __init__(self) -> None:
        self._decompressor = zlib.decompressobj(_GZIP)
        self._data = b""  # what has been fed, and from where on it is to be read
        self._at = 0
        self._has_begun = False
        self._is_full = False  # the decompressor has more than one step's bytes
        self._is_over = False  # something else has followed
        self._size = 0

    @property
    def has_more(self) -> bool:
        """Whether there is another step to do."""
        return not self._is_over and (self._is_full or self._at < len(self._data))

    def feed(self, data: bytes) -> None:
        """Take the next bytes, for the next steps."""
        self._data = self._data[self._at :] + data
        self._at = 0

    def step(self) -> bytes:
        """Read a little of what has been fed, and return what it means.

        It reads `GZIP_STEP_BYTES` and returns `READ_BYTES_MAX` bytes at the most. Each member is
        copied with what is left of the step, and not with all that has been fed.

        Raises:
            ResultError: this is not gzip, or more than a streamed response may be.
        """
        data = self._data[self._at : self._at + limits.GZIP_STEP_BYTES]
        self._at += len(data)
        pieces = []
        room = limits.READ_BYTES_MAX
        while room and not self._is_over and (data or self._is_full):
            self._has_begun = True
            if self._decompressor.eof:
                self._is_over = not data.startswith(_MEMBER)
                self._decompressor = zlib.decompressobj(_GZIP)
                continue
            piece, data = self._decompress(data, room)
            room -= len(piece)
            pieces.append(piece)
        self._at -= len(data)
        self._size += limits.READ_BYTES_MAX - room
        if self._size > _MAX:
            raise ResultError(f"the body is over {_MAX} bytes, decompressed")
        return b"".join(pieces)

    def _decompress(self, data: bytes, room: int) -> tuple[bytes, bytes]:
        """Up to so many decompressed bytes, and what is left of the others."""
        decompressor = self._decompressor
        try:
            piece = decompressor.decompress(data, room)
        except zlib.error as error:
            raise ResultError(f"the body is not gzip: {error}") from None
        self._is_full = len(piece) == room and not decompressor.eof
        return piece, decompressor.unused_data or decompressor.unconsumed_tail

    def finish(self) -> None:
        """Say that no more bytes come, when there is no step left. An empty body is no error.

        Raises:
            ResultError: the gzip data is not complete.
        """
        if self._has_begun and not (self._is_over or self._decompressor.eof):
            raise ResultError("the body ends inside its gzip data")
