"""`tailrace gateway` with its workers, as processes; functions that end when a test wants it."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import psutil
from tests.command import Command, Stream, fetch
from tests.e2e.cut_function import SAMPLE_PATH, STORIES
from tests.kits.ports import free_ports
from tests.peers import until

STORY = STORIES["counted"]
ROUTES = '[[routes]]\npath = "/*"\nfunction = "f"\n'
_HEAD = STORY.head(f"http://127.0.0.1:12345{SAMPLE_PATH}")
TARGET = f"/cut?story={STORY.name}&by=fin&at={len(_HEAD) + len(STORY.message())}"
"""A request for a whole response, of a gateway whose callback port has five digits."""


class Endpoint(Protocol):
    """Where the gateway invokes."""

    url: str


class Fleet(Command):
    """A gateway on free ports, whose file is `config`; it has started when it is entered."""

    def __init__(
        self,
        directory: Path,
        endpoint: Endpoint,
        *more: str,
        workers: int = 1,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.config = directory / "tailrace.toml"
        if not self.config.exists():
            self.config.write_text(ROUTES)
        ports = free_ports(("public",))
        self.port = ports["public"]
        self.url = f"http://127.0.0.1:{self.port}"
        super().__init__(
            [
                *("gateway", "--workers", str(workers), "--listen", f"127.0.0.1:{self.port}"),
                *("--callback-listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"),
                *("--endpoint-url", endpoint.url, *more),
            ],
            cwd=directory,
            environ=environ,
        )

    def __enter__(self) -> Fleet:
        super().__enter__()
        try:
            self.wait_started()
        except BaseException:
            self.__exit__()
            raise
        return self

    @property
    def arguments(self) -> list[str]:
        """The whole command."""
        return self._arguments

    def wait_started(self) -> None:
        """Wait until it serves."""
        self.wait_line("gateway on http")

    def __exit__(self, *exception: object) -> None:
        left = self.workers()
        super().__exit__(*exception)
        for worker in left:  # of a parent that was killed
            with contextlib.suppress(psutil.NoSuchProcess):
                worker.kill()

    @property
    def admin(self) -> str:
        """The URL of the admin listener."""
        return self.wait_line(r"admin on (http://\S+)")[1]

    @property
    def target(self) -> str:
        """What a request asks for: a whole response."""
        return TARGET

    def held(self) -> Stream:
        """A response that has begun, and ends when the endpoint releases it."""
        stream = Stream(f"{self.url}{self.target}&held=1")
        assert stream.response.read(1) == STORY.body[:1]
        return stream

    def serves(self) -> bool:
        """Whether a request gets its response."""
        return fetch(f"{self.url}{self.target}") == (200, STORY.body.decode())

    def workers(self) -> list[psutil.Process]:
        """The processes that serve."""
        try:
            children = psutil.Process(self.process.pid).children()
            return [each for each in children if each.status() != psutil.STATUS_ZOMBIE]
        except psutil.NoSuchProcess:
            return []

    def pids(self) -> set[int]:
        """Those of the workers."""
        return {each.pid for each in self.workers()}

    def wait_pids(self, count: int, *, without: set[int] = frozenset()) -> set[int]:
        """Wait until there are so many workers, none of them of the others."""
        until(
            lambda: len(self.pids()) == count and not self.pids() & without,
            f"{count} workers without {without}, of {self.pids()}",
        )
        return self.pids()

    def reload(self, says: str = "the parent is its new code") -> None:
        """Send SIGHUP, and wait for the line about its end."""
        before = len(self.lines)
        self.signal(signal.SIGHUP)
        self.wait_line(says, after=before)


def rest_of(stream: Stream) -> bytes:
    """All but the first byte of a response that has been released."""
    with stream:
        return stream.read()


def kill(pid: int) -> None:
    """As a crash."""
    os.kill(pid, signal.SIGKILL)
