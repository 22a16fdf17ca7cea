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
        self.path_s = 2 * self.round_trip_s + self.uncertainty_s
        """What the way itself may take, generously: nothing beyond it is the network's doing."""
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
        self.written = [0, *accumulate(size + reading.padded_bytes for size in sizes)]
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
    """The rate at which the second half of a body came, if it came steadily.

    Its burst is what came before the rate began.
    """
    times = [arrival.at_s for arrival in arrivals]
    sums = list(accumulate(arrival.size for arrival in arrivals))
    if len(set(times)) < 8 or sums[-1] == 0:
        return None
    half = next(i for i, total in enumerate(sums) if total >= sums[-1] / 2)
    span_s = times[-1] - times[half]
    if span_s <= 0:
        return None
    rate = (sums[-1] - sums[half]) / span_s
    knee = half
    while knee > 0 and _is_on_line(times, sums, knee - 1, rate):
        knee -= 1
    if not _is_steady(times[knee:], sums[knee:], rate):
        return None
    burst = max(0.0, sums[knee] - rate * (times[knee] - times[0]))
    return Rate(rate, burst)


def _is_on_line(times: list[float], sums: list[int], index: int, rate: float) -> bool:
    """Whether the line through the end with this slope goes by a point."""
    expected = sums[-1] - rate * (times[-1] - times[index])
    return abs(sums[index] - expected) <= 0.05 * sums[-1]


def _is_steady(times: list[float], sums: list[int], rate: float) -> bool:
    """Whether each quarter of the time brought about a quarter of the bytes."""
    span_s = times[-1] - times[0]
    marks = [
        sums[bisect_right(times, times[0] + span_s * part / 4 + 1e-9) - 1] for part in range(5)
    ]
    return all(abs((b - a) / (span_s / 4) - rate) <= 0.4 * rate for a, b in pairwise(marks))
