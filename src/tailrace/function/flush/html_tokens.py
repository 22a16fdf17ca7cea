"""HTML cut into tokens as a browser does it, whatever the chunks.

Source: HTML Standard, section 13.2.5 (tokenization), read 2026-11. What lies within a token is
skipped in long steps; only tags and where text is are told.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from tailrace.function.flush.charset import open_character
from tailrace.function.flush.html_tag import (
    ESCAPED_SCRIPT_END,
    PLAIN_TAGS,
    RAW_END,
    SCRIPT_END,
)
from tailrace.function.flush.token_scanner import TokenScanner, match_end

NAME_BYTES_MAX: Final = 32
"""Of a tag's name that are kept: more than any name that matters has."""
META_BYTES_MAX: Final = 1024

_TEXT: Final = re.compile(rb"[^<&]*+")
_REFERENCE: Final = re.compile(rb"[#0-9A-Za-z]*+")
_NAME: Final = re.compile(rb"[^\t\n\f\r />]*+")
_ATTRIBUTE_NAME: Final = re.compile(rb"[^\t\n\f\r />=]*+")
_VALUE: Final = re.compile(rb"[^\t\n\f\r >]*+")
_SPACE: Final = re.compile(rb"[\t\n\f\r ]*+")
_BEGINNING: Final = re.compile(rb"[\t\n\f\r \xef\xbb\xbf]*+")

_SPACES: Final = b"\t\n\f\r "
_LETTERS: Final = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

BEGINNING, TEXT, REFERENCE, OPEN, OPEN_END, OPEN_MARK, OPEN_MARK_DASH, BOGUS = range(8)
COMMENT_START, COMMENT_START_DASH, COMMENT, COMMENT_DASH, COMMENT_END, COMMENT_END_MARK = range(
    8, 14
)
NAME, ATTRIBUTES, ATTRIBUTE_NAME, AFTER_NAME, BEFORE_VALUE = range(14, 19)
DOUBLE_QUOTED, SINGLE_QUOTED, UNQUOTED, SLASH, RAW_TEXT, LOST = range(19, 25)


