"""Execution environments: real processes that run one invocation at a time.

Concurrency law: `serve` runs in one task at a time and owns the environment's life; what the
process and its Runtime API tell (ready, init error, exit) ends one wait of that task. Only `stop`
comes from outside: it ends the process, and `serve` then sees an exit like any other.
"""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from tailrace import limits
from tailrace.config import FunctionConfig
from tailrace.emulator.invocation import Attempt, Outcome
from tailrace.emulator.launch import arguments_of, profile_keys, why_unusable
from tailrace.emulator.log import EnvironmentLog
from tailrace.emulator.names import VERSION
from tailrace.emulator.process import FunctionProcess
from tailrace.emulator.report import Report, exit_reason, timestamp
from tailrace.emulator.runtime_answer import TRUNCATED, error_line
from tailrace.emulator.runtime_server import RuntimeServer
from tailrace.emulator.status import Status, Turn
from tailrace.emulator.variables import MakeVariables, handler_of
from tailrace.errors import ConfigError
from tailrace.net.clock import TimerClock, time_limit

if TYPE_CHECKING:
    from tailrace.emulator.profile import ProfileKeys

_SHUTDOWN_POLL_S: Final = 0.001


class ExecutionEnvironment:
    """One process group with a Runtime API of its own.

    With `freeze` the group is stopped between two invocations. `on_lost(environment)` is called
    when the process ends there.
    """

    def __init__(
        self,
        function: FunctionConfig,
        log: EnvironmentLog,
        *,
        make_variables: MakeVariables,
        init_timeout_s: float,
        freeze: bool,
        clock: TimerClock,
        on_lost: Callable[[ExecutionEnvironment], None],
    ) -> None:
        self.status = Status.NEW
        self._function = function
        self._log = log
        self._make_variables = make_variables
        self._init_timeout_s = init_timeout_s
        self._freeze = freeze
        self._clock = clock
        self._on_lost = on_lost
        self._is_serving = False
        self._is_stopping = False
        self._process: FunctionProcess | None = None
        self._server: RuntimeServer | None = None
        self._turn: asyncio.Future[Turn] | None = None
        self._init_outcome: Outcome | None = None
        self._extension_failure: tuple[str, str] | None = None
        self._exit_reason = ""
        self._keys: ProfileKeys | None = None

    @property
    def is_alive(self) -> bool:
        """Whether the process still runs."""
        return self._process is not None and self._process.is_alive

    @property
    def is_outdated(self) -> bool:
        """Whether the credentials of its profile expire soon."""
        return self._keys is not None and self._keys.are_old

    @property
    def pid(self) -> int | None:
        """The process, which leads the process group of the environment."""
        return self._process.pid if self._process is not None else None

    async def serve(self, attempt: Attempt) -> None:
        """Run one attempt to its end; the environment is idle afterwards, or gone.

        The attempt has its outcome as soon as the runtime answered; this returns when the runtime
        asks for the next event, or has ended. Not to be cancelled: `stop` ends it.
        """
        self._is_serving = True
        try:
            await self._serve(attempt)
        finally:
            self._is_serving = False

    async def warm(self) -> bool:
        """Run the init phase ahead of the first event; False, and a line in the log, if it fails.

        Not to be cancelled, as `serve`.
        """
        self._is_serving = True
        try:
            await self._warm()
        finally:
            self._is_serving = False
        return self.status is Status.IDLE

    async def stop(self) -> None:
        """End the process: SIGTERM, and SIGKILL half a second later. Safe to call at any time.

        Extensions that wait for it are told before. A running attempt ends with
        `Runtime.ExitError`, after this has returned.
        """
        self._is_stopping = True
        if self._process is not None:
            if self.status is Status.IDLE and self._process.is_alive:
                await self._shut_extensions_down(self._process)
            await self._process.terminate(limits.SHUTDOWN_TIMEOUT_S)
        if not self._is_serving:
            await self._close()

    # --- the phases ---------------------------------------------------------------------------

    async def _serve(self, attempt: Attempt) -> None:
        now = time.monotonic  # finer than the clock of uvloop, which is read once a turn
        failure: Outcome | None = None
        init_ms: float | None = None
        deadline_s = math.inf
        self._log.begin_tail()
        if self.status is Status.NEW:
            started_s = now()
            failure, deadline_s = await self._init(attempt.invocation.request_id)
            init_ms = (now() - started_s) * 1000
        elif self._freeze and self._process is not None:
            self._process.thaw()
        self.status = Status.BUSY
        self._log.platform(f"START RequestId: {attempt.invocation.request_id} Version: {VERSION}")
        started_s = now()
        turn = Turn.EXITED
        if failure is None:
            turn = await self._run(attempt, deadline_s)
        else:
            attempt.answer(failure)
            await self._end_init()
        self._report(attempt, (now() - started_s) * 1000, init_ms, turn)
        if turn is Turn.READY and not self._is_stopping and self.is_alive:
            self._rest()
        else:
            await self._close()
        attempt.end(self._log.tail())

    async def _warm(self) -> None:
        failure, _ = await self._init("init")
        if failure is None and self.is_alive and not self._is_stopping:
            self._rest()
            return
        if failure is not None and not self._is_stopping:
            await self._end_init()
            line = f"{failure.error_type}: {error_line(failure, 'init')}"
            self._log.platform(f"ERROR cannot start: {line}; the next invocation tries again")
        await self._close()

    def _rest(self) -> None:
        self.status = Status.IDLE
        if self._freeze and self._process is not None:
            self._process.freeze()

    async def _init(self, request_id: str) -> tuple[Outcome | None, float]:
        """Start the process and wait until it asks for an event.

        An init phase that takes too long is begun again, on the time of the first invocation, as
        on Lambda. One that fails is not, unlike there: its output would be seen twice.
        Returns the failure, if any, and the end of that time.
        """
        self.status = Status.STARTING
        self._log.begin_init()
        now = self._clock.now_s
        deadline_s = math.inf
        try:
            turn = await self._start(now() + self._init_timeout_s)
            if turn is Turn.TIMEOUT and not self._is_stopping:
                spent_ms = self._init_timeout_s * 1000
                self._log.platform(
                    f"INIT_REPORT Init Duration: {spent_ms:.2f} ms\tPhase: init\tStatus: timeout"
                )
                await self._clear()
                deadline_s = now() + self._function.timeout_s
                turn = await self._start(deadline_s)
        except (OSError, ConfigError) as error:
            return self._unusable(request_id, error), deadline_s
        if turn is Turn.READY:
            self._log.end_init(None)
            return None, deadline_s
        return self._init_outcome or self._failure(request_id, turn), deadline_s

    async def _end_init(self) -> None:
        """Take the last output of a process whose init phase has failed."""
        outcome = self._init_outcome
        if outcome is not None and self._process is not None:
            # It is about to end by itself, and may have something to print.
            await self._process.wait_exit(limits.SHUTDOWN_TIMEOUT_S)
        self._log.end_init(outcome.payload if outcome is not None else b"")

    async def _start(self, deadline_s: float) -> Turn:
        """Start a process with a fresh Runtime API, and wait for its first turn."""
        function = self._function
        self._turn = asyncio.get_running_loop().create_future()
        self._server = RuntimeServer(function.name, handler_of(function), self)
        await self._server.start()
        self._keys = await profile_keys(function)
        keys = self._keys.variables if self._keys is not None else {}
        variables = self._make_variables(function, self._server.address, keys)
        process = FunctionProcess(self._log.feed, self._on_exit)
        await process.start(arguments_of(function), path=function.path, variables=variables)
        self._process = process
        if self._is_stopping:  # asked to while there was no process yet
            await process.kill()
        return await self._wait_turn(deadline_s)

    async def _run(self, attempt: Attempt, deadline_s: float) -> Turn:
        """Give the event to the runtime and wait until it is ready for another.

        `deadline_s` is earlier than the function's time-out when its init phase has used that.
        """
        assert self._server is not None and self._process is not None
        now_s = self._clock.now_s()
        deadline_s = min(deadline_s, now_s + self._function.timeout_s)
        left_s = max(0.0, deadline_s - now_s)
        self._turn = asyncio.get_running_loop().create_future()
        if self._process.is_alive:
            self._server.deliver(attempt, int((time.time() + left_s) * 1000))
        elif self._process.has_ended:  # and that has been told when nobody waited for it
            self._turn.set_result(Turn.EXITED)
        turn = await self._wait_turn(deadline_s, attempt)
        if turn is not Turn.READY:
            attempt.answer(self._failure(attempt.invocation.request_id, turn))
        return turn

    async def _wait_turn(self, deadline_s: float, attempt: Attempt | None = None) -> Turn:
        assert self._turn is not None
        timer = self._clock.call_at(deadline_s, self._take_turn, Turn.TIMEOUT)
        result = await self._turn
        timer.cancel()
        self._turn = None
        if result is Turn.EXITED:
            await self._read_rest(deadline_s, attempt)
        return result

    async def _read_rest(self, deadline_s: float, attempt: Attempt | None) -> None:
        """Read what the process sent just before it ended: it may have answered.

        A listener that takes nothing for now may hold it back, no longer than the invocation may
        run.
        """
        assert self._server is not None

        def is_held() -> bool:
            is_early = self._clock.now_s() < deadline_s
            return attempt is not None and attempt.is_held and is_early

        was_held = True
        while was_held:
            was_held = is_held()  # all the time is for what is let go meanwhile
            try:
                async with time_limit(self._clock, limits.OUTPUT_TIMEOUT_S):
                    await self._server.wait_empty()
                    return
            except TimeoutError:
                was_held = was_held or is_held()

    async def _shut_extensions_down(self, process: FunctionProcess) -> None:
        """Let the extensions that want to know finish; on Lambda the runtime has ended before."""
        assert self._server is not None
        extensions = self._server.extensions
        timeout_s = limits.EXTENSION_SHUTDOWN_TIMEOUT_S
        now = self._clock.now_s
        end_s = now() + timeout_s
        process.thaw()
        reason = "FAILURE" if self._extension_failure else "SPINDOWN"
        if extensions.shut_down(reason, int((time.time() + timeout_s) * 1000)):
            while process.is_alive and not extensions.are_done and now() < end_s:  # noqa: ASYNC110
                await asyncio.sleep(_SHUTDOWN_POLL_S)

    async def _clear(self) -> None:
        """End the process and its Runtime API."""
        if self._process is not None:
            await self._process.kill()
        server, self._server, self._process = self._server, None, None
        if server is not None:
            await server.stop()

    async def _close(self) -> None:
        await self._clear()
        self.status = Status.GONE

    # --- what the process and its runtime tell --------------------------------------------------

    def on_ready(self) -> None:
        """Called by the Runtime API."""
        self._take_turn(Turn.READY)

    def on_init_error(self, outcome: Outcome) -> None:
        """Called by the Runtime API."""
        self._init_outcome = self._init_outcome or outcome
        self._take_turn(Turn.INIT_FAILED)

    def on_cut(self, attempt: Attempt) -> None:
        """Called by the Runtime API. A process that is about to end says more by its end."""
        self._clock.call_later(limits.OUTPUT_TIMEOUT_S, self._truncate, attempt)

    def on_extension_failure(self, error_type: str, text: str) -> None:
        """Called by the Runtime API."""
        self._extension_failure = (error_type, text)
        if self._turn is not None:
            self._take_turn(Turn.EXTENSION_FAILED)
        else:
            self._lose(f"Error: {text},")

    def _on_exit(self, status: int) -> None:
        self._exit_reason = exit_reason(status)
        if self._turn is not None:
            self._take_turn(Turn.EXITED)
        else:
            self._lose(self._exit_reason)

    def _lose(self, reason: str) -> None:
        if self.status is Status.IDLE and not self._is_stopping:
            self._log.platform(f"{reason} between two invocations")
            self._on_lost(self)

    def _truncate(self, attempt: Attempt) -> None:
        if self.is_alive:
            attempt.answer(TRUNCATED)

    def _take_turn(self, turn: Turn) -> None:
        if self._turn is not None and not self._turn.done():
            self._turn.set_result(turn)

    # --- words --------------------------------------------------------------------------------

    def _failure(self, request_id: str, turn: Turn) -> Outcome:
        """The function error for a process that ended, or that had to be ended."""
        if turn is Turn.TIMEOUT:
            text = f"Task timed out after {self._function.timeout_s:.2f} seconds"
            self._log.platform(f"{timestamp(time.time())} {request_id} {text}")
            return Outcome.failure("Sandbox.Timedout", f"RequestId: {request_id} Error: {text}")
        error_type, reason = "Runtime.ExitError", self._exit_reason
        if turn is Turn.EXTENSION_FAILED and self._extension_failure is not None:
            error_type, reason = self._extension_failure
        text = f"RequestId: {request_id} Error: {reason}"
        if self.status is not Status.STARTING or not self._is_stopping:  # we ended it: no failure
            self._log.platform(text)
        return Outcome.failure(error_type, text)

    def _unusable(self, request_id: str, error: OSError | ConfigError) -> Outcome:
        """The function error for a program that cannot be started."""
        error_type, what = why_unusable(self._function, error)
        text = f"RequestId: {request_id} Error: {what}"
        self._log.platform(text)
        return Outcome.failure(error_type, text)

    def _report(
        self, attempt: Attempt, duration_ms: float, init_ms: float | None, turn: Turn
    ) -> None:
        """Write END and REPORT, behind all that the function has printed."""
        process = self._process
        if process is not None:
            process.read_output()
        request_id = attempt.invocation.request_id
        outcome = attempt.outcome.result()
        self._show_error(request_id, outcome)
        report = Report(
            request_id=request_id,
            duration_ms=duration_ms,
            init_ms=init_ms,
            memory_mb=self._function.memory_mb,
            memory_peak_mb=process.memory_peak_mb() if process is not None else None,
            is_timeout=turn is Turn.TIMEOUT,
            error_type=outcome.error_type,
        )
        self._log.platform(f"END RequestId: {request_id}")
        self._log.platform(report.line())

    def _show_error(self, request_id: str, outcome: Outcome) -> None:
        """Write an error that nobody has printed: a runtime may only have reported it.

        Nothing else tells of it when the client of a streamed response has had its head.
        """
        line = error_line(outcome, request_id)
        printed = self._log.tail().decode("utf-8", "replace")
        as_json = json.dumps(line, ensure_ascii=False)[1:-1]  # AWS's runtimes for Node.js
        if line and line not in printed and as_json not in printed:
            what = "the streamed response failed" if outcome.is_streamed else "failed"
            what = f"{what}: {outcome.error_type}: {line}"
            self._log.platform(f"ERROR RequestId: {request_id} {what}")
