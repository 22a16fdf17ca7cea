"""What an invocation and a chunk cost the process of a function, by each way to its client.

The benchmark's rows `invocation` and `function-chunk` are CPU time. `python -m bench.function`
counts instructions with valgrind: slow, but a change of a tenth of a percent shows. Either is the
difference of two loads, so the start of the process is in neither.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import re
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.chain import FUNCTIONS
from bench.invoker import Invoker, variables
from bench.load import BenchError
from bench.process import cpu_s

TIMEOUT_S = 300.0
ROOT = Path(__file__).parent.parent
REFERENCE = "/usr/bin/python3.11"
PACKAGES = next(path for path in sys.path if path.endswith("site-packages"))
COUNTED = 100
VALGRIND = ("valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null")
PYTHON_VARIABLES = {
    "PYTHONHASHSEED": "0",  # or counts would differ from start to start
    "PYTHONPATH": os.pathsep.join((str(ROOT / "src"), PACKAGES)),
}


@dataclass(frozen=True, slots=True)
class Way:
    """A runtime, and how a response leaves it."""

    name: str
    module: str
    handler: str = "app.tokens"
    has_callback: bool = False
    python: str = sys.executable

    @property
    def streams(self) -> bool:
        """Whether a response may have any number of chunks."""
        return self.handler == "app.tokens"


WAYS = (
    Way("tailrace.runtime, native stream", "tailrace.runtime"),
    Way("tailrace.runtime, callback", "tailrace.runtime", has_callback=True),
    Way("tailrace.runtime, result", "tailrace.runtime", "plain.result"),
    Way("awslambdaric, callback", "awslambdaric", has_callback=True),
    Way("awslambdaric, result", "awslambdaric", "plain.result"),
)


@dataclass(frozen=True, slots=True)
class Invocations:
    """So many invocations, one after the other, each answered with so many chunks of 64 bytes."""

    count: int
    chunks: int = 1


WARM_UP = Invocations(20)


async def invocation_us(way: Way, count: int, prepare_child: Callable[[], None]) -> float:
    """CPU time of an invocation that is answered with one chunk, in microseconds."""
    _, used_s = await cpu_times_s(way, [WARM_UP, Invocations(count)], prepare_child)
    return used_s / count * 1e6


async def chunk_us(way: Way, count: int, chunks: int, prepare_child: Callable[[], None]) -> float:
    """CPU time of one chunk more, in microseconds; the handler yields them without a pause."""
    loads = [WARM_UP, Invocations(count), Invocations(count, 1 + chunks)]
    _, short_s, long_s = await cpu_times_s(way, loads, prepare_child)
    return (long_s - short_s) / count / chunks * 1e6


async def cpu_times_s(
    way: Way, loads: Sequence[Invocations], prepare_child: Callable[[], None]
) -> list[float]:
    """CPU time of the function's process for each load, which it gets one after the other."""
    borders = list(itertools.accumulate(load.count for load in loads))
    marks_s: list[float] = []

    def on_next(number: int, pid: int) -> None:
        if number == 0 or number in borders:
            marks_s.append(cpu_s(pid))

    await _run(way, loads, [way.python], on_next, prepare_child)
    return [after - before for before, after in itertools.pairwise(marks_s)]


async def instructions(way: Way, load: Invocations, python: str) -> int:
    """Instructions of a process that serves this load, from its start to its end."""
    command = [*VALGRIND, python]
    said = await _run(way, [load], command, lambda number, pid: None, lambda: None)
    return collected(said)


def collected(said: str) -> int:
    """The instructions in what valgrind has written."""
    found = re.search(r"Collected : (\d+)", said)
    if found is None:
        raise BenchError(f"valgrind has counted nothing: {said[-500:]}")
    return int(found[1])


async def _run(
    way: Way,
    loads: Sequence[Invocations],
    command: Sequence[str],
    on_next: Callable[[int, int], None],
    prepare_child: Callable[[], None],
) -> str:
    """Run a function's process with these loads, to its end; return what it wrote to stderr."""
    async with Invoker() as invoker:
        events = [
            event
            for load in loads
            for event in itertools.repeat(invoker.event(load.chunks, way.has_callback), load.count)
        ]
        numbers = itertools.count()

        def next_event() -> bytes | None:
            number = next(numbers)
            on_next(number, process.pid)
            return events[number] if number < len(events) else None

        invoker.next_event = next_event
        process = await asyncio.create_subprocess_exec(
            *command,
            *("-m", way.module, way.handler),
            cwd=FUNCTIONS,
            env=variables(invoker.port) | PYTHON_VARIABLES,
            preexec_fn=prepare_child,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(TIMEOUT_S):
                said = (await process.communicate())[1].decode("utf-8", "replace")
        finally:
            if process.returncode is None:
                process.kill()
        if next(numbers) != len(events) + 1:
            raise BenchError(f"{way.name}: the process ended early: {said[-500:]}")
        return said


async def _count(ways: Sequence[Way], python: str) -> None:
    print(f"{'thousands of instructions':34}{'start':>10}{'invocation':>12}{'chunk':>8}")
    for way in ways:
        await instructions(way, Invocations(1), python)  # compiles what is imported
        few = await instructions(way, Invocations(10), python)
        each = (await instructions(way, Invocations(10 + COUNTED), python) - few) / COUNTED
        line = f"{way.name:34}{(few - 10 * each) / 1e3:10,.0f}{each / 1e3:12,.1f}"
        if way.streams:
            many = await instructions(way, Invocations(10, 1 + COUNTED), python)
            line += f"{(many - few) / 10 / COUNTED / 1e3:8,.2f}"
        print(line, flush=True)


def main() -> int:
    """Print a table of instructions."""
    parser = argparse.ArgumentParser(prog="python -m bench.function", description=__doc__)
    python = REFERENCE if os.path.exists(REFERENCE) else sys.executable
    parser.add_argument("--python", default=python, help="the interpreter (%(default)s)")
    parser.add_argument("--only", default="", metavar="TEXT", help="ways with this in their names")
    options = parser.parse_args()
    if shutil.which("valgrind") is None:
        print("bench.function: no valgrind here (Debian: apt install valgrind)", file=sys.stderr)
        return 1
    ways = [way for way in WAYS if options.only in way.name]
    asyncio.run(_count(ways, options.python))
    return 0


if __name__ == "__main__":
    sys.exit(main())
