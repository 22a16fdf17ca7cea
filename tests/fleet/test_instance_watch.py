"""What of an instance's metadata is an end of it, and what of them cannot be read."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from tests.clock import ManualClock
from tests.fakes import until
from tests.fleet.instance import Instance, notice

from tailrace.fleet.instance_watch import InstanceWatch
from tailrace.gateway.aws.metadata import InstanceMetadata
from tailrace.net.process import limits
from tailrace.net.process.startup import run

STATE, NOTICE = "autoscaling/target-lifecycle-state", "spot/instance-action"


class Watched:
    """A watch of an instance, whose clock the test advances, and the notices that it has read."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.clock = ManualClock()
        self.notices: list[str] = []
        self.metadata = InstanceMetadata(instance.environ)
        self.watch = InstanceWatch(self.metadata, self.notices.append, self.clock)

    async def looks_again_after(self, interval_s: float) -> None:
        """Wait until it sleeps; it looks after this time, and not before."""
        await until(lambda: self.clock.waiting_count == 1, "the end of a look")
        count = len(self.instance.asked)
        self.clock.advance(interval_s - 0.1)
        assert len(self.instance.asked) == count and self.clock.waiting_count == 1
        self.clock.advance(0.1)
        assert self.clock.waiting_count == 0


def watching(instance: Instance, test: Callable[[Watched], Coroutine[Any, Any, None]]) -> Watched:
    """Run a test beside the watch."""

    async def main() -> Watched:
        watched = Watched(instance)
        async with asyncio.TaskGroup() as tasks:
            keeping = tasks.create_task(watched.watch.keep())
            await test(watched)
            keeping.cancel()
        await watched.metadata.close()
        return watched

    return run(main())


@pytest.fixture
def instance() -> Iterator[Instance]:
    with Instance() as instance:
        yield instance
    assert instance.surprises == []


@pytest.mark.parametrize("state", ["Terminated", "Warmed:Terminated"])
def test_an_end_ends_the_watch(instance: Instance, state: str) -> None:
    async def test(watched: Watched) -> None:
        await until(lambda: watched.clock.waiting_count == 1, "the end of a look")
        assert not watched.watch.is_ending.is_set()
        instance.state = state
        watched.clock.advance(limits.LIFECYCLE_LOOK_INTERVAL_S)
        await watched.watch.is_ending.wait()

    watched = watching(instance, test)

    assert watched.watch.target_state == state
    assert watched.notices == []


@pytest.mark.parametrize(
    "state",
    [
        *("InService", "Standby", "Detached", "Warmed:Stopped", "Warmed:Running"),
        *("Warmed:Hibernated", "Pending", "terminated", "", "Terminated or so"),
    ],
)
def test_no_other_state_is_an_end(instance: Instance, state: str) -> None:
    instance.state = state

    async def test(watched: Watched) -> None:
        await watched.looks_again_after(limits.LIFECYCLE_LOOK_INTERVAL_S)
        await watched.looks_again_after(limits.LIFECYCLE_LOOK_INTERVAL_S)

    watched = watching(instance, test)

    assert not watched.watch.is_ending.is_set()
    assert watched.watch.target_state == state


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "raise the hop limit (aws ec2 modify-instance-metadata-options"),
        (403, "it is switched off for this instance"),
        (404, "this instance is in no Auto Scaling group"),
        (500, "it answers 500"),
    ],
)
def test_what_cannot_be_read_is_one_warning_and_is_asked_more_and_more_seldom(
    instance: Instance, status: int, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    instance.metadata_status = status

    async def test(watched: Watched) -> None:
        for interval_s in (4.0, 8.0, 16.0, 30.0, 30.0):
            await watched.looks_again_after(interval_s)
        assert watched.watch.target_state is None
        await until(lambda: watched.clock.waiting_count == 1, "the end of a look")
        instance.metadata_status = None
        watched.clock.advance(30)
        await watched.looks_again_after(limits.LIFECYCLE_LOOK_INTERVAL_S)

    watched = watching(instance, test)

    assert watched.watch.target_state == "InService"
    assert not watched.watch.is_ending.is_set()
    warning, info = caplog.messages
    assert words in warning and "SIGTERM alone begins a drain" in warning
    assert info == "the instance's metadata is read again: target lifecycle state InService"


def test_a_token_that_is_not_valid_any_more_is_renewed(instance: Instance) -> None:
    async def test(watched: Watched) -> None:
        await watched.looks_again_after(limits.LIFECYCLE_LOOK_INTERVAL_S)
        await until(lambda: watched.clock.waiting_count == 1, "the end of a look")
        instance.expire_tokens()
        watched.clock.advance(limits.LIFECYCLE_LOOK_INTERVAL_S)
        await until(lambda: watched.clock.waiting_count == 1, "the end of a look")

    watched = watching(instance, test)

    assert watched.watch.target_state == "InService"
    assert instance.asked == [STATE, NOTICE] * 3


def test_a_token_counts_until_a_new_one_is_there(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test() -> None:
        metadata = InstanceMetadata(instance.environ)
        statuses = []
        for now_s, gives_tokens in ((1_000.0, True), (1_226.0, False), (1_228.0, True)):
            clock = SimpleNamespace(monotonic=lambda now_s=now_s: now_s)
            monkeypatch.setattr("tailrace.gateway.aws.metadata.time", clock)
            instance.gives_tokens = gives_tokens
            answer = await metadata.get(STATE)
            statuses.append(answer and answer.status)
        await metadata.close()
        assert statuses == [200] * 3

    run(test())


def test_a_spot_notice_is_read_and_is_no_end_of_the_watch(instance: Instance) -> None:
    instance.notice = notice("stop")

    async def test(watched: Watched) -> None:
        await watched.looks_again_after(limits.LIFECYCLE_LOOK_INTERVAL_S)

    watched = watching(instance, test)

    assert set(watched.notices) == {"'stop' at '2026-11-28T08:22:00Z'"}
    assert not watched.watch.is_ending.is_set()


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", "<html>", '{"action": "stop"}'])
def test_what_is_no_spot_notice_is_none(instance: Instance, text: str) -> None:
    instance.notice = text

    async def test(watched: Watched) -> None:
        await watched.looks_again_after(limits.LIFECYCLE_LOOK_INTERVAL_S)

    assert watching(instance, test).notices == []