class HtmlTokens(TokenScanner):
    """The tokenizer's state. `_complete_…` are for what gives tokens a meaning.

    The state is that behind the bytes that were read, whatever follows them, so it makes no
    difference where chunks are cut. A step that reads nothing changes the state for the next byte.
    """

    __slots__ = (
        "_ends_in_cr",
        "_has_text",
        "_is_end_tag",
        "_is_self_closing",
        "_meta",
        "_name",
        "_open_character",
        "_raw_end",
        "_raw_tail",
        "_state",
    )

    def __init__(self) -> None:
        super().__init__()
        self._state = BEGINNING
        self._has_text = False  # since the last token that was not text
        self._ends_in_cr = False
        self._open_character = b""
        self._name = b""
        self._is_end_tag = False
        self._is_self_closing = False
        self._meta: bytes | None = None  # attributes of a meta element that is being read
        self._raw_end = SCRIPT_END
        self._raw_tail = b""

    def _complete_tag(self) -> None:
        """A start or end tag, see `_name`."""

    def _complete_plain_tags(self, tags: bytes) -> None:
        """Text and tags that `PLAIN_TAGS` has matched."""

    def _complete_meta(self, attributes: bytes) -> None:
        """Right after `_complete_tag`, for a meta element."""

    def _complete_markup(self) -> None:
        """A comment, or what a browser takes for one."""

    def _begin_markup(self, byte: int) -> None:
        """After `<` something else than a tag has begun, with this byte or one before it."""

    def _step(self, data: bytes, at: int, *, finds: bool) -> int:
        """Read on from `at`, which lies before the end; return how far.

        With `finds` no more than a byte of text or to the end of a token, so that no place is
        passed.
        """
        if self._state == TEXT:
            return self._read_text(data, at, finds=finds)
        end = _STEPS[self._state](self, data, at)
        if self._meta is not None:
            self._meta = (self._meta + data[at:end])[:META_BYTES_MAX]
            if self._state == TEXT:
                self._complete_meta(self._meta)
                self._meta = None
        return end

    # --- text ---------------------------------------------------------------------------------

    def _read_beginning(self, data: bytes, at: int) -> int:
        """White space and a byte order mark; those of UTF-16 and zeros are no HTML to us."""
        end = match_end(_BEGINNING, data, at)
        if end == at:
            self._state = LOST if data[at] in b"\x00\xfe\xff" else TEXT
        return end

    def _read_text(self, data: bytes, at: int, *, finds: bool) -> int:
        if not finds and (match := PLAIN_TAGS.match(data, at)) is not None:
            self._note_token()
            self._complete_plain_tags(match[0])
            return match.end()
        end = match_end(_TEXT, data, at)
        if finds:
            end = min(end, at + 1)
        if end > at:
            self._has_text = True
            self._ends_in_cr = data[end - 1] == 0x0D
            self._open_character = open_character(self._open_character, data[at:end])
            return end
        self._ends_in_cr = False
        self._open_character = b""
        if data[at] == 0x3C:
            self._state = OPEN
        else:
            self._has_text = True
            self._state = REFERENCE
        return at + 1

    def _read_reference(self, data: bytes, at: int) -> int:
        end = match_end(_REFERENCE, data, at)
        if end == at:
            self._state = TEXT
        return end

    def _note_token(self) -> None:
        self._has_text = False
        self._ends_in_cr = False
        self._open_character = b""

    # --- markup -------------------------------------------------------------------------------

    def _read_open(self, data: bytes, at: int) -> int:
        byte = data[at]
        if byte in _LETTERS:
            self._begin_tag(is_end=False)
            return at
        if byte == 0x2F:
            self._state = OPEN_END
            return at + 1
        if byte == 0x21:
            self._state = OPEN_MARK
            return at + 1
        if byte == 0x3F:
            self._state = BOGUS
            self._begin_markup(byte)
            return at
        self._state = TEXT  # the `<` was text
        self._has_text = True
        return at

    def _read_open_end(self, data: bytes, at: int) -> int:
        byte = data[at]
        if byte in _LETTERS:
            self._begin_tag(is_end=True)
            return at
        if byte == 0x3E:  # `</>` is nothing: the text before it goes on
            self._state = TEXT
            return at + 1
        self._state = BOGUS
        self._begin_markup(byte)
        return at

    def _read_open_mark(self, data: bytes, at: int) -> int:
        self._state = OPEN_MARK_DASH if data[at] == 0x2D else BOGUS
        self._begin_markup(data[at])
        return at + (data[at] == 0x2D)

    def _read_open_mark_dash(self, data: bytes, at: int) -> int:
        self._state = COMMENT_START if data[at] == 0x2D else BOGUS
        return at + (data[at] == 0x2D)

    def _read_bogus(self, data: bytes, at: int) -> int:
        end = data.find(b">", at) + 1
        return self._end_markup(end) if end else len(data)

    def _end_markup(self, end: int) -> int:
        self._state = TEXT
        self._note_token()
        self._complete_markup()
        return end

    # --- comments -----------------------------------------------------------------------------

    def _read_comment(self, data: bytes, at: int) -> int:
        dashes = data.find(b"--", at)
        if dashes >= 0:
            self._state = COMMENT_END
            return dashes + 2
        self._state = COMMENT_DASH if data.endswith(b"-") else COMMENT
        return len(data)

    def _read_comment_edge(self, data: bytes, at: int) -> int:
        """Where `>` may end a comment: right at its start, or after dashes."""
        byte = data[at]
        if byte == 0x3E and self._state != COMMENT_DASH:
            return self._end_markup(at + 1)
        self._state = _COMMENT_EDGES.get((self._state, byte), COMMENT)
        return at + 1

    # --- tags ---------------------------------------------------------------------------------

    def _begin_tag(self, *, is_end: bool) -> None:
        self._state = NAME
        self._name = b""
        self._is_end_tag = is_end
        self._is_self_closing = False

    def _read_name(self, data: bytes, at: int) -> int:
        end = match_end(_NAME, data, at)
        self._name = (self._name + data[at:end].lower())[:NAME_BYTES_MAX]
        if end == len(data):
            return end
        if self._name == b"meta" and not self._is_end_tag:
            self._meta = b""
        return self._end_of_name(data, end)

    def _end_of_name(self, data: bytes, at: int) -> int:
        byte = data[at]
        if byte == 0x3E:
            return self._end_tag(at + 1)
        self._state = SLASH if byte == 0x2F else ATTRIBUTES
        return at + 1

    def _end_tag(self, end: int) -> int:
        self._state = TEXT
        self._note_token()
        self._complete_tag()
        return end

    def _read_attributes(self, data: bytes, at: int) -> int:
        at = match_end(_SPACE, data, at)
        if at == len(data):
            return at
        if data[at] in b"/>":
            return self._end_of_name(data, at)
        self._state = ATTRIBUTE_NAME  # also when it begins with `=`
        return at + 1

    def _read_attribute_name(self, data: bytes, at: int) -> int:
        at = match_end(_ATTRIBUTE_NAME, data, at)
        if at == len(data):
            return at
        byte = data[at]
        if byte in b"/>":
            return self._end_of_name(data, at)
        self._state = BEFORE_VALUE if byte == 0x3D else AFTER_NAME
        return at + 1

    def _read_after_name(self, data: bytes, at: int) -> int:
        at = match_end(_SPACE, data, at)
        if at == len(data):
            return at
        if data[at] == 0x3D:
            self._state = BEFORE_VALUE
            return at + 1
        self._state = ATTRIBUTES
        return at

    def _read_before_value(self, data: bytes, at: int) -> int:
        at = match_end(_SPACE, data, at)
        if at == len(data):
            return at
        byte = data[at]
        if byte == 0x3E:
            return self._end_tag(at + 1)
        self._state = {0x22: DOUBLE_QUOTED, 0x27: SINGLE_QUOTED}.get(byte, UNQUOTED)
        return at + 1

    def _read_quoted(self, data: bytes, at: int) -> int:
        end = data.find(b'"' if self._state == DOUBLE_QUOTED else b"'", at) + 1
        if end:
            self._state = ATTRIBUTES
        return end or len(data)

    def _read_unquoted(self, data: bytes, at: int) -> int:
        at = match_end(_VALUE, data, at)
        if at == len(data):
            return at
        if data[at] == 0x3E:
            return self._end_tag(at + 1)
        self._state = ATTRIBUTES
        return at + 1

    def _read_slash(self, data: bytes, at: int) -> int:
        if data[at] == 0x3E:
            self._is_self_closing = True
            return self._end_tag(at + 1)
        self._state = ATTRIBUTES
        return at

    # --- raw text -----------------------------------------------------------------------------

    def _begin_raw_text(self, name: bytes) -> None:
        self._state = RAW_TEXT
        self._name = name
        self._raw_end = SCRIPT_END if name == b"script" else RAW_END[name]
        self._raw_tail = b""

    def _read_raw_text(self, data: bytes, at: int) -> int:
        """Look for the end tag; what may be the beginning of one is kept for the next chunk."""
        tail = self._raw_tail
        whole = tail + data[at:]
        match = self._raw_end.search(whole)
        if match is None:
            self._raw_tail = whole[-NAME_BYTES_MAX:]
            return len(data)
        found = match[0].lower()
        end = at + match.end() - len(tail)
        self._raw_tail = b""
        if found == b"-->":
            self._raw_end = SCRIPT_END
        elif found == b"<!--":
            self._raw_end = ESCAPED_SCRIPT_END
            self._raw_tail = b"--"  # `<!-->` is complete
        elif found[:2] == b"</":
            self._is_end_tag = True
            self._is_self_closing = False
            self._state = ATTRIBUTES
        else:  # a script in a comment in a script
            self._state = LOST
            return len(data)
        return max(end, at)

    def _read_nothing(self, data: bytes, at: int) -> int:
        return len(data)


