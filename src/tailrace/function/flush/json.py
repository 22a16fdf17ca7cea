"""Padding of JSON: spaces between its tokens.

Source: RFC 8259, section 2 (whitespace) and 7 (strings), read 2026-11. Spaces only, so that a
document keeps its lines.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from typing import Final

_BETWEEN: Final = rb"{}\[\],: \t\r\n"
_LITERAL: Final = rb"0-9A-Za-z+\-."
_STRING_REST: Final = rb'[^"\\]*+(?:\\.[^"\\]*+)*+'

_TO_PLACE: Final = re.compile(
    rb'[%b]*+(?:[%b]|"%b")' % (_LITERAL, _BETWEEN, _STRING_REST), re.DOTALL
)
_TOKENS: Final = re.compile(
    rb'[%b%b]*+(?:"%b"[%b%b]*+)*+' % (_LITERAL, _BETWEEN, _STRING_REST, _LITERAL, _BETWEEN),
    re.DOTALL,
)
_IN_STRING: Final = re.compile(_STRING_REST, re.DOTALL)
_PLACES: Final = b'{}[],: \t\r\n"'

_OUTSIDE: Final = 0
_STRING: Final = 1
_ESCAPE: Final = 2
_LOST: Final = 3


class JsonScanner:
    """Allows padding after punctuation, whitespace and strings.

    Not after a number or a literal, which may be incomplete; and not at the start, where some
    services send a prefix of fixed length that clients remove. No place follows a byte that is not
    JSON.
    """

    __slots__ = ("_state", "allows")

    def __init__(self) -> None:
        self.allows = False
        self._state = _OUTSIDE

    def feed(self, data: bytes) -> None:
        at = self._finish_string(data)
        if at < len(data):
            self._read(data, at)

    def find(self, data: bytes) -> int:
        was_outside = self._state == _OUTSIDE
        at = self._finish_string(data)
        if self._state == _OUTSIDE and at > 0 and not was_outside:
            return at  # after the string that ended
        if self._state == _OUTSIDE and (match := _TO_PLACE.match(data)) is not None:
            self.allows = True
            return match.end()
        if at < len(data):
            self._read(data, at)
        return -1

    def padding(self, size: int) -> bytes:
        return b" " * size

    def _finish_string(self, data: bytes) -> int:
        """Parse to the end of the string that is open, if one is; return the new position."""
        if self._state in (_OUTSIDE, _LOST) or not data:
            return 0
        match = _IN_STRING.match(data, 1 if self._state == _ESCAPE else 0)
        assert match is not None  # the pattern matches the empty string
        end = match.end()
        if end == len(data):
            self._state = _STRING
            return end
        if data[end] == 0x5C:  # a backslash whose escaped byte is still to come
            self._state = _ESCAPE
            return len(data)
        self._state = _OUTSIDE
        self.allows = True
        return end + 1

    def _read(self, data: bytes, start: int) -> None:
        """Parse `data` from `start`, which is outside strings, to its end."""
        if self._state == _LOST:
            return
        match = _TOKENS.match(data, start)
        assert match is not None  # the pattern matches the empty string
        end = match.end()
        if end == len(data):
            self.allows = data[-1] in _PLACES
            return
        self.allows = False
        if data[end] != 0x22:
            self._state = _LOST
            return
        self._state = _STRING
        self._finish_string(data[end + 1 :])
