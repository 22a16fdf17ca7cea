"""Lambda's queue of asynchronous invocations, one for each function.

Differences from Lambda, meant for a laptop: events run in the order in which they came, and one
that finds the function busy waits until an environment is free, without Lambda's back-off of up to
five minutes. The same: at most `retries` further attempts after a function error, one and two
minutes later (times `retry_delay_scale`), with the same request id; nothing older than the maximum
age is tried. And an event that failed is not tried by a later version of the function: on a laptop
it would come back, unasked, a minute after its mistake was corrected.

Concurrency law: everything is a step of the event loop; waiting is done by its timers.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from tailrace import limits
from tailrace.config import FunctionConfig
from tailrace.emulator.destinations import Condition, EndedEvent
from tailrace.emulator.invocation import Attempt, Outcome
from tailrace.emulator.log import EmulatorLog
from tailrace.net.clock import Timer, TimerClock
from tailrace.wire.runtime_api import Invocation

OnEventEnded = Callable[[bytes, str | None], None]
"""Is told an event and the error with which an attempt ended; None when it succeeded."""


@dataclass(frozen=True, slots=True)
class QueuedEvent:
    """An event and what has become of it so far."""

    invocation: Invocation
    arrived_s: float
    """On the emulator's clock."""
    attempts: int = 0
    hops: int = 0
    """How many destinations it has come through."""
    outcome: Outcome | None = None
    """Of the last attempt, which has failed."""


