"""Refusals: all are counted, and warnings with the count are written at intervals only."""

from __future__ import annotations

import logging
from collections.abc import Callable

from tailrace import limits
from tailrace.net.clock import TimerClock
from tailrace.net.server.web_access import WebAccess, WebRefusal, find_refusal
from tailrace.wire.http_head import RequestHead

logger = logging.getLogger(__name__)


class Tally:
    """Counts an event that is logged at most once in WARNING_INTERVAL_S.

    `total` is the count since the start. `clock` returns seconds.
    """

    __slots__ = ("_count", "_logged_s", "_now_s", "total")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._now_s = clock
        self._count = self.total = 0
        self._logged_s: float | None = None

    def add(self, count: int = 1) -> int:
        """Count events; return the number to log now, or 0 if the last log line is recent."""
        self._count += count
        self.total += count
        now_s = self._now_s()
        if self._logged_s is not None and now_s - self._logged_s < limits.WARNING_INTERVAL_S:
            return 0
        self._logged_s = now_s
        due, self._count = self._count, 0
        return due


class WebGuard:
    """Checks whether web pages may send the requests of a listener, and logs refusals.

    `name` is the listener's, for the log. `access` may be replaced at any time.
    """

    __slots__ = ("_name", "_tally", "access")

    def __init__(self, name: str, access: WebAccess, clock: TimerClock) -> None:
        self.access = access
        self._name = name
        self._tally = Tally(clock.now_s)

    def find_refusal(self, head: RequestHead) -> WebRefusal | None:
        """Return why a request must not be served, None if it may be.

        A page can send thousands of requests, so refusals are counted in one warning at intervals.
        """
        refusal = find_refusal(self.access, head)
        if refusal is not None and (count := self._tally.add()):
            logger.warning("%s: refused=%d: %s", self._name, count, refusal)
        return refusal
