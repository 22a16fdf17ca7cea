"""The parent is killed: its workers end what they hold, and a new parent finds its port free."""

from __future__ import annotations

import signal
from pathlib import Path

import psutil
from tests.command import Stream
from tests.e2e.cut_function import CutLambda
from tests.fleet.gateway import STORY, Fleet, kill, rest_of
from tests.peers import until


def listens(worker: psutil.Process, port: int) -> bool:
    """Whether a process takes connections at a port."""
    return any(
        each.status == psutil.CONN_LISTEN and each.laddr.port == port
        for each in worker.net_connections("tcp")
    )


def test_workers_that_lost_their_parent_end_what_they_hold(
    endpoint: CutLambda, tmp_path: Path
) -> None:
    range_of_ports = ("--callback-ports", "29880-29889")
    with Fleet(tmp_path, endpoint, *range_of_ports, workers=2) as fleet:
        workers = fleet.workers()
        streams = [fleet.held() for _ in range(4)]

        kill(fleet.process.pid)

        until(lambda: not any(listens(each, fleet.port) for each in workers), "the port is free")
        fleet.wait_lines(2, "the parent has ended; this worker ends what it holds")
        with Again(fleet, tmp_path, endpoint) as second:
            assert second.serves()
            new: Stream = second.held()
            endpoint.release()
            assert [rest_of(stream) for stream in [*streams, new]] == [STORY.body[1:]] * 5
            psutil.wait_procs(workers, 20)
            assert not any(worker.is_running() for worker in workers)
            second.signal(signal.SIGTERM)
            assert second.wait_exit() == 0
    assert endpoint.surprises == []


class Again(Fleet):
    """A gateway on the port of one before, as a supervisor starts it."""

    def __init__(self, before: Fleet, directory: Path, endpoint: CutLambda) -> None:
        super().__init__(directory, endpoint, "--callback-ports", "29880-29889", workers=2)
        place = self._arguments.index(f"127.0.0.1:{self.port}")
        self.port, self.url = before.port, before.url
        self._arguments[place] = f"127.0.0.1:{self.port}"
