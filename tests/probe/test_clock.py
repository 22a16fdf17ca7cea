"""The clock's bound: the truth lies within, it is no wider than it may be, and order is nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from math import inf, isinf
from random import Random
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailrace.probe.clock import ClockBound, Interval, Ping, clock_bound

few = settings(max_examples=60, deadline=None)
PPM = 500.0
ROUNDING_S = 1e-8
"""Of sums of a day in floats."""


@dataclass(frozen=True)
class FunctionClock:
    """A clock that is off, and runs now faster, now slower: a rate for every ten seconds."""

    offset_s: float
    rates_ppm: tuple[float, ...]
    start_s: float = -40.0

    def offset_at(self, client_s: float) -> float:
        offset_s, left_s = self.offset_s, client_s - self.start_s
        for rate in self.rates_ppm:
            offset_s += rate * 1e-6 * max(0.0, min(left_s, 10.0))
            left_s -= 10.0
        return offset_s

    def __call__(self, client_s: float) -> float:
        return client_s + self.offset_at(client_s)


@dataclass(frozen=True)
class World:
    """What really happened, and what can be seen of it."""

    clock: FunctionClock
    pings: tuple[Ping, ...]
    started_s: float
    writes: tuple[tuple[float, float], ...]
    """When each chunk was written, and when it arrived: both on the client's clock."""

    @property
    def written(self) -> list[tuple[float, float]]:
        return [(self.clock(at_s), arrived_s) for at_s, arrived_s in self.writes]

    def bound(self, pings: Sequence[Ping] | None = None, drift_ppm: float = PPM) -> ClockBound:
        return clock_bound(
            self.pings if pings is None else pings,
            request_sent_s=0.0,
            started_s=self.clock(self.started_s),
            written=self.written,
            drift_ppm=drift_ppm,
        )


DELAYS = st.one_of(st.just(0.0), st.floats(1e-5, 0.01), st.floats(0.01, 3.0))


@st.composite
def worlds(draw: st.DrawFn, min_pings: int = 0, min_writes: int = 0) -> World:
    rates = draw(st.lists(st.floats(-PPM, PPM), min_size=14, max_size=14))
    clock = FunctionClock(draw(st.floats(-90_000.0, 90_000.0)), tuple(rates))
    started_s = at_s = draw(DELAYS)
    arrived_s, writes = 0.0, []
    for _ in range(draw(st.integers(min_writes, 6))):
        at_s += draw(DELAYS)
        arrived_s = max(arrived_s, at_s + draw(DELAYS))
        writes.append((at_s, arrived_s))
    pings = []
    for _ in range(draw(st.integers(min_pings, 5))):
        sent_s = draw(st.one_of(st.floats(-30.0, -10.0), st.floats(40.0, 70.0)))
        there_s = sent_s + draw(DELAYS)
        back_s = there_s + draw(DELAYS)
        pings.append(Ping(sent_s, back_s + draw(DELAYS), clock(there_s), clock(back_s)))
    return World(clock, tuple(pings), started_s, tuple(writes))


def holds(interval: Interval, truth: float) -> bool:
    return interval.lower_s - ROUNDING_S <= truth <= interval.upper_s + ROUNDING_S


@few
@given(worlds(), st.floats(-40.0, 90.0))
def test_the_truth_lies_within_at_every_moment(world: World, client_s: float) -> None:
    bound = world.bound()
    truth = world.clock.offset_at(client_s)

    assert holds(bound.offset_at(client_s), truth)
    assert holds(bound.written_at(world.clock(client_s)), client_s)
    if bound.response.lower_s <= client_s <= bound.response.upper_s:
        assert holds(bound.offset, truth)


@few
@given(worlds(min_writes=1))
def test_each_chunk_is_as_late_as_its_interval_says(world: World) -> None:
    bound = world.bound()
    clock = bound.clock()
    assert clock is not None

    for (at_s, arrived_s), (function_s, _) in zip(world.writes, world.written, strict=True):
        lateness = bound.lateness(function_s, arrived_s)
        assert holds(lateness, arrived_s - at_s)
        assert lateness.lower_s >= -ROUNDING_S
        assert lateness.uncertainty_s <= clock.uncertainty_s + ROUNDING_S
        assert abs(function_s - clock.offset_s - at_s) <= clock.uncertainty_s + ROUNDING_S


@few
@given(worlds(min_pings=1), st.floats(-40.0, 90.0))
def test_it_is_no_wider_than_half_of_any_round_trip_plus_drift(
    world: World, client_s: float
) -> None:
    bound = world.bound()

    for ping in world.pings:
        distance_s = abs(client_s - ping.sent_s) + abs(client_s - ping.received_s)
        most_s = (ping.round_trip_s + PPM * 1e-6 * distance_s) / 2
        assert bound.offset_at(client_s).uncertainty_s <= most_s + ROUNDING_S
        ends = (bound.response.lower_s, bound.response.upper_s)
        farthest_s = max(abs(end - at) for end in ends for at in (ping.sent_s, ping.received_s))
        most_s = ping.round_trip_s / 2 + PPM * 1e-6 * farthest_s
        assert bound.offset.uncertainty_s <= most_s + ROUNDING_S
    assert bound.round_trip_s == min(ping.round_trip_s for ping in world.pings)


