"""CPU time and instructions of requests and chunks, under our runtime and under uvicorn.

What is counted is one process: that of the function, or uvicorn's. A load is so many requests, one
after the other, each answered with so many chunks.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tests.kits.ports import free_port

from bench import function
from bench.chain import FUNCTIONS
from bench.function import PYTHON_VARIABLES, VALGRIND, WARM_UP, Invocations, Way, collected
from bench.load import BenchError, Client, Goal, connect
from bench.process import cpu_s

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 60.0
POLL_S = 0.05
REST_S = 0.05
"""After a load, for what uvicorn does behind a response."""


@dataclass(frozen=True, slots=True)
class Uvicorn:
    """uvicorn with a loop and a parser."""

    name: str
    loop: str
    parser: str
    python: str


@dataclass(frozen=True, slots=True)
class Load:
    """How much, in each run."""

    requests: int = 1000
    streams: int = 100
    chunks: int = 200


Side = Way | Uvicorn


def sides(python: str) -> list[Side]:
    """All that is measured: ours, and uvicorn, which is the last two."""
    runtime = "tailrace.runtime"
    return [
        Way("callback, asyncio", runtime, "web:app", has_callback=True, python=python),
        Way("native stream, asyncio", runtime, "web:app", python=python),
        Way("callback, uvloop", runtime, "web_uvloop:app", has_callback=True, python=python),
        Way("native stream, uvloop", runtime, "web_uvloop:app", python=python),
        Uvicorn("uvicorn, uvloop, httptools", "uvloop", "httptools", python),
        Uvicorn("uvicorn, asyncio, h11", "asyncio", "h11", python),
    ]


async def cpu_us(side: Side, load: Load) -> tuple[float, float]:
    """CPU time of a request with one chunk, and of one chunk more, in microseconds."""
    few = Invocations(load.streams)
    many = replace(few, chunks=1 + load.chunks)
    loads = [WARM_UP, Invocations(load.requests), few, many]
    if isinstance(side, Way):
        used_s = await function.cpu_times_s(side, loads, lambda: None)
    else:
        used_s = await _uvicorn_cpu_s(side, loads)
    request_us = used_s[1] / load.requests * 1e6
    return request_us, (used_s[3] - used_s[2]) / load.streams / load.chunks * 1e6


async def instructions(side: Side, count: int) -> tuple[float, float]:
    """The same in instructions, which hardly depend on what else the machine does."""
    few, more = Invocations(10), Invocations(10 + count)
    long = Invocations(10, 1 + count)
    await _instructions(side, Invocations(1))  # compiles what is imported
    least = await _instructions(side, few)
    request = (await _instructions(side, more) - least) / count
    return request, (await _instructions(side, long) - least) / few.count / count


async def _instructions(side: Side, load: Invocations) -> int:
    if isinstance(side, Way):
        return await function.instructions(side, load, side.python)
    async with _Served(side, VALGRIND) as served:
        await served.ask(load)
        return collected(await served.stop())


async def _uvicorn_cpu_s(side: Uvicorn, loads: Sequence[Invocations]) -> list[float]:
    async with _Served(side) as served:
        marks_s = [served.cpu_s()]
        for load in loads:
            await served.ask(load)
            await asyncio.sleep(REST_S)
            marks_s.append(served.cpu_s())
        return [after - before for before, after in itertools.pairwise(marks_s)]


class _Served:
    """A running uvicorn, and one client that keeps its connection."""

    def __init__(self, side: Uvicorn, command: Sequence[str] = ()) -> None:
        self._port = free_port()
        self._words = [
            *command,
            *(side.python, "-m", "uvicorn", "web:app", "--port", str(self._port)),
            *("--loop", side.loop, "--http", side.parser),
            *("--log-level", "warning", "--no-access-log"),
        ]
        self._goal = Goal(1, "responses")

    async def __aenter__(self) -> _Served:
        self._process = await asyncio.create_subprocess_exec(
            *self._words,
            cwd=FUNCTIONS,
            env={"PATH": os.environ["PATH"]} | PYTHON_VARIABLES,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            self._client = await self._connect()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *unused: object) -> None:
        if self._process.returncode is None:
            self._process.kill()
            await self._process.communicate()

    def cpu_s(self) -> float:
        """CPU time so far."""
        return cpu_s(self._process.pid)

    async def ask(self, load: Invocations) -> None:
        """Send requests, one after the other."""
        for _ in range(load.count):
            self._goal = Goal(1, "responses")
            self._client.ask(f"/?chunks={load.chunks}")
            await self._goal.wait()

    async def stop(self) -> str:
        """End the process; return what it has written to stderr."""
        self._client.abandon()
        self._process.send_signal(signal.SIGINT)
        async with asyncio.timeout(STOP_TIMEOUT_S):
            return (await self._process.communicate())[1].decode("utf-8", "replace")

    async def _connect(self) -> Client:
        def new_client() -> Client:
            return Client(
                lambda count: None,
                lambda client: self._goal.add(),
                lambda message: self._goal.fail(message),
            )

        async with asyncio.timeout(START_TIMEOUT_S):
            while self._process.returncode is None:
                try:
                    return await connect(self._port, new_client)
                except BenchError:
                    await asyncio.sleep(POLL_S)
        raise BenchError("uvicorn has ended")
