"""Padding of CSS: comments between statements.

Source: CSS Syntax Module Level 3, sections 3.2 (encoding) and 4 (tokenization), read 2026-11.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from tailrace.function.flush.charset import is_ascii_based
from tailrace.function.flush.token_scanner import TokenScanner, match_end
from tailrace.function.flush.utf8 import Utf8Check

_SPACE: Final = re.compile(rb"[ \t\n\f\r]*+")
_COMMENT: Final = rb"/\*[^*]*+(?:\*(?!/)[^*]*+)*+\*/"
_STRING: Final = rb"\"[^\"\\\n\r\f]*+\"|'[^'\\\n\r\f]*+'"
_STATEMENTS: Final = re.compile(
    rb"(?:(?:[ \t\n\f\r]++|%(comment)b)*+(?!-[-\\])"
    rb"(?:[^\"'/\\;{}()\[\]]++|%(string)b|%(comment)b"
    rb"|\((?:(?:[^()\"'\\/]++|/(?!\*))*+|[ \t\n\f\r]*+(?:%(string)b)[ \t\n\f\r]*+)\))*+[;{}])++"
    % {b"comment": _COMMENT, b"string": _STRING}
)
"""Whole statements, or their heads, of the kinds that are frequent; it ends where one may begin."""
_PLAIN: Final = re.compile(rb"[^\"'/\\;{}()\[\]]*+")
_IN_DOUBLE: Final = re.compile(rb"[^\"\\\n\r\f]*+")
_IN_SINGLE: Final = re.compile(rb"[^'\\\n\r\f]*+")
_IN_URL: Final = re.compile(rb"[^)\\]*+")
_IS_URL: Final = re.compile(rb"(?:^|[^0-9A-Za-z_\x80-\xff#@-])url$", re.IGNORECASE)
_ENDS_NAME: Final = re.compile(rb"[^0-9A-Za-z_\x80-\xff \t\n\f\r-]")
_CHARSET: Final = re.compile(rb'@charset "([^"]*)";')

_CHARSET_BYTES_MAX: Final = 128
_LAST_BYTES: Final = 4
"""Of a statement that are kept: `url` and what stands before it."""

START, START_DASH, CODE, ESCAPE, SLASH, COMMENT, COMMENT_STAR = range(7)
DOUBLE_QUOTED, DOUBLE_ESCAPE, DOUBLE_ESCAPE_CR = range(7, 10)
SINGLE_QUOTED, SINGLE_ESCAPE, SINGLE_ESCAPE_CR = range(10, 13)
URL_START, URL, URL_ESCAPE, LOST = range(13, 17)


class CssScanner(TokenScanner):
    """Allows padding where a statement may begin: behind `;`, `{`, `}` and space after them.

    Not in strings, comments, addresses, parentheses and the values of custom properties, which
    scripts can read; not at the very start, where `@charset` must stand; and nowhere after a string
    that is broken, a function whose name has escapes, or bytes of an unknown charset.
    """

    __slots__ = (
        "_after_comment",
        "_beginning",
        "_check",
        "_custom_depth",
        "_has_escape",
        "_is_custom",
        "_last",
        "_parentheses",
        "_state",
    )

    def __init__(self, *, is_declared: bool) -> None:
        super().__init__()
        self._state = START
        self._after_comment = START
        self._last = b""
        self._has_escape = False  # in the name that is being read
        self._parentheses = 0
        self._is_custom = False
        self._custom_depth = 0
        self._check = None if is_declared else Utf8Check()
        self._beginning: bytes | None = None if is_declared else b""

    def padding(self, size: int) -> bytes:
        """A comment; 4 bytes at least."""
        return b"/*" + b" " * (size - 4) + b"*/"

    def _is_place(self, last: int) -> bool:
        return self._state == START

    def _take(self, data: bytes, at: int, *, finds: bool) -> int:
        end = -1
        if finds and self._state == START:
            data = data[: at + 1]
        if self._state == START and not finds and self._beginning is None:
            match = _STATEMENTS.match(data, at)
            end = -1 if match is None else match.end()
        if end < 0:
            end = _STEPS[self._state](self, data, at)
        if self._check is None:
            return end
        taken = data[at:end]
        if self._beginning is not None:
            self._beginning = (self._beginning + taken)[:_CHARSET_BYTES_MAX]
            if match := _CHARSET.match(self._beginning):
                self._judge(match[1].decode("latin-1"))
            elif len(self._beginning) == _CHARSET_BYTES_MAX:
                self._beginning = None
        if self._check is not None and not self._check.accepts(taken):
            self._state = LOST
        return end

    def _judge(self, charset: str) -> None:
        self._beginning = None
        self._check = None
        if not is_ascii_based(charset):
            self._state = LOST

    # --- statements ---------------------------------------------------------------------------

    def _begin_statement(self) -> None:
        self._state = START
        self._last = b""
        self._has_escape = False
        self._is_custom = False

    def _read_start(self, data: bytes, at: int) -> int:
        end = match_end(_SPACE, data, at)
        if end > at:
            return end
        byte = data[at]
        if byte == 0x2D:
            self._state = START_DASH
            return at + 1
        if byte == 0x2F:
            self._state = SLASH
            self._after_comment = START
            return at + 1
        self._is_custom = byte == 0x5C  # an escape that may stand for a dash
        self._custom_depth = 0
        self._state = CODE
        return at

    def _read_start_dash(self, data: bytes, at: int) -> int:
        self._is_custom = data[at] in b"-\\"
        self._custom_depth = 0
        self._state = CODE
        self._last = b"-"
        return at

    def _read_code(self, data: bytes, at: int) -> int:
        end = match_end(_PLAIN, data, at)
        if end > at:
            self._last = (self._last + data[max(at, end - _LAST_BYTES) : end])[-_LAST_BYTES:]
            if self._has_escape and _ENDS_NAME.search(data, at, end):
                self._has_escape = False
            return end
        self._read_mark(data[at])
        return at + 1

    def _read_mark(self, byte: int) -> None:
        last, self._last = self._last, b" "
        if byte in b"\"'":
            self._state = DOUBLE_QUOTED if byte == 0x22 else SINGLE_QUOTED
        elif byte == 0x5C:
            self._state = ESCAPE
            self._has_escape = True
        elif byte == 0x2F:
            self._state = SLASH
            self._after_comment = CODE
        elif byte == 0x28 and (self._has_escape or _IS_URL.search(last)):
            self._state = LOST if self._has_escape else URL_START
        elif self._is_custom:
            self._read_custom_mark(byte)
        elif byte in b"([":
            self._parentheses += 1
        elif byte in b")]":
            self._parentheses = max(self._parentheses - 1, 0)
        elif self._parentheses == 0:
            self._begin_statement()
        if byte != 0x5C:
            self._has_escape = False

    def _read_custom_mark(self, byte: int) -> None:
        """All brackets count in a value: what they enclose belongs to it."""
        if byte in b"([{":
            self._custom_depth += 1
        elif self._custom_depth == 0:
            if byte in b";}":
                self._begin_statement()
        elif byte != 0x3B:
            self._custom_depth -= 1

    def _read_escape(self, data: bytes, at: int) -> int:
        self._state = CODE
        return at + 1

    # --- what has no places -------------------------------------------------------------------

    def _read_slash(self, data: bytes, at: int) -> int:
        if data[at] == 0x2A:
            self._state = COMMENT
            return at + 1
        self._state = CODE
        return at

    def _read_comment(self, data: bytes, at: int) -> int:
        end = data.find(b"*", at) + 1
        if end:
            self._state = COMMENT_STAR
        return end or len(data)

    def _read_comment_star(self, data: bytes, at: int) -> int:
        byte = data[at]
        if byte == 0x2F:
            self._state = self._after_comment
        elif byte != 0x2A:
            self._state = COMMENT
        return at + 1

    def _read_quoted(self, data: bytes, at: int) -> int:
        is_double = self._state == DOUBLE_QUOTED
        end = match_end(_IN_DOUBLE if is_double else _IN_SINGLE, data, at)
        if end > at:
            return end
        byte = data[at]
        if byte == 0x5C:
            self._state = DOUBLE_ESCAPE if is_double else SINGLE_ESCAPE
        else:
            self._state = CODE if byte in b"\"'" else LOST
        return at + 1

    def _read_quoted_escape(self, data: bytes, at: int) -> int:
        is_cr = data[at] == 0x0D
        if self._state == DOUBLE_ESCAPE:
            self._state = DOUBLE_ESCAPE_CR if is_cr else DOUBLE_QUOTED
        else:
            self._state = SINGLE_ESCAPE_CR if is_cr else SINGLE_QUOTED
        return at + 1

    def _read_quoted_escape_cr(self, data: bytes, at: int) -> int:
        self._state = DOUBLE_QUOTED if self._state == DOUBLE_ESCAPE_CR else SINGLE_QUOTED
        return at + (data[at] == 0x0A)

    def _read_url_start(self, data: bytes, at: int) -> int:
        end = match_end(_SPACE, data, at)
        if end > at:
            return end
        if data[at] in b"\"'":  # a function like others
            self._state = CODE
            if self._is_custom:
                self._custom_depth += 1
            else:
                self._parentheses += 1
            return at
        self._state = URL
        return at

    def _read_url(self, data: bytes, at: int) -> int:
        end = match_end(_IN_URL, data, at)
        if end > at:
            return end
        self._state = CODE if data[at] == 0x29 else URL_ESCAPE
        return at + 1

    def _read_url_escape(self, data: bytes, at: int) -> int:
        self._state = URL
        return at + 1

    def _read_nothing(self, data: bytes, at: int) -> int:
        return len(data)


_STEPS: Final[tuple[Callable[[CssScanner, bytes, int], int], ...]] = (
    CssScanner._read_start,
    CssScanner._read_start_dash,
    CssScanner._read_code,
    CssScanner._read_escape,
    CssScanner._read_slash,
    CssScanner._read_comment,
    CssScanner._read_comment_star,
    CssScanner._read_quoted,
    CssScanner._read_quoted_escape,
    CssScanner._read_quoted_escape_cr,
    CssScanner._read_quoted,
    CssScanner._read_quoted_escape,
    CssScanner._read_quoted_escape_cr,
    CssScanner._read_url_start,
    CssScanner._read_url,
    CssScanner._read_url_escape,
    CssScanner._read_nothing,
)
