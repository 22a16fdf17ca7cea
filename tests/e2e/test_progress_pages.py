"""Progress in real browsers: each update is in the document before the job goes on."""

from __future__ import annotations

import asyncio
import io
import itertools
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from PIL import Image
from tests.browser import Chromium
from tests.e2e.page_roads import CALLBACK, Pages, Road, serving_pages
from tests.e2e.test_demo_site import AXE, VIOLATIONS
from tests.html.page_browsers import Browser, open_browser
from tests.html.page_site import PageSite

from tailrace.html import Html, Page, page
from tailrace.html.limits import HEARTBEAT_INTERVAL_S, NO_NEWS_S

RUNS = itertools.count()
NUMBERS = "document.querySelector('main .tailrace-numbers')?.textContent"
NOTICE = "getComputedStyle(document.documentElement, '::after').visibility"
ANIMATION = "document.getAnimations().find(a => a.effect.pseudoElement === '::after')"
WATCH = "violations = []; addEventListener('securitypolicyviolation', e => violations.push(`${e}`))"

Content = AsyncIterator[Any]


@pytest.fixture(scope="module")
def site() -> Iterator[PageSite]:
    def start(page: Page) -> Html:
        policy = f"style-src 'nonce-{page.nonce}'; script-src 'nonce-{page.nonce}'"
        page.headers["content-security-policy"] = f"default-src 'none'; {policy}"
        head = '<!doctype html><html lang="en"><meta name="viewport" content="width=device-width">'
        head += '<title>Job</title><script nonce="{0}">{1}</script>'
        head += (
            '<style nonce="{0}">:root {{ color-scheme: light dark; background: Canvas }}</style>'
        )
        return Html(head + "<main><h1>Job</h1>").format(page.nonce, Html(WATCH))

    async def rows(page: Page) -> AsyncIterator[int]:
        for row in range(3):
            await site.pass_gate(f"{page.query['run']}-{row}")
            yield row

    async def work(page: Page) -> None:
        bar = page.progress(rows(page), total=3, label="Rows", cancel="stopped")
        async for row in bar:
            bar.log(f"row {row} of </ul></template>")

    @page
    async def job(page: Page) -> Content:
        yield start(page)
        async for step in page.steps(["Fetch", "Check"]):
            if step == "Check":
                await work(page)
        yield Html("<p>Done.")

    @page
    async def single(page: Page) -> Content:
        yield start(page)
        await work(page)
        yield Html("<p>Done.")

    @page(in_order=True)
    async def ordered(page: Page) -> Content:
        yield start(page)
        await work(page)
        yield Html("<p>Done.")

    @page
    async def parts(page: Page) -> Content:
        async def part() -> str:
            async for _ in page.progress(rows(page), total=3, label="Rows"):
                pass
            return "The content"

        yield start(page)
        yield Html("<section>{}</section><p>Not closed").format(page.part(part()))

    @page
    async def broken(page: Page) -> Content:
        yield start(page)
        await work(page)
        raise ConnectionError

    @page
    async def threads(page: Page) -> Content:
        """Bars, one of which is placed in the page."""
        bar = page.progress(total=2, label="Placed")
        yield start(page)
        yield Html("<section>{}</section>").format(bar)
        async with asyncio.TaskGroup() as group:
            for label in ("One", "Two"):
                group.create_task(one(page, bar, label))

    async def one(page: Page, bar: Any, label: str) -> None:
        async for _ in page.progress(range(1), label=label):
            await site.pass_gate(f"{page.query['run']}-{label}")
            bar.advance()

    apps = {"job": job, "ordered": ordered, "parts": parts, "broken": broken, "threads": threads}
    apps["single"] = single
    with PageSite(**apps) as site:
        yield site


@pytest.fixture(scope="module", params=["native", "no script", "no format", "firefox"])
def browser(request: pytest.FixtureRequest) -> Iterator[Browser]:
    with open_browser(request.param) as browser:
        browser.look(width=640, height=600)
        yield browser


@pytest.fixture(scope="module")
def chromium() -> Iterator[Chromium]:
    with Chromium() as browser:
        browser.look(width=640, height=600)
        yield browser


def open_page(browser: Browser, url: str) -> None:
    browser.navigate(url)
    browser.wait_until(f"location.href === '{url}' && !!document.querySelector('main progress')")


def check_end(browser: Browser) -> None:
    """The page has ended without a violation, and nothing of ours is left but comments."""
    browser.wait_until("document.readyState === 'complete'")
    assert browser.evaluate("(window.violations ?? []).join()") == ""
    assert browser.evaluate("document.querySelectorAll('template, noscript').length") == 0
    assert browser.evaluate("document.querySelectorAll('[style]').length") == 0
    assert browser.evaluate(NOTICE) == "hidden"


