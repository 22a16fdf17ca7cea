"""Bodies that a Function URL decompresses on their way, as was once seen on Lambda."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Final

from tailrace import limits
from tailrace.errors import ResultError

_GZIP: Final = 16 + zlib.MAX_WBITS
_MEMBER: Final = b"\x1f"  # what each member begins with
_MAX: Final = limits.STREAM_RESPONSE_BYTES_MAX


class GzipDecoder:
    """Decompresses one body as it comes.

    It may have several members (RFC 1952, section 2.2); what else follows them is dropped.
    """

    __slots__ = ("_decompressor", "_has_begun", "_is_over", "_size")

    def __init__(self) -> None:
        self._decompressor = zlib.decompressobj(_GZIP)
        self._has_begun = False
        self._is_over = False  # something else has followed
        self._size = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield what the next bytes mean, in pieces.

        Raises:
            ResultError: this is not gzip, or more than a streamed response may be.
        """
        is_more = bool(data)
        while is_more and not self._is_over:
            self._has_begun = True
            if self._decompressor.eof:
                self._is_over = not data.startswith(_MEMBER)
                self._decompressor = zlib.decompressobj(_GZIP)
                continue
            try:
                piece = self._decompressor.decompress(data, limits.READ_BYTES_MAX)
            except zlib.error as error:
                raise ResultError(f"the body is not gzip: {error}") from None
            self._size += len(piece)
            if self._size > _MAX:
                raise ResultError(f"the body is over {_MAX} bytes, decompressed")
            if piece:
                yield piece
            data = self._decompressor.unused_data or self._decompressor.unconsumed_tail
            is_more = bool(data) or (
                len(piece) == limits.READ_BYTES_MAX and not self._decompressor.eof
            )

    def finish(self) -> None:
        """Say that no more bytes come. An empty body is no error.

        Raises:
            ResultError: the gzip data is not complete.
        """
        if self._has_begun and not (self._is_over or self._decompressor.eof):
            raise ResultError("the body ends inside its gzip data")
