"""Tasks of one owner: forgotten when they end, cancelled with it, heard when they fail."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
from collections.abc import Awaitable, Callable

import pytest
from tests.fakes import until

from tailrace.net.process.startup import run
from tailrace.net.tasks import TaskSet

Story = Callable[[TaskSet], Awaitable[None]]


def play(story: Story, loop: Callable[..., object] = run) -> None:
    """Run a story with a task set, and check that no task is left."""

    async def whole() -> None:
        await story(TaskSet())
        assert asyncio.all_tasks() == {asyncio.current_task()}

    loop(whole())


async def wait_for_ever() -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize("loop", [run, asyncio.run])
def test_a_task_is_named_and_forgotten_when_it_ends(loop: Callable[..., object]) -> None:
    async def story(tasks: TaskSet) -> None:
        done = asyncio.Event()

        async def work() -> int:
            await done.wait()
            return 7

        task = tasks.spawn(work(), "work")
        assert (task.get_name(), len(tasks)) == ("work", 1)
        done.set()
        assert await task == 7
        await until(lambda: len(tasks) == 0)

    play(story, loop)


def test_a_task_is_kept_though_nobody_holds_it() -> None:
    """The event loop itself holds tasks weakly."""

    async def story(tasks: TaskSet) -> None:
        seen = []

        async def work() -> None:
            await asyncio.sleep(0)
            gc.collect()
            await asyncio.sleep(0)
            seen.append(1)

        tasks.spawn(work(), "work")
        await until(lambda: seen == [1])

    play(story)


def test_an_error_is_logged_once_with_the_tasks_name(caplog: pytest.LogCaptureFixture) -> None:
    async def story(tasks: TaskSet) -> None:
        async def fail() -> None:
            raise ValueError("unexpected")

        tasks.spawn(fail(), "doomed")
        await until(lambda: len(tasks) == 0)
        await tasks.cancel_all()

    play(story)
    gc.collect()

    [record] = caplog.records
    assert (record.levelno, record.getMessage()) == (logging.ERROR, "task doomed failed")
    assert record.exc_info is not None
    assert str(record.exc_info[1]) == "unexpected"


@pytest.mark.parametrize("loop", [run, asyncio.run])
def test_what_runs_is_cancelled_and_waited_for(
    loop: Callable[..., object], caplog: pytest.LogCaptureFixture
) -> None:
    async def story(tasks: TaskSet) -> None:
        ended = []

        async def work(turns: int) -> None:
            try:
                await wait_for_ever()
            finally:
                for _ in range(turns):
                    await asyncio.sleep(0)
                ended.append(turns)

        for turns in (5, 0, 2):
            tasks.spawn(work(turns), f"work {turns}")
        await asyncio.sleep(0)
        await tasks.cancel_all()

        assert sorted(ended) == [0, 2, 5]
        assert len(tasks) == 0

    play(story, loop)
    assert not caplog.records


def test_an_error_while_it_is_cancelled_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def story(tasks: TaskSet) -> None:
        async def fail() -> None:
            try:
                await wait_for_ever()
            finally:
                raise ValueError("clean-up failed")

        tasks.spawn(fail(), "doomed")
        tasks.spawn(wait_for_ever(), "other")
        await asyncio.sleep(0)
        await tasks.cancel_all()
        assert len(tasks) == 0

    play(story)

    assert [record.getMessage() for record in caplog.records] == ["task doomed failed"]


def test_what_a_cancelled_task_starts_is_cancelled_too() -> None:
    async def story(tasks: TaskSet) -> None:
        async def work() -> None:
            try:
                await wait_for_ever()
            finally:
                tasks.spawn(wait_for_ever(), "last words")

        tasks.spawn(work(), "work")
        await asyncio.sleep(0)
        await tasks.cancel_all()
        assert len(tasks) == 0

    play(story)


def test_a_task_may_cancel_the_others() -> None:
    """It would wait for itself otherwise."""

    async def story(tasks: TaskSet) -> None:
        other = tasks.spawn(wait_for_ever(), "other")

        async def work() -> str:
            await tasks.cancel_all()
            return "went on"

        assert await asyncio.wait_for(tasks.spawn(work(), "work"), 10) == "went on"
        assert other.cancelled()
        await until(lambda: len(tasks) == 0)

    play(story)


def test_nothing_to_cancel() -> None:
    async def story(tasks: TaskSet) -> None:
        await tasks.cancel_all()

    play(story)


def test_waiting_for_the_end_can_be_cancelled() -> None:
    async def story(tasks: TaskSet) -> None:
        may_end = asyncio.Event()

        async def stubborn() -> None:
            try:
                await wait_for_ever()
            finally:
                await may_end.wait()

        tasks.spawn(stubborn(), "stubborn")
        await asyncio.sleep(0)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(tasks.cancel_all(), 0.01)
        await until(lambda: len(tasks) == 0)

    play(story)


def test_waiting_for_a_task_that_ignores_its_cancellation_can_be_given_up() -> None:
    async def main() -> None:
        let_go = asyncio.Event()

        async def stubborn() -> None:
            while not let_go.is_set():
                with contextlib.suppress(asyncio.CancelledError):
                    await let_go.wait()

        tasks = TaskSet()
        task = tasks.spawn(stubborn(), "stubborn")
        await asyncio.sleep(0)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await tasks.cancel_all()
        assert len(tasks) == 1
        let_go.set()
        await task

    asyncio.run(main())
