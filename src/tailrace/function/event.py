"""What an event says about where its response goes."""

from __future__ import annotations

import logging
from typing import Any, Final

logger = logging.getLogger("tailrace.function")

CALLBACK_VERSION: Final = 1
FRAMES_VERSION: Final = 1


def find_callback(event: object) -> str | None:
    """Return the callback URL of an event, None when it has none: then the result is returned.

    The gateway's mark is `"tailrace": {"v": 1, "callback": URL}`. The version rule: a later
    version may add to it, but `callback` stays the URL of a version 1 callback, and is left out
    by a gateway that does not take one. So an unknown version is served, with a warning.
    """
    mark = event.get("tailrace") if isinstance(event, dict) else None
    if not isinstance(mark, dict):
        return None
    callback = mark.get("callback")
    version = mark.get("v")
    if version != CALLBACK_VERSION:
        logger.warning(
            "the event's tailrace version is %.20r, this SDK knows %d: %s",
            version,
            CALLBACK_VERSION,
            "the response is returned" if callback is None else "its callback is taken for known",
        )
    return callback if isinstance(callback, str) else None


def wants_stream(event: object) -> bool:
    """Whether the gateway reads the function's own streamed response, and says so in the event."""
    mark = event.get("tailrace") if isinstance(event, dict) else None
    return isinstance(mark, dict) and mark.get("transport") == "response-stream"


def wants_frames(event: object) -> bool:
    """Whether the gateway reads that stream in frames, of the version that this SDK makes.

    Another number is a version that is not known here: the stream then has none, as one of an SDK
    that knows no frames.
    """
    mark = event.get("tailrace") if isinstance(event, dict) else None
    is_asked = isinstance(mark, dict) and mark.get("frames") == FRAMES_VERSION
    return is_asked and wants_stream(event) and is_http_event(event)


def is_http_event(event: object) -> bool:
    """Whether an event is an HTTP request, as Function URLs and the gateway send it."""
    return _http(event) is not None


def is_head_request(event: object) -> bool:
    """Whether an event is a HEAD request, whose response has no body."""
    http = _http(event)
    return http is not None and http.get("method") == "HEAD"


def _http(event: object) -> dict[str, Any] | None:
    context = event.get("requestContext") if isinstance(event, dict) else None
    http = context.get("http") if isinstance(context, dict) else None
    return http if isinstance(http, dict) else None
