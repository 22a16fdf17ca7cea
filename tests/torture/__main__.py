"""The long form: `make torture`. Prints a line for each story, and with --json FILE its figures.

The exit code is 1 if a response looked whole and was not, or if a stream beside an attack failed.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from dataclasses import fields
from pathlib import Path
from typing import Any

from tests.torture.kills import KillResult, kills
from tests.torture.slow import MODES, SlowResult, slow


def main() -> int:
    """Run all stories, one after the other."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("--kill-seconds", type=float, default=120.0)
    parser.add_argument("--slow-seconds", type=int, default=30, help="for each mode")
    parser.add_argument("--connections", type=int, default=400, help="of each attack")
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    figures: dict[str, Any] = {"seed": options.seed}
    is_well = True
    with tempfile.TemporaryDirectory() as name:
        for index, modes in enumerate(([], *([mode] for mode in MODES))):
            directory = Path(name) / f"slow{index}"
            directory.mkdir()
            result = slow(directory, options.slow_seconds, options.connections, modes)
            label = modes[0] if modes else "streams alone"
            print(f"{label}: {_shown(result)}", flush=True)
            figures[label] = _figures(result)
            is_well &= set(result.outcomes) == {"complete"}
        directory = Path(name) / "kills"
        directory.mkdir()
        killed = kills(directory, options.kill_seconds, options.seed)
        print(
            f"kill -9 for {killed.seconds:.0f} s (seed {options.seed}): {dict(killed.kills)}; "
            f"responses: {dict(killed.outcomes)}; false or wrong: {killed.lies}"
        )
        figures["kills"] = _figures(killed)
        is_well &= killed.lies == 0
    if options.json is not None:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")
    return 0 if is_well else 1


def _figures(result: SlowResult | KillResult) -> dict[str, Any]:
    # Not `asdict`, which makes a Counter of pairs of a Counter.
    return {field.name: getattr(result, field.name) for field in fields(result)}


def _shown(result: SlowResult) -> str:
    seconds = "; ".join(f"answered in {a} of {of} s" for a, of in result.available.values())
    outcomes = ", ".join(f"{count} {outcome}" for outcome, count in result.outcomes.items())
    late = f"99 % of chunks at most {result.late_p99_s * 1000:.1f} ms late"
    attack = f"{result.connections} connections, {seconds}; " if seconds else ""
    return f"{attack}streams: {outcomes}, {late}"


if __name__ == "__main__":
    sys.exit(main())
