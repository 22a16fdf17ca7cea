"""Padding of XML: comments.

Source: Extensible Markup Language 1.0, fifth edition, sections 2.4 to 2.8 and 3.1, read 2026-11.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from tailrace.function.flush.charset import is_ascii_based
from tailrace.function.flush.token_scanner import TokenScanner, match_end
from tailrace.function.flush.utf8 import open_character

DECLARATION_BYTES_MAX: Final = 256

_PLAIN: Final = re.compile(
    rb"(?:[^<>]*+<(?!/?+(?:[^\s/>:]*+:)?+(?:script|style)[\s/>])"
    rb"(?:/[^\s<>/\"']++[^<>/\"']*+"
    rb"|[^\s<>/!?\"'][^\s<>/\"']*+(?:[^<>\"'/]++|\"[^<>\"]*+\"|'[^<>']*+')*+/?+)>)++"
)
"""Text and whole tags; in it each `<` opens a tag, and each `>` closes one."""
_BEGINNING: Final = re.compile(rb"[\s\xef\xbb\xbf]*+")
_TEXT: Final = re.compile(rb"[^<&]*+")
_REFERENCE: Final = re.compile(rb"[#0-9A-Za-z_:.\x80-\xff-]*+")
_NAME: Final = re.compile(rb"[^\s/><\"']*+")
_TAG: Final = re.compile(rb"[^<>\"'/]*+")
_DOCTYPE: Final = re.compile(rb"[^<>\"'\[]*+")
_ENCODING: Final = re.compile(rb"""\sencoding\s*=\s*["']([^"']*)""")

_MARKS: Final = (b"--", b"[CDATA[", b"DOCTYPE")
_NAME_BYTES_MAX: Final = 64

BEGINNING, TEXT, REFERENCE, OPEN, OPEN_MARK, NAME, TAG, SLASH = range(8)
DOUBLE_QUOTED, SINGLE_QUOTED, COMMENT, CDATA, INSTRUCTION, DOCTYPE = range(8, 14)
DOCTYPE_DOUBLE_QUOTED, DOCTYPE_SINGLE_QUOTED, LOST = range(14, 17)


class XmlScanner(TokenScanner):
    """Allows padding in the content of the root element, in text and between tags.

    Not inside a tag, a comment, CDATA, an instruction, a character or a reference to one; nor in
    scripts and styles. Nowhere in documents with a DTD of their own, in which elements may be
    declared to have no comments, and nowhere after what is not well-formed.
    """

    __slots__ = (
        "_declaration",
        "_depth",
        "_ends_in_cr",
        "_is_end_tag",
        "_mark",
        "_name",
        "_opaque_depth",
        "_open_character",
        "_state",
        "_tail",
    )

    def __init__(self) -> None:
        super().__init__()
        self._state = BEGINNING
        self._depth = 0
        self._opaque_depth = 0  # of the script or style that was entered
        self._declaration: bytes | None = b""  # while nothing has come before or after it
        self._ends_in_cr = False
        self._open_character = b""
        self._name = b""
        self._is_end_tag = False
        self._mark = b""
        self._tail = b""

    def padding(self, size: int) -> bytes:
        """A comment; 7 bytes at least."""
        return b"<!--" + b" " * (size - 7) + b"-->"

    def _is_place(self, last: int) -> bool:
        if self._state != TEXT or self._depth < 1 or self._opaque_depth:
            return False
        return not (self._ends_in_cr or self._open_character)

    def _take(self, data: bytes, at: int, *, finds: bool) -> int:
        """Read on, with `finds` no more than a byte of text or to the end of a token.

        A step that reads nothing changes the state for the next byte.
        """
        if self._state == TEXT:
            return self._read_text(data, at, finds=finds)
        return _STEPS[self._state](self, data, at)

    # --- text ---------------------------------------------------------------------------------

    def _read_beginning(self, data: bytes, at: int) -> int:
        end = match_end(_BEGINNING, data, at)
        if end == at:
            self._state = OPEN if data[at] == 0x3C else LOST
            return at + 1
        return end

    def _read_text(self, data: bytes, at: int, *, finds: bool) -> int:
        if not finds and not self._opaque_depth and (match := _PLAIN.match(data, at)):
            self._count_tags(match[0])
            return match.end()
        end = match_end(_TEXT, data, at)
        if finds:
            end = min(end, at + 1)
        if end > at:
            self._ends_in_cr = data[end - 1] == 0x0D
            self._open_character = open_character(self._open_character, data[at:end])
            return end
        self._end_text()
        self._state = OPEN if data[at] == 0x3C else REFERENCE
        return at + 1

    def _end_text(self) -> None:
        self._ends_in_cr = False
        self._open_character = b""

    def _count_tags(self, plain: bytes) -> None:
        self._end_text()
        ends = plain.count(b"</")
        starts = plain.count(b"<") - ends - plain.count(b"/>")
        self._depth += starts - ends

    def _read_reference(self, data: bytes, at: int) -> int:
        end = match_end(_REFERENCE, data, at)
        if end == at:
            self._state = TEXT
        return end

    # --- markup -------------------------------------------------------------------------------

    def _read_open(self, data: bytes, at: int) -> int:
        byte = data[at]
        self._tail = b""
        if byte == 0x21:
            self._state = OPEN_MARK
            self._mark = b""
            return at + 1
        if byte == 0x3F:
            self._state = INSTRUCTION
            return at + 1
        self._state = NAME
        self._name = b""
        self._is_end_tag = byte == 0x2F
        return at + self._is_end_tag

    def _read_open_mark(self, data: bytes, at: int) -> int:
        self._mark += data[at : at + 1]
        self._declaration = None
        if self._mark in _MARKS:
            self._state = (COMMENT, CDATA, DOCTYPE)[_MARKS.index(self._mark)]
        elif not any(mark.startswith(self._mark) for mark in _MARKS):
            self._state = LOST
        return at + 1

    def _read_to(self, data: bytes, at: int, mark: bytes) -> int:
        """Read to the end of a token, whose mark may be cut."""
        whole = self._tail + data[at:]
        end = whole.find(mark)
        if end < 0:
            self._tail = whole[1 - len(mark) :]
            return len(data)
        self._state = TEXT
        return at + end + len(mark) - len(self._tail)

    def _read_comment(self, data: bytes, at: int) -> int:
        """Two hyphens are not allowed in it, so they must be its end."""
        whole = self._tail + data[at:]
        dashes = whole.find(b"--")
        if dashes < 0 or dashes + 2 == len(whole):
            self._tail = whole[-1:] if dashes < 0 else b"--"
            return len(data)
        end = at + dashes + 3 - len(self._tail)
        if whole[dashes + 2] == 0x3E:
            self._state = TEXT
        else:
            self._state = LOST
        return end

    def _read_cdata(self, data: bytes, at: int) -> int:
        return self._read_to(data, at, b"]]>")

    def _read_instruction(self, data: bytes, at: int) -> int:
        end = self._read_to(data, at, b"?>")
        if self._declaration is not None:
            self._declaration = (self._declaration + data[at:end])[:DECLARATION_BYTES_MAX]
            if self._state != INSTRUCTION:
                self._judge(self._declaration)
                self._declaration = None
        return end

    def _judge(self, declaration: bytes) -> None:
        match = _ENCODING.search(declaration)
        if declaration[:3] != b"xml" or match is None:
            return
        if not is_ascii_based(match[1].decode("latin-1")):
            self._state = LOST

    def _read_doctype(self, data: bytes, at: int) -> int:
        end = match_end(_DOCTYPE, data, at)
        if end > at:
            return end
        self._state = {
            0x3E: TEXT,
            0x22: DOCTYPE_DOUBLE_QUOTED,
            0x27: DOCTYPE_SINGLE_QUOTED,
        }.get(data[at], LOST)
        return at + 1

    # --- tags ---------------------------------------------------------------------------------

    def _read_name(self, data: bytes, at: int) -> int:
        end = match_end(_NAME, data, at)
        self._name = (self._name + data[at:end])[-_NAME_BYTES_MAX:]
        if end < len(data):
            self._state = TAG if self._name and b"\0" not in self._name else LOST
            self._declaration = None
        return end

    def _read_tag(self, data: bytes, at: int) -> int:
        end = match_end(_TAG, data, at)
        if end > at:
            return end
        byte = data[at]
        if byte == 0x3E:
            self._end_tag(is_empty=False)
        else:
            self._state = {0x22: DOUBLE_QUOTED, 0x27: SINGLE_QUOTED, 0x2F: SLASH}.get(byte, LOST)
        return at + 1

    def _read_slash(self, data: bytes, at: int) -> int:
        if data[at] != 0x3E or self._is_end_tag:
            self._state = LOST
            return at
        self._end_tag(is_empty=True)
        return at + 1

    def _read_quoted(self, data: bytes, at: int) -> int:
        is_double = self._state in (DOUBLE_QUOTED, DOCTYPE_DOUBLE_QUOTED)
        is_in_tag = self._state in (DOUBLE_QUOTED, SINGLE_QUOTED)
        end = data.find(b'"' if is_double else b"'", at) + 1
        if is_in_tag and data.find(b"<", at, end or len(data)) >= 0:
            self._state = LOST
        elif end:
            self._state = TAG if is_in_tag else DOCTYPE
        return end or len(data)

    def _end_tag(self, *, is_empty: bool) -> None:
        if self._is_end_tag:
            self._depth -= 1
            if self._depth < self._opaque_depth:
                self._opaque_depth = 0
        elif not is_empty:
            self._depth += 1
            if not self._opaque_depth and self._name.rpartition(b":")[2] in (b"script", b"style"):
                self._opaque_depth = self._depth
        self._state = TEXT

    def _read_nothing(self, data: bytes, at: int) -> int:
        return len(data)


_STEPS: Final[tuple[Callable[[XmlScanner, bytes, int], int], ...]] = (
    XmlScanner._read_beginning,
    XmlScanner._read_nothing,  # text, see _step
    XmlScanner._read_reference,
    XmlScanner._read_open,
    XmlScanner._read_open_mark,
    XmlScanner._read_name,
    XmlScanner._read_tag,
    XmlScanner._read_slash,
    *(XmlScanner._read_quoted,) * 2,
    XmlScanner._read_comment,
    XmlScanner._read_cdata,
    XmlScanner._read_instruction,
    XmlScanner._read_doctype,
    *(XmlScanner._read_quoted,) * 2,
    XmlScanner._read_nothing,
)
