"""Which units of a response came together although they were meant to come one by one."""

from __future__ import annotations

from itertools import pairwise

from tailrace.probe.limits import PROBE_APART_S, PROBE_TOGETHER_S
from tailrace.probe.record import Chunk, Reading


def merged(reading: Reading) -> tuple[int, ...]:
    """Return the places in `reading.chunks` of those that arrived together with the one before.

    Of the companion's chunks only those count that were written apart. When other functions wrote
    what, nobody knows: there, units that came in one read count, written together or not. Where
    reads are all that is known, nothing counts.
    """
    if reading.unit == "read":
        return ()
    is_merged = _is_held if reading.unit == "chunk" else _is_in_one_read
    return tuple(
        place
        for place, (before, chunk) in enumerate(pairwise(reading.chunks), 1)
        if is_merged(before, chunk, reading.interval_s or 0.0)
    )


def is_any_apart(reading: Reading) -> bool:
    """Whether any chunk of the companion was written apart, so that it could be merged at all.

    Of other functions that is taken for granted.
    """
    interval_s = reading.interval_s or 0.0
    return reading.unit != "chunk" or any(
        _are_apart(before, chunk, interval_s) for before, chunk in pairwise(reading.chunks)
    )


def _is_held(before: Chunk, chunk: Chunk, interval_s: float) -> bool:
    is_together = chunk.arrived_s - before.arrived_s <= PROBE_TOGETHER_S
    return is_together and _are_apart(before, chunk, interval_s)


def _are_apart(before: Chunk, chunk: Chunk, interval_s: float) -> bool:
    apart_s = interval_s
    if before.written_s is not None and chunk.written_s is not None:
        apart_s = chunk.written_s - before.written_s
    return apart_s >= PROBE_APART_S


def _is_in_one_read(before: Chunk, chunk: Chunk, _: float) -> bool:
    return chunk.arrived_s == before.arrived_s
