"""The sweep: which chunk leaves at once? Against the model, and against the emulator."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import accumulate
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.e2e.chain import Chain, serving

from tailrace.config import HoldBackConfig
from tailrace.emulator.function_urls.hold_back import HoldBack
from tailrace.limits import MIB
from tailrace.net.process.startup import run
from tailrace.probe.limits import PROBE_SWEEP_REQUESTS_MAX, PROBE_SWEEP_UNCLEAR_MAX
from tailrace.probe.measure import measure
from tailrace.probe.options import MeasureOptions
from tailrace.probe.record import Arrival, Chunk, Clock, Reading
from tailrace.probe.sweep import (
    Sweep,
    SweepResult,
    Trial,
    early_bytes,
    is_first_held,
    sweep,
)

few = settings(max_examples=60, deadline=None)
Answer = Callable[[int], bool | None]


def swept(answer: Answer, bisection: Sweep | None = None) -> SweepResult:
    """Bisect by answers that come at once."""
    bisection = bisection or Sweep()
    while (size := bisection.next_size) is not None:
        bisection.note(size, answer(size))
    assert bisection.request_count < 20
    return bisection.result


def by_model(rule: HoldBackConfig) -> Answer:
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
    rule = HoldBackConfig(first_writes=first_writes, threshold_bytes=threshold)
    result = swept(by_model(rule))

    assert is_found(result, threshold)
    assert result.held_bytes is not None
    assert result.held_bytes < threshold
    assert f"{result.threshold_bytes:,} bytes left at once" in result.words
    assert "But" not in result.words and "not found out" not in result.words


@few
@given(st.integers(257, MIB))
def test_any_threshold_is_found_in_under_20_requests(threshold: int) -> None:
    result = swept(lambda size: size < threshold)

    assert is_found(result, threshold)
    assert result.requests <= PROBE_SWEEP_REQUESTS_MAX < 20


@few
@given(st.integers(257, MIB), st.integers(0, 18))
def test_one_accident_is_found_out(threshold: int, accident: int) -> None:
    """A stall makes a chunk look held; what that leads to is exact still, or said to be not."""
    count = iter(range(100))
    result = swept(lambda size: next(count) == accident or size < threshold)

    if not is_found(result, threshold):
        assert "More was not found out" in result.words
    assert result.threshold_bytes is None or result.threshold_bytes >= threshold


def test_what_is_never_held_is_found_at_once() -> None:
    result = swept(by_model(HoldBackConfig(threshold_bytes=1)))

    assert result == SweepResult(
        0, None, 1, "Never held: even 256 bytes left at once. No padding is needed."
    )


def test_what_is_held_at_any_size_is_said() -> None:
    result = swept(by_model(HoldBackConfig(threshold_bytes=6 * MIB)))

    assert (result.threshold_bytes, result.held_bytes, result.is_found) == (None, MIB, True)
    assert result.requests == 8
    assert result.words == (
        "Held at any size up to 1,048,576 bytes: padding of that size is no help."
    )


def test_the_words_name_the_padding() -> None:
    result = swept(lambda size: size < 100_000)

    assert result.words == (
        f"Held until a later write: {result.held_bytes:,} bytes; "
        f"{result.threshold_bytes:,} bytes left at once. "
        f"A flush needs {result.threshold_bytes:,} bytes of padding at most."
    )


def test_a_larger_size_that_is_held_is_noticed() -> None:
    """Only 5,000 bytes to 5,400 leave: whatever that is, it is no threshold."""
    bisection = Sweep(low=4_000, high=10_000)
    for size, is_held in ((4_000, True), (5_000, False)):
        bisection.note(size, is_held)
    result = swept(lambda size: not 5_000 <= size <= 5_400, bisection)

    assert is_found(result, 5_000)
    assert bisection.held_above is not None
    assert result.words.endswith(
        f"But {bisection.held_above:,} bytes were held, too, which no threshold explains: "
        "padding of that size may fail."
    )


def test_a_size_held_once_and_not_again_is_contradictory() -> None:
    bisection = Sweep(low=100, high=100)
    bisection.note(100, True)
    assert bisection.next_size == 100
    bisection.note(100, False)

    assert bisection.next_size is None
    assert bisection.result.words.endswith("The same size was held at one time and not at another.")


def test_answers_that_decide_nothing_are_asked_again_a_few_times() -> None:
    bisection = Sweep()
    result = swept(lambda size: None if size > 1_024 else True, bisection)

    assert result.requests == 2 + PROBE_SWEEP_UNCLEAR_MAX
    assert (result.threshold_bytes, result.is_found) == (None, False)
    assert result.words.startswith("Held up to 1,024 bytes; larger ones could not be tried. ")
    assert result.words.endswith("Whether 4,096 bytes are held cannot be told.")


def test_a_single_answer_that_decides_nothing_costs_one_request() -> None:
    count = iter(range(100))
    result = swept(lambda size: None if next(count) % 9 == 4 else size < 15_000)

    assert is_found(result, 15_000)


def test_when_the_requests_are_used_up_what_is_known_is_said() -> None:
    count = iter(range(100))
    result = swept(lambda size: None if next(count) % 2 else size < 100_000)

    assert result.requests == PROBE_SWEEP_REQUESTS_MAX
    assert result.held_bytes is not None and result.threshold_bytes is not None
    assert result.held_bytes < 100_000 <= result.threshold_bytes
    assert result.words.endswith("More was not found out with 19 requests.")


# --- one response --------------------------------------------------------------------------------


def reading(
    written_s: tuple[float, ...],
    arrivals: list[tuple[float, int]],
    *,
    uncertainty_s: float = 0.01,
    size: int = 1_000,
) -> Reading:
    """Chunks of a size: when each was written, and when what arrived."""
    there = list(zip(accumulate(count for _, count in arrivals), arrivals, strict=True))
    ends_s = [
        next((at_s for total, (at_s, _) in there if total >= (index + 1) * size), arrivals[-1][0])
        for index in range(len(written_s))
    ]
    return Reading(
        url="http://localhost/",
        status=200,
        http_version="1.1",
        headers=(),
        unit="chunk",
        head_s=0.01,
        ended_s=1.0,
        size=size * len(written_s),
        arrivals=tuple(Arrival(*arrival) for arrival in arrivals),
        chunks=tuple(
            Chunk(index, size, end_s, at_s)
            for index, (at_s, end_s) in enumerate(zip(written_s, ends_s, strict=True))
        ),
        started_s=0.01,
        clock=Clock(0.0, uncertainty_s, 0, None),
    )


@pytest.mark.parametrize(
    ("arrived_s", "is_held"),
    [
        (0.02, False),
        (0.08, False),
        (0.095, True),  # when the second was written, as far as the clock can tell
        (0.11, True),
        (0.16, None),  # so late that something stalled, or the path is slow
    ],
)
def test_a_chunk_was_held_when_it_came_with_the_next(arrived_s: float, is_held: bool) -> None:
    assert is_first_held(reading((0.0, 0.1), [(arrived_s, 2_000)])) is is_held


def test_a_clock_that_is_not_exact_enough_tells_nothing() -> None:
    assert is_first_held(reading((0.0, 0.1), [(0.11, 2_000)], uncertainty_s=0.03)) is None
    assert is_first_held(reading((0.0, 0.1), [(0.01, 2_000)], uncertainty_s=0.03)) is False


def test_a_chunk_whose_beginning_was_early_was_not_held() -> None:
    """Padding stands behind what it pushes out; its own end may stay."""
    measured = reading((0.0, 0.1), [(0.02, 300), (0.08, 500), (0.12, 1_200)])

    assert is_first_held(measured) is False
    assert early_bytes(measured) == 800
    assert early_bytes(reading((0.0, 0.1), [(0.02, 1_300), (0.12, 700)])) == 1_000


def test_without_two_chunks_or_without_a_clock_nothing_is_told() -> None:
    whole = reading((0.0, 0.1), [(0.08, 1_000), (0.12, 1_000)])
    chunks = tuple(replace(chunk, written_s=None) for chunk in whole.chunks)

    for lacking in (
        replace(whole, clock=None),
        replace(whole, chunks=whole.chunks[:1]),
        replace(whole, chunks=chunks),
    ):
        assert is_first_held(lacking) is None
        assert early_bytes(lacking) == 0


# --- one response after another ------------------------------------------------------------------


class FakePath:
    """A path by numbers: a delay, a rate, and what is held; and what was asked of it."""

    def __init__(
        self,
        early: Callable[[int], int],
        *,
        delay_s: float = 0.001,
        bytes_per_s: float = 1e9,
        start_s: float = 0.0,
    ) -> None:
        self._early = early  # how much of a first chunk leaves at once
        self._delay_s = delay_s
        self._bytes_per_s = bytes_per_s
        self._start_s = start_s
        self.trials: list[Trial] = []

    async def measure_once(self, size: int, interval_s: float) -> Reading:
        begun_s, self._start_s = self._delay_s + self._start_s, 0.0
        next_s = begun_s + interval_s
        early = self._early(size)
        free_s, arrivals = 0.0, []
        for at_s, count in ((begun_s, early), (next_s, 2 * size - early)):
            for piece in [count // 8] * 7 + [count - count // 8 * 7]:
                free_s = max(free_s, at_s) + piece / self._bytes_per_s
                arrivals += [(free_s + self._delay_s, piece)] if piece else []
        uncertainty_s = (begun_s + self._delay_s) / 2
        return reading((begun_s, next_s), arrivals, uncertainty_s=uncertainty_s, size=size)

    def swept(self) -> SweepResult:
        return asyncio.run(sweep(self.measure_once, on_trial=self.trials.append))


def threshold_of(threshold: int) -> Callable[[int], int]:
    return lambda size: size if size >= threshold else 0


def test_a_sweep_over_a_short_path_pauses_as_little_as_it_may() -> None:
    path = FakePath(threshold_of(15_000))
    result = path.swept()

    assert is_found(result, 15_000)
    assert {trial.interval_s for trial in path.trials} == {0.1}
    assert result.requests == len(path.trials)


def test_a_sweep_over_a_long_path_pauses_longer_than_the_path_takes() -> None:
    path = FakePath(threshold_of(100_000), delay_s=0.3)
    result = path.swept()

    assert is_found(result, 100_000)
    assert [trial.is_held for trial in path.trials[:4]] == [None, None, None, True]
    assert all(trial.interval_s > 4 * 0.3 for trial in path.trials[3:])


def test_a_cold_start_costs_one_request() -> None:
    path = FakePath(threshold_of(16_384), start_s=2.0)
    result = path.swept()

    assert is_found(result, 16_384)
    assert [trial.is_held for trial in path.trials[:2]] == [None, True]
    assert {trial.interval_s for trial in path.trials} == {0.1}


def test_a_slow_path_is_not_taken_for_a_threshold() -> None:
    """A chunk of 1 MiB takes half a second, longer than the pause."""
    path = FakePath(threshold_of(900_000), bytes_per_s=2 * MIB)
    result = path.swept()

    assert is_found(result, 900_000)
    assert "But" not in result.words


def test_a_buffer_of_a_fixed_size_is_found_though_something_is_left_over() -> None:
    """Padding of its size pushes out all that stands before it."""
    result = FakePath(lambda size: size // 5_000 * 5_000).swept()

    assert is_found(result, 5_000)
    assert "But" not in result.words


def test_a_sweep_gives_up_where_write_times_are_not_known() -> None:
    pauses: list[float] = []

    async def measure_once(size: int, interval_s: float) -> Reading:
        pauses.append(interval_s)
        return replace(reading((0.0, 0.1), [(0.08, 2_000)]), clock=None)

    result = asyncio.run(sweep(measure_once))

    assert result.requests == PROBE_SWEEP_UNCLEAR_MAX
    assert pauses == [0.1, 0.1, 0.2, 0.4]
    assert result.words == "Nothing was found out. Whether 256 bytes are held cannot be told."


def test_what_is_pushed_out_by_something_else_is_asked_again() -> None:
    """A chunk that arrives in pieces may count as several writes, and so release a part of it."""
    count = iter(range(100))

    def early(size: int) -> int:
        is_cut = next(count) == 7
        return size if size >= 100_000 else 40_000 if is_cut else 0

    path = FakePath(early)
    result = path.swept()

    assert is_found(result, 100_000)
    assert [trial.is_held for trial in path.trials if trial.early_bytes == 40_000] == [None]


# --- the emulator --------------------------------------------------------------------------------

THRESHOLDS = (15_000, 16_384, 65_536, 100_000)


def configuration() -> str:
    lines = ["[emulator]", "retry_delay_scale = 0"]
    for threshold in THRESHOLDS:
        lines += [f"[functions.held{threshold}]", 'handler = "tailrace.probe.handler"']
        lines += [f"hold_back = {{ threshold_bytes = {threshold} }}"]
        lines += [f"[functions.held{threshold}.url]", 'invoke_mode = "RESPONSE_STREAM"']
    return "\n".join(lines)


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[Chain]:
    (tmp_path / "tailrace.toml").write_text(configuration())
    with serving(tmp_path / "tailrace.toml") as chain:
        yield chain


def test_the_thresholds_of_the_emulator_are_found(chain: Chain) -> None:
    """Within one percent, in under 20 requests: the emulator counts them, too."""
    trials: dict[int, list[Trial]] = {threshold: [] for threshold in THRESHOLDS}

    async def sweep_one(threshold: int) -> SweepResult:
        url = chain.function_url(f"held{threshold}")

        async def measure_once(size: int, interval_s: float) -> Reading:
            asked = MeasureOptions(count=2, size=size, interval_s=interval_s, pings=0)
            return await measure(url, asked)

        return await sweep(measure_once, on_trial=trials[threshold].append)

    async def sweep_all() -> list[SweepResult]:
        async with asyncio.timeout(100):
            return await asyncio.gather(*map(sweep_one, THRESHOLDS))

    results = run(sweep_all())

    for threshold, result in zip(THRESHOLDS, results, strict=True):
        assert is_found(result, threshold), (result, trials[threshold])
        assert result.requests < 20
        assert f"A flush needs {result.threshold_bytes:,} bytes of padding at most." in result.words
    invocations = chain.output.count("START RequestId: ")
    assert invocations == sum(result.requests for result in results)
