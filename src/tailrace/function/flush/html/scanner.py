"""Padding of HTML: comments.

Source: HTML Standard, section 13.2, read 2026-11.
"""

from __future__ import annotations

from tailrace.function.flush.charset import Utf8Check, is_ascii_based
from tailrace.function.flush.html.content import HtmlContent
from tailrace.function.flush.html.tags import NOSCRIPT_END
from tailrace.function.flush.html.tokenizer import LOST, NAME, TEXT, HtmlTokenizer

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from typing import Final

PRESCAN_BYTES: Final = 1024
"""In which browsers search for a charset if the content type has none."""

_BOM: Final = b"\xef\xbb\xbf"


class HtmlScanner:
    """Allows padding in text and between tags, from the first tag on.

    There is no place inside a tag, a comment, a character or a reference; in raw text (script,
    style, textarea, title, …) and noscript; or where `HtmlContent` allows no comment. If the
    content type declares no charset, there is none before a charset is found in the document, or
    PRESCAN_BYTES have none.
    """

    __slots__ = (
        "_charset_left",
        "_check",
        "_content",
        "_noscript_tail",
        "_start",
        "_tokens",
        "allows",
    )

    def __init__(self, *, is_declared: bool) -> None:
        self.allows = False
        self._content = HtmlContent()
        self._tokens = HtmlTokenizer(self._content)
        self._start = b""
        self._charset_left = 0 if is_declared else PRESCAN_BYTES
        self._check = None if is_declared else Utf8Check()
        self._noscript_tail = b""  # the last bytes of a noscript element that is being read

    def feed(self, data: bytes) -> None:
        at = 0
        while at < len(data):
            at = self._take(data, at, finds=False)
        if data:
            self.allows = self._is_place()

    def find(self, data: bytes) -> int:
        at = 0
        while at < len(data):
            before = at
            at = self._take(data, at, finds=True)
            if at > before and self._is_place():
                self.allows = True
                return at
        self.allows = self.allows and not data
        return -1

    def padding(self, size: int) -> bytes:
        """Return a comment of `size` bytes, at least 7."""
        return b"<!--" + b" " * (size - 7) + b"-->"

    def _is_place(self) -> bool:
        tokens = self._tokens
        if tokens.state != TEXT or tokens.ends_in_cr or tokens.open_character:
            return False
        if self._charset_left or self._content.noscript_context is not None:
            return False
        return self._content.allows_comment(has_text=tokens.has_text)

    def _take(self, data: bytes, at: int, *, finds: bool) -> int:
        """Parse on; return the new position. With `finds` it passes no place."""
        if self._check is None:
            return self._read(data, at, finds=finds)
        return self._take_undeclared(data, at, self._check, finds=finds)

    def _take_undeclared(self, data: bytes, at: int, check: Utf8Check, *, finds: bool) -> int:
        """Parse on; no step passes the end of the bytes in which a charset is searched for."""
        if len(self._start) < len(_BOM):
            self._start += data[at : at + 1]
            piece = data[: at + 1]
        else:
            piece = data[: at + self._charset_left] if self._charset_left else data
        end = self._read(piece, at, finds=finds and not self._charset_left)
        charset = "utf-8" if self._start == _BOM else self._tokens.meta_charset
        if charset is None:
            if self._charset_left:
                self._charset_left = max(self._charset_left - (end - at), 0)
            if not check.accepts(data[at:end]):
                self._tokens.state = LOST
            return end
        if not is_ascii_based(charset):
            self._tokens.state = LOST
        self._charset_left = 0
        self._check = None
        return end

    def _read(self, data: bytes, at: int, *, finds: bool) -> int:
        if self._content.noscript_context is not None:
            return self._read_noscript(data, at)
        return self._tokens.step(data, at, finds=finds and not self._content.foreign_depth)

    def _read_noscript(self, data: bytes, at: int) -> int:
        """Parse a noscript element, which is raw text where scripts run, and markup elsewhere.

        It is parsed as markup up to its end as raw text. If it ends there as markup as well, and in
        the context in which it started, what follows is the same for both.
        """
        tail, tokens = self._noscript_tail, self._tokens
        whole = tail + data[at:]
        match = NOSCRIPT_END.search(whole)
        end = len(data) if match is None else at + match.end() - len(tail)
        piece = data[:end]
        while at < end:
            at = tokens.step(piece, at, finds=False)
        if match is None:
            self._noscript_tail = whole[-len(b"</noscript") :]
            return end
        is_end = tokens.state == NAME and tokens.is_end_tag and tokens.name == b"noscript"
        if not is_end or self._content.context() != self._content.noscript_context:
            tokens.state = LOST
        self._noscript_tail = b""
        self._content.noscript_context = None
        return end
