"""Padding between lines: of Server-Sent Events, newline-delimited JSON and plain text.

Sources: HTML Standard, section 9.2.6, "Interpreting an event stream", read 2026-11: a line that
starts with a colon is ignored, also between the fields of an event. RFC 8259, section 2: spaces
may stand before a value.
"""

from __future__ import annotations

from collections.abc import Callable

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from typing import Final

COMMENT_BYTES_MAX: Final = 4096
"""Of one comment line. Clients limit a line: asyncio's and aiohttp's readers to 64 KiB."""


class LineScanner:
    """Allows padding at the start of the body and after each newline.

    Not after a carriage return, which may be the first half of a line's end.
    """

    __slots__ = ("_padding_of", "allows")

    def __init__(self, padding_of: Callable[[int], bytes]) -> None:
        self.allows = True
        self._padding_of = padding_of

    def feed(self, data: bytes) -> None:
        if data:
            self.allows = data.endswith(b"\n")

    def find(self, data: bytes) -> int:
        end = data.find(b"\n") + 1
        self.allows = end > 0 or (self.allows and not data)
        return end or -1

    def padding(self, size: int) -> bytes:
        return self._padding_of(size)


def comment_lines(size: int) -> bytes:
    """Padding of Server-Sent Events; 2 bytes at least.

    A byte order mark that the handler writes would no longer be at the start of the stream, and
    would become a part of a field's name.
    """
    lines, rest = divmod(max(size, 2), COMMENT_BYTES_MAX)
    if rest == 1:  # a comment line has 2 bytes at least: the last full one gives one up
        lines -= 1
        return _comment(COMMENT_BYTES_MAX) * lines + _comment(COMMENT_BYTES_MAX - 1) + _comment(2)
    return _comment(COMMENT_BYTES_MAX) * lines + (_comment(rest) if rest else b"")


def leading_spaces(size: int) -> bytes:
    """Padding of newline-delimited JSON: never a newline, since an empty line is no value.

    The spaces make the next line longer for clients that limit lines. If no value follows, they
    are a last line without a newline: most clients strip lines, but one that passes each line to a
    JSON parser fails on it. A flush after the last value is unnecessary: the end of the body sends
    everything.
    """
    return b" " * size


def blank_line(size: int) -> bytes:
    """Padding of plain text: a line of spaces, which its reader sees; 1 byte at least."""
    return b" " * (size - 1) + b"\n"


def _comment(size: int) -> bytes:
    return b":" + b" " * (size - 2) + b"\n"
