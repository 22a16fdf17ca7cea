"""The deadlines of connections that wait for their peers.

This is the only implementation of the stall deadline: a connection whose peer accepts no byte of a
response for `stall_timeout_s` is reset, and its application gets `on_gone` once, with `has_stalled`
set. Applications configure the seconds, and react; they do not measure stalls themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from enum import Enum
from typing import Protocol

from tailrace import limits
from tailrace.errors import HttpError
from tailrace.net.clock import TimerClock
from tailrace.net.server import phases
from tailrace.net.server.parser import HttpLimits
from tailrace.net.server.phases import Phase
from tailrace.net.sweeper import Sweeper


class Passed(Enum):
    """What follows from a deadline that has passed: a 408 with this text, or an end."""

    HEAD = "the head did not arrive in time"
    BODY = "the body did not arrive in time"
    BODY_TOTAL = "the body took too long"
    CLOSE = "close"
    RESET = "reset"
    STALL = "stall"


class Waiting(Protocol):
    """A connection, as the deadlines use it."""

    phase: Phase
    phase_since_s: float
    """The start of the phase."""
    since_s: float
    """The start of the wait, or the last change of `seen`."""
    seen: int

    @property
    def is_reading(self) -> bool: ...
    @property
    def request_bytes(self) -> int: ...
    @property
    def unsent_bytes(self) -> int: ...
    @property
    def taken_bytes(self) -> int: ...

    def refuse(self, error: HttpError) -> None: ...
    def close(self) -> None: ...
    def reset(self) -> None: ...
    def end_stalled(self) -> None: ...


class PeerDeadlines:
    """The connections of a listener that wait for their peers.

    A sweep checks them at intervals: a timer for each would cost more than all the rest of a short
    request. A connection that waits for its application to respond is not watched. One whose
    response has started is not among those that are iterated over: a crowd searches these for idle
    ones at each newcomer above a bound.
    """

    def __init__(self, bounds: HttpLimits, clock: TimerClock) -> None:
        self._clock = clock
        self._now_s = clock.now_s
        self._bounds = bounds
        self._waiting: set[Waiting] = set()
        self._responding: set[Waiting] = set()  # their peers may stall
        self._sweeper = Sweeper(clock, interval_s=self._interval_s, look=self._look)

    def __len__(self) -> int:
        return len(self._waiting) + len(self._responding)

    def __iter__(self) -> Iterator[Waiting]:
        return iter(self._waiting)

    def start(self) -> None:
        """Start the sweep."""
        self._sweeper.start()

    def stop(self) -> None:
        """Stop the sweep."""
        self._sweeper.stop()

    def shorten_idle(self) -> None:
        """Lower the deadline of idle connections to `drain_idle_timeout_s`, from now on."""
        bounds = self._bounds
        timeout_s = min(bounds.drain_idle_timeout_s, bounds.keep_alive_timeout_s)
        self._bounds = replace(bounds, keep_alive_timeout_s=timeout_s)
        for connection in self._waiting:
            if connection.phase is phases.IDLE:
                connection.since_s = self._clock.now_s()

    def watch(self, connection: Waiting) -> None:
        """Count the connection's deadline from now on."""
        connection.since_s = connection.phase_since_s = self._now_s()
        connection.seen = 0
        phase = connection.phase
        if phase is phases.ANSWER or phase is phases.PENDING:
            self._waiting.discard(connection)
            self._responding.add(connection)
        else:
            self._responding.discard(connection)
            self._waiting.add(connection)

    def unwatch(self, connection: Waiting) -> None:
        """Stop counting: the connection waits for its application, or has ended."""
        self._waiting.discard(connection)
        self._responding.discard(connection)

    def _interval_s(self) -> float:
        """A quarter of the shortest deadline: none passes by more than that unnoticed."""
        bounds = self._bounds
        shortest_s = min(
            bounds.head_timeout_s,
            bounds.body_timeout_s or bounds.head_timeout_s,
            bounds.body_total_timeout_s or bounds.head_timeout_s,
            bounds.keep_alive_timeout_s,
            bounds.linger_timeout_s,
            bounds.stall_timeout_s,
        )
        return min(limits.SWEEP_INTERVAL_S, shortest_s / 4)

    def _look(self) -> Iterator[bool]:
        now_s = self._clock.now_s()
        for connection in [*self._waiting, *self._responding]:
            yield self._check(connection, now_s)

    def _check(self, connection: Waiting, now_s: float) -> bool:
        """End a connection whose deadline has passed; return whether it was ended."""
        phase = connection.phase
        has_unsent = False
        if phase is phases.BODY:
            _note(connection, connection.request_bytes, now_s, is_excused=not connection.is_reading)
        elif phase is phases.ANSWER or phase is phases.PENDING:
            has_unsent = connection.unsent_bytes > 0
            _note(connection, connection.taken_bytes, now_s, is_excused=not has_unsent)
        elif phase is phases.LINGER or phase is phases.CLOSING:
            has_unsent = connection.unsent_bytes > 0
            _note(connection, connection.unsent_bytes, now_s)
        passed = passed_deadline(
            self._bounds,
            phase,
            waited_s=now_s - connection.since_s,
            phase_s=now_s - connection.phase_since_s,
            has_unsent=has_unsent,
        )
        if passed is None:
            return False
        match passed:
            case Passed.CLOSE:
                connection.close()
            case Passed.RESET:
                connection.reset()
            case Passed.STALL:
                connection.end_stalled()
            case _:
                connection.refuse(HttpError(408, passed.value))
        return True


def passed_deadline(
    bounds: HttpLimits, phase: Phase, *, waited_s: float, phase_s: float, has_unsent: bool
) -> Passed | None:
    """Return which deadline of a connection has passed, if any.

    `waited_s` is how long its peer has done nothing, `phase_s` how long the phase has lasted.
    `has_unsent`: whether bytes of a response wait for the peer.
    """
    match phase:
        case phases.IDLE if waited_s >= bounds.keep_alive_timeout_s:
            return Passed.CLOSE
        case phases.HEAD if waited_s >= bounds.head_timeout_s:
            return Passed.HEAD
        case phases.BODY:
            if _is_over(bounds.body_total_timeout_s, phase_s):
                return Passed.BODY_TOTAL
            if _is_over(bounds.body_timeout_s, waited_s):
                return Passed.BODY
        case phases.ANSWER | phases.PENDING if has_unsent and waited_s >= bounds.stall_timeout_s:
            return Passed.STALL
        case phases.LINGER if has_unsent:
            if waited_s >= bounds.stall_timeout_s:
                return Passed.RESET
        case phases.LINGER if waited_s >= bounds.linger_timeout_s:
            return Passed.CLOSE  # not a reset: the kernel may still be sending a complete answer
        case phases.CLOSING if waited_s >= bounds.stall_timeout_s:
            return Passed.RESET
    return None


def _is_over(timeout_s: float | None, waited_s: float) -> bool:
    return timeout_s is not None and waited_s >= timeout_s


def _note(connection: Waiting, count: int, now_s: float, *, is_excused: bool = False) -> None:
    """Note when a count last changed, as the sweeps see it; an excused peer cannot change it."""
    if is_excused or count != connection.seen:
        connection.since_s = now_s
    connection.seen = count
