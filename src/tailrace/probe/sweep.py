"""How large must a chunk be to leave at once? Found by bisection, from below.

Each response has two chunks of one size, with a pause between. The first was pushed out when its
bytes began to arrive before the second was written: whatever the clocks hide, they had left by
then. Its beginning is what counts, since padding stands behind what it is to push out; the end of a
large chunk may stay behind, as in a buffer of a fixed size, and does no harm there.

That something left at once is proof. That it was held may be an accident, such as a stall on the
way, so what decides is asked twice.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from math import inf, sqrt
from typing import Final

from tailrace.probe.limits import (
    PROBE_SWEEP_HIGH_BYTES,
    PROBE_SWEEP_INTERVAL_S,
    PROBE_SWEEP_INTERVAL_S_MAX,
    PROBE_SWEEP_LOW_BYTES,
    PROBE_SWEEP_REQUESTS_MAX,
    PROBE_SWEEP_STEP,
    PROBE_SWEEP_TOLERANCE,
    PROBE_SWEEP_UNCLEAR_MAX,
)
from tailrace.probe.record import Reading

_SLACK: Final = 4.0  # an interval is so many times what path and clock take
_LUCK: Final = 3  # so many in a row get through: the one that was held may be an accident


@dataclass(frozen=True, slots=True)
class Trial:
    """One response: was all of its first chunk held until a later write, or until the end?"""

    size: int
    is_held: bool | None
    """None: it cannot be told from this response."""
    interval_s: float
    """The pause between the chunks."""
    early_bytes: int = 0
    """What came of the first chunk before the second was written."""


@dataclass(frozen=True, slots=True)
class SweepResult:
    """What a sweep has found; `words` say it."""

    threshold_bytes: int | None
    """The smallest chunk that left at once, and so the padding that a flush needs; 0: nothing is
    held, None: nothing got through, or nothing could be decided."""
    held_bytes: int | None
    """The largest smaller one that was held."""
    requests: int
    """Responses that were measured."""
    words: str
    is_found: bool = True
    """Whether there is an answer; that no size gets through is one, too."""


class Sweep:
    """The bisection: ask for `next_size`, `note` the answer, until there is no next one."""

    def __init__(
        self,
        low: int = PROBE_SWEEP_LOW_BYTES,
        high: int = PROBE_SWEEP_HIGH_BYTES,
        *,
        tolerance: float = PROBE_SWEEP_TOLERANCE,
    ) -> None:
        assert 0 < low <= high and tolerance > 0
        self._low = low
        self._high = high
        self._tolerance = tolerance
        self._answers: list[tuple[int, bool | None]] = []

    @property
    def request_count(self) -> int:
        """Answers that were noted."""
        return len(self._answers)

    @property
    def passed(self) -> int | None:
        """The smallest size that was not held, at least once."""
        return min((size for size, is_held in self._answers if is_held is False), default=None)

    @property
    def held(self) -> int | None:
        """The largest size below that which was held; larger ones do not count."""
        return max(
            (size for size, is_held in self._answers if is_held and size < self._ceiling),
            default=None,
        )

    @property
    def held_above(self) -> int | None:
        """A larger size that was held again and again."""
        above = [s for s, is_held in self._answers if is_held and s > self._ceiling]
        return next((size for size in above if self._is_settled(size)), None)

    @property
    def is_contradictory(self) -> bool:
        """Whether a size was held at one time and not at another."""
        found = {(size, is_held) for size, is_held in self._answers if is_held is not None}
        return len(found) > len({size for size, _ in found})

    @property
    def is_unclear(self) -> bool:
        """Whether too many answers one after another have decided nothing."""
        last = self._answers[-PROBE_SWEEP_UNCLEAR_MAX:]
        return len(last) == PROBE_SWEEP_UNCLEAR_MAX and all(answer is None for _, answer in last)

    @property
    def next_size(self) -> int | None:
        """The size to try next; None: the sweep is over."""
        if self.request_count >= PROBE_SWEEP_REQUESTS_MAX or self.is_unclear:
            return None
        passed, held = self.passed, self.held
        if passed is None:
            return self._upwards(held)
        if held is None:
            return None  # not even the smallest is held
        if not self._is_settled(held) and self._is_lucky():
            return held
        if self._is_wide(held, passed):
            return min(max(round(sqrt(held * passed)), held + 1), passed - 1)
        if not self._is_settled(held):
            return held
        above = passed * 9 // 8  # not held either, or there is no threshold
        return None if above > self._high or self._is_settled(above) else above

    def note(self, size: int, is_held: bool | None) -> None:
        """Take an answer; None when the response did not tell."""
        self._answers.append((size, is_held))

    @property
    def result(self) -> SweepResult:
        """What is known by now."""
        passed, held = self.passed, self.held
        threshold = 0 if passed == self._low else passed
        is_found = passed is not None or self._is_hopeless
        words = self._words(passed, held)
        return SweepResult(threshold, held, self.request_count, words, is_found)

    @property
    def _ceiling(self) -> float:
        return inf if self.passed is None else self.passed

    def _upwards(self, held: int | None) -> int | None:
        if held is None:
            return self._low
        if held < self._high:
            return min(self._high, held * PROBE_SWEEP_STEP)
        return None if self._is_settled(held) else held

    def _is_wide(self, held: int, passed: int) -> bool:
        return passed > held + 1 and passed > held * (1 + self._tolerance)

    def _is_settled(self, size: int) -> bool:
        """Whether it has got through, or was held twice."""
        answers = [is_held for at, is_held in self._answers if at == size]
        return False in answers or answers.count(True) > 1

    @property
    def _is_hopeless(self) -> bool:
        return self.held == self._high and self._is_settled(self._high)

    def _is_lucky(self) -> bool:
        last = self._answers[-_LUCK:]
        return len(last) == _LUCK and all(is_held is False for _, is_held in last)

    # --- words ----------------------------------------------------------------------------------

    def _words(self, passed: int | None, held: int | None) -> str:
        sentences = [self._finding(passed, held)]
        if self.is_unclear:
            sentences.append(f"Whether {_bytes(self._answers[-1][0])} are held cannot be told.")
        elif passed is not None and held is not None and self._is_wide(held, passed):
            sentences.append(f"More was not found out with {self.request_count} requests.")
        if self.held_above is not None:
            sentences.append(
                f"But {_bytes(self.held_above)} were held, too, which no threshold explains: "
                "padding of that size may fail."
            )
        if self.is_contradictory:
            sentences.append("The same size was held at one time and not at another.")
        return " ".join(sentences)

    def _finding(self, passed: int | None, held: int | None) -> str:
        if passed is None and held is None:
            return "Nothing was found out."
        if passed is None and not self._is_hopeless:
            return f"Held up to {_bytes(held or 0)}; larger ones could not be tried."
        if passed is None:
            return f"Held at any size up to {_bytes(held or 0)}: padding of that size is no help."
        if held is None:
            return f"Never held: even {_bytes(passed)} left at once. No padding is needed."
        return (
            f"Held until a later write: {_bytes(held)}; {_bytes(passed)} left at once. "
            f"A flush needs {_bytes(passed)} of padding at most."
        )


async def sweep(
    measure_once: Callable[[int, float], Awaitable[Reading]],
    *,
    bisection: Sweep | None = None,
    on_trial: Callable[[Trial], None] = lambda trial: None,
) -> SweepResult:
    """Find the size from which on a chunk leaves at once, one response after another.

    `measure_once(size, interval_s)` measures a response of the companion with two chunks of that
    size and that pause between them, without padding or compression. It needs no pings: the
    stream's own causality will do when the pause is long enough, and the sweep sees to that. What
    it raises is passed on. `on_trial` is told of each. Safe to cancel.
    """
    bisection = bisection or Sweep()
    interval_s = lowest_s = PROBE_SWEEP_INTERVAL_S
    while (size := bisection.next_size) is not None:
        reading = await measure_once(size, interval_s)
        early, is_held = early_bytes(reading), is_first_held(reading)
        if is_held is False and early <= (bisection.held or 0):
            is_held = None  # something smaller was held: what pushed this out was not its size
        trial = Trial(size, is_held, interval_s, early)
        bisection.note(size, is_held)
        on_trial(trial)
        if is_held is None and bisection.request_count == 1:
            continue  # a cold start
        interval_s = max(lowest_s, _needed_s(reading, trial))
        if is_held is None:
            lowest_s = interval_s / 2  # a busy machine, or a bad path: it would happen again
    return bisection.result


def is_first_held(reading: Reading) -> bool | None:
    """Whether the first chunk waited for the second one, or for the end; None: cannot be told.

    It did not when any of it arrived before the second was written, by the clock's bound. It did
    when it began to arrive soon after that, as far as the clock can tell.
    """
    if reading.clock is None or len(reading.chunks) < 2 or not reading.arrivals:
        return None
    first, second = reading.chunks[:2]
    if first.written_s is None or second.written_s is None:
        return None
    after_s = reading.arrivals[0].at_s - second.written_s
    if after_s < -reading.clock.uncertainty_s:
        return False
    pause_s = second.written_s - first.written_s
    is_sure = after_s < pause_s / 2 and reading.clock.uncertainty_s < pause_s / 4
    return True if is_sure else None


def early_bytes(reading: Reading) -> int:
    """How much of the first chunk arrived before the second was written."""
    if reading.clock is None or len(reading.chunks) < 2 or reading.chunks[1].written_s is None:
        return 0
    written_s = reading.chunks[1].written_s - reading.clock.uncertainty_s
    arrived = sum(arrival.size for arrival in reading.arrivals if arrival.at_s < written_s)
    return min(arrived, reading.chunks[0].size)


def _needed_s(reading: Reading, trial: Trial) -> float:
    """Return a pause that is long against the path, the clock's bound, and the time of a chunk."""
    needed_s = 0.0
    released_s = reading.chunks[1 if trial.is_held else 0].written_s if reading.chunks[1:] else None
    if reading.clock is not None and released_s is not None and reading.arrivals:
        begun_s = max(0.0, reading.arrivals[0].at_s - released_s)
        whole_s = reading.chunks[0].arrived_s - released_s
        needed_s = max(_SLACK * (begun_s + reading.clock.uncertainty_s), 2 * whole_s)
    if trial.is_held is not None:
        return min(needed_s, 2 * trial.interval_s, PROBE_SWEEP_INTERVAL_S_MAX)  # it was enough
    rest = trial.size / trial.early_bytes if trial.early_bytes else 1.0
    needed_s = max(needed_s, 2 * rest * trial.interval_s)
    return min(needed_s, 10 * trial.interval_s, PROBE_SWEEP_INTERVAL_S_MAX)


def _bytes(count: int) -> str:
    return f"{count:,} bytes"
