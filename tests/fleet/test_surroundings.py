"""Signals at any moment, and surroundings in which a gateway has less than usual."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from tests.command import PATIENCE_S, environ_of
from tests.e2e.cut_function import CutLambda
from tests.fleet.gateway import STORY, Fleet, rest_of
from tests.peers import until

from tailrace.fleet.spawning import START_SIGNALS, spawn_with
from tailrace.net.ports import is_taken

needs_proc = pytest.mark.skipif(sys.platform != "linux", reason="/proc tells about processes")


class Starting(Fleet):
    """A gateway that has not started when it is entered: its first worker has just begun."""

    def wait_started(self) -> None:
        until(self.workers, "a worker")
        self.first = self.workers()[0]


def test_a_signal_ends_a_start(endpoint: CutLambda, tmp_path: Path) -> None:
    with Starting(tmp_path, endpoint) as gateway:
        gateway.first.suspend()  # it is never ready
        gateway.signal(signal.SIGTERM)
        assert gateway.process.wait(PATIENCE_S) == 0
        assert not gateway.first.is_running()


@needs_proc
def test_a_reload_that_is_asked_for_during_the_start_follows_it(
    endpoint: CutLambda, tmp_path: Path
) -> None:
    with Starting(tmp_path, endpoint) as gateway:
        until(lambda: _takes(gateway.process.pid, signal.SIGHUP), "the handler")
        gateway.signal(signal.SIGHUP)
        gateway.wait_line("reload: ")
        assert gateway.count("signing with dummy keys")  # the first worker has read its options


def test_signals_of_a_terminal_leave_workers_alone(endpoint: CutLambda, tmp_path: Path) -> None:
    with Fleet(tmp_path, endpoint) as gateway:
        (old,) = gateway.pids()
        stream = gateway.held()
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTTIN, signal.SIGTTOU):
            os.kill(old, number)
        gateway.signal(signal.SIGHUP)
        until(lambda: gateway.pids() - {old}, "a new worker")
        (new,) = gateway.pids() - {old}
        os.kill(new, signal.SIGINT)
        os.kill(new, signal.SIGHUP)
        gateway.wait_line("reloaded: ")
        assert gateway.serves()
        endpoint.release()
        assert rest_of(stream) == STORY.body[1:]
        assert gateway.wait_pids(1, without={old}) == {new}
        assert gateway.count("has ended") == 0


def test_signals_wait_for_a_process_that_starts() -> None:
    program = """
import os, signal, sys
for number in signal.pthread_sigmask(signal.SIG_BLOCK, ()):
    os.kill(os.getpid(), number)
sys.exit(len(signal.sigpending()))
"""
    pid = spawn_with([sys.executable, "-c", program], "IGNORED", b"", ())

    _, status = os.waitpid(pid, 0)

    assert os.waitstatus_to_exitcode(status) == len(START_SIGNALS) == 5


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no memfd")
def test_a_process_starts_where_no_folder_can_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/nonexistent")
    program = "import os; assert os.fdopen(int(os.environ['GIVEN'])).read() == 'a document'"

    pid = spawn_with([sys.executable, "-c", program], "GIVEN", b"a document", ())

    assert os.waitpid(pid, 0)[1] == 0


@needs_proc
def test_closed_standard_streams_are_no_sockets(endpoint: CutLambda, tmp_path: Path) -> None:
    gateway = Fleet(tmp_path, endpoint)
    program = f"import os; os.closerange(0, 3); os.execv({sys.executable!r}, {gateway.arguments})"
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, cwd=tmp_path, env=environ_of()) as gateway.process:
        until(lambda: is_taken("127.0.0.1", gateway.port) and gateway.serves(), "a response")
        for pid in (gateway.process.pid, *gateway.pids()):
            streams = {os.readlink(f"/proc/{pid}/fd/{number}") for number in range(3)}
            assert streams == {os.devnull}
        gateway.signal(signal.SIGTERM)
        assert gateway.process.wait(PATIENCE_S) == 0


ORPHAN = """
import os, sys
from tailrace.fleet.vigil import Vigil
vigil = Vigil([])
orphan = os.posix_spawn(sys.executable, [sys.executable, "-c", ""], os.environ)
os.waitid(os.P_PID, orphan, os.WEXITED | os.WNOWAIT)
vigil.reap_orphans()
os.waitid(os.P_PID, orphan, os.WEXITED | os.WNOWAIT)  # its owner has time to collect it
vigil.reap_orphans()
try:
    os.waitpid(orphan, 0)
except ChildProcessError:
    print("collected")
"""


@needs_proc
def test_process_1_collects_orphans() -> None:
    command = [sys.executable, "-c", ORPHAN]
    assert subprocess.check_output(command, text=True, env=environ_of()) == "collected\n"


def _takes(pid: int, number: int) -> bool:
    """Whether a process has a handler for a signal."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    (caught,) = (line for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught.split()[1], 16) >> (number - 1) & 1)
