"""Counts what happens often and is to be said seldom."""

from __future__ import annotations

from collections.abc import Callable

from tailrace import limits


class Tally:
    """What has happened since it was last said, and in `total`; `clock` gives seconds."""

    __slots__ = ("_count", "_now_s", "_said_s", "total")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._now_s = clock
        self._count = self.total = 0
        self._said_s: float | None = None

    def add(self, count: int = 1) -> int:
        """Count more; return how many are to be said now, 0 while the last time is recent."""
        self._count += count
        self.total += count
        now_s = self._now_s()
        if self._said_s is not None and now_s - self._said_s < limits.WARNING_INTERVAL_S:
            return 0
        self._said_s = now_s
        due, self._count = self._count, 0
        return due
