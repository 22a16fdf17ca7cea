"""Clients that take something, or nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any, cast

from tailrace.emulator.client_stall import StallWatch
from tailrace.net.http_server import Connection


class Queue:
    """A connection's unsent bytes, each time that somebody looks at them."""

    stall_timeout_s = 0.01

    def __init__(self, counts: Iterator[int]) -> None:
        self._counts = counts
        self.looks = 0

    @property
    def unsent_bytes(self) -> int:
        self.looks += 1
        return next(self._counts)


def watch(queue: Queue) -> StallWatch:
    return StallWatch(cast(Connection, cast(Any, queue)))


def test_only_a_client_that_takes_nothing_stalls() -> None:
    async def run() -> None:
        counts = [9, 8, 8, 7, 7, 7]  # what it begins with, then two looks for each time-out
        queue, stalled = Queue(iter(counts)), asyncio.Event()

        watch(queue).begin(stalled.set)
        await asyncio.wait_for(stalled.wait(), 5)

        assert queue.looks == len(counts)

    asyncio.run(run())


def test_one_that_has_caught_up_is_not_watched() -> None:
    async def run() -> None:
        first, second = Queue(iter([9])), Queue(iter([9, 9]))
        caught_up, stalled = asyncio.Event(), asyncio.Event()

        stall = watch(first)
        stall.begin(caught_up.set)
        stall.end()
        stall.end()
        watch(second).begin(stalled.set)
        await asyncio.wait_for(stalled.wait(), 5)

        assert not caught_up.is_set()
        assert first.looks == 1

    asyncio.run(run())
