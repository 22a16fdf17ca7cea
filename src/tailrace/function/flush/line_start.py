"""Places at the starts of lines, for formats in which a line can be slipped in."""

from __future__ import annotations


class LineStartScanner:
    """Allows padding at the start of the body and after each newline.

    Not after a carriage return, which may be the first half of a line's end.
    """

    __slots__ = ("allows",)

    def __init__(self) -> None:
        self.allows = True

    def feed(self, data: bytes) -> None:
        if data:
            self.allows = data.endswith(b"\n")

    def find(self, data: bytes) -> int:
        end = data.find(b"\n") + 1
        self.allows = end > 0 or (self.allows and not data)
        return end or -1
