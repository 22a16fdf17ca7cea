"""The parent: it starts workers, renews them, and drains all of them at the end.

Concurrency law: one event loop. What is asked for (a reload, a worker more or less) is done one at
a time, in one task; a worker that ends is replaced beside it.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Sequence
from dataclasses import replace

from tailrace.config import Address
from tailrace.fleet.crew import Crew, Generation, dismiss
from tailrace.fleet.draining import NodeDrain
from tailrace.fleet.handover import (
    ParentState,
    WorkerState,
    signals_kept,
    take_over,
    take_signals,
    try_out,
)
from tailrace.fleet.notify import Notifier
from tailrace.fleet.settings import FROM_FILE, FleetSettings
from tailrace.fleet.sockets import bind_public
from tailrace.fleet.vigil import Vigil
from tailrace.fleet.worker import StartFailedError, Worker
from tailrace.gateway.observe.emf import Gauges
from tailrace.net.ports import refuse_unusable
from tailrace.net.process import limits
from tailrace.net.process.board import Board
from tailrace.net.process.counts_due import CountsDue
from tailrace.net.tasks import TaskSet
from tailrace.words import counted

logger = logging.getLogger("tailrace.gateway")


class Parent:
    """The parent of a gateway's workers.

    Call `start`, then `drain` or `stop`, then `close`, also if the start has failed. `command`
    starts a worker. After a reload the process becomes its new code, with all sockets and workers:
    then `from_state` makes it, and `resume` takes the place of `start`.
    """

    def __init__(
        self,
        settings: FleetSettings,
        command: list[str],
        public: Sequence[socket.socket] | None = None,
        notifier: Notifier | None = None,
        board: Board | None = None,
    ) -> None:
        """`public` are listening sockets that the process has been given."""
        self.board = board or Board.create()
        self.is_draining = False
        self.node_drain = NodeDrain(self._drain_workers)
        self.kept: list[socket.socket] = []
        """Listening sockets of the admin listener, which stay open over a reload."""
        self.is_stopping: Callable[[], bool] = lambda: False
        """Whether a signal has come after which it does not become anything else."""
        self.on_drained: Callable[[], None] = lambda: None
        """Called when a drain has ended all workers, before anybody learns that it is over."""
        self.is_last = False
        """Whether the machine ends: no later start serves what waits in a given socket's queue."""
        self._is_given = public is not None
        self._crew = Crew(settings, command, self.board, list(public or ()), Generation(1, None))
        self._vigil = Vigil(self._crew.workers)
        self._notifier = notifier or Notifier()
        self._has_begun = False
        self._wants_reload = False
        self._wanted_more = 0  # workers; negative for less
        self._asked: asyncio.Task[None] | None = None
        self._tasks = TaskSet()

    @property
    def settings(self) -> FleetSettings:
        """The settings; a reload may change those that come from the configuration file."""
        return self._crew.settings

    @property
    def workers(self) -> list[Worker]:
        """All that have not ended."""
        return self._crew.workers

    @property
    def generation(self) -> int:
        """The number of the workers' generation: 1, and one more after each reload."""
        return self._crew.generation.number

    @property
    def was_cut(self) -> bool:
        """Whether a worker has ended otherwise than in order, in a drain since it began."""
        return self._crew.was_cut

    async def start(self) -> None:
        """Bind the public socket and start the workers.

        If that is cancelled, workers that are ready drain; if it fails, `close` stops them.

        Raises:
            StartFailedError: a worker does not start.
            OSError: an address cannot be used.
        """
        crew, settings = self._crew, self.settings
        crew.public = crew.public or bind_public(settings.listen, "--listen")
        crew.generation = Generation.read(1, settings.config_path)
        refuse_unusable("--callback-listen", settings.callback_ports.host, 0)
        self._tasks.spawn(self._vigil.keep(), "watch the workers")
        await crew.start_workers(settings.workers)
        self._begin()

    def _notify(self) -> None:
        self._tasks.spawn(self._notifier.keep(self._status), "tell the service manager")

    def _begin(self) -> None:
        self._notifier.ready(self._status())
        self._notify()
        self._crew.tend()
        self._has_begun = True
        self._answer()

    def _status(self) -> str:
        """Return what a service manager shows."""
        text = f"{counted(len(self.workers), 'worker')}, {counted(self.held, 'open response')}"
        return f"draining: {text}" if self.is_draining else text

    @property
    def public_url(self) -> str:
        """Where clients reach the gateway."""
        return f"http://{Address(*self._crew.public[0].getsockname()[:2])}"

    def summary(self) -> str:
        """Return a line for the log: where the gateway is, and who calls and invokes."""
        ready = [worker.facts for worker in self._crew.serving]
        called = ", ".join(facts["callback_url"] for facts in ready)
        if self.settings.advertise_source is not None:
            called += f" ({self.settings.advertise_source})"
        count = len(ready)
        workers = "" if count == 1 else f", {count} workers"
        if not ready:  # they have just ended
            return f"gateway on {self.public_url}{workers}"
        return (
            f"gateway on {self.public_url}{workers}, called back at {called},"
            f" invokes at {ready[0]['invokes_at']}"
        )

    # --- what is asked of it ---------------------------------------------------------------------

    def ask_reload(self) -> None:
        """Start new workers from the files on disk, which replace those that run.

        During a reload: once more afterwards.
        """
        self._wants_reload = True
        self._answer()

    def ask_more(self) -> None:
        """Let one worker more serve, also after further reloads."""
        self._wanted_more += 1
        self._answer()

    def ask_less(self) -> None:
        """Let one worker less serve, but one."""
        self._wanted_more -= 1
        self._answer()

    def _answer(self) -> None:
        if self.is_draining and (self._wants_reload or self._wanted_more):
            logger.warning("not done, since this gateway drains; start it again afterwards")
        is_asked = self._has_begun and not self.is_draining  # a start comes first
        if is_asked and (self._asked is None or self._asked.done()):
            self._asked = self._tasks.spawn(self._do_asked(), "do what is asked")

    async def _do_asked(self) -> None:
        while self._wanted_more or self._wants_reload:
            if self._wanted_more > 0:
                self._wanted_more -= 1
                await self._crew.add()
            elif self._wanted_more < 0:
                self._wanted_more += 1
                self._crew.remove()
            else:
                self._wants_reload = False
                await self._reload()

    async def _reload(self) -> None:
        """Replace all workers by new ones of the files on disk; a failure changes nothing."""
        crew = self._crew
        logger.info("reload: new workers start from the files on disk")
        self._notifier.reloading()
        new: list[Worker] = []
        try:
            generation = Generation.read(crew.generation.number + 1, self.settings.config_path)
            new += await crew.start_workers(1, generation)  # it finds what is wrong
            new += await crew.start_workers(crew.wanted - 1, generation)
            if any(worker.status is not None for worker in new):
                raise StartFailedError("one of the new workers has ended at once")
        except (StartFailedError, OSError) as error:
            dismiss(new)
            logger.warning("reload failed, and the running workers go on: %s", error)
            self._notifier.ready(self._status())
            return
        except asyncio.CancelledError:
            dismiss(new)
            raise
        taken = {name: new[0].facts[name] for name in FROM_FILE if name in new[0].facts}
        crew.settings = replace(crew.settings, **taken)
        old = await crew.take_up(generation)
        held = sum(worker.row["held"] for worker in old)
        logger.info(
            "reloaded: %s; those before end what they hold, %s",
            *(self.summary(), counted(held, "open response")),
        )
        await self._become_new_code()
        self._notifier.ready(self._status())  # it has not

    # --- the same process with new code ---------------------------------------------------------

    async def _become_new_code(self) -> None:
        """Execute this process's command again; a warning if its code does not start.

        Nothing of the running process is closed or ended before the new code has begun.
        """
        command = self._crew.command
        try:
            await try_out(command, self._state())
            with signals_kept():
                await self._crew.rest()
                await self._wait_told()
                if not (self.is_stopping() or self.is_draining):
                    for handler in logging.getLogger().handlers:
                        handler.flush()
                    take_over(command, self._state())
        except (StartFailedError, OSError) as error:
            logger.warning("the parent goes on with the code that it has: %s", error)
        self._crew.tend()

    async def _wait_told(self) -> None:
        """Wait until the workers' channels are empty, and what signals have caused has begun."""
        for _ in range(limits.HANDOVER_SENT_LOOKS_MAX):
            channels = [worker.channel for worker in self.workers]
            if all(channel is None or channel.is_sent for channel in channels):
                break
            await asyncio.sleep(limits.HANDOVER_LOOK_INTERVAL_S)
        await asyncio.sleep(limits.HANDOVER_LOOK_INTERVAL_S)

    def _state(self) -> ParentState:
        crew, ports = self._crew, self.settings.callback_ports
        return ParentState(
            public=[sock.fileno() for sock in crew.public],
            is_given=self._is_given,
            board=self.board.descriptor,
            kept=[sock.fileno() for sock in self.kept],
            generation=crew.generation.number,
            config_text=crew.generation.config_text,
            callback_ports=(ports.first, ports.last),
            wanted=crew.wanted,
            wanted_more=self._wanted_more,
            wants_reload=self._wants_reload,
            notify_address=self._notifier.address,
            watchdog_s=self._notifier.watchdog_s,
            workers=[WorkerState(**worker.state()) for worker in self.workers],
            advertise=self.settings.advertise,
            advertise_source=self.settings.advertise_source,
            due=crew.due.kept,
        )

    @classmethod
    def from_state(cls, settings: FleetSettings, command: list[str], state: ParentState) -> Parent:
        """Return the parent that this process was; nothing is read from its workers yet.

        Raises:
            OSError: what it was cannot be read by this code.
        """
        public = [socket.socket(fileno=number) for number in state.public]
        notifier = Notifier(state.notify_address, state.watchdog_s)
        parent = cls(settings, command, public, notifier, Board(state.board))
        parent._is_given = state.is_given
        parent.kept = [socket.socket(fileno=number) for number in state.kept]
        first, last = state.callback_ports
        crew, ports = parent._crew, replace(settings.callback_ports, first=first, last=last)
        crew.settings = replace(settings, callback_ports=ports)
        crew.wanted = state.wanted
        crew.generation = Generation(state.generation, state.config_text)
        if state.due is None:
            crew.due.take()  # the code before has reported no counts, and those are old
        else:
            crew.due.add(state.due)
        parent._wanted_more, parent._wants_reload = state.wanted_more, state.wants_reload
        return parent

    async def resume(self, state: ParentState) -> None:
        """Go on in place of `start`; signals that have waited are taken now."""
        for each in state.workers:
            await self._crew.adopt(each)
        logger.info("the parent is its new code, with %s", self._status())
        take_signals()
        self._tasks.spawn(self._vigil.keep(), "watch the workers")
        self._begin()

    # --- the end --------------------------------------------------------------------------------

    async def drain(self) -> bool:
        """Take no new requests, and wait until what is held has ended, in all workers.

        The second call waits for the same drain. Returns False if something was cut off. Cancelling
        is safe: `stop` aborts the rest.
        """
        self.begin_drain()
        # Not for a drain on request: a service manager that thinks it stops sends no SIGTERM.
        self._notifier.stopping(self._status())
        if not self._has_begun:  # a start that was ended
            self._notify()
        return await self.node_drain.wait()

    def begin_drain(self) -> None:
        """Begin the drain that `drain` waits for, unless it has begun: health is 503 on return."""
        self.is_draining = self.board.is_draining = True
        self.node_drain.begin()

    async def _drain_workers(self) -> bool:
        await self._begin_end()
        self._crew.was_cut = False
        self._close_public()
        delay_s, keeps_queue = self.settings.drain_delay_s, self._is_given and not self.is_last
        for worker in self.workers:
            worker.drain(delay_s=delay_s, is_node=True, keeps_queue=keeps_queue)
        await self._crew.wait_ended()
        self.on_drained()
        return not self._crew.was_cut

    async def stop(self) -> None:
        """Cut off what is left; on return no worker is left."""
        await self._begin_end()
        for worker in self.workers:
            worker.stop()
        try:
            async with asyncio.timeout(limits.WORKER_STOP_TIMEOUT_S):
                await self._crew.wait_ended()
        except TimeoutError:
            for worker in self.workers:
                logger.error("worker %s does not stop: killed", worker)
                worker.kill()
            await self._crew.wait_ended()

    async def close(self) -> None:
        """Close everything; workers that are left are stopped."""
        if self.workers:
            await self.stop()
        await self.node_drain.cancel()
        await self._tasks.cancel_all()
        self._close_public()
        self.board.close()

    @property
    def held(self) -> int:
        """The number of open responses."""
        return sum(row["held"] for row in self.board.rows())

    @property
    def due(self) -> CountsDue:
        """The counts that metrics have not reported yet."""
        return self._crew.due

    def gauges(self) -> Gauges:
        """Return what all workers have open, for metrics."""
        held, clients, uploads = (
            sum(self.board.column(name)) for name in ("held", "clients", "uploads")
        )
        late_us = max(self.board.column("late_us"))
        return Gauges(held, None if self.is_draining else self.held_max, clients, uploads, late_us)

    @property
    def held_max(self) -> int | None:
        """The bound of `held`: that of the node, or what its workers have descriptors for."""
        bounds = [worker.facts["own_held_max"] for worker in self._crew.serving]
        return min(self.settings.held_max, sum(bounds)) if bounds else None

    async def _begin_end(self) -> None:
        self.is_draining = True
        if self._asked is not None:
            self._asked.cancel()
            await asyncio.wait([self._asked])
        await self._crew.rest()

    def _close_public(self) -> None:
        for sock in self._crew.public:
            sock.close()
