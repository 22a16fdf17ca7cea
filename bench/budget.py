"""`python -m bench.budget`: counts the gateway's instructions, and compares them with a record.

Counts hardly depend on what else the machine does, so a change of some percent can be seen. They
depend on the interpreter, the C library and the packages, so the record names those. With others
there is "no record", which is not a pass.

Exit codes: 0 within the budget, 1 above it, 2 not counted, 3 no record for this interpreter.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import uvloop
from tests.kits.ports import free_port

from bench.counted import MARK
from bench.load import BenchError, Client, connect
from bench.measure import CHUNK
from bench.relays import (
    REFERENCE,
    ROOT,
    TAILRACE_CONFIG,
    Relay,
    environment,
    wait_until_listening,
)
from bench.stand_in import HEADERS_PATH, Sink, StandIn

RECORD: Final = Path(__file__).parent / "budget.json"

EXCESS_MAX: Final = {"request": 1.03, "request-headers": 1.03, "chunk": 1.02}
"""How many times its recorded count each may be. Counts of a request differ by 1 % from run to run,
of a chunk by half a per cent: one more object for each is found."""

WARM_COUNT: Final = 40
"""Requests and chunks before those that are counted."""
ROUND_COUNT: Final = 5
"""The lowest of so many counts is taken: a garbage collection, a sweep or a turn of the loop that
read in two parts what another reads in one can only add."""
REQUEST_COUNT: Final = 40
CHUNK_COUNT: Final = 300
"""In one round."""
REST_S: Final = 0.005
"""After a response: its connection to the function ends before the next request starts."""
QUIET_S: Final = 0.2
IDLE_S: Final = 2.0
TIMEOUT_S: Final = 300.0

_TOTAL: Final = re.compile(r"^(?:totals|summary): ([0-9]+)$", re.MULTILINE)
_FACTS: Final = """\
import json, platform, sys
from importlib.metadata import version
names = ("uvloop", "httptools", "msgspec")
print(json.dumps({
    "python": sys.version, "libc": " ".join(platform.libc_ver()), "machine": platform.machine(),
    **{name: version(name) for name in names},
}))
"""

ABOVE, NOT_COUNTED, NO_RECORD = 1, 2, 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Count, print a table, and return an exit code; see the module."""
    parser = argparse.ArgumentParser(prog="python -m bench.budget", description=__doc__)
    add = parser.add_argument
    add("--python", type=Path, default=REFERENCE, help="the gateway's interpreter")
    add("--record", action="store_true", help="make what is counted now the record")
    add("--profile", type=Path, metavar="FOLDER", help="keep callgrind's files there")
    options = parser.parse_args(arguments)
    try:
        facts = find_facts(options.python)
        # A process that compiles a module itself counts some percent more afterwards.
        words = (options.python, "-m", "compileall", "-q", ROOT / "src", ROOT / "bench")
        subprocess.run(words, check=True)
        counts = uvloop.run(count(options.python, options.profile))
    except (BenchError, OSError, subprocess.SubprocessError, TimeoutError) as error:
        print(f"budget: {error or f'not done after {TIMEOUT_S:.0f} s'}", file=sys.stderr)
        return NOT_COUNTED
    if options.record:
        document = {"counted_with": facts, "instructions": counts}
        RECORD.write_text(json.dumps(document, indent=2) + "\n")
    print(*(f"{name}: {value}" for name, value in facts.items()), "", sep="\n")
    return judge(facts, counts, json.loads(RECORD.read_text()))


def judge(
    facts: Mapping[str, str], counts: Mapping[str, int], record: Mapping[str, Mapping[str, Any]]
) -> int:
    """Print the counts beside a record, and return an exit code; see the module."""
    if others := [name for name in facts if record["counted_with"].get(name) != facts[name]]:
        print("\n".join(f"{name}: {count:,} instructions" for name, count in counts.items()))
        print(f"no record for this interpreter: other {', '.join(others)}", file=sys.stderr)
        return NO_RECORD
    lines, is_above = compare(counts, record["instructions"])
    print("\n".join(lines))
    return ABOVE if is_above else 0


def compare(counts: Mapping[str, int], recorded: Mapping[str, int]) -> tuple[list[str], bool]:
    """Return a line for each count, and whether one is above its budget."""
    lines, is_above = [], False
    for name, instructions in counts.items():
        ratio, most = instructions / recorded[name], EXCESS_MAX[name]
        verdict = "within the budget" if ratio <= most else f"ABOVE {most} ×"
        is_above = is_above or ratio > most
        lines.append(
            f"{name}: {instructions:,} instructions, {ratio:.3f} × {recorded[name]:,}: {verdict}"
        )
    return lines, is_above


def find_facts(interpreter: Path) -> dict[str, str]:
    """Return what counts depend on; the interpreter must have the gateway's packages."""
    said = subprocess.run([interpreter, "-c", _FACTS], capture_output=True, text=True, check=True)
    valgrind = subprocess.run(["valgrind", "--version"], capture_output=True, text=True, check=True)
    facts: dict[str, str] = json.loads(said.stdout)
    return facts | {"valgrind": valgrind.stdout.strip().removeprefix("valgrind-")}


