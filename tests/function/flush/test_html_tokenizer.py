"""HTML's tokens, and what their receiver decides, however the body is split."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailrace.function.flush.html.tokenizer import LOST, RAW_TEXT, TEXT, HtmlTokenizer

RAW = (b"script", b"style", b"title")


class Recorder:
    """Notes the tokens; RAW elements begin raw text."""

    def __init__(self) -> None:
        self.tokens: list[str] = []
        self.is_certain = True

    def complete_tag(self, name: bytes, *, is_end: bool, is_self_closing: bool) -> int:
        self.tokens.append(f"<{'/' * is_end}{name.decode()}{'/' * is_self_closing}>")
        if not self.is_certain:
            return LOST
        return RAW_TEXT if name in RAW and not is_end else TEXT

    def complete_plain_tags(self, tags: bytes) -> bool:
        self.tokens.append(f"plain {tags.decode()}")
        return self.is_certain

    def begin_markup(self, byte: int) -> bool:
        self.tokens.append(f"begin {chr(byte)}")
        return self.is_certain

    def complete_markup(self) -> None:
        self.tokens.append("complete")


def read(tokenizer: HtmlTokenizer, document: str, *, chunk_bytes: int = 1 << 20) -> None:
    """Read a document in steps that pass no place."""
    raw = document.encode()
    for start in range(0, len(raw), chunk_bytes):
        chunk, at = raw[start : start + chunk_bytes], 0
        while at < len(chunk):
            at = tokenizer.step(chunk, at, finds=True)


def tokens_of(document: str, *, chunk_bytes: int = 1 << 20) -> list[str]:
    recorder = Recorder()
    read(HtmlTokenizer(recorder), document, chunk_bytes=chunk_bytes)
    return recorder.tokens


@pytest.mark.parametrize("chunk_bytes", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize(
    ("document", "tokens"),
    [
        ("<P class='a>b'>x</p >", ["<p>", "</p>"]),
        ("<br/><a b=/c>t<d e/ >", ["<br/>", "<a>", "<d>"]),
        ("x< y a<1 </> &amp; &#1;", []),
        ("<!-- a > -- -->t<!doctype html>", ["begin -", "complete", "begin d", "complete"]),
        ("<!--><!---><!-- --!>", ["begin -", "complete"] * 3),
        ("<?p >t</ x>", ["begin ?", "complete", "begin  ", "complete"]),
        ("<style><p></stylex></STYLE ><p>", ["<style>", "</style>", "<p>"]),
        ("<script><!--</script><p>", ["<script>", "</script>", "<p>"]),
        ("<script>'<p>' <!-- <script></script><p>", ["<script>"]),
        ("<p a='", []),
        ("\x00<p>", []),
    ],
)
def test_tokens(document: str, tokens: list[str], chunk_bytes: int) -> None:
    assert tokens_of(document, chunk_bytes=chunk_bytes) == tokens


def test_plain_elements_are_read_at_once_where_no_place_is_searched_for() -> None:
    recorder = Recorder()
    tokenizer = HtmlTokenizer(recorder)
    raw, at = b"a<b c='d'>e</b><!----><i>f", 0
    while at < len(raw):
        at = tokenizer.step(raw, at, finds=False)

    assert recorder.tokens == ["plain a<b c='d'>e</b>", "begin -", "complete", "plain <i>"]


@pytest.mark.parametrize("document", ["<p>t", "<!-- -->t", "<title>"])
@pytest.mark.parametrize("finds", [False, True])
def test_nothing_is_read_after_what_is_uncertain(document: str, finds: bool) -> None:
    recorder = Recorder()
    recorder.is_certain = False
    tokenizer = HtmlTokenizer(recorder)
    raw, at = f"{document}<p></p>".encode(), 0
    while at < len(raw):
        at = tokenizer.step(raw, at, finds=finds)

    assert tokenizer.state == LOST
    assert len(recorder.tokens) == 1


@pytest.mark.parametrize(
    ("document", "charset"),
    [
        ("<meta charset=utf-8>", "utf-8"),
        ("<meta name=x><META Charset='Big5'/><meta charset=utf-8>", "Big5"),
        ("<meta http-equiv=content-type content='text/html; charset=gbk'>", "gbk"),
        ("<!-- <meta charset=utf-8> --><p charset=utf-8></meta charset=utf-8>", None),
        (f"<meta x='{'x' * 1100}' charset=utf-8>", None),
    ],
)
@pytest.mark.parametrize("chunk_bytes", [1, 10_000])
def test_the_charset_of_the_first_meta_element_that_has_one(
    document: str, charset: str | None, chunk_bytes: int
) -> None:
    tokenizer = HtmlTokenizer(Recorder())
    read(tokenizer, document, chunk_bytes=chunk_bytes)

    assert tokenizer.meta_charset == charset


def test_state_in_text() -> None:
    tokenizer = HtmlTokenizer(Recorder())
    seen = []
    for byte in "<p>t\r\né".encode():
        at = 0
        while at == 0:  # a step that reads nothing changes the state
            at = tokenizer.step(bytes([byte]), at, finds=True)
        state = tokenizer.has_text, tokenizer.ends_in_cr, tokenizer.open_character
        seen.append((tokenizer.state == TEXT, *state))

    assert seen[2:] == [
        (True, False, False, b""),
        (True, True, False, b""),
        (True, True, True, b""),
        (True, True, False, b""),
        (True, True, False, b"\xc3"),
        (True, True, False, b""),
    ]


@settings(deadline=None)
@given(
    parts=st.lists(
        st.sampled_from(
            ["<p>", "</p", ">", "<!--", "-->", "<style>", "</style>", "x", "'", "<", "!"]
        ),
        max_size=12,
    ),
    random=st.integers(0, 2**32).map(Random),
)
def test_chunks_make_no_difference(parts: list[str], random: Random) -> None:
    document = "".join(parts)

    assert tokens_of(document, chunk_bytes=random.randint(1, 9)) == tokens_of(document)
