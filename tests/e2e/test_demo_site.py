"""The demo site: each page by four ways, in a real browser."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from tests.browser import Chromium
from tests.command import EXAMPLES, DevCommand, Stream, fetch
from tests.firefox import Firefox
from tests.walk import NODE_MODULES

SITE = EXAMPLES.parent / "site"
AXE = NODE_MODULES / "node_modules" / "axe-core" / "axe.min.js"
WAYS = ("callback", "held-back", "flushed", "buffered")
DEMOS = ("progress", "dashboard", "chat", "table", "timing")
ENDS = {
    "progress": "All 200 orders are checked, 4 are wrong.",
    "dashboard": "took longer than 3 s",
    "chat": "each left as soon as it was ready.",
    "table": "Total",
    "timing": "complete 20 of 20 parts in ",
}
"""What is in each page when it is complete."""
WRITTEN = re.compile(r'written="([\d.]+)"')


@pytest.fixture(scope="module")
def demo() -> Iterator[DevCommand]:
    with DevCommand(EXAMPLES) as dev:
        yield dev


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    with Chromium() as browser:
        yield browser


def open_page(browser: Chromium, url: str) -> None:
    """Load a page to its end."""
    browser.call("Page.navigate", url=url)
    browser.wait_until(f"document.URL === {url!r} && document.readyState === 'complete'")


class Compared:
    """A page by four ways, side by side, after all of them have ended."""

    def __init__(self, name: str, browser: Chromium) -> None:
        self.name = name
        self.browser = browser

    def text(self, way: str) -> str:
        text = self.evaluate(way, "document.body.innerText")
        assert isinstance(text, str)
        return text

    def evaluate(self, way: str, expression: str) -> Any:
        """Return the value of an expression in a frame."""
        frame = f"document.getElementById({way!r})"
        return self.browser.evaluate(f"((document) => {expression})({frame}.contentDocument)")

    def marks(self, way: str) -> list[float]:
        """Return when the page in a frame has changed, in ms since its request."""
        line = f"document.querySelector('arrival-line[for={way}]')"
        marks: list[float] = self.browser.evaluate(f"{line}.marks")
        return marks


@pytest.fixture(scope="module", params=DEMOS)
def compared(request: pytest.FixtureRequest, demo: DevCommand) -> Iterator[Compared]:
    with Chromium() as browser:
        browser.look()
        browser.call("Page.navigate", url=f"{demo.url}/compare/{request.param}")
        browser.wait_until(
            "document.querySelectorAll('arrival-line').length === 4 &&"
            " document.querySelectorAll('arrival-line.complete').length === 4"
        )
        yield Compared(request.param, browser)


@pytest.mark.parametrize("way", WAYS)
def test_each_page_ends_as_it_should_on_each_way(way: str, compared: Compared) -> None:
    assert ENDS[compared.name] in compared.text(way)


def test_the_chart_shows_who_was_early(compared: Compared) -> None:
    """By callback the first change was there before the page was complete, buffered it was not."""
    ended = compared.browser.evaluate(
        "Object.fromEntries([...document.querySelectorAll('arrival-line')]"
        ".map((line) => [line.getAttribute('for'), line.end]))"
    )
    marks = {way: compared.marks(way) for way in WAYS}

    assert len(marks["callback"]) > 3
    assert marks["callback"][0] < marks["buffered"][0]
    assert marks["callback"][0] < ended["callback"] / 2 < marks["buffered"][0]
    drawn = "document.querySelector('arrival-line[for=callback] .marks').getAttribute('d')"
    assert compared.browser.evaluate(drawn).count("M") == len(marks["callback"])


def test_nothing_is_wrong_with_the_pages(compared: Compared) -> None:
    """No exception, nothing that the content security policy refused, no missing file."""
    assert compared.browser.problems == []


def test_nothing_comes_from_elsewhere(compared: Compared, demo: DevCommand) -> None:
    urls = {
        event["params"]["request"]["url"]
        for event in compared.browser.events
        if event["method"] == "Network.requestWillBeSent"
    }

    assert {url for url in urls if not url.startswith(("data:", f"{demo.url}/"))} == set()


@pytest.mark.parametrize("width", [320, 768, 1280])
def test_nothing_sticks_out_sideways(width: int, compared: Compared) -> None:
    browser = compared.browser
    browser.look(width=width)

    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    for way in WAYS:
        widths = "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
        content, frame = compared.evaluate(way, widths)
        assert content <= frame, way
    browser.look()


def test_the_code_that_is_shown_is_the_code_that_runs(compared: Compared) -> None:
    shown = compared.browser.evaluate("document.querySelector('.code code').textContent")
    code = (SITE / f"{compared.name}.py").read_text()

    assert code.rstrip().endswith(shown)
    assert "@page" in shown
    assert 5 <= len([line for line in shown.splitlines() if line]) <= 40


# What axe-core calls serious or critical. It is run from here, where no policy of a page counts.
VIOLATIONS = """
axe.run({ iframes: false, runOnly: ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"] })
  .then(({ violations, passes }) => JSON.stringify([passes.length, violations
    .map(({ id, impact, nodes }) => [id, impact, nodes.map((n) => n.html + n.failureSummary)])]))
"""
MORE_ROWS = "tbody:nth-of-type(n + 2)"
"""All alike: to look at each of 10,000 rows takes most of a minute."""


def assert_accessible(browser: Chromium) -> None:
    browser.evaluate(AXE.read_text() + "\n;null")
    for scheme in ("light", "dark"):
        browser.look(scheme=scheme)
        passed, found = json.loads(browser.evaluate(VIOLATIONS))
        assert passed > 10
        assert found == [], scheme
    browser.look()


def test_the_comparison_is_accessible(compared: Compared) -> None:
    assert_accessible(compared.browser)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/callback/progress",
        "/callback/cancelled?job=0123456789abcdef",
        "/callback/dashboard",
        "/callback/chat?question=stop",
        "/callback/table",
        "/callback/timing",
        "/callback/unknown",
    ],
)
def test_each_page_is_accessible(path: str, demo: DevCommand, browser: Chromium) -> None:
    open_page(browser, demo.url + path)
    browser.evaluate(f"document.querySelectorAll({MORE_ROWS!r}).forEach((rows) => rows.remove())")
    assert_accessible(browser)


def test_progress_is_seen_before_the_job_ends(demo: DevCommand) -> None:
    """Who leaves at the first update stops the job: the update was there before the end."""
    seen = len(demo.lines)
    with Stream(f"{demo.url}/callback/progress") as stream:
        body = b""
        while not re.search(rb'<progress [^>]*value="[1-9]', body):
            body += stream.response.read1(65_536)
    ended = demo.wait_line(r"The job was stopped at order (\d+)\.", after=seen)
    assert int(ended[1]) < 200


def test_a_link_cancels_the_job(demo: DevCommand, browser: Chromium) -> None:
    seen = len(demo.lines)
    browser.call("Page.navigate", url=f"{demo.url}/callback/progress")
    browser.wait_until("document.querySelector('progress')?.value > 0")

    browser.evaluate("[...document.links].find((a) => a.textContent === 'Cancel').click()")

    browser.wait_until("document.body?.innerText.includes('The job was stopped at order ')")
    job = demo.wait_line(r"job (\w+): The job was stopped at order \d+", after=seen)
    assert browser.evaluate("document.URL").endswith(f"cancelled?job={job[1]}")
    links = browser.evaluate("[...document.links].map((link) => link.getAttribute('href'))")
    assert links == ["/compare/progress", "progress"]
    demo.wait_line(r"path=/callback/progress .*outcome=client-left", after=seen)


def test_where_leaving_stops_nothing_there_is_no_cancel(demo: DevCommand) -> None:
    with ThreadPoolExecutor() as pool:
        urls = [f"{demo.url}/{way}/progress" for way in WAYS[1:]]
        pages = [text for _, text in pool.map(fetch, urls)]

    assert all(ENDS["progress"] in re.sub("<.*?>", "", page) for page in pages)
    assert not any("cancelled?job=" in page for page in pages)


def test_a_buffered_page_is_sent_when_it_is_complete(demo: DevCommand) -> None:
    """One machine, one clock: the last chunk was written before the first one arrived."""
    with Stream(f"{demo.url}/buffered/timing") as stream:
        arrived_at_ms = time.time() * 1000
        written = WRITTEN.findall(stream.read().decode())

    assert len(written) == 20
    assert float(written[-1]) < arrived_at_ms


def test_what_is_held_back_comes_with_later_writes(demo: DevCommand) -> None:
    """One machine, one clock: each chunk arrives when the next one has been written."""
    seen = len(demo.lines)
    with Stream(f"{demo.url}/held-back/timing") as stream:
        chunks = [
            (float(written[1]), arrived_at * 1000)
            for arrived_at, line in stream.arrivals()
            if (written := WRITTEN.search(line))
        ]

    assert len(chunks) == 20
    for (_, arrived), (next_written, _) in pairwise(chunks[1:]):
        assert next_written < arrived
    demo.wait_line(r"path=/held-back/timing .*outcome=complete .*padded=0 ", after=seen)


def test_a_flush_costs_padding_that_the_gateway_removes(demo: DevCommand) -> None:
    seen = len(demo.lines)

    text = fetch(f"{demo.url}/flushed/dashboard")[1]

    line = r"path=/flushed/dashboard .*outcome=complete bytes=(\d+) padded=(\d+) "
    sent, padded = demo.wait_line(line, after=seen).groups()
    assert int(sent) == len(text.encode())
    assert int(padded) >= 100_000


def test_parts_come_in_the_order_in_which_they_are_done(demo: DevCommand) -> None:
    streamed = fetch(f"{demo.url}/callback/dashboard")[1]
    buffered = fetch(f"{demo.url}/buffered/dashboard")[1]

    order = ["12,408", "no answer", "391", "<b>17", "28,730", "took longer"]
    assert sorted(order, key=streamed.index) == order
    in_order = ["12,408", "391", "28,730", "no answer", "<b>17", "took longer"]
    assert sorted(in_order, key=buffered.index) == in_order
    assert "<template" not in buffered


def test_a_dashboard_shows_what_failed_and_what_took_too_long(
    demo: DevCommand, browser: Chromium
) -> None:
    open_page(browser, f"{demo.url}/callback/dashboard")

    tiles = browser.evaluate("[...document.querySelectorAll('section')].map((s) => s.innerText)")
    assert [[line for line in tile.split("\n") if line] for tile in tiles] == [
        ["Visitors", "12,408", "since midnight"],
        ["Orders", "391", "three of them large"],
        ["Revenue", "28,730", "euros"],
        ["Stock", "no answer from the warehouse"],
        ["Returns", "17", "all of one size"],
        ["Forecast", "took longer than 3 s"],
    ]


@pytest.mark.parametrize("way", WAYS)
def test_the_model_answers_a_question(way: str, demo: DevCommand, browser: Chromium) -> None:
    open_page(browser, f"{demo.url}/{way}/chat")
    browser.evaluate("document.querySelector('input').value = 'What makes you <b>stop</b>?'")

    browser.evaluate("document.querySelector('button').click()")

    browser.wait_until(
        "document.querySelector('.answer')?.textContent.includes('tell the function nothing.')"
    )
    talk = browser.evaluate("document.getElementById('talk').innerText")
    assert talk.startswith("What makes you <b>stop</b>?\n")
    assert browser.evaluate("document.URL") == f"{demo.url}/{way}/chat"


def test_rows_are_there_while_the_others_are_made(demo: DevCommand, browser: Chromium) -> None:
    browser.call("Page.navigate", url=f"{demo.url}/callback/table")
    browser.wait_until("document.querySelectorAll('tbody tr').length > 0")
    state, count = browser.evaluate(
        "[document.readyState, document.querySelectorAll('tbody tr').length]"
    )
    browser.wait_until("document.readyState === 'complete'")

    assert (state, count < 10_000) == ("loading", True)
    assert browser.evaluate("document.querySelectorAll('tbody tr').length") == 10_000


@pytest.mark.parametrize("name", DEMOS)
def test_without_script_each_page_is_whole(name: str, demo: DevCommand) -> None:
    query = "?question=What+is+a+tailrace%3F" if name == "chat" else ""
    with Chromium() as browser:
        browser.call("Emulation.setScriptExecutionDisabled", value=True)
        open_page(browser, f"{demo.url}/callback/{name}{query}")

        text = browser.evaluate("document.body.innerText")
        end = "arrival times need a script" if name == "timing" else ENDS[name]
        assert end in text
        assert browser.problems == []


@pytest.mark.parametrize("name", ["progress", "dashboard"])
def test_firefox_shows_the_same(name: str, demo: DevCommand) -> None:
    """It does not know how places are filled; the script of the pages does."""
    with Firefox() as firefox:
        firefox.navigate(f"{demo.url}/compare/{name}")
        firefox.wait_until("document.querySelectorAll('arrival-line.complete').length === 4")
        texts = firefox.evaluate(
            "[...document.querySelectorAll('iframe')].map((f) => f.contentDocument.body.innerText)"
        )
        marks = firefox.evaluate("document.querySelector('arrival-line').marks.length")

        assert [ENDS[name] in text for text in texts] == [True] * 4
        assert marks > 3
        assert firefox.problems == []


def test_an_unknown_page_is_refused(demo: DevCommand) -> None:
    for path in ("/callback/unknown", "/compare/unknown"):
        status, text = fetch(demo.url + path)
        assert (status, "No such page" in text) == (404, True)


def test_nothing_of_the_folder_is_left_over() -> None:
    """Each file of the site is imported or read by a page."""
    code = "".join(path.read_text() for path in SITE.glob("*.py"))
    names = {path.name for path in SITE.iterdir() if path.is_file()}

    def is_used(name: str) -> bool:
        path = Path(name)
        if path.suffix == ".py":
            return (
                name == "app.py" or re.search(rf"^from {path.stem} import", code, re.M) is not None
            )
        return f'"{name}"' in code

    assert [name for name in sorted(names) if not is_used(name)] == []
