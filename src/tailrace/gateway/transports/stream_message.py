"""What the messages of a response stream of Lambda say."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from tailrace.errors import EventStreamError
from tailrace.net.json_text import Members, find_text
from tailrace.wire.capability import redact
from tailrace.wire.event_stream import Message

_COMPLETE: Final = Members("ErrorCode", "ErrorDetails")
_SAID_MAX: Final = 1_000
"""Characters of an error's text in a log line."""


def split(messages: Iterable[Message]) -> tuple[list[bytes], Message | None]:
    """The payloads in order, and the message that ends the stream, behind which nothing counts.

    Events that are not known yet are passed over.
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
    """How the function failed, for the log; None when it did not.

    Raises:
        EventStreamError: the message cannot be read.
    """
    try:
        said = _COMPLETE.find(payload or b"{}")
    except ValueError:
        raise EventStreamError("InvokeComplete is not a JSON object") from None
    code, details = (_text_of(said, name) for name in ("ErrorCode", "ErrorDetails"))
    if not code and not details:
        return None
    return shortened(f"{code or 'no ErrorCode'}: {details}")


def _text_of(members: dict[str, bytes], name: str) -> str:
    """A member as text; what is no text as it is written, and empty when it is null."""
    raw = members.get(name, b"null")
    if raw.startswith(b'"'):
        return find_text(members, name)
    return "" if raw == b"null" else raw[:_SAID_MAX].decode("utf-8", "replace")


def shortened(text: str) -> str:
    """A text for the log: it may repeat what a client sent, and a secret of ours."""
    return redact(text[:_SAID_MAX])
