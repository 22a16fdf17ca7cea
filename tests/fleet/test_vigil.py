"""Workers that hang are killed: real processes, and looks without time between them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from tailrace.fleet.vigil import Vigil
from tailrace.fleet.worker import Worker
from tailrace.net.process import limits
from tailrace.net.process.board import ACCEPTING, Board
from tailrace.net.process.startup import run

LOOKS = limits.WORKER_SILENT_LOOKS_MAX


@contextlib.contextmanager
def hanging(*command: str) -> Iterator[int]:
    """The id of a process that does nothing."""
    process = subprocess.Popen(command or [sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        yield process.pid
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            process.wait(20)
        assert process.stdin is not None
        process.stdin.close()


def worker_of(board: Board, pid: int) -> Worker:
    """A worker that is ready; nobody reads a channel."""
    row = board.take_row(1)
    assert row is not None
    row["pid"], row["state"], row["held"] = pid, ACCEPTING, 3
    nothing = lambda worker: None  # noqa: E731
    worker = Worker(
        pid=pid, row=row, generation=1, callback_port=1, on_ended=nothing, on_leaving=nothing
    )
    worker.ready.set_result({})
    return worker


def has_ended(pid: int) -> bool:
    """Whether a child has been killed."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def test_a_worker_without_a_beat_is_killed_and_one_with_a_beat_is_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def story(silent_pid: int, lively_pid: int) -> None:
        board = Board.create()
        silent, lively = worker_of(board, silent_pid), worker_of(board, lively_pid)
        vigil = Vigil([silent, lively])

        for count in range(LOOKS):
            lively.row["beat_ns"] = count + 1
            vigil.look()
        assert not caplog.messages
        vigil.look()

        (line,) = caplog.messages
        assert line == (
            f"worker 0 (process {silent_pid}) has not answered for 10 s: killed, and"
            " with it 3 open responses"
        )
        os.waitid(os.P_PID, silent_pid, os.WEXITED | os.WNOWAIT)
        assert not has_ended(lively_pid)
        board.close()

    with hanging() as silent_pid, hanging() as lively_pid:
        run(story(silent_pid, lively_pid))


def test_a_worker_that_outlives_its_drain_is_killed(caplog: pytest.LogCaptureFixture) -> None:
    async def story(pid: int) -> None:
        board = Board.create()
        worker = worker_of(board, pid)
        worker.leaves_by_s = time.monotonic() - 1
        vigil = Vigil([worker])
        for count in range(LOOKS):
            worker.row["beat_ns"] = count + 1
            vigil.look()

        (line,) = caplog.messages
        assert "should have ended 10 s ago: killed, and with it 3 open responses" in line
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        board.close()

    with hanging() as pid:
        run(story(pid))


TRACING = """
import ctypes, sys
libc = ctypes.CDLL(None, use_errno=True)
PTRACE_SEIZE = 0x4206
print(libc.ptrace(PTRACE_SEIZE, int(sys.argv[1]), 0, 0), flush=True)
input()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell")
def test_a_worker_in_a_debugger_is_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    async def story(pid: int) -> None:
        board = Board.create()
        vigil = Vigil([worker_of(board, pid)])
        for _ in range(3 * LOOKS):
            vigil.look()

        (line,) = caplog.messages
        assert line.endswith("has not answered for 10 s: left alone, it is traced")
        assert not has_ended(pid)
        board.close()

    with hanging() as pid:
        arguments = [sys.executable, "-c", TRACING, str(pid)]
        with subprocess.Popen(
            arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as debugger:
            assert debugger.stdout is not None
            assert debugger.stdout.readline() == "0\n"
            run(story(pid))
            debugger.communicate("\n", 20)
