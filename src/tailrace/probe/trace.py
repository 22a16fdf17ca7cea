"""A measured response as numbers to compare: who was late, what came together, what let it go.

Everything here follows from two facts. What makes a delay only ever adds to it, so the earliest
chunks tell most about the path. And nothing leaves before it was written, or before whatever let
it go: what let a group of chunks go happened before the group arrived.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate, pairwise
from statistics import median
from typing import Final

from tailrace.probe.record import Arrival, Reading

TOLERANCE: Final = 0.35
"""What counts as the same moment, as a part of the pause between two writes. Below a half, or one
write could not be told from the next; as large as that allows, so that a busy machine is not taken
for a buffer."""
PAUSE_S_MIN: Final = 0.004
"""Shorter pauses between writes cannot be told from what a scheduler does."""


@dataclass(frozen=True, slots=True)
class Group:
    """Chunks that arrived together: the first and the last of them, and when."""

    first: int
    last: int
    arrived_s: float

    @property
    def count(self) -> int:
        """How many they are."""
        return self.last - self.first + 1


class Trace:
    """Writes and arrivals of a response of the companion, in seconds on the client's clock."""

    def __init__(self, reading: Reading) -> None:
        chunks = sorted(reading.chunks, key=lambda chunk: chunk.index)
        chunks = [chunk for chunk in chunks if chunk.written_s is not None]
        self.written = [chunk.written_s or 0.0 for chunk in chunks]
        self.arrived = list(accumulate((chunk.arrived_s for chunk in chunks), max))
        self.sizes = [chunk.size for chunk in chunks]
        self.count = len(chunks)
        self.ended_s = reading.ended_s
        self.interval_s = reading.interval_s
        clock = reading.clock
        self.uncertainty_s = clock.uncertainty_s if clock else 0.0
        self.round_trip_s = (clock.round_trip_s if clock else None) or 0.0
        self.late = [a - w for a, w in zip(self.arrived, self.written, strict=True)]
        pauses = [b - a for a, b in pairwise(self.written)]
        self.pause_s = median(pauses) if pauses else 0.0
        self.same_s = TOLERANCE * self.pause_s
        self.path_s = self.round_trip_s + self.uncertainty_s
        """What the way itself may take: a way back is no longer than there and back."""
        self.bytes = _Bytes(reading, self.sizes)

    @property
    def is_clock_good(self) -> bool:
        """Whether a write can be told from the next one on the other machine's clock."""
        return self.uncertainty_s <= self.same_s

    def groups(self) -> list[Group]:
        """What arrived together although it was written apart."""
        starts = [0]
        for index in range(1, self.count):
            pause_s = min(self.pause_s, self.written[index] - self.written[index - 1])
            if self.arrived[index] - self.arrived[index - 1] >= TOLERANCE * pause_s:
                starts.append(index)
        ends = [start - 1 for start in starts[1:]] + [self.count - 1]
        return [Group(a, b, self.arrived[b]) for a, b in zip(starts, ends, strict=True)]

    def is_at_end(self, group: Group) -> bool:
        """Whether a group came when the response ended."""
        return self.ended_s - group.arrived_s <= self.same_s

    def latest_write(self, at_s: float) -> int:
        """The last write that may have let go what arrived then."""
        return bisect_right(self.written, at_s + self.uncertainty_s) - 1

    def silence_s(self, group: Group) -> float:
        """How long nothing had been written when a group arrived."""
        return group.arrived_s - self.written[max(0, self.latest_write(group.arrived_s))]


class _Bytes:
    """Which bytes of the body were there when; unknown when the body is coded or padded."""

    def __init__(self, reading: Reading, sizes: list[int]) -> None:
        self.written = [0, *accumulate(sizes)]
        coding = reading.header("content-encoding") or "identity"
        self.is_known = coding == "identity" and abs(self.written[-1] - reading.size) <= max(
            sizes, default=0
        )
        self.arrivals = reading.arrivals
        self._times = [arrival.at_s for arrival in reading.arrivals]
        self._sums = [0, *accumulate(arrival.size for arrival in reading.arrivals)]

    def there(self, at_s: float) -> int:
        """How much of the body was there."""
        return self._sums[bisect_right(self._times, at_s)]


@dataclass(frozen=True, slots=True)
class Rate:
    """A burst at any speed, then a steady rate."""

    bytes_per_s: float
    burst_bytes: float


def steady_rate(arrivals: tuple[Arrival, ...]) -> Rate | None:
    """The rate at which the later part of a body came, if it came steadily; its burst is what came
    beyond that before.

    The later part is the longest that lies along a line, and a good deal of the whole.
    """
    points = _curve(arrivals)
    (last_s, total) = points[-1]
    first_s = points[0][0]
    for index, (at_s, so_far) in enumerate(points[:-_STEPS_MIN]):
        rest, span_s = total - so_far, last_s - at_s
        if rest < 0.2 * total or span_s < 0.3 * (last_s - first_s):
            return None
        rate = rest / span_s
        distances = [abs(so_far + rate * (t - at_s) - there) for t, there in points[index:]]
        if max(distances) <= 0.15 * rest:
            return _rate_of(points[index + (len(points) - index) // 3 :], first_s)
    return None


def _rate_of(points: list[tuple[float, int]], first_s: float) -> Rate:
    """The line through the first and the last of these, and where it meets the beginning."""
    (from_s, before), (to_s, total) = points[0], points[-1]
    rate = (total - before) / (to_s - from_s)
    return Rate(rate, max(0.0, total - rate * (to_s - first_s)))


_STEPS_MIN: Final = 7
_POINTS_MAX: Final = 300


def _curve(arrivals: tuple[Arrival, ...]) -> list[tuple[float, int]]:
    """How much was there when, at so many moments at the most."""
    sums = accumulate(arrival.size for arrival in arrivals)
    there = {arrival.at_s: so_far for arrival, so_far in zip(arrivals, sums, strict=True)}
    points = [(0.0, 0)] if not there else list(there.items())
    step = -(-len(points) // _POINTS_MAX)
    return points[:-1:step] + points[-1:]
