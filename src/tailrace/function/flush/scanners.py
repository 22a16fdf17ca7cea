"""Padding: bytes that a content type ignores, and the places where it does.

A scanner reads a body as it is written and knows whether padding may stand behind what it has
read. Where it cannot be certain it allows no place: late is better than wrong.
"""

from __future__ import annotations

from typing import Final, Protocol

from tailrace.function.flush.charset import declared_charset, is_ascii_based


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
    charset = declared_charset(parameters)
    if charset is not None and not is_ascii_based(charset):
        return None
    return _scanner_of(essence, charset, pads_text=pads_text)


_NDJSON: Final = frozenset(
    f"application/{name}"
    for name in ("ndjson", "x-ndjson", "jsonl", "x-jsonl", "jsonlines", "x-jsonlines")
)


def _scanner_of(essence: str, charset: str | None, *, pads_text: bool) -> Scanner | None:
    """The module of a type is imported when a body of it is streamed."""
    if essence == "text/event-stream":
        from tailrace.function.flush.lines import LineScanner, comment_lines

        return LineScanner(comment_lines)
    if essence in _NDJSON:
        from tailrace.function.flush.lines import LineScanner, leading_spaces

        return LineScanner(leading_spaces)
    if essence.endswith("+json") or essence in ("application/json", "text/json"):
        from tailrace.function.flush.json import JsonScanner

        return JsonScanner()
    if essence == "text/html":
        from tailrace.function.flush.html.scanner import HtmlScanner

        return HtmlScanner(is_declared=charset is not None)
    if essence.endswith("+xml") or essence in ("application/xml", "text/xml"):
        from tailrace.function.flush.xml import XmlScanner

        return XmlScanner(charset)
    if essence == "text/plain" and pads_text:
        from tailrace.function.flush.lines import LineScanner, blank_line

        return LineScanner(blank_line)
    return None
