"""The long form: `make torture`. Prints a line for each story, and with --json FILE its figures.

The exit code is 1 if a response looked whole and was not, if a stream beside an attack failed, if a
restart or a deploy lost anything, or if a kill broke other streams than those of the killed worker.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

from tests.torture.crashes import CrashResult, crashes
from tests.torture.green import deploys
from tests.torture.kills import KillResult, kills
from tests.torture.load import Mix, Tally
from tests.torture.restarts import RestartResult, by_holder, by_sighup
from tests.torture.slow import MODES, SlowResult, slow

STORIES: Final = ("slow", "kills", "restarts", "holder", "green", "crashes")


def main() -> int:
    """Run all stories, one after the other."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("--kill-seconds", type=float, default=120.0)
    parser.add_argument("--slow-seconds", type=int, default=30, help="for each mode")
    parser.add_argument("--restarts", type=int, default=20, help="by SIGHUP")
    parser.add_argument("--holder-restarts", type=int, default=5, help="by SIGTERM and a start")
    parser.add_argument("--deploys", type=int, default=10, help="of new versions")
    parser.add_argument("--crash-seconds", type=float, default=120.0, help="of workers and parent")
    parser.add_argument("--streams", type=int, default=300, help="beside restarts")
    parser.add_argument("--only", choices=STORIES, action="append", help="these stories alone")
    parser.add_argument("--connections", type=int, default=400, help="of each attack")
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    figures: dict[str, Any] = {"seed": options.seed}
    wanted = options.only or STORIES
    is_well = True
    with tempfile.TemporaryDirectory() as name:
        for story in STORIES:
            if story in wanted:
                is_well &= _RUN[story](Path(name), options, figures)
    if options.json is not None:
        options.json.write_text(json.dumps(figures, indent=1, default=str) + "\n")
    return 0 if is_well else 1


def _slow(parent: Path, options: argparse.Namespace, figures: dict[str, Any]) -> bool:
    is_well = True
    for index, modes in enumerate(([], *([mode] for mode in MODES))):
        directory = _folder(parent, f"slow{index}")
        result = slow(directory, options.slow_seconds, options.connections, modes)
        label = modes[0] if modes else "streams alone"
        print(f"{label}: {_shown(result)}", flush=True)
        figures[label] = _figures(result)
        is_well &= set(result.outcomes) == {"complete"}
    return is_well


def _kills(parent: Path, options: argparse.Namespace, figures: dict[str, Any]) -> bool:
    killed = kills(_folder(parent, "kills"), options.kill_seconds, options.seed)
    print(
        f"kill -9 for {killed.seconds:.0f} s (seed {options.seed}): {dict(killed.kills)}; "
        f"responses: {dict(killed.outcomes)}; false or wrong: {killed.lies}",
        flush=True,
    )
    figures["kills"] = _figures(killed)
    return killed.lies == 0


def _restarts(parent: Path, options: argparse.Namespace, figures: dict[str, Any]) -> bool:
    mix = Mix(streams=options.streams, long_streams=4, long_s=8.0 * options.restarts)
    result = by_sighup(_folder(parent, "restarts"), options.restarts, mix)
    figures["restarts by SIGHUP"] = _figures(result)
    return _report_restarts("SIGHUP", result)


def _holder(parent: Path, options: argparse.Namespace, figures: dict[str, Any]) -> bool:
    mix = Mix(streams=options.streams, stream_s=(1.0, 4.0))
    result = by_holder(_folder(parent, "holder"), options.holder_restarts, mix)
    figures["restarts under a holder"] = _figures(result)
    return _report_restarts("SIGTERM, under a holder of the socket", result)


