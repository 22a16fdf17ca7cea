"""Bodies that a Function URL decompresses on their way, as was once seen on Lambda."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Final

from tailrace import limits
from tailrace.errors import ResultError

_GZIP: Final = 16 + zlib.MAX_WBITS
_MAX: Final = limits.STREAM_RESPONSE_BYTES_MAX


class GzipDecoder:
    """Decompresses one body as it comes; what follows the gzip data is dropped."""

    __slots__ = ("_decompressor", "_size")

    def __init__(self) -> None:
        self._decompressor = zlib.decompressobj(_GZIP)
        self._size = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield what the next bytes mean, in pieces.

        Raises:
            ResultError: this is not gzip, or more than a streamed response may be.
        """
        is_more = True
        while is_more and not self._decompressor.eof:
            try:
                piece = self._decompressor.decompress(data, limits.READ_BYTES_MAX)
            except zlib.error as error:
                raise ResultError(f"the body is not gzip: {error}") from None
            self._size += len(piece)
            if self._size > _MAX:
                raise ResultError(f"the body is over {_MAX} bytes, decompressed")
            if piece:
                yield piece
            data = self._decompressor.unconsumed_tail
            is_more = bool(data) or len(piece) == limits.READ_BYTES_MAX
