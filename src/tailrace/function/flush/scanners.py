"""Padding: bytes that a content type ignores, and the places where it ignores them.

A scanner parses a body as it is written, and finds the places where padding may stand. Where that
is not certain there is no place: a late flush is better than a changed document.
"""

from __future__ import annotations

from tailrace.function.flush.charset import declared_charset, is_ascii_based
from tailrace.records import Protocol

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from typing import Final


class Scanner(Protocol):
    """Parses one body, however it is split into chunks.

    Padding is not passed to it.
    """

    allows: bool
    """Whether padding may stand here, after all bytes that were parsed."""

    def feed(self, data: bytes) -> None:
        """Parse `data`."""

    def find(self, data: bytes) -> int:
        """Parse `data` up to the first place in it.

        Return the number of bytes before the place, 1 to len(data); the rest is not parsed. -1:
        there is no place, and all of `data` has been parsed.
        """

    def padding(self, size: int) -> bytes:
        """Return padding of `size` bytes, or of the least that the format needs."""


def scanner_for(content_type: str, *, pads_text: bool = False) -> Scanner | None:
    """Return a new scanner for a body of this type; None if the type has no padding.

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
    """Import the type's module only now, when a body of that type is streamed."""
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
