"""Which content types have padding, and in which charsets."""

from __future__ import annotations

import pytest

from tailrace.function.flush.scanners import scanner_for

COMMENT, COMMENT_LINE, SPACES = b"<!--  -->", b":       \n", b" " * 9
KINDS = {
    "text/event-stream": ("LineScanner", COMMENT_LINE),
    "Text/Event-Stream ; charset=utf-8": ("LineScanner", COMMENT_LINE),
    "application/x-ndjson": ("LineScanner", SPACES),
    "application/jsonl": ("LineScanner", SPACES),
    "application/json": ("JsonScanner", SPACES),
    "application/problem+json; charset=UTF-8": ("JsonScanner", SPACES),
    "text/html": ("HtmlScanner", COMMENT),
    'text/html;charset="utf-8"': ("HtmlScanner", COMMENT),
    "text/html; a=b;; charset=utf8": ("HtmlScanner", COMMENT),
    "TEXT/HTML;CHARSET=ISO-8859-15": ("HtmlScanner", COMMENT),
    "text/html; charset=windows-1252": ("HtmlScanner", COMMENT),
    "application/xhtml+xml": ("XmlScanner", COMMENT),
    "image/svg+xml": ("XmlScanner", COMMENT),
    "application/atom+xml;type=feed": ("XmlScanner", COMMENT),
    "text/xml": ("XmlScanner", COMMENT),
    "text/xml; charset=us-ascii": ("XmlScanner", COMMENT),
}
NONE = (
    "",
    "text",
    "text/plain",
    "text/csv",
    "text/css",
    "text/markdown",
    "text/javascript",
    "application/javascript; charset=us-ascii",
    "image/png",
    "application/octet-stream",
    "application/json-seq",
    "application/geo+json-seq",
    "application/xml-dtd",
    "multipart/mixed; boundary=x",
    "text/html, application/json",
    "text/html; charset=utf-16",
    "application/json; charset=utf-16le",
    "text/html; charset=utf-32",
    "text/html; charset=utf-7",
    "text/html; charset=shift_jis",
    "text/html; charset=iso-2022-jp",
    "text/html; charset=gb18030",
    "text/html; charset=utf-8; charset=big5",
    'text/html; charset="utf-8',
    "text/html; charset=",
    "text/html; charset = utf-8",
    "text/html; x; charset=gbk",
)


@pytest.mark.parametrize("content_type", KINDS)
def test_types_with_something_ignorable(content_type: str) -> None:
    scanner = scanner_for(content_type)

    assert scanner is not None
    assert (type(scanner).__name__, scanner.padding(9)) == KINDS[content_type]


@pytest.mark.parametrize("content_type", NONE)
def test_types_without(content_type: str) -> None:
    assert scanner_for(content_type) is None


def test_plain_text_is_padded_only_when_that_is_asked_for() -> None:
    assert scanner_for("text/plain; charset=utf-8") is None
    scanner = scanner_for("text/plain", pads_text=True)
    assert scanner is not None
    assert (type(scanner).__name__, scanner.padding(9)) == ("LineScanner", b" " * 8 + b"\n")
    assert scanner_for("text/csv", pads_text=True) is None


@pytest.mark.parametrize("content_type", sorted({kind.partition(";")[0] for kind in KINDS}))
def test_nothing_written_changes_nothing(content_type: str) -> None:
    scanner = scanner_for(content_type)
    assert scanner is not None
    allows = scanner.allows

    scanner.feed(b"")

    assert (scanner.find(b""), scanner.allows) == (-1, allows)