class EventQueue:
    """Events that wait for an environment or for their retry.

    `start(attempt)` runs an attempt, or returns False when the function is busy; `dispatch` is to
    be called whenever that may have changed. `on_ended(event, error)` is called when an attempt has
    ended, with None when it succeeded, and when an event is dropped untried; `on_settled` when an
    event has come to its end.
    """

    def __init__(
        self,
        function: FunctionConfig,
        start: Callable[[Attempt], bool],
        log: EmulatorLog,
        *,
        clock: TimerClock,
        retry_delay_scale: float,
        on_ended: OnEventEnded | None = None,
        on_settled: Callable[[EndedEvent], None] = lambda event: None,
    ) -> None:
        self._function = function
        self._version = 0
        self.retry_delay_scale = retry_delay_scale
        self._start = start
        self._log = log
        self._clock = clock
        self._on_ended = on_ended
        self._on_settled = on_settled
        self._waiting: deque[QueuedEvent] = deque()
        self._retries: dict[str, tuple[QueuedEvent, Timer]] = {}
        self._held_bytes = 0  # of all events that have not come to their end
        self._held_count = 0
        self._is_closed = False

    def put(self, invocation: Invocation, *, hops: int = 0) -> bool:
        """Take an event; False when the queue is full, or closed."""
        if (
            self._is_closed
            or self._held_count >= limits.EVENT_QUEUE_MAX
            or self._held_bytes + len(invocation.event) > limits.EVENT_QUEUE_BYTES_MAX
        ):
            return False
        self._held_count += 1
        self._held_bytes += len(invocation.event)
        self._waiting.append(QueuedEvent(invocation, self._clock.now_s(), hops=hops))
        self.dispatch()
        return True

    def dispatch(self) -> None:
        """Start what can be started."""
        while self._waiting and not self._is_closed:
            event = self._waiting[0]
            if self._clock.now_s() - event.arrived_s > self._function.event_age_s:
                reason = "is over its maximum age"
                self._give_up(self._waiting.popleft(), reason, Condition.EVENT_AGE_EXCEEDED)
                continue
            if self._function.concurrency == 0:
                reason = "cannot run: the concurrency is 0"
                self._give_up(self._waiting.popleft(), reason, Condition.NO_CONCURRENCY)
                continue
            attempt = Attempt(event.invocation)
            if not self._start(attempt):
                return
            self._waiting.popleft()
            tried = replace(event, attempts=event.attempts + 1)
            attempt.outcome.add_done_callback(partial(self._conclude, tried, self._version))

    def begin_version(self, function: FunctionConfig) -> None:
        """Run what waits with another version of the function; drop what has failed before."""
        self._function = function
        self._version += 1
        failed = [event for event, _ in self._retries.values()]
        for _, timer in self._retries.values():
            timer.cancel()
        self._retries.clear()
        failed += [event for event in self._waiting if event.attempts]
        self._waiting = deque(event for event in self._waiting if not event.attempts)
        for event in failed:
            self._give_up_outdated(event)

    def close(self, reason: str | None = None) -> None:
        """Drop all events; `reason` is logged for each, None drops them silently."""
        self._is_closed = True
        for event, timer in self._retries.values():
            timer.cancel()
            self._waiting.append(event)
        self._retries.clear()
        while self._waiting:
            event = self._waiting.popleft()
            if reason is not None:
                self._drop(event, reason)

    def lengths(self) -> tuple[int, int]:
        """Events that wait for an environment, and events that wait for their retry."""
        return len(self._waiting), len(self._retries)

    def _conclude(self, event: QueuedEvent, version: int, future: asyncio.Future[Outcome]) -> None:
        """An attempt of a version has its outcome: done, or tried again later."""
        outcome = future.result()
        event = replace(event, outcome=outcome)
        self._tell_end(event, outcome.error_type)
        if outcome.error_type is None:
            self._forget(event)
            self._settle(event, Condition.SUCCESS)
            return
        if self._is_closed:
            return
        if version != self._version:
            self._give_up_outdated(event)
            return
        if event.attempts > min(self._function.retries, limits.RETRIES_MAX):
            self._give_up(event, _failed(event), Condition.RETRIES_EXHAUSTED)
            return
        delay_s = limits.RETRY_DELAYS_S[event.attempts - 1] * self.retry_delay_scale
        if self._clock.now_s() + delay_s - event.arrived_s > self._function.event_age_s:
            reason = "is over its maximum age before its next attempt"
            self._give_up(event, reason, Condition.EVENT_AGE_EXCEEDED)
            return
        self._say(event, f"failed ({outcome.error_type}); next attempt in {delay_s:g} s")
        if len(outcome.payload) > limits.EVENT_ERROR_BYTES_MAX:
            event = replace(event, outcome=replace(outcome, payload=b"null"))
        timer = self._clock.call_later(delay_s, self._retry, event)
        self._retries[event.invocation.request_id] = (event, timer)

    def _retry(self, event: QueuedEvent) -> None:
        del self._retries[event.invocation.request_id]
        self._waiting.append(event)
        self.dispatch()

    def _give_up_outdated(self, event: QueuedEvent) -> None:
        reason = f"{_failed(event)}, before the function changed"
        self._give_up(event, reason, Condition.RETRIES_EXHAUSTED)

    def _give_up(self, event: QueuedEvent, reason: str, condition: Condition) -> None:
        self._drop(event, reason)
        self._settle(event, condition)

    def _settle(self, event: QueuedEvent, condition: Condition) -> None:
        self._on_settled(
            EndedEvent(event.invocation, condition, event.attempts, event.outcome, event.hops)
        )

    def _drop(self, event: QueuedEvent, reason: str) -> None:
        self._forget(event)
        self._say(event, f"{reason}; it is dropped")
        if event.attempts == 0:
            self._tell_end(event, reason)

    def _tell_end(self, event: QueuedEvent, error: str | None) -> None:
        if self._on_ended is not None:
            self._on_ended(event.invocation.event, error)

    def _forget(self, event: QueuedEvent) -> None:
        self._held_count -= 1
        self._held_bytes -= len(event.invocation.event)

    def _say(self, event: QueuedEvent, text: str) -> None:
        request_id = event.invocation.request_id
        self._log.write(self._function.name, f"EVENT RequestId: {request_id} {text}")


def _failed(event: QueuedEvent) -> str:
    """How often, and how in the end."""
    assert event.outcome is not None
    times = "once" if event.attempts == 1 else f"{event.attempts} times"
    return f"failed {times}: {event.outcome.error_type}"
