"""The landing page of the examples, in a real browser."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from tests.browser import Chromium
from tests.command import EXAMPLES, DevCommand

STREAMS = ("/lines", "/tokens", "/node", "/fails")

# Runs before the page's own script: notes each part when it comes into the document.
WATCH = """
window.parts = [];
window.loadedAt = null;
addEventListener("load", () => (window.loadedAt = Date.now()));
new MutationObserver((records) => {
  const found = document.querySelectorAll("page-part");
  for (let i = window.parts.length; i < found.length; i++) {
    window.parts.push({
      written: Number(found[i].getAttribute("written")),
      arrived: Date.now(),
      state: document.readyState,
      text: document.body.innerText.length,
    });
  }
}).observe(document, { childList: true, subtree: true });
"""
COUNT_ENDED = """
[...document.querySelectorAll("live-stream button")]
  .filter((button) => button.textContent === "Run again").length
"""


@pytest.fixture(scope="module")
def demo() -> Iterator[DevCommand]:
    with DevCommand(EXAMPLES) as dev:
        yield dev


@pytest.fixture(scope="module")
def page(demo: DevCommand) -> Iterator[Chromium]:
    """The page after all of its streams have ended once; tests only look at it."""
    with Chromium() as browser:
        browser.look()
        browser.call("Page.addScriptToEvaluateOnNewDocument", source=WATCH)
        browser.call("Page.navigate", url=f"{demo.url}/")
        browser.wait_until("window.loadedAt !== null")
        browser.wait_until(f"({COUNT_ENDED.strip()}) === 4")
        yield browser


@pytest.fixture
def own_page(demo: DevCommand) -> Iterator[Chromium]:
    """A page that a test may use as it likes."""
    with Chromium() as browser:
        browser.call("Page.navigate", url=f"{demo.url}/")
        browser.wait_until("!!document.querySelector('footer')")
        yield browser


def status_of(page: Chromium, path: str) -> str:
    text = page.evaluate(f"document.querySelector('live-stream[src=\"{path}\"] .status').innerText")
    assert isinstance(text, str)
    return text


def test_the_page_fills_while_it_loads(page: Chromium) -> None:
    """Each part was in the document while the function was still writing the ones behind it."""
    parts = page.evaluate("window.parts")

    assert len(parts) == 13
    assert all(part["state"] == "loading" for part in parts[:-1])
    # Parts are written 200 ms apart; a browser on a busy machine may sleep that long, not thrice.
    for part, later in zip(parts, parts[3:], strict=False):
        assert part["arrived"] < later["written"]
        assert part["text"] < later["text"]
    assert parts[-1]["written"] <= page.evaluate("window.loadedAt") + 1


def test_the_page_draws_its_own_arrival(page: Chromium) -> None:
    status = page.evaluate("document.querySelector('page-stream .status').innerText")

    assert status.startswith("complete 13 of 13 parts in ")
    assert "median delay " in status
    drawn = page.evaluate("document.querySelector('page-stream .fall').getAttribute('d')")
    assert drawn.count("M") == 13


def test_the_streams_run_and_tell_how_they_ended(page: Chromium) -> None:
    assert status_of(page, "/lines").startswith("complete 10 chunks in ")
    assert status_of(page, "/tokens").startswith("complete 62 chunks in ")
    assert status_of(page, "/node").startswith("complete 10 chunks in ")
    assert status_of(page, "/fails").startswith("broken off 5 chunks in ")
    rows = page.evaluate(
        "[...document.querySelectorAll('#lines .rows li')].map((r) => r.innerText)"
    )
    assert len(rows) == 10
    assert all(row.rstrip().endswith("ms") for row in rows)
    prose = page.evaluate("document.querySelector('#tokens .prose').innerText")
    assert prose.startswith("A tailrace is the channel that carries water away from a turbine.")
    assert "this response is not complete" in page.evaluate(
        "document.querySelector('#fails .lost').innerText"
    )


def test_delays_are_those_of_one_clock(page: Chromium) -> None:
    """A delay is never far below zero, where the two clocks are the same one."""
    delays = page.evaluate(
        "[...document.querySelectorAll('live-stream')].flatMap("
        "(s) => s.trace.chunks.map((c) => c.delay))"
    )

    assert len(delays) == 87
    assert min(delays) > -2
    assert page.evaluate(
        "[...document.querySelectorAll('live-stream')].every((s) => s.trace.skew === 0)"
    )


def test_nothing_is_wrong_but_what_is_meant_to_be(page: Chromium, demo: DevCommand) -> None:
    """No exception, nothing that the content security policy refused, no missing file."""
    assert page.problems == [
        f"Failed to load resource: net::ERR_INCOMPLETE_CHUNKED_ENCODING {demo.url}/fails"
    ]


def test_nothing_comes_from_elsewhere(page: Chromium, demo: DevCommand) -> None:
    urls = {
        event["params"]["request"]["url"]
        for event in page.events
        if event["method"] == "Network.requestWillBeSent"
    }

    assert {url for url in urls if not url.startswith("data:")} == {
        demo.url + path for path in ("/", *STREAMS)
    }


def test_at_most_four_streams_at_once(page: Chromium) -> None:
    """A browser opens six connections to a host; the page itself has one of them."""
    open_now: set[str] = set()
    most = 0
    for event in page.events:
        parameters = event["params"]
        if event["method"] == "Network.requestWillBeSent":
            if parameters["request"]["url"].endswith(STREAMS):
                open_now.add(parameters["requestId"])
        elif event["method"] in ("Network.loadingFinished", "Network.loadingFailed"):
            open_now.discard(parameters["requestId"])
        most = max(most, len(open_now))

    assert most <= 4


@pytest.mark.parametrize("width", [320, 390, 768, 1280, 1920])
def test_nothing_sticks_out_sideways(width: int, page: Chromium) -> None:
    page.look(width=width)

    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.look()


# A picture of a page whose first part was late beyond the scale of the others, and one that broke
# off behind the end of the picture.
OWN_TRACE = """
(() => {
  document.querySelector("#own")?.remove();
  const own = document.createElement("page-stream");
  own.id = "own";
  own.setAttribute("parts", "4");
  document.querySelector("figure").append(own);
  const { trace } = own;
  for (const [written, delay] of [[0, 400], [500, 3], [1000, 19], [2590, 12]])
    trace.add(trace.start + written, trace.start + written + delay);
  trace.mark("cut", trace.start + 9000);
  const path = (name) => trace.box.querySelector(name).getAttribute("d");
  const edges = (name) => {
    const { left, right, top, bottom } = trace.box.querySelector(name).getBoundingClientRect();
    return { left, right, top, bottom };
  };
  return {
    bars: path(".bars"), falls: path(".fall"), cut: path(".cut"),
    words: trace.box.querySelector(".scale").textContent,
    box: edges("svg"), limit: edges(".limit"),
    scale: edges(".scale"), arrived: edges(".at-arrival"),
  };
})()
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 390, 1280])
def test_the_picture_of_a_stream_hides_no_delay(width: int, scheme: str, page: Chromium) -> None:
    page.look(width=width, scheme=scheme)

    seen = page.evaluate(OWN_TRACE)

    page.evaluate("document.querySelector('#own').remove()")
    page.look()
    first, *others = seen["bars"].removeprefix("M").split("M")
    assert first.endswith(" 115V84")  # and a gap up to the rest of it
    assert others[0].endswith(" 80V75")
    assert [bar.partition("V")[2] for bar in others[1:]] == ["109.0", "77.0", "91.0"]
    assert seen["words"] == "delay, up to 20 ms (first 400 ms)"
    assert seen["cut"].startswith("M952.4 ")
    xs = [float(x) for x in re.findall(r"[ML]([\d.]+) ", seen["falls"] + seen["bars"])]
    assert all(0 <= x <= 1000 for x in xs)
    # Words stand beside the bars, not before them, and beside each other.
    assert seen["scale"]["bottom"] <= seen["limit"]["top"] + 1
    assert seen["arrived"]["right"] < seen["scale"]["left"]
    assert seen["box"]["left"] <= seen["scale"]["left"] <= seen["scale"]["right"]
    assert seen["scale"]["right"] <= seen["box"]["right"] + 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read(scheme: str, page: Chromium) -> None:
    """WCAG 2.2 AA: a contrast of 4.5 for every text colour on every ground that it stands on."""
    page.look(scheme=scheme)
    colors = json.loads(
        page.evaluate(
            """(() => {
              const style = getComputedStyle(document.documentElement);
              const names = ["ground", "panel", "sunk", "ink", "quiet", "water", "broken"];
              return JSON.stringify(Object.fromEntries(
                names.map((name) => [name, style.getPropertyValue("--" + name).trim()])));
            })()"""
        )
    )

    for text in ("ink", "quiet", "water", "broken"):
        for ground in ("ground", "panel", "sunk"):
            assert contrast(colors[text], colors[ground]) >= 4.5, (text, ground)
    page.look()


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two colours, #rrggbb (WCAG 2.2, relative luminance)."""

    def luminance(color: str) -> float:
        channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        red, green, blue = (
            c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels
        )
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def test_everything_to_press_has_a_name(page: Chromium) -> None:
    nameless = page.evaluate(
        "[...document.querySelectorAll('button, a, summary')]"
        ".filter((e) => !(e.ariaLabel || e.innerText.trim())).length"
    )

    assert nameless == 0
    assert page.evaluate(
        "[...document.querySelectorAll('.trace svg')].every((e) => e.ariaLabel.includes('median'))"
    )


