"""What the wire format does in browsers that know it, and by the script in those that do not.

A page is sent piece by piece by the test, and looked at in between.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.firefox import Firefox
from tests.html.page_browsers import SCRIPTED, Browser, open_browser
from tests.html.page_site import PageSite

from tailrace.html.fill import fill, place, script

NONCE = "bm9uY2U"
SCRIPT = script(NONCE)
COUNT_NODES = """
((w, count) => {
  while (w.nextNode()) count++;
  return count;
})(document.createTreeWalker(document), 0)
"""
RUNS = itertools.count()


class SentPage:
    """A page in a browser; the test sends it."""

    def __init__(self, site: PageSite, browser: Browser) -> None:
        self._site = site
        self.browser = browser
        self._run = f"page{next(RUNS)}"
        self._pieces: list[str | None] = []
        self._site.apps[self._run] = self._serve

    def send(self, piece: str, *, then: str = "") -> None:
        """Send a piece, and wait until an expression holds."""
        is_first = not self._pieces
        self._put(piece)
        if is_first:
            url = f"{self._site.url}/{self._run}"
            self.browser.navigate(url)
            self.browser.wait_until(f"location.href === '{url}' && !!document.body")
        if then:
            self.browser.wait_until(then)

    def end(self, piece: str = "") -> None:
        """Send a last piece, and wait until the page is complete."""
        self.send(piece)
        self._put(None)
        self.browser.wait_until("document.readyState === 'complete'")

    def html(self, selector: str = "body") -> str:
        """The markup in an element, without comments that are empty."""
        found = self.browser.evaluate(f"document.querySelector({json.dumps(selector)}).innerHTML")
        return str(found).replace("<!---->", "")

    def _put(self, piece: str | None) -> None:
        self._pieces.append(piece)
        self._site.open_gate(f"{self._run} {len(self._pieces)}")

    async def _serve(self, scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-type", b"text/html; charset=utf-8")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for at in itertools.count():
            await self._site.pass_gate(f"{self._run} {at + 1}")
            piece = self._pieces[at]
            body = (piece or "").encode()
            more = piece is not None
            await send({"type": "http.response.body", "body": body, "more_body": more})
            if not more:
                return


@pytest.fixture(scope="module")
def site() -> Iterator[PageSite]:
    with PageSite() as site:
        yield site


@pytest.fixture(scope="module", params=["native", *SCRIPTED])
def browser(request: pytest.FixtureRequest) -> Iterator[Browser]:
    with open_browser(request.param) as browser:
        yield browser


@pytest.fixture
def sent(site: PageSite, browser: Browser) -> Iterator[SentPage]:
    yield SentPage(site, browser)
    problems, browser.problems = browser.problems, []
    assert problems == []


def warnings_of(browser: Browser) -> list[str]:
    """What the page has warned of on the console; it is forgotten then."""
    if isinstance(browser, Firefox):
        texts, browser.problems = browser.problems, []
        return texts
    events, browser.events = browser.events, []
    calls = [e["params"] for e in events if e["method"] == "Runtime.consoleAPICalled"]
    return [call["args"][0]["value"] for call in calls if call["type"] == "warning"]


def shell(body: str) -> str:
    return f"<!doctype html><title>t</title><body>{body}{SCRIPT}"


def test_a_template_that_is_cut_anywhere_fills_once_it_is_whole(sent: SentPage) -> None:
    sent.send(shell(f"<p id=a>{place('p1', 'old')}</p>"))
    text = "<i id=before></i>" + fill("p1", "<b>half</b> and <u>half</u>")
    cut = text.index(" and")
    sent.send(text[:cut], then="!!document.getElementById('before')")
    if not sent.browser.evaluate("'htmlFor' in HTMLTemplateElement.prototype"):
        sent.browser.wait_until("!!document.querySelector('template').content.querySelector('b')")
        assert "old" in sent.html("#a")

    sent.send(text[cut:], then="document.getElementById('a').innerText === 'half and half'")

    assert sent.html("#a") == "<b>half</b> and <u>half</u>"
    sent.end()


def test_each_update_is_seen_and_the_page_does_not_grow(sent: SentPage) -> None:
    sent.send(
        shell(f"<p id=a>{place('b1', 'begins')}</p>"), then="!document.querySelector('script')"
    )
    count = "document.createNodeIterator(document).root && [...(function* () {"
    count += (
        "let w = document.createTreeWalker(document); while (w.nextNode()) yield 1 })()].length"
    )
    sizes = set()

    for number in range(20):
        text = f"<b>{number}</b>{place('l1', 'log')} of 20"
        sent.send(
            fill("b1", place("b1", text)),
            then=f"document.querySelector('#a b')?.innerText === '{number}'",
        )
        sizes.add(sent.browser.evaluate(COUNT_NODES))

    assert len(sizes) == 1
    sent.end(fill("b1", "done"))
    assert sent.html() == '<p id="a">done</p>'


def test_fills_that_come_at_once_are_filled_in_their_order(sent: SentPage) -> None:
    """A browser that was busy, or a tab in the background, gets many of them in one piece."""
    sent.send(shell(f"<p id=a>{place('b1', 'begins')}</p><p id=b>{place('p1', 'old')}</p>"))
    updates = [fill("b1", place("b1", f"{number}{place('l1', '')}")) for number in range(1_000)]
    parts = [fill("p1", place("p2", "")), fill("p2", f"{place('p3', '')}{place('p4', '')}")]
    more = [fill("p4", "four"), fill("l1", "log"), fill("p3", "three")]

    sent.send("".join(updates + parts + more), then="document.body.innerText.includes('three')")

    assert sent.browser.evaluate("document.getElementById('b').innerText") == "threefour"
    assert sent.browser.evaluate("document.getElementById('a').innerText") == "999log"
    assert sent.browser.evaluate("document.querySelectorAll('template').length") == 0
    sent.end()


def test_an_update_that_is_cut_behind_the_end_of_a_place_in_it_is_not_complete(
    sent: SentPage,
) -> None:
    sent.send(shell(f"<p id=a>{place('b1', 'begins')}</p>"))
    text = "<i id=before></i>" + fill("b1", place("b1", f"x{place('l1', 'log')}y"))
    cut = text.index("y<?end>")
    sent.send(text[:cut], then="!!document.getElementById('before')")

    sent.send(text[cut:], then="document.getElementById('a').innerText === 'xlogy'")

    sent.end()


@pytest.mark.parametrize(
    ("around", "old", "new", "selector"),
    [
        ("<table><tbody id=a>{}</tbody></table>", "<tr><td>1", "<tr><td>2<tr><td>3", "tr"),
        ("<table id=a>{}</table>", "<tr><td>1", "<thead><tr><th>2<tbody><tr><td>3", "tr"),
        ("<table><tr id=a>{}</tr></table>", "<td>1", "<td>2<td>3", "td"),
        ("<select id=a>{}</select>", "<option>1", "<option>2<option>3", "option"),
        ("<ul id=a>{}</ul>", "<li>1", "<li>2<li>3", "li"),
        ("<dl id=a>{}</dl>", "<dt>1", "<dt>2<dd>3", "dt, dd"),
        ("<details id=a>{}</details>", "<summary>1", "<summary>2</summary><p>3", "summary, p"),
    ],
)
def test_parts_of_other_elements_fill_in(
    sent: SentPage, around: str, old: str, new: str, selector: str
) -> None:
    count = f"document.querySelectorAll('#a :is({selector})').length"
    closed = old + "".join(f"</{tag}>" for tag in [old[1:].partition(">")[0]])
    sent.send(shell(around.format(place("p1", closed))), then=f"{count} === 1")

    sent.send(fill("p1", new), then=f"{count} === 2")

    sent.end()
    assert "template" not in sent.html() and "1" not in sent.html("#a")


def test_places_within_fills_and_placeholders(sent: SentPage) -> None:
    inner = place("p2", "?end")
    sent.send(shell(f"<p id=a>{place('p1', f'a{inner}b')}c</p>"))
    sent.send(fill("p2", "<b>in</b>"), then="document.getElementById('a').innerText === 'ainbc'")
    sent.send(
        fill("p1", f"<i>{place('p3', '?start name=')}</i>"),
        then="document.getElementById('a').innerText === '?start name=c'",
    )
    sent.send(fill("p3", place("p4", "4")), then="document.getElementById('a').innerText === '4c'")
    sent.send(fill("p4", "5"), then="document.getElementById('a').innerText === '5c'")

    sent.end()
    assert sent.html() == '<p id="a"><i>5</i>c</p>'


@pytest.mark.parametrize(
    ("content", "filled"),
    [
        ("<span>new", "<span>new</span>"),
        ("<b><i>new</b>er", "<b><i>new</i></b><i>er</i>"),
        ("new</div></section></i>er", "newer"),
        ("new</p>er", "newer"),
        ("<table><tr>new", "new<table><tbody><tr></tr></tbody></table>"),
        ("<svg><circle>", "<svg><circle></circle></svg>"),
        ("<body class=x><html lang=x><frameset>new", "new"),
    ],
)
def test_a_fill_that_leaves_elements_open_stays_in_its_place(
    sent: SentPage, content: str, filled: str
) -> None:
    sent.send(shell(f"<div id=a>{place('p1', 'a<?start>b<?end>c')}</div><p id=b>b</p>"))
    sent.send(fill("p1", content) + place("p2", "old"))
    sent.send(fill("p2", "<i id=after></i>"), then="!!document.getElementById('after')")
    sent.end()

    assert sent.html("#a") == filled
    assert sent.html().endswith('<p id="b">b</p><i id="after"></i>')


def test_scripts_in_a_fill_run_once_and_in_order(sent: SentPage) -> None:
    sent.send(shell(f"<p id=a>{place('p1', 'old')}</p><script>ran = []</script>"))
    texts = "".join(
        f"<script>ran.push('{at}' + !!document.getElementById('a'))</script>" for at in "12"
    )
    sent.send(fill("p1", texts), then="ran.length === 2")

    sent.end()
    assert sent.browser.evaluate("ran") == ["1true", "2true"]


def test_a_fill_leaves_focus_and_fields_outside_of_it_alone(sent: SentPage) -> None:
    sent.send(shell(f"<input id=i><p id=a>{place('p1', 'old')}</p>"), then="!!window.i")
    sent.browser.evaluate("(i.focus(), i.value = 'typed', i.setSelectionRange(1, 3), changes = 0)")
    sent.browser.evaluate("(i.onblur = i.onfocus = () => { changes++ }, 0)")

    sent.send(fill("p1", "<input>"), then="document.querySelectorAll('#a input').length === 1")

    state = "[document.activeElement.id, i.value, i.selectionStart, i.selectionEnd, changes]"
    assert sent.browser.evaluate(state) == ["i", "typed", 1, 3, 0]
    sent.end()


def test_custom_elements_of_a_fill_come_to_life(sent: SentPage) -> None:
    element = "class extends HTMLElement { connectedCallback() { this.title = 'alive' } }"
    sent.send(shell(f"<script>customElements.define('x-y', {element})</script>{place('p1', '')}"))

    sent.send(fill("p1", "<x-y></x-y>"), then="document.querySelector('x-y')?.title === 'alive'")

    sent.end()


def test_the_head_can_be_filled(sent: SentPage) -> None:
    head = f"<!doctype html><title>t</title>{place('h1', '<style>p { color: red }</style>')}"
    sent.send(f"{head}<body><p>text</p>{SCRIPT}")

    colour = "getComputedStyle(document.querySelector('p')).color"
    sent.send(fill("h1", "<style>p { color: blue }</style>"), then=f"{colour} === 'rgb(0, 0, 255)'")

    sent.end()


def test_what_is_out_of_reach_is_filled_at_the_end_with_a_warning(
    site: PageSite, browser: Browser
) -> None:
    """A page that leaves an element open is not lost; the format alone would not fill it."""
    sent = SentPage(site, browser)
    sent.send(shell(f"<p id=a>{place('p1', 'old')}</p><section>"))
    sent.send(fill("p1", "new") + "<i id=after></i>", then="!!document.getElementById('after')")
    assert "old" in sent.html("#a")

    sent.end()

    assert sent.html("#a") == "new"
    assert warnings_of(browser) == ["tailrace: not near its place: p1"]


def test_templates_of_the_page_itself_stay(sent: SentPage) -> None:
    own = '<template for="nothing">a</template><template>b</template>'
    sent.send(shell(f'{own}<svg><template for="x"/></svg>'))

    sent.end()

    assert sent.html().count("template") == 6
