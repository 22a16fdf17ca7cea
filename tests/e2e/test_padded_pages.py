"""Content is the same with and without padding, for those who read it.

A function streams documents natively, through the emulator's Function URL: as they are, and with
a flush behind every byte, so in the middle of strings, tags, events and characters.
"""

from __future__ import annotations

import json
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from typing import Any
from urllib.request import urlopen

import pytest
from tests.browser import PATIENCE_S, Chromium
from tests.command import Command

PAD_BYTES = 50

APP = """
from pathlib import Path
from tailrace.function import FLUSH, FlushPolicy, Head, streamify_response

TYPES = {types!r}

@streamify_response(flush=FlushPolicy(pad_bytes={pad_bytes}, pads_text=True))
def handler(event, context):
    name = event["rawPath"][1:]
    if name not in TYPES:
        yield Head(404)
        return
    body = Path(__file__).with_name(name).read_bytes()
    yield Head(200, {{"content-type": TYPES[name], "access-control-allow-origin": "*"}})
    if event.get("rawQueryString") != "flushed":
        yield body
        return
    for at in range(len(body)):
        yield body[at : at + 1]
        yield FLUSH
"""
CONFIG = """
[functions.pages]
handler = "app.handler"
environment = { TAILRACE_RESPONSE_MODE = "stream" }
[functions.pages.url]
invoke_mode = "RESPONSE_STREAM"
"""

HTML = """<!doctype html>
<html lang=en>
<head>
  <meta charset=utf-8>
  <title>Über <b>tags</b> &amp; padding</title>
  <style>
    td:empty { color: rgb(1, 2, 3) } p:first-child { margin: 7px } /* <p> */
    pre::before { content: "</p>;" }
  </style>
  <script>
    var text = "<!-- not a comment"; // </p> "
    var found = [document.title, `a
      b`, text.length, 8 / 4 / 2];
  </script>
  <noscript><link rel=stylesheet href=x.css></noscript>
</head>
<body class='a > b' data-x="<p>">
<!-- a comment -- with > and <p> in it -->
<p>caf&eacute; &notit; &#x1F600; 日本語 😀 a &lt; b, x<y</p><p
  title="a
b">two
lines</p>
<pre>
 first
\tsecond  &amp; </pre>
<textarea>
 a <b> &lt; </textarea>
<table> <tr> <td>1</td> <td></td> moved <td> 2 </td></tr> text too </table>
<ul><li>one<li>two <b>bold <i>both</b> italic</i></ul>
<svg width="10" height="10"><title>s</title><style>.q{}</style><path d="M0 0h9"/></svg>
<math><mi>x</mi><mo>=</mo><mn>1</mn></math>
<select><option>a<option selected>b</select>
<template><p>inert</p></template>
<script>found.push(document.querySelectorAll("p").length, document.body.innerText.length);</script>
</body>
</html>
"""
XHTML = """<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE html>
<html xmlns="http://www.w3.org/1999/xhtml"><head><title>ü &amp; x</title>
<style>p { color: red } /* ]] */</style>
<script>//<![CDATA[
var found = 1 < 2 && "</p>";
//]]></script></head>
<body><!-- c > --><p title="a > b">caf&#233; 😀 <b>b</b><br/>x > y<![CDATA[ <i> ]]></p>\r
<?target data > ?><pre>
a  b</pre></body></html>
"""
SVG = """<?xml version="1.0"?>
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 20"><style>text { font-size: 9px }</style>
<!-- é --><text x="1" y='9'>a &lt; <tspan>日本</tspan></text><path d="M0 0 h9"/></svg>
"""
FEED = """<?xml version="1.0" encoding="UTF-8"?>
<feed xmlns="http://www.w3.org/2005/Atom"><title>Ünïcode &amp; more</title>
<entry><id>urn:1</id><content type="html">&lt;p>a&lt;/p></content><link href="http://x/?a=1&amp;b"/>
</entry><entry><summary><![CDATA[<b>x</b> ]] > ]]></summary></entry></feed>
"""
DATA: dict[str, Any] = {
    "text": 'quote " backslash \\ \u2028 é日😀 {[,]} \n\t',
    "numbers": [0, -1.5e-7, 12345678901234, 1e100],
    "others": [True, False, None, {}, [], "", {"": [{"a": ["b"]}]}],
}
JSON = json.dumps(DATA, indent=1, ensure_ascii=False) + "\n"
NDJSON = "".join(f"{json.dumps(value)}\n" for value in (DATA, 1, "a\nb", None, [DATA]))
SSE = """: hello
data: first
data: second line

event: named\r
id: 7\r
data: {"a": "b: c"}\r
\r
data
data:
data:  é日😀

retry: 100000
:
event: end
data: .

"""
TEXT = "one\n two\r\nthree é😀\n"

DOCUMENTS = {
    "html": ("text/html; charset=utf-8", HTML),
    "undeclared": ("text/html", HTML),
    "xhtml": ("application/xhtml+xml", XHTML),
    "svg": ("image/svg+xml", SVG),
    "feed": ("application/atom+xml; charset=utf-8", FEED),
    "json": ("application/json", JSON),
    "ndjson": ("application/x-ndjson", NDJSON),
    "sse": ("text/event-stream", SSE),
    "text": ("text/plain; charset=utf-8", TEXT),
}