@few
@given(worlds(), st.randoms(use_true_random=False))
def test_the_order_of_samples_is_of_no_importance(world: World, random: Random) -> None:
    pings = random.sample(world.pings, len(world.pings))
    writes = tuple(random.sample(world.writes, len(world.writes)))

    assert replace(world, pings=tuple(pings), writes=writes).bound() == world.bound()


@few
@given(worlds(min_pings=1), st.floats(-40.0, 90.0))
def test_more_samples_never_widen_it(world: World, client_s: float) -> None:
    fewer, more = world.bound(world.pings[:-1]), world.bound()

    for few, many in (
        (fewer.offset, more.offset),
        (fewer.offset_at(client_s), more.offset_at(client_s)),
        (fewer.written_at(client_s), more.written_at(client_s)),
    ):
        assert many.lower_s >= few.lower_s - ROUNDING_S
        assert many.upper_s <= few.upper_s + ROUNDING_S


@few
@given(worlds(min_pings=1, min_writes=1))
def test_the_interval_of_a_response_is_that_of_its_moments_together(world: World) -> None:
    """Not only at samples: between two of them the bound is wider than at either."""
    bound = world.bound()
    start_s, end_s = bound.response.lower_s, bound.response.upper_s
    moments = [bound.offset_at(start_s + (end_s - start_s) * i / 100) for i in range(101)]

    slack_s = PPM * 1e-6 * (end_s - start_s) / 100 + ROUNDING_S
    for lower_s, upper_s in [(m.lower_s, m.upper_s) for m in moments]:
        assert bound.offset.lower_s <= lower_s + ROUNDING_S
        assert bound.offset.upper_s >= upper_s - ROUNDING_S
    assert bound.offset.lower_s >= min(m.lower_s for m in moments) - slack_s
    assert bound.offset.upper_s <= max(m.upper_s for m in moments) + slack_s


def test_a_long_response_takes_no_more_than_its_share() -> None:
    """Each of its chunks says something, when all of them are under way for the same time."""
    count = 20_000
    written = [(3600.0 + index / 10, index / 10 + 0.01) for index in range(count)]
    begun_s = process_time()
    bound = clock_bound(
        [Ping(-0.02, 0.0, 3599.99, 3599.99)], request_sent_s=0.0, started_s=3600.0, written=written
    )

    assert bound.offset.upper_s >= 3600.0 >= bound.offset.lower_s
    for function_s, arrived_s in written:
        lateness = bound.lateness(function_s, arrived_s)
        assert lateness.lower_s + ROUNDING_S >= 0.0 and lateness.upper_s >= 0.01 - ROUNDING_S
    assert process_time() - begun_s < 30, "every chunk is compared with every other one"


def test_a_ping_under_way_for_20_ms_bounds_the_offset_by_10() -> None:
    # The function is an hour ahead; 2 ms there, 18 ms back, 5 ms of work.
    ping = Ping(10.0, 10.025, 3610.002, 3610.007)
    bound = clock_bound(
        [ping], request_sent_s=0.0, started_s=3600.05, written=[(3600.1, 0.3)], drift_ppm=0.0
    )

    assert bound.offset.lower_s == pytest.approx(3599.982)
    assert bound.offset.upper_s == pytest.approx(3600.002)
    assert bound.lateness(3600.1, 0.3).lower_s == pytest.approx(0.182)
    assert bound.lateness(3600.1, 0.3).upper_s == pytest.approx(0.202)
    assert bound.words == "a round trip to the environment that streamed; it took 20.0 ms"


def test_asymmetry_is_within_the_bound_but_moves_the_middle() -> None:
    """All of the delay is on the way there: half of it looks like an offset."""
    pings = [Ping(at, at + 0.02, at + 0.02, at + 0.02) for at in (-1.0, 2.0)]
    bound = clock_bound(
        pings, request_sent_s=0.0, started_s=0.02, written=[(0.02, 0.02)], drift_ppm=0.0
    )

    assert bound.offset.middle_s == pytest.approx(0.01)
    assert bound.offset.uncertainty_s == pytest.approx(0.01)


def test_between_two_samples_the_drift_widens_the_bound() -> None:
    pings = [Ping(at, at, at, at) for at in (-1.0, 9.0)]
    bound = clock_bound(
        pings, request_sent_s=0.0, started_s=0.5, written=[(7.0, 8.0)], drift_ppm=100.0
    )

    assert bound.offset_at(-1.0).uncertainty_s == pytest.approx(0.0)
    assert bound.offset_at(4.0).uncertainty_s == pytest.approx(500e-6)
    assert bound.offset.uncertainty_s == pytest.approx(500e-6)  # at 4.0, inside the response


