"""The charset that a content type declares."""

from __future__ import annotations

import re
from typing import Final

_ASCII_BASED: Final = re.compile(
    r"utf-?8|(us-)?ascii|latin-?[1-9]|(iso-?8859|windows|cp)-?(1[0-6]|[1-9]|125[0-8]|874)"
    r"|koi8-[ru]|macintosh"
)
_PARAMETER: Final = re.compile(r'[; \t]*([^=;\s"]+)=("(?:[^"\\]|\\.)*"|[^;"\s]*)[ \t]*(?:;|$)')


def declared_charset(parameters: str) -> str | None:
    """The charset that a type declares; one that cannot be read is none that is known."""
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
    """Whether each byte below 128 is ASCII, and never a part of another character."""
    return _ASCII_BASED.fullmatch(charset.strip().lower()) is not None
