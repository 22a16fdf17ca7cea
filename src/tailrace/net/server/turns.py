"""Requests that start in one turn of the event loop: a burst of them is spread over several turns.

Everything that one turn reads is done before the next chunk of a running stream is read. A request
costs several times as much as a chunk, so a burst would stop all streams until its last request.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from tailrace import limits
from tailrace.net.clock import TimerClock

_STARTED_MAX = limits.REQUESTS_PER_TURN_MAX


class Turns:
    """Lets at most REQUESTS_PER_TURN_MAX requests of a listener start in one turn.

    A turn is known by the loop's time. uvloop updates it once a turn, in milliseconds, so turns of
    one millisecond count as one.
    """

    __slots__ = ("_clock", "_is_taking_up", "_started", "_started_s", "_waiting")

    def __init__(self, clock: TimerClock) -> None:
        self._clock = clock
        self._started_s = 0.0
        self._started = 0
        self._waiting: deque[Callable[[], None]] = deque()  # bounded by the listener's connections
        self._is_taking_up = False

    def must_wait(self, take_up: Callable[[], None]) -> bool:
        """Count a request; return whether it must wait.

        Then `take_up` is called in a later turn, after those of requests that wait already.
        """
        if self._is_taking_up:
            return False
        now_s = self._clock.now_s()
        if now_s != self._started_s:
            self._started_s, self._started = now_s, 0
        self._started += 1
        if self._started <= _STARTED_MAX and not self._waiting:
            return False
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._go_on)
        self._waiting.append(take_up)
        return True

    def _go_on(self) -> None:
        self._is_taking_up = True
        try:
            for _ in range(min(_STARTED_MAX, len(self._waiting))):
                self._waiting.popleft()()
        finally:
            self._is_taking_up = False
            if self._waiting:
                asyncio.get_running_loop().call_soon(self._go_on)
