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
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import uvloop

from bench import interpreter, native, peers, picture, process, steps
from bench.load import BenchError
from bench.measure import QUICK, Bench, Load
from bench.open_loop import OpenLoop
from bench.relays import (
    REFERENCE,
    REFERENCE_COMMAND,
    TAILRACE_COMMAND,
    Bed,
    Cores,
    Direct,
    Relay,
    compile_floor,
)
from bench.report import (
    BASELINES,
    Row,
    as_json,
    judge,
    listing,
    machine,
    new_lateness_rows,
    new_native_rows,
    new_rows,
    say,
    table,
)
from bench.responder import Responder
from bench.sockets import Poll
from bench.stand_in import HEADERS_PATH, StandIn

TIMEOUT_S = 1_800.0
"""For all that is not open loop: those runs have deadlines of their own."""
NGINX_BIG_BUFFERS = """
      proxy_buffer_size 64k;
      proxy_buffers 8 64k;"""
PRIORITIES = {
    True: "real-time in open-loop runs",
    False: "normal: what others use of the two cores makes chunks late",
}
DIRECT = "direct"
REFERENCE_NAME = "tailrace, Debian's Python"
CPU_ROWS = ("request", "request-headers", "bulk")
HELD_ROWS = ("held", "held-open")
ROWS = (*CPU_ROWS, *HELD_ROWS, *steps.STEPS, *native.ROWS)


@dataclass(frozen=True, slots=True)
class Settings:
    """What to measure, how often, and of whom."""

    load: Load
    open_load: steps.OpenLoad
    native_load: native.NativeLoad
    runs: int
    held_runs: int
    only: tuple[str, ...]
    gateway: str
    also: tuple[tuple[str, str], ...]
    beside: tuple[str, ...]
    build: Path
    wants_real_time: bool


