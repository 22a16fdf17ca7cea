"""kill -9 of workers and of the parent at random, under streams that are compared byte by byte.

The kernel says whose connections a worker holds: it is stopped for the moment of that look, so that
the answer is exact, and killed. Exactly these connections may fail.
"""

from __future__ import annotations

import contextlib
import random
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from tests.torture.clients import COMPLETE, Visit
from tests.torture.fleet import LATE_S, Fleet, listening_ports, peers_of, until
from tests.torture.load import Load, Mix, Tally
from tests.torture.restarts import loaded, wait_new

DECK = (*["worker"] * 4, "parent")
CLOSING_S = 1.0
"""After a death its connections are closed: a client may have asked once more meanwhile."""
PAUSE_S = (0.2, 1.5)
"""Between a recovery and the next kill."""


@dataclass(slots=True)
class CrashResult:
    """What was killed, and what that broke."""

    seconds: float = 0.0
    kills: Counter[str] = field(default_factory=Counter)
    tally: Tally | None = None
    victims: int = 0
    """Requests that were open on a killed worker."""
    broken: int = 0
    """Of these, those that broke."""
    strangers: list[str] = field(default_factory=list)
    """Failures on connections of no killed worker, but for those while there was no parent."""
    survivors: list[str] = field(default_factory=list)
    """Victims that ended as if nothing had happened, before their function had sent everything."""
    lies: list[str] = field(default_factory=list)
    """Responses that looked whole and were not, or had wrong bytes."""
    away: Counter[str] = field(default_factory=Counter)
    """How requests failed between a parent's death and the start of the next one."""
    down_s: list[float] = field(default_factory=list)
    """From a parent's death until its successor serves."""