def test_leaving_a_stream_stops_its_function(own_page: Chromium, demo: DevCommand) -> None:
    press = "document.querySelector('#tokens live-stream').button.click()"
    own_page.wait_until(f"({COUNT_ENDED.strip()}) === 4")
    seen = len(demo.lines)

    own_page.evaluate(press)
    own_page.wait_until("document.querySelector('#tokens live-stream').trace.chunks.length >= 3")
    own_page.evaluate(press)

    demo.wait_line("path=/tokens .*outcome=client-left", after=seen)
    demo.wait_line(r"tokens +\| END", after=seen)
    own_page.wait_until("document.querySelector('#tokens .status').innerText.startsWith('left')")


def test_an_event_source_that_nobody_closes_ends_by_itself(own_page: Chromium) -> None:
    """The browser reconnects after the last event, is answered 204 and gives up."""
    ended = own_page.evaluate(
        """new Promise((resolve) => {
          const source = new EventSource("/tokens");
          const seen = { tokens: 0, done: 0, opened: 0 };
          source.onopen = () => seen.opened++;
          source.onmessage = () => seen.tokens++;
          source.addEventListener("done", () => seen.done++);
          source.onerror = () => {
            if (source.readyState === EventSource.CLOSED) resolve(seen);
          };
        })"""
    )

    assert ended == {"tokens": 62, "done": 1, "opened": 1}


def test_without_script_the_page_is_whole(demo: DevCommand, own_page: Chromium) -> None:
    own_page.call("Emulation.setScriptExecutionDisabled", value=True)
    own_page.call("Page.navigate", url=f"{demo.url}/")
    own_page.wait_until("document.readyState === 'complete' && !!document.querySelector('footer')")
    text = own_page.evaluate("document.body.innerText")

    assert "Arrival times need JavaScript; the page streams without it." in text
    assert "This was the last of 13 parts of one response." in text


def test_without_node_the_page_says_so(tmp_path_factory: pytest.TempPathFactory) -> None:
    empty = tmp_path_factory.mktemp("empty")
    with DevCommand(EXAMPLES, environ={"PATH": str(empty)}) as dev, Chromium() as browser:
        browser.call("Page.navigate", url=f"{dev.url}/")
        browser.wait_until("!!document.querySelector('footer')")

        assert status_of(browser, "/node").startswith("needs Node.js")
