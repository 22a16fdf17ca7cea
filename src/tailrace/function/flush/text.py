"""Padding of plain text: a line of spaces. It is visible, so it has to be asked for."""

from __future__ import annotations

from tailrace.function.flush.line_start import LineStartScanner


class TextScanner(LineStartScanner):
    """Allows padding at the start of the text and after each newline.

    Not after a carriage return, which may be the first half of a line's end.
    """

    __slots__ = ()

    def padding(self, size: int) -> bytes:
        """A line; 1 byte at least."""
        return b" " * (size - 1) + b"\n"