_COMMENT_EDGES: Final = {
    (COMMENT_START, 0x2D): COMMENT_START_DASH,
    (COMMENT_START_DASH, 0x2D): COMMENT_END,
    (COMMENT_DASH, 0x2D): COMMENT_END,
    (COMMENT_END, 0x2D): COMMENT_END,
    (COMMENT_END, 0x21): COMMENT_END_MARK,
    (COMMENT_END_MARK, 0x2D): COMMENT_DASH,
}

_STEPS: Final[tuple[Callable[[HtmlTokens, bytes, int], int], ...]] = (
    HtmlTokens._read_beginning,
    HtmlTokens._read_nothing,  # text, see _step
    HtmlTokens._read_reference,
    HtmlTokens._read_open,
    HtmlTokens._read_open_end,
    HtmlTokens._read_open_mark,
    HtmlTokens._read_open_mark_dash,
    HtmlTokens._read_bogus,
    *(HtmlTokens._read_comment_edge,) * 2,
    HtmlTokens._read_comment,
    *(HtmlTokens._read_comment_edge,) * 3,
    HtmlTokens._read_name,
    HtmlTokens._read_attributes,
    HtmlTokens._read_attribute_name,
    HtmlTokens._read_after_name,
    HtmlTokens._read_before_value,
    *(HtmlTokens._read_quoted,) * 2,
    HtmlTokens._read_unquoted,
    HtmlTokens._read_slash,
    HtmlTokens._read_raw_text,
    HtmlTokens._read_nothing,
)
