"""`python -m bench.apps`: options, the order of the runs, and tables in Markdown."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from bench import interpreter
from bench.apps import cold, managed
from bench.apps.served import Load, Side, cpu_us, instructions, sides
from bench.function import PYTHON_VARIABLES, REFERENCE
from bench.load import BenchError
from bench.report import Row, machine, number, say

PARTS = ("imports", "starts", "managed", "cpu", "instructions")
COUNTED = 100
IMPORTS = 10
QUICK = Load(requests=10, streams=3, chunks=10)
Rows = dict[str, Row]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables; return 1 if something has failed."""
    parser = argparse.ArgumentParser(prog="python -m bench.apps", description=__doc__)
    python = REFERENCE if os.path.exists(REFERENCE) else sys.executable
    add = parser.add_argument
    add("--python", default=python, help="the interpreter of all that is measured (%(default)s)")
    add("--runs", type=int, default=5, help="of each measurement, in turn (%(default)s)")
    add("--only", default=",".join(PARTS), metavar="PARTS", help="some of %(default)s")
    add("--quick", action="store_true", help="one tiny run of all but instructions")
    add("--json", metavar="FILE", help="write each run's figures there")
    options = parser.parse_args(arguments)
    if options.quick:
        options.only, options.runs = "imports,starts,managed,cpu", 1
    parts = options.only.split(",")
    if unknown := set(parts) - set(PARTS):
        parser.error(f"--only: there is no {', '.join(sorted(unknown))}")
    if "instructions" in parts and shutil.which("valgrind") is None:
        parser.error("no valgrind here: Debian: apt install valgrind, or leave out instructions")
    try:
        rows = asyncio.run(_measure(options, parts))
    except (BenchError, TimeoutError) as error:
        print(f"bench.apps: {error or 'a process did not end in time'}", file=sys.stderr)
        return 1
    if options.json:
        with open(options.json, "w") as file:
            json.dump({row.name: row.values for row in rows.values()}, file, indent=2)
    return 0


async def _measure(options: argparse.Namespace, parts: Sequence[str]) -> Rows:
    python = options.python
    facts = machine()
    print(f"{facts['cpu']}, {facts['cores']} cores, load: {facts['load']}")
    print(f"Python: {interpreter.of_command(python, PYTHON_VARIABLES)}\n")
    rows: Rows = {}
    if "imports" in parts:
        _import(python, rows, 1 if options.quick else IMPORTS, counts="instructions" in parts)
    if "starts" in parts:
        await _start(python, rows, options.runs)
    if "managed" in parts:
        await _start_managed(rows, options.runs)
    if "cpu" in parts:
        await _serve(sides(python), rows, options.runs, QUICK if options.quick else Load())
    if "instructions" in parts:
        await _count(sides(python), rows)
    return rows


def _import(python: str, rows: Rows, runs: int, *, counts: bool) -> None:
    for before in cold.BEFORE:
        row = _new(rows, f"import, {before}", f"import {before}, ms")
        for adapter in cold.ADAPTERS:
            cold.import_ms(python, before, adapter)  # compiles what is imported
        for _ in range(runs):
            for adapter in cold.ADAPTERS:
                row.add(adapter, cold.import_ms(python, before, adapter))
        say(f"imports, {before}")
        if counts:
            name = f"import, {before}, instructions"
            counted = _new(rows, name, f"import {before}, millions of instructions")
            for adapter in cold.ADAPTERS:
                millions = cold.import_instructions(python, before, adapter) / 1e6
                counted.add(adapter, millions)
    _print(list(rows.values()), "`Mangum(app)`")


async def _start(python: str, rows: Rows, runs: int) -> None:
    row = _new(rows, "start", "process start to first byte, ms")
    for name in cold.STARTS:
        await cold.first_byte_ms(name, python)  # the first one reads its files from the disk
    for run in range(runs):
        for name in cold.STARTS:
            row.add(name, await cold.first_byte_ms(name, python))
        say(f"starts, run {run + 1} of {runs}")
    _print([row], cold.PROXY)
    for name in cold.STARTS:
        print(f"runs of {name}: {', '.join(number(value) for value in row.figures(name))}")
    print()


async def _start_managed(rows: Rows, runs: int) -> None:
    print(f"Python of the managed runtime: {interpreter.of_command(sys.executable, {})}\n")
    with TemporaryDirectory(prefix="tailrace-bench-") as folder:
        archives = managed.Archives(Path(folder))
        for what, starts in managed.STARTS.items():
            row = _new(rows, f"managed, {what}", f"{what}: start to first byte, ms")
            for start in starts:
                await managed.first_byte_ms(start, archives)
            for run in range(runs):
                for start in starts:
                    row.add(start.name, await managed.first_byte_ms(start, archives))
                say(f"starts in the managed runtime, {what}, run {run + 1} of {runs}")
            _print([row], managed.BASELINES[what])


async def _serve(measured: Sequence[Side], rows: Rows, runs: int, load: Load) -> None:
    request = _new(rows, "request", "request, µs")
    chunk = _new(rows, "chunk", "chunk, µs")
    for run in range(runs):
        for side in measured:
            request_us, chunk_us = await cpu_us(side, load)
            request.add(side.name, request_us)
            chunk.add(side.name, chunk_us)
        say(f"CPU time, run {run + 1} of {runs}")
    _print([request, chunk], *(side.name for side in measured[-2:]))


async def _count(measured: Sequence[Side], rows: Rows) -> None:
    request = _new(rows, "request, instructions", "request, thousands of instructions")
    chunk = _new(rows, "chunk, instructions", "chunk, thousands of instructions")
    for side in measured:
        each = await instructions(side, COUNTED)
        request.add(side.name, each[0] / 1e3)
        chunk.add(side.name, each[1] / 1e3)
        say(f"instructions, {side.name}")
    _print([request, chunk], *(side.name for side in measured[-2:]))


def _new(rows: Rows, name: str, title: str) -> Row:
    row = rows[name] = Row(name, title, "")
    return row


def _print(rows: Sequence[Row], *baselines: str) -> None:
    """A table: for each column a line, with medians, lowest and highest runs, and ratios."""
    heads = [head for row in rows for head in (row.title, *(f"÷ {name}" for name in baselines))]
    print(f"| | {' | '.join(heads)} |\n|{' --- |' * (1 + len(heads))}")
    for column in rows[0].values:
        cells = [cell for row in rows for cell in _cells(row, column, baselines)]
        print(f"| {column} | {' | '.join(cells)} |")
    print(flush=True)


def _cells(row: Row, column: str, baselines: Sequence[str]) -> list[str]:
    figures = row.figures(column)
    shown = number(median(figures))
    if len(figures) > 1:
        shown += f"<br>{number(min(figures))}–{number(max(figures))}"
    ratios = [row.ratio(column, baseline) for baseline in baselines]
    own = [column == baseline for baseline in baselines]
    return [shown, *("" if is_own else number(r) for r, is_own in zip(ratios, own, strict=True))]


if __name__ == "__main__":
    sys.exit(main())
