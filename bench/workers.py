"""`python -m bench.workers`: what two workers cost together, beside one, in the same run.

CPU time is that of all processes of a gateway. Requests and chunks come at a pace: as many for each
worker, since a worker that has half as much to do does less in each turn of its event loop, and
more turns. In the rows of full speed, clients ask again at once. Load and functions share the cores
with the gateway, so the throughput is only to be compared within a line.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import uvloop

from bench.load import BenchError, Client, Goal, connect
from bench.measure import CHUNK, Bench, Load
from bench.relays import TAILRACE_COMMAND, Bed, Cores, Relay
from bench.stand_in import Sink, StandIn
from tailrace.net.process.startup import set_up

WORKERS = (1, 2)
TIMEOUT_S = 120.0


@dataclass(frozen=True, slots=True)
class Size:
    """How much of everything."""

    rounds: int = 5
    connections: int = 32
    requests: int = 4_000
    streams: int = 200
    paced_s: float = 4.0
    requests_per_s: int = 300
    chunks_per_s: int = 2_000
    held: int = 9_000


QUICK = Size(rounds=1, connections=4, requests=100, streams=4, paced_s=0.2, held=50)


@dataclass(slots=True)
class Row:
    """One measurement of each number of workers: its values, and what was done per second."""

    unit: str
    values: dict[int, list[float]] = field(default_factory=lambda: {n: [] for n in WORKERS})
    rates: dict[int, list[float]] = field(default_factory=lambda: {n: [] for n in WORKERS})

    def line(self, name: str) -> str:
        """Medians, and the ratio of each round's."""
        one, two = (statistics.median(self.values[n]) for n in WORKERS)
        pairs = zip(*self.values.values(), strict=True)
        ratio = statistics.median(second / first for first, second in pairs)
        text = f"{name:<14} {one:8.2f} {two:8.2f} {self.unit:<3} ratio {ratio:.2f}"
        if self.rates[1]:
            rates = [statistics.median(self.rates[n]) for n in WORKERS]
            text += f"   {rates[0]:8,.0f} {rates[1]:8,.0f} a second"
        return text


class Streams:
    """A function whose streams begin with a chunk each."""

    def __init__(self) -> None:
        self.sinks: list[Sink] = []

    def play(self, path: str, sink: Sink) -> None:
        """Begin a stream."""
        self.sinks.append(sink)
        sink.write(CHUNK)


class WorkersBench:
    """Measures gateways in turn; the stand-in serves them all."""

    def __init__(self, stand_in: StandIn, size: Size) -> None:
        self._size = size
        self._stand_in = stand_in
        load = Load(connections=size.connections, requests=size.requests, held=size.held)
        self._bench = Bench(stand_in, load)
        self._play = stand_in.play
        self.rows = {
            "request": Row("us"),
            "chunk": Row("us"),
            "full-speed": Row("us"),
            "connection": Row("us"),
            "held": Row("KB"),
        }

    async def measure(self, row: str, workers: int, relay: Relay) -> None:
        """Measure one row of one gateway."""
        self._stand_in.play = self._play
        before_s = time.monotonic()
        match row:
            case "request":
                value, done = await self._requests(relay, workers), 0
            case "chunk":
                value, done = await self._chunks(relay, workers), 0
            case "full-speed":
                value = await self._bench.request_us(relay)
                done = self._size.requests
            case "connection":
                value, done = await self._connections(relay)
            case _:
                value, done = await self._bench.held_bytes(relay, "/held-open") / 1e3, 0
        self.rows[row].values[workers].append(value)
        if done:
            self.rows[row].rates[workers].append(done / (time.monotonic() - before_s))

    async def _connections(self, relay: Relay) -> tuple[float, int]:
        """A request on a connection of its own: CPU time, and how many were made."""
        left = count = self._size.requests // 2
        ended = asyncio.Event()
        failures: list[str] = []

        def fail(message: str) -> None:
            failures.append(message)
            ended.set()

        async def visit() -> None:
            nonlocal left
            while left > 0 and not failures:
                left -= 1
                await _visit(relay.port, fail)

        self._stand_in.fail = fail
        before_s = relay.cpu_s()
        async with asyncio.timeout(TIMEOUT_S):
            await asyncio.gather(*(visit() for _ in range(self._size.connections)))
        if failures:
            raise BenchError(failures[0])
        return (relay.cpu_s() - before_s) / count * 1e6, count

    async def _requests(self, relay: Relay, workers: int) -> float:
        """A request on a kept connection, at a pace: CPU time."""
        size = self._size
        count = round(size.paced_s * size.requests_per_s * workers)
        goal, free = Goal(count, "responses"), deque[Client]()

        def on_end(client: Client) -> None:
            goal.add()
            free.append(client)

        async def new() -> Client:
            return await connect(relay.port, lambda: Client(_ignore, on_end, goal.fail))

        self._stand_in.fail = goal.fail
        clients = [await new() for _ in range(size.connections * workers)]
        free += clients
        before_s = relay.cpu_s()
        async for _ in _paced(count, size.requests_per_s * workers):
            if not free:
                clients.append(await new())
                free.append(clients[-1])
            free.popleft().ask("/one")
        await goal.wait(TIMEOUT_S)
        used_s = relay.cpu_s() - before_s
        for client in clients:
            client.transport.close()
        return used_s / count * 1e6

    async def _chunks(self, relay: Relay, workers: int) -> float:
        """A chunk of a stream, at a pace, as tokens are sent: CPU time."""
        size, function = self._size, Streams()
        count = round(size.paced_s * size.chunks_per_s * workers)
        self._stand_in.play = function.play
        # Each stream begins with a chunk.
        begun = Goal(size.streams * len(CHUNK), "bytes of first chunks")
        ended = Goal((size.streams + count) * len(CHUNK), "bytes of chunks")

        def on_bytes(count: int) -> None:
            begun.add(count)
            ended.add(count)

        def fail(message: str) -> None:
            begun.fail(message)
            ended.fail(message)

        def on_end(client: Client) -> None:
            fail("a stream ended")

        self._stand_in.fail = fail
        clients = [
            await connect(relay.port, lambda: Client(on_bytes, on_end, fail))
            for _ in range(size.streams)
        ]
        for client in clients:
            client.ask("/chunks")
        await begun.wait(TIMEOUT_S)
        before_s = relay.cpu_s()
        async for number in _paced(count, size.chunks_per_s * workers):
            function.sinks[number % len(function.sinks)].write(CHUNK)
        await ended.wait(TIMEOUT_S)
        used_s = relay.cpu_s() - before_s
        self._stand_in.fail = _ignore_failure
        for client in clients:
            client.abandon()
        await asyncio.sleep(0.2)
        return used_s / count * 1e6


