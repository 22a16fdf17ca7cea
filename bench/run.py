"""The benchmark's command: options, the order of the steps, progress, the table."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TypeVar

import uvloop

from bench import native, peers
from bench.load import BenchError
from bench.measure import QUICK, Bench, Load
from bench.relays import TAILRACE_COMMAND, Bed, Cores, Relay, compile_floor
from bench.report import (
    Row,
    as_json,
    judge,
    listing,
    machine,
    new_native_rows,
    new_rows,
    table,
)
from bench.stand_in import StandIn

TIMEOUT_S = 600.0
MERGED_SHARE_MAX = 0.01
CHUNK_TRIES = 3
NGINX_BIG_BUFFERS = """
      proxy_buffer_size 64k;
      proxy_buffers 8 64k;"""
CPU_ROWS = ("request", "chunk", "bulk")
HELD_ROWS = ("held", "held-open")
ROWS = (*CPU_ROWS, *HELD_ROWS, *native.ROWS)


@dataclass(frozen=True, slots=True)
class Settings:
    """What to measure, how often, and of whom."""

    load: Load
    native_load: native.NativeLoad
    runs: int
    held_runs: int
    only: tuple[str, ...]
    also: tuple[tuple[str, str], ...]
    build: Path


Start = Callable[[Bed], Awaitable[Relay]]
T = TypeVar("T")


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the table; 0, or 1 when something failed (or, with --check, missed its target)."""
    options = _parse(arguments)
    load = QUICK if options.quick else Load()
    settings = Settings(
        load=load,
        native_load=native.QUICK if options.quick else native.NativeLoad(),
        runs=options.runs or (1 if options.quick else 5),
        held_runs=min(options.runs or 3, 1 if options.quick else 3),
        only=tuple(options.only.split(",")),
        also=tuple(tuple(pair.split("=", 1)) for pair in options.also),
        build=Path(__file__).parent / "build",
    )
    signal.signal(signal.SIGTERM, lambda number, stack: sys.exit(143))
    try:
        results = uvloop.run(_run(settings))
    except (BenchError, TimeoutError) as error:
        print(f"bench: {error or f'not done after {TIMEOUT_S:.0f} s'}", file=sys.stderr)
        return 1
    print("\n".join(f"{name}: {value}" for name, value in machine().items()), end="\n\n")
    if results.relays:
        print(table(results.rows, results.relays), end="\n\n")
    if any(row.values for row in results.native_rows.values()):
        print(listing(results.native_rows))
    rows = {**results.rows, **results.native_rows}
    if options.json:
        facts = {
            "load": asdict(load) | asdict(settings.native_load),
            "runs": settings.runs,
            "held_runs": settings.held_runs,
        }
        text = json.dumps(as_json(rows, facts), indent=2, ensure_ascii=False)
        options.json.write_text(text + "\n")
    is_missed = any(verdict.is_met is False for verdict in judge(rows))
    return 1 if options.check and is_missed else 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    add = parser.add_argument
    add("--json", type=Path, metavar="FILE", help="write the rows, each run and the machine")
    add("--runs", type=int, help="how often each row is measured (5; memory at most 3 times)")
    add("--only", default=",".join(ROWS), metavar="ROW,ROW", help="default: %(default)s")
    add("--quick", action="store_true", help="tiny loads, one run: shows that it works")
    add("--check", action="store_true", help="exit with 1 when a target is missed")
    add(
        "--also",
        action="append",
        default=[],
        metavar="NAME=COMMAND",
        help="one more relay, which takes the options of `tailrace gateway` (repeatable)",
    )
    options = parser.parse_args(arguments)
    if unknown := set(options.only.split(",")) - set(ROWS):
        parser.error(f"no such row: {', '.join(sorted(unknown))} (rows: {', '.join(ROWS)})")
    if any("=" not in pair for pair in options.also):
        parser.error("--also takes NAME=COMMAND")
    return options


@dataclass(slots=True)
class Results:
    """What was measured: of the gateway beside other relays, and of Lambda's own streaming."""

    rows: dict[str, Row] = field(default_factory=new_rows)
    relays: list[str] = field(default_factory=list)
    native_rows: dict[str, Row] = field(default_factory=new_native_rows)


