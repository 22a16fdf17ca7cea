"""CSS: places that are known, and a browser that has the same rules with padding at each place."""

from __future__ import annotations

import json
from random import Random

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

CSS = "text/css; charset=utf-8"
UNDECLARED = "text/css"

FRAGMENTS = [
    *("a", "b{", "}", "{", ";", ":", " ", "\n", "\r\n", "color:red;", "color: red", "--x:"),
    *("width:calc(1px + 2px)", "--x: {a;b}", "--y : a b;", "-", "--", "\\", "\\2d", "\\-x:", "\\;"),
    *("\\}", "/* c; { } */", "/**/", "/*", "*/", "/", "*", '"s;{"', "'s}'", '"', "'", '"\\\n"'),
    *('"\\""', '"\\\r\n;"', "url(", "url(a;b)", "url( 'x;y' )", 'URL("x")', "url(a\\)b;)"),
    *("u\\72l(", ")", "(", "myurl(;)", "#url(", "@url(", "-url(", "1url(", "[", "]", "é"),
    *("@media screen{", "@supports (--a:{;}) {", "@import url(x;y);", '@charset "utf-8";'),
    *("@font-face{src:url(data:a;b,c)}", ".sm\\:w:hover{", "a:not(.b){", 'content:"é;";'),
    *("background:url(x)", "background:url(x;y);", "!important", "<!--", "-->", "p{color:red}"),
    *(
        "p{--z:;margin:1px}",
        "&:hover{",
        "u+26",
        "url /**/ (",
        "ur/**/l(;)",
        'url(a")")',
        "(/* ) */",
    ),
]

COMPARE = """
(cases) => {
  const dump = (rule) => {
    const names = rule.style ? [...rule.style] : [];
    const inner = rule.cssRules ? [...rule.cssRules].map(dump) : [];
    const values = names.map((name) => [name, rule.style.getPropertyValue(name)]);
    return [rule.constructor.name, rule.cssText, values, inner];
  };
  const rules = (text) => {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(text);
    return JSON.stringify([...sheet.cssRules].map(dump));
  };
  const different = [];
  let filled = 0;
  for (const [text, places] of cases) {
    const characters = [...text];
    const wanted = rules(text);
    if (wanted !== "[]") filled++;
    let everywhere = "", before = 0;
    for (const place of places) {
      const [head, tail] = [characters.slice(0, place), characters.slice(place)];
      const one = head.join("") + "/*   */" + tail.join("");
      if (rules(one) !== wanted) different.push(one);
      everywhere += characters.slice(before, place).join("") + "/**/";
      before = place;
    }
    everywhere += characters.slice(before).join("");
    if (rules(everywhere) !== wanted) different.push(everywhere);
  }
  return [filled, different];
}
"""


@pytest.mark.parametrize(
    "document",
    [
        '@charset "utf-8";|@import url(a;b);|\n|a {|color:red;|}|',
        "a:hover > b{|--x: {a;b} c;|--y:d}|",
        "a{|-webkit-x:y;|\\2d-x:{;};|}|",
        "/* ; */|a{|b:/* { */c;|}| |/* } */|",
        "a{|b:';' \";\\\"\" url(;) url( ';' ) URL(\\););|}|",
        "a[b={;}]{|}|",
        ".a\\:b:not(.c){|}|",
        "a{|b:u\\72l(;);}",
        "a{|b:'\n;}",
        "a{|b:c/d;|}|",
        "ur/**/l(;){|}|",
        "a{|b:myurl(;) #url(;);|}|",
    ],
)
def test_places(document: str) -> None:
    assert marked(CSS, document.replace("|", "")) == document
    for seed in range(5):
        assert_same_for_any_chunks(CSS, document.replace("|", "").encode(), Random(seed))


def test_a_charset_that_is_unknown_has_no_places() -> None:
    assert places(UNDECLARED, b'@charset "shift_jis";a{}') == []
    assert places(UNDECLARED, b'@charset "utf-8";a{}') == [17, 19, 20]
    assert places(UNDECLARED, b"a{}" + b'b{c:"\x83\x5c"}d{}') == [2, 3, 5]
    assert places(UNDECLARED, "a{}é{}".encode()) == [2, 3, 6, 7]
    assert places(UNDECLARED, b"a" * 200 + b"{}") == [201, 202]


@settings(deadline=None, max_examples=60)
@given(
    document=st.lists(st.sampled_from(FRAGMENTS), max_size=15).map("".join),
    random=st.integers(0, 2**32).map(Random),
    content_type=st.sampled_from([CSS, UNDECLARED]),
)
def test_chunks_make_no_difference(document: str, random: Random, content_type: str) -> None:
    assert_same_for_any_chunks(content_type, document.encode(), random)


def test_a_browser_has_the_same_rules() -> None:
    random = Random(20261122)
    cases = []
    for _ in range(1000):
        kinds = [*random.choices(FRAGMENTS, k=random.randint(2, 10)), "p{", "}", "color:red;"]
        document = "".join(random.choices(kinds, k=random.randint(1, 25)))
        raw = document.encode()
        cases.append([document, [len(raw[:place].decode()) for place in places(CSS, raw)]])

    with Chromium() as browser:
        filled, different = browser.evaluate(f"({COMPARE})({json.dumps(cases)})")

    assert different == []
    assert filled > 200


def test_sizes() -> None:
    assert_sizes(CSS, 4)
    assert scanner(CSS).padding(6) == b"/*  */"
