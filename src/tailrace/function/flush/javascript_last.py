"""The last token of JavaScript code: it tells what a slash after it begins.

Source: ECMAScript 2025, section 12.9 (tokens) and 12.1 (goal symbols), read 2026-11.
"""

from __future__ import annotations

from typing import Final

DIVISION: Final = 0
REGEX: Final = 1
EITHER: Final = 2

_WORD_BYTES_MAX: Final = 12
"""More than the longest keyword has."""
_SPACE: Final = b" \t\n\r\v\f"
_OTHERS: Final = bytes(range(128, 256))
_MAYBE_SPACE: Final = _SPACE + _OTHERS
_WORD: Final = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_$#\\" + _OTHERS
_ODD: Final = b"\\"
"""A word with escapes or other characters than ASCII, among which is white space."""

_BEFORE_REGEX: Final = frozenset(
    b"return typeof case do else in instanceof new void delete throw default".split()
)
_BEFORE_EITHER: Final = frozenset(
    b"yield await of let async break continue debugger extends get set static".split()
)
_BEFORE_CONDITION: Final = frozenset(b"if while for with".split())


class LastToken:
    """A word, or the end of a run of punctuation; and what stands before the word."""

    __slots__ = ("_before", "_has_gap", "_word", "is_fresh")

    def __init__(self) -> None:
        self.is_fresh = True  # nothing but space stands before it in the line
        self._before = b""
        self._word = b""
        self._has_gap = False  # after it

    def note(self, code: bytes) -> None:
        """Read code in which no brackets or comments are, and strings are whole."""
        line = code.rfind(b"\n") + 1
        if line or self.is_fresh:
            self.is_fresh = not code[line:].lstrip(_MAYBE_SPACE)
        token = code.rstrip(_SPACE)
        if not token:
            self._has_gap = True
            return
        head = token.rstrip(_WORD)
        word = token[len(head) :]
        if not word.isascii() or b"\\" in word:
            word = _ODD
        marks = head.rstrip(_SPACE)
        if marks:
            is_after_mark = len(marks) == 1 and not self._word and not self._has_gap
            self._before = self._before[-1:] + marks if is_after_mark else marks[-2:]
            self._word = word
        elif self._word and not head and not self._has_gap:
            self._word = _ODD if word == _ODD else (self._word + word)[:_WORD_BYTES_MAX]
        else:
            self._before = b"a" if self._word else self._before
            self._word = word[:_WORD_BYTES_MAX]
        self._has_gap = len(token) < len(code)

    def set(self, mark: bytes) -> None:
        """It is a bracket, an operator of two characters, or `"` for any value."""
        self.is_fresh = False
        self._before = mark
        self._word = b""
        self._has_gap = False

    def note_comment(self) -> None:
        """A comment separates; what it was for a line's start is not looked at."""
        self._has_gap = True
        self.is_fresh = True

    def opens_html_comment(self) -> bool:
        """It is `<!`: with two hyphens that is a comment in a script, none in a module."""
        return self._before == b"<!" and not self._word and not self._has_gap

    def before_slash(self) -> int:
        """What a slash begins."""
        if not self._word:
            return self._before_slash_after_mark()
        if self._word[:1] == _ODD or self._word in _BEFORE_EITHER:
            return EITHER
        if self._word in _BEFORE_REGEX:
            return EITHER if self._before[-1:] == b"." else REGEX
        return DIVISION

    def before_slash_after(self) -> int:
        """What a slash begins behind parentheses that are opened here."""
        if self._word == b"await" or self._word[:1] == _ODD:
            return EITHER
        is_condition = self._word in _BEFORE_CONDITION
        if is_condition and self._before[-1:] == b".":
            return EITHER
        return REGEX if is_condition else DIVISION

    def _before_slash_after_mark(self) -> int:
        if self._before in (b"++", b"--"):
            return EITHER
        last = self._before[-1:]
        if last in (b"]", b'"', b"'", b"`"):
            return DIVISION
        return EITHER if last in (b"}", b".") else REGEX
