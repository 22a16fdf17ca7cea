"""What Lambda's own streaming costs with tailrace at both ends, beside the callback path.

CPU time and memory of large streams, the time to the first byte, the start of a runtime, and what
an invocation and a chunk cost it. Everything is on one machine and warm, unless it says otherwise.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from bench.chain import FUNCTIONS, PATHS, RUNTIME, Chain, start_chain
from bench.function import WAYS, chunk_us, invocation_us
from bench.invoker import variables
from bench.load import REQUEST, BenchError, Client, Goal, connect
from bench.process import cpu_s, peak_bytes, reset_peak, resident_bytes
from bench.relays import Bed
from bench.report import Row

ROWS = ("native", "native-memory", "first-byte", "start", "invocation", "function-chunk")
CHUNK_BYTES = 65_536
STREAMED_BYTES = 200_000_000
REST_S = 0.1
PAUSE_S = 0.02
PAUSE_EVERY_BYTES = 4_000_000
START_TIMEOUT_S = 10.0
T = TypeVar("T")
STARTS = {RUNTIME: "tailrace.runtime", "awslambdaric": "awslambdaric"}


@dataclass(frozen=True, slots=True)
class NativeLoad:
    """How much of everything, in each run."""

    stream_bytes: int = 150_000_000
    memory_bytes: int = STREAMED_BYTES
    requests: int = 60
    starts: int = 10
    invocations: int = 500
    long_invocations: int = 50
    chunks: int = 200


QUICK = NativeLoad(
    stream_bytes=4_000_000,
    memory_bytes=8_000_000,
    requests=3,
    starts=1,
    invocations=10,
    long_invocations=5,
    chunks=20,
)


class NativeBench:
    """Measures one chain; each measurement adds a value to every column of a row."""

    def __init__(self, bed: Bed, load: NativeLoad, rows: Mapping[str, Row]) -> None:
        self._bed = bed
        self._load = load
        self._rows = rows
        self._chain: Chain | None = None

    async def measure(self, name: str) -> None:
        """One run of one row."""
        if name == "start":
            await self._starts()
        elif name == "native-memory":
            await self._memory()
        elif name in ("invocation", "function-chunk"):
            await self._function(name)
        else:
            chain = self._chain = self._chain or start_chain(self._bed)
            measuring = self._cpu(chain) if name == "native" else self._first_bytes(chain)
            await _explained(chain, measuring)

    async def _cpu(self, chain: Chain) -> None:
        """Megabytes for a second of CPU time of all processes together, by each path."""
        chunks = self._load.stream_bytes // CHUNK_BYTES
        for path in PATHS:
            await chain.fetch(path, 16)
            await asyncio.sleep(REST_S)
            pids = chain.pids()
            before_s = sum(map(cpu_s, pids))
            await chain.fetch(path, chunks)
            await asyncio.sleep(REST_S)
            used_s = sum(map(cpu_s, pids)) - before_s
            if chain.pids() != pids:
                raise BenchError("a function process has ended in between")
            self._rows["native"].add(path, chunks * CHUNK_BYTES / 1e6 / used_s)

    async def _memory(self) -> None:
        """How much runtime and emulator grow over a stream whose client rests now and then."""
        chunks = self._load.memory_bytes // CHUNK_BYTES
        for path in PATHS[:2]:
            chain = start_chain(self._bed)
            try:
                await _explained(chain, self._grow(chain, path, chunks))
            finally:
                chain.gateway.stop()
                chain.emulator.stop()

    async def _grow(self, chain: Chain, path: str, chunks: int) -> None:
        await chain.fetch(path, 1)
        await asyncio.sleep(REST_S)
        pids = {"runtime": chain.function_pids()[0], "emulator": chain.emulator.process.pid}
        before = {name: resident_bytes(pid) for name, pid in pids.items()}
        for pid in pids.values():
            reset_peak(pid)
        await chain.fetch(path, chunks, pause_s=PAUSE_S, pause_every_bytes=PAUSE_EVERY_BYTES)
        for name, pid in pids.items():
            grown = max(0, peak_bytes(pid) - before[name]) / 2**20
            self._rows["native-memory"].add(f"{name}, {path}", grown)

    async def _first_bytes(self, chain: Chain) -> None:
        """Milliseconds from a request to the first byte of the body, runtime by runtime in turn."""
        times: dict[str, list[float]] = {name: [] for name in chain.small_ports}
        for port in chain.small_ports.values():
            for _ in range(2):  # the first one starts the function
                await _first_byte_ms(port)
                await asyncio.sleep(REST_S)
        for turn in range(self._load.requests):
            for name, port in _rotated(chain.small_ports, turn):
                times[name].append(await _first_byte_ms(port))
                await asyncio.sleep(PAUSE_S)  # or the next request meets a busy function
        for name, values in times.items():
            self._rows["first-byte"].add_median(name, values)

    async def _starts(self) -> None:
        """Milliseconds from the start of a process to its first request for an event."""
        times: dict[str, list[float]] = {name: [] for name in STARTS}
        for turn in range(self._load.starts):
            for name, module in _rotated(STARTS, turn):
                times[name].append(await _start_ms(module, self._bed.prepare_child))
        for name, values in times.items():
            self._rows["start"].add_median(name, values)

    async def _function(self, name: str) -> None:
        """Microseconds of CPU time of the function's process, way by way."""
        load, prepare_child = self._load, self._bed.prepare_child
        for way in WAYS:
            if name == "invocation":
                used_us = await invocation_us(way, load.invocations, prepare_child)
            elif way.streams:
                used_us = await chunk_us(way, load.long_invocations, load.chunks, prepare_child)
            else:
                continue
            self._rows[name].add(way.name, used_us)


def _rotated(items: Mapping[str, T], turn: int) -> list[tuple[str, T]]:
    """Another one comes first each time: what one leaves behind falls on the next."""
    first = turn % len(items)
    pairs = [*items.items()]
    return pairs[first:] + pairs[:first]


async def _first_byte_ms(port: int) -> float:
    goal = Goal(1, "small responses")
    arrived_s: list[float] = []
    client = await connect(
        port,
        lambda: Client(
            lambda count: arrived_s.append(time.perf_counter()), lambda _: goal.add(), goal.fail
        ),
    )
    asked_s = time.perf_counter()
    client.send(REQUEST.format(path="/").encode())
    await goal.wait()
    client.transport.close()
    return (arrived_s[0] - asked_s) * 1e3


async def _start_ms(module: str, prepare_child: Callable[[], None]) -> float:
    """A listener stands for the Runtime API: it only has to see the first bytes."""
    asked_s: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    async def on_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = await reader.readline()
        if not asked_s.done() and line.startswith(b"GET /2018-06-01/runtime/invocation/next "):
            asked_s.set_result(time.perf_counter())
        await reader.read()  # until the process has ended
        writer.close()

    server = await asyncio.start_server(on_connection, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    started_s = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", module, "plain.handler"],
        cwd=FUNCTIONS,
        env=variables(port),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        preexec_fn=prepare_child,
    )
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            return (await asked_s - started_s) * 1e3
    except TimeoutError:
        raise BenchError(f"{module} did not ask for an event") from None
    finally:
        process.kill()
        process.wait()
        server.close()


async def _explained(chain: Chain, measuring: Awaitable[None]) -> None:
    try:
        await measuring
    except BenchError as error:
        said = "\n".join(relay.explain() for relay in (chain.emulator, chain.gateway))
        raise BenchError(f"{error}\n{said}") from error
