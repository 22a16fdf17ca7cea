"""The clock of all deadlines: the event loop's own, or one that a test advances."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Protocol


class Timer(Protocol):
    """A call that is due later."""

    def cancel(self) -> None:
        """Do not make the call; has no effect once it was made."""


class TimerClock(Protocol):
    """Seconds from an arbitrary start, and calls at a later time."""

    def now_s(self) -> float:
        """Return the time now; it never decreases."""

    def call_later(self, delay_s: float, callback: Callable[..., object], *args: object) -> Timer:
        """Call `callback(*args)` in the event loop after a delay."""

    def call_at(self, at_s: float, callback: Callable[..., object], *args: object) -> Timer:
        """Call `callback(*args)` in the event loop at a time of this clock."""


class LoopClock:
    """The time of the event loop in which it is made, or else first used."""

    __slots__ = ("_loop", "now_s")

    now_s: Callable[[], float]
    """Return the loop's time; see `TimerClock`."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self.now_s = self._first_time
        with suppress(RuntimeError):  # no loop runs yet
            self._bind()

    def _first_time(self) -> float:
        return (self._loop or self._bind()).time()

    def call_later(self, delay_s: float, callback: Callable[..., object], *args: object) -> Timer:
        """See `TimerClock`."""
        return (self._loop or self._bind()).call_later(delay_s, callback, *args)

    def call_at(self, at_s: float, callback: Callable[..., object], *args: object) -> Timer:
        """See `TimerClock`."""
        return (self._loop or self._bind()).call_at(at_s, callback, *args)

    def _bind(self) -> asyncio.AbstractEventLoop:
        # Cached: on Python 3.11 each look-up of the running loop costs a system call.
        self._loop = asyncio.get_running_loop()
        self.now_s = self._loop.time  # not a method of ours: it is called at each change
        return self._loop


async def sleep(clock: TimerClock, delay_s: float) -> None:
    """Wait for `delay_s`; cancelling is safe."""
    if delay_s <= 0:
        await asyncio.sleep(0)
        return
    over = asyncio.Event()
    timer = clock.call_later(delay_s, over.set)
    try:
        await over.wait()
    finally:
        timer.cancel()


def time_limit(clock: TimerClock, delay_s: float) -> AbstractAsyncContextManager[asyncio.Timeout]:
    """Cancel the block after `delay_s` and raise TimeoutError, as `asyncio.timeout` does."""
    if isinstance(clock, LoopClock):  # the fast way, for each invocation
        return asyncio.timeout(delay_s)
    return _time_limit(clock, delay_s)


@asynccontextmanager
async def _time_limit(clock: TimerClock, delay_s: float) -> AsyncIterator[asyncio.Timeout]:
    async with asyncio.timeout(None) as limit:
        timer = clock.call_later(delay_s, _expire, limit)
        try:
            yield limit
        finally:
            timer.cancel()


def _expire(limit: asyncio.Timeout) -> None:
    if not limit.expired():
        limit.reschedule(asyncio.get_running_loop().time())
