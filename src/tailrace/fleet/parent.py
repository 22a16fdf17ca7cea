"""The parent: starts workers, replaces those that end, and drains all of them at the end.

Concurrency law: one event loop; each change of the set of workers (`start`, a reload, a drain) runs
alone, under `_changing`.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tailrace import limits
from tailrace.errors import ConfigError
from tailrace.fleet.settings import FleetSettings
from tailrace.fleet.sockets import bind_public
from tailrace.fleet.worker import StartFailedError, Worker, in_words
from tailrace.net.ports import refuse_unusable
from tailrace.net.process import limits as process_limits
from tailrace.net.process.board import Board
from tailrace.net.tasks import TaskSet

logger = logging.getLogger(__name__)


class Parent:
    """The parent of a gateway's workers.

    Call `start`, then `drain` or `stop`, then `close`. `command` starts a worker.
    """

    def __init__(
        self,
        settings: FleetSettings,
        command: list[str],
        public: Sequence[socket.socket] | None = None,
    ) -> None:
        """`public` are listening sockets that the process has been given."""
        self.settings = settings
        self.command = command
        self.board = Board.create()
        self.workers: list[Worker] = []
        self.is_draining = False
        self.was_cut = False
        """Whether a worker has ended otherwise than in order."""
        self._given = public
        self._public: list[socket.socket] = []
        self._generation = 0
        self._config_text: str | None = None
        self._all_ended = asyncio.Event()
        self._tasks = TaskSet()

    async def start(self) -> None:
        """Bind the public socket and start the workers. If that fails, nothing is left.

        Raises:
            StartFailedError: a worker does not start.
            OSError: an address cannot be used.
        """
        settings = self.settings
        self._public = list(self._given or bind_public(settings.listen, "--listen"))
        self._generation, self._config_text = 1, _read(settings.config_path)
        try:
            refuse_unusable("--callback-listen", settings.callback_ports.host, 0)
            await self.start_workers(settings.workers)
        except BaseException:
            await self.close()
            raise

    @property
    def public_url(self) -> str:
        """Where clients reach the gateway."""
        host, port = self._public[0].getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def summary(self) -> str:
        """Return a line for the log: where the gateway is, and who calls and invokes."""
        ready = [worker.ready.result() for worker in self.workers]
        called = ", ".join(facts["callback_url"] for facts in ready)
        count = len(ready)
        workers = "" if count == 1 else f", {count} workers"
        return (
            f"gateway on {self.public_url}{workers}, called back at {called},"
            f" invokes at {ready[0]['invokes_at']}"
        )

    async def start_workers(self, count: int) -> list[Worker]:
        """Start workers of the current generation, and wait until all are ready.

        Raises:
            StartFailedError: one does not start; then none of them is left.
        """
        started: list[Worker] = []
        try:
            while len(started) < count:
                started.append(await self._start_worker())
            for worker in started:
                await worker.wait_ready()
        except BaseException:
            for worker in started:
                worker.is_leaving = True
                worker.kill()
            raise
        return started

    async def _start_worker(self) -> Worker:
        ports = self.settings.callback_ports
        callback = ports.bind()
        if callback is not None and self.settings.advertises_one_of_any_port:
            ports = replace(ports, first=_port_of(callback), last=_port_of(callback))
            self.settings = replace(self.settings, callback_ports=ports)
        if callback is None:
            raise StartFailedError(f"none of the callback ports {ports} is free")
        row = self.board.take_row(self._generation)
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
            public=self._public,
            callback=callback,
            config_text=self._config_text,
            advertise=advertise,
            on_ended=self._on_ended,
        )
        self.workers.append(worker)
        return worker

    def _on_ended(self, worker: Worker) -> None:
        """A worker has ended: clear its row, and replace it unless it was to end."""
        held = worker.row["held"]
        worker.row.clear()
        self.workers.remove(worker)
        if worker.status:
            self.was_cut = True
        if not worker.is_leaving and worker.ready.done() and not worker.ready.exception():
            assert worker.status is not None
            logger.error(
                "worker %s has ended, %s; %d open responses broke off",
                worker,
                in_words(worker.status),
                held,
            )
            if not self.is_draining:
                self._tasks.spawn(self._replace(), "replace a worker")
        if not self.workers:
            self._all_ended.set()

    async def _replace(self) -> None:
        (worker,) = await self.start_workers(1)
        logger.info("worker %s is ready in its place", worker)

    async def drain(self) -> bool:
        """Take no new requests, and wait until what is held has ended, in all workers.

        Returns False if something was cut off. Cancelling is safe: `stop` aborts the rest.
        """
        self.is_draining = True
        await self._tasks.cancel_all()
        self.board.is_draining = True
        self._close_public()
        for worker in self.workers:
            worker.drain(
                delay_s=self.settings.drain_delay_s,
                is_node=True,
                keeps_queue=self._given is not None,
            )
        await self._wait_ended()
        return not self.was_cut

    async def stop(self) -> None:
        """Cut off what is left; on return no worker is left."""
        self.is_draining = True
        await self._tasks.cancel_all()
        for worker in self.workers:
            worker.stop()
        try:
            async with asyncio.timeout(process_limits.WORKER_STOP_TIMEOUT_S):
                await self._wait_ended()
        except TimeoutError:
            for worker in self.workers:
                logger.error("worker %s does not stop: killed", worker)
                worker.kill()
            await self._wait_ended()

    async def close(self) -> None:
        """Close everything; workers that are left are stopped."""
        if self.workers:
            await self.stop()
        self._close_public()
        self.board.close()

    @property
    def held(self) -> int:
        """The number of open responses."""
        return sum(row["held"] for row in self.board.rows())

    async def _wait_ended(self) -> None:
        self._all_ended.clear()
        if self.workers:
            await self._all_ended.wait()

    def _close_public(self) -> None:
        for sock in self._public:
            sock.close()


def _port_of(sock: socket.socket) -> int:
    port: int = sock.getsockname()[1]
    return port


def _read(path: Path | None) -> str | None:
    """Return the text of the configuration file.

    Raises:
        StartFailedError: it cannot be read.
    """
    if path is None:
        return None
    try:
        return path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StartFailedError(f"{path}: {error}", 2) from None
