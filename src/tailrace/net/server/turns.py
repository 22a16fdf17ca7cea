"""Requests that start in one turn of the event loop: a burst of them is spread over several turns.

Everything that one turn reads is done before the next chunk of a running stream is read. A request
costs several times as much as a chunk, so a burst would stop all streams until its last request.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from tailrace import limits
from tailrace.net.process import limits as process_limits

_STARTED_MAX: Final = limits.REQUESTS_PER_TURN_MAX


class Turns:
    """Lets at most REQUESTS_PER_TURN_MAX requests of a listener start in one turn."""

    __slots__ = ("_given_back", "_is_due", "_is_taking_up", "_started", "_waiting")

    def __init__(self) -> None:
        self._started = self._given_back = 0  # since `_go_on`, which is due at the maximum
        self._is_due = False  # `_go_on`
        self._waiting: deque[Callable[[], None]] = deque()  # bounded by the listener's connections
        self._is_taking_up = False

    def is_behind(self) -> bool:
        """Whether requests wait for their turn, so that new connections need not be accepted."""
        return len(self._waiting) >= process_limits.REQUESTS_BEHIND

    def must_wait(self, size: int, take_up: Callable[[], None]) -> bool:
        """Count a request; return whether it must wait.

        Then `take_up` is called in a later turn, after those of requests that wait already. `size`
        is what has to be kept until then; above PIPELINED_BYTES_MAX a request starts at once.
        """
        if self._is_taking_up or size > limits.PIPELINED_BYTES_MAX:
            return False
        if self._started == _STARTED_MAX:
            self._waiting.append(take_up)
            return True
        self._started += 1
        if self._started == _STARTED_MAX and not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self._go_on)
        return False

    def give_back(self) -> None:
        """The request that has started was refused, which costs little: another one may start."""
        if self._given_back < process_limits.REFUSALS_PER_TURN_MAX and self._started:
            self._given_back += 1
            self._started -= 1

    def _go_on(self) -> None:
        self._started = self._given_back = 0
        self._is_taking_up = True
        try:
            while self._waiting and self._started < _STARTED_MAX:
                self._started += 1
                self._waiting.popleft()()
        finally:  # also if one raises
            self._is_taking_up = False
            self._is_due = bool(self._waiting) or self._started == _STARTED_MAX
            if self._waiting:
                self._started = _STARTED_MAX  # those that come now are behind them
            if self._is_due:
                asyncio.get_running_loop().call_soon(self._go_on)
