"""Which pattern a response shows: the simplest one that explains nearly all of its chunks.

Patterns are told from one another by what let a group of chunks go: a write of its own, the write
after it, the end, or nothing but time. A pattern is taken when it explains `MOST` of the chunks, so
that a few hiccups change nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Final, Literal, TypeAlias

from tailrace.probe.record import Chunk, Reading
from tailrace.probe.trace import PAUSE_S_MIN, Group, Trace, steady_rate

Kind: TypeAlias = Literal[
    "on-time",
    "held-until-next-write",
    "held-for-a-time",
    "held-at-first",
    "fixed-buffer",
    "at-the-end",
    "compression",
    "bandwidth",
    "one-by-one",
    "merged",
    "cannot-tell",
]
"""What a response shows. Without the companion nothing is known of writes: `one-by-one`, `merged`
and `at-the-end` then say how it came, not who was late."""

MOST: Final = 0.8
"""The part of the chunks that a pattern must explain."""
BUFFER_BYTES_MIN: Final = 1024
"""Nobody's buffer is smaller: what looks like one rather is a short time."""
SAME_READ_S: Final = 0.005
"""Without the companion: what comes within this time came together."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A kind with its figures, each named with its unit."""

    kind: Kind
    figures: Mapping[str, float] = field(default_factory=dict)
    reason: str = ""
    """Of `cannot-tell`: why not."""


def find_pattern(reading: Reading) -> Pattern:
    """The pattern of a response, by its writes where they are known, else by its arrivals."""
    if not 200 <= reading.status < 300:
        return Pattern("cannot-tell", reason=f"the answer has status {reading.status}")
    if any(chunk.written_s is not None for chunk in reading.chunks):
        pattern = _of_writes(Trace(reading))
    else:
        pattern = _of_arrivals(reading)
    coding = reading.header("content-encoding") or "identity"
    if coding != "identity" and pattern.kind in ("at-the-end", "fixed-buffer", "merged"):
        return Pattern("compression", pattern.figures)
    return pattern


# --- with the companion ------------------------------------------------------------------------


def _of_writes(trace: Trace) -> Pattern:
    if trace.count < 4:
        return Pattern("cannot-tell", reason="fewer than four chunks show no pattern")
    found = _bandwidth(trace)
    if found is not None:
        return found
    if trace.pause_s < PAUSE_S_MIN:
        return Pattern("cannot-tell", reason="the chunks were written without pauses")
    groups = trace.groups()
    if len(groups) == 1 and trace.is_at_end(groups[0]):
        return Pattern("at-the-end", {"bytes": trace.bytes.written[-1]})
    for look in (_steady, _until_next_write, _at_first, _grouped):
        found = look(trace, groups)
        if found is not None:
            return found
    return Pattern("cannot-tell", reason="some chunks were late, in no order that is known here")


