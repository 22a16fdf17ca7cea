"""Patterns of hops that are simulated: named rightly, whatever a busy machine does to the times."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.probe.hop_models import (
    LAMBDA,
    WAYS,
    Hop,
    Way,
    at_end,
    blocks,
    buffer,
    held_back,
    measured,
    nothing,
    shaped,
    timer,
)

from tailrace.config import HoldBackConfig
from tailrace.emulator.function_urls.hold_back import ShapingRule
from tailrace.probe.pattern import Kind, find_pattern
from tailrace.probe.record import Arrival, Chunk, Reading

every_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())


@every_way
@pytest.mark.parametrize("end_pause", [True, False])
def test_every_hop_shows_its_pattern(way: Way, end_pause: bool) -> None:
    reading = measured(way.hop, end_pause=end_pause, **way.options)

    assert find_pattern(reading).kind == way.kind


def busy(way: Way, chance: random.Random) -> Reading:
    """Reads late by a fifth of a pause, slow writes, an asymmetric way, an inexact clock."""
    interval_s, count = way.options.get("interval_s", 0.1), way.options.get("count", 10)
    round_trip_s = chance.uniform(0, 0.1 * interval_s)
    uncertainty_s = round_trip_s / 2
    return measured(
        way.hop,
        **way.options,
        hiccups=[chance.choice((0, chance.uniform(0, 0.2 * interval_s))) for _ in range(count)],
        pauses=[interval_s * chance.uniform(1, 1.2) for _ in range(count - 1)],
        path_s=chance.uniform(0, round_trip_s),
        round_trip_s=round_trip_s,
        uncertainty_s=uncertainty_s,
        skew_s=chance.uniform(-uncertainty_s, uncertainty_s),
        end_pause=chance.choice((True, False)),
    )


@every_way
def test_a_busy_machine_changes_no_verdict(way: Way) -> None:
    """On forty such machines, the same in each run: one in thousands hides or feigns a pattern."""
    verdicts = {find_pattern(busy(way, random.Random(seed))).kind for seed in range(40)}

    assert verdicts == {way.kind}


@pytest.mark.parametrize("name", ["direct", "Lambda", "the next write", "blocks", "end", "first"])
@pytest.mark.parametrize("place", range(0, 10, 3))
def test_one_long_hiccup_changes_no_verdict(name: str, place: int) -> None:
    """A read that comes one and a half pauses late, and with it what came behind it."""
    way = WAYS[name]
    reading = measured(way.hop, **way.options, hiccups=[0.0] * place + [0.15])

    assert find_pattern(reading).kind == way.kind


@pytest.mark.parametrize("name", [name for name in WAYS if WAYS[name].kind != "bandwidth"])
@pytest.mark.parametrize("scale", [0.1, 10])
def test_only_proportions_count(name: str, scale: float) -> None:
    """The same in a tenth and in ten times the time."""
    way = WAYS[name]
    exact = measured(way.hop, **way.options)
    clock = exact.clock
    assert clock is not None and clock.round_trip_s is not None
    reading = dataclasses.replace(
        exact,
        ended_s=exact.ended_s * scale,
        interval_s=(exact.interval_s or 0) * scale,
        arrivals=tuple(dataclasses.replace(a, at_s=a.at_s * scale) for a in exact.arrivals),
        chunks=tuple(
            dataclasses.replace(
                c, arrived_s=c.arrived_s * scale, written_s=(c.written_s or 0) * scale
            )
            for c in exact.chunks
        ),
        clock=dataclasses.replace(
            clock,
            uncertainty_s=clock.uncertainty_s * scale,
            round_trip_s=clock.round_trip_s * scale,
        ),
    )

    assert find_pattern(reading).kind == way.kind


# --- figures -----------------------------------------------------------------------------------


def test_first_writes_that_lambda_waited_for_are_counted() -> None:
    for first in (1, 2, 3, 5):
        found = find_pattern(measured(held_back(HoldBackConfig(first_writes=first))))

        assert found.figures == {"first_writes": max(2, first)}


def test_both_published_runs_show_what_holds_them() -> None:
    """Four lines a second apart; whether the end waits a second more is all the difference."""
    for end_pause in (True, False):
        found = find_pattern(measured(LAMBDA, count=4, interval_s=1, end_pause=end_pause))

        assert (found.kind, found.figures) == ("held-until-next-write", {"first_writes": 3})


@settings(max_examples=50)
@given(size=st.integers(100, 5_000), held=st.integers(3, 12), part=st.floats(0.01, 1))
def test_a_buffer_is_as_large_as_its_bounds_say(size: int, held: int, part: float) -> None:
    """It takes `held` writes to fill it."""
    true = int(size * (held - 1 + part)) + (part < 1)
    found = find_pattern(measured(buffer(true), size=size, count=5 * held))

    if found.kind == "held-for-a-time":
        assert size * held < 1024  # too small for a buffer
        return
    low, high = found.figures["buffer_bytes_min"], found.figures["buffer_bytes_max"]
    assert low <= true <= high <= low + size


def test_blocks_are_measured_exactly() -> None:
    for block in (4096, 8192, 16_384):
        found = find_pattern(measured(blocks(block), size=1_500, count=60))

        assert found.figures == {"buffer_bytes_min": block, "buffer_bytes_max": block}


def test_a_rate_and_its_burst_are_measured() -> None:
    figures = find_pattern(measured(WAYS["burst"].hop, **WAYS["burst"].options)).figures

    assert figures["rate_bytes_per_s"] == pytest.approx(2 * 1024 * 1024, rel=0.05)
    assert figures["burst_bytes"] == pytest.approx(6 * 1024 * 1024, rel=0.1)


def test_a_time_that_is_a_multiple_of_the_pause_is_seen() -> None:
    """HAProxy's 200 ms, which the kernel's clock makes a little longer."""
    for interval_s in (0.05, 0.1, 0.2):
        found = find_pattern(measured(timer(0.204), count=20, interval_s=interval_s))

        assert (found.kind, found.figures) == (
            "held-for-a-time",
            {"held_s": pytest.approx(0.206, rel=0.05)},
        )


def test_a_short_time_is_seen_beside_a_long_pause() -> None:
    """40 ms and 200 ms, as TCP and HAProxy hold, with the pauses that people ask for."""
    for hold_s in (0.04, 0.2):
        for interval_s in (0.5, 1.0, 5.0):
            found = find_pattern(measured(timer(hold_s), interval_s=interval_s))

            assert found.kind == "held-for-a-time"


def test_a_time_is_measured() -> None:
    for hold_s in (0.15, 0.25, 0.45):
        figures = find_pattern(measured(timer(hold_s), count=20, path_s=0)).figures

        assert figures == {"held_s": pytest.approx(hold_s, rel=0.02)}


# --- what cannot be told -----------------------------------------------------------------------


def test_a_slow_function_is_not_a_rate_limit() -> None:
    """It was to write 40 times as fast as it did; nothing was on its way for long."""
    reading = measured(nothing, size=50_000, count=30, interval_s=0.2)

    assert find_pattern(dataclasses.replace(reading, interval_s=0.005)).kind == "on-time"


def test_a_long_way_holds_nothing() -> None:
    """200 ms on the way where a round trip takes 250 ms."""
    reading = measured(nothing, path_s=0.2, round_trip_s=0.25, uncertainty_s=0.03)

    assert find_pattern(reading).kind == "on-time"


@pytest.mark.parametrize("hop", [nothing, LAMBDA, timer(0.25)])
def test_with_an_unsure_clock_nothing_is_named_that_needs_it(hop: Hop) -> None:
    found = find_pattern(measured(hop, uncertainty_s=0.3, skew_s=0.2))

    assert found.kind == "cannot-tell"
    assert "known to within 300 ms only" in found.reason


@pytest.mark.parametrize("name", ["end", "blocks", "buffer, larger"])
def test_what_needs_no_clock_is_named_without(name: str) -> None:
    way = WAYS[name]
    reading = measured(way.hop, **way.options, uncertainty_s=0.3, skew_s=0.2)

    assert find_pattern(reading).kind == way.kind


def test_without_pauses_nothing_shows() -> None:
    found = find_pattern(measured(nothing, interval_s=0.0005))

    assert found.kind == "cannot-tell" and "without pauses" in found.reason


def test_three_chunks_show_nothing() -> None:
    assert find_pattern(measured(at_end, count=3)).kind == "cannot-tell"


def test_chaos_has_no_name() -> None:
    def late_by_turns(writes: Sequence[tuple[float, int]], end_s: float) -> list[tuple[float, int]]:
        lates = (0.05, 0.0, 0.19, 0.12, 0.06, 0.17, 0.08, 0.02, 0.16, 0.07)
        return [(at + late, size) for (at, size), late in zip(writes, lates, strict=True)]

    assert find_pattern(measured(late_by_turns)).kind == "cannot-tell"


def test_an_error_shows_nothing() -> None:
    found = find_pattern(dataclasses.replace(measured(at_end), status=502))

    assert found.kind == "cannot-tell" and "502" in found.reason


# --- compressed bodies -------------------------------------------------------------------------

GZIP = (("content-encoding", "gzip"),)


@pytest.mark.parametrize(
    "name, kind",
    [
        ("end", "compression"),
        ("buffer", "compression"),
        ("direct", "on-time"),
        ("Lambda", "held-until-next-write"),
        ("timer", "held-for-a-time"),
    ],
)
def test_compression_is_named_where_it_may_be_the_cause(name: str, kind: Kind) -> None:
    way = WAYS[name]

    assert find_pattern(measured(way.hop, **way.options, headers=GZIP)).kind == kind


# --- without the companion ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "hop, options, kind",
    [
        (nothing, {}, "one-by-one"),
        (LAMBDA, {}, "one-by-one"),
        (at_end, {}, "at-the-end"),
        (timer(0.25), {}, "merged"),
        (buffer(15_000), {"size": 4_000, "count": 20}, "merged"),
        (blocks(4_096), {"size": 700, "count": 40}, "fixed-buffer"),
        (at_end, {"headers": GZIP}, "compression"),
        (nothing, {"unit": "read"}, "cannot-tell"),
        (at_end, {"unit": "read"}, "at-the-end"),
        (
            shaped(ShapingRule()),
            {"size": 500_000, "count": 24, "interval_s": 0.05, "unit": "read"},
            "bandwidth",
        ),
    ],
)
def test_arrivals_alone_show_less(hop: Hop, options: Mapping[str, Any], kind: Kind) -> None:
    reading = measured(hop, has_companion=False, **{"unit": "event", **options})

    assert find_pattern(reading).kind == kind


@pytest.mark.parametrize("why", ["broken", "stopped"])
def test_what_never_came_to_its_end_was_not_held_until_then(why: str) -> None:
    reading = measured(at_end, has_companion=False, unit="event")
    reading = dataclasses.replace(reading, **{why: "…"})

    assert find_pattern(reading).reason == (
        "what came of the body came together, and its end did not come"
    )


def test_a_download_is_no_stream_that_was_held() -> None:
    reads = [Arrival(0.002 * number, 65_536) for number in range(32)]
    chunks = [Chunk(number, read.size, read.at_s) for number, read in enumerate(reads)]
    reading = dataclasses.replace(
        measured(nothing, has_companion=False, unit="read"),
        arrivals=tuple(reads),
        chunks=tuple(chunks),
        size=32 * 65_536,
    )

    pattern = find_pattern(reading)

    assert pattern.kind == "cannot-tell"
    assert "without a pause, in 32 reads within 62 ms" in pattern.reason


def test_an_empty_body_shows_nothing() -> None:
    reading = dataclasses.replace(
        measured(at_end, has_companion=False), chunks=(), arrivals=(), size=0
    )

    assert find_pattern(reading).reason == "nothing of a body came"
