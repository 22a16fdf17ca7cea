"""Counts since they were last reported, of processes that come and go."""

from __future__ import annotations

from collections.abc import Callable, Mapping


class CountsDue:
    """Counts that have not been reported yet.

    `read` returns the counts of the processes that run, each since its start. When one ends, `add`
    keeps its counts at the same moment at which `read` loses them, so that none is lost.
    """

    def __init__(self, read: Callable[[], Mapping[str, int]]) -> None:
        self._read = read
        self.kept: dict[str, int] = {}
        """What is to be reported beside the counts that `read` returns; negative for what these
        have, and has been reported."""

    def add(self, counts: Mapping[str, int]) -> None:
        """Report these, too."""
        for name, count in counts.items():
            self.kept[name] = self.kept.get(name, 0) + count

    def take(self) -> dict[str, int]:
        """Return the counts that are due. `add` them again if they could not be reported."""
        running = self._read()
        self.add(running)
        due, self.kept = self.kept, {name: -count for name, count in running.items()}
        return due
