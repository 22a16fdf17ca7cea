"""Padding of Server-Sent Events: comment lines.

Source: HTML Standard, section 9.2.6, "Interpreting an event stream", read 2026-11: a line that
begins with a colon is ignored, also between the fields of an event.
"""

from __future__ import annotations

from typing import Final

from tailrace.function.flush.line_start import LineStartScanner

LINE_BYTES_MAX: Final = 4096
"""Of a comment line. Clients bound a line: asyncio's and aiohttp's readers at 64 KiB."""


class SseScanner(LineStartScanner):
    """Allows padding at the start of the stream and after each newline.

    Not after a carriage return, which may be the first half of a line's end. The stream must not
    begin with a byte order mark when padding stands before it: it would be a part of a field.
    """

    __slots__ = ()

    def padding(self, size: int) -> bytes:
        """Comment lines; 2 bytes at least."""
        lines, rest = divmod(max(size, 2), LINE_BYTES_MAX)
        if rest == 1:  # no line is so short: the one before it gives a byte
            return _line(LINE_BYTES_MAX) * (lines - 1) + _line(LINE_BYTES_MAX - 1) + _line(2)
        return _line(LINE_BYTES_MAX) * lines + (_line(rest) if rest else b"")


def _line(size: int) -> bytes:
    return b":" + b" " * (size - 2) + b"\n"
