"""A clock that stands still until a test advances it."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable


class ManualTimer:
    """A call that is due when the clock gets there."""

    def __init__(self, call: Callable[[], object]) -> None:
        self.call: Callable[[], object] | None = call

    def fire(self) -> None:
        """Make the call, unless it has been made or cancelled."""
        call, self.call = self.call, None
        if call is not None:
            call()

    def cancel(self) -> None:
        """Do not make the call."""
        self.call = None


class ManualClock:
    """Time for everything that takes a `tailrace.net.clock.TimerClock`, whatever the machine does.

    Sockets and tasks of the same event loop work as ever; only deadlines wait for `advance`.
    """

    def __init__(self, now_s: float = 1000.0) -> None:
        self._now_s = now_s
        self._timers: list[tuple[float, int, ManualTimer]] = []
        self._numbers = itertools.count()  # equal times fire in the order of their calls

    def now_s(self) -> float:
        """The time now."""
        return self._now_s

    def call_later(
        self, delay_s: float, callback: Callable[..., object], *args: object
    ) -> ManualTimer:
        """Call `callback(*args)` while the clock is advanced past this time."""
        return self.call_at(self._now_s + delay_s, callback, *args)

    def call_at(self, at_s: float, callback: Callable[..., object], *args: object) -> ManualTimer:
        """As `call_later`, at a time of this clock."""
        timer = ManualTimer(lambda: callback(*args))
        loop = asyncio._get_running_loop()
        if at_s <= self._now_s and loop is not None:  # takes a turn of the loop and no time
            loop.call_soon(timer.fire)
        else:
            heapq.heappush(self._timers, (at_s, next(self._numbers), timer))
        return timer

    def advance(self, seconds: float) -> None:
        """Let time pass: fires what is due, in order, each call at its own time.

        Calls that these set are fired as well when they are due. What they wake (tasks, sockets)
        goes on in the event loop: await its effect.
        """
        end_s = self._now_s + seconds
        while self._timers and self._timers[0][0] <= end_s:
            at_s, _, timer = heapq.heappop(self._timers)
            if timer.call is not None:
                self._now_s = max(self._now_s, at_s)
                timer.fire()
        self._now_s = end_s

    @property
    def waiting_count(self) -> int:
        """How many calls are due later."""
        return sum(timer.call is not None for _, _, timer in self._timers)
