"""Results: values of each run, medians, ratios of runs side by side, targets, tables and JSON."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Literal

from bench import interpreter, versions
from bench.schedule import ALONE_RATE, RATES

BASELINES = ("nginx", "floor")
"""Columns with which tailrace is compared."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a column of a row should reach: as a value, or as a multiple of another column's."""

    row: str
    sense: Literal["<=", ">="]
    limit: float
    baseline: str | None = None
    subject: str = "tailrace"


TARGETS = (
    Target("request", "<=", 150.0),
    Target("chunk", "<=", 1.3, "nginx"),
    Target("chunk", "<=", 2.2, "floor"),
    Target("bulk", ">=", 1.5, "nginx"),
    Target("held", "<=", 8.0),
    Target("chunk-p99-500", "<=", 1.5, "nginx"),
    Target("native", ">=", 0.5, "callback", "Function URL"),
    Target("native", ">=", 0.5, "callback", "InvokeWithResponseStream"),
    *(
        Target("native-memory", "<=", 16.0, subject=f"{process}, {path}")
        for path in ("Function URL", "InvokeWithResponseStream")
        for process in ("runtime", "emulator")
    ),
    Target("first-byte", "<=", 1.0, "aws-lambda-ric 3.3.0", "tailrace.runtime"),
    Target("first-byte", "<=", 1.0, "aws-lambda-ric 4.0.2", "tailrace.runtime"),
    Target("start", "<=", 1.0, "awslambdaric", "tailrace.runtime"),
    Target("page", "<=", 1.5, "Jinja2, generate_async", "tailrace, parts by Jinja2"),
    *(
        Target(row, "<=", limit, subject=loop)
        for row, limit in (("progress", 400.0), ("sent", 100.0))
        for loop in ("async for over page.progress", "for over page.progress, in a thread")
    ),
)


@dataclass(slots=True)
class Row:
    """One measurement of every relay, or other column; `values[relay][n]` were taken side by side
    in run n. None stands for a run without a figure."""

    name: str
    title: str
    unit: str
    has_ratios: bool = True
    """False if what it measures is a condition of the others."""
    values: dict[str, list[float | None]] = field(default_factory=dict)

    def add(self, relay: str, value: float | None) -> None:
        self.values.setdefault(relay, []).append(value)

    def add_median(self, relay: str, values: Sequence[float]) -> None:
        """Of a run with many values the median counts."""
        self.add(relay, median(values))

    def figures(self, relay: str) -> list[float]:
        """Those of the runs that have one."""
        return [value for value in self.values.get(relay, ()) if value is not None]

    def median(self, relay: str) -> float | None:
        figures = self.figures(relay)
        return median(figures) if figures else None

    def ratio(self, relay: str, baseline: str) -> float | None:
        """The median of the ratios of each run, or None where either was not measured or is 0."""
        pairs = zip(self.values.get(relay, ()), self.values.get(baseline, ()), strict=False)
        ratios = [mine / theirs for mine, theirs in pairs if mine is not None and theirs]
        return median(ratios) if ratios else None


def new_rows() -> dict[str, Row]:
    """Those of relays: CPU time and memory."""
    rows = (
        Row("request", "CPU per request of one chunk", "µs"),
        Row("request-headers", "CPU per request, header style", "µs"),
        Row(f"request-{ALONE_RATE}", f"CPU per request at {ALONE_RATE}/s", "µs"),
        Row(
            f"request-headers-{ALONE_RATE}",
            f"CPU per request, header style, at {ALONE_RATE}/s",
            "µs",
        ),
        Row("chunk", "CPU per paced 64-byte chunk", "µs"),
        Row("merged", "  chunks that shared a read", "%", has_ratios=False),
        Row("bulk", "large bodies per CPU-second", "MB"),
        Row("held", "memory per held response", "KB"),
        Row("held_open", "  the same, callback open", "KB"),
    )
    return {row.name: row for row in rows}


def new_lateness_rows() -> dict[str, Row]:
    """Those of relays under load: lateness of chunks, and first bytes of requests."""
    rows = []
    for rate in RATES:
        rows += [
            Row(f"chunk-p50-{rate}", f"chunk p50 beside {rate:,} requests/s", "µs"),
            Row(f"chunk-p99-{rate}", "  p99", "µs"),
            Row(f"chunk-p99.9-{rate}", "  p99.9", "µs"),
        ]
        if rate:
            rows.append(Row(f"first-p50-{rate}", "  first byte of a request p50", "µs"))
            rows.append(Row(f"first-p99-{rate}", "  first byte of a request p99", "µs"))
        rows += [
            Row(f"busy-{rate}", "  the relay's core in use", "%", has_ratios=False),
            Row(f"lag-p99-{rate}", "  the generator's lag p99", "µs", has_ratios=False),
            Row(f"behind-{rate}", "  writes of the generator behind", "%", has_ratios=False),
        ]
    return {row.name: row for row in rows}


def new_native_rows() -> dict[str, Row]:
    """Those of Lambda's own streaming: each has columns of its own."""
    rows = (
        Row("native", "large bodies per CPU-second of all processes", "MB"),
        Row("native-memory", "growth of memory over 200 MB", "MiB"),
        Row("first-byte", "request to first byte, Function URL", "ms"),
        Row("start", "process start to first request for an event", "ms"),
        Row("invocation", "CPU of the function's process per invocation", "µs"),
        Row("function-chunk", "CPU of the function's process per 64-byte chunk", "µs"),
    )
    return {row.name: row for row in rows}


