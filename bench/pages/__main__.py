"""`python -m bench.pages`: options, the order of the runs, and the table."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.load import BenchError
from bench.pages import content, loops, measure, painted
from bench.report import Row, as_json, judge, listing, machine, say

KINDS: Final = ("cpu", "memory", "imports", "progress", "events", "painted")


@dataclass(frozen=True, slots=True)
class Load:
    """How much of everything, in each run."""

    pages: int = 5
    turns: int = 1_000_000
    events: int = 20_000
    parts: int = content.PARTS


QUICK: Final = Load(pages=1, turns=20_000, events=200, parts=10)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; return 1 if something has failed, or, with --check, missed its target."""
    parser = argparse.ArgumentParser(prog="python -m bench.pages", description=__doc__)
    add = parser.add_argument
    add("--json", type=Path, metavar="FILE", help="write the rows, each run and the machine")
    add("--runs", type=int, default=15, help="of each measurement, in turn (%(default)s)")
    add("--only", default=",".join(KINDS), metavar="KINDS", help="some of %(default)s")
    add("--quick", action="store_true", help="one tiny run: shows that it works")
    add("--check", action="store_true", help="exit with 1 when a target is missed")
    options = parser.parse_args(arguments)
    kinds = options.only.split(",")
    if unknown := set(kinds) - set(KINDS):
        parser.error(f"--only: there is no {', '.join(sorted(unknown))}")
    runs, load = (1, QUICK) if options.quick else (options.runs, Load())
    rows = new_rows()
    try:
        asyncio.run(_measure(rows, kinds, runs, load))
        if "painted" in kinds:
            painted.measure(rows, runs, load.parts)
    except BenchError as error:
        print(f"bench.pages: {error}", file=sys.stderr)
        return 1
    facts = machine()
    print("\n".join(f"{name}: {value}" for name, value in facts.items()), end="\n\n")
    print(listing(rows))
    if options.json:
        document = as_json(rows, facts, {"runs": runs}, ())
        options.json.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    is_missed = any(verdict.is_met is False for verdict in judge(rows))
    return 1 if options.check and is_missed else 0


def new_rows() -> dict[str, Row]:
    """A row for each measurement, by its name."""
    size = f"{content.PARTS} tables of {content.ROWS} rows"
    rows = [
        Row("page", f"CPU of a page of {size}", "ms"),
        Row("memory", "most memory of a long page", "KB"),
        Row("imports", "CPU of an import", "ms"),
        *loops.new_rows(),
        *painted.new_rows(),
    ]
    return {row.name: row for row in rows}


async def _measure(rows: Mapping[str, Row], kinds: Sequence[str], runs: int, load: Load) -> None:
    await measure.check()
    for run in range(1, runs + 1):
        if "cpu" in kinds:
            await measure.cpu(rows["page"], load.pages)
        if "memory" in kinds:
            await measure.memory(rows["memory"])
        if "imports" in kinds:
            measure.imports(rows["imports"])
        if "progress" in kinds:
            await loops.measure_progress(rows, load.turns)
        if "events" in kinds:
            await loops.measure_events(rows["event"], load.events)
        say(f"run {run} of {runs}")


if __name__ == "__main__":
    sys.exit(main())