def test_each_update_is_seen_before_the_job_goes_on(site: PageSite, browser: Browser) -> None:
    run = str(next(RUNS))
    open_page(browser, f"{site.url}/job?run={run}")
    bar = "document.querySelector('progress').value"
    for row in range(3):
        browser.wait_until(f"{NUMBERS}?.startsWith('{row} of 3') && {bar} === {row}")
        if row:
            logged = "document.querySelector('.tailrace-log li:last-child').textContent"
            assert browser.evaluate(logged) == f"row {row - 1} of </ul></template>"
        assert browser.evaluate("!!document.querySelector('main a[href=stopped]')")
        site.open_gate(f"{run}-{row}")
    check_end(browser)

    assert browser.evaluate(NUMBERS).startswith("3 of 3 · took ")
    assert browser.evaluate("[...document.querySelectorAll('li small')].map(e => e.innerText)") == [
        "done",
        "done",
    ]
    assert not browser.evaluate("!!document.querySelector('main a')")
    assert (
        browser.evaluate("document.querySelector('progress').labels[0].innerText.trim()") == "Rows"
    )
    assert browser.evaluate("document.querySelector('main > p').innerText") == "Done."


def test_what_is_read_out_changes_in_a_region_that_stays(
    site: PageSite, chromium: Chromium
) -> None:
    run = str(next(RUNS))
    open_page(chromium, f"{site.url}/job?run={run}")
    regions = "document.querySelectorAll('[role=status]')"
    chromium.evaluate(f"window.regions = [...{regions}]; null")
    assert chromium.evaluate("regions.map(r => r.textContent)") == [
        "Fetch: in progress",
        "Rows: 0 %",
    ]
    for row in range(3):
        site.open_gate(f"{run}-{row}")
    check_end(chromium)

    assert chromium.evaluate(f"regions.every((r, i) => r === {regions}[i])")
    assert chromium.evaluate("regions[1].textContent").startswith("Rows: 3 of 3, took")


def test_a_part_shows_its_bar_until_it_is_done(site: PageSite, browser: Browser) -> None:
    run = str(next(RUNS))
    open_page(browser, f"{site.url}/parts?run={run}")
    section = "document.querySelector('section').innerText"
    for row in range(3):
        browser.wait_until(f"{section}.includes('{row} of 3')")
        site.open_gate(f"{run}-{row}")
    check_end(browser)

    assert browser.evaluate(section) == "The content"


def test_several_bars_run_at_a_time(site: PageSite, browser: Browser) -> None:
    run = str(next(RUNS))
    open_page(browser, f"{site.url}/threads?run={run}")
    numbers = "[...document.querySelectorAll('.tailrace-numbers')].map(e => e.innerText[0]).join()"
    browser.wait_until(f"{numbers} === '0,0,0'")
    site.open_gate(f"{run}-Two")
    browser.wait_until(f"{numbers} === '1,0,1'")
    site.open_gate(f"{run}-One")
    check_end(browser)

    assert browser.evaluate(numbers) == "2,1,1"


def test_in_order_only_the_last_block_is_seen(site: PageSite, browser: Browser) -> None:
    run = str(next(RUNS))
    open_page(browser, f"{site.url}/ordered?run={run}")
    shown = "document.querySelector('main').innerText"
    for row in range(3):
        browser.wait_until(f"{shown}.includes('{row} of 3')")
        assert browser.evaluate(f"{shown}.match(/ of 3 ·/g).length") == 1
        site.open_gate(f"{run}-{row}")
    check_end(browser)

    assert browser.evaluate(f"{shown}.match(/ of 3 ·/g).length") == 1
    assert "3 of 3 · took" in browser.evaluate(shown)


def test_without_script_and_format_a_bar_shows_how_it_began_and_ended(site: PageSite) -> None:
    run = str(next(RUNS))
    with open_browser("no format") as browser:
        assert isinstance(browser, Chromium)
        browser.call("Emulation.setScriptExecutionDisabled", value=True)
        open_page(browser, f"{site.url}/single?run={run}")
        shown = "document.querySelector('main').innerText"
        assert "0 of 3" in browser.evaluate(shown)
        for row in range(3):
            site.open_gate(f"{run}-{row}")
        browser.wait_until("document.readyState === 'complete'")

        text = browser.evaluate(shown)
        assert "Rows: 3 of 3, took" in text
        assert "0 of 3" not in text
        assert text.endswith("Done.")


@pytest.fixture
def heartbeats(monkeypatch: pytest.MonkeyPatch) -> None:
    """A silent page is heard of again after a moment."""
    monkeypatch.setattr("tailrace.html.render.HEARTBEAT_INTERVAL_S", 0.2)
    monkeypatch.setattr("tailrace.html.progress.news.HEARTBEAT_INTERVAL_S", 0.1)


def bottom(browser: Browser) -> list[tuple[int, ...]]:
    """The colours at the bottom of the screen."""
    image = Image.open(io.BytesIO(browser.screenshot())).convert("RGB")
    row = image.crop((0, image.height - 40, image.width, image.height))
    return sorted(
        {colour for _, colour in row.getcolors(100_000) or [] if isinstance(colour, tuple)}
    )