Start = Callable[[Bed], Awaitable[Relay]]
Starts = dict[str, Start]
T = TypeVar("T")


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the table; 0, or 1 when something failed (or, with --check, missed its target)."""
    options = _parse(arguments)
    settings = _settings(options)
    signal.signal(signal.SIGTERM, lambda number, stack: sys.exit(143))
    try:
        results = uvloop.run(_run(settings))
    except (BenchError, TimeoutError) as error:
        print(f"bench: {error or f'not done after {TIMEOUT_S:.0f} s'}", file=sys.stderr)
        return 1
    facts = machine() | results.facts
    baselines = [*(name for name, _ in settings.also), *BASELINES]
    print("\n".join(f"{name}: {value}" for name, value in facts.items()), end="\n\n")
    for rows in (results.rows, results.lateness_rows):
        if measured := {name for row in rows.values() for name in row.values}:
            columns = [name for name in results.relays if name in measured]
            print(table(rows, columns, baselines), end="\n\n")
    if results.left_out:
        print("left out:", *results.left_out, sep="\n  ", end="\n\n")
    if any(row.values for row in results.native_rows.values()):
        print(listing(results.native_rows))
    all_rows = {**results.rows, **results.lateness_rows, **results.native_rows}
    if options.json:
        used = {
            "load": asdict(settings.load) | asdict(settings.native_load),
            "open_load": asdict(settings.open_load),
            "runs": settings.runs,
            "held_runs": settings.held_runs,
        }
        document = as_json(all_rows, facts, used, baselines) | {"left_out": results.left_out}
        options.json.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    if options.plot:
        options.plot.write_text(picture.draw(all_rows, results.relays))
    is_missed = any(verdict.is_met is False for verdict in judge(all_rows))
    return 1 if options.check and is_missed else 0


def _settings(options: argparse.Namespace) -> Settings:
    open_load = steps.QUICK if options.quick else steps.OpenLoad()
    return Settings(
        load=QUICK if options.quick else Load(),
        open_load=replace(open_load, seconds=options.seconds or open_load.seconds),
        native_load=native.QUICK if options.quick else native.NativeLoad(),
        runs=options.runs or (1 if options.quick else 5),
        held_runs=min(options.runs or 3, 1 if options.quick else 3),
        only=tuple(options.only.split(",")),
        gateway=options.gateway,
        beside=tuple(options.beside),
        also=tuple(tuple(pair.split("=", 1)) for pair in options.also),
        build=Path(__file__).parent / "build",
        wants_real_time=not options.quick,
    )


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    add = parser.add_argument
    add("--json", type=Path, metavar="FILE", help="write the rows, each run and the machine")
    add("--plot", type=Path, metavar="FILE.svg", help="draw lateness and CPU time")
    add("--runs", type=int, help="how often each row is measured (5; memory at most 3 times)")
    add("--seconds", type=float, help="length of an open-loop run (4)")
    add("--only", default=",".join(ROWS), metavar="ROW,ROW", help="default: %(default)s")
    add("--quick", action="store_true", help="tiny loads, one run: shows that it works")
    add("--check", action="store_true", help="exit with 1 when a target is missed")
    add("--gateway", default=TAILRACE_COMMAND, metavar="COMMAND", help="instead of this Python's")
    add(
        "--beside",
        action="append",
        default=[],
        metavar="NAME",
        help="measure tailrace beside this relay, not beside all (repeatable)",
    )
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
    lateness_rows: dict[str, Row] = field(default_factory=new_lateness_rows)
    native_rows: dict[str, Row] = field(default_factory=new_native_rows)
    relays: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    facts: dict[str, str] = field(default_factory=dict)


async def _run(settings: Settings) -> Results:
    cores = choose_cores()
    os.sched_setaffinity(0, {cores.load})
    stand_in, results = StandIn(), Results()
    await stand_in.start()
    with tempfile.TemporaryDirectory(prefix="tailrace-bench-") as directory:
        bed = Bed(Path(directory), cores, stand_in)
        starts = choose_relays(settings)
        try:
            if {*CPU_ROWS, *HELD_ROWS} & {*settings.only}:
                async with asyncio.timeout(TIMEOUT_S):
                    bench = Bench(stand_in, settings.load)
                    await _measure_relays(settings, starts, bed, bench, results)
            if {*steps.STEPS} & {*settings.only}:
                with process.real_time(is_wanted=settings.wants_real_time) as has_it:
                    results.facts["priority"] = PRIORITIES[has_it]
                    before_s, stolen_s = time.monotonic(), process.stolen_s()
                    await _measure_open_loop(settings, starts, bed, results)
                    used_s = time.monotonic() - before_s
                    share = (process.stolen_s() - stolen_s) / used_s
                    results.facts["stolen"] = f"{share:.2%} of a core, by the hypervisor"
            async with asyncio.timeout(TIMEOUT_S):
                await _measure_native(settings, bed, results.native_rows)
            return results
        finally:
            bed.stop()
            await stand_in.stop()


def choose_cores() -> Cores:
    """The first core for the relay, the second one for everything else."""
    available = sorted(os.sched_getaffinity(0))
    if len(available) < 2:
        say("only one core: relay and load share it, times will spread")
    return Cores(available[0], available[-1 if len(available) < 2 else 1])


def choose_relays(settings: Settings) -> Starts:
    """How to start each relay that this machine can run; tailrace comes first."""
    starts: Starts = {"tailrace": lambda bed: bed.tailrace("tailrace", settings.gateway)}
    also = settings.also
    if REFERENCE.exists():
        also = ((REFERENCE_NAME, REFERENCE_COMMAND), *also)
    else:
        say("no Debian's Python here: its column is left out (make .venv/.reference)")
    for name, command in also:
        starts[name] = lambda bed, name=name, command=command: bed.tailrace(name, command)  # type: ignore[misc]
    if shutil.which("nginx"):
        starts["nginx"] = lambda bed: bed.nginx("nginx", "")
        starts["nginx-64k"] = lambda bed: bed.nginx("nginx-64k", NGINX_BIG_BUFFERS)
    else:
        say("no nginx here: its columns are left out (Debian: apt install nginx-light)")
    if program := compile_floor(settings.build):
        starts["floor"] = lambda bed: bed.floor("floor", program)
    else:
        say("no C compiler here: the floor is left out (Debian: apt install gcc libc6-dev)")
    starts |= peers.choose(say)
    if not settings.beside:
        return starts
    if unknown := set(settings.beside) - set(starts):
        raise BenchError(f"no such relay: {', '.join(sorted(unknown))} ({', '.join(starts)})")
    return {name: starts[name] for name in ("tailrace", *settings.beside)}


async def _measure_relays(
    settings: Settings, starts: Starts, bed: Bed, bench: Bench, results: Results
) -> None:
    rows = results.rows
    results.relays = [*starts]
    relays = [await start(bed) for start in starts.values()]
    for relay in relays:
        await bench.request_us(relay)  # brings in what the first requests need
    for run in range(settings.runs):
        for row in CPU_ROWS:
            if row in settings.only:
                say(f"run {run + 1} of {settings.runs}: {row}")
                for relay in relays:
                    await _explained(relay, _measure_cpu(bench, rows, row, relay))
    for run in range(settings.held_runs):
        for row in HELD_ROWS:
            if row in settings.only:
                say(f"run {run + 1} of {settings.held_runs}: {row}, {settings.load.held}")
                for name, start in starts.items():
                    if name != "nginx-64k":
                        await measure_held(bench, results, row, name, start, bed)
    for relay in relays:
        relay.stop()


async def _measure_open_loop(
    settings: Settings, starts: Starts, other: Bed, results: Results
) -> None:
    """On relays of its own, whose function's side is made of plain sockets."""
    poll = Poll()
    responder = Responder(poll)
    bed = other.beside(responder)
    # With larger buffers nginx is the same here.
    starts = {name: start for name, start in starts.items() if name != "nginx-64k"}
    measured = steps.Steps(
        OpenLoop(poll, responder),
        settings.open_load,
        results.rows | results.lateness_rows,
        results.left_out,
    )
    results.relays = [*dict.fromkeys([*results.relays, *starts, DIRECT])]
    try:
        relays = {name: await start(bed) for name, start in starts.items()}
        for relay in relays.values():
            _warm_up(measured, relay)
            if described := interpreter.of_process(relay.process.pid):
                results.facts[f"python of {relay.name}"] = described
        for run in range(1, settings.runs + 1):
            for step in steps.STEPS:
                if step not in settings.only:
                    continue
                say(f"run {run} of {settings.runs}: {step}")
                for name, start in starts.items():
                    if not measured.measure(step, relays[name], run):
                        relays[name].stop()
                        relays[name] = await start(bed)
                        _warm_up(measured, relays[name])
                if step in steps.BESIDE:
                    measured.measure(step, Direct(responder.upstream_port, DIRECT), run)
    finally:
        bed.stop()
        responder.stop()
        poll.stop()


