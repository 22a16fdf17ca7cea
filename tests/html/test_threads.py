"""Sync code in threads: in order, with back-pressure, stopped promptly, nothing left."""

from __future__ import annotations

import asyncio
import logging
import threading
import traceback
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import TypeVar

import pytest

from tailrace.html.limits import THREAD_ITEMS_WAITING_MAX
from tailrace.html.threads import ThreadSet, call_in_loop, raise_if_stopped

T = TypeVar("T")

asked: ContextVar[str] = ContextVar("asked", default="")


async def take(threads: ThreadSet, count: int, items: Iterator[object]) -> list[object]:
    """The first items; then the iteration is closed."""
    taken = []
    iteration = threads.iterate(lambda: items)
    async for item in iteration:
        taken.append(item)
        if len(taken) == count:
            break
    await iteration.aclose()  # type: ignore[attr-defined]
    return taken


async def call(threads: ThreadSet, function: Callable[[], T]) -> T:
    """The result of a function that runs in a thread."""

    def once() -> Iterator[T]:
        yield function()

    results: list[T] = [result async for result in threads.iterate(once)]
    return results[0]


def test_items_come_in_order_from_one_thread() -> None:
    def numbers() -> Iterator[tuple[int, int]]:
        for number in range(10_000):
            yield number, threading.get_ident()

    async def main() -> list[tuple[int, int]]:
        threads = ThreadSet()
        return [item async for item in threads.iterate(numbers)]

    items = asyncio.run(main())

    assert [number for number, _ in items] == list(range(10_000))
    assert len({thread for _, thread in items}) == 1
    assert items[0][1] != threading.get_ident()


def test_the_context_is_kept() -> None:
    async def main() -> str:
        asked.set("by this task")
        return await call(ThreadSet(), asked.get)

    assert asyncio.run(main()) == "by this task"


def test_an_exception_has_the_traceback_of_the_code() -> None:
    def failing() -> Iterator[str]:
        yield "one"
        raise KeyError("no such row")

    async def main() -> None:
        async for _ in ThreadSet().iterate(failing):
            pass

    with pytest.raises(KeyError, match="no such row") as caught:
        asyncio.run(main())

    assert "failing" in [frame.name for frame in traceback.extract_tb(caught.tb)]


def test_stop_iteration_and_a_cancellation_of_the_code_are_failures() -> None:
    def stops() -> None:
        raise StopIteration

    def cancels() -> None:
        raise asyncio.CancelledError

    for function in (stops, cancels):
        with pytest.raises(RuntimeError):
            asyncio.run(call(ThreadSet(), function))


def test_the_thread_waits_for_who_takes_its_items() -> None:
    made = 0

    def endless() -> Iterator[int]:
        nonlocal made
        while True:
            made += 1
            yield made

    async def main() -> int:
        threads = ThreadSet()
        await take(threads, 1, endless())
        await threads.stop_all()
        return made

    assert asyncio.run(main()) <= 2 * THREAD_ITEMS_WAITING_MAX + 2


def test_closing_closes_the_generator_in_its_thread() -> None:
    closed_by: list[int] = []
    ran_in: list[int] = []

    def endless() -> Iterator[str]:
        ran_in.append(threading.get_ident())
        try:
            while True:
                yield "row"
        finally:
            closed_by.append(threading.get_ident())

    async def main() -> int:
        threads = ThreadSet()
        await take(threads, 1, endless())
        await threads.stop_all()
        return len(threads)

    assert asyncio.run(main()) == 0
    assert closed_by == ran_in


def test_a_function_stops_where_it_asks() -> None:
    begun, stopped = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        try:
            while True:
                raise_if_stopped()
        finally:
            stopped.set()

    async def main() -> None:
        threads = ThreadSet()
        task = asyncio.ensure_future(call(threads, work))
        await asyncio.to_thread(begun.wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await threads.stop_all()
        assert stopped.is_set()
        assert len(threads) == 0

    asyncio.run(main())


def test_cancelling_does_not_wait_for_code_that_blocks() -> None:
    begun, let_go = threading.Event(), threading.Event()

    def blocks() -> None:
        begun.set()
        let_go.wait()

    async def main() -> None:
        threads = ThreadSet()
        task = asyncio.ensure_future(call(threads, blocks))
        await asyncio.to_thread(begun.wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert len(threads) == 1
        let_go.set()
        await threads.stop_all()
        assert len(threads) == 0

    asyncio.run(main())


def test_a_failure_of_code_that_was_stopped_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    def endless() -> Iterator[str]:
        try:
            while True:
                yield "row"
        finally:
            raise OSError("the cursor is gone")

    async def main() -> None:
        threads = ThreadSet()
        await take(threads, 1, endless())
        await threads.stop_all()

    with caplog.at_level(logging.ERROR, "tailrace.html"):
        asyncio.run(main())

    assert "sync code failed while it was stopped" in caplog.text
    assert "the cursor is gone" in caplog.text


def test_the_loop_is_called_from_the_thread_and_from_itself() -> None:
    async def main() -> tuple[int, int]:
        loop_thread = threading.get_ident()
        assert call_in_loop(threading.get_ident) == loop_thread
        in_thread = await call(ThreadSet(), lambda: call_in_loop(threading.get_ident))
        return loop_thread, in_thread

    one, other = asyncio.run(main())

    assert one == other


def test_what_the_loop_starts_for_a_thread_is_not_in_the_thread() -> None:
    """It inherits the context of the thread; it must not wait for the loop, in which it runs."""

    async def task() -> int:
        return call_in_loop(threading.get_ident)

    async def main() -> bool:
        started = await call(
            ThreadSet(),
            lambda: call_in_loop(lambda: asyncio.get_running_loop().create_task(task())),
        )
        return await started == threading.get_ident()

    assert asyncio.run(main())


def test_a_failure_of_what_the_loop_does_is_raised_in_the_thread() -> None:
    def fails() -> None:
        raise ValueError("not now")

    with pytest.raises(ValueError, match="not now"):
        asyncio.run(call(ThreadSet(), lambda: call_in_loop(fails)))
