"""What a connection waits for, and for how long."""

from __future__ import annotations

import asyncio
from enum import Enum
from typing import Protocol

from tailrace import limits
from tailrace.errors import HttpError
from tailrace.net.http_parser import HttpLimits


class Phase(Enum):
    """What a connection waits for; all but ANSWER and CLOSED have a deadline."""

    IDLE = "the next request"
    HEAD = "the rest of a head"
    BODY = "the rest of a body"
    ANSWER = "the application"
    LINGER = "the peer to read its answer and stop sending"
    CLOSING = "the peer to take the last bytes"
    CLOSED = "nothing"


class Waiting(Protocol):
    """What the deadlines need of a connection."""

    phase: Phase
    began_s: float
    """Since when it is in this phase."""
    since_s: float
    """Since when it has waited, or since when `seen` has not changed."""
    seen: int

    @property
    def is_reading(self) -> bool: ...
    @property
    def request_bytes(self) -> int: ...
    @property
    def unsent_bytes(self) -> int: ...

    def refuse(self, error: HttpError) -> None: ...
    def close(self) -> None: ...
    def cut(self) -> None: ...


class Deadlines:
    """The connections of a listener that wait for their peer.

    A sweep looks at them now and then: a timer for each would cost more than all the rest of a
    short request.
    """

    def __init__(self, bounds: HttpLimits) -> None:
        self._bounds = bounds
        self._waiting: set[Waiting] = set()
        self._sweeper: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    def start(self) -> None:
        """Begin to sweep."""
        self._loop = asyncio.get_running_loop()
        self._sweeper = self._loop.call_later(self._interval_s(), self._sweep)

    def stop(self) -> None:
        """Sweep no more."""
        if self._sweeper is not None:
            self._sweeper.cancel()

    def watch(self, connection: Waiting) -> None:
        """The connection waits for its peer from now on."""
        connection.since_s = connection.began_s = self._loop.time()
        connection.seen = 0
        self._waiting.add(connection)

    def unwatch(self, connection: Waiting) -> None:
        """It waits for the application, which has deadlines of its own, or for nothing."""
        self._waiting.discard(connection)

    def _interval_s(self) -> float:
        """A quarter of the shortest deadline, so that none is met much too late."""
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

    def _sweep(self) -> None:
        # First, so that an error in an application does not end all deadlines.
        self._sweeper = self._loop.call_later(self._interval_s(), self._sweep)
        now_s = self._loop.time()
        for connection in list(self._waiting):
            self._check(connection, now_s)

    def _check(self, connection: Waiting, now_s: float) -> None:
        """End what has waited for too long."""
        bounds = self._bounds
        waited_s = now_s - connection.since_s
        match connection.phase:
            case Phase.IDLE:
                if waited_s >= bounds.keep_alive_timeout_s:
                    connection.close()
            case Phase.HEAD:
                if waited_s >= bounds.head_timeout_s:
                    connection.refuse(HttpError(408, "the head did not arrive in time"))
            case Phase.BODY:
                total_s = bounds.body_total_timeout_s
                if total_s is not None and now_s - connection.began_s >= total_s:
                    connection.refuse(HttpError(408, "the body took too long"))
                elif not connection.is_reading:
                    connection.since_s = now_s  # its sender can do nothing about that
                elif (
                    bounds.body_timeout_s is not None
                    and _silence_s(connection, connection.request_bytes, now_s)
                    >= bounds.body_timeout_s
                ):
                    connection.refuse(HttpError(408, "the body did not arrive in time"))
            case Phase.LINGER:
                silent_s = _silence_s(connection, connection.unsent_bytes, now_s)
                if connection.seen:
                    if silent_s >= bounds.stall_timeout_s:
                        connection.cut()
                elif silent_s >= bounds.linger_timeout_s:
                    connection.close()  # the kernel may still have some of a complete answer
            case Phase.CLOSING:
                silent_s = _silence_s(connection, connection.unsent_bytes, now_s)
                if silent_s >= bounds.stall_timeout_s:
                    connection.cut()


def _silence_s(connection: Waiting, count: int, now_s: float) -> float:
    """How long a count has not changed, as seen by the sweeps."""
    if count != connection.seen:
        connection.seen = count
        connection.since_s = now_s
    return now_s - connection.since_s