async def _paced(count: int, per_s: float) -> AsyncIterator[int]:
    """Yield numbers up to `count`, so many a second."""
    sent, began_s = 0, time.monotonic()
    while sent < count:
        due = min(count, round((time.monotonic() - began_s) * per_s))
        for number in range(sent, due):
            yield number
        sent = max(sent, due)
        await asyncio.sleep(0.001)


async def _visit(port: int, fail: Callable[[str], None]) -> None:
    """One request on a connection of its own."""
    has_ended = asyncio.Event()
    client = await connect(port, lambda: Client(_ignore, lambda client: has_ended.set(), fail))
    client.ask("/one")
    await has_ended.wait()
    client.transport.close()


def _ignore_failure(message: str) -> None:
    """Clients leave on purpose."""


def _ignore(count: int) -> None:
    """Bytes that are only read."""


async def run(size: Size, only: Sequence[str]) -> dict[str, Row]:
    """Measure all rows; each round measures one worker and two, one after the other."""
    stand_in = StandIn()
    await stand_in.start()
    cores = sorted(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory(prefix="tailrace-bench-") as directory:
        bed = Bed(Path(directory), Cores(cores[0], cores[-1]), stand_in)
        bench = WorkersBench(stand_in, size)
        try:
            relays = {n: await start(bed, n, cores) for n in WORKERS}
            for row in [row for row in bench.rows if row != "held" and row in only]:
                for number in range(size.rounds):
                    print(f"{row} {number + 1}", file=sys.stderr)
                    for workers, relay in relays.items():
                        await bench.measure(row, workers, relay)
            for relay in relays.values():
                relay.stop()
            if "held" in only:
                for workers in WORKERS:  # fresh ones: used memory is not given back
                    relay = await start(bed, workers, cores)
                    await bench.measure("held", workers, relay)
                    relay.stop()
            return {name: row for name, row in bench.rows.items() if name in only}
        finally:
            bed.stop()
            await stand_in.stop()


async def start(bed: Bed, workers: int, cores: Sequence[int]) -> Relay:
    """A gateway whose processes may use all cores."""
    command = f"{TAILRACE_COMMAND} --workers {workers}"
    relay = await bed.tailrace(f"{workers} workers", command)
    async with asyncio.timeout(30):
        while len(relay.pids) <= workers:
            await asyncio.sleep(0.05)
    for pid in relay.pids:
        os.sched_setaffinity(pid, cores)
    return relay


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a line for each row."""
    parser = argparse.ArgumentParser(prog="python -m bench.workers", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="tiny loads: shows that it works")
    parser.add_argument(
        "--only", default="request,chunk,full-speed,connection,held", metavar="ROW,ROW"
    )
    options = parser.parse_args(arguments)
    set_up()
    try:
        rows = uvloop.run(run(QUICK if options.quick else Size(), options.only.split(",")))
    except (BenchError, TimeoutError) as error:
        print(f"bench: {error or 'not done in time'}", file=sys.stderr)
        return 1
    print(f"{'':<14} {'1 worker':>8} {'2 workers':>8}")
    for name, row in rows.items():
        print(row.line(name))
    return 0


if __name__ == "__main__":
    sys.exit(main())
