"""Which pattern a response shows: the simplest one that explains nearly all of its chunks.

Patterns are told from one another by what let a group of chunks go: a write of its own, the write
after it, the end, or nothing but time. A pattern is taken when it explains `MOST` of the chunks, so
that a few hiccups change nothing.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from math import gcd
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
and `at-the-end` then say how it came, and nothing of lateness."""

MOST: Final = 0.66
"""The part of the chunks that a pattern must explain."""
NEARLY_ALL: Final = 0.75
"""The part of them that must be on time, before it is said that they are."""
BUFFER_BYTES_MIN: Final = 1024
"""Nobody's buffer is smaller: what looks like one rather is a short time."""
RATE_BYTES_MIN: Final = 256 * 1024
"""Without the companion: smaller bodies say nothing of a rate, they come as they are written."""
SAME_READ_S: Final = 0.005
"""Without the companion: what comes within this time came together."""
PAUSE_NOTED_S: Final = 0.05
"""Without the companion: a body whose silences are all shorter came in one go."""


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
        return Pattern("compression")
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
    if not trace.is_clock_good:
        return _of_unsure_clock(trace, groups)
    for look in (_steady, _until_next_write, _at_first, _grouped):
        found = look(trace, groups)
        if found is not None:
            return found
    return Pattern("cannot-tell", reason="some chunks were late, in no order that is known here")


def _of_unsure_clock(trace: Trace, groups: list[Group]) -> Pattern:
    """A write cannot be told from the next one: only what needs no clock is said."""
    block = _block_bytes(trace, groups)
    if block is not None:
        return Pattern("fixed-buffer", block)
    reason = (
        f"the function's clock is known to within {trace.uncertainty_s * 1000:.0f} ms only, and "
        f"the pauses between writes were {trace.pause_s * 1000:.0f} ms"
    )
    if all(group.count == 1 for group in groups):
        reason += "; the chunks came one by one"
    return Pattern("cannot-tell", reason=reason)


def _bandwidth(trace: Trace) -> Pattern | None:
    """Chunks come at a steady rate which is below the one at which they were to be written."""
    rate = steady_rate(trace.bytes.arrivals)
    if rate is None or not trace.bytes.is_known:
        return None
    if not _is_outrun(trace, rate.bytes_per_s) and not _is_behind(trace, rate.bytes_per_s):
        return None
    return Pattern(
        "bandwidth",
        {"rate_bytes_per_s": rate.bytes_per_s, "burst_bytes": rate.burst_bytes},
    )


