"""The processes under test: started pinned to a core, measured from outside, ended by pid."""

from __future__ import annotations

import ctypes
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from tests.kits.ports import free_port

from bench import process
from bench.load import BenchError

ROOT = Path(__file__).resolve().parent.parent
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 5.0
DESCRIPTORS = 20_000

_ALONE = "--workers 0 --late-s-max 0"
"""One process, which is measured up to its capacity: it refuses nothing."""
TAILRACE_COMMAND = f"{shlex.quote(sys.executable)} -m tailrace.cli gateway {_ALONE}"
REFERENCE = ROOT / ".venv/reference/bin/python"
"""Debian's Python with the gateway's packages: `make .venv/.reference`."""
REFERENCE_COMMAND = f"{shlex.quote(str(REFERENCE))} -m tailrace.cli gateway {_ALONE}"
TAILRACE_CONFIG = """\
[gateway]
first_byte_timeout_s = 120

[functions.bench]
command = ["true"]

[[routes]]
path = "/*"
function = "bench"
concurrency = 10000
"""
NGINX_CONFIG = """\
daemon off;
master_process off;
pid {directory}/nginx.pid;
worker_rlimit_nofile {descriptors};
events {{ worker_connections {connections}; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  client_body_temp_path {directory}/body;
  proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
  upstream function {{
    server 127.0.0.1:{upstream_port};
    keepalive 256;
    keepalive_requests 1000000000;
  }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{
      proxy_pass http://function;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_read_timeout 600s;
      proxy_buffering off;{options}
    }}
  }}
}}
"""


@dataclass(frozen=True, slots=True)
class Cores:
    """Where the relay runs, and where the load and the stand-in run."""

    relay: int
    load: int


@dataclass(slots=True)
class Relay:
    """One running relay."""

    name: str
    port: int
    process: subprocess.Popen[bytes]
    log: Path
    is_raw: bool = field(default=False)

    @property
    def pids(self) -> list[int]:
        """The process and its workers."""
        return [self.process.pid, *process.children(self.process.pid)]

    def cpu_s(self) -> float:
        """User and system time of the processes so far, to the nanosecond."""
        return sum(map(process.cpu_s, self.pids))

    def resident_bytes(self) -> int:
        return sum(map(process.resident_bytes, self.pids))

    def descriptors(self) -> int:
        return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in self.pids)

    def explain(self) -> str:
        """What the process has said last, for a failure's message."""
        state = self.process.poll()
        end = "still running" if state is None else f"ended with {state}"
        said = self.log.read_bytes()[-2000:].decode(errors="replace").strip()
        return f"{self.name} ({end}) said: {said or 'nothing'}"

    def stop(self) -> None:
        """SIGTERM, and SIGKILL when it does not heed it (open streams may be left)."""
        pids = self.pids if self.process.poll() is None else []
        if pids:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(0.5)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait(STOP_TIMEOUT_S)
        for worker in pids[1:]:  # they end with what they hold, not with their parent
            with suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)


@dataclass(frozen=True, slots=True)
class Direct:
    """No relay: the client is connected to the function. It shows what the method itself adds."""

    port: int
    name: str
    is_raw: bool = False

    def cpu_s(self) -> float:
        return 0.0

    def explain(self) -> str:
        return "there is no relay"

    def stop(self) -> None:
        """Nothing runs."""


Measured = Relay | Direct
"""What a client can be connected to."""


@dataclass(frozen=True, slots=True)
class Starting:
    """How to start one relay: its command line, and where it will listen."""

    command: Sequence[str]
    port: int
    is_raw: bool = False


class FunctionSide(Protocol):
    """Where the function's side listens; see `StandIn`."""

    invoke_port: int
    upstream_port: int

    async def control(self, callback_port: int) -> int:
        """Listens for the control connection of a floor relay; returns the port to give it."""


