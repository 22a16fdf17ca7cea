"""Markup that can stand beside others, and markup that would take in what follows it."""

from __future__ import annotations

import pytest

from tailrace.html.syntax import fault_of

WHOLE = [
    "",
    "text < & > \" ' text",
    "<p>left open<li><td>",
    "</div></p>",
    "<br/><input disabled value=a/b><a href='a>b' title=\"<!--\">",
    '<p title=a"b><p title==\'x><p ="x>',
    "<!-- a > b --><!--> <!---> <!-- x --!>",
    '<!doctype html><?start name="p1">…<?end></ x></>',
    "<script>if (a < b) { '</p>' }</script >",
    "<script><!-- </p> --></script>",
    "<STYLE>a > b { content: '<p' }</style>",
    "<textarea><p></textarea><title><!-- </title><titled>",
    "<template><template></template></template>",
    '<svg><title>a</title><path d="M0 0"/></svg><![CDATA[x]]>',
    "<noscript><img src=x></noscript>",
]
FAULTS = [
    ("text <b", "<b"),
    ("</", "</"),
    ('<a href="x>', '<a href="x>'),
    ("<a href= 'x>", "<a href= 'x>"),
    ("<p><!-- a >", "<!-- a >"),
    ("<?start", "<?start"),
    ("<script>a</scripted>", "<script>a</scripted>"),
    ("<script><!-- <script> </script>", "<script><!-- <script> </script>"),
    ("<textarea></title>", "<textarea></title>"),
    ("<plaintext>", "<plaintext>"),
    ("<![CDATA[ > ]]>", "<![CDATA[ > ]]>"),
    ("<svg><textarea><p></textarea>", "<textarea><p></textarea>"),
    ("<xmp>" + "x" * 100, "<xmp>" + "x" * 55),
]
UNPAIRED = [
    ("</Template>", "</template> ends what it has not begun"),
    ("<template><!-- </template> -->", "<template> is not closed"),
    ("<noscript>", "<noscript> is not closed"),
    ("<noscript><a title='</noscript>'></noscript>", "a tag of noscript is in a text"),
]


@pytest.mark.parametrize("markup", WHOLE)
def test_markup_that_is_whole(markup: str) -> None:
    assert fault_of(markup) == ""
    assert fault_of(f"<p>{markup}<p>") == ""


@pytest.mark.parametrize(("markup", "shown"), FAULTS)
def test_what_is_not_closed_is_shown(markup: str, shown: str) -> None:
    assert fault_of(markup) == f"this is not closed: {shown!r}"


@pytest.mark.parametrize(("markup", "words"), UNPAIRED)
def test_templates_and_noscript_are_paired(markup: str, words: str) -> None:
    assert words in fault_of(markup)


@pytest.mark.parametrize("piece", ["<!--", "<a href='", "<script>", "<a b=", "< ", "<svg>", "</"])
def test_long_markup_takes_no_longer_than_its_length(piece: str) -> None:
    """It would take hours if it were looked at from each place again."""
    fault_of(piece * 100_000)
