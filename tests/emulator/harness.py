"""A running emulator for tests: real processes, real sockets, and nothing left behind."""

from __future__ import annotations

import asyncio
import gc
import io
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.clock import ManualClock
from tests.e2e.gate import Gate

from tailrace.config import Config, EmulatorConfig, FunctionConfig
from tailrace.emulator.invocation import Attempt, Outcome
from tailrace.emulator.log import EmulatorLog
from tailrace.emulator.service import Emulator

PLAY = Path(__file__).with_name("play.py")
WAIT_S = 20.0


def playing(name: str = "f", *, path: Path, **settings: Any) -> FunctionConfig:
    """A function that plays its event (see play.py)."""
    return FunctionConfig(
        name=name, command=(sys.executable, "-I", "-S", str(PLAY)), path=path, **settings
    )


def config(
    *functions: FunctionConfig,
    retry_delay_scale: float = 0.0,
    freeze: bool = False,
    **emulator: Any,
) -> Config:
    """A configuration in which retries do not wait."""
    return Config(
        path=Path("/tailrace.toml"),
        functions={function.name: function for function in functions},
        emulator=EmulatorConfig(
            retry_delay_scale=retry_delay_scale,
            freeze=freeze,
            allowed_hosts=("example.test",),  # what the clients of `tests.fakes` call a server
            **emulator,
        ),
    )


async def wait_until(condition: Callable[[], object], timeout_s: float = WAIT_S) -> None:
    """Wait for what another process or task is about to do."""
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.005)


class Notes:
    """Observes a Runtime API, and notes what it is told."""

    def __init__(self) -> None:
        self.ready_count = 0
        self.init_outcomes: list[Outcome] = []
        self.cuts: list[Attempt] = []
        self.extension_failures: list[tuple[str, str]] = []

    def on_ready(self) -> None:
        self.ready_count += 1

    def on_init_error(self, outcome: Outcome) -> None:
        self.init_outcomes.append(outcome)

    def on_cut(self, attempt: Attempt) -> None:
        self.cuts.append(attempt)

    def on_extension_failure(self, error_type: str, text: str) -> None:
        self.extension_failures.append((error_type, text))


def is_running(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] not in "ZX"


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP response, header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def function_error(self) -> str | None:
        return self.headers.get("x-amz-function-error")


async def request(
    port: int, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
) -> Answer:
    """One HTTP request on a connection of its own."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        fields = {"host": "localhost", "content-length": str(len(body)), "connection": "close"}
        fields.update(headers or {})
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        writer.write(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body)
        answer = await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()
    top, _, rest = answer.partition(b"\r\n\r\n")
    status_line, *lines = top.decode("latin-1").split("\r\n")
    pairs = (line.partition(": ") for line in lines)
    return Answer(
        int(status_line.split()[1]), {name.lower(): value for name, _, value in pairs}, rest
    )


class Harness:
    """An emulator under test."""

    def __init__(self, service: Emulator, stream: io.StringIO, clock: ManualClock | None) -> None:
        self.service = service
        self._clock = clock
        self._stream = stream

    def advance(self, seconds: float) -> None:
        """Let time pass for time-outs and retries; the emulator has been given a manual clock."""
        assert self._clock is not None
        self._clock.advance(seconds)

    def is_blocked(self) -> bool:
        """Whether the one function that runs can write no more: its bytes are not read, it sleeps.

        The process's state is the kernel's: one that only waits for the processor does not sleep.
        """
        (function,) = self.service._functions.values()
        (environment,) = function._pool._serving
        server, pid = environment._server, environment.pid
        if server is None or pid is None:
            return False
        is_read = all(c.is_reading for c in server._server._connections)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        return not is_read and state == "S"

    @property
    def port(self) -> int:
        return int(self.service.url.rpartition(":")[2])

    @property
    def log(self) -> str:
        """All that has been logged."""
        return self._stream.getvalue()

    async def invoke(
        self,
        event: Any = None,
        *,
        name: str = "f",
        kind: str = "RequestResponse",
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """Invoke a function; an event that is no bytes is sent as JSON."""
        body = event if isinstance(event, bytes) else json.dumps(event).encode()
        return await request(
            self.port,
            "POST",
            f"/2015-03-31/functions/{name}/invocations",
            b"" if event is None else body,
            {"x-amz-invocation-type": kind, **(headers or {})},
        )

    async def play(self, *steps: dict[str, Any], **options: Any) -> Answer:
        """Invoke a playing function."""
        return await self.invoke({"play": steps}, **options)


async def stalled_at(emulator: Harness, gate: Gate) -> int:
    """Wait until a flooding function can write no more; return how many blocks it has begun."""
    latest = await asyncio.to_thread(gate.line)

    def is_stalled() -> bool:
        nonlocal latest
        before, latest = latest, gate.latest(latest)
        return before == latest and emulator.is_blocked()

    await wait_until(is_stalled)
    return int(latest)


@asynccontextmanager
async def running(
    *functions: FunctionConfig,
    retry_delay_scale: float = 0.0,
    freeze: bool = False,
    allowed_origins: tuple[str, ...] = (),
    callback_hosts: tuple[str, ...] = (),
    clock: ManualClock | None = None,
    **options: Any,
) -> AsyncIterator[Harness]:
    """An emulator that serves these functions; afterwards nothing of it may be left."""
    before = _open_files()
    stream = io.StringIO()
    emulator = Emulator(
        config(
            *functions,
            retry_delay_scale=retry_delay_scale,
            freeze=freeze,
            allowed_origins=allowed_origins,
            callback_hosts=callback_hosts,
        ),
        log=EmulatorLog(stream),
        port=0,
        clock=clock,
        **options,
    )
    await emulator.start()
    try:
        yield Harness(emulator, stream, clock)
    finally:
        pids = emulator.pids()
        await emulator.stop()
    statistics = emulator.statistics()
    assert statistics.connections == statistics.removed == 0
    for counts in statistics.functions.values():
        assert (counts.starting, counts.idle, counts.busy, counts.retiring) == (0, 0, 0, 0)
    assert [pid for pid in pids if is_running(pid)] == []
    await wait_until(lambda: len(asyncio.all_tasks()) == 1)
    await wait_until(lambda: _collected_files() == before)


def _collected_files() -> list[str]:
    """What is open but for garbage: a thread that ends keeps its last error, and that a socket."""
    gc.collect()
    return _open_files()


def _open_files() -> list[str]:
    """What is open, but for what the event loop opens once and keeps: /dev/null and its own."""
    kept = ("/dev/null", "anon_inode:")
    names = []
    for descriptor in os.listdir("/proc/self/fd"):
        try:
            names.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        except OSError:  # the directory's own descriptor
            pass
    return sorted(name for name in names if not name.startswith(kept))
