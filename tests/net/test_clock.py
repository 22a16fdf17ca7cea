"""The clock of production, and the one of the tests."""

from __future__ import annotations

import asyncio

from tests.clock import ManualClock
from tests.fakes import soon

from tailrace.net.clock import LoopClock, sleep, time_limit
from tailrace.net.process.startup import run


def test_the_loop_clock_is_the_loop() -> None:
    async def story() -> None:
        clock, calls = LoopClock(), asyncio.Queue[str]()
        loop = asyncio.get_running_loop()
        assert clock.now_s() == loop.time()

        clock.call_later(0, calls.put_nowait, "later")
        clock.call_at(loop.time(), calls.put_nowait, "at")
        clock.call_later(0, calls.put_nowait, "never").cancel()

        assert [await soon(calls.get()), await soon(calls.get())] == ["later", "at"]
        assert calls.empty()

    run(story())


def test_timers_fire_in_their_order_at_their_own_time() -> None:
    clock, fired = ManualClock(now_s=0.0), list[tuple[str, float]]()

    def note(name: str) -> None:
        fired.append((name, clock.now_s()))
        if name == "first":
            clock.call_later(1.0, note, "set by the first")

    clock.call_at(3.0, note, "last")
    clock.call_later(1.0, note, "first")
    clock.call_later(1.0, note, "equal")
    clock.call_later(1.5, note, "never").cancel()
    clock.advance(0.5)
    assert fired == []
    clock.advance(2.0)

    assert fired == [("first", 1.0), ("equal", 1.0), ("set by the first", 2.0)]
    assert (clock.now_s(), clock.waiting_count) == (2.5, 1)


def test_a_time_limit_is_over_when_its_clock_is() -> None:
    async def story() -> None:
        clock = ManualClock()

        async def wait() -> str:
            try:
                async with time_limit(clock, 5.0):
                    await asyncio.Event().wait()
            except TimeoutError:
                return "timeout"
            return "end"

        task = asyncio.create_task(wait())
        while not clock.waiting_count:
            await asyncio.sleep(0)
        clock.advance(4.9)
        for _ in range(10):
            await asyncio.sleep(0)
        assert not task.done()
        clock.advance(0.1)
        assert await soon(task) == "timeout"

        async with time_limit(clock, 5.0):
            pass
        assert clock.waiting_count == 0

    run(story())


def test_a_sleep_leaves_no_timer_when_it_is_cancelled() -> None:
    async def story() -> None:
        clock = ManualClock()
        tasks = [asyncio.create_task(sleep(clock, 1.0)) for _ in range(2)]
        while clock.waiting_count < 2:
            await asyncio.sleep(0)

        tasks[0].cancel()
        clock.advance(1.0)
        await soon(tasks[1])

        assert clock.waiting_count == 0

    run(story())
