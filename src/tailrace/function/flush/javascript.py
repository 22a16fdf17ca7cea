"""Padding of JavaScript: spaces at the starts of lines.

Source: ECMAScript 2025, section 12 (lexical grammar) and B.1.1 (HTML-like comments), read 2026-11.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from tailrace.function.flush.javascript_last import DIVISION, EITHER, REGEX, LastToken
from tailrace.function.flush.token_scanner import TokenScanner, match_end
from tailrace.function.flush.utf8 import Utf8Check

DEPTH_MAX: Final = 4096
"""Brackets within brackets, beyond which no place is found."""


def _plain_code(newline: bytes) -> re.Pattern[bytes]:
    """Code without brackets and slashes, and whole strings; `newline` is left out."""
    return re.compile(
        rb"(?:[^\"'`/(){}\[\]<%(n)b-]++|<(?=[^!])|-(?=[^-])"
        rb'|"[^"\\\n\r]*+(?:\\[^\n\r][^"\\\n\r]*+)*+"'
        rb"|'[^'\\\n\r]*+(?:\\[^\n\r][^'\\\n\r]*+)*+'"
        rb"|`[^`\\$%(n)b]*+`)*+" % {b"n": newline}
    )


_PLAIN: Final = _plain_code(b"")
_PLAIN_LINE: Final = _plain_code(rb"\n")
_MAY_END_CONDITION: Final = b"fehtr \t\n\r\v\f\\" + bytes(range(128, 256))
"""The last bytes of if, while, with, for and await, and of what may be white space."""
_IN_DOUBLE: Final = re.compile(rb"[^\"\\\n\r]*+")
_IN_SINGLE: Final = re.compile(rb"[^'\\\n\r]*+")
_IN_TEMPLATE: Final = re.compile(rb"[^`\\$]*+")
_IN_REGEX: Final = re.compile(rb"[^/\\\[\n\r]*+")
_IN_CLASS: Final = re.compile(rb"[^\]\\\n\r]*+")
_IN_LINE: Final = re.compile(rb"[^\n\r\xe2]*+")
_IN_EITHER: Final = re.compile(rb"[0-9A-Za-z_$ \t.,;:=>&|?+%~^!]*+")
_IN_MAYBE_COMMENT: Final = re.compile(rb"[0-9A-Za-z_$ \t.,;:=<>&|?+%~^!-]*+")
_WORD_END: Final = re.compile(rb"[0-9A-Za-z_$]")

BEGINNING, HASH, CODE, DASH, DASHES, SLASH, LINE, LINE_E2, LINE_E280 = range(9)
BLOCK, BLOCK_STAR, TEMPLATE, TEMPLATE_ESCAPE, TEMPLATE_DOLLAR = range(9, 14)
DOUBLE_QUOTED, DOUBLE_ESCAPE, DOUBLE_ESCAPE_CR = range(14, 17)
SINGLE_QUOTED, SINGLE_ESCAPE, SINGLE_ESCAPE_CR = range(17, 20)
IN_REGEX, REGEX_ESCAPE, REGEX_CLASS, REGEX_CLASS_ESCAPE = range(20, 24)
IN_EITHER, EITHER_CLOSED, MAYBE_COMMENT, LOST = range(24, 28)


class JavaScriptScanner(TokenScanner):
    """Allows padding after a newline that stands in code or ends a line's comment.

    Not in strings, templates, regular expressions and other comments. Where a slash may be a
    division or begin a regular expression (as after `}`), both are read: there are places again
    when both have ended in the same way, and no more when they differ. Columns of a source map do
    not count the spaces.
    """

    __slots__ = ("_brackets", "_check", "_last", "_state", "_word_ends")

    def __init__(self, *, is_declared: bool) -> None:
        super().__init__()
        self._state = BEGINNING
        self._last = LastToken()
        self._brackets = bytearray()
        self._word_ends = False  # the text that may be a regular expression
        self._check = None if is_declared else Utf8Check()

    def padding(self, size: int) -> bytes:
        return b" " * size

    def _is_place(self, last: int) -> bool:
        return last == 0x0A and self._state == CODE

    def _take(self, data: bytes, at: int, *, finds: bool) -> int:
        if self._state == CODE:
            end = self._read_code(data, at, finds=finds)
        else:
            end = _STEPS[self._state](self, data, at)
        if self._check is not None and not self._check.accepts(data[at:end]):
            self._state = LOST
        return end

    # --- code ---------------------------------------------------------------------------------

    def _read_beginning(self, data: bytes, at: int) -> int:
        """A byte order mark, and `#!` that makes a comment of the first line."""
        byte = data[at]
        if byte in b"\xef\xbb\xbf":
            return at + 1
        self._state = HASH if byte == 0x23 else CODE
        return at + (byte == 0x23)

    def _read_hash(self, data: bytes, at: int) -> int:
        if data[at] == 0x21:
            self._state = LINE
            return at + 1
        self._state = CODE
        self._last.note(b"#")
        return at

    def _read_code(self, data: bytes, at: int, *, finds: bool) -> int:
        """Read plain code and brackets; what else there is begins a state."""
        pattern = _PLAIN_LINE if finds else _PLAIN
        start = known = at  # the last token is known up to there, but for a mark
        mark = b""
        while (end := match_end(pattern, data, at)) < len(data) and (
            byte := data[end]
        ) in _BRACKETS:
            if byte == 0x28 and (end == known or data[end - 1] in _MAY_END_CONDITION):
                self._note(data[known:end], mark)
                mark = self._read_bracket(byte, self._last.before_slash_after())
            else:
                mark = self._read_bracket(byte, DIVISION)
            at = known = end + 1
            if self._state != CODE:
                break
        else:
            at = end
        self._note(data[known:at], mark)
        if at == start:
            self._read_mark(data[at])
            return at + 1
        return at

    def _note(self, code: bytes, mark: bytes) -> None:
        if mark:
            self._last.set(mark)
        if code:
            self._last.note(code)

    def _read_mark(self, byte: int) -> None:
        if byte in b"<\n":
            self._last.note(b"<" if byte == 0x3C else b"\n")
        elif byte == 0x2D:
            self._state = DASH
        elif byte == 0x2F:
            self._state = SLASH
        else:
            self._state = {0x22: DOUBLE_QUOTED, 0x27: SINGLE_QUOTED, 0x60: TEMPLATE}[byte]

    def _read_bracket(self, byte: int, before_slash_after: int) -> bytes:
        """Open or close one; the mark for what it is as the last token."""
        if byte in b"([{":
            if len(self._brackets) == DEPTH_MAX:
                self._state = LOST
                return b""
            self._brackets.append(before_slash_after if byte == 0x28 else byte)
            return b"("
        opened = self._brackets.pop() if self._brackets else -1
        if byte == 0x29 and opened in (DIVISION, REGEX, EITHER):
            return (b'"', b"(", b"}")[opened]
        if byte == 0x7D and opened == 0x24:
            self._state = TEMPLATE
        elif (opened, byte) in ((0x5B, 0x5D), (0x7B, 0x7D)):
            return b"]" if byte == 0x5D else b"}"
        else:
            self._state = LOST
        return b""

    def _read_dash(self, data: bytes, at: int) -> int:
        if data[at] != 0x2D:
            self._state = CODE
            self._last.note(b"-")
            return at
        self._state = MAYBE_COMMENT if self._last.opens_html_comment() else DASHES
        return at + 1

    def _read_dashes(self, data: bytes, at: int) -> int:
        is_comment = data[at] == 0x3E and self._last.is_fresh
        self._state = MAYBE_COMMENT if is_comment else CODE
        self._last.set(b"--")
        return at

    def _read_slash(self, data: bytes, at: int) -> int:
        byte = data[at]
        if byte in b"/*":
            self._state = LINE if byte == 0x2F else BLOCK
            return at + 1
        begins = self._last.before_slash()
        self._last.set(b"/")
        self._word_ends = False
        self._state = {DIVISION: CODE, REGEX: IN_REGEX, EITHER: IN_EITHER}[begins]
        return at

    # --- a regular expression, or what may be one -----------------------------------------------

    def _read_regex(self, data: bytes, at: int) -> int:
        end = match_end(_IN_REGEX, data, at)
        if end > at:
            return end
        self._state = {0x2F: CODE, 0x5C: REGEX_ESCAPE, 0x5B: REGEX_CLASS}.get(data[at], LOST)
        self._last.set(b'"')
        return at + 1

    def _read_class(self, data: bytes, at: int) -> int:
        end = match_end(_IN_CLASS, data, at)
        if end > at:
            return end
        self._state = {0x5D: IN_REGEX, 0x5C: REGEX_CLASS_ESCAPE}.get(data[at], LOST)
        return at + 1

    def _read_regex_escape(self, data: bytes, at: int) -> int:
        self._state = IN_REGEX if self._state == REGEX_ESCAPE else REGEX_CLASS
        return at + 1

    def _read_either(self, data: bytes, at: int) -> int:
        """Text that means nothing to the state, as code or as a regular expression."""
        end = match_end(_IN_EITHER, data, at)
        if end > at:
            self._word_ends = _WORD_END.match(data, end - 1) is not None
            return end
        byte = data[at]
        if byte == 0x2F and self._word_ends:
            self._state = EITHER_CLOSED
            return at + 1
        self._state = CODE if byte in b"\r\n" else LOST  # it was a division
        self._last.set(b"}")
        return at

    def _read_either_closed(self, data: bytes, at: int) -> int:
        self._state = LOST if data[at] in b"/*" else CODE
        self._last.set(b"}")
        return at

    # --- comments -----------------------------------------------------------------------------

    def _read_line(self, data: bytes, at: int) -> int:
        end = match_end(_IN_LINE, data, at)
        if end > at:
            return end
        if data[at] == 0xE2:
            self._state = LINE_E2
            return at + 1
        self._state = CODE
        return at

    def _read_line_e2(self, data: bytes, at: int) -> int:
        """U+2028 and U+2029 end a line, too."""
        self._state = LINE_E280 if data[at] == 0x80 else LINE
        return at + (data[at] == 0x80)

    def _read_line_e280(self, data: bytes, at: int) -> int:
        is_end = data[at] in b"\xa8\xa9"
        self._state = CODE if is_end else LINE
        if is_end:
            self._last.note_comment()
        return at + is_end

    def _read_maybe_comment(self, data: bytes, at: int) -> int:
        end = match_end(_IN_MAYBE_COMMENT, data, at)
        if end > at:
            return end
        self._state = CODE if data[at] in b"\r\n" else LOST
        self._last.set(b"}")
        return at

    def _read_block(self, data: bytes, at: int) -> int:
        end = data.find(b"*", at) + 1
        if end:
            self._state = BLOCK_STAR
        return end or len(data)

    def _read_block_star(self, data: bytes, at: int) -> int:
        byte = data[at]
        if byte == 0x2F:
            self._state = CODE
            self._last.note_comment()
        elif byte != 0x2A:
            self._state = BLOCK
        return at + 1

    # --- strings and templates ----------------------------------------------------------------

    def _read_template(self, data: bytes, at: int) -> int:
        end = match_end(_IN_TEMPLATE, data, at)
        if end > at:
            return end
        self._state = {0x60: CODE, 0x5C: TEMPLATE_ESCAPE, 0x24: TEMPLATE_DOLLAR}[data[at]]
        self._last.set(b'"')
        return at + 1

    def _read_template_escape(self, data: bytes, at: int) -> int:
        self._state = TEMPLATE
        return at + 1

    def _read_template_dollar(self, data: bytes, at: int) -> int:
        if data[at] != 0x7B:
            self._state = TEMPLATE
            return at
        if len(self._brackets) == DEPTH_MAX:
            self._state = LOST
            return at
        self._brackets.append(0x24)
        self._last.set(b"(")
        self._state = CODE
        return at + 1

    def _read_quoted(self, data: bytes, at: int) -> int:
        is_double = self._state == DOUBLE_QUOTED
        end = match_end(_IN_DOUBLE if is_double else _IN_SINGLE, data, at)
        if end > at:
            return end
        if data[at] == 0x5C:
            self._state = DOUBLE_ESCAPE if is_double else SINGLE_ESCAPE
        else:
            self._state = CODE if data[at] in b"\"'" else LOST
            self._last.set(b'"')
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

    def _read_nothing(self, data: bytes, at: int) -> int:
        return len(data)


_BRACKETS: Final = b"(){}[]"

_STEPS: Final[tuple[Callable[[JavaScriptScanner, bytes, int], int], ...]] = (
    JavaScriptScanner._read_beginning,
    JavaScriptScanner._read_hash,
    JavaScriptScanner._read_nothing,  # code, see _take
    JavaScriptScanner._read_dash,
    JavaScriptScanner._read_dashes,
    JavaScriptScanner._read_slash,
    JavaScriptScanner._read_line,
    JavaScriptScanner._read_line_e2,
    JavaScriptScanner._read_line_e280,
    JavaScriptScanner._read_block,
    JavaScriptScanner._read_block_star,
    JavaScriptScanner._read_template,
    JavaScriptScanner._read_template_escape,
    JavaScriptScanner._read_template_dollar,
    *(
        JavaScriptScanner._read_quoted,
        JavaScriptScanner._read_quoted_escape,
        JavaScriptScanner._read_quoted_escape_cr,
    )
    * 2,
    JavaScriptScanner._read_regex,
    JavaScriptScanner._read_regex_escape,
    JavaScriptScanner._read_class,
    JavaScriptScanner._read_regex_escape,
    JavaScriptScanner._read_either,
    JavaScriptScanner._read_either_closed,
    JavaScriptScanner._read_maybe_comment,
    JavaScriptScanner._read_nothing,
)
