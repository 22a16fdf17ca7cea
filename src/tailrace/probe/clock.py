"""How far the function's clock is from the client's: bounds that hold, and never a guess.

What is known comes from causality alone. A message arrives after it was sent, so each one says
what the function's clock showed at the latest, or at the earliest, when the client's clock showed
something. With θ = function's clock − client's:

    a ping, or the request, that left the client at s and reached the function at f:   θ(s) ≤ f − s
    an answer, or a chunk, that left the function at f and reached the client at r:    θ(r) ≥ f − r

Each of these holds at its own moment; from there to another moment, θ moves by no more than the
drift of the clocks times the distance. The offset lies in the intersection of all of these
intervals, and the bound is half of that. It is not the spread of the best samples, which fails
under asymmetric jitter.

What cannot be seen: an asymmetric path. When all messages one way take 20 ms longer than the other
way, that looks exactly like a clock which is 10 ms off. The bound allows for it, since it takes
nothing about symmetry for granted; but nothing can tell where in the interval the truth lies. A
clock that was set by less than the bound is not seen either.

All times are in seconds. The function's are best counted from the moment that the client's wall
clock showed when the request was sent: then θ is the difference between the two wall clocks, and
its digits are not lost in those of an epoch.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from math import inf
from typing import Literal, TypeAlias

from tailrace.probe.limits import CLOCK_DRIFT_PPM, CLOCK_TICK_S
from tailrace.probe.quantity import exact_duration
from tailrace.probe.record import Clock

Basis: TypeAlias = Literal["round trips", "stream", "nothing"]
"""What a bound rests upon: round trips and the stream, the stream alone, or nothing at all."""


@dataclass(frozen=True, slots=True)
class Ping:
    """A round trip to the execution environment that streamed, each time on its own clock."""

    sent_s: float
    """Client's clock: before the first byte was sent."""
    received_s: float
    """Client's clock: after the answer was read."""
    function_received_s: float
    function_sent_s: float

    @property
    def round_trip_s(self) -> float:
        """The time under way: without that in the function."""
        held_s = self.function_sent_s - self.function_received_s
        return max(0.0, self.received_s - self.sent_s - held_s)


@dataclass(frozen=True, slots=True)
class Interval:
    """Where the truth lies; infinite where nothing is known."""

    lower_s: float
    upper_s: float

    @property
    def middle_s(self) -> float:
        """Not the likeliest value, only the one whose error is bounded best."""
        return (self.lower_s + self.upper_s) / 2

    @property
    def uncertainty_s(self) -> float:
        """How far the truth may be from the middle."""
        return (self.upper_s - self.lower_s) / 2


