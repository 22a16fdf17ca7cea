"""The messages of Lambda's response stream: payloads, the end, and texts for the log."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Final

from tailrace.errors import EventStreamError
from tailrace.gateway.observe.tallies import Tallies
from tailrace.gateway.transports.stream_head import StreamForm
from tailrace.net.clock import TimerClock
from tailrace.net.json_text import Members, find_text
from tailrace.wire.capability import redact
from tailrace.wire.event_stream import Message

logger = logging.getLogger(__name__)

_COMPLETE: Final = Members("ErrorCode", "ErrorDetails")
_TEXT_MAX: Final = 1_000
"""Characters of an error's text in a log line."""


def split(messages: Iterable[Message]) -> tuple[list[bytes], Message | None]:
    """Return the payloads in order, and the message that ends the stream, if it is among them.

    Messages behind that one, and events of unknown types, are ignored.
    """
    payloads: list[bytes] = []
    for message in messages:
        headers = message.headers
        if headers.get(":message-type") != "event":
            return payloads, message
        match headers.get(":event-type"):
            case "PayloadChunk":
                payloads.append(message.payload)
            case "InvokeComplete":
                return payloads, message
    return payloads, None


def failure_in(payload: bytes) -> str | None:
    """Return how the function failed, for the log; None if it did not.

    Raises:
        EventStreamError: the payload is not a JSON object.
    """
    try:
        members = _COMPLETE.find(payload or b"{}")
    except ValueError:
        raise EventStreamError("InvokeComplete is not a JSON object") from None
    code, details = (_text_of(members, name) for name in ("ErrorCode", "ErrorDetails"))
    if not code and not details:
        return None
    return shortened(f"{code or 'no ErrorCode'}: {details}")


def _text_of(members: dict[str, bytes], name: str) -> str:
    """Return a member as text: the raw JSON if it is not a string, empty if it is null."""
    raw = members.get(name, b"null")
    if raw.startswith(b'"'):
        return find_text(members, name)
    return "" if raw == b"null" else raw[:_TEXT_MAX].decode("utf-8", "replace")


def shortened(text: str) -> str:
    """Return a text for the log, shortened and without secrets: it may repeat a callback URL."""
    return redact(text[:_TEXT_MAX])


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
    """Warns of responses without a prelude: at intervals for each function, with a count."""

    def __init__(self, clock: TimerClock) -> None:
        self._tallies: Tallies[tuple[str, StreamForm]] = Tallies(clock)

    def note(self, function: str, form: StreamForm) -> None:
        """Count a response without a prelude, and warn if a warning is due."""
        if count := self._tallies.add((function, form)):
            logger.warning(_TEXTS[form], function, count)
