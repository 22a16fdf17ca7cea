"""Notices workers that no longer answer, or do not end in time, and kills them.

Process 1 of a container also gets the orphans of its other processes, and collects them here.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tailrace.fleet.worker import Worker
from tailrace.net.process import limits
from tailrace.words import counted

logger = logging.getLogger("tailrace.gateway")

_HAS_ENDED: Final = os.WEXITED | os.WNOHANG | os.WNOWAIT
"""Tell whether a process has ended, and leave it as it is."""


class Vigil:
    """Looks at the workers again and again, and kills those that hang.

    It counts looks and not seconds, so that a machine that slept, or a group of processes that was
    stopped as a whole, finds its workers alive.
    """

    def __init__(self, workers: Sequence[Worker]) -> None:
        """`workers` may change while it looks."""
        self._workers = workers
        self._beats: dict[int, int] = {}  # by pid
        self._silent: dict[int, int] = {}  # looks since the last beat
        self._late: dict[int, int] = {}  # looks since it should have ended
        self._told: set[int] = set()  # those that are left to a debugger
        self._orphans: set[int] = set()  # ended at the last look, and nobody's

    async def keep(self) -> None:
        """Look until cancelled."""
        while True:
            await asyncio.sleep(limits.WORKER_WATCH_INTERVAL_S)
            self.look()
            if os.getpid() == 1:
                self.reap_orphans()

    def look(self) -> None:
        """Look at each worker once."""
        alive = {worker.pid for worker in self._workers}
        for seen in (self._beats, self._silent, self._late):
            for pid in seen.keys() - alive:
                del seen[pid]
        self._told &= alive
        for worker in list(self._workers):
            if worker.is_ready and worker.status is None:
                self._look_at(worker)

    def reap_orphans(self) -> None:
        """Collect processes that have ended and are not the parent's own.

        The kernel leaves those to process 1, which a container's command is. The parent collects
        its own ones within less than the time between two looks.
        """
        try:
            children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
        except OSError:  # no such list on this system
            return
        others = {int(pid) for pid in children} - {worker.pid for worker in self._workers}
        ended = {pid for pid in others if os.waitid(os.P_PID, pid, _HAS_ENDED)}
        for pid in ended & self._orphans:
            os.waitpid(pid, os.WNOHANG)
        self._orphans = ended - self._orphans

    def _look_at(self, worker: Worker) -> None:
        pid, beat = worker.pid, worker.row["beat_ns"]
        has_beaten = self._beats.get(pid) != beat
        self._beats[pid] = beat
        self._silent[pid] = 0 if has_beaten else self._silent.get(pid, 0) + 1
        if worker.leaves_by_s is not None and time.monotonic() > worker.leaves_by_s:
            self._late[pid] = self._late.get(pid, 0) + 1
        seconds = limits.WORKER_SILENT_LOOKS_MAX * limits.WORKER_WATCH_INTERVAL_S
        if self._silent[pid] >= limits.WORKER_SILENT_LOOKS_MAX:
            self._kill(worker, f"has not answered for {seconds:g} s")
        elif self._late.get(pid, 0) >= limits.WORKER_SILENT_LOOKS_MAX:
            self._kill(worker, f"should have ended {seconds:g} s ago")

    def _kill(self, worker: Worker, why: str) -> None:
        """Kill a worker, unless somebody looks into it with a debugger."""
        if _is_traced(worker.pid):
            if worker.pid not in self._told:
                self._told.add(worker.pid)
                logger.warning("worker %s %s: left alone, it is traced", worker, why)
            return
        held = counted(worker.row["held"], "open response")
        logger.error("worker %s %s: killed, and with it %s", worker, why, held)
        self._silent[worker.pid] = self._late[worker.pid] = 0
        worker.kill()


def _is_traced(pid: int) -> bool:
    """Whether a debugger is attached to a process, where the system tells."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    return any(
        line.startswith("TracerPid:") and line.split()[1] != "0" for line in status.splitlines()
    )