@dataclass(frozen=True, slots=True)
class ClockBound:
    """What is known about θ, the function's clock minus the client's; see `clock_bound`."""

    basis: Basis
    sample_count: int
    """Round trips that were of use."""
    round_trip_s: float | None
    """The smallest of them."""
    contradiction_s: float
    """By how much samples contradict each other: a clock was set, by at least so much; 0: none."""
    response: Interval
    """From the request to the last arrival, on the client's clock."""
    _ceiling: _Envelope
    _floor: _Envelope

    @property
    def offset(self) -> Interval:
        """One interval of θ that holds at every moment of the response."""
        start_s, end_s = self.response.lower_s, self.response.upper_s
        return _interval(
            -self._floor.highest(start_s, end_s), self._ceiling.highest(start_s, end_s)
        )

    def offset_at(self, client_s: float) -> Interval:
        """Bound θ at one moment of the client's clock: narrowest near the best samples."""
        return _interval(-self._floor.at(client_s), self._ceiling.at(client_s))

    def written_at(self, function_s: float) -> Interval:
        """Bound when, on the client's clock, the function's clock showed this.

        For a chunk whose arrival is among the samples it ends at that arrival: no chunk is early.
        """
        return _interval(
            self._ceiling.client_s(function_s, sign=1), self._floor.client_s(function_s, sign=-1)
        )

    def lateness(self, function_s: float, arrived_s: float) -> Interval:
        """Bound how long it took from a moment of the function's clock to an arrival."""
        written = self.written_at(function_s)
        return Interval(arrived_s - written.upper_s, arrived_s - written.lower_s)

    def clock(self) -> Clock | None:
        """Return the record of a reading; None when the function's times mean nothing."""
        offset = self.offset
        if offset.uncertainty_s == inf:
            return None
        return Clock(offset.middle_s, offset.uncertainty_s, self.sample_count, self.round_trip_s)

    @property
    def words(self) -> str:
        """What the bound rests upon, in a sentence."""
        if self.basis == "nothing" and self.contradiction_s:
            return (
                f"the function's clock was set by {exact_duration(self.contradiction_s)} or more "
                "while the response ran: when its chunks were written cannot be known"
            )
        if self.basis == "nothing":
            return "nothing was received that tells of the function's clock"
        if self.contradiction_s:
            return (
                "the round trips and the stream contradict each other by "
                f"{exact_duration(self.contradiction_s)}: the function's clock was set in between, "
                "and the offset is bounded by the stream's own causality only"
            )
        if self.round_trip_s is None:
            return (
                "no round trip reached the environment that streamed: "
                "the offset is bounded by the stream's own causality only"
            )
        count = "a round trip" if self.sample_count == 1 else f"{self.sample_count} round trips"
        quickest = "it" if self.sample_count == 1 else "the quickest"
        return (
            f"{count} to the environment that streamed; "
            f"{quickest} took {exact_duration(self.round_trip_s)}"
        )


def clock_bound(
    pings: Iterable[Ping],
    *,
    request_sent_s: float,
    started_s: float,
    written: Iterable[tuple[float, float]],
    drift_ppm: float = CLOCK_DRIFT_PPM,
) -> ClockBound:
    """Bound the offset of the function's clock from pings and from the stream itself.

    `pings` are round trips to the execution environment that streamed, from before or after the
    stream: another environment has another clock. `started_s` is the function's clock when its
    handler was entered, after the request was sent. `written` pairs a moment of the function's
    clock with the client's when what was sent then or later had arrived: each chunk, and the head
    with `started_s`. `drift_ppm` is how fast the clocks may move against each other.

    More samples never widen the bound, and their order is of no importance. When the pings
    contradict each other or the stream, a clock was set (as at a thaw), nobody knows when, and the
    stream's own causality is all that counts. When that contradicts itself, nothing is known.
    """
    pings, written = tuple(pings), tuple(written)
    drift = drift_ppm / 1e6
    assert 0 <= drift < 1
    stream_above = [(request_sent_s, started_s - request_sent_s)]
    stream_below = [(arrived_s, arrived_s - function_s) for function_s, arrived_s in written]
    above = [(ping.sent_s, ping.function_received_s - ping.sent_s) for ping in pings]
    below = [(ping.received_s, ping.received_s - ping.function_sent_s) for ping in pings]
    response = Interval(request_sent_s, max([request_sent_s, *(at_s for at_s, _ in stream_below)]))

    ceiling, floor = _Envelope.of(stream_above, drift), _Envelope.of(stream_below, drift)
    step_s = max(_contradiction_s(ceiling, floor), _steps_back_s(started_s, written))
    if step_s > CLOCK_TICK_S:
        nothing = _Envelope((), drift)
        return ClockBound("nothing", 0, None, step_s, response, nothing, nothing)
    basis: Basis = "stream" if written else "nothing"
    causality = ClockBound(basis, 0, None, 0.0, response, ceiling, floor)
    if not pings:
        return causality

    ceiling = _Envelope.of(stream_above + above, drift)
    floor = _Envelope.of(stream_below + below, drift)
    back_s = max(ping.function_received_s - ping.function_sent_s for ping in pings)
    step_s = max(_contradiction_s(ceiling, floor), back_s)
    if step_s > CLOCK_TICK_S:
        return ClockBound(basis, 0, None, step_s, response, causality._ceiling, causality._floor)
    round_trip_s = min(ping.round_trip_s for ping in pings)
    return ClockBound("round trips", len(pings), round_trip_s, 0.0, response, ceiling, floor)


