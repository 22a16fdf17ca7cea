"""HTML, split into tokens as a browser does it, however the body is split into chunks.

Source: HTML Standard, section 13.2.5 (tokenization), read 2026-11. The content of a token is
skipped in long steps: only tags, comments and the places of text are reported.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from tailrace.function.flush.charset import open_character
from tailrace.function.flush.html.tags import (
    ESCAPED_SCRIPT_END,
    PLAIN_TAGS,
    RAW_END,
    SCRIPT_END,
    meta_charset,
)
from tailrace.records import Protocol

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from typing import Final

NAME_BYTES_MAX: Final = 32
"""Of a tag's name that are kept: more than the longest name in `tags`."""
META_BYTES_MAX: Final = 1024
"""Of the attributes of a meta element that are kept, to find a charset in them."""

_TEXT: Final = re.compile(rb"[^<&]*+")
_REFERENCE: Final = re.compile(rb"[#0-9A-Za-z]*+")
_NAME: Final = re.compile(rb"[^\t\n\f\r />]*+")
_ATTRIBUTE_NAME: Final = re.compile(rb"[^\t\n\f\r />=]*+")
_VALUE: Final = re.compile(rb"[^\t\n\f\r >]*+")
_SPACE: Final = re.compile(rb"[\t\n\f\r ]*+")
_BEGINNING: Final = re.compile(rb"[\t\n\f\r \xef\xbb\xbf]*+")

_LETTERS: Final = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

BEGINNING, TEXT, REFERENCE, OPEN, OPEN_END, OPEN_MARK, OPEN_MARK_DASH, BOGUS = range(8)
COMMENT_START, COMMENT_START_DASH, COMMENT, COMMENT_DASH, COMMENT_END, COMMENT_END_MARK = range(
    8, 14
)
NAME, ATTRIBUTES, ATTRIBUTE_NAME, AFTER_NAME, BEFORE_VALUE = range(14, 19)
DOUBLE_QUOTED, SINGLE_QUOTED, UNQUOTED, SLASH, RAW_TEXT, LOST = range(19, 25)


class TokenReceiver(Protocol):
    """Receives the tokens, and decides how the tokenizer parses what follows."""

    def complete_tag(self, name: bytes, *, is_end: bool, is_self_closing: bool) -> int:
        """A tag is complete; return the state that follows: TEXT, RAW_TEXT or LOST."""

    def complete_plain_tags(self, tags: bytes) -> bool:
        """Text and tags that PLAIN_TAGS matches are complete; False: LOST follows."""

    def begin_markup(self, byte: int) -> bool:
        """A comment, or what is parsed as one, starts with this byte after `<` or `<!`.

        False: LOST follows.
        """

    def complete_markup(self) -> None:
        """A comment, or what a browser parses as one, is complete."""