async def _run(settings: Settings) -> Results:
    cores = choose_cores()
    os.sched_setaffinity(0, {cores.load})
    stand_in = StandIn()
    await stand_in.start()
    with tempfile.TemporaryDirectory(prefix="tailrace-bench-") as directory:
        bed = Bed(Path(directory), cores, stand_in)
        try:
            async with asyncio.timeout(TIMEOUT_S):
                results = Results()
                if {*CPU_ROWS, *HELD_ROWS} & {*settings.only}:
                    await _measure_relays(settings, bed, Bench(stand_in, settings.load), results)
                await _measure_native(settings, bed, results.native_rows)
                return results
        finally:
            bed.stop()
            await stand_in.stop()


def choose_cores() -> Cores:
    """The first core for the relay, the second one for everything else."""
    available = sorted(os.sched_getaffinity(0))
    if len(available) < 2:
        _say("only one core: relay and load share it, times will spread")
    return Cores(available[0], available[-1 if len(available) < 2 else 1])


def choose_relays(settings: Settings) -> dict[str, Start]:
    """How to start each relay that this machine can run; tailrace comes first."""
    starts: dict[str, Start] = {"tailrace": lambda bed: bed.tailrace("tailrace", TAILRACE_COMMAND)}
    for name, command in settings.also:
        starts[name] = lambda bed, name=name, command=command: bed.tailrace(name, command)  # type: ignore[misc]
    if shutil.which("nginx"):
        starts["nginx"] = lambda bed: bed.nginx("nginx", "")
        starts["nginx-64k"] = lambda bed: bed.nginx("nginx-64k", NGINX_BIG_BUFFERS)
    else:
        _say("no nginx here: its columns are left out (Debian: apt install nginx-light)")
    if program := compile_floor(settings.build):
        starts["floor"] = lambda bed: bed.floor("floor", program)
    else:
        _say("no C compiler here: the floor is left out (Debian: apt install gcc libc6-dev)")
    return starts | peers.choose(_say)


async def _measure_relays(settings: Settings, bed: Bed, bench: Bench, results: Results) -> None:
    rows = results.rows
    starts = choose_relays(settings)
    results.relays += starts
    relays = [await start(bed) for start in starts.values()]
    for relay in relays:
        await bench.request_us(relay)  # brings in what the first requests need
    for run in range(settings.runs):
        for row in CPU_ROWS:
            if row in settings.only:
                _say(f"run {run + 1} of {settings.runs}: {row}")
                for relay in relays:
                    await _explained(relay, _measure_cpu(bench, rows, row, relay))
    for run in range(settings.held_runs):
        for row in HELD_ROWS:
            if row in settings.only:
                _say(f"run {run + 1} of {settings.held_runs}: {row}, {settings.load.held}")
                for name, start in starts.items():
                    if name != "nginx-64k":
                        await _measure_held(bench, rows, row, name, start, bed)
    for relay in relays:
        relay.stop()


async def _measure_native(settings: Settings, bed: Bed, rows: dict[str, Row]) -> None:
    bench = native.NativeBench(bed, settings.native_load, rows)
    for run in range(settings.runs):
        for row in native.ROWS:
            if row in settings.only and (row != "native-memory" or run < settings.held_runs):
                _say(f"run {run + 1} of {settings.runs}: {row}")
                await bench.measure(row)


async def _measure_cpu(bench: Bench, rows: dict[str, Row], row: str, relay: Relay) -> None:
    match row:
        case "request":
            rows["request"].add(relay.name, await bench.request_us(relay))
        case "chunk":
            used_us, merged = await _least_merged(bench, relay)
            rows["chunk"].add(relay.name, used_us)
            rows["merged"].add(relay.name, merged * 100)
        case "bulk":
            rows["bulk"].add(relay.name, await bench.bulk_mb(relay))


async def _least_merged(bench: Bench, relay: Relay) -> tuple[float, float]:
    """A core that others use for a while merges chunks, which makes them cheaper: try again."""
    results = []
    for _ in range(CHUNK_TRIES):
        results.append(await bench.chunk_us(relay))
        if results[-1][1] <= MERGED_SHARE_MAX:
            break
    return min(results, key=lambda result: result[1])


async def _measure_held(
    bench: Bench, rows: dict[str, Row], row: str, name: str, start: Start, bed: Bed
) -> None:
    """On a fresh process: memory that was used once is not given back."""
    relay = await start(bed)
    try:
        held_bytes = await _explained(relay, bench.held_bytes(relay, "/" + row))
    finally:
        relay.stop()
    rows[row.replace("-", "_")].add(name, held_bytes / 1e3)


async def _explained(relay: Relay, measuring: Awaitable[T]) -> T:
    try:
        return await measuring
    except BenchError as error:
        raise BenchError(f"{error}\n{relay.explain()}") from error


def _say(step: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {step}", file=sys.stderr, flush=True)
