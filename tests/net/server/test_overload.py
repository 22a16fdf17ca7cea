"""What is late for long is refused; a pause, or what is not late, is not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass

import pytest
from tests.clock import ManualClock

from tailrace.net.process.limits import (
    LATE_ALERT_S,
    LATE_LOOK_INTERVAL_S,
    LATE_PATIENCE_S,
    LATE_QUEUE_S,
)
from tailrace.net.server.overload import Overload

BOUND_S = 0.05
LATE_S = 0.06
STEP_S = 0.3 * LATE_PATIENCE_S
BEGAN_S = 100.0
"""How long ago the process began to serve."""


@dataclass
class Request:
    """A connection whose request has waited for so long."""

    received_ago_s: float
    has_responded: bool = False
    phase_since_s: float = 0.0


def in_loop(story: Callable[[], Coroutine[None, None, None]]) -> Callable[[], None]:
    """Run a test in an event loop of asyncio, in which a turn has an order."""

    def test() -> None:
        asyncio.run(story())

    test.__name__ = story.__name__
    return test


async def settle() -> None:
    """Let a turn end that is being measured."""
    await asyncio.sleep(0)
    await asyncio.sleep(0)


class Process:
    """A process whose time the test makes."""

    def __init__(self, bound_s: float = BOUND_S) -> None:
        self.clock = ManualClock()
        self.overload = Overload(bound_s, self.clock)
        self.overload.start()
        self.clock.advance(BEGAN_S)

    async def look(self) -> None:
        """Let the interval pass after which a request is looked at again."""
        self.clock.advance(LATE_LOOK_INTERVAL_S)
        await settle()

    def refuses(self, waited_s: float) -> bool:
        return self.overload.must_refuse(Request(waited_s))

    async def be_late(self, seconds: float) -> list[bool]:
        """Requests one after the other, all late, over so long a time."""
        refused = []
        await self.look()
        for _ in range(round(seconds / STEP_S) + 1):
            refused.append(self.refuses(LATE_S))
            self.clock.advance(STEP_S)
            await settle()
        return refused


@in_loop
async def test_requests_that_are_late_for_long_are_refused() -> None:
    process = Process()

    refused = await process.be_late(2 * LATE_PATIENCE_S)

    assert refused == [False] * 4 + [True] * 4
    assert process.overload.refused == 4


@in_loop
async def test_a_request_in_time_is_served_at_once() -> None:
    process = Process()
    await process.be_late(2 * LATE_PATIENCE_S)

    assert not process.refuses(BOUND_S)
    assert process.refuses(LATE_S)  # the overload goes on: no patience again
    assert not process.refuses(BOUND_S)


@in_loop
async def test_a_pause_refuses_nothing() -> None:
    """Like a garbage collection: what it has delayed is late, and then nothing is."""
    process = Process()

    for _ in range(20):
        assert not any(await process.be_late(LATE_PATIENCE_S - STEP_S))
        assert not process.refuses(0.0)

    assert process.overload.refused == 0


@in_loop
async def test_two_pauses_are_no_overload() -> None:
    """What comes up late after a time without any request says nothing of that time."""
    process = Process()

    for _ in range(5):
        await process.look()
        assert not process.refuses(LATE_S)
        process.clock.advance(2 * LATE_PATIENCE_S)


@in_loop
async def test_patience_returns_some_time_after_the_last_refusal() -> None:
    process = Process()
    await process.be_late(2 * LATE_PATIENCE_S)
    process.clock.advance(LATE_ALERT_S)

    await process.look()

    assert not process.refuses(LATE_S)


@in_loop
async def test_requests_between_two_looks_cost_nothing() -> None:
    process = Process()
    await process.look()
    assert not process.refuses(0.0)

    assert not process.overload.wants_request


@in_loop
async def test_what_came_behind_a_response_has_waited_for_its_end() -> None:
    """A client that sends its next request early is not late for that."""
    process = Process()
    await process.be_late(2 * LATE_PATIENCE_S)
    ended_s = process.clock.now_s() - 0.01

    assert not process.overload.must_refuse(Request(60.0, True, ended_s))
    assert process.overload.must_refuse(Request(60.0, False, ended_s))


@pytest.mark.parametrize("is_first", [True, False], ids=["callback first", "request first"])
def test_late_callbacks_refuse_new_requests(is_first: bool) -> None:
    """They were admitted: while the process does not get to them, it takes nothing new."""

    async def story() -> None:
        process = Process()
        refused = []

        patient = round(LATE_PATIENCE_S / LATE_LOOK_INTERVAL_S)
        for _ in range(patient + 4):
            await process.look()
            assert process.overload.wants_callback
            if not is_first:
                refused.append(process.refuses(0.0))
            process.overload.note_callback(Request(LATE_S))
            if is_first:
                refused.append(process.refuses(0.0))

        assert refused[:2] == [False, False]
        assert refused[-3:] == [True] * 3
        await process.look()
        process.overload.note_callback(Request(0.0))
        assert not process.refuses(0.0)

    asyncio.run(story())


@in_loop
async def test_a_callback_says_nothing_of_a_time_without_callbacks() -> None:
    process = Process()
    for _ in range(2 + round(LATE_PATIENCE_S / LATE_LOOK_INTERVAL_S)):
        await process.look()
        process.overload.note_callback(Request(LATE_S))
    assert process.refuses(0.0)

    await process.look()
    assert process.refuses(0.0)
    await process.look()
    assert not process.refuses(0.0)


@in_loop
async def test_long_turns_refuse_new_requests() -> None:
    """All that runs is late then, though the request itself has come just now."""
    process = Process()
    refused = []

    for _ in range(2 + round(LATE_PATIENCE_S / (LATE_LOOK_INTERVAL_S + LATE_S))):
        process.clock.advance(LATE_LOOK_INTERVAL_S)
        await asyncio.sleep(0)
        process.clock.advance(LATE_S)
        await asyncio.sleep(0)
        refused.append(process.refuses(0.0))

    assert refused[:2] == [False, False]
    assert refused[-1]
    assert process.overload.late_us == pytest.approx(LATE_S * 1e6)
    await process.look()  # a turn as usual
    assert not process.refuses(0.0)


@in_loop
async def test_without_a_bound_nothing_is_refused_but_all_is_measured() -> None:
    process = Process(bound_s=0.0)

    assert not any(await process.be_late(2 * LATE_PATIENCE_S))

    assert process.overload.late_us > BOUND_S * 1e6


@in_loop
async def test_what_is_shown_decays() -> None:
    process = Process()
    await process.be_late(0.0)
    shown = []

    for _ in range(500):
        shown.append(process.overload.late_us)
        await process.look()

    assert shown == sorted(shown, reverse=True)
    assert shown[-1] == 0


@in_loop
async def test_stopped_it_measures_no_more() -> None:
    process = Process()
    await process.look()
    process.overload.stop()

    await process.look()

    assert process.clock.waiting_count == 0


def test_the_log_counts_refusals(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        await Process().be_late(4 * LATE_PATIENCE_S)

    asyncio.run(story())

    assert [record.getMessage() for record in caplog.records] == [
        "overload: refused=1: requests wait 60 ms, the bound is 50 ms"
    ]


@in_loop
async def test_what_has_waited_for_the_start_is_served_and_what_stands_behind_it() -> None:
    """A supervisor holds the socket while the process is restarted: its queue is no overload."""
    process = Process()
    await process.look()
    queued_s = BEGAN_S + 1

    refused = []
    for waited_s in (*[queued_s] * 4, *[LATE_S] * 2):
        refused.append(process.refuses(waited_s))
        process.clock.advance(STEP_S)
        await settle()
    process.clock.advance(LATE_QUEUE_S)
    refused_later = await process.be_late(2 * LATE_PATIENCE_S)

    assert not any(refused)
    assert refused_later[-1]
