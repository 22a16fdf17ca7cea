"""When a hook is completed, and for how long that is tried, on a clock that the test advances.

The metadata service and the API are real servers; the parent is one that holds nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, cast

import pytest
from tests.clock import ManualClock
from tests.fakes import until
from tests.fleet.instance import BEAT, COMPLETE, HOOK, THROTTLED, Error, Instance

from tailrace.config import HookName
from tailrace.fleet.draining import NodeDrain
from tailrace.fleet.lifecycle import Lifecycle
from tailrace.fleet.parent import Parent
from tailrace.net.process import limits
from tailrace.net.process.startup import run


class IdleParent:
    """A parent whose drain is over when the test says so."""

    held = 0
    is_last = False

    def __init__(self) -> None:
        self.may_end = asyncio.Event()
        self.node_drain = NodeDrain(self._run)

    @property
    def is_draining(self) -> bool:
        return self.node_drain.seconds is not None

    def begin_drain(self) -> None:
        self.node_drain.begin()

    async def drain(self) -> bool:
        return await self.node_drain.wait()

    async def _run(self) -> bool:
        await self.may_end.wait()
        return True


class World:
    """A lifecycle that is entered, and what it stands on."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.clock = ManualClock()
        self.parent = IdleParent()
        self.lifecycle = Lifecycle(
            cast(Parent, self.parent),
            HookName(None, HOOK),
            limits.LIFECYCLE_HEARTBEAT_S,
            instance.environ,
            self.clock,
        )

    async def again_after(self, delay_s: float, *, beside: int = 0) -> None:
        """Wait until the next call is due in this time, and let it be; `beside` are other waits."""
        waits = 1 + beside
        await until(lambda: self.clock.waiting_count == waits, "the answer to a call")
        self.clock.advance(delay_s - 0.1)
        assert self.clock.waiting_count == waits
        self.clock.advance(0.1)
        assert self.clock.waiting_count == beside


@pytest.fixture
def instance(monkeypatch: pytest.MonkeyPatch) -> Iterator[Instance]:
    with Instance() as instance:
        for name, value in instance.environ.items():  # of botocore, in this process
            monkeypatch.setenv(name, value)
        yield instance
    assert instance.surprises == []


def entered(instance: Instance, test: Callable[[World], Coroutine[Any, Any, None]]) -> None:
    """Run a test with a lifecycle."""

    async def main() -> None:
        world = World(instance)
        async with world.lifecycle:
            await test(world)
        await world.parent.node_drain.cancel()

    run(main())


def test_a_completion_that_is_never_taken_is_left_with_a_warning(
    instance: Instance, caplog: pytest.LogCaptureFixture
) -> None:
    instance.every = THROTTLED
    instance.state = "Terminated"

    async def test(world: World) -> None:
        world.parent.may_end.set()
        left_s = limits.LIFECYCLE_COMPLETE_TIMEOUT_S
        longest_s = limits.LIFECYCLE_RETRY_DELAYS_S[-1]
        for delay_s in (*limits.LIFECYCLE_RETRY_DELAYS_S, longest_s, longest_s):
            await world.again_after(delay_s)
            left_s -= delay_s
        await until(lambda: world.clock.waiting_count == 1, "the answer to a call")
        assert world.lifecycle.state["hook"] is None
        world.clock.advance(left_s)
        await until(lambda: world.lifecycle.state["hook"] == "failed", "the last attempt")

    entered(instance, test)

    warnings = [each.getMessage() for each in caplog.records if each.levelname == "WARNING"]
    assert "Throttling: Rate exceeded; it is tried again" in warnings[0]
    assert "was not completed: the instance waits until the hook's time-out" in warnings[1]
    assert len(warnings) == 2


def test_after_a_signal_it_is_tried_for_a_short_time(instance: Instance) -> None:
    instance.every = THROTTLED
    instance.state = "Terminated"

    async def test(world: World) -> None:
        async with asyncio.TaskGroup() as tasks:
            world.parent.may_end.set()
            ending = tasks.create_task(world.lifecycle.drain())
            await until(lambda: world.clock.waiting_count == 2, "the wait of the signal")
            left_s = limits.LIFECYCLE_STOP_TIMEOUT_S
            for delay_s in (1.0, 2.0, 4.0, 8.0):
                await world.again_after(delay_s, beside=1)
                left_s -= delay_s
            assert not ending.done()
            world.clock.advance(left_s)
            assert await ending is True

    entered(instance, test)
    assert instance.count(COMPLETE) == 0


def test_the_state_is_read_once_more_before_the_process_ends(instance: Instance) -> None:
    """The clock stands still, so the watch itself does not look again."""

    async def test(world: World) -> None:
        await until(lambda: world.clock.waiting_count == 1, "the end of a look")
        world.parent.may_end.set()
        instance.terminate()
        assert await world.lifecycle.drain() is True
        assert world.lifecycle.state["hook"] == "completed"

    entered(instance, test)
    assert instance.count(COMPLETE) == 1


def test_a_failed_heartbeat_is_repeated_sooner_than_the_next_one_is_due(
    instance: Instance,
) -> None:
    """An interval later the shortest time-out of a hook would be over."""
    instance.terminate()
    interval_s = limits.LIFECYCLE_HEARTBEAT_S

    async def test(world: World) -> None:
        await world.again_after(interval_s)
        await until(lambda: world.clock.waiting_count == 1, "a heartbeat")
        instance.errors[BEAT] += [THROTTLED, Error(500, "InternalFailure", "oh"), THROTTLED]
        for delay_s in (interval_s, 1.0, 2.0, 4.0, interval_s):
            await world.again_after(delay_s)

    entered(instance, test)
    assert instance.count(BEAT, was_taken=False) == 3