class Killer:
    """Kills, and knows what each kill may break."""

    def __init__(self, fleet: Fleet, load: Load, seed: int) -> None:
        self.fleet = fleet
        self.load = load
        self.choose = random.Random(seed)
        self.result = CrashResult()
        self.orphans: list[psutil.Process] = []
        self.down: list[tuple[float, float]] = []
        # Of clients: when a worker died that held a connection of theirs. Ports are used again.
        self._ports: defaultdict[int, list[float]] = defaultdict(list)
        self._doomed: list[Visit] = []
        self._starts = 1
        self._log: list[tuple[float, str]] = []
        self._died: list[tuple[float, int]] = []  # and which callback port died with the worker

    def kill_worker(self) -> None:
        """Kill one, perhaps one that has lost its parent."""
        ours = self.fleet.workers()
        self.orphans = [orphan for orphan in self.orphans if orphan.is_running()]
        victim = self.choose.choice([*ours, *self.orphans])
        try:
            victim.suspend()
            until(lambda: victim.status() == psutil.STATUS_STOPPED, "it to stop")
            peers = peers_of(victim, self.fleet.port)
            callback_ports = listening_ports(victim) - {self.fleet.port}
            self.load.call(lambda: self._note_victims(peers))
            victim.kill()
        except psutil.NoSuchProcess:
            return
        now_s = time.monotonic()
        self._log.append((now_s, f"worker {victim.pid}"))
        self._died += [(now_s, port) for port in callback_ports]
        self.result.kills["worker" if victim in ours else "orphan"] += 1
        if victim in ours:
            wait_new(self.fleet, self.load, {worker.pid for worker in ours}, 1)

    def kill_parent(self) -> None:
        """Kill it, and start it again at once on the same ports, as a supervisor does."""
        fleet = self.fleet
        assert fleet.process is not None
        workers = fleet.workers()
        killed_s = time.monotonic()
        fleet.process.kill()
        fleet.process.wait()
        self.orphans += workers
        self.result.kills["parent"] += 1
        self._starts += 1
        fleet.start()
        while fleet.text().count("gateway on http") < self._starts:
            if fleet.process.poll() is not None:  # the old workers have not closed the port yet
                fleet.start()
            assert time.monotonic() < killed_s + LATE_S, fleet.words()
            time.sleep(0.02)
        self.load.wait_more(5)
        self._log.append((killed_s, "parent"))
        self.down.append((killed_s, time.monotonic()))
        for orphan in workers:
            with contextlib.suppress(psutil.NoSuchProcess):
                assert fleet.port not in listening_ports(orphan), "an orphan accepts"
        wait_new(fleet, self.load, {worker.pid for worker in workers}, fleet.workers_wanted)

    def judge(self, visits: list[Visit]) -> CrashResult:
        """Look at all requests that have failed."""
        result = self.result
        result.down_s = [end_s - start_s for start_s, end_s in self.down]
        for visit in visits:
            text = self._described(visit)
            is_orphan = any(
                died_s <= visit.end_s and visit.asked_s <= died_s + CLOSING_S
                for died_s in self._ports[visit.port]
            )
            is_away = any(a - 0.05 <= visit.end_s and visit.asked_s <= b for a, b in self.down)
            if visit.end.isupper():
                result.lies.append(text)
            elif is_orphan or self._named_dead_worker(visit):
                result.broken += 1
            elif is_away and not visit.head_s:
                result.away[visit.end] += 1
            else:
                result.strangers.append(text)
        result.victims = len(self._doomed)
        result.survivors = [v.target for v in self._doomed if v.end == COMPLETE]
        return result

    def _named_dead_worker(self, visit: Visit) -> bool:
        """Whether its event named a worker that was killed meanwhile.

        /proc/net/tcp may leave out a connection while others come and go.
        """
        run = self.load.side.runs.get(visit.target)
        return run is not None and any(
            run.port == port and visit.asked_s <= at_s <= visit.end_s for at_s, port in self._died
        )

    def _described(self, visit: Visit) -> str:
        """A failure, and what was killed in the second before it."""
        run = self.load.side.runs.get(visit.target)
        before = [
            f"{what} {visit.end_s - at_s:.3f} s before"
            for at_s, what in self._log
            if abs(visit.end_s - at_s) < 1
        ]
        return (
            f"{visit.kind} {visit.method} {visit.target} HTTP/{visit.version}: {visit.end} after"
            f" {visit.end_s - visit.asked_s:.3f} s and {visit.received} bytes;"
            f" {run}; killed: {before}"
        )

    def _note_victims(self, peers: set[int]) -> None:
        """The worker is stopped: what it has not relayed by now never arrives."""
        now_s = time.monotonic()
        for port in peers:
            self._ports[port].append(now_s)
        for visit in self.load.open:
            run = self.load.side.runs.get(visit.target)
            if visit.port in peers and visit.is_open and not (run and run.has_sent_all):
                self._doomed.append(visit)


def crashes(
    directory: Path, seconds: float, mix: Mix, seed: int, deck: Sequence[str] = DECK
) -> CrashResult:
    """Kill for so long, and each of the deck once at least.

    Raises AssertionError if the gateway does not recover, or leaves a process or a descriptor.
    """
    with loaded(directory, mix) as (fleet, load):
        killer = Killer(fleet, load, seed)
        pile: list[str] = []
        begun_s = time.monotonic()
        while time.monotonic() - begun_s < seconds or killer.result.kills.total() < len(deck):
            time.sleep(killer.choose.uniform(*PAUSE_S))
            if not pile:
                pile = killer.choose.sample(deck, len(deck))
            if pile.pop() == "worker":
                killer.kill_worker()
            else:
                killer.kill_parent()
        killer.result.seconds = time.monotonic() - begun_s
        killer.result.tally = load.settle()
        _, left = psutil.wait_procs(killer.orphans, LATE_S)
        assert not left, f"workers without a parent stay: {left}"
        until(lambda: len(fleet.workers()) == fleet.workers_wanted, "the workers", fleet)
        assert fleet.end() in (0, 1), fleet.words()
        return killer.judge(load.call(lambda: list(load.visits)))
