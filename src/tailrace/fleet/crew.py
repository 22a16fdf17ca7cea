"""The workers of a parent: how they are started, and replaced when they end."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import stat
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from tailrace import limits
from tailrace.errors import ConfigError
from tailrace.fleet.handover import WorkerState
from tailrace.fleet.settings import FleetSettings
from tailrace.fleet.worker import StartFailedError, Worker, end_in_words
from tailrace.net.process import limits as process_limits
from tailrace.net.process.board import SINCE_START, Board
from tailrace.net.process.counts_due import CountsDue
from tailrace.net.tasks import TaskSet
from tailrace.words import counted

logger = logging.getLogger("tailrace.gateway")

_PORTS_REMEDY = "name others with --callback-ports FIRST-LAST, or wait for workers that drain"


@dataclass(frozen=True, slots=True)
class Generation:
    """Workers that have started from the same files. The text is None without a file."""

    number: int
    config_text: str | None

    @classmethod
    def read(cls, number: int, path: Path | None) -> Self:
        """Return a generation of what the configuration file has now.

        Raises:
            StartFailedError: it cannot be read.
        """
        return cls(number, None if path is None else _read(path))


class Crew:
    """The workers, of which `wanted` serve. One that ends is replaced between `tend` and `rest`."""

    def __init__(
        self,
        settings: FleetSettings,
        command: list[str],
        board: Board,
        public: list[socket.socket],
        generation: Generation,
    ) -> None:
        self.settings = settings
        self.command = command
        self.board = board
        self.due = CountsDue(lambda: {name: sum(board.column(name)) for name in SINCE_START})
        """What the workers have counted, also those that have ended."""
        self.public = public
        self.generation = generation
        self.workers: list[Worker] = []
        self.wanted = settings.workers
        self.was_cut = False
        """Whether a worker has ended otherwise than in order."""
        self._is_tended = False  # whether workers that are missing are replaced
        self._all_ended = asyncio.Event()
        self._replacing = TaskSet()

    @property
    def serving(self) -> list[Worker]:
        """Those that take requests, and will."""
        number = self.generation.number
        return [
            worker
            for worker in self.workers
            if worker.is_ready and not worker.is_leaving and worker.generation == number
        ]

    async def start_workers(
        self, count: int, generation: Generation | None = None, ends: int = 0
    ) -> list[Worker]:
        """Start workers, and wait until all are ready.

        Raises:
            StartFailedError: one does not start. Those that are ready drain, the others are killed.
            OSError: no process can be started; likewise.
        """
        started: list[Worker] = []
        try:
            while len(started) < count:
                started.append(await self._start_worker(generation or self.generation, ends))
            for worker in started:
                await worker.wait_ready()
            for worker in started:
                if worker.status is not None:
                    how = end_in_words(worker.status)
                    raise StartFailedError(f"worker {worker} has ended at once, {how}")
        except BaseException:
            dismiss(started)
            raise
        return started

    async def _start_worker(self, generation: Generation, ends: int) -> Worker:
        ports = self.settings.callback_ports
        callback = ports.bind()
        if callback is not None and self.settings.advertises_one_of_any_port:
            ports = replace(ports, first=_port_of(callback), last=_port_of(callback))
            self.settings = replace(self.settings, callback_ports=ports)
        if callback is None:
            raise StartFailedError(f"none of the callback ports {ports} is free; {_PORTS_REMEDY}")
        row = self.board.take_row(generation.number)
        if row is None:
            callback.close()
            raise StartFailedError(f"there are {limits.WORKER_SLOTS_MAX} workers already")
        try:
            advertise = self.settings.advertised(_port_of(callback))
        except ConfigError as error:
            callback.close()
            row.clear()
            raise StartFailedError(str(error), 2) from None
        worker = await Worker.start(
            self.command,
            self.board,
            row,
            public=self.public,
            callback=callback,
            config_text=generation.config_text,
            advertise=advertise,
            on_ended=self.on_ended,
            on_leaving=self.on_leaving,
        )
        worker.ends = ends
        self.workers.append(worker)
        return worker

    async def adopt(self, state: WorkerState) -> None:
        """Take over a worker that this process has started before it became its new code."""
        worker = Worker(
            pid=state.pid,
            row=self.board.row(state.slot),
            generation=state.generation,
            callback_port=state.callback_port,
            on_ended=self.on_ended,
            on_leaving=self.on_leaving,
            is_leaving=state.is_leaving,
            wants_to_leave=state.wants_to_leave,
            leaves_by_s=state.leaves_by_s,
            ends=state.ends,
            started_s=state.started_s,
        )
        if state.facts:
            worker.ready.set_result(state.facts)
        self.workers.append(worker)
        channel = None if state.channel is None else socket.socket(fileno=state.channel)
        await worker.listen(channel, state.received.encode())

    async def take_up(self, generation: Generation) -> list[Worker]:
        """Let the workers of a generation serve from now on; the others, which leave, are returned.

        What replaced one of the others ends with them.
        """
        self.generation = generation
        await self.rest()
        old = [
            worker
            for worker in self.workers
            if worker.generation != generation.number and not worker.is_leaving
        ]
        for worker in old:
            worker.drain(delay_s=0.0, is_node=False, keeps_queue=True)
        self.tend()
        return old

    async def add(self) -> None:
        """Let one worker more serve. A warning if it cannot."""
        if self.wanted >= limits.WORKERS_MAX:
            logger.warning("no worker was added: there are %d, the most there may be", self.wanted)
            return
        try:
            (worker,) = await self.start_workers(1)
        except (StartFailedError, OSError) as error:
            logger.warning("no worker was added: %s", error)
            return
        self.wanted += 1
        logger.info("one worker more: %s is ready; there are %d", worker, self.wanted)
        self.tend()

    def remove(self) -> None:
        """Let the youngest worker end what it holds, and then itself. A warning for the last."""
        if self.wanted == 1:
            logger.warning("no worker less: there is one")
            return
        self.wanted -= 1
        self._dismiss_surplus()

    def _dismiss_surplus(self) -> None:
        serving = sorted(self.serving, key=lambda worker: worker.started_s)
        for worker in serving[self.wanted :]:
            worker.drain(delay_s=0.0, is_node=False, keeps_queue=True)
            logger.info(
                "one worker less: %s ends what it holds, %s; there are %d",
                *(worker, counted(worker.row["held"], "open response"), self.wanted),
            )

    # --- the end of a worker --------------------------------------------------------------------

    def on_leaving(self, worker: Worker) -> None:
        """A worker drains by itself: somebody has sent it SIGTERM."""
        logger.info("worker %s got SIGTERM: it drains, and another one replaces it", worker)
        self._replace_missing()

    def on_ended(self, worker: Worker) -> None:
        """A worker has ended: clear its row, and replace it unless it was to end."""
        counts = worker.row.counts()
        self.due.add({name: counts[name] for name in SINCE_START})
        self.due.add({"failed": counts["held"]})  # responses that broke
        worker.row.clear()
        if worker not in self.workers:  # its start was cancelled
            return
        self.workers.remove(worker)
        if worker.status and worker.is_ready:
            self.was_cut = True
        if not worker.is_leaving and worker.is_ready:
            assert worker.status is not None
            logger.error(
                "worker %s has ended, %s; %s broke off",
                *(worker, end_in_words(worker.status), counted(counts["held"], "open response")),
            )
            self.due.add({"workers_lost": 1})
            has_settled = time.monotonic() - worker.started_s >= process_limits.WORKER_SETTLED_S
            self._replace_missing(1 if has_settled else worker.ends + 1)
        if not self.workers:
            self._all_ended.set()

    def tend(self) -> None:
        """Replace workers that are missing from now on, until `rest`."""
        self._is_tended = True
        self._replace_missing()

    def _replace_missing(self, ends: int = 1) -> None:
        """Start the replacement of the workers that are missing; `ends` in a row have ended."""
        if not self._is_tended:
            return
        for _ in range(self.wanted - len(self.serving) - len(self._replacing)):
            replacing = self._replacing.spawn(self._replace(ends), "replace a worker")
            replacing.add_done_callback(self._on_replaced)

    def _on_replaced(self, replacing: asyncio.Task[None]) -> None:
        """Replace a worker that ended in the last moment of a task: it was counted as replaced."""
        if not replacing.cancelled() and replacing.exception() is None:
            self._replace_missing()

    async def _replace(self, ends: int) -> None:
        delays = process_limits.WORKER_RETRY_DELAYS_S
        while True:
            delay_s = delays[min(ends, len(delays)) - 1]
            if delay_s:
                logger.warning("%s in a row: the next one starts in %g s", _ends(ends), delay_s)
            await asyncio.sleep(delay_s)
            if len(self.serving) >= self.wanted:
                return
            try:
                (worker,) = await self.start_workers(1, ends=ends)
            except (StartFailedError, OSError) as error:
                logger.error("a worker could not be replaced: %s", error)
                ends += 1
            else:
                logger.info("worker %s is ready in its place", worker)
                self._dismiss_surplus()  # meanwhile one less may be wanted
                return

    async def rest(self) -> None:
        """Replace no worker until `tend`."""
        self._is_tended = False
        await self._replacing.cancel_all()

    async def wait_ended(self) -> None:
        """Wait until there is no worker."""
        self._all_ended.clear()
        if self.workers:
            await self._all_ended.wait()


def dismiss(workers: Iterable[Worker]) -> None:
    """End workers that nobody needs. Those that are ready may have taken requests: they drain."""
    for worker in workers:
        if worker.is_ready and worker.channel is not None:
            worker.drain(delay_s=0.0, is_node=False, keeps_queue=True)
        else:
            worker.is_leaving = True
            worker.kill()


def _read(path: Path) -> str:
    """Return the text of the configuration file."""
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise StartFailedError(
                    f"{path}: no regular file; name one that a reload can read again", 2
                )
            return file.read().decode("utf-8")
    except OSError as error:
        raise StartFailedError(f"{path}: cannot be read: {error.strerror}", 2) from None
    except UnicodeDecodeError as error:
        raise StartFailedError(f"{path}: {error}", 2) from None


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # a pipe would wait for its writer


def _port_of(sock: socket.socket) -> int:
    port: int = sock.getsockname()[1]
    return port


def _ends(count: int) -> str:
    return "a worker has ended" if count == 1 else f"{count} workers have ended"