def _is_outrun(trace: Trace, bytes_per_s: float) -> bool:
    """Whether writes were to come much faster, and were slowed by what they were written to."""
    asked_s = trace.interval_s if trace.interval_s is not None else trace.pause_s
    if median(trace.sizes) < 1.4 * asked_s * bytes_per_s:
        return False
    # A function that is slow by itself writes late, but what it writes is on its way at once.
    usual_s = median(trace.late[trace.count // 2 :])
    return usual_s >= max(0.5 * trace.pause_s, trace.path_s)


def _is_behind(trace: Trace, bytes_per_s: float) -> bool:
    """Whether arrivals fell behind the writes, more and more."""
    third = trace.count // 3
    growth_s = median(trace.late[-third:]) - median(trace.late[:third])
    written_s = trace.written[-1] - trace.written[0]
    is_slower = 1.15 * bytes_per_s * written_s < sum(trace.sizes[:-1])
    return is_slower and growth_s >= 2 * trace.pause_s


def _steady(trace: Trace, groups: list[Group]) -> Pattern | None:
    """Each chunk takes about as long as the quickest: no time to speak of, or always the same."""
    if _is_held_first(trace, groups[0]):
        return None
    late = [each for each, group in _grouped_late(trace, groups) if not trace.is_at_end(group)]
    least_s = min(late, default=0.0)
    if not late or _part(each - least_s <= trace.same_s for each in late) < NEARLY_ALL:
        return None
    # What all of them took alike is no hiccup. It may be the way's own doing, up to a few times
    # what a round trip takes, or what they differ by; and be too little beside a pause.
    usual_s = median(late)
    spread_s = median(abs(each - usual_s) for each in late)
    little_s = min(0.1 * trace.pause_s, max(4 * trace.path_s, 4 * spread_s))
    if least_s - trace.path_s <= max(trace.uncertainty_s, little_s):
        return Pattern("on-time")
    if _part(_before_next_write(trace)) < 0.5:
        return None
    return Pattern("held-for-a-time", {"held_s": usual_s})


def _grouped_late(trace: Trace, groups: list[Group]) -> Iterator[tuple[float, Group]]:
    """How late each chunk was, with its group: the end may have let the last one go early."""
    for group in groups:
        for late in trace.late[group.first : group.last + 1]:
            yield late, group


def _before_next_write(trace: Trace) -> Iterator[bool]:
    """For each chunk but the last, whether it came too early to have been let go by the next."""
    for arrived_s, next_s in zip(trace.arrived, trace.written[1:], strict=False):
        yield arrived_s < next_s - trace.uncertainty_s


def _is_held_first(trace: Trace, first: Group) -> bool:
    """Whether the first group is more than a hiccup: that would have lasted for two pauses."""
    return first.count > 2 or 1 < first.count > (1 - MOST) * trace.count


def _until_next_write(trace: Trace, groups: list[Group]) -> Pattern | None:
    """A write lets those before it go, after a first group that may be larger."""
    later = groups[1:-1] if trace.is_at_end(groups[-1]) else groups[1:]
    if len(groups) < 2 or _part(group.count == 1 for group in later) < MOST:
        return None
    if _has_cut_chunks(trace, groups):
        return None
    if _follows_writes(trace, groups[0].count) < MOST:
        return None
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
    if len(rest) < 2 or not _is_held_first(trace, first):
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
    block = _block_bytes(trace, groups)
    if block is not None:
        return Pattern("fixed-buffer", block)
    releases = [group for group in groups if not trace.is_at_end(group)]
    together = sum(group.count for group in groups if group.count > 1)
    if not releases or together < MOST * trace.count:
        return None
    sizes = _buffer_bytes(trace, releases)
    is_by_write = _part(_is_by_write(trace, group) for group in releases) >= MOST
    if is_by_write and sizes is not None and sizes["buffer_bytes_max"] >= BUFFER_BYTES_MIN:
        return Pattern("fixed-buffer", sizes)
    return _timed(trace, releases) or Pattern(
        "merged", {"chunks": trace.count, "groups": len(groups)}
    )


def _timed(trace: Trace, releases: list[Group]) -> Pattern | None:
    """The first of each group took the same time, and no later write had let it go."""
    held_s = [trace.late[group.first] for group in releases]
    usual_s = median(held_s)
    if len(releases) < 2 or _part(abs(s - usual_s) <= trace.same_s for s in held_s) < MOST:
        return None
    before = list(_before_next_write(trace))
    if _part(before[group.last] for group in releases if group.last + 1 < trace.count) < 0.5:
        return None
    return Pattern("held-for-a-time", {"held_s": usual_s})


def _is_by_write(trace: Trace, group: Group) -> bool:
    """Whether a group came just after its last write, or the one behind it."""
    is_prompt = trace.silence_s(group) <= trace.path_s + trace.same_s
    return is_prompt and trace.latest_write(group.arrived_s) <= group.last + 1


def _buffer_bytes(trace: Trace, releases: list[Group]) -> dict[str, float] | None:
    """Between which sizes a buffer must be that lets go just then; None: no size fits.

    It was full with the write that let it go, and not with the one before.
    """
    counts, start = trace.bytes.written, 0
    ranges: list[tuple[int, int]] = []
    for group in releases:
        trigger = max(group.last, min(group.last + 1, trace.latest_write(group.arrived_s)))
        ranges.append((counts[trigger] - start + 1, counts[trigger + 1] - start))
        start = counts[group.last + 1]
    lows, highs = sorted(low for low, _ in ranges), sorted(high for _, high in ranges)
    best = max(
        (low for low, _ in ranges),
        key=lambda size: bisect_right(lows, size) - bisect_left(highs, size),
    )
    fitting = [(low, high) for low, high in ranges if low <= best <= high]
    if len(fitting) < MOST * len(ranges):
        return None
    return {
        "buffer_bytes_min": max(low for low, _ in fitting),
        "buffer_bytes_max": min(high for _, high in fitting),
    }


def _has_cut_chunks(trace: Trace, groups: list[Group]) -> bool:
    """Whether groups end in the middle of a chunk, as only a buffer cuts them."""
    if not trace.bytes.is_known:
        return False
    cut = [
        trace.bytes.there(group.arrived_s) > trace.bytes.written[group.last + 1]
        for group in groups
        if group.last + 1 < trace.count
    ]
    return bool(cut) and _part(cut) >= 0.5


def _block_bytes(trace: Trace, groups: list[Group]) -> dict[str, float] | None:
    """The size of the blocks in which a body came that does not consist of such blocks.

    The first may be smaller: a head can have been in the buffer with it.
    """
    if not _has_cut_chunks(trace, groups):
        return None
    there = [trace.bytes.there(group.arrived_s) for group in groups if not trace.is_at_end(group)]
    block = gcd(*(b - a for a, b in pairwise(there)))
    if block < BUFFER_BYTES_MIN:
        return None
    return {"buffer_bytes_min": block, "buffer_bytes_max": block}


# --- without the companion ---------------------------------------------------------------------


def _of_arrivals(reading: Reading) -> Pattern:
    """How a response came, whose writes are not known."""
    rate = steady_rate(reading.arrivals)
    is_large = reading.size >= RATE_BYTES_MIN
    if rate is not None and is_large and rate.burst_bytes >= 0.2 * reading.size:
        return Pattern(
            "bandwidth",
            {"rate_bytes_per_s": rate.bytes_per_s, "burst_bytes": rate.burst_bytes},
        )
    chunks = reading.chunks
    if not chunks:
        return Pattern("cannot-tell", reason="nothing of a body came")
    groups = _come_together(chunks)
    figures = {"chunks": len(chunks), "groups": len(groups)}
    if len(groups) == 1:
        if reading.broken is None and reading.stopped is None:
            return Pattern("at-the-end", figures)
        reason = "what came of the body came together, and its end did not come"
        return Pattern("cannot-tell", reason=reason)
    if reading.unit == "read":
        silence_s = max(b.arrived_s - a.arrived_s for a, b in pairwise(chunks))
        if silence_s < PAUSE_NOTED_S:
            all_s = chunks[-1].arrived_s - chunks[0].arrived_s
            reason = (
                f"the body came without a pause, in {len(chunks)} reads within "
                f"{all_s * 1000:.0f} ms, as a file does"
            )
            return Pattern("cannot-tell", reason=reason)
        reason = (
            f"the body came at {len(groups)} moments, with up to {silence_s:.2f} s between them, "
            "but nothing in it says what was written at a time"
        )
        return Pattern("cannot-tell", reason=reason)
    block = _cut_bytes(reading)
    if block is not None:
        return Pattern("fixed-buffer", {"buffer_bytes_min": block, "buffer_bytes_max": block})
    together = sum(len(group) for group in groups if len(group) > 1)
    if together >= 0.5 * len(chunks):
        return Pattern("merged", figures)
    return Pattern("one-by-one", figures)


def _come_together(chunks: Iterable[Chunk]) -> list[list[Chunk]]:
    groups: list[list[Chunk]] = []
    for chunk in sorted(chunks, key=lambda chunk: chunk.arrived_s):
        if groups and chunk.arrived_s - groups[-1][0].arrived_s < SAME_READ_S:
            groups[-1].append(chunk)
        else:
            groups.append([chunk])
    return groups


def _cut_bytes(reading: Reading) -> int | None:
    """The size of the blocks in which a body came, if it is one size, and they cut its units."""
    blocks: list[int] = []
    last_s = float("-inf")
    for arrival in reading.arrivals:
        if arrival.at_s - last_s < SAME_READ_S:
            blocks[-1] += arrival.size
        else:
            blocks.append(arrival.size)
        last_s = arrival.at_s
    block = blocks[0]
    if len(blocks) < 4 or set(blocks[:-1]) != {block} or block < BUFFER_BYTES_MIN:
        return None
    borders = set(accumulate(chunk.size for chunk in reading.chunks))
    is_cut = _part(at not in borders for at in accumulate(blocks[:-1])) >= 0.5
    return block if is_cut else None


def _part(facts: Iterable[bool]) -> float:
    """Which part of the facts is true; all of none."""
    listed = list(facts)
    return sum(listed) / len(listed) if listed else 1.0
