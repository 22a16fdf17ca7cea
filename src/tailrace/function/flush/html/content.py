"""The elements of an HTML document that decide whether a comment may stand in their content.

Source: HTML Standard, section 13.2.6 (tree construction), read 2026-11. A comment adds a node to
the page and changes nothing else, with the exceptions of `HtmlContent`.
"""

from __future__ import annotations

from tailrace.function.flush.html.tags import (
    CELLS,
    FOREIGN,
    RAW,
    SPECIAL,
    TABLE_PART,
    TABLE_PARTS,
    TEXT_IN_FOREIGN,
    UNCERTAIN,
    UNCERTAIN_IN_FOREIGN,
)
from tailrace.function.flush.html.tokenizer import LOST, RAW_TEXT, TEXT


class HtmlContent:
    """Receives tokens, and allows comments everywhere but in three cases.

    In inline SVG and MathML; right after `<pre>`, where a newline is ignored; and in text in a
    table outside its cells, which a browser moves before the table. Markup that browsers interpret
    in different ways is LOST: no place follows it.
    """

    __slots__ = (
        "_expected_end",
        "_foreign",
        "_has_template",
        "_is_after_pre",
        "_is_in_cell",
        "_is_in_select",
        "_table_depth",
        "_tables_are_uncertain",
        "foreign_depth",
        "noscript_context",
    )

    def __init__(self) -> None:
        self._foreign = b""
        self.foreign_depth = 0
        """Open elements of the root's name in inline SVG or MathML; 0 outside them."""
        self._expected_end = b""  # the only tag that may follow
        self._has_template = False
        self._is_after_pre = False
        self._is_in_select = False
        self._is_in_cell = False
        self._table_depth = 0
        self._tables_are_uncertain = False
        self.noscript_context: tuple[object, ...] | None = None
        """The context in which a noscript element was opened; None outside such an element."""

    def allows_comment(self, *, has_text: bool) -> bool:
        """Whether a comment may stand here. `has_text`: text precedes it, after the last tag."""
        if self.foreign_depth:
            return False
        if not has_text:
            return not self._is_after_pre
        is_in_table = self._table_depth > 0 and not self._is_in_cell
        return not (is_in_table or self._tables_are_uncertain)

    def context(self) -> tuple[object, ...]:
        """The state that decides how the following content is parsed."""
        return (
            self.foreign_depth,
            self._expected_end,
            self._is_in_select,
            self._is_in_cell,
            self._table_depth,
            self._tables_are_uncertain,
        )

    def begin_markup(self, byte: int) -> bool:
        is_cdata = self.foreign_depth > 0 and byte == 0x5B
        return not self._expected_end and not is_cdata

    def complete_markup(self) -> None:
        self._is_after_pre = False

    def complete_plain_tags(self, tags: bytes) -> bool:
        self._is_after_pre = False
        if self._expected_end:
            return False
        if (self._table_depth or self._has_template) and (parts := TABLE_PART.findall(tags)):
            end, name = parts[-1]
            self._note_table_part(name.lower(), is_end=bool(end))
        return True

    def complete_tag(self, name: bytes, *, is_end: bool, is_self_closing: bool) -> int:
        self._is_after_pre = False
        if self._expected_end:
            if name != self._expected_end or not is_end:
                return LOST
            self._expected_end = b""
        if name not in SPECIAL:
            return TEXT
        self._note_table(name, is_end=is_end)
        if is_end:
            self._note_end(name)
            return TEXT
        if self.foreign_depth:
            return self._note_start_in_foreign(name, is_self_closing=is_self_closing)
        return self._note_start(name, is_self_closing=is_self_closing)

    def _note_start(self, name: bytes, *, is_self_closing: bool) -> int:
        if name in UNCERTAIN or (self._is_in_select and name in RAW):
            return LOST
        if name in RAW or name == b"script":
            return RAW_TEXT
        if name in FOREIGN:
            self._foreign = name
            self.foreign_depth = 0 if is_self_closing else 1
        elif name == b"noscript" and self.noscript_context is None:
            self.noscript_context = self.context()
        elif name == b"select":
            self._is_in_select = True
        elif name in (b"pre", b"listing"):
            self._is_after_pre = True
        return TEXT

    def _note_start_in_foreign(self, name: bytes, *, is_self_closing: bool) -> int:
        """An HTML element ends the foreign one; both readings must agree on what follows."""
        if name in UNCERTAIN or name in UNCERTAIN_IN_FOREIGN:
            return LOST
        if name in TEXT_IN_FOREIGN:
            if not is_self_closing:
                self._expected_end = name
            elif name in RAW or name == b"script":
                return LOST
        elif name == self._foreign and not is_self_closing:
            self.foreign_depth += 1
        elif name == b"select":
            self._is_in_select = True
        return TEXT

    def _note_end(self, name: bytes) -> None:
        if name == self._foreign and self.foreign_depth:
            self.foreign_depth -= 1
        elif name == b"select":
            self._is_in_select = False

    def _note_table(self, name: bytes, *, is_end: bool) -> None:
        """Text in a table, outside its cells, moves before it unless it is white space."""
        if name == b"table":
            self._table_depth = max(self._table_depth + (-1 if is_end else 1), 0)
            self._is_in_cell = is_end
        elif name in TABLE_PARTS:
            self._note_table_part(name, is_end=is_end)
        elif name == b"template":
            self._has_template = True
            self._tables_are_uncertain = self._tables_are_uncertain or self._table_depth > 0

    def _note_table_part(self, name: bytes, *, is_end: bool) -> None:
        """A template may contain parts of tables without a table."""
        self._is_in_cell = name in CELLS and not is_end
        if self._table_depth == 0 and self._has_template:
            self._tables_are_uncertain = True
