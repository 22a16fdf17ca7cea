"""Warnings about response streams that have no prelude: what their clients do not get, and why."""

from __future__ import annotations

import logging
from typing import Final

from tailrace import limits
from tailrace.gateway.transports.stream_body import StreamForm
from tailrace.net.clock import TimerClock
from tailrace.net.tally import Tally

logger = logging.getLogger(__name__)

_TEXTS: Final = {
    StreamForm.RESULT: (
        "function=%s buffered=%d: no stream but a whole result, which clients get when the"
        " function has ended; let it stream (streamifyResponse in Node.js, streamify_response or"
        " TAILRACE_RESPONSE_MODE=stream under tailrace.runtime); under a runtime that cannot"
        ' stream, use streamify_response and transport = "callback"; a function that streams JSON'
        " of its own must write a prelude first (awslambda.HttpResponseStream.from in Node.js)"
    ),
    StreamForm.PLAIN: (
        "function=%s no_prelude=%d: the stream has no prelude, and without one Lambda passes on"
        " neither status nor headers nor content type; clients get 200 application/octet-stream"
        " (application/json for a JSON object over 16 KiB); let the function write a prelude first"
        " (awslambda.HttpResponseStream.from(stream, {statusCode, headers}) in Node.js,"
        " streamify_response in Python)"
    ),
}


class FormWarnings:
    """Warns of a function now and then, with a count."""

    def __init__(self, clock: TimerClock) -> None:
        self._clock = clock
        self._tallies: dict[tuple[str, StreamForm], Tally] = {}

    def note(self, function: str, form: StreamForm) -> None:
        """A response of a function had no prelude."""
        key = function, form
        if key not in self._tallies and len(self._tallies) >= limits.REFUSAL_ROUTES_MAX:
            self._tallies.clear()
        if count := self._tallies.setdefault(key, Tally(self._clock.now_s)).add():
            logger.warning(_TEXTS[form], function, count)