# What a page consists of but for comments, and what of it can be seen. Not where: in Chromium the
# width of a text that a comment cuts in two is rounded twice, to 1/64 pixel.
PAGE = """
(() => {
  const walk = (node) => {
    const out = [];
    for (const child of node.childNodes) {
      if (child.nodeType === Node.COMMENT_NODE) continue;
      if (child.nodeType === Node.TEXT_NODE && typeof out[out.length - 1] === "string") {
        out[out.length - 1] += child.data;
      } else if (child.nodeType === Node.TEXT_NODE) {
        out.push(child.data);
      } else {
        const attributes = [...(child.attributes ?? [])].map((a) => [a.name, a.value]);
        const style = child.nodeType === Node.ELEMENT_NODE ? getComputedStyle(child) : {};
        const inner = [...walk(child), child.content ? walk(child.content) : null];
        out.push([child.namespaceURI, child.nodeName, child.data, attributes, style.color,
          style.margin, inner]);
      }
    }
    return out;
  };
  return JSON.stringify([location.pathname, document.compatMode, document.characterSet,
    document.title, document.documentElement.innerText, typeof found === "undefined" ? null : found,
    walk(document)]);
})()
"""
LOADED = "document.readyState === 'complete'"

EVENTS = """
new Promise((resolve, reject) => {
  const source = new EventSource(URL_);
  const events = [];
  const note = (event) => events.push([event.type, event.data, event.lastEventId]);
  source.onmessage = note;
  source.addEventListener("named", note);
  source.addEventListener("end", (event) => {
    note(event);
    source.close();
    resolve(events);
  });
  source.onerror = () => reject(new Error("the stream broke"));
})
"""
EVENTS_SEEN = [
    ["message", "first\nsecond line", ""],
    ["named", '{"a": "b: c"}', "7"],
    ["message", "\n\n é日😀", "7"],
    ["end", ".", "7"],
]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The function's."""
    directory = tmp_path_factory.mktemp("pages")
    types = {name: content_type for name, (content_type, _) in DOCUMENTS.items()}
    (directory / "app.py").write_text(APP.format(types=types, pad_bytes=PAD_BYTES))
    (directory / "tailrace.toml").write_text(CONFIG)
    for name, (_, text) in DOCUMENTS.items():
        (directory / name).write_bytes(text.encode())
    with Command(["emulator", "--listen", "127.0.0.1:0"], cwd=directory) as emulator:
        yield emulator.wait_line(r"Function URL (http://\S+)/  pages, RESPONSE_STREAM$")[1]


@pytest.fixture(scope="module")
def browser(url: str) -> Iterator[Chromium]:
    with Chromium() as browser:
        browser.look()
        yield browser


def flushed(url: str, name: str) -> bytes:
    """The document as it comes when it is flushed behind every byte; it was padded."""
    content_type, text = DOCUMENTS[name]
    with urlopen(f"{url}/{name}?flushed", timeout=PATIENCE_S) as response:
        assert response.headers["content-type"] == content_type
        body: bytes = response.read()
    assert len(body) >= len(text.encode()) + 2 * PAD_BYTES
    return body


def page(browser: Chromium, url: str) -> Any:
    """A page as a browser has it."""
    browser.call("Page.navigate", url=url)
    browser.wait_until(f"location.href === {json.dumps(url)} && {LOADED}")
    return json.loads(browser.evaluate(PAGE))


@pytest.mark.parametrize("name", ["html", "undeclared", "xhtml", "svg"])
def test_a_browser_shows_the_same_page(url: str, browser: Chromium, name: str) -> None:
    plain = page(browser, f"{url}/{name}")
    padded = page(browser, f"{url}/{name}?flushed")

    assert padded == plain
    assert plain[:1] + plain[2:3] == [f"/{name}", "UTF-8"]
    assert flushed(url, name).count(b"<!--") > 15


@pytest.mark.parametrize("name", ["xhtml", "svg", "feed"])
def test_a_parser_reads_the_same_xml(url: str, name: str) -> None:
    text = flushed(url, name).decode()

    assert ET.canonicalize(text) == ET.canonicalize(DOCUMENTS[name][1].replace("\r\n", "\n"))


def test_parsers_read_the_same_json(url: str, browser: Chromium) -> None:
    page(browser, f"{url}/html")

    assert json.loads(flushed(url, "json")) == DATA
    assert browser.evaluate(f"fetch('{url}/json?flushed').then((r) => r.json())") == DATA


def test_parsers_read_the_same_lines_of_json(url: str, browser: Chromium) -> None:
    page(browser, f"{url}/html")
    values = [json.loads(line) for line in NDJSON.splitlines()]
    parse = "(t) => t.split('\\n').filter((line) => line.trim()).map((line) => JSON.parse(line))"

    body = flushed(url, "ndjson")

    assert [json.loads(line) for line in body.splitlines() if line.strip()] == values
    assert body.count(b"\n") == NDJSON.count("\n")
    fetched = f"fetch('{url}/ndjson?flushed').then((r) => r.text()).then({parse})"
    assert browser.evaluate(fetched) == values


@pytest.mark.parametrize("query", ["", "?flushed"])
def test_event_sources_see_the_same_events(url: str, browser: Chromium, query: str) -> None:
    """Chromium's, and undici's in Node."""
    page(browser, f"{url}/html")
    events = EVENTS.replace("URL_", json.dumps(f"{url}/sse{query}"))
    run = f"{events}.then((found) => console.log(JSON.stringify(found)))"
    options = ["--experimental-eventsource", "--no-warnings"]

    done = subprocess.run(
        ["node", *options, "-e", run], capture_output=True, timeout=PATIENCE_S, check=True
    )

    assert browser.evaluate(events) == EVENTS_SEEN
    assert json.loads(done.stdout) == EVENTS_SEEN
    assert flushed(url, "sse").count(b"\n:") > 10


def test_text_has_the_same_lines_but_for_empty_ones(url: str) -> None:
    lines = flushed(url, "text").decode().split("\n")

    assert [line for line in lines if line.strip(" ")] == ["one", " two\r", "three é😀"]
