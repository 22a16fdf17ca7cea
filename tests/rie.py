"""AWS's own runtime interface emulator, with a function in it, on ports of its own."""

from __future__ import annotations

import functools
import http.client
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import psutil
from tests.kits.ports import free_port
from tests.peers import until

ROOT = Path(__file__).parent.parent
PATH = "/2015-03-31/functions/function/invocations"
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class RieAnswer(NamedTuple):
    """What the emulator answers; request ids are all the same."""

    status: int
    media_type: str | None
    body: bytes


class Rie:
    """One emulator; its function starts with the first invocation."""

    def __init__(self, process: subprocess.Popen[bytes], api_port: int, log: Path) -> None:
        self.process = process
        self._log = log
        until(lambda: len(self._ports()) == 2, "the emulator listens")
        (self.port,) = self._ports() - {api_port}

    def log(self) -> str:
        """What emulator and function have written."""
        return self._log.read_text("utf-8", "replace")

    def invoke(self, event: Any, **headers: str) -> RieAnswer:
        """Invoke the function; its event is JSON, or bytes as they are."""
        payload = event if isinstance(event, bytes) else json.dumps(event).encode()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request("POST", PATH, payload, headers)
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        text = _UUID.sub("ID", body.decode("latin-1")).encode("latin-1")
        return RieAnswer(answer.status, answer.getheader("content-type"), text)

    def _ports(self) -> set[int]:
        connections = psutil.Process(self.process.pid).net_connections()
        return {c.laddr.port for c in connections if c.status == psutil.CONN_LISTEN}


@contextmanager
def running_rie(folder: Path, module: str, handler: str, **environment: str) -> Iterator[Rie]:
    """Run a function of a folder under a runtime's module; everything has ended afterwards."""
    api_port = free_port()  # the runtime is told the address as it is given here
    with tempfile.NamedTemporaryFile(suffix=".log") as log:
        process = subprocess.Popen(
            [
                *(_program(), "--log-level", "info"),
                *("--runtime-interface-emulator-address", "127.0.0.1:0"),
                *("--runtime-api-address", f"127.0.0.1:{api_port}"),
                *(sys.executable, "-m", module, handler),
            ],
            cwd=folder,
            env={
                "PATH": os.environ["PATH"],
                "LAMBDA_TASK_ROOT": str(folder),
                "PYTHONPATH": str(folder),
                **environment,
            },
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            yield Rie(process, api_port, Path(log.name))
        finally:
            children = psutil.Process(process.pid).children(recursive=True)
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            for child in children:
                if child.is_running():
                    child.kill()


@functools.cache
def _program() -> str:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "install-rie.py"],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        timeout=120,
    )
    return done.stdout.strip()
