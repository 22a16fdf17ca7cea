"""A process's row in the board of its node: what it counts, and the sums over all rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final

from tailrace.net.clock import Timer, TimerClock
from tailrace.net.process import limits
from tailrace.net.process.board import ACCEPTING, DRAINING, SUMMED, Row

_AT_ONCE: Final = ("held", "clients")
"""Written whenever they change: the balance of the node follows from them."""


class NodeRow:
    """Writes the counts of a process into its row, at intervals, and reads those of the node.

    Each time it writes `beat_ns` too: if that stands still, the event loop does not run.
    """

    __slots__ = ("_clock", "_count", "_row", "_timer")

    def __init__(self, row: Row, count: Callable[[], Mapping[str, int]], clock: TimerClock) -> None:
        """`count` returns the counts of the process now."""
        self._row = row
        self._count = count
        self._clock = clock
        self._timer: Timer | None = None

    def start(self) -> None:
        """The process accepts connections from now on."""
        self._beat()
        self._row["state"] = ACCEPTING

    def leave(self) -> None:
        """It accepts no more."""
        self._row["state"] = DRAINING

    def stop(self) -> None:
        """Write the last counts; the parent clears the row when the process has ended."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._write()

    @property
    def is_draining(self) -> bool:
        """Whether the whole node drains."""
        return self._row.board.is_draining

    def sums(self) -> dict[str, int]:
        """Return the counts of all processes together; of lateness, the greatest."""
        self._write()
        rows = [row.counts() for row in self._row.board.rows()]
        sums = {name: sum(row[name] for row in rows) for name in SUMMED}
        return {**sums, "late_us": max(row["late_us"] for row in rows)}

    def _beat(self) -> None:
        self._row["beat_ns"] = time.monotonic_ns()
        self._write()
        self._timer = self._clock.call_later(limits.BEAT_INTERVAL_S, self._beat)

    def _write(self) -> None:
        for name, value in self._count().items():
            if name not in _AT_ONCE:
                self._row[name] = value