class HtmlTokenizer:
    """The state after the bytes that were read; it does not depend on the bytes that follow.

    So chunks may be split anywhere. In LOST nothing is read any more.
    """

    __slots__ = (
        "_is_self_closing",
        "_meta",
        "_raw_end",
        "_raw_tail",
        "_receiver",
        "ends_in_cr",
        "has_text",
        "is_end_tag",
        "meta_charset",
        "name",
        "open_character",
        "state",
    )

    def __init__(self, receiver: TokenReceiver) -> None:
        self.state = BEGINNING
        self.has_text = False  # since the last token that was not text
        self.ends_in_cr = False
        self.open_character = b""
        self.name = b""
        self.is_end_tag = False
        self.meta_charset: str | None = None  # of the first meta element that declares one
        self._receiver = receiver
        self._is_self_closing = False
        self._meta: bytes | None = None  # attributes of a meta element that is being read
        self._raw_end = SCRIPT_END
        self._raw_tail = b""

    def step(self, data: bytes, at: int, *, finds: bool) -> int:
        """Parse on from `at`, which is less than len(data); return the new position.

        With `finds` a step ends after a byte of text or at the end of a token, so that it passes no
        place. A step that reads nothing changes the state for the next byte.
        """
        if self.state == TEXT:
            return self._read_text(data, at, finds=finds)
        end = _STEPS[self.state](self, data, at)
        if self._meta is not None:
            self._meta = (self._meta + data[at:end])[:META_BYTES_MAX]
            if self.state == TEXT:
                self.meta_charset = self.meta_charset or meta_charset(self._meta)
                self._meta = None
        return end

    def _read_beginning(self, data: bytes, at: int) -> int:
        """White space and the byte order mark of UTF-8; UTF-16 is not supported."""
        end = _match_end(_BEGINNING, data, at)
        if end == at:
            self.state = LOST if data[at] in b"\x00\xfe\xff" else TEXT
        return end

    def _read_text(self, data: bytes, at: int, *, finds: bool) -> int:
        if not finds and (match := PLAIN_TAGS.match(data, at)) is not None:
            self._note_token()
            if not self._receiver.complete_plain_tags(match[0]):
                self.state = LOST
            return match.end()
        end = _match_end(_TEXT, data, at)
        if finds:
            end = min(end, at + 1)
        if end > at:
            self.has_text = True
            self.ends_in_cr = data[end - 1] == 0x0D
            self.open_character = open_character(self.open_character, data[at:end])
            return end
        self.ends_in_cr = False
        self.open_character = b""
        if data[at] == 0x3C:
            self.state = OPEN
        else:
            self.has_text = True
            self.state = REFERENCE
        return at + 1

    def _read_reference(self, data: bytes, at: int) -> int:
        end = _match_end(_REFERENCE, data, at)
        if end == at:
            self.state = TEXT
        return end

    def _note_token(self) -> None:
        self.has_text = False
        self.ends_in_cr = False
        self.open_character = b""

    def _read_open(self, data: bytes, at: int) -> int:
        byte = data[at]
        if byte in _LETTERS:
            self._begin_tag(is_end=False)
            return at
        if byte == 0x2F:
            self.state = OPEN_END
            return at + 1
        if byte == 0x21:
            self.state = OPEN_MARK
            return at + 1
        if byte == 0x3F:
            self._begin_markup(BOGUS, byte)
            return at
        self.state = TEXT  # the `<` was text
        self.has_text = True
        return at

    def _read_open_end(self, data: bytes, at: int) -> int:
        byte = data[at]
        if byte in _LETTERS:
            self._begin_tag(is_end=True)
            return at
        if byte == 0x3E:  # `</>` is ignored: the text before it continues
            self.state = TEXT
            return at + 1
        self._begin_markup(BOGUS, byte)
        return at

    def _read_open_mark(self, data: bytes, at: int) -> int:
        self._begin_markup(OPEN_MARK_DASH if data[at] == 0x2D else BOGUS, data[at])
        return at + (data[at] == 0x2D)

    def _read_open_mark_dash(self, data: bytes, at: int) -> int:
        self.state = COMMENT_START if data[at] == 0x2D else BOGUS
        return at + (data[at] == 0x2D)

    def _read_bogus(self, data: bytes, at: int) -> int:
        end = data.find(b">", at) + 1
        return self._end_markup(end) if end else len(data)

    def _begin_markup(self, state: int, byte: int) -> None:
        self.state = state if self._receiver.begin_markup(byte) else LOST

    def _end_markup(self, end: int) -> int:
        self.state = TEXT
        self._note_token()
        self._receiver.complete_markup()
        return end

    def _read_comment(self, data: bytes, at: int) -> int:
        dashes = data.find(b"--", at)
        if dashes >= 0:
            self.state = COMMENT_END
            return dashes + 2
        self.state = COMMENT_DASH if data.endswith(b"-") else COMMENT
        return len(data)

    def _read_comment_edge(self, data: bytes, at: int) -> int:
        """Where `>` may end a comment: right at its start, or after dashes."""
        byte = data[at]
        if byte == 0x3E and self.state != COMMENT_DASH:
            return self._end_markup(at + 1)
        self.state = _COMMENT_EDGES.get((self.state, byte), COMMENT)
        return at + 1

    def _begin_tag(self, *, is_end: bool) -> None:
        self.state = NAME
        self.name = b""
        self.is_end_tag = is_end
        self._is_self_closing = False

    def _read_name(self, data: bytes, at: int) -> int:
        end = _match_end(_NAME, data, at)
        self.name = (self.name + data[at:end].lower())[:NAME_BYTES_MAX]
        if end == len(data):
            return end
        if self.name == b"meta" and not self.is_end_tag:
            self._meta = b""
        return self._end_of_name(data, end)

    def _end_of_name(self, data: bytes, at: int) -> int:
        byte = data[at]
        if byte == 0x3E:
            return self._end_tag(at + 1)
        self.state = SLASH if byte == 0x2F else ATTRIBUTES
        return at + 1

    def _end_tag(self, end: int) -> int:
        self._note_token()
        self.state = self._receiver.complete_tag(
            self.name, is_end=self.is_end_tag, is_self_closing=self._is_self_closing
        )
        if self.state == RAW_TEXT:
            self._raw_end = SCRIPT_END if self.name == b"script" else RAW_END[self.name]
            self._raw_tail = b""
        return end

    def _read_attributes(self, data: bytes, at: int) -> int:
        at = _match_end(_SPACE, data, at)
        if at == len(data):
            return at
        if data[at] in b"/>":
            return self._end_of_name(data, at)
        self.state = ATTRIBUTE_NAME  # also when it starts with `=`
        return at + 1

    def _read_attribute_name(self, data: bytes, at: int) -> int:
        at = _match_end(_ATTRIBUTE_NAME, data, at)
        if at == len(data):
            return at
        byte = data[at]
        if byte in b"/>":
            return self._end_of_name(data, at)
        self.state = BEFORE_VALUE if byte == 0x3D else AFTER_NAME
        return at + 1

    def _read_after_name(self, data: bytes, at: int) -> int:
        at = _match_end(_SPACE, data, at)
        if at == len(data):
            return at
        if data[at] == 0x3D:
            self.state = BEFORE_VALUE
            return at + 1
        self.state = ATTRIBUTES
        return at

    def _read_before_value(self, data: bytes, at: int) -> int:
        at = _match_end(_SPACE, data, at)
        if at == len(data):
            return at
        byte = data[at]
        if byte == 0x3E:
            return self._end_tag(at + 1)
        self.state = {0x22: DOUBLE_QUOTED, 0x27: SINGLE_QUOTED}.get(byte, UNQUOTED)
        return at + 1

    def _read_quoted(self, data: bytes, at: int) -> int:
        end = data.find(b'"' if self.state == DOUBLE_QUOTED else b"'", at) + 1
        if end:
            self.state = ATTRIBUTES
        return end or len(data)

    def _read_unquoted(self, data: bytes, at: int) -> int:
        at = _match_end(_VALUE, data, at)
        if at == len(data):
            return at
        if data[at] == 0x3E:
            return self._end_tag(at + 1)
        self.state = ATTRIBUTES
        return at + 1

    def _read_slash(self, data: bytes, at: int) -> int:
        if data[at] == 0x3E:
            self._is_self_closing = True
            return self._end_tag(at + 1)
        self.state = ATTRIBUTES
        return at

    def _read_raw_text(self, data: bytes, at: int) -> int:
        """Search for the end tag; bytes that may start one are kept for the next chunk."""
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
            self.is_end_tag = True
            self._is_self_closing = False
            self.state = ATTRIBUTES
        else:  # a script in a comment in a script
            self.state = LOST
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

