"""The whole chain on this machine: a client, a gateway, an emulator, real function processes.

`running(...)` writes functions and their configuration into a directory and serves them. Gateway
and emulator run on the event loop of a thread, so a test is a plain script in the order in which
things happen: ask, let the function write, read. When it ends, nothing may be left behind.

A function waits at a gate (see there) until the test lets it go on.
"""

from __future__ import annotations

import asyncio
import gc
import io
import json
import logging
import os
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Self, TypeVar

import psutil
from tests.clock import ManualClock
from tests.command import Command
from tests.e2e.client import Client
from tests.e2e.gate import SOURCE, WAIT_S, Gate
from tests.emulator.harness import is_running
from tests.gateway.world import LogLines

from tailrace.config import Address, Config, load
from tailrace.emulator.log import EmulatorLog
from tailrace.emulator.service import Emulator
from tailrace.gateway.aws.endpoint import AwsEndpoint
from tailrace.gateway.exchange.live import Held
from tailrace.gateway.routes import Router
from tailrace.gateway.service import Gateway
from tailrace.gateway.settings import settings_from
from tailrace.gateway.transports.choice import Transports
from tailrace.net.process.startup import run

T = TypeVar("T")

ANY_PORT = Address("127.0.0.1", 0)
GOING_ON = ("held", "clients", "callbacks", "invocations", "streams")
SECRET = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/[0-9a-f]{32}")


def until(condition: Callable[[], object], what: str) -> None:
    """Wait for what announces itself in no other way."""
    end_s = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < end_s, f"waited in vain for {what}"
        time.sleep(0.005)


