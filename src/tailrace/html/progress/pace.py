"""How fast something goes on, and so how long it will take."""

from __future__ import annotations

import math

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from typing import Final

_SECONDS_MIN: Final = 2.0
"""Nothing is known of the time left before."""
_NOTES_MIN: Final = 3
_WINDOW_S: Final = 5.0
_WINDOW_SHARE: Final = 0.3
"""What is older than this share of the time so far, and `_WINDOW_S`, counts little."""


class Pace:
    """The speed of a count: a mean in which what is recent weighs more."""

    __slots__ = ("_count", "_counted", "_notes", "_now_s", "_passed_s", "_start_s")

    def __init__(self, count: float, now_s: float) -> None:
        self._start_s: Final = now_s
        self._now_s = now_s
        self._count = count
        self._counted = 0.0
        self._passed_s = 0.0
        self._notes = 0

    def note(self, count: float, now_s: float) -> None:
        """Note how far the count is."""
        passed_s = now_s - self._now_s
        if passed_s <= 0:
            return
        window_s = max(_WINDOW_S, (now_s - self._start_s) * _WINDOW_SHARE)
        weight = math.exp(-passed_s / window_s)
        self._counted = self._counted * weight + count - self._count
        self._passed_s = self._passed_s * weight + passed_s
        self._count, self._now_s = count, now_s
        self._notes += 1

    def left_s(self, total: float) -> float | None:
        """Return the time until the count is `total`; None if that is not known."""
        has_seen_enough = self._notes >= _NOTES_MIN and self._now_s - self._start_s >= _SECONDS_MIN
        if not has_seen_enough or self._counted <= 0:
            return None
        return (total - self._count) * self._passed_s / self._counted
