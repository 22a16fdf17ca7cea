"""Refuses requests of foreign web pages at one listener, and logs that."""

from __future__ import annotations

import logging

from tailrace.net.clock import TimerClock
from tailrace.net.server.web_access import WebAccess, WebRefusal, find_refusal
from tailrace.net.tally import Tally
from tailrace.wire.http_head import RequestHead

logger = logging.getLogger(__name__)


class WebGuard:
    """Checks the requests of a listener; `name` is the listener's, for the log.

    `access` may be replaced at any time.
    """

    __slots__ = ("_name", "_tally", "access")

    def __init__(self, name: str, access: WebAccess, clock: TimerClock) -> None:
        self.access = access
        self._name = name
        self._tally = Tally(clock.now_s)

    def find_refusal(self, head: RequestHead) -> WebRefusal | None:
        """Return why a request must not be served, None when it may be.

        A page can send thousands of requests: one warning now and then counts them.
        """
        refusal = find_refusal(self.access, head)
        if refusal is not None and (count := self._tally.add()):
            logger.warning("%s: refused=%d: %s", self._name, count, refusal)
        return refusal
