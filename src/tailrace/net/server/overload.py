"""Overload: how late a process runs, and which new requests are refused for it.

Late is what waits longer than the bound: a request or a callback since the kernel received it, or
everything, if a turn of the event loop takes as long. A pause of the process makes things late and
has an end, so requests are refused only after all that was looked at has been late for
LATE_PATIENCE_S; within LATE_ALERT_S of a refusal, at once. A request that is not late is served, so
there is no state that must end first.

What the kernel received before the process began to serve has waited for the start: a supervisor
holds the listening socket during a restart. It is served, and so is what stands behind it.

One callback in LATE_LOOK_INTERVAL_S is looked at, and in normal times one request.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from typing import Final, Protocol

from tailrace.net.clock import Timer, TimerClock
from tailrace.net.process import limits
from tailrace.net.server.received import received_ago_s
from tailrace.net.server.refusals import Tally

logger = logging.getLogger(__name__)

_NEVER_S: Final = float("-inf")
_DECAY: Final = 0.97
"""What is left of the lateness that is shown, after an interval without a greater one."""


class Arrived(Protocol):
    """A connection whose request has arrived up to the end of its head."""

    phase_since_s: float

    @property
    def has_responded(self) -> bool: ...
    @property
    def received_ago_s(self) -> float: ...


class Overload:
    """Decides for each new request of a process whether it is refused.

    With a bound of 0 none is; how late the process runs is measured all the same.
    """

    __slots__ = (
        "_alert_until_s",
        "_began_s",
        "_bound_s",
        "_callback_s",
        "_clock",
        "_late_since_s",
        "_noted_s",
        "_queue_until_s",
        "_refusals",
        "_shown_s",
        "_started_s",
        "_timer",
        "_turn_s",
        "on_refused",
        "wants_callback",
        "wants_request",
    )

    def __init__(self, bound_s: float, clock: TimerClock) -> None:
        self._bound_s = bound_s or float("inf")
        self._clock = clock
        self._timer: Timer | None = None
        self._turn_s = self._started_s = 0.0  # one turn in each interval
        self._callback_s = 0.0  # how long the last callback has waited that was looked at
        self.wants_request = False
        """Whether `must_refuse` is to be asked about the next request."""
        self.wants_callback = False
        """Whether `note_callback` is to be called for the next callback."""
        self.on_refused: Callable[[], None] = _nothing
        """Called for each request that `must_refuse` refuses."""
        # While everything is late: since when, and when that was last noted.
        self._late_since_s = self._noted_s = _NEVER_S
        self._alert_until_s = self._began_s = self._queue_until_s = _NEVER_S
        self._shown_s = 0.0
        self._refusals = Tally(clock.now_s)

    def start(self) -> None:
        """Start to measure: the process begins to serve."""
        self._began_s = self._clock.now_s()
        self._measure()

    def _measure(self) -> None:
        self._timer = self._clock.call_later(limits.LATE_LOOK_INTERVAL_S, self._look)

    def stop(self) -> None:
        """Stop measuring."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    @property
    def late_us(self) -> int:
        """How late the process has run lately, in microseconds: the greatest lateness, decaying."""
        return round(self._shown_s * 1e6)

    @property
    def refused(self) -> int:
        """Requests that were refused since the start."""
        return self._refusals.total

    def must_refuse(self, connection: Arrived) -> bool:
        """Return whether the new request on this connection is refused; count it then.

        It is not unless `wants_request` is set.
        """
        now_s = self._clock.now_s()
        waited_s = connection.received_ago_s
        if connection.has_responded:  # bytes behind a response have waited for its end
            waited_s = min(waited_s, now_s - connection.phase_since_s)
        if not self._refuses(waited_s, now_s):
            return False
        self.on_refused()
        return True

    @property
    def is_alert(self) -> bool:
        """Whether a request was refused in the last LATE_ALERT_S."""
        return self._clock.now_s() < self._alert_until_s

    def must_refuse_socket(self, sock: socket.socket) -> bool:
        """The same as `must_refuse`, for a connection that the event loop does not have yet."""
        return self._refuses(received_ago_s(sock), self._clock.now_s())

    def _refuses(self, waited_s: float, now_s: float) -> bool:
        if waited_s > now_s - self._began_s:  # for the process to begin
            self._queue_until_s = now_s + limits.LATE_QUEUE_S
            waited_s = 0.0
        late_s = max(waited_s, self._callback_s, self._turn_s)
        if not self._is_late(late_s):
            self._late_since_s = _NEVER_S
            self.wants_request = now_s < self._alert_until_s
            return False
        if now_s < self._queue_until_s:
            return False
        if not self._has_lasted(late_s, now_s):
            return False
        self._alert_until_s = now_s + limits.LATE_ALERT_S
        if count := self._refusals.add():
            logger.warning(
                "overload: refused=%d: requests wait %d ms, the bound is %d ms",
                count,
                late_s * 1000,
                self._bound_s * 1000,
            )
        return True

    def note_callback(self, connection: Arrived) -> None:
        """Note how long a callback has waited, whose request was served long ago."""
        self._callback_s = connection.received_ago_s
        self.wants_callback = False
        if self._is_late(self._callback_s):
            self._has_lasted(self._callback_s, self._clock.now_s())

    def _is_late(self, late_s: float) -> bool:
        self._shown_s = max(self._shown_s, late_s)
        return late_s > self._bound_s

    def _has_lasted(self, late_s: float, now_s: float) -> bool:
        """Note that something is late; return whether all has been for long enough."""
        patience_s = limits.LATE_PATIENCE_S
        # It starts anew after a gap in which nothing was looked at; long turns make gaps as well.
        if self._late_since_s == _NEVER_S or now_s - self._noted_s > patience_s + late_s:
            self._late_since_s = now_s
        self._noted_s = now_s
        return now_s - self._late_since_s >= patience_s or now_s < self._alert_until_s

    # --- once in each interval ------------------------------------------------------------------

    def _look(self) -> None:
        """Ask for the next request and the next callback, and measure a turn of the event loop."""
        self._shown_s *= _DECAY
        if self.wants_callback:  # none has come in the last interval
            self._callback_s = 0.0
        self.wants_request = self.wants_callback = True
        # The first call may come within this turn, the second comes in the next one.
        asyncio.get_running_loop().call_soon(self._start_turn)

    def _start_turn(self) -> None:
        self._started_s = self._clock.now_s()
        asyncio.get_running_loop().call_soon(self._end_turn)

    def _end_turn(self) -> None:
        now_s = self._clock.now_s()
        self._turn_s = now_s - self._started_s
        if self._is_late(self._turn_s):
            self._has_lasted(self._turn_s, now_s)
        if self._timer is not None:
            self._measure()


def _nothing() -> None:
    """Do nothing."""
