"""What scanners have in common that read their format token by token."""

from __future__ import annotations

import re


class TokenScanner:
    """Reads on by `_take`, and asks `_is_place` what it has come to."""

    __slots__ = ("allows",)

    def __init__(self) -> None:
        self.allows = False

    def feed(self, data: bytes) -> None:
        at = 0
        while at < len(data):
            at = self._take(data, at, finds=False)
        if data:
            self.allows = self._is_place(data[-1])

    def find(self, data: bytes) -> int:
        at = 0
        while at < len(data):
            before = at
            at = self._take(data, at, finds=True)
            if at > before and self._is_place(data[at - 1]):
                self.allows = True
                return at
        self.allows = self.allows and not data
        return -1

    def _take(self, data: bytes, at: int, *, finds: bool) -> int:
        """Read on from there, with `finds` not beyond a place; return how far.

        A step that reads nothing changes the state for the next byte.
        """
        raise NotImplementedError

    def _is_place(self, last: int) -> bool:
        """Whether padding may stand here, behind that byte."""
        raise NotImplementedError


def match_end(pattern: re.Pattern[bytes], data: bytes, at: int) -> int:
    """Where a match ends of a pattern that matches nothing, too."""
    match = pattern.match(data, at)
    assert match is not None
    return match.end()
