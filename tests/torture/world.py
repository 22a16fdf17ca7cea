"""A gateway and an emulator as processes of their own, on ports that survive a restart.

The functions stream bodies that a client can compute for itself, so each response is either whole,
visibly broken, or wrong.
"""

from __future__ import annotations

import contextlib
import hashlib
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Self

import psutil
from tests.command import environ_of
from tests.e2e.client import Client
from tests.fakes import Broken
from tests.kits.ports import free_port

WAIT_S = 30.0
"""When a wait is in vain."""
CHUNKS = 30
"""How many pieces a body has."""

APP = '''
import hashlib
import time
from tailrace.function import Head, streamify_response


@streamify_response
def paced(event, context):
    """Stream one digest after the other: the body for this path and no other."""
    yield Head(200, {"content-type": "application/octet-stream"})
    for number in range(%d):
        yield hashlib.sha256(f"{event['rawPath']}:{number}".encode()).digest()
        time.sleep(%s)


@streamify_response
def large(event, context):
    """Stream more than the kernel keeps for a client that does not read."""
    for _ in range(256):
        yield bytes(65_536)
'''

CONFIGURATION = """
[emulator]
retry_delay_scale = 0

[gateway]
late_s_max = 0

[functions.paced]
handler = "app.paced"
timeout_s = 60
concurrency = 64

[functions.large]
handler = "app.large"
timeout_s = 60
concurrency = 16

[[routes]]
path = "/large/*"
function = "large"
concurrency = 16

[[routes]]
path = "/stream/*"
function = "paced"
transport = "response-stream"
concurrency = 64

[[routes]]
path = "/*"
function = "paced"
concurrency = 64
"""


def body_of(path: str, chunks: int = CHUNKS) -> bytes:
    """The whole body for a path."""
    return b"".join(hashlib.sha256(f"{path}:{n}".encode()).digest() for n in range(chunks))


class Process:
    """A `tailrace` command that can be killed and started again in place."""

    def __init__(self, arguments: list[str], log: Path) -> None:
        self._command = [sys.executable, "-m", "tailrace", *arguments]
        self._log = log
        self.start()

    def start(self) -> None:
        """Start it (again)."""
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stderr=log, stdout=log, env=environ_of()
            )

    def kill(self) -> None:
        """End it at once, as the kernel does for want of memory."""
        self.process.kill()
        self.process.wait(WAIT_S)

    def stop(self) -> None:
        """End it as an operator does."""
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(2)
        self.process.terminate()
        try:
            self.process.wait(WAIT_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def children(self) -> list[psutil.Process]:
        """The processes that it has started and that run."""
        try:
            return psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []


@dataclass(frozen=True, slots=True)
class World:
    """Where clients connect, and the processes behind it."""

    url: str
    callback_url: str
    emulator: Process
    gateway: Process

    def wait_up(self) -> None:
        """Wait until a request is served."""
        until(lambda: ask(self.url, "/up/0") == "complete", "a response")


@contextlib.contextmanager
def running(directory: Path, *, pause_s: float = 0.005, chunks: int = CHUNKS) -> Iterator[World]:
    """Run both; afterwards none of their processes is left."""
    (directory / "app.py").write_text(APP % (chunks, pause_s))
    config = directory / "tailrace.toml"
    config.write_text(CONFIGURATION)
    url, callback, api = (f"127.0.0.1:{free_port()}" for _ in range(3))
    common = ["--config", str(config)]
    emulator = Process(["emulator", *common, "--listen", api], directory / "emulator.log")
    try:
        arguments = ["--listen", url, "--callback-listen", callback]
        endpoint = ["--endpoint-url", f"http://{api}"]
        log = directory / "gateway.log"
        gateway = Process(["gateway", *common, *arguments, *endpoint], log)
        try:
            world = World(f"http://{url}", f"http://{callback}", emulator, gateway)
            world.wait_up()
            yield world
        finally:
            gateway.stop()
    finally:
        functions = emulator.children()
        emulator.stop()
        _, left = psutil.wait_procs(functions, WAIT_S)
        assert not left, f"functions outlive their emulator: {left}"


def ask(
    url: str,
    path: str,
    *,
    version: str = "1.1",
    chunks: int = CHUNKS,
    on_piece: Callable[[], object] = lambda: None,
) -> str:
    """Ask for a body and return the outcome: "complete" is right to the last byte."""
    try:
        client = Client(url)
    except OSError:
        return "no connection"
    expected = body_of(path, chunks)
    received = b""
    try:
        status = client.ask(path, version=version).head().status
    except (Broken, OSError):
        client.close()
        return "broken before its head"
    try:
        while piece := client.some():
            received += piece
            on_piece()
    except (Broken, OSError):
        is_prefix = expected.startswith(received)
        return "visibly broken" if is_prefix else "WRONG BYTES, THEN BROKEN"
    finally:
        client.close()
    if status != 200:
        return f"status {status}"
    if received == expected:
        return "complete"
    return "SHORT, BUT ENDED AS WHOLE" if expected.startswith(received) else "WRONG BYTES"


class Load:
    """Clients in threads, each with one request after the other, until it is left."""

    def __init__(self, url: str, paths: list[tuple[str, str]]) -> None:
        self.outcomes: Counter[str] = Counter()
        self.gaps_s: list[float] = []
        """Between two pieces of a response, as the clients read them."""
        self.in_body: set[int] = set()
        """The clients that are in the middle of a body, by their number."""
        self._url = url
        self._is_over = threading.Event()
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._run, args=(number, prefix, version))
            for number, (prefix, version) in enumerate(paths)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join(2 * WAIT_S)
            assert not thread.is_alive(), "a client hangs"

    def _run(self, client: int, prefix: str, version: str) -> None:
        number = 0
        while not self._is_over.is_set():
            number += 1
            times_s: list[float] = []

            def on_piece(times_s: list[float] = times_s) -> None:
                times_s.append(time.monotonic())
                self.in_body.add(client)

            path = f"{prefix}/{client}-{number}"
            outcome = ask(self._url, path, version=version, on_piece=on_piece)
            self.in_body.discard(client)
            with self._lock:
                self.outcomes[outcome] += 1
                self.gaps_s += [later - earlier for earlier, later in pairwise(times_s)]
            if outcome != "complete":
                self._is_over.wait(0.05)  # what was killed is not back yet


def until(condition: Callable[[], object], what: str) -> None:
    """Wait for what announces itself in no other way."""
    end_s = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < end_s, f"waited in vain for {what}"
        time.sleep(0.01)
