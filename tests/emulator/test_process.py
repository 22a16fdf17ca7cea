"""One function process: its pipe, its group, its end."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest
import uvloop
from tests.emulator.harness import is_running, wait_until

from tailrace.emulator.process import FunctionProcess


class Run:
    """A process and what it told."""

    def __init__(self) -> None:
        self.output = b""
        self.exits: list[int] = []
        self.process = FunctionProcess(self._on_output, self.exits.append)

    def _on_output(self, data: bytes) -> None:
        assert self.exits == []
        self.output += data

    async def start(self, program: str, path: Path) -> None:
        arguments = (sys.executable, "-u", "-I", "-S", "-c", program)
        await self.process.start(arguments, path=path, variables={"A": "b"})


def test_output_of_both_kinds_is_read_in_its_order(tmp_path: Path) -> None:
    async def run() -> None:
        program = (
            "import os, sys\n"
            "for n in range(100):\n"
            "    print(n, file=(sys.stdout, sys.stderr)[n % 2])\n"
            "print(os.getcwd(), os.environ['A'], sys.stdin.read() == '')\n"
        )
        it = Run()
        await it.start(program, tmp_path)
        assert await it.process.wait_exit(20)

        *numbers, last = it.output.decode().splitlines()
        assert numbers == [str(n) for n in range(100)]
        assert last == f"{tmp_path.resolve()} b True"
        assert it.exits == [0]

    uvloop.run(run())


def test_a_flood_of_output_does_not_stop_the_loop(tmp_path: Path) -> None:
    async def run() -> None:
        it = Run()
        await it.start("import os\nwhile True: os.write(1, b'x' * 65536)", tmp_path)
        await wait_until(lambda: len(it.output) > 4_000_000)
        await it.process.kill()

        assert it.exits == [-signal.SIGKILL]

    uvloop.run(run())


def test_the_end_of_the_leader_is_the_end_of_the_group(tmp_path: Path) -> None:
    async def run() -> None:
        program = (
            "import subprocess, sys\n"
            "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
            "print(child.pid)\n"
        )
        it = Run()
        await it.start(program, tmp_path)
        assert await it.process.wait_exit(20)

        assert it.process.has_ended and not it.process.is_alive
        await wait_until(lambda: not is_running(int(it.output)))

    uvloop.run(run())


def test_a_daemon_that_keeps_the_pipe_open_does_not_hold_the_end_up(tmp_path: Path) -> None:
    async def run() -> None:
        program = (
            "import subprocess, sys\n"
            "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'],\n"
            "                         start_new_session=True)\n"
            "print(child.pid)\n"
        )
        it = Run()
        await it.start(program, tmp_path)
        try:
            assert await it.process.wait_exit(20)
            assert it.exits == [0]
        finally:
            os.kill(int(it.output), signal.SIGKILL)

    uvloop.run(run())


def test_sigterm_is_enough_for_one_that_listens(tmp_path: Path) -> None:
    async def run() -> None:
        program = (
            "import signal, sys, time\n"
            "signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))\n"
            "print('ready')\n"
            "time.sleep(600)\n"
        )
        it = Run()
        await it.start(program, tmp_path)
        await wait_until(lambda: it.output)
        await it.process.terminate(20)

        assert it.exits == [3]

    uvloop.run(run())


def test_sigkill_is_for_one_that_does_not(tmp_path: Path) -> None:
    async def run() -> None:
        program = (
            "import signal, time\n"
            "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
            "print('ready')\n"
            "time.sleep(600)\n"
        )
        it = Run()
        await it.start(program, tmp_path)
        await wait_until(lambda: it.output)
        await it.process.terminate(0.05)
        await it.process.kill()  # once more is no error

        assert it.exits == [-signal.SIGKILL]

    uvloop.run(run())


def test_the_end_is_seen_before_it_is_told(tmp_path: Path) -> None:
    async def run() -> None:
        it = Run()
        await it.start("print('ready'); import time; time.sleep(600)", tmp_path)
        await wait_until(lambda: it.output)
        assert it.process.is_alive
        os.kill(it.process.pid, signal.SIGKILL)
        while is_running(it.process.pid):  # without a turn of the loop
            pass

        assert not it.process.is_alive
        assert not it.process.has_ended
        assert it.exits == []
        await it.process.wait_exit(20)

    uvloop.run(run())


def test_memory_is_known_while_it_runs(tmp_path: Path) -> None:
    async def run() -> None:
        it = Run()
        await it.start("import time; x = b'x' * 50_000_000; print(1); time.sleep(600)", tmp_path)
        await wait_until(lambda: it.output)
        peak_mb = it.process.memory_peak_mb()
        await it.process.kill()

        assert peak_mb is not None and peak_mb >= 50
        assert it.process.memory_peak_mb() is None

    uvloop.run(run())


def test_a_program_that_cannot_be_started_leaves_nothing_open(tmp_path: Path) -> None:
    async def run() -> None:
        before = os.listdir("/proc/self/fd")
        for arguments, path in (
            (("/nowhere/program",), tmp_path),
            (("/etc/passwd",), tmp_path),
            (("true",), tmp_path / "nowhere"),
        ):
            process = FunctionProcess(lambda _: None, lambda _: None)
            with pytest.raises(OSError):
                await process.start(arguments, path=path, variables={"PATH": "/bin:/usr/bin"})
        await asyncio.sleep(0)

        assert len(os.listdir("/proc/self/fd")) <= len(before) + 1  # /dev/null, once

    uvloop.run(run())