class Chain:
    """A gateway and an emulator that run in a thread; use `running`."""

    def __init__(self, config: Config, clock: ManualClock | None) -> None:
        self.config = config
        self._clock = clock
        self.log = LogLines()
        self.failures_expected = False
        """Of functions and of the gateway: tracebacks and errors in the log."""
        self._output = io.StringIO()
        self._opened: list[Client | Gate] = []
        self._thread = threading.Thread(target=self._run, name="chain")
        self._started: Future[None] = Future()
        self._ended: Future[None] = Future()

    @property
    def url(self) -> str:
        """Where clients connect."""
        return self._gateway.public_url

    @property
    def callback_url(self) -> str:
        """Where functions call back."""
        return self._gateway.callback_url

    @property
    def emulator_url(self) -> str:
        """The Lambda API."""
        return self._emulator.url

    @property
    def output(self) -> str:
        """What functions and emulator have printed."""
        return self._output.getvalue()

    def gate(self) -> Gate:
        """A gate for one invocation; `settle` closes it."""
        gate = Gate()
        self._opened.append(gate)
        return gate

    def function_url(self, name: str) -> str:
        """Where clients of a function's URL connect."""
        return self._emulator.function_urls[name]

    def client(self, url: str | None = None, *, receive_bytes: int | None = None) -> Client:
        """A client of the gateway, or another URL; `settle` closes it.

        `receive_bytes` is for the kernel.
        """
        client = Client(url or self.url, receive_bytes=receive_bytes)
        self._opened.append(client)
        return client

    def ask(self, target: str, *args: Any, **options: Any) -> Client:
        """A new client that has sent a request."""
        return self.client().ask(target, *args, **options)

    def look(self, function: Callable[[], T]) -> T:
        """Call a function on the event loop of gateway and emulator."""

        async def call() -> T:
            return function()

        return asyncio.run_coroutine_threadsafe(call(), self._loop).result(WAIT_S)

    def advance(self, seconds: float) -> None:
        """Let time pass for the gateway's deadlines; it has been given a manual clock."""
        clock = self._clock
        assert clock is not None
        self.look(lambda: clock.advance(seconds))

    def is_stuck(self, name: str) -> bool:
        """Whether the one process of a function can write no more.

        What it has written is not read any more, and all its threads sleep. That state is the
        kernel's: a thread that only waits for the processor does not sleep.
        """
        return self.look(lambda: self._is_stuck(name))

    def _is_stuck(self, name: str) -> bool:
        (environment,) = self._emulator._functions[name]._pool._serving
        server, pid = environment._server, environment.pid
        if server is None or pid is None:
            return False
        connections = (*server._server._connections, *self._gateway._callbacks._connections)
        if all(connection.is_reading for connection in connections):
            return False
        states = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/stat")]
        return all(state.rpartition(")")[2].split()[0] == "S" for state in states)

    def queued(self, name: str) -> int:
        """How many events wait for a function."""
        return self.look(lambda: self._emulator.statistics().functions[name].queued)

    def held(self, path: str) -> Held:
        """The one exchange of a path, to be looked at on the loop only."""
        # From inside: no socket tells what an event loop keeps for it.
        exchanges = self._gateway._registry._held.values()
        (held,) = [held for held in exchanges if held.path == path]
        return held

    def outcomes(self, path: str) -> list[str]:
        """How the exchanges of a path ended, by the gateway's summary lines."""
        lines = self.log.named("tailrace.gateway.exchange")
        of_path = [line for line in lines if f" path={path} " in line]
        return [line.partition("outcome=")[2].partition(" ")[0] for line in of_path]

    def settle(self) -> None:
        """Leave as a client, and wait until nothing goes on; no test should leave a failure."""
        for peer in self._opened:
            peer.close()
        self._opened.clear()
        until(lambda: not any(self.look(self._open).values()), "the chain to settle")
        assert SECRET.search(self.log.text() + self.output) is None, "a secret was logged"
        if not self.failures_expected:
            errors = [r for r in self.log.records if r.levelno >= logging.ERROR]
            assert not errors, self.log.text()
            assert "Traceback" not in self.output and "[ERROR]" not in self.output, self.output

    def _open(self) -> dict[str, int]:
        """Counts of what goes on now, zero when nothing does."""
        gateway = self._gateway.statistics()
        emulator = self._emulator.statistics()
        functions = emulator.functions.values()
        return {
            **{name: gateway[name] for name in GOING_ON},
            "busy": sum(f.starting + f.busy + f.retiring for f in functions),
            "events": sum(f.queued + f.retrying for f in functions),
        }

    # --- start and stop -----------------------------------------------------------------------

    def start(self) -> None:
        """Listen; functions start when they are needed."""
        self._thread.start()
        self._started.result(WAIT_S)

    def stop(self) -> None:
        """End everything. Raises what went wrong, also what was left behind."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._ended.result(WAIT_S)
        self._thread.join(WAIT_S)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        try:
            run(self._serve())
            self._ended.set_result(None)
        except BaseException as error:
            (self._ended if self._started.done() else self._started).set_exception(error)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        config = self.config
        self._emulator = emulator = Emulator(config, log=EmulatorLog(self._output), port=0)
        await emulator.start()
        self._gateway = gateway = Gateway(
            settings_from(
                # On a machine that starts a crowd of functions everything is late.
                replace(config.gateway, late_s_max=0.0),
                listen=ANY_PORT,
                callback_listen=ANY_PORT,
                advertise=None,
            ),
            Transports.at(AwsEndpoint(emulator.url, "us-east-1", is_loopback=True)),
            Router(config.routes).match,
            clock=self._clock,
        )
        await gateway.start()
        self._started.set_result(None)
        await self._stop.wait()
        pids = emulator.pids()
        await gateway.stop()
        await emulator.stop()
        await self._assert_alone(pids)

    async def _assert_alone(self, pids: list[int]) -> None:
        """Nothing is left but this task."""
        statistics = self._emulator.statistics()
        assert statistics.connections == statistics.removed == 0, statistics
        for counts in statistics.functions.values():
            assert not any((counts.starting, counts.idle, counts.busy, counts.retiring)), counts
        assert [pid for pid in pids if is_running(pid)] == []
        async with asyncio.timeout(WAIT_S):
            while len(asyncio.all_tasks()) > 1:
                await asyncio.sleep(0.005)


@contextmanager
def running(
    directory: Path,
    files: Mapping[str, str],
    functions: Mapping[str, str | Sequence[str]],
    *,
    clock: ManualClock | None = None,
    **gateway: Any,
) -> Iterator[Chain]:
    """Serve functions, each on the path of its name; afterwards nothing may be left.

    `files` are written into the directory, with `gate.py`; `functions` are handlers or commands;
    `gateway` is what the configuration's section says.
    """
    for name, text in {"gate.py": SOURCE, **files}.items():
        (directory / name).write_text(text, encoding="utf-8")
    path = directory / "tailrace.toml"
    path.write_text(_configuration(functions, gateway), encoding="utf-8")
    with serving(path, clock=clock) as chain:
        yield chain


@contextmanager
def serving(path: Path, *, clock: ManualClock | None = None) -> Iterator[Chain]:
    """Serve a configuration; afterwards nothing may be left.

    The gateway's deadlines count on `clock`, which a test advances; by default on real time.
    """
    run(asyncio.sleep(0))  # libuv opens a pipe once for the whole process
    before, children = _descriptors(), psutil.Process().children(recursive=True)
    # The clients of `tests.fakes` call every server by this name.
    chain = Chain(load(path, allow_hosts=["example.test"]), clock)
    with _logging(chain.log):
        chain.start()
        try:
            yield chain
            chain.settle()
        finally:
            for peer in chain._opened:
                peer.close()
            chain.stop()
    gc.collect()  # clients of third parties may be in cycles
    until(lambda: _descriptors() <= before, "sockets and pipes to be closed")
    assert psutil.Process().children(recursive=True) == children


class GatewayCommand(Command):
    """A gateway in a process of its own, before the emulator of a chain."""

    def __init__(self, chain: Chain) -> None:
        config = str(chain.config.path)
        ports = ("--listen", str(ANY_PORT), "--callback-listen", str(ANY_PORT))
        endpoint = ("--endpoint-url", chain.emulator_url)
        super().__init__(["gateway", "--config", config, *ports, *endpoint])

    def __enter__(self) -> Self:
        super().__enter__()
        try:
            self.url = self.wait_line(r"gateway on (http://\S+), called back")[1]
        except BaseException:
            self.__exit__()
            raise
        return self

    def resident_bytes(self) -> int:
        """Memory that the process has in use."""
        return self._memory("VmRSS")

    def resident_peak_bytes(self) -> int:
        """The most that it has ever had in use."""
        return self._memory("VmHWM")

    def _memory(self, name: str) -> int:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        (line,) = [line for line in status.splitlines() if line.startswith(f"{name}:")]
        return int(line.split()[1]) * 1024


def _configuration(functions: Mapping[str, str | Sequence[str]], gateway: Mapping[str, Any]) -> str:
    lines = ["[emulator]", "retry_delay_scale = 0", "[gateway]"]
    lines += [f"{name} = {json.dumps(value)}" for name, value in gateway.items()]
    for name, what in functions.items():
        key = "handler" if isinstance(what, str) else "command"
        lines += [f"[functions.{name}]", f"{key} = {json.dumps(what)}"]
        lines += ["timeout_s = 120", "concurrency = 40"]
        lines += ["[[routes]]", f'path = "/{name}/*"', f'function = "{name}"']
    return "\n".join([*lines, ""])


@contextmanager
def _logging(handler: logging.Handler) -> Iterator[None]:
    """All that is ours goes to the handler; of others, warnings and more."""
    root, ours = logging.getLogger(), logging.getLogger("tailrace")
    root.addHandler(handler)
    ours.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        ours.setLevel(logging.NOTSET)
        root.removeHandler(handler)


def _descriptors() -> set[str]:
    """The sockets and pipes of this process, by their inode."""
    found = set()
    for name in os.listdir("/proc/self/fd"):
        try:
            link = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            continue
        if link.startswith(("socket:", "pipe:")):
            found.add(link)
    return found
