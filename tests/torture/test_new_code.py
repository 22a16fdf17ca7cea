"""New code by SIGHUP: new requests get it, old streams finish on the old; mistakes change nothing.

The gateway runs on a copy of the package, whose files are changed between two signals, under a
load that must not notice.
"""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.torture.clients import COMPLETE, Visit
from tests.torture.fleet import Fleet, until
from tests.torture.functions import MARK
from tests.torture.load import Load, Mix
from tests.torture.restarts import reload

import tailrace

CALM = Mix(streams=10, rate=10, quick=3, slow=0, stream_s=(1.0, 3.0))
HEADS = "tailrace/gateway/response_head.py"
BEFORE = 'HOP_BY_HOP | {"content-length"}'
AFTER = f'HOP_BY_HOP | {{"content-length", "{MARK}"}}'
"""The change: the new code does not relay a header that every function sends."""


pytestmark = pytest.mark.timeout(300)  # many starts of processes, on a busy machine


@dataclass(frozen=True, slots=True)
class World:
    """A gateway on a copy of the package."""

    code: Path
    fleet: Fleet
    load: Load

    @contextmanager
    def changed(self, name: str, before: str, after: str) -> Iterator[None]:
        """Change a file on disk, and put it back."""
        path = self.code / name
        text = path.read_text()
        assert text.count(before) == 1
        path.write_text(text.replace(before, after))
        try:
            yield
        finally:
            path.write_text(text)

    def ask(self, target: str) -> Visit:
        """A request of the test's own, on its own connection."""
        return self.load.visit(Visit("own", target, pieces=2))

    def is_new(self, name: str) -> bool:
        """Whether a request now gets the new code."""
        visit = self.ask(f"/own/{name}?n=2")
        self.load.until(lambda: visit.end, "an answer")
        assert visit.end == COMPLETE
        return MARK not in visit.fields

    def refused(self, words: str) -> str:
        """Send SIGHUP, and return the line that refuses it."""
        seen = len(self.fleet.text())
        workers = {worker.pid for worker in self.fleet.workers()}
        assert self.fleet.process is not None
        self.fleet.process.send_signal(signal.SIGHUP)

        def found() -> list[str]:
            lines = self.fleet.text()[seen:].splitlines()
            return [line for line in lines if "reload failed" in line and words in line]

        until(found, f"a refusal with {words!r}", self.fleet)
        until(
            lambda: {worker.pid for worker in self.fleet.workers()} <= workers,
            "no others than the workers from before",
            self.fleet,
        )
        return found()[0]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One for all tests; at the end no client has lost anything, and the parent has what it had."""
    directory = tmp_path_factory.mktemp("new-code")
    source = Path(tailrace.__file__).parent
    shutil.copytree(source, directory / "code" / "tailrace")
    with Load(CALM) as load:
        # A file that changes twice in a second may have the size that it had.
        environ = {"PYTHONPATH": str(directory / "code"), "PYTHONDONTWRITEBYTECODE": "1"}
        fleet = Fleet(directory, load.side.url, environ=environ)
        try:
            fleet.start()
            fleet.wait_ready()
            load.aim("127.0.0.1", fleet.port)
            load.wait_live(5)
            before = fleet.held()
            yield World(directory / "code", fleet, load)
            tally = load.settle()
            assert tally.count(COMPLETE) == tally.requests, load.visits
            fleet.wait_held(before)
            assert fleet.end() == 0, fleet.words()
        finally:
            fleet.close()


def test_new_requests_get_the_new_code_and_old_streams_finish_on_the_old(world: World) -> None:
    headless, streaming = world.ask("/own/headless?n=2&gate=0"), world.ask("/own/body?n=2&gate=1")
    world.load.until(lambda: streaming.received, "a stream")
    world.load.until(lambda: "/own/headless?n=2&gate=0" in world.load.side.runs, "an invocation")

    with world.changed(HEADS, BEFORE, AFTER):
        assert not world.is_new("before-the-signal")
        reload(world.fleet, world.load)
        until(lambda: world.is_new("after"), "new code", world.fleet)
        assert [world.is_new(f"one-{n}") for n in range(8)] == [True] * 8

        assert headless.is_open and streaming.is_open
        world.load.call(world.load.side.release)
        world.load.until(lambda: headless.end and streaming.end, "old streams to end")

    assert (headless.end, streaming.end) == (COMPLETE, COMPLETE)
    assert MARK in headless.fields, "its head was made by the code that took its request"
    reload(world.fleet, world.load)
    until(lambda: not world.is_new("back"), "the code from before", world.fleet)


def test_a_syntax_error_in_new_code_is_refused_in_words(world: World) -> None:
    was_new = world.is_new("before-the-error")
    with world.changed(HEADS, BEFORE, f"{BEFORE} )"):
        assert "SyntaxError" in world.refused("SyntaxError")
    assert world.is_new("behind-the-error") == was_new


def test_a_mistake_in_the_configuration_changes_nothing(world: World) -> None:
    was_new = world.is_new("before-the-mistake")
    text = world.fleet.config.read_text()
    world.fleet.config.write_text(text.replace("concurrency = 5000", "concurrency = -1"))
    try:
        assert "concurrency" in world.refused("concurrency")
    finally:
        world.fleet.config.write_text(text)
    assert world.is_new("behind-the-mistake") == was_new
