"""What a picture says in words of a measured response: what it was, and what is to be seen.

It describes; what may be the cause is for `diagnosis` to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final
from urllib.parse import urlsplit

from tailrace.probe.limits import PROBE_APART_S
from tailrace.probe.merging import merged
from tailrace.probe.quantity import duration, size
from tailrace.probe.record import Chunk, Reading

LATE_S: Final = 0.1
"""Later than this is late: people notice it (Nielsen, "Usability Engineering", 1993, 5.5)."""
_ROUNDING_S: Final = 1e-6
_NAME_LENGTH_MAX: Final = 46
_GROUPS_NAMED_MAX: Final = 3
_CLOSE: Final = 0.02
"""This part of the pause between two writes cannot be seen in a picture."""
_LARGE_BYTES: Final = 1_000
"""From here on the size of a chunk is worth a word."""


def name(reading: Reading) -> str:
    """Which response it is."""
    parts = urlsplit(reading.url)
    url = f"{parts.netloc}{parts.path}".removesuffix("/") or reading.url
    if len(url) > _NAME_LENGTH_MAX:
        half = _NAME_LENGTH_MAX // 2
        url = f"{url[:half]}…{url[1 - half :]}"
    words = [url]
    if reading.status != 200:
        words.append(f"status {reading.status}")
    is_large = _is_timed(reading) and reading.chunks[0].size >= _LARGE_BYTES
    if is_large:
        words.append(f"{reading.unit}s of {size(reading.chunks[0].size)}")
    if reading.padded_bytes:
        words.append(f"padded by {size(reading.padded_bytes)}")
    elif _is_timed(reading) and not is_large:
        words.append("no padding")
    return ", ".join(words)


def headline(reading: Reading) -> str:
    """What is to be seen of it."""
    if not reading.chunks:
        seen = f"no {reading.unit} arrived"
    elif _is_timed(reading):
        seen = _of_times(reading)
    else:
        seen = _of_arrivals(reading)
    if reading.stopped is not None:
        return f"{seen}; the rest was not measured"
    if reading.broken is None:
        return seen
    return f"{seen}; broken off after {duration(reading.ended_s)}: {reading.broken}"


def groups(reading: Reading) -> list[list[Chunk]]:
    """The chunks; those that arrived together, for the eye, in one list."""
    are_merged = set(merged(reading))
    found: list[list[Chunk]] = []
    for place, chunk in enumerate(reading.chunks):
        if place in are_merged or (found and _are_close(found[-1][-1], chunk)):
            found[-1].append(chunk)
        else:
            found.append([chunk])
    return found


def is_late(chunk: Chunk, reading: Reading) -> bool:
    """Whether it was late for certain, whatever the true offset of the clocks is."""
    uncertainty_s = 0.0 if reading.clock is None else reading.clock.uncertainty_s
    return chunk.late_s is not None and chunk.late_s - uncertainty_s > LATE_S + _ROUNDING_S


def numbers(chunks: Sequence[Chunk]) -> str:
    """Which chunks these are, counted from 1: `3`, `1 and 2`, `1 to 7`."""
    first, last = chunks[0].index + 1, chunks[-1].index + 1
    if first == last:
        return str(first)
    return f"{first} and {last}" if last == first + 1 else f"{first} to {last}"


def latest_s(chunks: Sequence[Chunk]) -> float:
    """How late the latest of them was."""
    return max(0.0, *(chunk.late_s or 0.0 for chunk in chunks))


def _is_timed(reading: Reading) -> bool:
    return any(chunk.written_s is not None for chunk in reading.chunks)


def _are_close(earlier: Chunk, later: Chunk) -> bool:
    if earlier.written_s is None or later.written_s is None:
        return False
    apart_s = later.written_s - earlier.written_s
    return later.arrived_s - earlier.arrived_s < _CLOSE * apart_s and apart_s > PROBE_APART_S


def _of_times(reading: Reading) -> str:
    chunks, unit = reading.chunks, reading.unit
    late = [chunk for chunk in chunks if is_late(chunk, reading)]
    most = duration(latest_s(chunks))
    if not late:
        many = f"all {len(chunks)} {unit}s" if len(chunks) > 1 else f"the {unit}"
        verb = "arrive" if len(chunks) > 1 else "arrives"
        return f"{many} {verb} within {_at_most(chunks, reading)} of being written"
    together = [group for group in groups(reading) if len(group) > 1]
    if together and len(together[0]) == len(chunks):
        return f"all {len(chunks)} {unit}s arrive together{_at_end(reading)}, up to {most} late"
    if len(together) > _GROUPS_NAMED_MAX:
        count = len(groups(reading))
        return f"{len(chunks)} {unit}s arrive in {count} groups, up to {most} late"
    if together:
        return _of_groups(reading, together)
    if len(chunks) == 1:
        return f"the {unit} arrives {most} late"
    if len(late) == len(chunks):
        return f"all {len(chunks)} {unit}s are late, by up to {most}"
    verb = "is" if len(late) == 1 else "are"
    return f"{len(late)} of {len(chunks)} {unit}s {verb} late, by up to {most}"


def _of_groups(reading: Reading, together: list[list[Chunk]]) -> str:
    first, *further = ((numbers(group), duration(latest_s(group))) for group in together)
    said = [f"{reading.unit}s {first[0]} arrive together, up to {first[1]} late"]
    said += [f"{which} together, up to {most} late" for which, most in further]
    grouped = {chunk.index for group in together for chunk in group}
    others = [chunk for chunk in reading.chunks if chunk.index not in grouped]
    if others:
        who = "the others" if len(others) > 1 else numbers(others)
        is_any_late = any(is_late(chunk, reading) for chunk in others)
        most = duration(latest_s(others))
        if is_any_late:
            said.append(f"{who} up to {most} late" if len(others) > 1 else f"{who} {most} late")
        else:
            said.append(f"{who} within {_at_most(others, reading)}")
    return "; ".join(said)


def _of_arrivals(reading: Reading) -> str:
    count, unit = len(reading.chunks), reading.unit
    first_s = reading.chunks[0].arrived_s
    if count == 1:
        return f"one {unit} arrives, after {duration(first_s)}"
    found = groups(reading)
    if len(found) == 1:
        return f"all {count} {unit}s arrive together{_at_end(reading)}, after {duration(first_s)}"
    silence_s = max(b[0].arrived_s - a[-1].arrived_s for a, b in pairwise(found))
    how = "one by one" if len(found) == count else f"in {len(found)} groups"
    return (
        f"{count} {unit}s arrive {how}, the first after {duration(first_s)}; "
        f"the longest silence between them is {duration(silence_s)}"
    )


def _at_most(chunks: Sequence[Chunk], reading: Reading) -> str:
    """How late they were at the most, whatever the true offset of the clocks is."""
    uncertainty_s = 0.0 if reading.clock is None else reading.clock.uncertainty_s
    return duration(latest_s(chunks) + uncertainty_s)


def _at_end(reading: Reading) -> str:
    is_at_end = reading.ended_s - reading.chunks[-1].arrived_s < LATE_S
    return " at the end" if is_at_end and reading.broken is reading.stopped is None else ""
