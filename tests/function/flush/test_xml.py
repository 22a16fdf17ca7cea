"""XML: places that are known, and expat that reads the same with padding at each place."""

from __future__ import annotations

import sys
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
    scanner,
)

from tailrace.function.flush.xml import (
    DEPTH_MAX,
    NAMES_MAX,
    REREAD_BYTES_MAX,
    TOKEN_BYTES_MAX,
    XmlScanner,
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
        "<a>|a|]]b|] |<![CDATA[]]]]>|</a>",
        "<a>|]]></a>",
        "<a>|</b></a>",
        "<a>|<script>&amp;<b/>t</script>|<b>|<style/>|</b>|</a>",
        "<!DOCTYPE a []><a></a>",
        "<!DOCTYPE a SYSTEM 'b'>\n<a>|&b;|</a>",
    ],
)
def test_places(document: str) -> None:
    assert marked(XML, document.replace("|", "")) == document
    for seed in range(5):
        assert_same_for_any_chunks(XML, document.replace("|", "").encode(), Random(seed))


def test_no_place_is_inside_a_character() -> None:
    assert places(XML, "<a>é€😀".encode()) == [3, 5, 8, 12]


@pytest.mark.parametrize(
    ("content_type", "declaration", "has_places"),
    [
        (XML, "", False),
        (f"{XML}; charset=iso-8859-1", "", True),
        (f"{XML}; charset=windows-1252", '<?xml version="1.0" encoding="UTF-8"?>', True),
        (XML, '<?xml version="1.0" encoding="ISO-8859-1"?>', True),
        (f"{XML}; charset=utf8", '<?xml version="1.0" encoding="ISO-8859-1"?>', False),
    ],
)
def test_a_charset_of_one_byte_has_places_if_it_is_declared(
    content_type: str, declaration: str, has_places: bool
) -> None:
    """Not behind a byte that could begin a character in UTF-8, either."""
    start = f"{declaration}<a>".encode()

    found = places(content_type, start + b"t\xe9tt")

    assert [place - len(start) for place in found] == ([0, 1, 3, 4] if has_places else [0, 1])


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


# --- what it costs -------------------------------------------------------------------------------


def read(document: bytes, chunk_bytes: int) -> XmlScanner:
    """A scanner that has read the document, every second chunk by `find`."""
    reader = XmlScanner()
    for number, at in enumerate(range(0, len(document), chunk_bytes)):
        chunk = document[at : at + chunk_bytes]
        if number % 2:
            while (place := reader.find(chunk)) > 0:
                chunk = chunk[place:]
        else:
            reader.feed(chunk)
    return reader


@pytest.mark.parametrize("token", ["<!--%s-->", "<b c='%s'/>", "<?p %s?>", "<b%s/>"])
@pytest.mark.parametrize("chunk_bytes", [1, 1000])
def test_an_unfinished_token_has_a_bound(token: str, chunk_bytes: int) -> None:
    fits, exceeds = (f"<a>{token % ('x' * size)}".encode() for size in (60_000, 70_000))

    assert read(fits, chunk_bytes).allows
    assert not read(exceeds, chunk_bytes).allows
    assert read(exceeds, len(exceeds)).allows  # in one chunk nothing is kept


def test_text_and_cdata_have_no_bound() -> None:
    text, cdata = "x" * 3 * TOKEN_BYTES_MAX, "<![CDATA[" + "x" * 3 * TOKEN_BYTES_MAX + "]]>"

    assert read(f"<a>{text}{cdata}<b>".encode(), 1000).allows


def test_a_token_that_seems_to_end_often_has_a_bound() -> None:
    """Expat reads it from its start each time."""
    size = int((2 * REREAD_BYTES_MAX) ** 0.5)
    fits, exceeds = (f"<a><b c='{'>' * count}'/>".encode() for count in (size - 50, size + 50))

    assert read(fits, 1).allows
    assert not read(exceeds, 1).allows


def test_open_elements_have_a_bound() -> None:
    assert XmlScanner().find(b"<a>") == 3
    assert read(b"<a>" * DEPTH_MAX, 1000).allows
    assert not read(b"<a>" * (DEPTH_MAX + 1), 1000).allows


def test_different_names_have_a_bound() -> None:
    fits, exceeds = (
        "".join(["<a>", *(f"<b{number}/>" for number in range(count))]).encode()
        for count in (NAMES_MAX - 1, NAMES_MAX)
    )

    assert read(fits, 1000).allows
    assert not read(exceeds, 1000).allows


def test_entities_are_not_declared() -> None:
    """Nothing is expanded: the document is not read from its DTD on."""
    entities = "".join(f'<!ENTITY e{n + 1} "{f"&e{n};" * 10}">' for n in range(12))
    document = f'<!DOCTYPE a [<!ENTITY e0 "x">{entities}]><a>&e12;</a>'.encode()

    assert places(XML, document) == []
    assert not read(document, len(document)).allows


def parser_calls(document: bytes) -> int:
    """How often expat is called to read the document to its end, or to the first place."""
    calls = 0

    def count(frame: object, event: str, called: Any) -> None:
        nonlocal calls
        calls += event == "c_call" and called.__name__ == "Parse"

    reader = scanner(XML)
    sys.setprofile(count)
    try:
        reader.find(document)
    finally:
        sys.setprofile(None)
    return calls


@pytest.mark.parametrize(
    "document",
    [
        "<a><!--%s-->",
        "<a b='%s'>",
        "<a><script>%s</script>",
        "<!-- %s --><a>",
        "<a><![CDATA[%s]]>",
    ],
)
def test_expat_is_called_seldom(document: str) -> None:
    """Also where a place is looked for: only what may end a token is a reason to call it."""
    assert parser_calls((document % ("é;]\r" * 10_000)).encode()) < 10
