"""Responses as they would be measured behind hops that are simulated: exact, or with hiccups.

A hop takes writes (when, how many bytes) and the end, and says which bytes leave it when.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

from tailrace.config import HoldBackConfig
from tailrace.emulator.function_urls.hold_back import HoldBack, Shaper, ShapingRule
from tailrace.probe.pattern import Kind
from tailrace.probe.record import Arrival, Chunk, Clock, Reading, Unit

Write = tuple[float, int]
Hop = Callable[[Sequence[Write], float], list[Write]]
"""Writes and the moment of the end, to departures."""


def nothing(writes: Sequence[Write], end_s: float) -> list[Write]:
    """Each write leaves at once."""
    return list(writes)


def held_back(rule: HoldBackConfig) -> Hop:
    """The model of the emulator's front."""

    def hop(writes: Sequence[Write], end_s: float) -> list[Write]:
        hold, leaving = HoldBack(rule), []
        for at_s, size in [*writes, (end_s, 0)]:
            while hold.due_s < at_s:
                due_s = hold.due_s
                leaving.append((due_s, len(hold.expire(due_s))))
            leaving.append((at_s, len(hold.write(bytes(size), at_s))))
        leaving.append((end_s, len(hold.end())))
        return [(at_s, size) for at_s, size in leaving if size]

    return hop


def at_end(writes: Sequence[Write], end_s: float) -> list[Write]:
    """All is held until the end."""
    return [(end_s, sum(size for _, size in writes))]


def blocks(block_bytes: int) -> Hop:
    """Only full blocks leave before the end, as from nginx before an HTTP/1.0 upstream."""

    def hop(writes: Sequence[Write], end_s: float) -> list[Write]:
        held, leaving = 0, []
        for at_s, size in writes:
            held += size
            full = held // block_bytes * block_bytes
            if full:
                leaving.append((at_s, full))
                held -= full
        return [*leaving, (end_s, held)] if held else leaving

    return hop


def looked_at_first(count: int) -> Hop:
    """The first writes wait for one another."""

    def hop(writes: Sequence[Write], end_s: float) -> list[Write]:
        first, rest = writes[:count], writes[count:]
        return [(first[-1][0], sum(size for _, size in first)), *rest]

    return hop


def shaped(rule: ShapingRule, tick_s: float = 0.02) -> Hop:
    """A bucket that is refilled."""

    def hop(writes: Sequence[Write], end_s: float) -> list[Write]:
        shaper, waiting, leaving = Shaper(rule, 0.0), 0, []
        coming, now_s = list(writes), 0.0
        while coming or waiting:
            while coming and coming[0][0] <= now_s:
                waiting += coming.pop(0)[1]
            granted = shaper.take(waiting, now_s)
            if granted:
                leaving.append((now_s, granted))
                waiting -= granted
            now_s += tick_s
        return leaving

    return hop


def buffer(size: int) -> Hop:
    """A buffer which is emptied when it is full."""
    return held_back(HoldBackConfig(first_writes=0, threshold_bytes=size))


def timer(hold_s: float) -> Hop:
    """Bytes wait for so long."""
    return held_back(HoldBackConfig(first_writes=0, threshold_bytes=10**9, hold_s=hold_s))


def measured(
    hop: Hop,
    *,
    count: int = 10,
    size: int = 64,
    interval_s: float = 0.1,
    pauses: Sequence[float] | None = None,
    hiccups: Sequence[float] = (),
    path_s: float = 0.002,
    end_pause: bool = True,
    skew_s: float = 0.0,
    uncertainty_s: float = 0.002,
    round_trip_s: float = 0.005,
    has_companion: bool = True,
    unit: Unit = "chunk",
    headers: tuple[tuple[str, str], ...] = (("content-type", "text/plain"),),
) -> Reading:
    """What the probe would have measured.

    `hiccups` delay reads one after the other (nothing overtakes); `skew_s` is by how much the
    written times are wrong because of the clock.
    """
    starts = [0.05, *accumulate(pauses or [interval_s] * (count - 1), initial=0.05)][1:]
    end_s = starts[-1] + (interval_s if end_pause else 0.0005)
    late = [*hiccups, *[0.0] * (3 * count + 10_000)]
    leaving = hop([(at_s, size) for at_s in starts], end_s)
    times = list(accumulate((at + path_s + late[i] for i, (at, _) in enumerate(leaving)), max))
    arrivals = tuple(Arrival(at_s, size) for at_s, (_, size) in zip(times, leaving, strict=True))
    sums = list(accumulate(arrival.size for arrival in arrivals))
    chunks = tuple(
        Chunk(
            index,
            size,
            arrivals[bisect_left(sums, (index + 1) * size)].at_s,
            at_s + skew_s if has_companion else None,
        )
        for index, at_s in enumerate(starts)
    )
    return Reading(
        url="http://127.0.0.1/",
        status=200,
        http_version="1.1",
        headers=headers,
        unit=unit,
        head_s=min(0.051, arrivals[0].at_s),
        ended_s=max(end_s + path_s, arrivals[-1].at_s),
        size=sums[-1],
        arrivals=arrivals,
        chunks=chunks,
        clock=Clock(0.0, uncertainty_s, 8, round_trip_s) if has_companion else None,
        interval_s=interval_s if has_companion else None,
        environment="e1" if has_companion else None,
    )


# --- all of them ---------------------------------------------------------------------------------

LAMBDA = held_back(HoldBackConfig())


class Way(NamedTuple):
    """A hop, what is sent through it, and what shows."""

    kind: Kind
    hop: Hop
    options: Mapping[str, Any] = {}


WAYS = {
    "direct": Way("on-time", nothing),
    "direct, few": Way("on-time", nothing, {"count": 5}),
    "Lambda": Way("held-until-next-write", LAMBDA),
    "Lambda, few": Way("held-until-next-write", LAMBDA, {"count": 5}),
    "the next write": Way("held-until-next-write", held_back(HoldBackConfig(first_writes=1))),
    "buffer": Way("fixed-buffer", buffer(15_000), {"size": 4_000, "count": 20}),
    "buffer, long": Way("fixed-buffer", buffer(16_384), {"size": 2_000, "count": 40}),
    "blocks": Way("fixed-buffer", blocks(4_096), {"size": 700, "count": 24}),
    "blocks, smaller": Way("fixed-buffer", blocks(4_096), {"size": 6_000, "count": 24}),
    "buffer, larger": Way("at-the-end", buffer(15_000), {"count": 12}),
    "end": Way("at-the-end", at_end),
    "end, few": Way("at-the-end", at_end, {"count": 4}),
    "timer": Way("held-for-a-time", timer(0.25)),
    "timer, two pauses": Way("held-for-a-time", timer(0.5), {"count": 12, "interval_s": 0.2}),
    "timer, half a pause": Way("held-for-a-time", timer(0.25), {"interval_s": 0.5}),
    "first": Way("held-at-first", looked_at_first(3)),
    "burst": Way(
        "bandwidth", shaped(ShapingRule()), {"size": 500_000, "count": 24, "interval_s": 0.05}
    ),
    "rate": Way(
        "bandwidth",
        shaped(ShapingRule(5_000, 50_000, 0.1)),
        {"size": 10_000, "count": 24, "interval_s": 0.05},
    ),
    "rate, nearly": Way(
        "bandwidth",
        shaped(ShapingRule(20_000, 100_000, 0.1)),
        {"size": 20_000, "count": 24, "interval_s": 0.15},
    ),
}
