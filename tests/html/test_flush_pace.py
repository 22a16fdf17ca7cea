"""When a response is flushed, and what all of its flushes cost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from tailrace.function.request import Request
from tailrace.function.stream import FLUSH
from tailrace.function.way import ResponseWay
from tailrace.html import Page, page
from tailrace.html.flush_pace import FlushPace
from tailrace.html.limits import FLUSH_FIRST_S, FLUSH_WAIT_MAX_S
from tailrace.limits import FLUSH_PAD_BYTES, FLUSH_QUIET_S

HELD_BACK = ResponseWay(stops_on_leave=False, holds_back=True)
LONGEST_S = 900.0
EVENT = {"version": "2.0", "rawPath": "/", "requestContext": {"http": {"method": "GET"}}}


class Play:
    """A response that is written while a clock is set."""

    def __init__(self, way: ResponseWay = HELD_BACK) -> None:
        self.now_s = 100.0
        self.pace = FlushPace(way, lambda: self.now_s)
        self.flushes = 0

    def write(self) -> None:
        self.pace.wrote()
        self.flush_if_due()

    def flush_if_due(self) -> None:
        if self.pace.is_due:
            self.pace.flushed()
            self.flushes += 1

    def write_until(self, end_s: float, interval_s: float) -> None:
        """Write at an interval."""
        while self.now_s < end_s:
            self.write()
            next_s = self.now_s + interval_s
            if self.pace.is_held and (wait_s := self.pace.wait_s(None) or 0.0) < interval_s:
                self.now_s += wait_s
                self.flush_if_due()
            self.now_s = next_s


def test_the_first_write_is_flushed_almost_at_once() -> None:
    play = Play()

    play.write()
    assert play.pace.wait_s(5.0) == pytest.approx(FLUSH_FIRST_S)
    play.now_s += FLUSH_FIRST_S
    play.flush_if_due()

    assert play.flushes == 1
    assert play.pace.wait_s(5.0) == 5.0


def test_later_ones_wait_for_a_pause() -> None:
    play = Play()
    play.write_until(play.now_s + FLUSH_FIRST_S, FLUSH_FIRST_S)
    play.now_s += FLUSH_QUIET_S

    play.write()
    play.now_s += FLUSH_QUIET_S / 2
    play.write()

    assert play.flushes == 1
    assert play.pace.wait_s(5.0) == pytest.approx(FLUSH_QUIET_S)


def test_what_never_pauses_is_flushed_all_the_same() -> None:
    """Tokens of a model come at a shorter interval than what counts as a pause."""
    play = Play()

    play.write_until(play.now_s + FLUSH_WAIT_MAX_S * 4, FLUSH_QUIET_S / 2)

    assert play.flushes >= 4


@pytest.mark.parametrize("interval_s", [0.01, 0.06, 0.3, 1.0, 5.0])
def test_the_padding_of_the_longest_response_is_bounded(interval_s: float) -> None:
    play = Play()

    play.write_until(play.now_s + LONGEST_S, interval_s)

    assert play.flushes >= 170
    assert play.flushes * FLUSH_PAD_BYTES <= 42_000_000


def test_nothing_is_flushed_where_nothing_is_held_back() -> None:
    play = Play(ResponseWay())

    play.write_until(play.now_s + 10, 0.5)

    assert play.flushes == 0


def test_a_response_that_cannot_be_flushed_is_not() -> None:
    play = Play()
    play.pace.wrote()

    play.pace.stop()
    play.write_until(play.now_s + 10, 0.5)

    assert play.flushes == 0
    assert play.pace.wait_s(5.0) == 5.0


async def items_of(count: int) -> list[object]:
    """What a page yields that writes now and then, until it has been flushed so often."""
    flushes = asyncio.Semaphore(0)

    @page
    async def report(page: Page) -> AsyncIterator[str]:
        for number in range(count):
            yield f"{number};"
            await flushes.acquire()

    items: list[object] = []
    async for item in report._produce(report._function, Request(EVENT), HELD_BACK):
        items.append(item)
        if item is FLUSH:
            flushes.release()
    return items


def test_a_flush_is_no_news() -> None:
    """What goes out between two flushes is what the page has written, and no heartbeat."""
    items = asyncio.run(items_of(3))

    assert items[1:] == ["0;", FLUSH, "1;", FLUSH, "2;", FLUSH]
