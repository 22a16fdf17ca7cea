"""Clients that take something, or nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from tests.clock import ManualClock, ManualTimer

from tailrace.emulator.client_stall import StallWatch
from tailrace.net.server.listener import Connection

STALL_S = 10.0


class Queue:
    """The unsent bytes of a connection with a stall time-out of its own."""

    def __init__(self, unsent_bytes: int) -> None:
        self.clock = ManualClock()
        self.unsent_bytes = unsent_bytes
        self.stalls = 0

    def after_stall_time(self, callback: Callable[[], object]) -> ManualTimer:
        return self.clock.call_later(STALL_S, callback)

    def on_stall(self) -> None:
        self.stalls += 1


def watch(queue: Queue) -> StallWatch:
    stall = StallWatch(cast(Connection, cast(Any, queue)))
    stall.begin(queue.on_stall)
    return stall


def test_only_a_client_that_takes_nothing_stalls() -> None:
    queue = Queue(unsent_bytes=9)
    watch(queue)

    for unsent_bytes in (8, 7):
        queue.unsent_bytes = unsent_bytes
        queue.clock.advance(STALL_S)
        assert queue.stalls == 0
    queue.clock.advance(STALL_S - 0.1)
    assert queue.stalls == 0
    queue.clock.advance(0.1)

    assert queue.stalls == 1
    assert queue.clock.waiting_count == 0


def test_one_that_has_caught_up_is_not_watched() -> None:
    queue = Queue(unsent_bytes=9)
    stall = watch(queue)

    stall.end()
    stall.end()

    assert queue.clock.waiting_count == 0


def test_one_that_falls_behind_again_has_all_the_time() -> None:
    queue = Queue(unsent_bytes=9)
    stall = watch(queue)

    queue.clock.advance(STALL_S - 0.1)
    stall.begin(queue.on_stall)
    queue.clock.advance(STALL_S - 0.1)
    assert queue.stalls == 0
    queue.clock.advance(0.1)

    assert queue.stalls == 1
