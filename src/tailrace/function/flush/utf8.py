"""Where characters end in UTF-8, read in pieces."""

from __future__ import annotations

from codecs import utf_8_decode

_ESCAPE = b"\x1b"


def open_character(before: bytes, data: bytes) -> bytes:
    """The bytes of a character of which more are to come.

    `before` is what the last piece left open. Bytes that are no UTF-8 leave nothing open once
    they cannot become any; in charsets of one byte that is late, but never wrong.
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
    """Whether a text that says nothing of its charset may be taken for UTF-8.

    Text in Shift_JIS, GBK or Big5 is no valid UTF-8 but by chance; that in ISO-2022-JP has escapes.
    """

    __slots__ = ("_open",)

    def __init__(self) -> None:
        self._open = b""

    def accepts(self, data: bytes) -> bool:
        """Read on; False from the first byte that is wrong."""
        if not self._open and data.isascii():
            return _ESCAPE not in data
        whole = self._open + data
        try:
            _, end = utf_8_decode(whole, "strict", False)
        except UnicodeDecodeError:
            return False
        self._open = whole[end:]
        return _ESCAPE not in data
