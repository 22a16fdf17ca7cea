"""One run of `tailrace probe`: its measurements, output, conditions and exit code."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

from tailrace.cli.live import LiveLines
from tailrace.cli.terminal import BOLD, DIM, RED, YELLOW, Terminal
from tailrace.errors import ProbeError
from tailrace.net.process.signals import StopSignals
from tailrace.net.tasks import TaskSet
from tailrace.probe.client import Stop
from tailrace.probe.diagnosis import Diagnosis, diagnose
from tailrace.probe.measure import measure
from tailrace.probe.merging import is_any_apart, merged
from tailrace.probe.options import MeasureOptions
from tailrace.probe.quantity import exact_duration
from tailrace.probe.record import Chunk, Reading
from tailrace.probe.report import (
    JSON_VERSION,
    WIDTH,
    Role,
    comparison,
    has_companion,
    printable,
    progress_line,
    text_of,
    to_json,
)
from tailrace.probe.request import shown
from tailrace.probe.sweep import SweepResult, Trial, sweep
from tailrace.words import counted

FINE: Final = 0
FAILED: Final = 1
UNMEASURED: Final = 3

_COLORS: Final[dict[Role, int]] = {"title": BOLD, "dim": DIM, "late": YELLOW, "warning": RED}


@dataclass(frozen=True, slots=True)
class Conditions:
    """The conditions under which the exit code is 1."""

    late_max_s: float | None
    is_merged_bad: bool

    def judge(self, reading: Reading) -> list[tuple[Literal[1, 3], str]]:
        """Return the conditions that do not hold or are undecided, each with its exit code."""
        found: list[tuple[Literal[1, 3], str]] = []
        if self.late_max_s is not None:
            found += _judge_lateness(reading, self.late_max_s)
        if self.is_merged_bad and reading.unit == "read":
            what = reading.header("content-type") or "a body without content type"
            found.append((3, f"whether anything was merged cannot be told of {what}"))
        elif self.is_merged_bad and not is_any_apart(reading):
            found.append((3, "whether anything was merged cannot be told: none was written apart"))
        elif self.is_merged_bad and (together := len(merged(reading))):
            found.append((1, f"{counted(together, reading.unit)} came with the one before"))
        return found


def _judge_lateness(reading: Reading, late_max_s: float) -> list[tuple[Literal[1, 3], str]]:
    late = [chunk.late_s for chunk in reading.chunks if chunk.late_s is not None]
    limit = exact_duration(late_max_s)
    if reading.clock is None or not late:
        if has_companion(reading):
            return [(3, f"whether a chunk was later than {limit} cannot be told")]
        return [(3, f"whether a chunk was later than {limit} can be told of the companion only")]
    latest_s, uncertainty_s = max(late), reading.clock.uncertainty_s
    if latest_s - uncertainty_s > late_max_s:
        return [(1, f"a chunk was {exact_duration(latest_s)} late, more than {limit}")]
    if latest_s + uncertainty_s > late_max_s:
        sure = f"{exact_duration(latest_s)} ± {exact_duration(uncertainty_s)}"
        return [(3, f"whether a chunk was later than {limit} cannot be told: {sure}")]
    return []


class Session:
    """One run of the command."""

    def __init__(
        self,
        urls: tuple[str, ...],
        options: MeasureOptions,
        conditions: Conditions,
        picture: Path | None,
        *,
        is_json: bool,
    ) -> None:
        self._urls = urls
        self._options = options
        self._conditions = conditions
        self._picture = picture
        self._is_json = is_json
        self._out = Terminal(sys.stdout, os.environ)
        self._err = Terminal(sys.stderr, os.environ)
        self._err.take_log()
        self._is_live = sys.stderr.isatty()
        self._stop = Stop()
        self._codes = {FINE}
        self._readings: list[tuple[Reading, Diagnosis]] = []
        self._sweeps: list[dict[str, Any]] = []
        self._errors: list[dict[str, str]] = []
        self._failures: list[dict[str, str]] = []

    async def run(self, *, is_sweep: bool) -> int:
        """Measure every URL; return the exit code.

        The first SIGINT or SIGTERM ends the current measurement, and its result so far is shown;
        the second one cancels everything.
        """
        task = asyncio.current_task()
        assert task is not None
        tasks = TaskSet()
        with StopSignals() as signals:
            tasks.spawn(self._heed(signals, task), "signals")
            try:
                await (self._sweep_all() if is_sweep else self._measure_all())
            except asyncio.CancelledError:
                if not signals.second.is_set():
                    raise
            finally:
                await tasks.cancel_all()
            if self._is_json:
                self._write_json(is_sweep=is_sweep)
            if self._picture is not None and self._readings and not signals.second.is_set():
                self._draw([reading for reading, _ in self._readings], self._picture)
            if self._out.failure is not None:
                self._codes.add(UNMEASURED)
                what = self._out.failure.strerror or str(self._out.failure)
                self._err.write(f"tailrace: the output could not be written: {what.lower()}")
            return 128 + signals.number if signals.first.is_set() else self._code()

    async def _heed(self, signals: StopSignals, task: asyncio.Task[Any]) -> None:
        await signals.first.wait()
        self._stop.set()
        await signals.second.wait()
        task.cancel()

    async def _measure_all(self) -> None:
        for url in self._urls:
            reading = await self._measure(url)
            if reading is None:
                continue
            diagnosis = diagnose(reading)
            self._readings.append((reading, diagnosis))
            if not self._is_json:
                columns = min(self._out.columns or WIDTH, WIDTH)
                self._out.write(text_of(reading, diagnosis, self._paint, width=columns) + "\n")
            self._judge(reading)
        if len(self._readings) > 1 and not self._is_json:
            readings = [reading for reading, _ in self._readings]
            self._out.write(comparison(readings, self._paint) + "\n")

    async def _sweep_all(self) -> None:
        for url in self._urls:
            result = await self._sweep(url)
            if result is None:
                continue
            self._sweeps.append(
                {
                    "url": shown(url),
                    "is_found": result.is_found,
                    "threshold_bytes": result.threshold_bytes,
                    "held_bytes": result.held_bytes,
                    "requests": result.requests,
                    "words": result.words,
                }
            )
            if not result.is_found:
                self._codes.add(UNMEASURED)
            if not self._is_json:
                self._out.write(f"{self._out.paint(shown(url), BOLD)}\n  {result.words}")

    async def _measure(self, url: str) -> Reading | None:
        try:
            reading = await self._measure_live(url)
        except ProbeError as error:
            self._fail(url, error)
            return None
        if reading.status >= 400 or reading.broken is not None:
            self._codes.add(UNMEASURED)
        return reading

    async def _measure_live(self, url: str) -> Reading:
        if not self._is_live:
            return await measure(url, self._options, stop=self._stop)
        with LiveLines(self._err) as lines:
            lines.put(f"measuring {shown(url)}")
            before_s: float | None = None

            def show(chunk: Chunk) -> None:
                nonlocal before_s
                lines.put(progress_line(chunk, before_s), at_s=chunk.arrived_s)
                before_s = chunk.arrived_s

            return await measure(url, self._options, on_progress=show, stop=self._stop)

    async def _sweep(self, url: str) -> SweepResult | None:
        async def measure_once(size: int, interval_s: float) -> Reading:
            asked = replace(
                self._options, count=2, size=size, interval_s=interval_s, pad_bytes=0, pings=0
            )
            reading = await measure(url, replace(asked, compressed=False), stop=self._stop)
            if reading.unit != "chunk" and reading.status >= 400:
                raise ProbeError(f"{reading.url}: the answer is an error: {reading.status}")
            if reading.unit != "chunk":
                raise ProbeError(
                    f"{reading.url}: --sweep needs the companion behind the URL: a function whose"
                    " handler is tailrace.probe.handler"
                )
            return reading

        try:
            return await sweep(measure_once, on_trial=self._show_trial)
        except ProbeError as error:
            self._fail(url, error)
            return None

    def _show_trial(self, trial: Trial) -> None:
        if self._is_live:
            told = {True: "held", False: "left at once", None: "cannot be told"}[trial.is_held]
            self._err.write(self._err.paint(f"  {trial.size:>10,} bytes: {told}", DIM))

    def _judge(self, reading: Reading) -> None:
        for code, words in self._conditions.judge(reading):
            self._codes.add(code)
            self._failures.append({"url": reading.url, "words": words})
            self._err.write(f"{self._err.paint('failed', RED)}: {reading.url}: {words}")

    def _fail(self, url: str, error: ProbeError) -> None:
        self._codes.add(UNMEASURED)
        self._errors.append({"url": shown(url), "error": str(error)})
        self._err.write(printable(f"tailrace: {error}"))

    def _code(self) -> int:
        """A condition that fails takes precedence over one that is undecided."""
        return FAILED if FAILED in self._codes else max(self._codes)

    def _paint(self, text: str, role: Role) -> str:
        return self._out.paint(text, _COLORS[role])

    def _write_json(self, *, is_sweep: bool) -> None:
        results = (
            {"sweeps": self._sweeps}
            if is_sweep
            else {"readings": [to_json(*each) for each in self._readings]}
        )
        failures = {} if is_sweep else {"failures": self._failures}
        document = {"version": JSON_VERSION, **results, **failures, "errors": self._errors}
        self._out.write(json.dumps(document, indent=1))

    def _draw(self, readings: list[Reading], picture: Path) -> None:
        from tailrace.probe.plot import draw

        draw(readings, picture)
        if not self._is_json:
            self._out.write(f"drawn: {picture}")
