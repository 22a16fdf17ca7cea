"""Event streams in Chromium: exactly what was sent, once, however often the connection breaks."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator, Iterator
from itertools import repeat
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from tests.browser import Chromium
from tests.command import Stream
from tests.html.streams.event_site import Cutter, EventSite
from tests.html.streams.exchange import body_of
from tests.html.streams.fuzz import EVENTS, Received, same
from tests.kits.hops import nginx

from tailrace.html import ServerEvent, events

COUNT = 6
LISTEN = """
function listen(path, names = []) {
  const source = new EventSource(path);
  source.got = [];
  source.errors = [];
  const note = (e) => {
    if (e.data !== undefined) source.got.push([e.type, e.data, e.lastEventId]);
  };
  for (const name of new Set(["message", "done", "failed", ...names])) {
    source.addEventListener(name, note);
  }
  source.addEventListener("error", () => source.errors.push(source.readyState));
  return source;
}
"""
"""`readyState` is 0 while it connects again, and 2 once it will not."""


@pytest.fixture(scope="module")
def site() -> Iterator[EventSite]:
    with EventSite() as site:
        yield site


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    with Chromium() as browser:
        yield browser


@pytest.fixture
def page(browser: Chromium, site: EventSite) -> Iterator[Chromium]:
    """An empty page of the site, which can listen."""
    site.requests.clear()
    opened(browser, site.url)
    yield browser


def opened(browser: Chromium, url: str) -> None:
    """Open the empty page there."""
    browser.call("Page.navigate", url="about:blank")
    browser.wait_until("location.href === 'about:blank'")
    browser.call("Page.navigate", url=url)
    browser.wait_until(f"document.title === 'Events' && location.href.startsWith('{url}')")
    browser.evaluate(LISTEN)


def received(browser: Chromium) -> list[Received]:
    """What `source` has dispatched."""
    return [Received(*each) for each in browser.evaluate("source.got")]


@events(retry_ms=1)
async def counting(stream: Any) -> AsyncIterator[ServerEvent]:
    """Goes on behind the last id."""
    for number in range(int(stream.last_event_id or 0) + 1, COUNT + 1):
        yield ServerEvent({"number": number}, id=number)


COUNTED = [Received("message", f'{{"number":{n}}}', str(n)) for n in range(1, COUNT + 1)]
ENDED = [*COUNTED, Received("done", "{}", "~done")]


@settings(max_examples=40, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(made=st.lists(EVENTS, max_size=10))
def test_fuzzed_events_arrive_exactly(
    browser: Chromium, site: EventSite, made: list[ServerEvent]
) -> None:
    @events(retry_ms=1)
    async def feed(stream: Any) -> AsyncIterator[ServerEvent]:
        for event in made:
            yield event

    site.apps["fuzz"] = feed
    if not browser.evaluate(f"location.href.startsWith('{site.url}')"):
        opened(browser, site.url)
    names = json.dumps([event.name for event in made if event.name is not None])
    browser.evaluate(f"var source = listen('/fuzz', {names})")

    browser.wait_until("source.readyState === EventSource.CLOSED")

    same(received(browser), made)


def test_after_the_last_event_204_ends_reconnecting(page: Chromium, site: EventSite) -> None:
    site.apps["counting"] = counting
    page.evaluate("var source = listen('/counting')")

    page.wait_until("source.readyState === EventSource.CLOSED")

    assert received(page) == ENDED
    assert page.evaluate("source.errors") == [0, 2]
    page.evaluate("fetch('/counting').then((response) => response.text())")
    asked = [("counting", None, 200), ("counting", "~done", 204), ("counting", None, 200)]
    assert site.requests == asked


def test_a_connection_that_breaks_behind_each_event_loses_and_repeats_none(
    browser: Chromium, site: EventSite
) -> None:
    site.apps["counting"] = counting
    site.requests.clear()
    cuts = [f'data: {{"number":{number}}}\n\n'.encode() for number in range(1, COUNT + 1)]
    with Cutter(site, cuts, waits=True) as cutter:
        opened(browser, cutter.url)
        browser.evaluate("var source = listen('/counting')")
        for number in range(1, COUNT + 1):
            browser.wait_until(f"source.got.length === {number}")
            cutter.cut()
        browser.wait_until("source.readyState === EventSource.CLOSED")

        assert received(browser) == ENDED
        ids = [None, *(str(n) for n in range(1, COUNT + 1)), "~done"]
        assert [last_id for _, last_id, _ in site.requests] == ids


@pytest.mark.parametrize("seed", range(5))
def test_a_connection_that_breaks_anywhere_loses_and_repeats_none(
    browser: Chromium, site: EventSite, seed: int
) -> None:
    """In the middle of a line, too, and before the first event."""
    site.apps["counting"] = counting
    chance = random.Random(seed)
    with Cutter(site, [chance.randrange(120) for _ in range(20)]) as cutter:
        opened(browser, cutter.url)
        browser.evaluate("var source = listen('/counting')")
        browser.wait_until("source.readyState === EventSource.CLOSED")

        assert received(browser) == ENDED


def test_an_id_before_the_first_event_is_kept(browser: Chromium, site: EventSite) -> None:
    """An event without data is not dispatched; its id comes back when the connection is lost."""
    asked = []

    @events(retry_ms=1)
    async def feed(stream: Any) -> AsyncIterator[ServerEvent]:
        asked.append(stream.last_event_id)
        if stream.last_event_id is None:
            yield ServerEvent(id="job-7:0")
        yield ServerEvent("cut" if stream.last_event_id is None else "resumed", id="job-7:1")

    site.apps["feed"] = feed
    with Cutter(site, repeat(b"id: job-7:1\ndata: cu")) as cutter:
        opened(browser, cutter.url)
        browser.evaluate("var source = listen('/feed')")
        browser.wait_until("source.readyState === EventSource.CLOSED")

        assert list(dict.fromkeys(asked)) == [None, "job-7:0"]  # None again if Chromium dropped it
        assert [each.data for each in received(browser)] == ["resumed", "{}"]


def test_the_time_before_a_reconnect_is_the_streams(page: Chromium, site: EventSite) -> None:
    """Chromium would wait 3 s in both."""

    def feed_of(retry_ms: int) -> Any:
        @events(retry_ms=retry_ms)
        async def feed(stream: Any) -> AsyncIterator[ServerEvent]:
            if len(site.requests) > 20:
                return
            stream.final = None
            yield ServerEvent("one")

        return feed

    site.apps.update(late=feed_of(600_000), soon=feed_of(1))
    page.evaluate("var late = listen('/late')")
    page.wait_until("late.errors.length === 1")
    page.evaluate("var source = listen('/soon')")
    page.wait_until("source.readyState === EventSource.CLOSED")

    assert [path for path, _, _ in site.requests].count("late") == 1
    assert page.evaluate("late.readyState") == 0


def test_a_failure_that_cannot_be_resumed_is_an_event_and_the_end(
    page: Chromium, site: EventSite
) -> None:
    @events(retry_ms=1)
    async def feed(stream: Any) -> AsyncIterator[Any]:
        yield "one"
        raise ZeroDivisionError("a secret")

    site.apps["feed"] = feed
    page.evaluate("var source = listen('/feed')")
    page.wait_until("source.readyState === EventSource.CLOSED")

    assert received(page) == [
        Received("message", "one", ""),
        Received("failed", "{}", "~failed"),
    ]
    assert site.requests == [("feed", None, 200), ("feed", "~failed", 204)]


def test_a_failure_behind_an_id_is_resumed_until_it_gets_no_further(
    page: Chromium, site: EventSite
) -> None:
    @events(retry_ms=1)
    async def feed(stream: Any) -> AsyncIterator[Any]:
        begin = int(stream.last_event_id or 0)
        for number in range(begin + 1, begin + 3):
            if number == 5:
                raise ZeroDivisionError("always here")
            yield ServerEvent(number, id=number)
        raise ZeroDivisionError("now and then")

    site.apps["feed"] = feed
    page.evaluate("var source = listen('/feed')")
    page.wait_until("source.readyState === EventSource.CLOSED")

    assert [each.data for each in received(page)] == ["1", "2", "3", "4"]
    not_begun = 0  # uvicorn answers 500, at which Chromium does not reconnect
    # Not all requests: Chromium may drop what comes just before an abort, and ask for it again.
    assert site.requests[-1] == ("feed", "4", not_begun)


def test_a_buffered_response_has_the_same_events(page: Chromium, site: EventSite) -> None:
    """A way that cannot stream returns them at once."""
    body = body_of(counting)

    async def buffered(scope: Any, receive: Any, send: Any) -> None:
        if (b"last-event-id", b"~done") in scope["headers"]:
            await counting(scope, receive, send)
            return
        headers = [(b"content-type", b"text/event-stream")]
        headers.append((b"content-length", str(len(body)).encode()))
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body.encode()})

    site.apps["buffered"] = buffered
    page.evaluate("var source = listen('/buffered')")
    page.wait_until("source.readyState === EventSource.CLOSED")

    assert received(page) == ENDED


def test_heartbeats_keep_a_silent_stream_alive_through_nginx(
    site: EventSite, tmp_path: Any
) -> None:
    """nginx breaks off what is silent for a second: the stream without heartbeats, meanwhile."""

    def silent(heartbeat_s: float | None) -> Any:
        @events(heartbeat_s=heartbeat_s)
        async def feed(stream: Any) -> AsyncIterator[str]:
            yield "one"
            await site.pass_gate("silence")
            yield "two"

        return feed

    site.apps.update(alive=silent(0.2), dead=silent(None))
    settings = {"short": "proxy_http_version 1.1; proxy_read_timeout 1s;"}
    with (
        nginx(tmp_path, f"127.0.0.1:{site.port}", settings) as urls,
        Stream(f"{urls['short']}/alive") as alive,
        Stream(f"{urls['short']}/dead") as dead,
    ):
        assert alive.line() == dead.line() == "data: one\n"
        with pytest.raises(Exception, match="IncompleteRead"):
            dead.read()
        site.open_gate("silence")
        lines = []
        while line := alive.line():
            lines.append(line)

    assert lines.count(":\n") >= 2
    text = "".join(line for line in lines if line != ":\n")
    assert text == "\ndata: two\n\nid: ~done\nevent: done\ndata: {}\n\n"
