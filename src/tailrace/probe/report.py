"""What was measured, as text for people and as JSON for programs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from statistics import median
from textwrap import wrap
from typing import Any, Final, Literal, TypeAlias

from tailrace.probe.caption import is_late
from tailrace.probe.diagnosis import Diagnosis
from tailrace.probe.merging import merged
from tailrace.probe.quantity import exact_duration, size
from tailrace.probe.record import Chunk, Reading
from tailrace.words import counted

Role: TypeAlias = Literal["title", "dim", "late", "warning"]
Paint: TypeAlias = Callable[[str, Role], str]

JSON_VERSION: Final = 1
_ROWS_MAX: Final = 60
"""Rows of a table; of a longer one the beginning and the end are shown."""
_BULK_BYTES: Final = 64 * 1024
"""Of smaller bodies a rate says how they were written, not how fast the path is."""
WIDTH: Final = 100
"""Columns of a line of prose, where there are so many."""
_WIDTH_MIN: Final = 40


def plain(text: str, role: Role) -> str:
    """Paint nothing."""
    return text


# --- text ----------------------------------------------------------------------------------------


def progress_line(chunk: Chunk, before_s: float | None) -> str:
    """A line of the live progress: when a chunk came, and how long after the one before."""
    gap = "" if before_s is None else f"+{exact_duration(chunk.arrived_s - before_s)}"
    return f"{chunk.index + 1:>6}{chunk.arrived_s:>12.3f} s{gap:>14}{size(chunk.size):>12}"


def text_of(
    reading: Reading,
    diagnosis: Diagnosis | None = None,
    paint: Paint = plain,
    *,
    width: int = WIDTH,
) -> str:
    """A reading in full: what it was, a table, what is to be said about it, figures."""
    lines = [paint(printable(reading.url), "title")]
    lines += [f"  redirected to {printable(url)}" for url in reading.redirects]
    lines += [f"  {what_it_is(reading)}", ""]
    if reading.chunks:
        lines += [*_table(reading, paint), ""]
    said = [
        paint(line, "warning") for each in troubles(reading) for line in _wrapped(each, "  ", width)
    ]
    if diagnosis is not None:
        said += _wrapped(diagnosis.findings, "  ", width)  # the trouble was said above
    lines += [*said, ""] if said else []
    facts = list(summary(reading))
    if diagnosis is not None:
        facts += [*diagnosis.evidence, *diagnosis.advice]
    lines += [line for fact in facts for line in _wrapped(fact, "  - ", width)]
    return "\n".join(lines)


def printable(text: str) -> str:
    """Text of others without what a terminal would obey."""
    return "".join(each if each.isprintable() else "\ufffd" for each in text)


def _wrapped(text: str, before: str, width: int) -> list[str]:
    width, further = max(width, _WIDTH_MIN), " " * len(before)
    return wrap(printable(text), width, initial_indent=before, subsequent_indent=further)


def what_it_is(reading: Reading) -> str:
    """One line of what answered."""
    parts = [f"HTTP/{reading.http_version} {reading.status}"]
    parts += [text for name in _TELLING if (text := reading.header(name)) is not None]
    if has_companion(reading):
        parts.append(f"companion in environment {reading.environment}")
    return printable(", ".join(parts))


_TELLING: Final = ("content-type", "content-encoding", "server", "via")


def summary(reading: Reading) -> Iterator[str]:
    """Figures about the whole response, a line each."""
    first_s = first_byte_s(reading)
    first = (
        "no byte of a body" if first_s is None else f"first byte after {exact_duration(first_s)}"
    )
    rate = throughput(reading)
    is_bulk = rate is not None and reading.size >= _BULK_BYTES
    at = f", {size(rate or 0)}/s between the first and the last byte" if is_bulk else ""
    end = "end" if reading.stopped is None else "stopped"
    yield (
        f"head after {exact_duration(reading.head_s)}, {first},"
        f" {end} after {exact_duration(reading.ended_s)}:"
        f" {size(reading.size)} in {counted(len(reading.arrivals), 'read')}{at}"
    )
    if reading.unit == "read":
        yield reading.clock_words or (
            "a body of this type has no events or lines: only reads are known"
        )
        return
    yield _merged_words(reading)
    if reading.clock is not None and lateness(reading):
        clock, late = reading.clock, lateness(reading)
        yield (
            f"late by {exact_duration(max(late))} at most,"
            f" {exact_duration(median(late))} at the median,"
            f" each ± {exact_duration(clock.uncertainty_s)}"
        )
        way = "ahead of" if clock.offset_s >= 0 else "behind"
        yield (
            f"the function's clock is {exact_duration(abs(clock.offset_s))} {way} this machine's,"
            f" ± {exact_duration(clock.uncertainty_s)}: {reading.clock_words}"
        )
    elif reading.clock_words is not None:
        yield reading.clock_words


def _merged_words(reading: Reading) -> str:
    units, count = counted(len(reading.chunks), reading.unit), len(merged(reading))
    if not count:
        return f"{units}, none together with another"
    if reading.unit == "chunk":
        return f"{units}, {count} merged: written apart, and arrived together with the one before"
    return f"{units}, {count} in the same read as the one before (written together, or merged)"


def troubles(reading: Reading) -> Iterator[str]:
    """What one must know before one believes the figures."""
    if reading.status >= 400:
        yield f"the answer is an error: {reading.status}; this is what was measured"
    if reading.broken is not None:
        yield f"the response broke off: {reading.broken}"
        if reading.padded_bytes and reading.lacks_chunks:
            media_type = reading.header("content-type")
            yield f"perhaps there is no padding for {media_type}: the function's log says so"
    if reading.stopped is not None:
        yield f"the rest was not measured: {reading.stopped}"
    recorded = sum(arrival.size for arrival in reading.arrivals)
    if recorded < reading.size:
        yield f"of {size(reading.size)} the first {size(recorded)} were recorded read by read"


def _table(reading: Reading, paint: Paint) -> Iterator[str]:
    is_timed = any(chunk.written_s is not None for chunk in reading.chunks)
    columns = (reading.unit, *(("written", "arrived", "late") if is_timed else ("arrived", "gap")))
    yield paint("  " + "".join(f"{name:>12}" for name in (*columns, "size")), "dim")
    together = frozenset(merged(reading))
    rows = range(len(reading.chunks))
    half = _ROWS_MAX // 2
    for place in rows:
        if len(rows) > _ROWS_MAX and half <= place < len(rows) - half:
            if place == half:
                yield paint(f"  {'…':>12}  {len(rows) - 2 * half} more", "dim")
            continue
        chunk = reading.chunks[place]
        cells = [str(chunk.index + 1)]
        if is_timed:
            cells += [_at(chunk.written_s), _at(chunk.arrived_s), _duration(chunk.late_s)]
        else:
            before_s = reading.chunks[place - 1].arrived_s if place else 0.0
            cells += [_at(chunk.arrived_s), exact_duration(chunk.arrived_s - before_s)]
        text = "  " + "".join(f"{cell:>12}" for cell in (*cells, size(chunk.size)))
        if place in together:
            text += "  with the one before"
        is_marked = is_late(chunk, reading) if is_timed else place in together
        yield paint(text, "late") if is_marked else text


def _at(seconds: float | None) -> str:
    return "unknown" if seconds is None else f"{seconds:.3f} s"


def _duration(seconds: float | None) -> str:
    return "unknown" if seconds is None else exact_duration(seconds)


def comparison(readings: Sequence[Reading], paint: Paint = plain) -> str:
    """A line for each of several URLs, below one another."""
    width = max(len(reading.url) for reading in readings)
    head = ("first byte", "end", "units", "merged", "latest", "±")
    lines = [paint(f"  {'':<{width}}" + "".join(f"{name:>12}" for name in head), "dim")]
    for reading in readings:
        first_s, late = first_byte_s(reading), lateness(reading)
        has_units = reading.unit != "read"
        cells = (
            "none" if first_s is None else exact_duration(first_s),
            exact_duration(reading.ended_s),
            str(len(reading.chunks)) if has_units else "unknown",
            str(len(merged(reading))) if has_units else "unknown",
            exact_duration(max(late)) if late else "unknown",
            exact_duration(reading.clock.uncertainty_s) if reading.clock else "unknown",
        )
        lines.append(f"  {reading.url:<{width}}" + "".join(f"{cell:>12}" for cell in cells))
    return "\n".join(lines)


# --- figures -------------------------------------------------------------------------------------


def has_companion(reading: Reading) -> bool:
    """Whether the companion answered, though perhaps what it wrote cannot be read."""
    return reading.unit == "chunk" or reading.environment is not None


def first_byte_s(reading: Reading) -> float | None:
    """When the first byte of the body was there."""
    return reading.arrivals[0].at_s if reading.arrivals else None


def lateness(reading: Reading) -> list[float]:
    """How late each chunk was of which that is known."""
    return [chunk.late_s for chunk in reading.chunks if chunk.late_s is not None]


def throughput(reading: Reading) -> float | None:
    """Bytes a second from the first read to the last; None when there is no such time."""
    if len(reading.arrivals) < 2:
        return None
    first, last = reading.arrivals[0], reading.arrivals[-1]
    size = sum(arrival.size for arrival in reading.arrivals[1:])
    return size / (last.at_s - first.at_s) if last.at_s > first.at_s else None


def gap_max_s(reading: Reading) -> float | None:
    """The longest silence between two reads."""
    times = [arrival.at_s for arrival in reading.arrivals]
    return max((after - before for before, after in pairwise(times)), default=None)


# --- JSON ----------------------------------------------------------------------------------------


def to_json(reading: Reading, diagnosis: Diagnosis | None = None) -> dict[str, Any]:
    """A reading as it stands in the document of `--json`; keys are only ever added."""
    late = lateness(reading)
    clock = reading.clock
    together = frozenset(merged(reading))
    return {
        "url": reading.url,
        "redirects": list(reading.redirects),
        "status": reading.status,
        "http_version": reading.http_version,
        "headers": [list(pair) for pair in reading.headers],
        "has_companion": has_companion(reading),
        "unit": reading.unit,
        "head_s": reading.head_s,
        "first_byte_s": first_byte_s(reading),
        "ended_s": reading.ended_s,
        "size_bytes": reading.size,
        "bytes_per_s": throughput(reading),
        "gap_max_s": gap_max_s(reading),
        "merged_count": None if reading.unit == "read" else len(together),
        "late_max_s": max(late, default=None),
        "late_median_s": median(late) if late else None,
        "broken": reading.broken,
        "stopped": reading.stopped,
        "environment": reading.environment,
        "started_s": reading.started_s,
        "interval_s": reading.interval_s,
        "pad_bytes": reading.padded_bytes,
        "clock": None
        if clock is None
        else {
            "offset_s": clock.offset_s,
            "uncertainty_s": clock.uncertainty_s,
            "sample_count": clock.sample_count,
            "round_trip_s": clock.round_trip_s,
        },
        "clock_words": reading.clock_words,
        "arrivals": [{"at_s": each.at_s, "size_bytes": each.size} for each in reading.arrivals],
        "chunks": [
            {
                "index": chunk.index,
                "size_bytes": chunk.size,
                "written_s": chunk.written_s,
                "arrived_s": chunk.arrived_s,
                "late_s": chunk.late_s,
                "is_merged": place in together,
            }
            for place, chunk in enumerate(reading.chunks)
        ],
        "diagnosis": None
        if diagnosis is None
        else {
            "kind": diagnosis.kind,
            "words": diagnosis.words,
            "evidence": list(diagnosis.evidence),
            "advice": list(diagnosis.advice),
            "figures": dict(diagnosis.figures),
        },
    }
