"""A function as the emulator runs it: its environments, the versions before a reload, its queue."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from tailrace import limits
from tailrace.config import EmulatorConfig, FunctionConfig
from tailrace.emulator.destinations import Destinations, EndedEvent
from tailrace.emulator.disagreement import Disagreement
from tailrace.emulator.invocation import REFUSED, Attempt, Listener
from tailrace.emulator.pool import EnvironmentPool, EnvironmentSettings
from tailrace.emulator.queue import EventQueue, OnEventEnded
from tailrace.emulator.status import Status
from tailrace.net.clock import Timer
from tailrace.net.server.refusals import Tally
from tailrace.net.tasks import TaskSet
from tailrace.wire.runtime_api import Invocation


@dataclass(frozen=True, slots=True)
class FunctionStatistics:
    """Counts at one moment."""

    starting: int
    idle: int
    busy: int
    retiring: int
    """Environments of versions before a reload, and those that are being ended."""
    queued: int
    """Events that wait for an environment."""
    retrying: int
    """Events that wait for their next attempt."""


class EmulatedFunction:
    """One function, kept over reloads: the queue goes on, the environments are replaced."""

    def __init__(
        self,
        config: FunctionConfig,
        settings: EnvironmentSettings,
        *,
        emulator: EmulatorConfig,
        find: Callable[[str], EmulatedFunction | None],
        on_event_ended: OnEventEnded | None = None,
        has_changed: Callable[[str], bool] = lambda name: False,
    ) -> None:
        self.emulator = emulator
        self._has_changed = has_changed
        self.clock = settings.clock
        self._settings = settings
        self._destinations = Destinations(find, settings.log)
        self._pool = EnvironmentPool(config, settings, self._on_free, freeze=emulator.freeze)
        self._retiring: set[EnvironmentPool] = set()
        self._tasks = TaskSet()
        self._knocking: dict[Attempt, Timer] = {}  # in their order
        self._warned: set[Disagreement] = set()
        self._refusals = Tally(self.clock.now_s)
        self._queue = EventQueue(
            config,
            self._start,
            settings.log,
            clock=settings.clock,
            retry_delay_scale=emulator.retry_delay_scale,
            on_ended=on_event_ended,
            on_settled=self._record,
        )

    @property
    def config(self) -> FunctionConfig:
        """What it runs with now."""
        return self._pool.function

    def invoke(self, invocation: Invocation, listener: Listener | None = None) -> Attempt | None:
        """Run an invocation now; None when all environments are busy.

        A streamed response goes to the listener, if there is one.

        One that has answered is busy until it asks for its next event, a millisecond later. So
        that callers who come one after the other are not refused, they may wait for that: the
        outcome is then `REFUSED` when it takes too long.
        """
        self._take_up_changes()
        attempt = Attempt(invocation, listener)
        if not self._knocking and self._start(attempt):
            return attempt
        if len(self._knocking) >= self.config.concurrency or not self._pool.is_about_to_be_free:
            self._note_busy(invocation)
            return None
        self._knocking[attempt] = self.clock.call_later(
            limits.ENVIRONMENT_GRACE_S, self._refuse_late, attempt
        )
        return attempt

    async def warm(self) -> None:
        """Start an environment ahead of the first invocation, and wait until it is ready.

        One that fails is in the function's log. Cancelling leaves it to start.
        """
        task = self._pool.warm()
        if task is not None:
            await asyncio.wait((task,))

    def enqueue(self, invocation: Invocation, *, hops: int = 0) -> bool:
        """Run an invocation when there is an environment for it; False when the queue is full.

        `hops` is how many destinations an event has come through.
        """
        self._take_up_changes()
        is_queued = self._queue.put(invocation, hops=hops)
        if not is_queued:
            self._note_refusal(invocation, "its queue is full")
        return is_queued

    def warn(self, what: Disagreement) -> None:
        """Say in the log that mode and call disagree: once of each kind, until a reload."""
        if what not in self._warned:
            self._warned.add(what)
            self.note(f"WARNING: the function {what.value}")

    def note(self, text: str) -> None:
        """Write a line of the emulator's own into the function's log."""
        self._settings.log.write(self.config.name, text)

    def configure(self, emulator: EmulatorConfig) -> None:
        """Take up settings that its environments know nothing of."""
        self.emulator = emulator
        self._queue.retry_delay_scale = emulator.retry_delay_scale

    def reload(self, config: FunctionConfig, emulator: EmulatorConfig) -> None:
        """Run everything from now on in new environments."""
        self._warned.clear()
        self._queue.begin_version(config)
        self.configure(emulator)
        self._retire()
        self._pool = EnvironmentPool(config, self._settings, self._on_free, freeze=emulator.freeze)
        self._on_free()

    async def remove(self) -> None:
        """Drop what waits, let what runs finish, and end."""
        self._queue.close("belongs to a function that was removed")
        self._retire()
        while self._retiring:
            await asyncio.gather(*(pool.retire() for pool in self._retiring))

    async def stop(self) -> None:
        """End everything; nothing is left on return."""
        self._queue.close()
        for attempt in list(self._knocking):
            self._refuse(attempt)
        await asyncio.gather(*(pool.stop() for pool in (self._pool, *self._retiring)))
        await self._tasks.cancel_all()

    def pids(self) -> list[int]:
        """The processes that lead the environments' process groups."""
        return [pid for pool in (self._pool, *self._retiring) for pid in pool.pids()]

    def statistics(self) -> FunctionStatistics:
        """Counts at this moment."""
        counts, ending = self._pool.statistics()
        queued, retrying = self._queue.lengths()
        return FunctionStatistics(
            starting=counts[Status.NEW] + counts[Status.STARTING],
            idle=counts[Status.IDLE],
            busy=counts[Status.BUSY],
            retiring=ending + sum(_count(pool) for pool in self._retiring),
            queued=queued,
            retrying=retrying,
        )

    def _take_up_changes(self) -> None:
        if self._has_changed(self.config.name):
            self.reload(self.config, self.emulator)

    def _record(self, event: EndedEvent) -> None:
        self._destinations.send(self.config, event)

    def _start(self, attempt: Attempt) -> bool:
        return self._pool.start(attempt)

    def _on_free(self) -> None:
        for attempt, timer in list(self._knocking.items()):
            if not self._start(attempt):
                return
            timer.cancel()
            del self._knocking[attempt]
        self._queue.dispatch()

    def _refuse_late(self, attempt: Attempt) -> None:
        self._note_busy(attempt.invocation)
        self._refuse(attempt)

    def _note_busy(self, invocation: Invocation) -> None:
        most = self.config.concurrency
        busy = f"all of its environments are busy (concurrency = {most})"
        self._note_refusal(invocation, busy if most else "its concurrency is 0")

    def _note_refusal(self, invocation: Invocation, reason: str) -> None:
        """Refusals come in floods: one line now and then counts them."""
        if count := self._refusals.add():
            self.note(
                f"WARNING: RequestId: {invocation.request_id} 429: {reason}"
                + (f"; {count} such answers since the last warning" if count > 1 else "")
            )

    def _refuse(self, attempt: Attempt) -> None:
        self._knocking.pop(attempt).cancel()
        attempt.answer(REFUSED)
        attempt.end(b"")

    def _retire(self) -> None:
        pool = self._pool
        self._retiring.add(pool)
        self._tasks.spawn(self._see_off(pool), f"retire {pool.function.name}")

    async def _see_off(self, pool: EnvironmentPool) -> None:
        await pool.retire()
        self._retiring.discard(pool)


def _count(pool: EnvironmentPool) -> int:
    counts, ending = pool.statistics()
    return sum(counts.values()) + ending
