"""Texts that would break a page if they were not escaped, as parts, placeholders, fallbacks and
attributes: none gets out of its place or runs, and the page is the same as one in order."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.html.page_browsers import SCRIPTED, Browser, open_browser
from tests.html.page_site import PageSite

from tailrace.html import Html, Page, page

RUN = "<script>ran=1</script>"
PIECES = (
    *("</template>", "<template>", '<template for="p1">', "<!--", "-->", "--!>", "<!---->", "<!>"),
    *("]]>", "<![CDATA[", "?>", "<?", "<?end>", "?end", '<?start name="p1">', '?start name="p2"'),
    *('"', "'", "`", "=", "&", "&lt;", "&#0;", "&amp", "\0", "\ud800", "\udc00", "\U0001f600"),
    *("\r", "\n", "\r\n", "\f", "\t", " ", "\x0b", "\x7f", "\x85", "\u2028", "\ufeff", "\uffff"),
    *("<b>", "</b>", "<p", "</p>", "<div", "</div>", "</body>", "</html>", "<table>", "</td>"),
    *("<script>", "</script>", "<style>", "</style>", "<plaintext>", "<xmp>", "<noscript>"),
    *("<textarea>", "</textarea>", "<title>", "</title>", "<svg>", "<math>", "<svg><style>"),
    *("<iframe srcdoc='<script>parent.ran=1</script>'>", "<img src=x onerror=ran=1>", RUN),
    *(
        "<svg onload=ran=1>",
        '"onmouseover="ran=1',
        "'><img src=x onerror=ran=1>",
        "{}",
        "{0}",
        "%s",
    ),
    *("<body onload=ran=1>", "<input autofocus onfocus=ran=1>", "javascript:ran=1", "é"),
)
HUGE = f"</template>{RUN}" * 5_000
TREE = """
(() => {
  const tree = node => {
    if (node.nodeType === 3) return node.data;
    if (node.matches?.('style[nonce], script[nonce]')) return null;
    if (node.nodeType !== 1) return node.data ? [node.nodeName, node.data] : null;
    const of = [...node.childNodes].map(tree).filter(child => child !== null);
    for (let i = of.length - 1; i > 0; i--)
      if (typeof of[i] === 'string' && typeof of[i - 1] === 'string')
        of.splice(i - 1, 2, of[i - 1] + of[i]);
    return [node.nodeName, [...node.attributes].map(a => [a.name, a.value]), ...of];
  };
  return tree(document.documentElement);
})()
"""
"""The document as lists, without our style and script, empty comments, and the cuts in texts."""
TEXTS = """
[...document.querySelectorAll('main > *')].map(
  e => [e.localName, e.textContent, e.firstElementChild?.title])
"""
RUNS = itertools.count()


class HostilePages:
    """Serves texts as each kind of content."""

    def __init__(self) -> None:
        self.site = PageSite(filled=page(self._page), ordered=page(self._page, in_order=True))
        self.texts: list[str] = []

    async def _page(self, page: Page) -> Html:
        run = page.query["run"]

        async def part(text: str) -> str:
            await self.site.pass_gate(run)
            return text

        async def failing(text: str) -> str:
            await self.site.pass_gate(run)
            raise LookupError

        rows = []
        for text in self.texts:
            attribute = Html('<i title="{}"></i>').format(text)
            rows += [
                Html("<p>{}{}</p>").format(attribute, page.part(part(text), placeholder=text)),
                Html("<pre>{}{}</pre>").format(attribute, page.part(failing(text), fallback=text)),
                Html("<li>{}{}</li>").format(attribute, page.part(part(text + "."))),
            ]
        return Html("<!doctype html><title>{}</title><main>{}</main><i id=end></i>").format(
            self.texts[0], Html().join(rows)
        )


@pytest.fixture(scope="module")
def pages() -> Iterator[HostilePages]:
    pages = HostilePages()
    logger = logging.getLogger("tailrace.html")
    logger.disabled = True  # thousands of parts fail
    with pages.site:
        yield pages
    logger.disabled = False


@pytest.fixture(scope="module", params=["native", *SCRIPTED])
def browser(request: pytest.FixtureRequest) -> Iterator[Browser]:
    with open_browser(request.param) as browser:
        yield browser


def shown(text: str) -> str:
    """A text as a document has it."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\ufffd")
    return "".join("\ufffd" if 0xD800 <= ord(char) < 0xE000 else char for char in text)


def opened(pages: HostilePages, browser: Browser, kind: str) -> str:
    """Open a page, and return its run."""
    run = str(next(RUNS))
    url = f"{pages.site.url}/{kind}?run={run}"
    browser.navigate(url)
    browser.wait_until(f"location.href === '{url}'")
    return run


def check(pages: HostilePages, browser: Browser, texts: list[str]) -> None:
    pages.texts = texts
    run = opened(pages, browser, "filled")
    browser.wait_until("!!document.getElementById('end')")
    waiting = [
        row
        for text in map(shown, texts)
        for row in (["p", text, text], ["pre", "", text], ["li", "", text])
    ]
    assert browser.evaluate(TEXTS) == waiting

    pages.site.open_gate(run)
    browser.wait_until("document.readyState === 'complete'")
    filled = browser.evaluate(TREE)
    assert browser.evaluate("typeof ran") == "undefined"
    assert browser.evaluate(TEXTS) == [
        row
        for text in texts
        for row in (
            ["p", shown(text), shown(text)],
            ["pre", shown(text), shown(text)],
            ["li", shown(text + "."), shown(text)],
        )
    ]

    pages.site.open_gate(opened(pages, browser, "ordered"))
    browser.wait_until("document.readyState === 'complete'")
    assert filled == browser.evaluate(TREE)


def test_hostile_texts_stay_in_their_places(pages: HostilePages, browser: Browser) -> None:
    check(pages, browser, [*PIECES, HUGE, "<" * 100_000])


@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(
        st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=3)), max_size=6).map("".join),
        min_size=1,
        max_size=60,
    )
)
def test_any_texts_stay_in_their_places(
    pages: HostilePages, browser: Browser, texts: list[str]
) -> None:
    check(pages, browser, texts)
