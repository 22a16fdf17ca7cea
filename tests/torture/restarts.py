"""Restarts under load: by SIGHUP, and by a holder of the socket as systemd does it."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from tests.torture.fleet import LATE_S, Fleet, listening_ports, until
from tests.torture.load import Load, Mix, Tally

GENERATIONS_MAX = 4
"""A SIGHUP waits until fewer workers than those of so many generations run."""


@dataclass(slots=True)
class RestartResult:
    """What the clients have counted, and how long each restart took."""

    restarts: int
    tally: Tally
    ready_s: list[float] = field(default_factory=list)
    """From the signal until every new worker has invoked a function."""
    ends: dict[str, int] = field(default_factory=dict)
    """How the functions' callbacks ended."""
    surprises: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    """The first requests that failed, in words."""


def by_sighup(
    directory: Path, count: int, mix: Mix, *, pause_s: float = 1.0, late_s_max: float = 0.0
) -> RestartResult:
    """Restart so often. Raises AssertionError if the parent keeps more than it had before."""
    ready_s: list[float] = []
    with loaded(directory, mix, late_s_max=late_s_max) as (fleet, load):
        before = fleet.held()
        for _ in range(count):
            until(
                lambda: len(fleet.workers()) < GENERATIONS_MAX * fleet.workers_wanted,
                "old workers to end",
                fleet,
                60,
            )
            ready_s.append(reload(fleet, load))
            load.wait_more(20)
            time.sleep(pause_s)
        tally = load.settle()
        fleet.wait_held(before)
        assert fleet.end() == 0, fleet.words()
        return result_of(load, count, tally, ready_s)


def by_holder(
    directory: Path, count: int, mix: Mix, *, pause_s: float = 1.0, late_s_max: float = 4.0
) -> RestartResult:
    """End the gateway and start it on the same listening socket, so often.

    Meanwhile connections wait in the kernel's queue for longer than `late_s_max`.
    """
    ready_s: list[float] = []
    with loaded(directory, mix, holds_socket=True, late_s_max=late_s_max) as (fleet, load):
        before = fleet.held()
        for number in range(count):
            load.wait_more(20)
            workers = fleet.workers()
            begun_s = time.monotonic()
            assert fleet.end() == 0, fleet.words()
            assert not psutil.wait_procs(workers, LATE_S)[1], "workers outlive their parent"
            fleet.start()
            fleet.wait_ready(number + 2)
            ready_s.append(time.monotonic() - begun_s)
            time.sleep(pause_s)
        load.wait_more(20)
        tally = load.settle()
        fleet.wait_held(before)
        assert fleet.end() == 0, fleet.words()
        return result_of(load, count, tally, ready_s)


@contextmanager
def loaded(
    directory: Path, mix: Mix, *, holds_socket: bool = False, late_s_max: float = 0.0
) -> Iterator[tuple[Fleet, Load]]:
    """A gateway under its load, all of whose streams have begun."""
    with Load(mix) as load:
        fleet = Fleet(directory, load.side.url, holds_socket=holds_socket, late_s_max=late_s_max)
        try:
            fleet.start()
            fleet.wait_ready()
            load.aim("127.0.0.1", fleet.port)
            load.wait_live(mix.streams * 9 // 10)
            yield fleet, load
        finally:
            fleet.close()


def reload(fleet: Fleet, load: Load) -> float:
    """Send SIGHUP; return after how long every worker of the new generation has invoked."""
    known = {worker.pid for worker in fleet.workers()}
    seen = len(fleet.text())
    begun_s = time.monotonic()
    assert fleet.process is not None
    fleet.process.send_signal(signal.SIGHUP)
    # A new worker may have the port of an old one, which has invoked just now.
    until(lambda: "reloaded: " in fleet.text()[seen:], "the end of the reload", fleet)
    wait_new(fleet, load, known, fleet.workers_wanted)
    return time.monotonic() - begun_s


def wait_new(fleet: Fleet, load: Load, known: set[int], count: int) -> None:
    """Wait until so many workers that were not known have been called back."""
    load.call(load.side.ports.clear)

    def serves(worker: psutil.Process) -> bool:
        try:
            ports = listening_ports(worker) - {fleet.port}
        except psutil.NoSuchProcess:
            return False
        return bool(ports) and ports <= load.call(load.ports_invoked)

    def is_complete() -> bool:
        new = [worker for worker in fleet.workers() if worker.pid not in known]
        return sum(map(serves, new)) >= count

    until(is_complete, "new workers to serve", fleet)


def result_of(load: Load, count: int, tally: Tally, ready_s: list[float]) -> RestartResult:
    """The result of a load that has settled."""
    load.until(load.side.is_idle, "the functions to end")
    assert load.side.repeated == 0, "a request was invoked twice"
    failed = [
        f"{visit.kind} {visit.method} {visit.target} HTTP/{visit.version}: {visit.end},"
        f" {visit.end_s - visit.asked_s:.3f} s after it was asked"
        for visit in load.visits[:20]
    ]
    ends, surprises = dict(load.side.ends), load.side.surprises
    return RestartResult(count, tally, ready_s, ends, surprises, failed)