def _bandwidth(trace: Trace) -> Pattern | None:
    """Chunks come at a steady rate which is below the one at which they were to be written."""
    rate = steady_rate(trace.bytes.arrivals)
    if rate is None or not trace.bytes.is_known:
        return None
    asked_s = trace.interval_s if trace.interval_s is not None else trace.pause_s
    if median(trace.sizes) / rate.bytes_per_s < 1.4 * asked_s:
        return None
    tail = trace.late[trace.count // 2 :]
    if median(tail) < max(0.5 * trace.pause_s, trace.path_s):
        return None  # it was written so slowly
    return Pattern(
        "bandwidth",
        {"rate_bytes_per_s": rate.bytes_per_s, "burst_bytes": rate.burst_bytes},
    )


def _steady(trace: Trace, groups: list[Group]) -> Pattern | None:
    """Each chunk takes about as long as the quickest: no time to speak of, or always the same."""
    if groups[0].count > 1 and groups[0].count > (1 - MOST) * trace.count:
        return None
    least_s = min(trace.late)
    if _part(late - least_s <= trace.same_s for late in trace.late) < MOST:
        return None
    held_s = least_s - trace.path_s
    if held_s <= 0.1 * trace.pause_s or held_s <= trace.uncertainty_s:
        if not trace.is_clock_good:
            return _with_unknown_clock(trace, groups)
        return Pattern("on-time")
    if _follows_writes(trace, 1) >= MOST:
        return _next_write(groups)
    return Pattern("held-for-a-time", {"held_s": median(trace.late)})


def _with_unknown_clock(trace: Trace, groups: list[Group]) -> Pattern:
    """In step with the writes, and nothing more is known."""
    if groups[0].count > 1:
        return Pattern("cannot-tell", reason="the clocks could not be compared well enough")
    return Pattern("on-time", {"unknown_s": trace.uncertainty_s})


def _until_next_write(trace: Trace, groups: list[Group]) -> Pattern | None:
    """A write lets those before it go, after a first group that may be larger."""
    if not trace.is_clock_good:
        return None
    singles = [group.count == 1 for group in groups[1:]]
    if len(groups) < 2 or _part(singles) < MOST or _has_cut_chunks(trace, groups):
        return None
    if _follows_writes(trace, groups[0].count) < MOST:
        return None
    return _next_write(groups)


def _next_write(groups: list[Group]) -> Pattern:
    return Pattern("held-until-next-write", {"first_writes": groups[0].count + 1})


def _follows_writes(trace: Trace, first: int) -> float:
    """The part of the chunks that came just after the write behind them, and not before it."""
    due = [trace.written[max(index + 1, first)] for index in range(trace.count - 1)]
    return _part(
        -trace.uncertainty_s <= arrived_s - due_s <= trace.path_s + trace.same_s
        for arrived_s, due_s in zip(trace.arrived, due, strict=False)
    )


def _at_first(trace: Trace, groups: list[Group]) -> Pattern | None:
    """The first chunks come together, or late; those after them do not."""
    first, rest = groups[0], trace.late[groups[0].last + 1 :]
    if len(rest) < 2:
        return None
    limit_s = max(trace.path_s, min(rest)) + trace.same_s
    if min(rest) > trace.path_s + trace.same_s or _part(late <= limit_s for late in rest) < MOST:
        return None
    return Pattern(
        "held-at-first",
        {
            "chunks": first.count,
            "bytes": trace.bytes.written[first.last + 1],
            "held_s": trace.late[0],
        },
    )


def _grouped(trace: Trace, groups: list[Group]) -> Pattern | None:
    """Groups of chunks: a buffer lets go when it is full, a timer when its time is over."""
    releases = [group for group in groups if not trace.is_at_end(group)]
    if not releases:
        return None
    sizes = _buffer_sizes(trace, releases)
    if _has_cut_chunks(trace, releases) and sizes is not None:
        return Pattern("fixed-buffer", sizes)
    held_s = [trace.late[group.first] for group in releases]
    is_timer = len(releases) > 1 and _spread(held_s) <= trace.same_s
    is_by_write = (
        _part(trace.silence_s(group) <= trace.path_s + trace.same_s for group in releases) >= MOST
    )
    is_small = sizes is not None and sizes["buffer_bytes_max"] < BUFFER_BYTES_MIN
    if is_by_write and sizes is not None and not (is_timer and is_small):
        return Pattern("fixed-buffer", sizes)
    if is_timer:
        return Pattern("held-for-a-time", {"held_s": median(held_s)})
    return None


def _buffer_sizes(trace: Trace, releases: list[Group]) -> dict[str, float] | None:
    """Between which sizes a buffer must be that lets go just then; None: no size fits.

    It was full with the write that let it go, and not with the one before.
    """
    counts = trace.bytes.written
    at_least, at_most = 1, counts[-1]
    start = 0
    for group in releases:
        writes = max(group.last, min(group.last + 1, trace.latest_write(group.arrived_s)))
        at_most = min(at_most, counts[writes + 1] - start)
        at_least = max(at_least, counts[writes] - start + 1)
        there = trace.bytes.there(group.arrived_s) if trace.bytes.is_known else 0
        start = max(counts[group.last + 1], there)
    if at_least > at_most:
        return None
    return {"buffer_bytes_min": at_least, "buffer_bytes_max": at_most}


def _has_cut_chunks(trace: Trace, groups: list[Group]) -> bool:
    """Whether groups end in the middle of a chunk, as only a buffer cuts them."""
    if not trace.bytes.is_known:
        return False
    releases = [group for group in groups if group.last + 1 < trace.count]
    cut = [
        trace.bytes.there(group.arrived_s) > trace.bytes.written[group.last + 1]
        for group in releases
    ]
    return bool(cut) and _part(cut) >= 0.5


# --- without the companion ---------------------------------------------------------------------


def _of_arrivals(reading: Reading) -> Pattern:
    """How a response came, whose writes are not known."""
    rate = steady_rate(reading.arrivals)
    if rate is not None and rate.burst_bytes >= 0.2 * reading.size:
        return Pattern(
            "bandwidth",
            {"rate_bytes_per_s": rate.bytes_per_s, "burst_bytes": rate.burst_bytes},
        )
    chunks = reading.chunks
    if reading.unit == "read" or len(chunks) < 2:
        reason = "nothing in the body says what was written at a time"
        return Pattern("cannot-tell", reason=reason)
    groups = _come_together(chunks)
    figures = {"chunks": len(chunks), "groups": len(groups)}
    if len(groups) == 1:
        return Pattern("at-the-end", figures)
    block = _block_bytes(reading, groups)
    if block is not None:
        return Pattern("fixed-buffer", {"buffer_bytes_min": block, "buffer_bytes_max": block})
    together = sum(len(group) for group in groups if len(group) > 1)
    if together >= 0.5 * len(chunks):
        return Pattern("merged", figures)
    return Pattern("one-by-one", figures)


def _come_together(chunks: Iterable[Chunk]) -> list[list[Chunk]]:
    groups: list[list[Chunk]] = []
    for chunk in sorted(chunks, key=lambda chunk: chunk.arrived_s):
        if groups and chunk.arrived_s - groups[-1][-1].arrived_s < SAME_READ_S:
            groups[-1].append(chunk)
        else:
            groups.append([chunk])
    return groups


def _block_bytes(reading: Reading, groups: list[list[Chunk]]) -> int | None:
    """The size of the blocks in which a body came, if they are all of one size and no unit's."""
    blocks: list[int] = []
    last_s = float("-inf")
    for arrival in reading.arrivals:
        if blocks and arrival.at_s - last_s < SAME_READ_S:
            blocks[-1] += arrival.size
        else:
            blocks.append(arrival.size)
        last_s = arrival.at_s
    whole = blocks[:-1]
    is_alike = len(whole) >= 3 and len(set(whole)) == 1 and whole[0] >= BUFFER_BYTES_MIN
    return whole[0] if is_alike and any(len(group) > 1 for group in groups) else None


def _part(facts: Iterable[bool]) -> float:
    """Which part of the facts is true; all of none."""
    listed = list(facts)
    return sum(listed) / len(listed) if listed else 1.0


def _spread(values: list[float]) -> float:
    """How far apart values are, without the most distant one when there are many."""
    ordered = sorted(values)
    if len(ordered) >= 5:
        ordered = ordered[:-1]
    return ordered[-1] - ordered[0]
