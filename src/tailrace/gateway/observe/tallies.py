"""Warnings that count: many equal events of a route or function become one line now and then.

The line has the number of events since the last one, so none is lost and the log stays short.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

from tailrace import limits
from tailrace.net.clock import TimerClock
from tailrace.net.server.refusals import Tally

K = TypeVar("K", bound=Hashable)


class Tallies(Generic[K]):
    """Counts events by key, and limits how often a warning of each key is due.

    There is one tally for each key; `total` counts all events since the start.

    Keys change with the configuration. Above REFUSAL_ROUTES_MAX keys all tallies are reset, and
    the next event of each key is due immediately.
    """

    def __init__(self, clock: TimerClock) -> None:
        self.total = 0
        self._clock = clock
        self._by_key: dict[K, Tally] = {}

    def __len__(self) -> int:
        return len(self._by_key)

    def add(self, key: K) -> int:
        """Count an event; return how many of this key to warn of now, 0 if no warning is due."""
        self.total += 1
        tally = self._by_key.get(key)
        if tally is None:
            if len(self._by_key) >= limits.REFUSAL_ROUTES_MAX:
                self._by_key.clear()
            tally = self._by_key[key] = Tally(self._clock.now_s)
        return tally.add()