def has_broken(browser: Chromium) -> bool:
    browser.evaluate("null")  # what has happened by now is noted
    return any(event["method"] == "Network.loadingFailed" for event in browser.events)


def test_what_comes_hides_the_notice_and_a_broken_stream_shows_it(
    site: PageSite, chromium: Chromium, heartbeats: None
) -> None:
    """The time of the animation is moved by the test; what it depends on is the stream."""
    run = str(next(RUNS))
    open_page(chromium, f"{site.url}/broken?run={run}")
    chromium.wait_until(f"!!{ANIMATION}")
    delay = chromium.evaluate(f"{ANIMATION}.effect.getTiming().delay")
    assert delay >= 1000 * NO_NEWS_S
    for _ in range(3):
        chromium.evaluate(f"window.seen = {ANIMATION}; seen.finish(); null")
        chromium.wait_until(f"{NOTICE} === 'hidden'")  # by a heartbeat
        assert chromium.evaluate(f"{ANIMATION} !== seen")
    assert len(bottom(chromium)) == 1

    for row in range(3):
        site.open_gate(f"{run}-{row}")
    chromium.wait_for(lambda: has_broken(chromium), "the end of the stream")
    assert chromium.evaluate(NOTICE) == "hidden", "its time has not come"
    chromium.evaluate(f"{ANIMATION}.finish()")

    assert chromium.evaluate(NOTICE) == "visible"
    assert len(bottom(chromium)) > 10, "there is a text"
    text = chromium.evaluate("getComputedStyle(document.documentElement, '::after').content")
    assert text == '"No news for 15 s. The connection may be broken: reload the page."'


def test_the_notice_is_later_than_any_silence_of_a_stream_that_goes_on() -> None:
    assert NO_NEWS_S > 2 * HEARTBEAT_INTERVAL_S


@pytest.mark.parametrize("name", ["job", "ordered"])
@pytest.mark.parametrize("is_finished", [False, True])
def test_it_is_accessible(site: PageSite, chromium: Chromium, name: str, is_finished: bool) -> None:
    run = str(next(RUNS))
    open_page(chromium, f"{site.url}/{name}?run={run}")
    site.open_gate(f"{run}-0")
    chromium.wait_until(
        f"{NUMBERS}?.startsWith('1 of 3') || document.body.innerText.includes('1 of 3')"
    )
    if is_finished:
        for row in (1, 2):
            site.open_gate(f"{run}-{row}")
        check_end(chromium)

    chromium.evaluate(AXE.read_text() + "\n;null")
    for scheme in ("light", "dark"):
        chromium.look(width=640, height=600, scheme=scheme)
        passed, found = json.loads(chromium.evaluate(VIOLATIONS))
        assert passed > 10
        assert found == [], scheme
    for row in (1, 2):
        site.open_gate(f"{run}-{row}")


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pages]:
    with serving_pages(tmp_path_factory.mktemp("pages")) as pages:
        yield pages


@pytest.mark.parametrize("road", [CALLBACK, Road("uvicorn")], ids=["callback", "uvicorn"])
def test_a_link_stops_the_job(pages: Pages, road: Road) -> None:
    (gate,) = pages.gates(1)
    with Chromium() as browser:
        open_page(browser, pages.url(road) + pages.target(road, "job", gate))
        assert gate.line() == "begun"
        gate.open()
        browser.wait_until(f"{NUMBERS}?.startsWith('1 of 9')")

        browser.evaluate("document.querySelector('main a').click()")

        assert gate.line() == "ended"
        assert gate.line() == "", "it does no more"
        browser.wait_until("document.body?.innerText === 'It was stopped.'")


BUSY = {"callback": CALLBACK, "uvicorn": Road("uvicorn"), "hypercorn": Road("hypercorn")}
BUSY |= {"starlette": Road("starlette", "/response/"), "url": Road("free")}


@pytest.mark.parametrize("road", BUSY.values(), ids=BUSY)
def test_a_loop_without_awaits_is_seen_while_it_runs(pages: Pages, road: Road) -> None:
    (gate,) = pages.gates(1)
    reader = pages.reader(road, "busy", gate)
    reader.until('<template for="b1t">')

    gate.open()  # only now does the loop end

    assert "stopped at" in reader.rest()


@pytest.mark.parametrize("road", [Road("page"), Road("buffered")], ids=["url", "buffered"])
def test_where_leaving_does_not_stop_a_job_there_is_no_link(pages: Pages, road: Road) -> None:
    (gate,) = pages.gates(1)
    client = pages.ask(road, "job", gate)
    for _ in range(9):
        gate.open()

    text = client.answer().body.decode()

    assert "9 of 9 · took" in text
    assert "<a " not in text
