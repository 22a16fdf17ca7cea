"""Responses as they would be measured behind hops that are simulated: exact, or with hiccups.

A hop takes writes (when, how many bytes) and the end, and says which bytes leave it when.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from itertools import accumulate

from tailrace.probe.record import Arrival, Chunk, Clock, Reading, Unit
from tailrace.wire.buffering import HoldBack, HoldBackRule, Shaper, ShapingRule

Write = tuple[float, int]
Hop = Callable[[Sequence[Write], float], list[Write]]
"""Writes and the moment of the end, to departures."""


def nothing(writes: Sequence[Write], end_s: float) -> list[Write]:
    """Each write leaves at once."""
    return list(writes)


def held_back(rule: HoldBackRule) -> Hop:
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
    )
