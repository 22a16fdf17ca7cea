"""The gateway's keys of an event: written by the gateway, read by the SDK and by any function.

    callback           "tailrace": {"v": 1, "callback": URL}, and "origin", "url", "requestId"
    response stream    "tailrace": {"v": 1, "transport": "response-stream", "frames": 1}

The object below `tailrace` is the mark. A function without the SDK needs only the three other keys.

Version rule: a later version may add members, but `callback` stays the URL of a version 1
callback, and a gateway that accepts no such callback omits it. An unknown version is therefore
served, with a warning. With an unknown version of frames, the stream has no frames.

Functions import this module at their cold start.
"""

from __future__ import annotations

from collections.abc import Mapping

from tailrace.records import NamedTuple

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from typing import Any, Final

KEY: Final = "tailrace"
MARK_VERSION: Final = 1
FRAMES_VERSION: Final = 1
"""Of the frames in `wire.stream_frames`: in a mark's `frames` and in a prelude's `FRAMES_FIELD`."""

_RESPONSE_STREAM: Final = "response-stream"
_KEYS: Final = (KEY, "origin", "url", "requestId")


class Mark(NamedTuple):
    """Where a gateway expects the response to its event."""

    version: object
    """As the event has it; `MARK_VERSION` from a gateway of this version."""
    callback: str | None
    """The callback URL; None if the response is to be streamed or returned."""
    has_stream: bool
    """The gateway reads the function's own streamed response."""
    has_frames: bool
    """The gateway reads frames of `FRAMES_VERSION` in that stream."""


def keys_for_callback(url: str, target: str, exchange_id: str) -> dict[str, Any]:
    """Return the keys of an event whose response comes back as a callback to `url`.

    `target` is the request's path and query, as sent.
    """
    return {
        KEY: {"v": MARK_VERSION, "callback": url},
        "origin": url,
        "url": target,
        "requestId": exchange_id,
    }


def keys_for_stream() -> dict[str, Any]:
    """Return the keys of an event whose response is read from Lambda's response stream."""
    return {KEY: {"v": MARK_VERSION, "transport": _RESPONSE_STREAM, "frames": FRAMES_VERSION}}


def without_keys(event: Any) -> Any:
    """Return an event without the gateway's keys, which have the secret of its callback.

    For code that shows or stores events, as error pages and error trackers do.
    """
    if not isinstance(event, dict) or KEY not in event:
        return event
    return {key: value for key, value in event.items() if key not in _KEYS}


def read_mark(fields: Mapping[str, Any]) -> Mark | None:
    """Return the mark of an event; None if no gateway has sent it.

    `fields` are those of an event of any form: nested objects are mappings, not always dicts.
    """
    mark = fields.get(KEY)
    if not mark or not isinstance(mark, (dict, Mapping)):
        return None
    callback = mark.get("callback")
    has_stream = mark.get("transport") == _RESPONSE_STREAM
    return Mark(
        version=mark.get("v"),
        callback=callback if isinstance(callback, str) else None,
        has_stream=has_stream,
        has_frames=has_stream and mark.get("frames") == FRAMES_VERSION,
    )
