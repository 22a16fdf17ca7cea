"""Pages whose parts fill in out of order, in real browsers.

Each part waits at a gate that the test opens only when the part before it is in the document and on
the screen. Nothing but a part's own gate can have brought it there.
"""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterator

import pytest
from PIL import Image
from tests.html.page_browsers import SCRIPTED, Browser, open_browser
from tests.html.page_site import PageSite

from tailrace.html import Html, Page, page

RED, GREEN, BLUE, GREY = (255, 0, 0), (0, 128, 0), (0, 0, 255), (128, 128, 128)
COLOURS = {"red": RED, "green": GREEN, "blue": BLUE}
RUNS = itertools.count()
"""Each opening of a page has gates of its own."""
ORDERS = list(itertools.permutations(COLOURS))
STYLE = """
body { margin: 0 } div { height: 100px; background: gray }
.red { background: red } .green { background: green } .blue { background: blue }
"""
WAITING = Html("<div>waiting</div>")
WATCH = "violations = []; addEventListener('securitypolicyviolation', e => violations.push(`${e}`))"


@pytest.fixture(scope="module")
def site() -> Iterator[PageSite]:
    async def piece(run: str, colour: str) -> Html:
        await site.pass_gate(run + colour)
        return Html('<div id="{0}" class="{0}">{0} is here</div>').format(colour)

    def start(page: Page) -> Html:
        policy = f"style-src 'nonce-{page.nonce}'; script-src 'nonce-{page.nonce}'"
        page.headers["content-security-policy"] = f"default-src 'none'; {policy}"
        head = "<!doctype html><title>Parts</title>"
        return Html(head + '<script nonce="{0}">{1}</script><style nonce="{0}">{2}</style>').format(
            page.nonce, Html(WATCH), Html(STYLE)
        )

    @page
    async def flat(page: Page) -> Html:
        run = page.query["run"]
        parts = [page.part(piece(run, colour), placeholder=WAITING) for colour in COLOURS]
        return start(page) + Html("<main>{}{}{}</main><p>shell</p>").format(*parts)

    @page
    async def nested(page: Page) -> Html:
        run = page.query["run"]

        async def outer() -> Html:
            red = await piece(run, "red")
            inner = page.part(piece(run, "blue"), placeholder=Html("<div>inner</div>"))
            return red + Html("<section>{}</section>").format(inner)

        parts = page.part(outer(), placeholder=WAITING), page.part(piece(run, "green"))
        return start(page) + Html("<main>{}{}</main><p>shell</p>").format(*parts)

    @page
    async def scripts(page: Page) -> Html:
        """A part with scripts, of which one has the nonce, under the policy of the query."""

        async def part() -> Html:
            scripts = "<script nonce={}>ran = ['nonce']</script>"
            other = "<script nonce=other>(window.ran ??= []).push('other')</script>"
            data = "<script type=application/json>{}</script>"
            none = "<script>(window.ran ??= []).push('none')</script><p>shell</p>"
            return Html(scripts).format(page.nonce) + Html(other + data + none)

        if page.query["policy"]:
            page.headers["content-security-policy"] = (
                page.query["policy"] + f" 'nonce-{page.nonce}'"
            )
        return Html("<!doctype html><title>Scripts</title>{}").format(page.part(part()))

    with PageSite(flat=flat, nested=nested, scripts=scripts) as site:
        yield site


@pytest.fixture(scope="module", params=["native", "no script", *SCRIPTED])
def browser(request: pytest.FixtureRequest) -> Iterator[Browser]:
    with open_browser(request.param) as browser:
        browser.look(width=640, height=400)
        yield browser


def colours(browser: Browser, count: int) -> list[tuple[int, ...]]:
    """The colour in the middle of each of the first boxes on the screen."""
    image = Image.open(io.BytesIO(browser.screenshot())).convert("RGB")
    pixels = [image.getpixel((600, 100 * row + 50)) for row in range(count)]
    return [pixel for pixel in pixels if isinstance(pixel, tuple)]


def text(browser: Browser) -> str:
    found = browser.evaluate("document.querySelector('main')?.innerText ?? ''")
    return " ".join(str(found).split())


def open_page(browser: Browser, url: str) -> None:
    browser.navigate(url)
    browser.wait_until(
        f"location.href === '{url}' && document.querySelector('p')?.innerText === 'shell'"
    )


def release(site: PageSite, browser: Browser, run: str, colour: str) -> None:
    """Let a part go on, and wait until it is in the document."""
    assert browser.evaluate("document.readyState") == "loading"
    assert not browser.evaluate(f"!!document.getElementById('{colour}')")
    site.open_gate(run + colour)
    browser.wait_until(f"!!document.getElementById('{colour}')")


def check_end(browser: Browser) -> None:
    """The page has ended without a violation, and nothing of ours is left but comments."""
    browser.wait_until("document.readyState === 'complete'")
    assert browser.problems == []
    assert browser.evaluate("(window.violations ?? []).join()") == ""
    assert browser.evaluate("document.querySelectorAll('template').length") == 0


@pytest.mark.parametrize("order", ORDERS, ids="-".join)
def test_each_part_is_seen_before_the_next_is_made(
    site: PageSite, browser: Browser, order: tuple[str, ...]
) -> None:
    run = str(next(RUNS))
    shown = dict.fromkeys(COLOURS, GREY)
    open_page(browser, f"{site.url}/flat?run={run}")
    assert text(browser) == "waiting waiting waiting"
    assert colours(browser, 3) == [GREY, GREY, GREY]

    for colour in order:
        release(site, browser, run, colour)
        shown[colour] = COLOURS[colour]

        assert colours(browser, 3) == list(shown.values())
        assert text(browser) == " ".join(
            "waiting" if pixel == GREY else f"{colour} is here" for colour, pixel in shown.items()
        )
    check_end(browser)


def test_a_part_within_a_part_is_seen_before_others(site: PageSite, browser: Browser) -> None:
    run = str(next(RUNS))
    open_page(browser, f"{site.url}/nested?run={run}")
    assert colours(browser, 1) == [GREY]

    release(site, browser, run, "red")
    assert text(browser) == "red is here inner"
    assert colours(browser, 2) == [RED, GREY]

    release(site, browser, run, "blue")
    assert text(browser) == "red is here blue is here"
    assert colours(browser, 2) == [RED, BLUE]

    release(site, browser, run, "green")
    assert colours(browser, 3) == [RED, BLUE, GREEN]
    check_end(browser)


@pytest.mark.parametrize(
    ("policy", "ran"),
    [
        ("", ["nonce", "other", "none"]),
        ("script-src", ["nonce"]),
        ("script-src+%27strict-dynamic%27", ["nonce"]),
    ],
)
def test_scripts_in_a_part_run_as_the_policy_allows(
    site: PageSite, browser: Browser, policy: str, ran: list[str], request: pytest.FixtureRequest
) -> None:
    """The script that fills allows nothing that the browser itself would refuse."""
    open_page(browser, f"{site.url}/scripts?policy={policy}")
    browser.wait_until("document.readyState === 'complete'")

    is_off = "no script" in request.node.name
    assert browser.evaluate("window.ran ?? []") == ([] if is_off else ran)
    assert browser.evaluate("document.querySelectorAll('script[type]').length") == 1
    browser.problems.clear()  # a browser tells what it has refused