_Point: TypeAlias = tuple[float, float]  # a moment of the client's clock, a limit there


@dataclass(frozen=True, slots=True)
class _Envelope:
    """The lowest of many limits from above, each of which rises with the distance.

    Limits from below are kept with their sign turned around.
    """

    points: tuple[_Point, ...]
    """By their moments; none is above what the others say about its moment. So the limit rises or
    falls by no more than the drift from one to the next, and of all that stand on one side of a
    moment the nearest says most."""
    drift: float

    @classmethod
    def of(cls, points: Iterable[_Point], drift: float) -> _Envelope:
        """Keep the points which say more than all others."""
        ahead = _unsurpassed(sorted(points), drift)
        return cls(tuple(_unsurpassed(ahead[::-1], drift)[::-1]), drift)

    def at(self, client_s: float) -> float:
        """Return the limit at a moment."""
        drift, place = self.drift, bisect_left(self.points, (client_s,))
        return min(
            (value + drift * abs(client_s - at_s) for at_s, value in self._around(place)),
            default=inf,
        )

    def highest(self, start_s: float, end_s: float) -> float:
        """Return the highest limit in a stretch of time: at an end, or half-way between points."""
        moments = [start_s, end_s]
        if self.drift:
            for (left_s, left), (right_s, right) in pairwise(self.points):
                crossing_s = (left_s + right_s + (right - left) / self.drift) / 2
                moments.append(min(max(crossing_s, start_s), end_s))
        return max(self.at(moment_s) for moment_s in moments)

    def client_s(self, function_s: float, *, sign: Literal[1, -1]) -> float:
        """Return the client's clock, at a limit, when the function's shows this.

        With sign 1 at the earliest, by limits from above; with -1 at the latest, from below.
        """
        moments = []
        place = bisect_left(self.points, function_s, key=lambda point: point[0] + sign * point[1])
        for at_s, value in self._around(place):
            ahead_s = function_s - (at_s + sign * value)
            rate = 1 + sign * (self.drift if ahead_s > 0 else -self.drift)
            moments.append(at_s + ahead_s / rate)
        return max(moments, default=-inf) if sign > 0 else min(moments, default=inf)

    def _around(self, place: int) -> tuple[_Point, ...]:
        return self.points[max(0, place - 1) : place + 1]


def _unsurpassed(points: list[_Point], drift: float) -> list[_Point]:
    """Leave out points that are no lower than what an earlier one in the list says there."""
    kept: list[_Point] = []
    for at_s, value in points:
        if not kept or value < kept[-1][1] + drift * abs(at_s - kept[-1][0]):
            kept.append((at_s, value))
    return kept


def _contradiction_s(ceiling: _Envelope, floor: _Envelope) -> float:
    """By how much the limit from below is above that from above, at the worst moment."""
    return max((-value - ceiling.at(at_s) for at_s, value in floor.points), default=-inf)


def _steps_back_s(started_s: float, written: Iterable[tuple[float, float]]) -> float:
    """By how much the function's clock went back between two chunks, in the order of arrival."""
    in_order = sorted((arrived_s, function_s) for function_s, arrived_s in written)
    times = [started_s, *(function_s for _, function_s in in_order)]
    return max((before - after for before, after in pairwise(times)), default=0.0)


def _interval(lower_s: float, upper_s: float) -> Interval:
    """Limits that miss each other by the rounding of their sums are one moment, or nearly."""
    return Interval(min(lower_s, upper_s), max(lower_s, upper_s))
