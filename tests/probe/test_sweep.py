"""The sweep: which chunk leaves at once? Against the model, and against the emulator."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.limits import MIB, PROBE_SWEEP_REQUESTS_MAX
from tailrace.probe.record import Arrival, Chunk, Clock, Reading
from tailrace.probe.sweep import (
    Sweep,
    SweepResult,
    Trial,
    early_bytes,
    is_first_held,
    sweep,
)
from tailrace.wire.buffering import HoldBack, HoldBackRule

Answer = Callable[[int], bool | None]


def swept(answer: Answer, bisection: Sweep | None = None) -> SweepResult:
    """Bisect by answers that come at once."""
    bisection = bisection or Sweep()
    while (size := bisection.next_size) is not None:
        bisection.note(size, answer(size))
    assert bisection.request_count < 20
    return bisection.result


def by_model(rule: HoldBackRule) -> Answer:
    """Whether the model holds a first write, until a second one or until the end."""
    return lambda size: len(HoldBack(rule).write(bytes(size), 0.0)) < size


def is_found(result: SweepResult, threshold: int) -> bool:
    found = result.threshold_bytes
    return found is not None and threshold <= found <= max(threshold * 1.01, threshold + 1)


@pytest.mark.parametrize(
    "threshold", [257, 300, 1_023, 1_025, 15_000, 16_384, 65_536, 65_537, 100_000, MIB - 1, MIB]
)
@pytest.mark.parametrize("first_writes", [0, 1, 3])
def test_a_threshold_is_found_within_one_percent(threshold: int, first_writes: int) -> None:
    rule = HoldBackRule(first_writes=first_writes, threshold_bytes=threshold)
    result = swept(by_model(rule))

    assert is_found(result, threshold)
    assert result.held_bytes is not None
    assert result.held_bytes < threshold
    assert f"{result.threshold_bytes:,} bytes left at once" in result.words
    assert "But" not in result.words and "not found out" not in result.words


@given(st.integers(257, MIB))
def test_any_threshold_is_found_in_under_20_requests(threshold: int) -> None:
    result = swept(lambda size: size < threshold)

    assert is_found(result, threshold)
    assert result.requests <= PROBE_SWEEP_REQUESTS_MAX < 20


@given(st.integers(257, MIB), st.integers(0, 18))
def test_one_accident_is_found_out(threshold: int, accident: int) -> None:
    """A stall makes a chunk look held; what that leads to is exact still, or said to be not."""
    count = iter(range(100))
    result = swept(lambda size: next(count) == accident or size < threshold)

    if not is_found(result, threshold):
        assert "More was not found out" in result.words
    assert result.threshold_bytes is None or result.threshold_bytes >= threshold


def test_what_is_never_held_is_found_at_once() -> None:
    result = swept(by_model(HoldBackRule(threshold_bytes=1)))

    assert result == SweepResult(
        0, None, 1, "Never held: even 256 bytes left at once. No padding is needed."
    )


def test_what_is_held_at_any_size_is_said() -> None:
    result = swept(by_model(HoldBackRule(threshold_bytes=6 * MIB)))

    assert (result.threshold_bytes, result.held_bytes) == (None, MIB)
    assert result.requests == 8
    assert result.words == (
        "Held at any size up to 1,048,576 bytes: padding of that size is no help."
    )


def test_the_words_name_the_padding() -> None:
    result = swept(lambda size: size < 100_000)

    assert result.words == (
        f"Held until a later write: {result.held_bytes:,} bytes; "
        f"{result.threshold_bytes:,} bytes left at once. "
        f"A flush needs {result.threshold_bytes:,} bytes of padding."
    )


@pytest.mark.parametrize("buffer", [1_024, 4_096, 65_536])
def test_a_buffer_of_a_fixed_size_is_no_threshold(buffer: int) -> None:
    """What fills it leaves; one byte more, and that byte stays."""
    result = swept(lambda size: size % buffer != 0)

    assert is_found(result, buffer)
    above = buffer // 8 * 9 if result.threshold_bytes == buffer else None
    assert above is not None
    assert f"But {above:,} bytes were held, too, as by a buffer of a fixed size" in result.words


def test_a_size_that_is_held_now_and_then_is_named() -> None:
    random = Random(7)
    bisection = Sweep()
    result = swept(lambda size: size < 5_000 or random.random() < 0.5, bisection)

    if bisection.is_contradictory:
        assert "held at one time and not at another" in result.words
    assert result.threshold_bytes is None or result.threshold_bytes >= 5_000


def test_a_size_held_once_and_not_again_is_contradictory() -> None:
    bisection = Sweep(low=100, high=100)
    bisection.note(100, True)
    assert bisection.next_size == 100
    bisection.note(100, False)

    assert bisection.next_size is None
    assert bisection.result.words.endswith("The same size was held at one time and not at another.")


def test_answers_that_decide_nothing_are_asked_again_three_times() -> None:
    bisection = Sweep()
    result = swept(lambda size: None if size > 1_024 else True, bisection)

    assert result.requests == 2 + 3
    assert result.threshold_bytes is None
    assert result.words.endswith("Whether 4,096 bytes are held cannot be told.")


def test_a_single_answer_that_decides_nothing_costs_one_request() -> None:
    count = iter(range(100))
    result = swept(lambda size: None if next(count) % 9 == 4 else size < 15_000)

    assert is_found(result, 15_000)


# --- one response --------------------------------------------------------------------------------


def reading(
    *chunks: tuple[float, float],
    uncertainty_s: float = 0.01,
    arrivals: tuple[Arrival, ...] = (),
    size: int = 1_000,
) -> Reading:
    """Chunks of a size: when each was written, and when it arrived."""
    return Reading(
        url="http://localhost/",
        status=200,
        http_version="1.1",
        headers=(),
        unit="chunk",
        head_s=0.01,
        ended_s=1.0,
        size=size * len(chunks),
        arrivals=arrivals,
        chunks=tuple(
            Chunk(i, size, arrived_s, written_s) for i, (written_s, arrived_s) in enumerate(chunks)
        ),
        started_s=0.01,
        clock=Clock(0.0, uncertainty_s, 0, None),
    )


def test_what_came_before_the_next_was_written_was_not_held() -> None:
    assert is_first_held(reading((0.0, 0.08), (0.1, 0.12))) is False


def test_what_came_with_the_next_was_held() -> None:
    assert is_first_held(reading((0.0, 0.11), (0.1, 0.11))) is True
    assert is_first_held(reading((0.0, 0.105), (0.1, 0.11), uncertainty_s=0.01)) is True


def test_what_came_too_near_to_the_next_write_tells_nothing() -> None:
    assert is_first_held(reading((0.0, 0.095), (0.1, 0.18))) is None


def test_when_the_second_is_late_too_the_path_may_be_slow() -> None:
    assert is_first_held(reading((0.0, 0.2), (0.1, 0.2))) is None


def test_without_two_chunks_or_without_a_clock_nothing_is_told() -> None:
    whole = reading((0.0, 0.08), (0.1, 0.12))

    for lacking in (reading((0.0, 0.1)), replace(whole, clock=None)):
        assert is_first_held(lacking) is None
        assert early_bytes(lacking) == 0
    chunks = tuple(replace(chunk, written_s=None) for chunk in whole.chunks)
    assert is_first_held(replace(whole, chunks=chunks)) is None


def test_the_early_part_of_a_chunk_is_what_came_before_the_next_was_written() -> None:
    arrivals = (Arrival(0.02, 300), Arrival(0.08, 500), Arrival(0.12, 1_200))

    assert early_bytes(reading((0.0, 0.12), (0.1, 0.12), arrivals=arrivals)) == 800
    arrivals = (Arrival(0.02, 1_300), Arrival(0.12, 700))
    assert early_bytes(reading((0.0, 0.02), (0.1, 0.12), arrivals=arrivals)) == 1_000


# --- one response after another ------------------------------------------------------------------


class Path:
    """A path by numbers: a delay, a rate, a threshold or a buffer, and what was asked of it."""

    def __init__(
        self,
        *,
        threshold: int = 1,
        buffer: int = 0,
        delay_s: float = 0.001,
        bytes_per_s: float = 1e9,
        start_s: float = 0.0,
    ) -> None:
        self.threshold = threshold
        self.buffer = buffer
        self.delay_s = delay_s
        self.bytes_per_s = bytes_per_s
        self.start_s = start_s
        self.trials: list[Trial] = []

    async def measure_once(self, size: int, interval_s: float) -> Reading:
        begun_s, self.start_s = self.delay_s + self.start_s, 0.0
        early = size if size >= self.threshold else 0
        if self.buffer:
            early = size // self.buffer * self.buffer
        next_s = begun_s + interval_s
        path = [(begun_s, early), (next_s, 2 * size - early)]
        free_s, arrivals = 0.0, []
        for at_s, count in path:
            for piece in [count // 8] * 7 + [count - count // 8 * 7]:
                free_s = max(free_s, at_s) + piece / self.bytes_per_s
                arrivals += [Arrival(free_s + self.delay_s, piece)] if piece else []
        first_s = arrivals[7].at_s if early == size else arrivals[-1].at_s
        uncertainty_s = (begun_s + self.delay_s) / 2
        return reading(
            (begun_s, first_s),
            (next_s, arrivals[-1].at_s),
            uncertainty_s=uncertainty_s,
            arrivals=tuple(arrivals),
            size=size,
        )

    def swept(self) -> SweepResult:
        return asyncio.run(sweep(self.measure_once, on_trial=self.trials.append))


def test_a_sweep_over_a_short_path_pauses_as_little_as_it_may() -> None:
    path = Path(threshold=15_000)
    result = path.swept()

    assert is_found(result, 15_000)
    assert {trial.interval_s for trial in path.trials} == {0.1}
    assert result.requests == len(path.trials)


def test_a_sweep_over_a_long_path_pauses_longer_than_the_path_takes() -> None:
    path = Path(threshold=100_000, delay_s=0.3)
    result = path.swept()

    assert is_found(result, 100_000)
    assert path.trials[0].is_held is None
    assert all(trial.interval_s > 4 * 0.3 for trial in path.trials[2:])


def test_a_cold_start_costs_a_request_and_a_pause() -> None:
    path = Path(threshold=16_384, start_s=2.0)
    result = path.swept()

    assert is_found(result, 16_384)
    assert [trial.interval_s for trial in path.trials[:2]] == [0.1, 1.0]
    assert {trial.interval_s for trial in path.trials[2:]} == {0.1}


def test_a_slow_path_is_not_taken_for_a_threshold() -> None:
    """A chunk of 1 MiB takes half a second: longer than the pause."""
    path = Path(threshold=900_000, bytes_per_s=2 * MIB)
    result = path.swept()

    assert is_found(result, 900_000)
    assert "But" not in result.words


def test_what_is_left_over_in_a_buffer_is_named() -> None:
    result = Path(buffer=5_000).swept()

    assert result.threshold_bytes is None
    assert result.words == (
        "Held at any size up to 1,048,576 bytes: padding of that size is no help. "
        "Of 1,048,576 bytes, 1,045,000 bytes left at once."
    )
