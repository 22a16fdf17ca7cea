"""slowhttptest in its four modes against the public listener, with paced streams beside it."""

from __future__ import annotations

import csv
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles
from typing import Final

from tests.command import environ_of
from tests.torture.world import Load, running

STREAMS: Final = 20
PAUSE_S: Final = 0.05
MODES: Final = {
    "slow headers": ("/callback/a", ["-H", "-i", "2", "-x", "24"]),
    "slow body": ("/callback/a", ["-B", "-i", "2", "-x", "10", "-s", "100000"]),
    "range": ("/large/a", ["-R", "-t", "GET", "-a", "10", "-b", "3000"]),
    "slow read": ("/large/a", ["-X", "-w", "1", "-y", "256", "-n", "2", "-z", "5", "-k", "1"]),
}
"""What each asks for, and its options. The first two never complete a request, and so can share the
route of the streams; the others get responses, which take the places of their own route."""


@dataclass(frozen=True, slots=True)
class SlowResult:
    """What attacks did to the streams beside them.

    `available` has for each attack in how many of its seconds slowhttptest's own probe was
    answered. `late_p99_s` is how much longer than the function's pause a client waited.
    """

    connections: int
    available: dict[str, tuple[int, int]]
    outcomes: Counter[str]
    late_p99_s: float


def slow(directory: Path, seconds: int, connections: int, modes: Sequence[str]) -> SlowResult:
    """Run these modes at the same time, each with so many connections; none: streams alone."""
    with running(directory, pause_s=PAUSE_S) as world:
        with Load(world.url, [("/callback", "1.1")] * STREAMS) as load:
            attacks = [_attack(directory, world.url, mode, seconds, connections) for mode in modes]
            if not attacks:
                time.sleep(seconds)
            for attack in attacks:
                assert attack.wait(seconds + 60) == 0, "slowhttptest failed"
        world.wait_up()
    return SlowResult(
        connections,
        {mode: _availability(_prefix(directory, mode)) for mode in modes},
        load.outcomes,
        quantiles(load.gaps_s, n=100)[98] - PAUSE_S,
    )


def _prefix(directory: Path, mode: str) -> Path:
    return directory / mode.replace(" ", "-")


def _attack(
    directory: Path, url: str, mode: str, seconds: int, connections: int
) -> subprocess.Popen[bytes]:
    program = shutil.which("slowhttptest")
    assert program is not None, "slowhttptest is not installed: make test installs it"
    path, options = MODES[mode]
    command = [program, *options, "-c", str(connections), "-r", str(connections // 2)]
    command += ["-l", str(seconds), "-p", "10", "-u", url + path, "-v", "0"]
    return subprocess.Popen(
        [*command, "-g", "-o", str(_prefix(directory, mode))],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        env=environ_of(),
    )


def _availability(prefix: Path) -> tuple[int, int]:
    """In how many seconds of a report the service was available, and of how many."""
    with prefix.with_suffix(".csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return sum(int(row["Service Available"]) > 0 for row in rows), len(rows)
