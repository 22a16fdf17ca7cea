"""The charset of a text: what its content type declares, and what its bytes can be."""

from __future__ import annotations

import re
from codecs import utf_8_decode

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from typing import Final

_ASCII_BASED: Final = re.compile(
    r"utf-?8|(us-)?ascii|latin-?[1-9]|(iso-?8859|windows|cp)-?(1[0-6]|[1-9]|125[0-8]|874)"
    r"|koi8-[ru]|macintosh"
)
_PARAMETER: Final = re.compile(r'[; \t]*([^=;\s"]+)=("(?:[^"\\]|\\.)*"|[^;"\s]*)[ \t]*(?:;|$)')
_ESCAPE: Final = b"\x1b"


def declared_charset(parameters: str) -> str | None:
    """Return the charset in the parameters of a content type, None if there is none.

    "unreadable" for parameters that are malformed, or that contradict each other.
    """
    found = None
    at = 0
    while parameters[at:].strip("; \t"):
        match = _PARAMETER.match(parameters, at)
        if match is None:
            return "unreadable" if "charset" in parameters.lower() else found
        name, value = match.groups()
        at = match.end()
        if name.lower() != "charset":
            continue
        value = value.strip('" \t').lower()
        if found not in (None, value):
            return "unreadable"
        found = value
    return found


def is_ascii_based(charset: str) -> bool:
    """Whether every byte below 128 is always an ASCII character in this charset."""
    return _ASCII_BASED.fullmatch(charset.strip().lower()) is not None


def open_character(before: bytes, data: bytes) -> bytes:
    """Return the bytes of an incomplete UTF-8 character at the end of a text.

    `before` is the result for the text up to `data`. Bytes that cannot be UTF-8 are complete. In a
    charset of one byte per character the result may be not empty for up to 3 bytes: padding comes
    late then, never inside a character.
    """
    if not data or data[-1] < 0x80:
        return b"" if data else before
    tail = (before + data)[-3:]
    for size in range(1, len(tail) + 1):
        byte = tail[-size]
        if byte >= 0xC0:
            wanted = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return tail[-size:] if size < wanted else b""
        if byte < 0x80:
            break
    return b""


class Utf8Check:
    """Whether a text without a declared charset can be UTF-8.

    Text in Shift_JIS, GBK or Big5 is valid UTF-8 only by chance; ISO-2022-JP uses escapes.
    """

    __slots__ = ("_open",)

    def __init__(self) -> None:
        self._open = b""

    def accepts(self, data: bytes) -> bool:
        """Check the next bytes; False from the first byte that is not UTF-8, or an escape."""
        if not self._open and data.isascii():
            return _ESCAPE not in data
        whole = self._open + data
        try:
            _, end = utf_8_decode(whole, "strict", False)
        except UnicodeDecodeError:
            return False
        self._open = whole[end:]
        return _ESCAPE not in data
