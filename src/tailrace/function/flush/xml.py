"""Padding of XML: comments.

Source: Extensible Markup Language 1.0, fifth edition, sections 2.4 to 2.8, 3.1 and 4.3.3, read
2026-11. The parser is expat, of the standard library. It reads what the handler writes, and its
position shows where a token ends: `CurrentByteIndex` is the start of the first unfinished token.
"""

from __future__ import annotations

from xml.parsers.expat import ExpatError, ParserCreate, XMLParserType

from tailrace.function.flush.charset import is_ascii_based, open_character

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from typing import Final

TOKEN_BYTES_MAX: Final = 65_536
"""Of an unfinished token, which expat and this scanner keep in memory."""
REREAD_BYTES_MAX: Final = 4_194_304
"""That expat reads again of one token: it starts at the token's first byte in each call."""
DEPTH_MAX: Final = 1024
"""Of elements that are open: expat keeps their names."""
NAMES_MAX: Final = 8192
"""Different names of elements and attributes: expat keeps each."""

_OPAQUE: Final = ("script", "style")
_ENDS: Final = {0x3C: b">", 0x26: b";"}
"""The last byte of a token that starts with `<` or `&`; any byte may end another."""


class XmlScanner:
    """Allows padding in the content of the root element, in text and between tags.

    There is no place inside a tag, a comment, CDATA, a processing instruction, a character or a
    reference, nor in script and style elements. No place follows an error, a DTD inside the
    document (it can declare entities, and elements without comments), a declared encoding that is
    not based on ASCII, or a limit of this module that was exceeded.

    `charset`: declared by the content type; it overrides the document's own declaration.
    """

    __slots__ = (
        "_depth",
        "_end",
        "_fed_bytes",
        "_held",
        "_is_in_cdata",
        "_names",
        "_opaque_depth",
        "_open_character",
        "_parser",
        "_reread_bytes",
        "_unfinished_bytes",
        "allows",
    )

    def __init__(self, charset: str | None = None) -> None:
        self.allows = False
        self._depth = 0
        self._opaque_depth = 0  # of the outermost script or style element that is open
        self._is_in_cdata = False
        self._open_character = b""
        self._fed_bytes = 0  # to expat
        self._unfinished_bytes = 0  # of them, in a token whose end is still to come
        self._reread_bytes = 0  # of that token
        self._end = b""  # the byte that may end that token; empty: any
        self._held = bytearray()  # of that token, and not yet fed to expat
        self._names: dict[str, str] = {}
        parser = ParserCreate("utf-8" if charset == "utf8" else charset, None, self._names)
        if hasattr(parser, "SetReparseDeferralEnabled"):  # expat 2.6, Python 3.11.9 and 3.12.3
            parser.SetReparseDeferralEnabled(False)  # REREAD_BYTES_MAX bounds the cost
        parser.ordered_attributes = True
        parser.XmlDeclHandler = _check_declaration
        parser.StartDoctypeDeclHandler = _check_doctype
        parser.StartElementHandler = self._start_element
        parser.EndElementHandler = self._end_element
        parser.StartCdataSectionHandler = self._start_cdata
        parser.EndCdataSectionHandler = self._end_cdata
        self._parser: XMLParserType | None = parser  # None: no place follows

    def feed(self, data: bytes) -> None:
        if data:
            self._read(data)

    def find(self, data: bytes) -> int:
        at = 0
        while at < len(data) and self._parser is not None:
            end = data.find(self._next_end(), at) + 1 or len(data)
            self._read(data[at:end])
            if self.allows:
                return end
            at = end
        return -1

    def padding(self, size: int) -> bytes:
        """Return a comment of `size` bytes, at least 7."""
        return b"<!--" + b" " * (size - 7) + b"-->"

    def _next_end(self) -> bytes:
        """The byte up to which there is no place; empty: the next byte may be followed by one."""
        return self._end if self._is_in_text() else b">"

    def _read(self, data: bytes) -> None:
        """Parse `data`; if it cannot end the unfinished token, keep it for the next call."""
        self.allows = False
        if self._parser is None:
            return
        self._open_character = open_character(self._open_character, data)
        is_xml = b"\0" not in data  # expat would accept UTF-16
        if self._end and self._end not in data:
            self._held += data
        elif is_xml:
            is_xml = self._parse(self._parser, bytes(self._held) + data)
        if (
            not is_xml
            or self._unfinished_bytes + len(self._held) > TOKEN_BYTES_MAX
            or self._reread_bytes > REREAD_BYTES_MAX
        ):
            self.allows = False
            self._parser = None
            self._held.clear()

    def _parse(self, parser: XMLParserType, data: bytes) -> bool:
        """Feed expat with bytes that may end a token; return False if it raises an error."""
        self._held.clear()
        self._fed_bytes += len(data)
        self._reread_bytes += self._unfinished_bytes
        try:
            parser.Parse(data, False)
        except (ExpatError, LookupError, ValueError):
            return False
        unfinished_bytes = self._fed_bytes - parser.CurrentByteIndex
        if unfinished_bytes <= len(data):  # the token that was unfinished has ended
            self._end = _ENDS.get(data[-unfinished_bytes], b"") if unfinished_bytes else b""
            self._reread_bytes = 0
        self._unfinished_bytes = unfinished_bytes
        self.allows = not unfinished_bytes and not self._open_character and self._is_in_text()
        return True

    def _is_in_text(self) -> bool:
        return self._depth > 0 and not self._opaque_depth and not self._is_in_cdata

    def _start_element(self, name: str, attributes: object) -> None:
        self._depth += 1
        if self._depth > DEPTH_MAX or len(self._names) > NAMES_MAX:
            raise ValueError("too many open elements or names")
        if not self._opaque_depth and name.rpartition(":")[2] in _OPAQUE:
            self._opaque_depth = self._depth

    def _end_element(self, name: str) -> None:
        if self._depth == self._opaque_depth:
            self._opaque_depth = 0
        self._depth -= 1

    def _start_cdata(self) -> None:
        self._is_in_cdata = True

    def _end_cdata(self) -> None:
        self._is_in_cdata = False


def _check_declaration(version: str, encoding: str | None, standalone: int) -> None:
    if encoding is not None and not is_ascii_based(encoding):
        raise ValueError(f"an encoding that is not based on ASCII: {encoding}")


def _check_doctype(name: str, system: str | None, public: str | None, has_subset: int) -> None:
    if has_subset:
        raise ValueError("a DTD inside the document")
