"""JavaScript: places that are known, and a parser that finds the same tree with padding there."""

from __future__ import annotations

import json
import subprocess
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.function.flush.places import (
    assert_same_for_any_chunks,
    assert_sizes,
    marked,
    padded_everywhere,
    places,
    scanner,
)

JAVASCRIPT = "text/javascript; charset=utf-8"
UNDECLARED = "text/javascript"

FRAGMENTS = [
    *("x", "1", "1.5", "/re/", "/[/]/g", "/\\//", "'s'", '"d"', "`t`", "`a\nb`", "`${x}\n`"),
    *("`${`n\n${y}`}`", "`${{a:1}.a}\n`", "(x)", "[1]", "{}", "{a:1}", "function(){}", "()=>{}"),
    *(" + ", " / ", " /x/ ", "/", "/=", "++", "--", " in ", "typeof ", "return ", "if(x)"),
    *("while(x)", "for(;;)break\n", "if(x){}", "else ", "do ", ";", "\n", "\n\n", " ", "\r\n", ","),
    *(".a", ".return", "?.b", "?", ":", "(", ")", "[", "]", "{", "}", "=", "=>", "!", "<", "<!--"),
    *("-->", "\n-->", " c\n", "// c `\n", "// '\u2028`\n`//\n", "/* ` */", "/*\n*/", "'a\\\nb'"),
    *("'a\\\r\nb'", "\u00a0", "\u2028", "é", "yield ", "await ", "of ", "class A{static x=/r/}"),
    *(
        "#p",
        "\\u0061",
        "...",
        "throw ",
        "default:",
        "new ",
        "with(x)",
        "`",
        "'",
        '"',
        "\\",
        "$",
        "${",
    ),
]

# Trees of Node's own acorn, without positions; null for what is no program.
COMPARE = """
const acorn = require("internal/deps/acorn/acorn/dist/acorn");
const keep = (key, value) => {
  if (key === "start" || key === "end") return undefined;
  return typeof value === "bigint" || value instanceof RegExp ? String(value) : value;
};
const tree = (text) => {
  for (const sourceType of ["script", "module"]) {
    try {
      const options = { ecmaVersion: "latest", sourceType, allowReturnOutsideFunction: true };
      return sourceType + JSON.stringify(acorn.parse(text, options), keep);
    } catch {}
  }
  return null;
};
const cases = JSON.parse(require("fs").readFileSync(0, "utf8"));
const programs = cases.filter(([text]) => tree(text) !== null);
const different = programs.filter(([text, padded]) => tree(text) !== tree(padded));
console.log(JSON.stringify([programs.length, different.map(([text, padded]) => padded)]));
"""


@pytest.mark.parametrize(
    "document",
    [
        "a\n|b;\r\n|// it's `\n|\n|/* \n */ c\n|",
        "'a\\\nb' \"a\\\r\nb\"\n|",
        "`a\n${b\n|+ `c\n${{}}`}\n`\n|",
        "a / b; /`/\n|",
        "x = /[/`]\\/`/g\n|",
        "if (a) /`/.test(b)\n|",
        "a ? /`/ : b ?? /`/\n|",
        "a?.if / b\n|",
        "(a) / b / `\n`\n|",
        "a.if(b) / c\n|",
        "a.return / c\n|",
        "{} /a/.test(b)\n|",
        "{} /a(`)/\n",
        "{} / 2\n|",
        "i++ / 2\n|",
        "await /`/\n",
        "return /`/\n|",
        "\\u0061 / 2\n|",
        "while (n --> 0);\n|",
        "a <!-- b\n|",
        "a <!-- `\n",
        "--> b\n|",
        "--> `\n",
        "// a \n|b",
        "#!`\n|a",
        "#a\n|",
        "/* * ** \n ***/\n|",
        "a - - b / `\n`\n|",
        "a)\n",
        "'a\nb",
        "a = /b\n",
    ],
)
def test_places(document: str) -> None:
    assert marked(JAVASCRIPT, document.replace("|", "")) == document
    for seed in range(5):
        assert_same_for_any_chunks(JAVASCRIPT, document.replace("|", "").encode(), Random(seed))


