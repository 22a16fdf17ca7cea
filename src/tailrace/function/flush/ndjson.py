"""Padding of newline-delimited JSON: spaces before a value.

Never a newline: many readers take an empty line for a value that is missing.
"""

from __future__ import annotations

from tailrace.function.flush.line_start import LineStartScanner


class NdjsonScanner(LineStartScanner):
    """Allows padding at the start of the stream and after each newline.

    The spaces belong to the next line, so that line is longer by them for readers that bound
    lines. When no value follows, a last line of spaces without a newline remains: most readers
    strip lines and see nothing, but one that hands each line to a JSON parser as it is fails on
    it. So there is no use in a flush behind the last value: the end of the body does the same.
    """

    __slots__ = ()

    def padding(self, size: int) -> bytes:
        return b" " * size
