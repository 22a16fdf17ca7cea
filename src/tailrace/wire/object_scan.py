"""Where a JSON object ends, and what its members are called, while it still comes."""

from __future__ import annotations

import re
from typing import Final

_MARK: Final = re.compile(rb'["{}\[\],]')
_TEXT: Final = re.compile(rb'(?:[^"\\]|\\.)*', re.DOTALL)
_BACKSLASH: Final = ord("\\")
_OPENING: Final = b"{["
_CLOSING: Final = b"}]"


class ObjectScan:
    """Reads along in a buffer that begins with an object; whether it is JSON is not judged.

    `end` is the place behind the object once that is known; `names` are those of its members so
    far, as they are written.
    """

    __slots__ = ("_at", "_depth", "_is_name_next", "_text_at", "end", "names")

    end: int | None
    names: set[bytes]

    def __init__(self) -> None:
        self.end = None
        self.names = set()
        self._at = 0
        self._depth = 0
        self._is_name_next = False
        self._text_at = 0  # where the text begins in which the scan is, behind its quote; else 0

    def scan(self, buffer: bytes | bytearray, until: int) -> None:
        """Read on up to a place; what was read before stays as it was."""
        while self.end is None and self._at < until:
            if self._text_at:
                if not self._read_text(buffer, until):
                    return
                continue
            mark = _MARK.search(buffer, self._at, until)
            if mark is None:
                self._at = until
                return
            self._at = mark.end()
            self._take(mark[0])

    @property
    def has_begun(self) -> bool:
        """Whether the object's first brace has been read."""
        return self._depth > 0 or self.end is not None

    def find_behind(self, buffer: bytes | bytearray) -> str:
        """Read all of the buffer; return the beginning of what follows the object, if anything."""
        self.scan(buffer, len(buffer))
        behind = b"" if self.end is None else bytes(buffer[self.end :]).lstrip(b" \t\r\n")
        return behind[:16].decode("latin-1")

    def _read_text(self, buffer: bytes | bytearray, until: int) -> bool:
        """Read on in a text; whether its end has come."""
        text = _TEXT.match(buffer, self._at, until)
        assert text is not None  # it matches nothing, too
        at = text.end()
        if at == until or buffer[at] == _BACKSLASH:  # an escape, of which only this has come
            self._at = at
            return False
        if self._is_name_next and self._depth == 1:
            self.names.add(bytes(buffer[self._text_at : at]))
            self._is_name_next = False
        self._text_at = 0
        self._at = at + 1
        return True

    def _take(self, mark: bytes) -> None:
        if mark == b'"':
            self._text_at = self._at
        elif mark in _OPENING:
            self._depth += 1
            self._is_name_next = self._depth == 1
        elif mark in _CLOSING:
            self._depth -= 1
            if self._depth == 0:
                self.end = self._at
        elif self._depth == 1:
            self._is_name_next = True