def _green(parent: Path, options: argparse.Namespace, figures: dict[str, Any]) -> bool:
    mix = Mix(streams=options.streams)
    result = deploys(_folder(parent, "green"), options.deploys, mix)
    tally, versions = result.load.tally, result.versions
    lost = ", ".join(f"{count} {name}" for name, count in tally.lost.items())
    print(
        f"{options.deploys} deploys of new versions: {tally.requests} requests on"
        f" {tally.connections} connections; lost: {lost}; of another version than the newest:"
        f" {len(versions.strangers)}; by version: {dict(versions.answered)}; streams left to the"
        f" old version: {result.streams}; callbacks: {result.load.ends}",
        *result.load.failed,
        *versions.strangers[:20],
        sep="\n  ",
        flush=True,
    )
    figures["deploys"] = _figures(result.load) | {
        "streams left": result.streams,
        "strangers": len(versions.strangers),
    }
    has_failed = any(tally.lost.values()) or versions.strangers or result.load.surprises
    return not has_failed


def _report_restarts(how: str, result: RestartResult) -> bool:
    tally = result.tally
    kinds = ", ".join(
        f"{count} {kind}"
        for kind in ("new", "quick", "slow", "stream")
        if (count := sum(n for (each, _), n in tally.outcomes.items() if each == kind))
    )
    waits = ", ".join(f"{kind} {worst:.2f}" for kind, (_, worst) in tally.head_s.items())
    lost = ", ".join(f"{count} {name}" for name, count in tally.lost.items())
    print(
        f"{result.restarts} restarts by {how}: {tally.requests} requests on {tally.connections}"
        f" connections ({kinds}); lost: {lost}; raced: {tally.raced}; closed while idle:"
        f" {tally.idle_closes}; callbacks: {result.ends}; ready after {_seconds(result.ready_s)};"
        f" longest wait for a head in s: {waits}",
        *result.failed,
        sep="\n  ",
        flush=True,
    )
    return not any(tally.lost.values()) and not result.surprises


def _crashes(parent: Path, options: argparse.Namespace, figures: dict[str, Any]) -> bool:
    mix = Mix(streams=options.streams)
    result = crashes(_folder(parent, "crashes"), options.crash_seconds, mix, options.seed)
    assert result.tally is not None
    print(
        f"kill -9 of workers and parent for {result.seconds:.0f} s (seed {options.seed}):"
        f" {dict(result.kills)}; {result.tally.requests} requests, {result.victims} open on killed"
        f" workers, {result.broken} broke visibly; ended as if nothing had happened:"
        f" {len(result.survivors)}; broken elsewhere: {len(result.strangers)}; false or wrong:"
        f" {len(result.lies)}; while there was no parent: {dict(result.away)}; back after"
        f" {_seconds(result.down_s)}",
        *result.strangers[:20],
        *result.lies[:20],
        sep="\n  ",
        flush=True,
    )
    figures["crashes"] = _figures(result)
    return not (result.strangers or result.lies or result.survivors)


_RUN: Final = {
    "slow": _slow,
    "kills": _kills,
    "restarts": _restarts,
    "holder": _holder,
    "green": _green,
    "crashes": _crashes,
}


def _folder(parent: Path, name: str) -> Path:
    directory = parent / name
    directory.mkdir()
    return directory


def _seconds(times_s: list[float]) -> str:
    ordered = sorted(times_s)
    return f"{ordered[len(ordered) // 2]:.1f} s, at most {ordered[-1]:.1f} s" if ordered else "-"


def _figures(result: SlowResult | KillResult | RestartResult | CrashResult) -> dict[str, Any]:
    # Not `asdict`, which makes a Counter of pairs of a Counter.
    values = {field.name: getattr(result, field.name) for field in fields(result)}
    tally = values.pop("tally", None)
    if isinstance(tally, Tally):
        values |= {field.name: getattr(tally, field.name) for field in fields(tally)}
        values["outcomes"] = {" ".join(key): count for key, count in tally.outcomes.items()}
    return values


def _shown(result: SlowResult) -> str:
    seconds = "; ".join(f"answered in {a} of {of} s" for a, of in result.available.values())
    outcomes = ", ".join(f"{count} {outcome}" for outcome, count in result.outcomes.items())
    late = f"99 % of chunks at most {result.late_p99_s * 1000:.1f} ms late"
    attack = f"{result.connections} connections, {seconds}; " if seconds else ""
    return f"{attack}streams: {outcomes}, {late}"


if __name__ == "__main__":
    sys.exit(main())
