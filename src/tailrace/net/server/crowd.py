"""Bounds of a listener at one time: connections, request bodies, file descriptors.

Each bound is enforced in the event-loop turn in which a connection is made. uvloop accepts one
connection of a listener per turn, `Acceptor` up to BALANCE_ACCEPTS_MAX of each socket, and
DESCRIPTORS_LEFT is more than that. So `accept` never fails for lack of descriptors; uvloop would
not report that, and closes all connections that wait to be accepted.
"""

from __future__ import annotations

import heapq
import logging
from collections.abc import Iterable
from typing import Final

from tailrace import limits
from tailrace.errors import HttpError
from tailrace.net.clock import TimerClock
from tailrace.net.process.descriptors import descriptor_limit
from tailrace.net.server.connection import Connection
from tailrace.net.server.deadlines import Waiting
from tailrace.net.server.parser import HttpLimits
from tailrace.net.server.phases import Phase
from tailrace.net.server.refusals import Tally

logger = logging.getLogger(__name__)

_IDLE: Final = (Phase.IDLE, Phase.HEAD)
_EVICTED_MAX: Final = 32
"""Idle connections that one eviction closes, so that not every new one searches (as in nginx)."""

_ASKED_PER_LEFT: Final = 8
"""Connections whose descriptor number is read while the reserved descriptors would be used up."""


class Crowd:
    """Admission to one listener, and counts of what it has refused since its start.

    A connection above a bound replaces those that have waited longest for a request, or for the
    rest of a request's head. If there are none it is reset. A connection whose request is being
    read, run or answered is never closed for another.
    """

    def __init__(self, name: str, bounds: HttpLimits, clock: TimerClock) -> None:
        self._name = name
        self._limits = bounds
        self._clock = clock
        self._descriptors: int | None = None
        self._unasked = 0  # connections since a descriptor number was last read
        self._is_close = False  # whether that number was close to the limit
        self._uploads: set[Connection] = set()
        self._connections_refused = Tally(clock.now_s)
        self._uploads_refused = Tally(clock.now_s)
        self._descriptors_missed = Tally(clock.now_s)

    def start(self) -> None:
        """Read the process's limit of open files, which may have been raised at its start."""
        self._descriptors = descriptor_limit()

    @property
    def refused(self) -> dict[str, int]:
        """Counts of refusals since the start, by bound."""
        return {
            "connections": self._connections_refused.total,
            "uploads": self._uploads_refused.total,
            "descriptors": self._descriptors_missed.total,
        }

    # --- connections --------------------------------------------------------------------------

    def admit(self, connection: Connection, count: int, waiting: Iterable[Waiting]) -> None:
        """Enforce the bounds after a connection was accepted; it may be reset.

        `count` includes it; `waiting` are the connections that wait for their peers.
        """
        if count > self._limits.connections:
            closed = self._make_room(connection, waiting)
            most = self._limits.connections
            self._warn(self._connections_refused.add(closed), "connections closed", most)
        elif self._is_last(connection):
            closed = self._make_room(connection, waiting)
            if due := self._descriptors_missed.add(closed):
                logger.warning(
                    "%s listener: %d connections closed: the limit of %d open files is nearly"
                    " reached; raise it (LimitNOFILE in systemd, ulimit -n in a shell)",
                    self._name,
                    due,
                    self._descriptors,
                )

    def _is_last(self, connection: Connection) -> bool:
        """Whether it has one of the descriptors that are reserved for others."""
        if self._descriptors is None:
            return False
        left = min(self._limits.descriptors_left, self._descriptors // 8)
        # uvloop keeps an object for each connection whose socket is read: read few, until close.
        self._unasked += 1
        if not self._is_close and self._unasked < left // _ASKED_PER_LEFT:
            return False
        self._unasked = 0
        # The kernel assigns the lowest free number, so all below it are taken.
        descriptor = connection.descriptor
        self._is_close = descriptor >= self._descriptors - 2 * left
        return descriptor >= self._descriptors - left

    def _make_room(self, newcomer: Connection, waiting: Iterable[Waiting]) -> int:
        """Close idle connections, or the new one; return how many were closed."""
        # One with unsent bytes would keep its descriptor until its client has read them.
        idle = [
            each
            for each in waiting
            if each.phase in _IDLE and not each.unsent_bytes and each is not newcomer
        ]
        if not idle:
            newcomer.reset()
            return 1
        count = min(_EVICTED_MAX, max(1, self._limits.connections // _EVICTED_MAX))
        chosen = heapq.nsmallest(count, idle, key=_since_s)
        for each in chosen:
            # One in HEAD is reset: after a close it could still complete its request.
            (each.close if each.phase is Phase.IDLE else each.reset)()
        return len(chosen)

    def _warn(self, count: int, what: str, most: int) -> None:
        if count:
            logger.warning(
                "%s listener: %d %s, over the limit of %d at a time", self._name, count, what, most
            )

    # --- request bodies -----------------------------------------------------------------------

    @property
    def upload_count(self) -> int:
        """Request bodies that are being read."""
        return len(self._uploading())

    def admit_upload(self, connection: Connection) -> None:
        """Admit a request's body, which counts while its connection is in the phase BODY.

        At the bound it replaces the one that has taken longest, if that is at least UPLOAD_KEPT_S:
        clients that send slowly on purpose block others for no longer than that.

        Raises:
            HttpError: 503, there is no room for another.
        """
        most = self._limits.uploads
        if most is None:
            return
        if len(self._uploads) >= most:  # remove those that have ended
            self._uploads = self._uploading()
        if len(self._uploads) >= most:
            self._warn(self._uploads_refused.add(), "uploads refused", most)
            self._end_longest_upload(most)
        self._uploads.add(connection)

    def _end_longest_upload(self, most: int) -> None:
        """Make room for an upload.

        Raises:
            HttpError: 503, no other upload has taken long.
        """
        longest = min(self._uploads, key=_phase_since_s)
        if self._clock.now_s() - longest.phase_since_s < limits.UPLOAD_KEPT_S:
            raise HttpError(503, f"busy: {most} uploads at a time", retry_after_s=1)
        self._uploads.discard(longest)
        kept_s = limits.UPLOAD_KEPT_S
        longest.refuse(HttpError(408, f"the body took more than {kept_s:g} s, others wait"))

    def discard(self, connection: Connection) -> None:
        """Remove a connection that has ended."""
        self._uploads.discard(connection)

    def _uploading(self) -> set[Connection]:
        return {each for each in self._uploads if each.phase is Phase.BODY}


def _phase_since_s(connection: Connection) -> float:
    return connection.phase_since_s


def _since_s(connection: Waiting) -> float:
    return connection.since_s