def test_without_round_trips_the_wide_bound_is_stated() -> None:
    bound = clock_bound(
        [], request_sent_s=0.0, started_s=5.3, written=[(5.3, 0.7), (6.3, 1.5)], drift_ppm=0.0
    )

    assert bound.basis == "stream"
    assert (bound.offset.lower_s, bound.offset.upper_s) == pytest.approx((4.8, 5.3))
    assert bound.lateness(5.3, 0.7) == Interval(pytest.approx(0.2), pytest.approx(0.7))
    clock = bound.clock()
    assert clock is not None
    assert (clock.sample_count, clock.round_trip_s) == (0, None)
    assert bound.words == (
        "no round trip reached the environment that streamed: "
        "the offset is bounded by the stream's own causality only"
    )


@pytest.mark.parametrize("step_s", [-3600.0, -0.5, 0.5, 3600.0])
def test_a_clock_set_between_round_trips_and_stream_leaves_the_stream(step_s: float) -> None:
    before = Ping(-1.0, -0.9, -0.95, -0.95)
    started_s, written = 0.05 + step_s, [(0.05 + step_s, 0.1), (1.0 + step_s, 1.05)]
    stream = clock_bound([], request_sent_s=0.0, started_s=started_s, written=written)

    bound = clock_bound([before], request_sent_s=0.0, started_s=started_s, written=written)

    assert bound.offset == stream.offset
    assert bound.offset.lower_s <= step_s <= bound.offset.upper_s
    assert (bound.basis, bound.sample_count, bound.round_trip_s) == ("stream", 0, None)
    assert abs(step_s) - 0.102 < bound.contradiction_s <= abs(step_s)
    assert bound.words.startswith("the round trips and the stream contradict each other by ")
    assert bound.words.endswith("bounded by the stream's own causality only")


def test_round_trips_that_contradict_each_other_do_not_count() -> None:
    """Each of them could be true; one of them is not."""
    pings = [Ping(-1.0, -0.9, -0.95, -0.95), Ping(2.0, 2.1, 2.35, 2.35)]
    bound = clock_bound(pings, request_sent_s=0.0, started_s=0.9, written=[(0.9, 1.5)])

    assert (bound.basis, bound.sample_count) == ("stream", 0)
    assert bound.contradiction_s == pytest.approx(0.2, rel=0.01)


def test_a_clock_that_goes_back_within_a_round_trip_was_set() -> None:
    ping = Ping(-1.0, -0.9, -0.93, -0.97)
    bound = clock_bound([ping], request_sent_s=0.0, started_s=0.1, written=[(0.1, 0.2)])

    assert bound.basis == "stream"
    assert bound.contradiction_s == pytest.approx(0.04)


@pytest.mark.parametrize("step_s", [-3600.0, -0.2, 60.0])
def test_a_clock_set_while_the_response_ran_leaves_nothing(step_s: float) -> None:
    ping = Ping(-1.0, -0.9, -0.95, -0.95)
    written = [(0.05, 0.1), (0.15 + step_s, 0.2)]

    bound = clock_bound([ping], request_sent_s=0.0, started_s=0.05, written=written)

    assert bound.basis == "nothing"
    assert bound.clock() is None
    assert isinf(bound.written_at(0.05).uncertainty_s)
    assert bound.contradiction_s >= 0.1
    assert "the function's clock was set by " in bound.words
    assert bound.words.endswith("when its chunks were written cannot be known")


def test_a_response_without_chunks_and_round_trips_tells_nothing() -> None:
    bound = clock_bound([], request_sent_s=0.0, started_s=7.0, written=[])

    assert bound.clock() is None
    assert bound.offset_at(0.0) == Interval(-inf, 7.0)
    assert bound.words == "nothing was received that tells of the function's clock"


def test_the_head_is_a_sample_too() -> None:
    bound = clock_bound([], request_sent_s=0.0, started_s=7.0, written=[(7.0, 0.2)], drift_ppm=0)

    assert bound.offset == Interval(6.8, 7.0)


def test_rounding_is_no_contradiction() -> None:
    """Zero delay in both directions: limits meet, and their sums are rounded."""
    epoch_s = 1_795_300_000.1
    pings = [Ping(at, at, epoch_s + at, epoch_s + at) for at in (-0.3, -0.1, 1.1, 1.7)]
    bound = clock_bound(
        pings, request_sent_s=0.0, started_s=epoch_s, written=[(epoch_s, 0.0)], drift_ppm=0.0
    )

    assert bound.basis == "round trips"
    assert 0 <= bound.offset.uncertainty_s < 1e-6
    assert bound.words == "4 round trips to the environment that streamed; the quickest took 0.0 ms"


def test_thousands_of_chunks_are_bounded_in_no_time() -> None:
    """What a sample adds is kept only when it says more than the others."""
    random = Random(4)
    arrivals = accumulate((i * 0.01 + 0.02 + random.expovariate(100) for i in range(5_000)), max)
    written = [(i * 0.01, arrived_s) for i, arrived_s in enumerate(arrivals)]
    bound = clock_bound([], request_sent_s=-0.01, started_s=0.0, written=written)

    assert len(bound._floor.points) < 500
    assert all(a[0] < b[0] for a, b in pairwise(bound._floor.points))
    assert bound.offset.upper_s == pytest.approx(0.01 + 50 * 500e-6, rel=0.05)
