"""A body cut into its units while it comes: the companion's chunks, SSE events, NDJSON lines.

Pure; memory is bounded, whatever comes.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from tailrace.probe.protocol import FORMS
from tailrace.probe.record import Unit

_PIECE_BYTES: Final = 64 * 1024
"""Decompressed bytes at a time."""
_SLICE_BYTES: Final = 4 * 1024
"""Compressed bytes at a time."""


@dataclass(frozen=True, slots=True)
class Cut:
    """Where a unit ends."""

    end: int
    """Bytes of the (decoded) body up to there."""
    index: int
    written_ns: int | None = None
    """When the companion began to write it, on its own clock."""


class Cutter(Protocol):
    """Finds the ends of units in the pieces of a body, however it is cut into pieces."""

    unit: Unit

    def feed(self, data: bytes) -> list[Cut]:
        """Read on; return what ends in this piece."""

    def finish(self) -> list[Cut]:
        """The body is complete: what ends with it."""


def cutter_for(content_type: str | None, *, is_companion: bool = False) -> Cutter:
    """Choose by the content type of a response."""
    media_type = (content_type or "").partition(";")[0].strip().lower()
    if is_companion and media_type in FORMS:
        return MarkCutter(FORMS[media_type].closing.encode())
    if media_type == "text/event-stream":
        return EventCutter()
    if media_type in _LINE_TYPES:
        return LineCutter()
    return ReadCutter()


_LINE_TYPES: Final = frozenset(
    (
        "application/x-ndjson",
        "application/ndjson",
        "application/jsonl",
        "application/x-jsonl",
        "application/jsonlines",
        "application/x-jsonlines",
        "application/json-seq",  # RFC 7464: a record ends with a line feed
        "application/stream+json",
    )
)


class ReadCutter:
    """Knows nothing of the body: each piece is one."""

    unit: Unit = "read"

    def __init__(self) -> None:
        self._end = self._count = 0

    def feed(self, data: bytes) -> list[Cut]:
        self._end += len(data)
        self._count += 1
        return [Cut(self._end, self._count - 1)]

    def finish(self) -> list[Cut]:
        return []


class MarkCutter:
    """The companion's chunks: each ends with its mark and what closes it."""

    unit: Unit = "chunk"

    def __init__(self, closing: bytes) -> None:
        self._pattern = re.compile(rb"\[(\d{1,9}):(\d{1,20})\]" + re.escape(closing))
        self._kept_bytes = 9 + 20 + 3 + len(closing)  # the longest that may still become a mark
        self._tail = b""
        self._end = 0

    def feed(self, data: bytes) -> list[Cut]:
        text = self._tail + data
        base = self._end - len(self._tail)
        self._end += len(data)
        cuts = []
        done = 0
        for match in self._pattern.finditer(text):
            done = match.end()
            cuts.append(Cut(base + done, int(match[1]), int(match[2])))
        self._tail = text[max(done, len(text) - self._kept_bytes) :]
        return cuts

    def finish(self) -> list[Cut]:
        return []


class EventCutter:
    """Server-sent events, as the HTML standard reads them: lines end with CR, LF or both.

    An event is a block with a line of data; blocks of comments are heartbeats or padding, no
    events. A block that the end cuts off is none.
    """

    unit: Unit = "event"

    def __init__(self) -> None:
        self._end = self._count = 0
        self._line = b""  # its first bytes: enough to know the field
        self._is_first = True
        self._is_after_cr = False
        self._has_data = False

    def feed(self, data: bytes) -> list[Cut]:
        cuts = []
        for match in _LINES.finditer(data):
            text, end = match[1], match[2]
            if not text and not end:
                continue
            is_rest_of_crlf = self._is_after_cr and not text and end == b"\n"
            self._is_after_cr = end == b"\r"
            if is_rest_of_crlf:
                continue
            if len(self._line) < _FIELD_BYTES:
                self._line += text[:_FIELD_BYTES]
            if end and self._is_dispatched():
                cuts.append(Cut(self._end + match.end(), self._count))
                self._count += 1
        self._end += len(data)
        return cuts

    def finish(self) -> list[Cut]:
        return []

    def _is_dispatched(self) -> bool:
        """Take a whole line; whether it ends an event."""
        line, self._line = self._line, b""
        if self._is_first:
            self._is_first = False
            line = line.removeprefix(b"\xef\xbb\xbf")
        if line:
            self._has_data = self._has_data or line[:5] in (b"data", b"data:")
            return False
        had, self._has_data = self._has_data, False
        return had


_LINES: Final = re.compile(rb"([^\r\n]*)(\r\n|\r|\n|\Z)")
_FIELD_BYTES: Final = 8


class LineCutter:
    """Lines that have something in them; the last one needs no line feed."""

    unit: Unit = "line"

    def __init__(self) -> None:
        self._end = self._count = 0
        self._is_blank = True

    def feed(self, data: bytes) -> list[Cut]:
        cuts = []
        start = 0
        while (found := data.find(b"\n", start)) >= 0:
            if not self._is_blank or data[start:found].strip():
                cuts.append(self._cut(self._end + found + 1))
            start = found + 1
            self._is_blank = True
        self._is_blank = self._is_blank and not data[start:].strip()
        self._end += len(data)
        return cuts

    def finish(self) -> list[Cut]:
        return [] if self._is_blank else [self._cut(self._end)]

    def _cut(self, end: int) -> Cut:
        self._count += 1
        return Cut(end, self._count - 1)


# --- compression ---------------------------------------------------------------------------------


class Decoder(Protocol):
    """Undoes a content coding."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield what can be read by now, in pieces of bounded size.

        Raises:
            ValueError: these bytes are not in that coding.
        """


def decoder_for(coding: str | None) -> Decoder | None:
    """Choose by the content coding; None when we cannot undo it."""
    coding = (coding or "identity").strip().lower()
    if coding == "identity":
        return Identity()
    return Inflater() if coding in ("gzip", "x-gzip", "deflate") else None


class Identity:
    """Nothing was done."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        yield data


class Inflater:
    """gzip, several members too, and deflate with or without its own head."""

    def __init__(self) -> None:
        self._stream: zlib._Decompress | None = None

    def feed(self, data: bytes) -> Iterator[bytes]:
        # In slices: each member is copied with what follows it, and may have 20 bytes. A piece
        # comes of each, be it empty: who takes the pieces also takes the time.
        for start in range(0, len(data), _SLICE_BYTES):
            yield from self._inflate(data[start : start + _SLICE_BYTES])
            yield b""

    def _inflate(self, data: bytes) -> Iterator[bytes]:
        is_full = False  # there may be more, although all of the input was taken
        while data or is_full:
            if self._stream is None:
                self._stream = _stream_of(data[0])
            try:
                piece = self._stream.decompress(data, _PIECE_BYTES)
            except zlib.error as error:
                raise ValueError(str(error)) from error
            data = self._stream.unconsumed_tail
            is_full = len(piece) == _PIECE_BYTES
            if self._stream.eof:
                data = self._stream.unused_data
                self._stream, is_full = None, False
            if piece:
                yield piece


def _stream_of(first: int) -> zlib._Decompress:
    if first == 0x1F:
        return zlib.decompressobj(16 + zlib.MAX_WBITS)
    is_wrapped = first & 0x0F == 8 and first >> 4 <= 7
    return zlib.decompressobj(zlib.MAX_WBITS if is_wrapped else -zlib.MAX_WBITS)