@dataclass(frozen=True, slots=True)
class Verdict:
    """A target and what was measured; `is_met` is None when it could not be measured."""

    target: Target
    value: float | None
    is_met: bool | None

    def __str__(self) -> str:
        target = self.target
        of = f" × {target.baseline}" if target.baseline else ""
        sense = {"<=": "≤", ">=": "≥"}[target.sense]
        mark = {True: "pass", False: "MISSED", None: "not measured"}[self.is_met]
        value = "" if self.value is None else f" ({number(self.value)})"
        return f"{sense} {target.limit:g}{of}: {mark}{value}"


def judge(rows: Mapping[str, Row]) -> list[Verdict]:
    """Every target of these rows, in the order of the table."""
    verdicts = []
    for target in TARGETS:
        row = rows.get(target.row)
        if row is None:
            continue
        value: float | None = None
        if target.baseline is not None:
            value = row.ratio(target.subject, target.baseline)
        else:
            value = row.median(target.subject)
        is_met = None
        if value is not None:
            is_met = value <= target.limit if target.sense == "<=" else value >= target.limit
        verdicts.append(Verdict(target, value, is_met))
    return verdicts


def number(value: float | None) -> str:
    """Three digits that count, without a fraction when there are that many before the point."""
    if value is None:
        return "–"
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def table(
    rows: Mapping[str, Row], relays: Sequence[str], baselines: Sequence[str] = BASELINES
) -> str:
    """Medians, with the lowest and the highest run below them, ratios and targets."""
    columns = [name for name in relays if name != "tailrace"]
    ratios = [name for name in baselines if name in relays]
    head = ["", "tailrace", *columns, *(f"÷ {name}" for name in ratios), "target"]
    lines: list[list[str]] = []
    verdicts = judge(rows)
    for row in rows.values():
        if not row.values:
            continue
        marks = [str(verdict) for verdict in verdicts if verdict.target.row == row.name]
        cells = [_ratio(row, name) for name in ratios]
        names = ["tailrace", *columns]
        medians = [number(row.median(name)) for name in names]
        spreads = [_spread(row, name) for name in names]
        lines.append([f"{row.title}, {row.unit}", *medians, *cells, *marks[:1]])
        lines.append(["", *spreads, *("" for _ in ratios), *marks[1:]])
    return _aligned([head, *lines])


def listing(rows: Mapping[str, Row]) -> str:
    """Rows whose columns differ: a line for each column, with what is asked of it."""
    lines = [["", "median", "lowest–highest", "target"]]
    verdicts = judge(rows)
    for row in rows.values():
        if row.values:
            lines.append([f"{row.title}, {row.unit}", "", "", ""])
        for name in row.values:
            marks = [
                str(verdict)
                for verdict in verdicts
                if (verdict.target.row, verdict.target.subject) == (row.name, name)
            ]
            cells = [f"  {name}", number(row.median(name)), _spread(row, name), *marks[:1]]
            lines.append(cells)
            lines += [["", "", "", mark] for mark in marks[1:]]
    return _aligned(lines)


def _ratio(row: Row, baseline: str) -> str:
    ratio = row.ratio("tailrace", baseline) if row.has_ratios else None
    return "" if ratio is None else number(ratio)


def _spread(row: Row, relay: str) -> str:
    values = row.figures(relay)
    return f"{number(min(values))}–{number(max(values))}" if len(values) > 1 else ""


def _aligned(lines: Sequence[Sequence[str]]) -> str:
    count = max(len(line) for line in lines)
    padded = [[*line, *[""] * (count - len(line))] for line in lines]
    widths = [max(len(line[column]) for line in padded) for column in range(count)]
    written = []
    for line in padded:
        cells = [cell.rjust(width) for cell, width in zip(line, widths, strict=True)]
        cells[0], cells[-1] = line[0].ljust(widths[0]), line[-1]
        written.append("  ".join(cells).rstrip())
    return "\n".join(line for line in written if line)


def as_json(
    rows: Mapping[str, Row],
    facts: Mapping[str, str],
    settings: Mapping[str, object],
    baselines: Sequence[str] = BASELINES,
) -> dict[str, object]:
    """Everything that was measured, and on what; `facts` are those of the machine."""
    return {
        "machine": dict(facts),
        "settings": dict(settings),
        "rows": [
            {
                "name": row.name,
                "title": row.title.strip(),
                "unit": row.unit,
                "relays": {
                    relay: {"median": row.median(relay), "values": values}
                    for relay, values in row.values.items()
                },
                "ratios": {
                    name: row.ratio("tailrace", name) for name in baselines if row.has_ratios
                },
            }
            for row in rows.values()
            if row.values
        ],
        "targets": [
            asdict(verdict.target) | {"value": verdict.value, "is_met": verdict.is_met}
            for verdict in judge(rows)
        ],
    }


def say(step: str) -> None:
    """Tell whoever waits how far the run is."""
    print(f"{time.strftime('%H:%M:%S')} {step}", file=sys.stderr, flush=True)


def machine() -> dict[str, str]:
    """What the numbers depend on."""
    models = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return {
        "cpu": models[0] if models else platform.machine(),
        "cores": str(len(models)),
        "kernel": platform.release(),
        "load": f"{os.getloadavg()[0]:.1f} processes ran in the last minute",
        "python": interpreter.of_command() or "unknown",
        **versions.found(),
    }
