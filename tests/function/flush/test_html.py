"""HTML: places that are known, and a browser that sees the same page with padding at each place."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.browser import Chromium
from tests.function.flush.places import (
    assert_same_for_any_chunks,
    assert_sizes,
    marked,
    places,
    scanner,
)

HTML = "text/html; charset=utf-8"
UNDECLARED = "text/html"

FRAGMENTS = [
    *("<!doctype html>", "<html>", "<head>", "</head>", "<body class=x>", "</body>", "</html>"),
    *("<p>", "</p>", "<b a='1>2' c=\"<\">", "</b>", "text", "x<y", "a<", " ", "\n", "\r\n", "\r"),
    *("&amp;", "&amp", "&notit;", "&#x41;", "&#", "&", "<", ">", "</>", "</ x>", "<?pi ?>", "<!x>"),
    *("<!-", "<!---->", "<!-->", "<!--->", "<!-- a --> ", "<!-- a --!>", "<!--", "-->", "--!>"),
    *("--", "-", "!", "<script>", "</script>", "</script >", "<script>var a='<b>'</script>"),
    *("<script><!--", "<script>if(a<!--b)</script>", "//-->", "<style>", "</style>"),
    *("</STYLE x='>'>", "<title>", "</title>", "<title/>", "<textarea>", "</textarea>", "<pre>"),
    *("<pre>\n", "</pre>", "<listing>", "<table>", "</table>", "<tr>", "<td>", "</td>", "</tr>"),
    *("<caption>", "<col>", "<template>", "</template>", "<select>", "<option>", "</select>"),
    *("<svg>", "</svg>", "<svg/>", "<path d='M 0 0'/>", "<g>", "</g>", "<desc>", "</desc>"),
    *("<foreignObject>", "</foreignObject>", "<math>", "</math>", "<mi>", "</mi>", "<mtext>"),
    *("<![CDATA[", "]]>", "<style/>", "<script/>", "<noscript>", "</noscript>", "<iframe>"),
    *("</iframe>", "<xmp>", "</xmp>", "<plaintext>", "<frameset>", "<div a=>", "</div>"),
    *("<div =a=b c = d>", "<div a='", "'", '"', "=", "/", "<br/>", "<a href=x/>", "é€😀"),
    *("<input type=checkbox checked>", "<meta charset=utf-8>", "<form>", "<button>"),
]

# Each document without its comments, as a list of tokens; neighbouring text is one.
COMPARE = """
(cases) => {
  const walk = (node, out) => {
    for (const child of node.childNodes) {
      if (child.nodeType === Node.COMMENT_NODE) continue;
      if (child.nodeType === Node.ELEMENT_NODE) {
        const attributes = [...child.attributes].map((a) => [a.name, a.value]);
        out.push([child.namespaceURI, child.nodeName, attributes]);
        walk(child, out);
        if (child.content) walk(child.content, out);
        out.push("end");
      } else if (child.nodeType === Node.TEXT_NODE || child.nodeType === Node.CDATA_SECTION_NODE) {
        const last = out[out.length - 1];
        if (last && last.text !== undefined) last.text += child.data;
        else out.push({ text: child.data });
      } else {
        out.push([child.nodeType, child.nodeName, child.data, child.publicId, child.systemId]);
      }
    }
  };
  const tree = (text) => {
    const page = new DOMParser().parseFromString(text, "text/html");
    const out = [page.compatMode];
    walk(page, out);
    return JSON.stringify(out);
  };
  const different = [];
  for (const [text, places] of cases) {
    const characters = [...text];
    const wanted = tree(text);
    let everywhere = "", before = 0;
    for (const place of places) {
      const [head, tail] = [characters.slice(0, place), characters.slice(place)];
      const one = head.join("") + "<!--    -->" + tail.join("");
      if (tree(one) !== wanted) different.push(one);
      everywhere += characters.slice(before, place).join("") + "<!-- -->";
      before = place;
    }
    everywhere += characters.slice(before).join("");
    if (tree(everywhere) !== wanted) different.push(everywhere);
  }
  return different;
}
"""


@pytest.mark.parametrize(
    "document",
    [
        " <!doctype html>|<p>|a|b|</p>|",
        "<p a  =  b  c  >|x|",
        "<p a='>' b=\">\" c=>|x|<br/>|",
        "<p>|a|&lt;|b|&lt;|&#65;|&x |c|",
        "<p>|a|<!-- > -- -->|b|<!-->|c|<!--->|d|<!-- --!>|e|<!->|<?x ?>|</ x>|",
        "<p>|a|\r\n|b|",
        "<p>|x|<</p>|",
        "<script>a < b</script>|<style>x</style>|<title>a</title >|<textarea>b</TEXTAREA>|",
        "<script><!-- </script>|x|",
        "<script><!-- <script> </script> --> </script> x",
        "<script><!-- --><script></script>|",
        "<pre>\n|a|</pre>|",
        "<pre>a|</pre>|",
        "<svg><path d=''/><text>a</text><title>b</title></svg>|",
        "<svg><style>a<b</style></svg> x",
        "<svg><style><b></b></style></svg> x",
        "<svg><style><!-- --></style></svg> x",
        "<svg><style/></svg> x",
        "<svg><desc/><mi/></svg>|",
        "<svg><select></svg>|<style></style> x",
        "<svg><svg></svg><svg/></svg>|<svg/>|",
        "<svg><![CDATA[>]]></svg> x",
        "<svg><foreignObject></foreignObject></svg> x",
        "<math><mi>x</mi></math>|",
        "<math><mi><b>x</b></mi></math> x",
        "<table>| a<tr>| <td>|b| |</td>| </table>|c| |",
        "<table>|<template>| a</template>| x</table>| b",
        "<template>|a|<tr>| b</template>| x",
        "<select>|<option>|a|</select>|",
        "<select>|<title>x</title> x",
        "<noscript><iframe src=x></iframe></noscript>|",
        "<noscript><!-- </noscript> --> x",
        "<noscript><table></noscript> x",
        "<plaintext>x",
        "<frameset> ",
    ],
)
def test_places(document: str) -> None:
    assert marked(HTML, document.replace("|", "")) == document
    for seed in range(5):
        assert_same_for_any_chunks(HTML, document.replace("|", "").encode(), Random(seed))


def test_no_place_is_inside_a_character() -> None:
    document = "<p>é€😀".encode()

    assert places(HTML, document) == [3, 5, 8, 12]


def test_a_charset_that_is_not_declared_comes_first() -> None:
    """A browser looks for one in the first 1024 bytes, which padding would fill."""
    head = b"<!doctype html><meta charset=utf-8>"
    pragma = b'<meta http-equiv="Content-Type" content="text/html; charset=utf-8">'
    late = b"<!doctype html><p>" + b"x" * 2000

    assert places(UNDECLARED, head + b"<p>") == [35, 38]
    assert places(UNDECLARED, pragma) == [len(pragma)]
    assert places(UNDECLARED, "\ufeff<p>".encode()) == [6]
    assert places(UNDECLARED, late) == list(range(1024, len(late) + 1))
    assert places(UNDECLARED, late + "é".encode())[-2:] == [len(late), len(late) + 2]


@pytest.mark.parametrize(
    "document",
    [
        b"<meta charset=shift_jis><p>x",
        b"<meta name=description content='charset=utf-8'><p>x",
        b"x" * 1024 + b"\x83\x5c<p>",
        b"x" * 1024 + b"\x1b$B<p>",
        "<p>x".encode("utf-16"),
        b"\0<\0p\0>",
    ],
)
def test_an_unknown_charset_has_no_places(document: bytes) -> None:
    assert [place for place in places(UNDECLARED, document) if place > 1024] == []


@settings(deadline=None, max_examples=50)
@given(
    document=st.lists(st.sampled_from(FRAGMENTS), max_size=15).map("".join),
    random=st.integers(0, 2**32).map(Random),
    content_type=st.sampled_from([HTML, UNDECLARED]),
)
def test_chunks_make_no_difference(document: str, random: Random, content_type: str) -> None:
    assert_same_for_any_chunks(content_type, document.encode(), random)


@pytest.mark.parametrize("end", ["<p>é</p> x", "é" * 10, "<!-- x -->&amp;x", "\r\n\r\r<b>\x1b x"])
@pytest.mark.parametrize("size", [1012, 1019, 1023])
def test_nor_do_they_where_the_search_for_a_charset_ends(end: str, size: int) -> None:
    document = f"{'x' * size}{end}".encode()

    assert_same_for_any_chunks(UNDECLARED, document, Random(size))


def test_a_browser_sees_the_same_page() -> None:
    """Each document is compared with padding at each place, and at all of them."""
    random = Random(20261122)
    cases: list[Any] = []
    for _ in range(500):
        kinds = [*random.choices(FRAGMENTS, k=random.randint(2, 30)), "x", " ", "<p>"]
        start = random.choice(["", "<!doctype html><body>"])
        document = start + "".join(random.choices(kinds, k=random.randint(2, 25)))
        raw = document.encode()
        cases.append([document, [len(raw[:place].decode()) for place in places(HTML, raw)]])
    assert sum(len(found) for _, found in cases) > 3000

    with Chromium() as browser:
        assert browser.evaluate(f"({COMPARE})({json.dumps(cases)})") == []


def test_sizes() -> None:
    assert_sizes(HTML, 7)
    assert scanner(HTML).padding(9) == b"<!--  -->"
