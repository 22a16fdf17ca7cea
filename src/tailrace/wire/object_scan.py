"""The end of a JSON object and the names of its members, found while it is received."""

from __future__ import annotations

import re
from typing import Final

_MARK: Final = re.compile(rb'["{}\[\],]')
_TEXT: Final = re.compile(rb'(?:[^"\\]|\\.)*', re.DOTALL)
_BACKSLASH: Final = ord("\\")
_OPENING: Final = b"{["
_CLOSING: Final = b"}]"


class ObjectScan:
    """Scans a buffer that starts with an object; it does not check that the object is JSON.

    `end` is the place behind the object, None until it has been found. `names` are the names of the
    members so far, as they are written.
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
        self._text_at = 0  # in a text: where it starts, behind its quote; else 0

    def scan(self, buffer: bytes | bytearray, until: int) -> None:
        """Scan up to a place. What was scanned before must not have changed."""
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
    def has_started(self) -> bool:
        """Whether the object's first brace has been read."""
        return self._depth > 0 or self.end is not None

    def find_behind(self, buffer: bytes | bytearray) -> str:
        """Scan all of the buffer; return the first characters behind the object, if any."""
        self.scan(buffer, len(buffer))
        behind = b"" if self.end is None else bytes(buffer[self.end :]).lstrip(b" \t\r\n")
        return behind[:16].decode("latin-1")

    def _read_text(self, buffer: bytes | bytearray, until: int) -> bool:
        """Scan a text; return whether its end was found."""
        text = _TEXT.match(buffer, self._at, until)
        assert text is not None  # the pattern matches the empty text
        at = text.end()
        if at == until or buffer[at] == _BACKSLASH:  # an escape whose second character is missing
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