def _warm_up(measured: steps.Steps, relay: Relay) -> None:
    try:
        measured.warm_up(relay)
    except BenchError as error:
        raise BenchError(f"{error}\n{relay.explain()}") from error


async def _measure_native(settings: Settings, bed: Bed, rows: dict[str, Row]) -> None:
    bench = native.NativeBench(bed, settings.native_load, rows)
    for run in range(settings.runs):
        for row in native.ROWS:
            if row in settings.only and (row != "native-memory" or run < settings.held_runs):
                say(f"run {run + 1} of {settings.runs}: {row}")
                await bench.measure(row)


async def _measure_cpu(bench: Bench, rows: dict[str, Row], row: str, relay: Relay) -> None:
    match row:
        case "request":
            rows[row].add(relay.name, await bench.request_us(relay))
        case "request-headers":
            path = f"{HEADERS_PATH}one"
            rows[row].add(relay.name, await bench.request_us(relay, path=path))
        case "bulk":
            rows[row].add(relay.name, await bench.bulk_mb(relay))


async def measure_held(
    bench: Bench, results: Results, row: str, name: str, start: Start, bed: Bed
) -> None:
    """On a fresh process: memory that was used once is not given back.

    A relay that fails is left out: others can still be measured.
    """
    relay = await start(bed)
    held = results.rows[row.replace("-", "_")]
    try:
        held.add(name, await bench.held_bytes(relay, "/" + row) / 1e3)
    except BenchError as error:
        held.add(name, None)
        results.left_out.append(f"{row}, {name}: {error}; {relay.explain()}")
    finally:
        relay.stop()


async def _explained(relay: Relay, measuring: Awaitable[T]) -> T:
    try:
        return await measuring
    except BenchError as error:
        raise BenchError(f"{error}\n{relay.explain()}") from error
