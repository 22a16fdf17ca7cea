"""Padding: bytes that a content type ignores, and the places where it does.

A scanner reads a body as it is written and knows whether padding may stand behind what it has
read. Where it cannot be certain it allows no place: late is better than wrong.
"""

from __future__ import annotations

import re
from typing import Final, Protocol


class Scanner(Protocol):
    """Reads one body, however it is cut into chunks.

    Padding is not fed to it: it stands between the bytes that are, and changes nothing.
    """

    allows: bool
    """Padding may stand here, behind all that was read."""

    def feed(self, data: bytes) -> None:
        """Read on to the end of `data`."""

    def find(self, data: bytes) -> int:
        """Read on to the first place in `data` where padding may stand.

        The result is the number of bytes before it, 1 to len(data). The rest has not been read.
        -1: there is none, and all of `data` has been read.
        """

    def padding(self, size: int) -> bytes:
        """`size` bytes (or what the format needs at least) that may stand at a place."""


def scanner_for(content_type: str, *, pads_text: bool = False) -> Scanner | None:
    """A scanner for a body of this type, at its start; None when nothing in it is ignorable.

    None also for charsets in which bytes below 128 are not always ASCII (UTF-16, Shift_JIS, …).
    `pads_text` allows plain text, where padding is visible: lines of spaces.
    """
    essence, _, parameters = content_type.partition(";")
    essence = essence.strip(" \t").lower()
    charset = _charset(parameters)
    if charset is not None and not is_ascii_based(charset):
        return None
    return _scanner_of(essence, is_declared=charset is not None, pads_text=pads_text)


def is_ascii_based(charset: str) -> bool:
    """Whether each byte below 128 is ASCII, and never a part of another character."""
    return _ASCII_BASED.fullmatch(charset.strip().lower()) is not None


_ASCII_BASED: Final = re.compile(
    r"utf-?8|(us-)?ascii|latin-?[1-9]|(iso-?8859|windows|cp)-?(1[0-6]|[1-9]|125[0-8]|874)"
    r"|koi8-[ru]|macintosh"
)
_PARAMETER: Final = re.compile(r'[; \t]*([^=;\s"]+)=("(?:[^"\\]|\\.)*"|[^;"\s]*)[ \t]*(?:;|$)')
_NDJSON: Final = frozenset(
    f"application/{name}"
    for name in ("ndjson", "x-ndjson", "jsonl", "x-jsonl", "jsonlines", "x-jsonlines")
)
_JAVASCRIPT: Final = frozenset(
    f"{kind}/{name}"
    for kind in ("text", "application")
    for name in ("javascript", "x-javascript", "ecmascript", "x-ecmascript")
)


def _scanner_of(essence: str, *, is_declared: bool, pads_text: bool) -> Scanner | None:
    """The module of a type is imported when a body of it is streamed."""
    if essence == "text/event-stream":
        from tailrace.function.padding.sse import SseScanner

        return SseScanner()
    if essence in _NDJSON:
        from tailrace.function.padding.ndjson import NdjsonScanner

        return NdjsonScanner()
    if essence.endswith("+json") or essence in ("application/json", "text/json"):
        from tailrace.function.padding.json import JsonScanner

        return JsonScanner()
    if essence == "text/html":
        from tailrace.function.padding.html import HtmlScanner

        return HtmlScanner(is_declared=is_declared)
    if essence.endswith("+xml") or essence in ("application/xml", "text/xml"):
        from tailrace.function.padding.xml import XmlScanner

        return XmlScanner()
    if essence == "text/css":
        from tailrace.function.padding.css import CssScanner

        return CssScanner(is_declared=is_declared)
    if essence in _JAVASCRIPT:
        from tailrace.function.padding.javascript import JavaScriptScanner

        return JavaScriptScanner(is_declared=is_declared)
    if essence == "text/plain" and pads_text:
        from tailrace.function.padding.text import TextScanner

        return TextScanner()
    return None


def _charset(parameters: str) -> str | None:
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
