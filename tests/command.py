"""A `tailrace` command as a process, and a client that sees when bytes arrive."""

from __future__ import annotations

import contextlib
import errno
import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import psutil

PATIENCE_S = 20.0
"""When a wait is in vain."""

EXAMPLES = Path(__file__).parent.parent / "examples" / "tailrace.toml"
ANY_PORTS = tuple(
    text
    for option in ("--listen", "--callback-listen", "--emulator-listen")
    for text in (option, "127.0.0.1:0")
)

AWS_FREE = {
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}

# A function that waits in the middle of its response until the test opens its gate, a named pipe.
GATED = """
import os
from pathlib import Path
from tailrace.function import Head, streamify_response

GATE = Path(os.environ["GATE"])

@streamify_response
def handler(event, context):
    yield Head(headers={"content-type": "text/plain"})
    yield "begun\\n"
    GATE.read_bytes()
    yield "ended\\n"
"""


def open_gate(gate: Path) -> None:
    """Let the gated function go on, which waits or soon will."""
    deadline_s = time.monotonic() + PATIENCE_S
    while True:
        try:
            writing = os.open(gate, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != errno.ENXIO or time.monotonic() > deadline_s:
                raise
            time.sleep(0.005)  # nobody reads yet
        else:
            os.close(writing)
            return


def environ_of(changes: Mapping[str, str] | None = None) -> dict[str, str]:
    """The variables for a command: no colours, no AWS configuration of whoever runs the tests."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return {**kept, "NO_COLOR": "1", **AWS_FREE, **(changes or {})}


def run(
    *arguments: str, cwd: Path | None = None, module: str = "tailrace"
) -> subprocess.CompletedProcess[str]:
    """Run a command that ends by itself."""
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        cwd=cwd,
        env=environ_of(),
        check=False,
    )


class Command:
    """A server that runs while it is entered; its lines on standard error are kept.

    `descriptors` is the most files that it may have open; `passed` are open ones that it inherits.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        cwd: Path | None = None,
        environ: Mapping[str, str] | None = None,
        descriptors: int | None = None,
        passed: Sequence[int] = (),
    ) -> None:
        self._passed = passed
        self._arguments = [sys.executable, "-m", "tailrace", *arguments]
        if descriptors is not None:
            self._arguments = ["prlimit", f"--nofile={descriptors}", *self._arguments]
        self._cwd = cwd
        self._environ = environ_of(environ)
        self.stdout: int | None = None
        """Its standard output, a descriptor that is closed here; None: that of the tests."""
        self.lines: list[str] = []
        self._news = threading.Condition()

    def __enter__(self) -> Self:
        self.process = subprocess.Popen(
            self._arguments,
            stdin=subprocess.DEVNULL,
            stdout=self.stdout,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self._cwd,
            env=self._environ,
            pass_fds=self._passed,
        )
        if self.stdout is not None:
            os.close(self.stdout)
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(2)
            except subprocess.TimeoutExpired:
                self.process.terminate()  # the second one cuts off what is open
                self.process.wait(PATIENCE_S)
        self._reader.join(PATIENCE_S)
        assert self.process.stderr is not None
        self.process.stderr.close()

    def wait_line(self, pattern: str, after: int = 0) -> re.Match[str]:
        """Wait for a line in which the pattern is found; `after` lines are not looked at."""
        deadline_s = time.monotonic() + PATIENCE_S
        with self._news:
            while True:
                for line in self.lines[after:]:
                    if match := re.search(pattern, line):
                        return match
                left_s = deadline_s - time.monotonic()
                if left_s <= 0 or not self._reader.is_alive():
                    raise AssertionError(f"no line has {pattern!r}:\n" + "\n".join(self.lines))
                self._news.wait(min(left_s, 0.5))

    def count(self, pattern: str) -> int:
        """In how many lines the pattern is found so far."""
        with self._news:
            return sum(re.search(pattern, line) is not None for line in self.lines)

    def wait_lines(self, count: int, pattern: str) -> None:
        """Wait until the pattern is found in so many lines."""
        deadline_s = time.monotonic() + PATIENCE_S
        while self.count(pattern) < count:
            assert time.monotonic() < deadline_s, "\n".join(self.lines)
            time.sleep(0.01)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def kill(self) -> None:
        """End it and its processes at once, as the kernel does when memory is short."""
        victims = psutil.Process(self.process.pid).children(recursive=True)
        self.process.kill()
        self.process.wait(PATIENCE_S)
        for victim in victims:  # after the process itself, which would start them again
            with contextlib.suppress(psutil.NoSuchProcess):
                victim.kill()

    def wait_exit(self) -> int:
        """Wait for the end; the exit code."""
        return self.process.wait(PATIENCE_S)

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._news:
                self.lines.append(line.rstrip("\n"))
                self._news.notify_all()
        with self._news:
            self._news.notify_all()


class DevCommand(Command):
    """`tailrace dev` on free ports; `url` is where clients connect.

    Without a configuration it runs in the folder `cwd`.
    """

    def __init__(
        self,
        config: Path | None,
        *more: str,
        cwd: Path | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        file = [] if config is None else ["--config", str(config)]
        super().__init__(["dev", *file, *ANY_PORTS, *more], cwd=cwd, environ=environ)

    def __enter__(self) -> Self:
        super().__enter__()
        try:
            self.url = self.wait_line(r"(?:Open|Gateway) +(http://[^\s/]+)")[1]
            self.wait_line("Ctrl-C stops")
        except BaseException:
            self.__exit__()
            raise
        return self


class Stream:
    """A response that is read while it arrives; close it, or enter it to have it closed."""

    def __init__(self, url: str, *, method: str = "GET", headers: Mapping[str, str] = {}) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        self._connection = http.client.HTTPConnection(
            parts.hostname, parts.port, timeout=PATIENCE_S
        )
        path = parts.path + ("?" + parts.query if parts.query else "")
        self._connection.request(method, path, headers=dict(headers))
        self.response = self._connection.getresponse()
        self.status = self.response.status
        self._text = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave."""
        self.response.close()
        self._connection.close()

    def line(self) -> str:
        """The next line; empty at the end. Raises http.client.IncompleteRead when broken off.

        The response's own `readline` takes a broken end for a clean one.
        """
        while b"\n" not in self._text:
            piece = self.response.read1(65_536)
            if not piece:
                break
            self._text += piece
        line, end, self._text = self._text.partition(b"\n")
        return (line + end).decode()

    def arrivals(self) -> Iterator[tuple[float, str]]:
        """Each line with the wall-clock time at which it was here."""
        while line := self.line():
            yield time.time(), line.rstrip("\n")

    def read(self) -> bytes:
        """All that is left. Raises http.client.IncompleteRead when it was broken off."""
        text, self._text = self._text, b""
        return text + self.response.read()


def wait_refused(url: str) -> None:
    """Wait until nobody listens there any more."""
    parts = urlsplit(url)
    assert parts.hostname is not None and parts.port is not None
    for _ in range(3_000):
        try:
            socket.create_connection((parts.hostname, parts.port), 10).close()
        except ConnectionError:
            return
        time.sleep(0.01)
    raise AssertionError(f"{url} still takes connections")


def fetch(url: str, method: str = "GET") -> tuple[int, str]:
    """Status and text of a whole response."""
    with Stream(url, method=method) as stream:
        return stream.status, stream.read().decode()