class Bed:
    """Starts relays in a directory of its own and stops them all in the end."""

    def __init__(self, directory: Path, cores: Cores, stand_in: FunctionSide) -> None:
        self._directory = directory
        self._cores = cores
        self.stand_in = stand_in
        self._relays: list[Relay] = []
        self._count = 0

    def beside(self, stand_in: FunctionSide) -> Bed:
        """Another bed on the same cores, for relays with another function's side."""
        return Bed(self.subdirectory("bed"), self._cores, stand_in)

    async def tailrace(self, name: str, command: str) -> Relay:
        """`command` is `tailrace gateway` or something that takes the same options."""
        port, callback_port = free_port(), free_port()
        config = self.subdirectory(name) / "tailrace.toml"
        config.write_text(TAILRACE_CONFIG)
        words = [
            *shlex.split(command),
            *("--config", str(config), "--listen", f"127.0.0.1:{port}"),
            *("--callback-listen", f"127.0.0.1:{callback_port}"),
            *("--endpoint-url", f"http://127.0.0.1:{self.stand_in.invoke_port}"),
        ]
        return self._start(name, Starting(words, port))

    async def nginx(self, name: str, options: str) -> Relay:
        """nginx as a proxy that buffers nothing; `options` are further lines of its location."""
        port = free_port()
        directory = self.subdirectory(name)
        config = directory / "nginx.conf"
        config.write_text(
            NGINX_CONFIG.format(
                directory=directory,
                descriptors=DESCRIPTORS,
                connections=DESCRIPTORS - 500,
                upstream_port=self.stand_in.upstream_port,
                port=port,
                options=options,
            )
        )
        log = str(directory / "error.log")
        words = ["nginx", "-p", str(directory), "-c", str(config), "-e", log]
        return self._start(name, Starting(words, port))

    async def floor(self, name: str, program: Path) -> Relay:
        port, callback_port = free_port(), free_port()
        control_port = await self.stand_in.control(callback_port)
        words = [str(program), str(port), str(callback_port), str(control_port)]
        return self._start(name, Starting(words, port, is_raw=True))

    def command(self, name: str, words: Sequence[str], port: int) -> Relay:
        """Any program, which will listen on a port."""
        return self._start(name, Starting(words, port))

    def prepare_child(self) -> None:
        """Called in a child: pins it, and ends it with the benchmark, however that ends."""
        os.sched_setaffinity(0, {self._cores.relay})
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG

    def stop(self) -> None:
        for relay in self._relays:
            relay.stop()
        self._relays.clear()

    def subdirectory(self, name: str) -> Path:
        """A new directory, gone with the bed's own."""
        self._count += 1
        directory = self._directory / f"{name}-{self._count}"
        directory.mkdir()
        return directory

    def _start(self, name: str, starting: Starting) -> Relay:
        log = self.subdirectory(name) / "output"
        with log.open("wb") as output:
            started = subprocess.Popen(
                starting.command,
                cwd=ROOT,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                preexec_fn=self.prepare_child,
            )
        relay = Relay(name, starting.port, started, log, starting.is_raw)
        self._relays.append(relay)
        wait_until_listening(relay)
        return relay


def environment() -> dict[str, str]:
    """The benchmark's own, with dummy keys and nothing that looks for real ones."""
    return os.environ | {
        "AWS_ACCESS_KEY_ID": "dummy",
        "AWS_SECRET_ACCESS_KEY": "dummy",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "PYTHONUNBUFFERED": "1",
    }


def wait_until_listening(relay: Relay) -> None:
    """Raises BenchError when the relay ends or does not listen in time.

    It looks into the kernel's table: a connection made to find out would count as a client.
    """
    until_s = time.monotonic() + START_TIMEOUT_S
    address = f" 0100007F:{relay.port:04X} 00000000:0000 0A "
    while relay.process.poll() is None and time.monotonic() < until_s:
        if address in Path("/proc/net/tcp").read_text():
            return
        time.sleep(0.01)
    raise BenchError(f"{relay.explain()} (it does not listen on port {relay.port})")


def compile_floor(build: Path) -> Path | None:
    """The compiled relay, or None where there is no C compiler."""
    source, program = Path(__file__).parent / "relay.c", build / "relay"
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        build.mkdir(exist_ok=True)
        subprocess.run([compiler, "-O2", "-o", str(program), str(source)], check=True)
    return program
