"""When a response is flushed whose way holds small writes back.

Each flush costs padding, 100 KB by default, so it waits for a pause, but not for long; and flushes
get rarer as the response gets older, which bounds the padding of all of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING, Final

from tailrace.html.limits import (
    FLUSH_FIRST_S,
    FLUSH_INTERVAL_MAX_S,
    FLUSH_INTERVAL_SHARE,
    FLUSH_WAIT_MAX_S,
)
from tailrace.limits import FLUSH_QUIET_S

if TYPE_CHECKING:
    from tailrace.function.way import ResponseWay


class FlushPace:
    """Knows what is held back, and when to flush it."""

    __slots__ = ("_can_flush", "_flushed_s", "_held_s", "_now_s", "_started_s", "_written_s")

    def __init__(self, way: ResponseWay, now_s: Callable[[], float] = time.monotonic) -> None:
        self._can_flush = way.holds_back
        self._now_s: Final = now_s
        self._started_s: Final = now_s()
        self._flushed_s = -inf
        self._held_s = self._written_s = inf  # since when bytes are held, and the last of them

    @property
    def is_held(self) -> bool:
        """Whether a flush will be due."""
        return self._held_s < inf

    def wait_s(self, silence_s: float | None) -> float | None:
        """Return how long to wait for more: until a flush is due, or else `silence_s`."""
        return max(0.0, self._due_s - self._now_s()) if self.is_held else silence_s

    @property
    def is_due(self) -> bool:
        """Whether to flush now."""
        return self.is_held and self._now_s() >= self._due_s

    def wrote(self) -> None:
        """Note that something was written."""
        if self._can_flush:
            self._written_s = self._now_s()
            self._held_s = min(self._held_s, self._written_s)

    def flushed(self) -> None:
        """Note that it was flushed."""
        self._flushed_s = self._now_s()
        self._held_s = self._written_s = inf

    def stop(self) -> None:
        """The response cannot be flushed."""
        self._can_flush = False
        self.flushed()

    @property
    def _due_s(self) -> float:
        if self._flushed_s == -inf:
            return self._written_s + FLUSH_FIRST_S
        age_s = self._flushed_s - self._started_s
        interval_s = min(age_s * FLUSH_INTERVAL_SHARE, FLUSH_INTERVAL_MAX_S)
        wanted_s = min(self._written_s + FLUSH_QUIET_S, self._held_s + FLUSH_WAIT_MAX_S)
        return max(wanted_s, self._flushed_s + interval_s)