async def count(interpreter: Path, profile: Path | None = None) -> dict[str, int]:
    """Return the instructions of each kind of work, by its name: a request, a chunk.

    `profile` is a folder in which callgrind's files are kept: `callgrind.4` is that of the first
    kind, `callgrind.6` that of the second, and so on.

    Raises:
        BenchError: the gateway did not start, or a response was not as expected.
    """
    stand_in, function = StandIn(), Function()
    stand_in.play = function.play
    await stand_in.start()
    with tempfile.TemporaryDirectory(prefix="tailrace-budget-") as directory:
        gateway = _start(interpreter, stand_in, Path(directory), profile or Path(directory))
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await asyncio.to_thread(wait_until_listening, gateway.relay)
                return await Visit(gateway, function).count()
        except BenchError as error:
            raise BenchError(f"{error}\n{gateway.relay.explain()}") from error
        finally:
            gateway.relay.process.kill()
            gateway.relay.process.wait()
            await stand_in.stop()


@dataclass(slots=True)
class Gateway:
    """A gateway under callgrind."""

    relay: Relay
    profile: Path
    marks: int = 0
    marked_s: float = 0.0
    idle_per_s: float = 0.0
    """Instructions of a second without work: those of the sweeps."""

    async def rest(self) -> None:
        """Find out what a second without work costs."""
        await self.mark()
        await asyncio.sleep(IDLE_S)
        started_s = self.marked_s
        counted = await self.mark()
        self.idle_per_s = counted / (self.marked_s - started_s)

    async def mark(self) -> int:
        """Return the instructions since the last mark, without those of the sweeps."""
        self.marks += 1
        dump = self.profile.with_name(f"{self.profile.name}.{self.marks}")
        await asyncio.sleep(QUIET_S)
        self.relay.process.send_signal(signal.SIGUSR1)
        while self.relay.process.poll() is None:
            if dump.exists() and (found := _TOTAL.search(dump.read_text())):
                before_s, self.marked_s = self.marked_s, time.monotonic()
                return int(int(found[1]) - self.idle_per_s * (self.marked_s - before_s))
            await asyncio.sleep(REST_S)
        raise BenchError("the gateway has ended")


def _start(interpreter: Path, stand_in: StandIn, directory: Path, profile: Path) -> Gateway:
    config, log = directory / "tailrace.toml", directory / "log"
    config.write_text(TAILRACE_CONFIG)
    profile.mkdir(exist_ok=True)
    for old in profile.glob("callgrind*"):  # of an earlier count, not of this one
        old.unlink()
    port = free_port()
    words = [
        *("valgrind", "--tool=callgrind", f"--callgrind-out-file={profile}/callgrind"),
        f"--dump-before={MARK}*",
        *(
            str(interpreter),
            "-m",
            "bench.counted",
            "gateway",
            *("--late-s-max", "0"),  # under valgrind everything is late
            "--workers",
            "0",
            "--config",
            str(config),
        ),
        *("--listen", f"127.0.0.1:{port}", "--callback-listen", f"127.0.0.1:{free_port()}"),
        *("--endpoint-url", f"http://127.0.0.1:{stand_in.invoke_port}"),
    ]
    variables = {"PYTHONHASHSEED": "0", "PYTHONPATH": f"{ROOT}/src:{ROOT}"}
    with log.open("wb") as output:
        process = subprocess.Popen(
            words,
            cwd=ROOT,
            env=environment() | variables,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    return Gateway(Relay("the gateway", port, process, log), profile / "callgrind")


@dataclass(slots=True)
class Function:
    """The function's side: one chunk for "/one", a stream for any other path."""

    stream: Sink | None = None

    def play(self, path: str, sink: Sink) -> None:
        sink.write(CHUNK, is_last=path == "/one")
        self.stream = sink


class Visit:
    """A client's requests, one after the other, and what each kind costs the gateway."""

    def __init__(self, gateway: Gateway, function: Function) -> None:
        self._gateway = gateway
        self._function = function
        self._failure: str | None = None
        self._has_moved = asyncio.Event()

    async def count(self) -> dict[str, int]:
        """See `count`."""
        await self._gateway.rest()
        port = self._gateway.relay.port
        client = await connect(port, lambda: Client(self._on_bytes, self._on_end, self._on_failure))
        counts = {
            "request": await self._count_requests(client, "/one"),
            "request-headers": await self._count_requests(client, f"{HEADERS_PATH}one"),
            "chunk": await self._count_chunks(client),
        }
        client.abandon()
        return counts

    async def _count_requests(self, client: Client, path: str) -> int:
        async def request() -> None:
            client.ask(path)
            await self._wait()  # the bytes
            await self._wait()  # the end
            await asyncio.sleep(REST_S)

        return await self._count_rounds(request, REQUEST_COUNT)

    async def _count_chunks(self, client: Client) -> int:
        client.ask("/stream")
        await self._wait()
        stream = self._function.stream
        assert stream is not None

        async def chunk() -> None:
            stream.write(CHUNK)
            await self._wait()

        return await self._count_rounds(chunk, CHUNK_COUNT)

    async def _count_rounds(self, act: Callable[[], Awaitable[None]], count: int) -> int:
        for _ in range(WARM_COUNT):
            await act()
        await self._gateway.mark()
        counts = []
        for _ in range(ROUND_COUNT):
            for _ in range(count):
                await act()
            counts.append(await self._gateway.mark() // count)
        return min(counts)

    async def _wait(self) -> None:
        await self._has_moved.wait()
        self._has_moved.clear()
        if self._failure is not None:
            raise BenchError(self._failure)

    def _on_bytes(self, count: int) -> None:
        self._has_moved.set()

    def _on_end(self, client: Client) -> None:
        asyncio.get_running_loop().call_soon(self._has_moved.set)

    def _on_failure(self, message: str) -> None:
        self._failure = message
        self._has_moved.set()


if __name__ == "__main__":
    sys.exit(main())
