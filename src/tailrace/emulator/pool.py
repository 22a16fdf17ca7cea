"""The execution environments of one version of a function: warm ones, cold starts, retirement.

Concurrency law: choosing an environment is one step of the event loop. Each attempt runs in one
task, which gives its environment back or ends it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tailrace import limits
from tailrace.config import FunctionConfig
from tailrace.emulator.environments import ExecutionEnvironment
from tailrace.emulator.invocation import Attempt, Outcome
from tailrace.emulator.log import EmulatorLog, EnvironmentLog, LastInit
from tailrace.emulator.status import Status
from tailrace.emulator.variables import function_variables
from tailrace.net.clock import LoopClock, TimerClock
from tailrace.net.tasks import TaskSet


@dataclass(frozen=True, slots=True)
class EnvironmentSettings:
    """What all environments of an emulator have in common."""

    log: EmulatorLog
    inherited: Mapping[str, str]
    """The variables of the emulator's own process, of which functions inherit a few."""
    callback_hosts: Callable[[], Sequence[str]]
    """Where functions may call back, asked when an environment starts."""
    init_timeout_s: float = limits.INIT_TIMEOUT_S
    clock: TimerClock = field(default_factory=LoopClock)
    """What time-outs and retries count on."""

    def variables_of(
        self, function: FunctionConfig, runtime_api: str, keys: Mapping[str, str]
    ) -> dict[str, str]:
        """The variables of a process that starts now."""
        return function_variables(
            function,
            runtime_api,
            keys,
            inherited=self.inherited,
            callback_hosts=self.callback_hosts(),
        )


class EnvironmentPool:
    """Up to `concurrency` environments; `on_free` is called when one has become free."""

    def __init__(
        self,
        function: FunctionConfig,
        settings: EnvironmentSettings,
        on_free: Callable[[], None],
        *,
        freeze: bool,
    ) -> None:
        self.function = function
        self._freeze = freeze
        self._settings = settings
        self._on_free = on_free
        self._last_init = LastInit()
        self._is_retired = False
        self._idle: list[ExecutionEnvironment] = []  # the most recently used one last
        self._serving: dict[ExecutionEnvironment, Attempt] = {}
        self._ending: set[ExecutionEnvironment] = set()
        self._warming: ExecutionEnvironment | None = None
        self._taker: Attempt | None = None  # waits for the one that is warming
        self._tasks = TaskSet()
        self._running: set[asyncio.Task[None]] = set()

    def warm(self) -> asyncio.Task[None] | None:
        """Start an environment ahead of the first invocation, unless there is one."""
        if self._is_retired or self._idle or self._serving or not self.function.concurrency:
            return None
        self._warming = self._new()
        return self._spawn(self._warm(self._warming))

    def start(self, attempt: Attempt) -> bool:
        """Run an attempt in a warm environment, or in a new one; False when all are busy."""
        if (
            self._warming is not None
            and self._taker is None
            and not (self._idle or self._is_retired)
        ):
            self._taker = attempt
            return True
        environment = self._take()
        if environment is None:
            return False
        self._serving[environment] = attempt
        self._spawn(self._serve(environment, attempt))
        return True

    @property
    def is_about_to_be_free(self) -> bool:
        """Whether some environment has answered, and is expected to ask for its next event."""
        return any(attempt.outcome.done() for attempt in self._serving.values())

    async def retire(self) -> None:
        """End idle environments now, the others when they have finished what they are at."""
        self._is_retired = True
        warming = [self._warming] if self._warming and self._taker is None else []
        for environment in (*self._idle, *warming):
            self._end(environment)
        self._idle.clear()
        await self._wait_all()

    async def stop(self) -> None:
        """End all environments, and wait until nothing of them is left."""
        self._is_retired = True
        taker, self._taker = self._taker, None
        if taker is not None:
            _fail(taker)
        warming = [self._warming] if self._warming else []
        for environment in (*self._idle, *self._serving, *warming):
            self._end(environment)
        self._idle.clear()
        await self._wait_all()

    def pids(self) -> list[int]:
        """The processes that lead the environments' process groups."""
        environments = {*self._idle, *self._serving, *self._ending}
        if self._warming is not None:
            environments.add(self._warming)
        return [environment.pid for environment in environments if environment.pid is not None]

    def statistics(self) -> tuple[dict[Status, int], int]:
        """How many environments there are in each state, and how many more are being ended."""
        counts = dict.fromkeys(Status, 0)
        for environment in (*self._idle, *self._serving):
            counts[environment.status] += 1
        if self._warming is not None:
            counts[self._warming.status] += 1
        return counts, len(self._ending.difference(self._serving))

    def _take(self) -> ExecutionEnvironment | None:
        if self._is_retired:
            return None
        while self._idle:
            environment = self._idle.pop()
            if environment.is_alive and not environment.is_outdated:
                return environment
            if environment.is_alive:
                self._end(environment)
            # Otherwise its end is about to be told, and `_on_lost` clears it away.
        busy = len(self._serving) + (self._warming is not None)
        return None if busy >= self.function.concurrency else self._new()

    def _new(self) -> ExecutionEnvironment:
        return ExecutionEnvironment(
            self.function,
            EnvironmentLog(self._settings.log, self.function.name, self._last_init),
            make_variables=self._settings.variables_of,
            init_timeout_s=self._settings.init_timeout_s,
            freeze=self._freeze,
            clock=self._settings.clock,
            on_lost=self._on_lost,
        )

    async def _warm(self, environment: ExecutionEnvironment) -> None:
        """Warm an environment, and run in it the attempt that has come meanwhile."""
        is_ready = False
        try:
            is_ready = await environment.warm()
        except BaseException:  # the emulator itself has failed
            if self._taker is not None:
                _fail(self._taker)
                self._taker = None
            raise
        finally:
            self._warming, taker, self._taker = None, self._taker, None
            if not is_ready:
                self._end(environment)
        if taker is not None and not is_ready:
            environment = self._new()  # which tells the taker how it fails
        if taker is not None:
            self._serving[environment] = taker
            await self._serve(environment, taker)
        elif is_ready and not self._is_retired:
            self._idle.append(environment)
            self._on_free()
        elif is_ready:
            self._end(environment)

    async def _serve(self, environment: ExecutionEnvironment, attempt: Attempt) -> None:
        try:
            await environment.serve(attempt)
        finally:
            del self._serving[environment]
            # Both have happened already, unless the emulator itself has failed.
            _fail(attempt)
            if environment.status is Status.IDLE and not self._is_retired:
                self._idle.append(environment)
            else:
                self._end(environment)
            self._on_free()

    async def _wait_all(self) -> None:
        while self._running:
            await asyncio.wait(self._running)

    def _on_lost(self, environment: ExecutionEnvironment) -> None:
        if environment in self._idle:
            self._idle.remove(environment)
        self._end(environment)
        self._on_free()

    def _end(self, environment: ExecutionEnvironment) -> None:
        self._ending.add(environment)
        self._spawn(self._stop(environment))

    async def _stop(self, environment: ExecutionEnvironment) -> None:
        try:
            await environment.stop()
        finally:
            self._ending.discard(environment)

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._tasks.spawn(coroutine, f"environment of {self.function.name}")
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task


def _fail(attempt: Attempt) -> None:
    attempt.answer(Outcome.failure("Sandbox.Failure", "the emulator failed"))
    attempt.end(b"")
