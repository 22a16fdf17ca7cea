"""XML: places that are known, and expat that reads the same with padding at each place."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from random import Random
from typing import Any
from xml.parsers import expat

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.function.flush.places import (
    assert_same_for_any_chunks,
    assert_sizes,
    marked,
    padded,
    padded_everywhere,
    places,
)

XML = "application/xml"

FRAGMENTS = [
    *('<?xml version="1.0"?>', "<a>", "</a>", "<b/>", "<x:b c='>' d=\"'\">", "</x:b>", "<style>"),
    *("</style>", "<svg:script>", "</svg:script>", "<script/>", "t", " ", "\r\n", "&amp;", "&#65;"),
    *("&", ";", "<!-- > -->", "<!--", "-->", "--", "<![CDATA[ <x> ]]>", "<![CDATA[", "]]>", "é😀"),
    *("<?p '>' ?>", "<?", "?>", "<!DOCTYPE a>", "<!DOCTYPE a [", "]>", "<", ">", "/", '"', "'"),
    *("</a/>", "<a b/c>", "< a>", "\x00", "[", "="),
]


@pytest.mark.parametrize(
    "document",
    [
        '<?xml version="1.0"?>\n<!-- c --><a b=">">|t| |&amp;|<b/>|</a> \n',
        "<a>|\r\n|<b c='/>'>|</b>|</a>",
        "<a>|<style>x</style>|<svg:script>y</svg:script>|<script/>|</a>",
        "<a>|<![CDATA[ > ]]>|<?p > ?>|<!-- > -->|</a>",
        "<!DOCTYPE a SYSTEM 'b>'><a>|</a>",
        "<!DOCTYPE a [<!ELEMENT a EMPTY>]><a></a>",
        "<a>|<!-- -- --></a>",
        "<a>|<b c='<'></b></a>",
        "<a>|<!x></a>",
        "<a>|</a/>",
        "<a>|<b c=<></b></a>",
        '<?xml version="1.0" encoding="utf-8"?><a>|</a>',
        '<?xml version="1.0" encoding="iso-2022-jp"?><a></a>',
        "x<a></a>",
    ],
)
def test_places(document: str) -> None:
    assert marked(XML, document.replace("|", "")) == document
    for seed in range(5):
        assert_same_for_any_chunks(XML, document.replace("|", "").encode(), Random(seed))


def test_no_place_is_inside_a_character() -> None:
    assert places(XML, "<a>é€😀".encode()) == [3, 5, 8, 12]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp500"])
def test_other_encodings_have_no_places(encoding: str) -> None:
    assert places(XML, "<a>text</a>".encode(encoding)) == []


@settings(deadline=None, max_examples=60)
@given(
    document=st.lists(st.sampled_from(FRAGMENTS), max_size=15).map("".join),
    random=st.integers(0, 2**32).map(Random),
)
def test_chunks_make_no_difference(document: str, random: Random) -> None:
    assert_same_for_any_chunks(XML, f"<r>{document}".encode(), random)
    assert_same_for_any_chunks(XML, document.encode(), random)


def content(document: bytes) -> list[Any]:
    """What a document consists of, but for comments; neighbouring text is one."""
    found: list[Any] = []

    def add(*item: Any) -> None:
        found.append(item)

    def add_text(text: str) -> None:
        if found and isinstance(found[-1], str):
            text = found.pop() + text
        found.append(text)

    parser = expat.ParserCreate()
    parser.StartElementHandler = lambda name, attributes: add(name, *attributes.items())
    parser.EndElementHandler = add
    parser.CharacterDataHandler = add_text
    parser.ProcessingInstructionHandler = add
    parser.StartDoctypeDeclHandler = add
    parser.Parse(document, True)
    return found


texts = st.sampled_from(
    [
        *("t", "é€😀 ", " \n", "\r\n", "&amp;&#65;&lt;", "<!-- c > < -->", "<!---->", "a>b/>c"),
        *("<?p a='>' ?>", "<![CDATA[ <x> ]] &amp; ]]>", "<![CDATA[]]>", "'\""),
    ]
)
names = st.sampled_from(["a", "b", "x:c", "script", "x:style", "pré"])
attributes = st.sampled_from(["", ' k="v"', " k='a>b'", ' k="a/>b"', "\nk = ']]>'", ' k="&amp;é"'])


def element(parts: tuple[str, str, list[str]]) -> str:
    name, attribute, inner = parts
    return f"<{name}{attribute}>{''.join(inner)}</{name} >" if inner else f"<{name}{attribute}/>"


elements = st.recursive(
    texts,
    lambda inner: st.tuples(names, attributes, st.lists(inner, max_size=4)).map(element),
    max_leaves=15,
)
prologues = st.sampled_from(
    [
        "",
        '<?xml version="1.0"?>',
        '\ufeff<?xml version="1.0" encoding="UTF-8"?>\n<!-- c -->',
        "<!DOCTYPE r>",
        '<!DOCTYPE r SYSTEM "http://a>b"><?p q?>',
    ]
)


@settings(deadline=None)
@given(prologue=prologues, inner=st.lists(elements, max_size=4).map("".join))
def test_a_parser_reads_the_same(prologue: str, inner: str) -> None:
    document = f'{prologue}<r xmlns:x="u">{inner}</r>\n'.encode()

    everywhere = padded_everywhere(XML, document)
    found = places(XML, document)

    assert content(everywhere) == content(document)
    assert ET.canonicalize(everywhere.decode()) == ET.canonicalize(document.decode())
    for place in found[:10]:
        assert content(padded(document, [place], b"<!---->")) == content(document)


def test_sizes() -> None:
    assert_sizes(XML, 7)
