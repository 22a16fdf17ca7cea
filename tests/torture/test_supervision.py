"""What the parent does about workers that stop, die at their start, or are told twice."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from tests.torture.clients import COMPLETE
from tests.torture.fleet import Fleet, peers_of, until
from tests.torture.load import Load, Mix
from tests.torture.restarts import wait_new

pytestmark = pytest.mark.timeout(300)  # many starts of processes, on a busy machine
FEW = Mix(streams=20, rate=10, quick=3, slow=0, stream_s=(1.0, 3.0))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[tuple[Fleet, Load]]:
    with Load(FEW) as load:
        fleet = Fleet(tmp_path, load.side.url)
        try:
            fleet.start()
            fleet.wait_ready()
            load.aim("127.0.0.1", fleet.port)
            load.wait_live(15)
            yield fleet, load
        finally:
            fleet.close()


def pids(fleet: Fleet) -> set[int]:
    return {worker.pid for worker in fleet.workers()}


def test_a_stopped_worker_is_killed_and_replaced(world: tuple[Fleet, Load]) -> None:
    """Its streams break, and only they; the log says what has happened."""
    fleet, load = world
    before = fleet.held()
    known = pids(fleet)
    victim = max(fleet.workers(), key=lambda worker: len(peers_of(worker, fleet.port)))

    victim.suspend()
    until(lambda: victim.status() == psutil.STATUS_STOPPED, "it to stop")
    peers = peers_of(victim, fleet.port)
    wait_new(fleet, load, known, 1)
    tally = load.settle()

    assert not victim.is_running()
    lines = [line for line in fleet.words().splitlines() if str(victim.pid) in line]
    assert any("kill" in line.lower() for line in lines), fleet.words()
    assert {visit.port for visit in load.visits} <= peers, load.visits
    assert tally.count("broken") > 0
    fleet.wait_held(before)


def test_a_worker_that_dies_at_its_start_is_replaced_too(world: tuple[Fleet, Load]) -> None:
    fleet, load = world
    known = pids(fleet)

    for _ in range(3):
        victim = max(fleet.workers(), key=lambda worker: worker.create_time())
        victim.kill()
        until(lambda v=victim: pids(fleet) - known - {v.pid}, "a replacement", fleet)  # type: ignore[misc]
    wait_new(fleet, load, known, 1)

    until(lambda: len(fleet.workers()) == 2, "two workers", fleet)


def test_many_signals_at_once_are_one_reload_after_the_other(world: tuple[Fleet, Load]) -> None:
    """No worker that has begun to serve dies for it, and no client notices."""
    fleet, load = world
    before = fleet.held()
    known = pids(fleet)
    assert fleet.process is not None

    for _ in range(5):
        fleet.process.send_signal(signal.SIGHUP)
        load.wait_more(1)
    wait_new(fleet, load, known, 2)
    tally = load.settle()

    assert tally.count(COMPLETE) == tally.requests, load.visits
    fleet.wait_held(before)


def test_an_end_during_a_reload_leaves_nothing(world: tuple[Fleet, Load]) -> None:
    fleet, load = world
    known = pids(fleet)
    assert fleet.process is not None

    fleet.process.send_signal(signal.SIGHUP)
    until(lambda: pids(fleet) - known, "a new worker", fleet)
    workers = fleet.workers()
    assert fleet.end() == 0, fleet.words()

    assert not psutil.wait_procs(workers, 5)[1], "a worker outlives its parent"
    assert load.tally().count("broken") == 0
