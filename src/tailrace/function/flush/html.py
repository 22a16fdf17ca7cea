"""Padding of HTML: comments.

Source: HTML Standard, section 13.2, read 2026-11. A comment adds a node and changes nothing else,
but for the places that `HtmlScanner` names.
"""

from __future__ import annotations

from typing import Final

from tailrace.function.flush.charset import Utf8Check, is_ascii_based
from tailrace.function.flush.html_tag import (
    CELLS,
    FOREIGN,
    NOSCRIPT_END,
    RAW,
    SPECIAL,
    TABLE_PART,
    TABLE_PARTS,
    TEXT_IN_FOREIGN,
    UNCERTAIN,
    UNCERTAIN_IN_FOREIGN,
    meta_charset,
)
from tailrace.function.flush.html_tokens import LOST, NAME, TEXT, HtmlTokens

PRESCAN_BYTES: Final = 1024
"""In which browsers look for a charset when the content type has none."""

_BOM: Final = b"\xef\xbb\xbf"


class HtmlScanner(HtmlTokens):
    """Allows padding in text and between tags, from the first tag on.

    Not inside a tag, a comment, a character or a reference to one; in raw text (script, style,
    textarea, title, …), noscript and inline SVG and MathML; right after `<pre>`, where a newline
    would be ignored; in text in a table outside its cells, which a browser moves as a whole. When
    the content type declares no charset, not before one is declared or looked for in vain. And
    nowhere after markup of which browsers have different readings.
    """

    __slots__ = (
        "_charset_left",
        "_check",
        "_expected_end",
        "_foreign",
        "_foreign_depth",
        "_has_template",
        "_is_after_pre",
        "_is_in_cell",
        "_is_in_select",
        "_noscript_context",
        "_noscript_tail",
        "_start",
        "_table_depth",
        "_tables_are_uncertain",
    )

    def __init__(self, *, is_declared: bool) -> None:
        super().__init__()
        self._start = b""
        self._charset_left = 0 if is_declared else PRESCAN_BYTES
        self._check = None if is_declared else Utf8Check()
        self._foreign = b""
        self._foreign_depth = 0
        self._expected_end = b""
        self._has_template = False
        self._is_after_pre = False
        self._is_in_select = False
        self._is_in_cell = False
        self._noscript_context: tuple[object, ...] = ()
        self._noscript_tail: bytes | None = None  # in a noscript element
        self._table_depth = 0
        self._tables_are_uncertain = False

    def padding(self, size: int) -> bytes:
        """A comment; 7 bytes at least."""
        return b"<!--" + b" " * (size - 7) + b"-->"

    def _take(self, data: bytes, at: int, *, finds: bool) -> int:
        """Read on; return how far."""
        if self._check is None:
            return self._read(data, at, finds=finds)
        return self._take_undeclared(data, at, finds=finds)

    def _is_place(self, last: int) -> bool:
        if self._state != TEXT or self._ends_in_cr or self._open_character:
            return False
        if self._foreign_depth or self._charset_left or self._noscript_tail is not None:
            return False
        if not self._has_text:
            return not self._is_after_pre
        is_in_table = self._table_depth > 0 and not self._is_in_cell
        return not (is_in_table or self._tables_are_uncertain)

    def _read(self, data: bytes, at: int, *, finds: bool) -> int:
        if self._noscript_tail is not None:
            return self._read_noscript(data, at, self._noscript_tail)
        return self._step(data, at, finds=finds and not self._foreign_depth)

    # --- a charset that the content type does not declare --------------------------------------

    def _take_undeclared(self, data: bytes, at: int, *, finds: bool) -> int:
        """Read on, in small steps while the charset is looked for; return how far."""
        if len(self._start) < len(_BOM):
            self._start += data[at : at + 1]
            piece = data[: at + 1]
        else:
            piece = data[: at + self._charset_left] if self._charset_left else data
        end = self._read(piece, at, finds=finds and not self._charset_left)
        taken = data[at:end]
        if self._start == _BOM:
            self._charset_left = 0
            self._check = None
        elif self._charset_left:
            self._charset_left = max(self._charset_left - len(taken), 0)
        if self._check is not None and not self._check.accepts(taken):
            self._state = LOST
        return end

    def _complete_meta(self, attributes: bytes) -> None:
        charset = meta_charset(attributes)
        if self._check is None or charset is None:
            return
        if is_ascii_based(charset):
            self._charset_left = 0
            self._check = None
        else:
            self._state = LOST

    # --- content that is raw text where scripts run, and markup where they do not --------------

    def _read_noscript(self, data: bytes, at: int, tail: bytes) -> int:
        """Read markup up to the end that raw text has; it must be the end of both."""
        whole = tail + data[at:]
        match = NOSCRIPT_END.search(whole)
        end = len(data) if match is None else at + match.end() - len(tail)
        piece = data[:end]
        while at < end:
            at = self._step(piece, at, finds=False)
        if match is None:
            self._noscript_tail = whole[-len(b"</noscript") :]
            return end
        self._noscript_tail = None
        is_end = self._state == NAME and self._is_end_tag and self._name == b"noscript"
        if not is_end or self._context() != self._noscript_context:
            self._state = LOST
        return end

    def _context(self) -> tuple[object, ...]:
        return (
            self._foreign_depth,
            self._expected_end,
            self._is_in_select,
            self._is_in_cell,
            self._table_depth,
            self._tables_are_uncertain,
        )

    # --- tokens -------------------------------------------------------------------------------

    def _begin_markup(self, byte: int) -> None:
        if self._expected_end or (self._foreign_depth and byte == 0x5B):
            self._state = LOST

    def _complete_markup(self) -> None:
        self._is_after_pre = False

    def _complete_plain_tags(self, tags: bytes) -> None:
        self._is_after_pre = False
        if self._expected_end:
            self._state = LOST
        elif (self._table_depth or self._has_template) and (parts := TABLE_PART.findall(tags)):
            end, name = parts[-1]
            self._note_table_part(name.lower(), is_end=bool(end))

    def _complete_tag(self) -> None:
        name = self._name
        self._is_after_pre = False
        if self._expected_end:
            if name != self._expected_end or not self._is_end_tag:
                self._state = LOST
                return
            self._expected_end = b""
        if name not in SPECIAL:
            return
        self._note_table(name)
        if self._is_end_tag:
            self._note_end(name)
        elif self._foreign_depth:
            self._note_start_in_foreign(name)
        else:
            self._note_start(name)

    def _note_start(self, name: bytes) -> None:
        if name in UNCERTAIN or (self._is_in_select and name in RAW):
            self._state = LOST
        elif name in RAW or name == b"script":
            self._begin_raw_text(name)
        elif name in FOREIGN:
            self._foreign = name
            self._foreign_depth = 0 if self._is_self_closing else 1
        elif name == b"noscript" and self._noscript_tail is None:
            self._noscript_tail = b""
            self._noscript_context = self._context()
        elif name == b"select":
            self._is_in_select = True
        elif name in (b"pre", b"listing"):
            self._is_after_pre = True

    def _note_start_in_foreign(self, name: bytes) -> None:
        """An HTML element here ends the foreign one: what follows must be the same in both."""
        if name in UNCERTAIN or name in UNCERTAIN_IN_FOREIGN:
            self._state = LOST
        elif name in TEXT_IN_FOREIGN:
            if not self._is_self_closing:
                self._expected_end = name
            elif name in RAW or name == b"script":
                self._state = LOST
        elif name == self._foreign and not self._is_self_closing:
            self._foreign_depth += 1
        elif name == b"select":
            self._is_in_select = True

    def _note_end(self, name: bytes) -> None:
        if name == self._foreign and self._foreign_depth:
            self._foreign_depth -= 1
        elif name == b"select":
            self._is_in_select = False

    def _note_table(self, name: bytes) -> None:
        """In a table, outside its cells, text moves before it, unless it is white space only."""
        if name == b"table":
            self._table_depth = max(self._table_depth + (-1 if self._is_end_tag else 1), 0)
            self._is_in_cell = self._is_end_tag
        elif name in TABLE_PARTS:
            self._note_table_part(name, is_end=self._is_end_tag)
        elif name == b"template":
            self._has_template = True
            self._tables_are_uncertain = self._tables_are_uncertain or self._table_depth > 0

    def _note_table_part(self, name: bytes, *, is_end: bool) -> None:
        """A template may have parts of tables without a table."""
        self._is_in_cell = name in CELLS and not is_end
        if self._table_depth == 0 and self._has_template:
            self._tables_are_uncertain = True