def test_line_separators_end_comments() -> None:
    text = "// a \u2028 `\n` \n// \u2026 `\n"

    assert places(JAVASCRIPT, text.encode()) == [14, 23]


def test_a_byte_order_mark_may_come_first() -> None:
    assert places(JAVASCRIPT, "\ufeff#!`\na\n".encode()) == [7, 9]


def test_a_charset_that_is_unknown_has_no_places() -> None:
    assert places(UNDECLARED, b"a\n'\x83\x5c'\nb\n") == [2]
    assert places(UNDECLARED, "a\n'é'\n".encode()) == [2, 7]


def test_brackets_within_brackets_have_a_bound() -> None:
    assert places(JAVASCRIPT, b"(" * 4096 + b"\n") == [4097]
    assert places(JAVASCRIPT, b"(" * 4097 + b"\n") == []
    assert places(JAVASCRIPT, b"(" * 4096 + b"`${\n") == []


@settings(deadline=None, max_examples=150)
@given(
    document=st.lists(st.sampled_from(FRAGMENTS), max_size=15).map("".join),
    random=st.integers(0, 2**32).map(Random),
    content_type=st.sampled_from([JAVASCRIPT, UNDECLARED]),
)
def test_chunks_make_no_difference(document: str, random: Random, content_type: str) -> None:
    assert_same_for_any_chunks(content_type, document.encode(), random)


EXPRESSIONS = [
    *("x", "1.", "'it\\'s `'", '"a\\\nb"', "/[`/]'\\//g", "/`/", "x++ / 2", "x[0]/2/g", "x\n/2/g"),
    *("(typeof /`/)", "(x, /a'/)", "x.return / 2", "(E)", "(E) / 2", "(E) /2/ x", "[E,\nE]"),
    *("({a: E,\n return: E})", "`t\n${E}\n`", "`$\n\\`$${E\n}`", "x.y\n/ E / 2", "E +\nE"),
    *("typeof E", "(() => {\nS})()", "(E ? E\n: E)"),
]
STATEMENTS = [
    *("E;\n", "var v = E\n", "if (E) /a`/.test(x)\n", "if (E) x\n", "while(E){S}\n", "{\nS}\n"),
    *("// it's `c` /*\n", "/* `\n ' */\n", "function f(){\nS return E\n}\n", "\n", "x\n++\ny\n"),
    *("for (const k of E) ;\n", "label: E\n", "{} /a/g.test('`')\n", "while(n-->0);\n"),
    *("{} /a(`)/.test(x)\n", "<!-- h\n", "--> c\n", "\n-->  ` '\n"),
]


def program(random: Random, text: str, depth: int = 0) -> str:
    """The text with statements for each S, and expressions for each E."""
    found = ""
    for letter in text:
        if letter == "S":
            count = random.randint(0, 3) if depth < 4 else 0
            inner = random.choices(STATEMENTS, k=count)
            found += "".join(program(random, one, depth + 1) for one in inner)
        elif letter == "E":
            kinds = EXPRESSIONS if depth < 4 else EXPRESSIONS[:12]
            found += program(random, random.choice(kinds), depth + 1)
        else:
            found += letter
    return found


def test_a_parser_finds_the_same_tree() -> None:
    random = Random(20261122)
    cases = []
    count = 0
    for _ in range(300):
        others = random.choices(FRAGMENTS, k=random.randint(0, 2))
        text = "".join([program(random, "SSS"), *others])
        count += len(places(JAVASCRIPT, text.encode()))
        cases.append([text, padded_everywhere(JAVASCRIPT, text.encode()).decode()])

    done = subprocess.run(
        ["node", "--expose-internals", "-e", COMPARE],
        input=json.dumps(cases),
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode == 0, done.stderr
    programs, different = json.loads(done.stdout)
    assert different == []
    assert programs > 150
    assert count > 1000


def test_sizes() -> None:
    assert_sizes(JAVASCRIPT, 0)
    assert scanner(JAVASCRIPT).padding(2) == b"  "
