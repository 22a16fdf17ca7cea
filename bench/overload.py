"""`python -m bench.overload`: more requests than a gateway can serve, with its bound and without.

Both gateways are measured in one run, one after the other, on one core; the load and the functions
are on another one. The load is that of the first gateway's capacity for both. Exit code 1 if
something failed.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final

from bench import process
from bench.load import BenchError
from bench.relays import TAILRACE_COMMAND, Bed, Cores
from bench.report import machine
from bench.responder import Responder
from bench.sockets import Poll
from bench.surge import PHASES, QUICK, Load, Result, Surge
from tailrace.limits import LATE_S_MAX

COMMANDS: Final = {
    "without the bound": f"{TAILRACE_COMMAND} --workers 1 --late-s-max 0",
    "with it": f"{TAILRACE_COMMAND} --workers 1 --late-s-max {LATE_S_MAX}",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print a table for each phase, and return an exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.overload", description=__doc__)
    add = parser.add_argument
    add("--gateway", action="append", default=[], metavar="NAME=COMMAND", help="in place of both")
    add("--fresh", action="store_true", help="each request on a connection of its own")
    add("--seconds", type=float, help="of the overload")
    add("--share", type=float, help="of the capacity, as a factor")
    add("--quick", action="store_true", help="to see that it works")
    add("--json", type=Path, metavar="FILE")
    options = parser.parse_args(arguments)
    load = QUICK if options.quick else Load()
    load = replace(
        load,
        overload_s=options.seconds or load.overload_s,
        overload_share=options.share or load.overload_share,
        is_kept=not options.fresh,
    )
    commands = dict(pair.split("=", 1) for pair in options.gateway) or COMMANDS
    try:
        with process.real_time(is_wanted=not options.quick) as is_real_time:
            results = _measure(commands, load)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    facts = machine() | {"priority": "real-time" if is_real_time else "normal"}
    print("\n".join(f"{name}: {value}" for name, value in facts.items()))
    print(_table(results))
    if options.json:
        measured = {name: asdict(result) for name, result in results.items()}
        document = {"facts": facts, "load": asdict(load), "results": measured}
        options.json.write_text(json.dumps(document, indent=2) + "\n")
    return 0


def _measure(commands: Mapping[str, str], load: Load) -> dict[str, Result]:
    usable = sorted(os.sched_getaffinity(0))
    cores = Cores(relay=usable[0], load=usable[-1])
    os.sched_setaffinity(0, {cores.load})
    results: dict[str, Result] = {}
    poll = Poll()
    responder = Responder(poll)
    try:
        with tempfile.TemporaryDirectory() as directory:
            bed = Bed(Path(directory), cores, responder)
            for name, command in commands.items():
                relay = asyncio.run(bed.tailrace("gateway", command))
                surge = Surge(poll, responder, relay, load)
                gc.collect()
                gc.disable()
                try:
                    results[name] = surge.measure(next(iter(_capacities(results)), None))
                finally:
                    gc.enable()
                    surge.close()
                    responder.abandon()
                    relay.stop()
    finally:
        responder.stop()
        poll.stop()
        os.sched_setaffinity(0, usable)
    return results


def _capacities(results: Mapping[str, Result]) -> list[float]:
    return [result.capacity for result in results.values()]


def _table(results: Mapping[str, Result]) -> str:
    """Return the figures of all gateways side by side, phase by phase."""
    lines = [
        f"\n{name}: capacity {result.capacity:.0f}/s, recovered after {result.recovery_s:.2f} s,"
        f" {result.broken} streams broken"
        for name, result in results.items()
    ]
    for phase in PHASES:
        parts = [result.phases[phase] for result in results.values()]
        lines.append(f"\n{phase:24}" + "".join(f"{name:>20}" for name in results))
        for label in dict.fromkeys(label for part in parts for label in part):
            cells = (f"{part[label]:.2f}" if label in part else "-" for part in parts)
            lines.append(f"{label:24}" + "".join(f"{cell:>20}" for cell in cells))
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
