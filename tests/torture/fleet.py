"""A gateway of several processes on ports that survive it, as a supervisor runs it.

The gateway binds its public port itself, or finds it as descriptor 3, as systemd's socket
activation passes it (sd_listen_fds(3)).
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
from tests.command import environ_of
from tests.kits.ports import free_ports, free_range

LATE_S = 60.0
"""When a wait is in vain."""
CALLBACK_PORTS = 40
"""The width of the range of callback ports: many generations at a time."""

CONFIGURATION = """
[gateway]
drain_timeout_s = 120
first_byte_timeout_s = 120
function_idle_timeout_s = 120
late_s_max = {late_s_max}

[[routes]]
path = "/*"
function = "{function}"
concurrency = 5000
"""

# The descriptor of `sys.argv[1]` becomes 3, and this process the gateway.
_PASS_SOCKET = """
import os, sys
os.dup2(int(sys.argv[1]), 3, inheritable=True)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
"""


@dataclass(frozen=True, slots=True)
class Held:
    """What a process and its children have, for the comparison of before and after."""

    descriptors: int
    sockets: int
    children: int


class Fleet:
    """`tailrace gateway`, that is started again on the same ports.

    `function` is the name that it invokes. Without `workers` it is as it comes, and all other
    options are left out, too. With `holds_socket` the test itself listens, and passes its socket to
    each start. Without `late_s_max` nothing is refused because other tests keep the machine busy.
    """

    def __init__(
        self,
        directory: Path,
        endpoint_url: str,
        *,
        workers: int | None = 2,
        late_s_max: float = 0.0,
        holds_socket: bool = False,
        environ: Mapping[str, str] | None = None,
        more: Sequence[str] = (),
        function: str = "storm",
    ) -> None:
        self.config = directory / "tailrace.toml"
        self._late_s_max = late_s_max
        if not self.config.exists():
            self.configure(function)
        self.log = directory / "gateway.log"
        self.workers_wanted = workers or 1
        taken = free_ports(("public", "admin"))
        self.port, self.admin_port = taken["public"], taken["admin"]
        self.first_callback_port = free_range(CALLBACK_PORTS)
        last = self.first_callback_port + CALLBACK_PORTS - 1
        self._arguments = [
            *["-P", "-m", "tailrace", "gateway", "--config", str(self.config)],
            *["--listen", f"127.0.0.1:{self.port}"],
            *["--callback-listen", f"127.0.0.1:{self.first_callback_port}"],
            *["--endpoint-url", endpoint_url, *more],
        ]
        if workers is not None:
            self._arguments += [
                *["--workers", str(workers)],
                *["--callback-ports", f"{self.first_callback_port}-{last}"],
                *["--admin-listen", f"127.0.0.1:{self.admin_port}"],
            ]
        self._environ = environ_of(environ)
        self._socket: socket.socket | None = None
        if holds_socket:
            self._socket = socket.create_server(("127.0.0.1", self.port), backlog=4096)
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Of the parent."""
        assert self.process is not None
        return self.process.pid

    def configure(self, function: str) -> None:
        """Write the file, for the next start."""
        text = CONFIGURATION.format(late_s_max=self._late_s_max, function=function)
        self.config.write_text(text)

    def start(self) -> None:
        """Start the parent; workers may not be there yet."""
        ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        assert not ignored, "under nohup the gateway ignores SIGHUP, as it should: use setsid"
        command = [sys.executable, *self._arguments]
        passed: tuple[int, ...] = ()
        if self._socket is not None:
            passed = (self._socket.fileno(),)
            command = [sys.executable, "-c", _PASS_SOCKET, str(passed[0]), *self._arguments]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environ,
                pass_fds=passed,
            )

    def wait_ready(self, starts: int = 1) -> None:
        """Wait until it has said so often that it serves."""
        until(lambda: self.text().count("gateway on http") >= starts, "the start", self)

    def end(self) -> int:
        """End it as an operator does, and return its exit code."""
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            self.process.terminate()
        return self.process.wait(2 * LATE_S)

    def close(self) -> None:
        """Kill what is left, its workers too."""
        if self._socket is not None:
            self._socket.close()
        if self.process is None:
            return
        left = self.workers()
        if self.process.poll() is None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(2)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(LATE_S)
        for worker in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                worker.kill()

    def text(self) -> str:
        """Its log so far."""
        return self.log.read_text() if self.log.exists() else ""

    def words(self) -> str:
        """The last lines of its log that are about no exchange."""
        lines = [line for line in self.text().splitlines() if "exchange=" not in line]
        return "\n".join(lines[-30:])

    def workers(self) -> list[psutil.Process]:
        """Its children that run."""
        try:
            children = psutil.Process(self.pid).children(recursive=True)
            return [child for child in children if child.status() != psutil.STATUS_ZOMBIE]
        except psutil.NoSuchProcess:
            return []

    def held(self) -> Held:
        """What the parent has open."""
        process = psutil.Process(self.pid)
        links = [_link(f"/proc/{self.pid}/fd/{number}") for number in _descriptors(self.pid)]
        sockets = sum(link.startswith("socket:") for link in links)
        return Held(len(links), sockets, len(process.children(recursive=True)))

    def wait_held(self, before: Held) -> None:
        """Wait until the parent has what it had before. Raises AssertionError with the links."""
        try:
            until(lambda: self.held() == before, f"{before}", self)
        except AssertionError as error:
            links = [_link(f"/proc/{self.pid}/fd/{number}") for number in _descriptors(self.pid)]
            raise AssertionError(f"{error}\nnow {self.held()}: {links}") from None


def listening_ports(process: psutil.Process) -> set[int]:
    """Where a process listens."""
    connections = process.net_connections(kind="tcp")
    return {each.laddr.port for each in connections if each.status == psutil.CONN_LISTEN}


def peers_of(process: psutil.Process, port: int) -> set[int]:
    """The ports of those whose connections to `port` a process holds."""
    connections = process.net_connections(kind="tcp")
    return {each.raddr.port for each in connections if each.raddr and each.laddr.port == port}


def until(
    condition: Callable[[], object], what: str, fleet: Fleet | None = None, late_s: float = LATE_S
) -> None:
    """Wait for what announces itself in no other way."""
    end_s = time.monotonic() + late_s
    while not condition():
        if time.monotonic() > end_s:
            tail = "" if fleet is None else fleet.words()
            raise AssertionError(f"waited in vain for {what}\n{tail}")
        time.sleep(0.02)


def _descriptors(pid: int) -> list[str]:
    return os.listdir(f"/proc/{pid}/fd")


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""