_STEPS: Final[tuple[Callable[[HtmlTokenizer, bytes, int], int], ...]] = (
    HtmlTokenizer._read_beginning,
    HtmlTokenizer._read_nothing,  # text, see `step`
    HtmlTokenizer._read_reference,
    HtmlTokenizer._read_open,
    HtmlTokenizer._read_open_end,
    HtmlTokenizer._read_open_mark,
    HtmlTokenizer._read_open_mark_dash,
    HtmlTokenizer._read_bogus,
    *(HtmlTokenizer._read_comment_edge,) * 2,
    HtmlTokenizer._read_comment,
    *(HtmlTokenizer._read_comment_edge,) * 3,
    HtmlTokenizer._read_name,
    HtmlTokenizer._read_attributes,
    HtmlTokenizer._read_attribute_name,
    HtmlTokenizer._read_after_name,
    HtmlTokenizer._read_before_value,
    *(HtmlTokenizer._read_quoted,) * 2,
    HtmlTokenizer._read_unquoted,
    HtmlTokenizer._read_slash,
    HtmlTokenizer._read_raw_text,
    HtmlTokenizer._read_nothing,
)


def _match_end(pattern: re.Pattern[bytes], data: bytes, at: int) -> int:
    """Return the end of the match of a pattern that also matches the empty string."""
    match = pattern.match(data, at)
    assert match is not None
    return match.end()
