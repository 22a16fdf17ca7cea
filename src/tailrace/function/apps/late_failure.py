"""Exceptions that Starlette's `BaseHTTPMiddleware` raises after it has sent a last message.

When the app inside fails in the middle of its response, this middleware ends the response with an
empty last message all the same, and raises the app's exception some turns of the loop later
(Starlette 1.10, middleware/base.py: `_StreamingResponse`). So its last message proves nothing until
it has returned.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType
    from typing import Final

_MIDDLEWARE: Final = "starlette.middleware.base"
_BACKGROUND: Final = "starlette.background"


def is_sent_by_middleware() -> bool:
    """Whether the caller runs within this middleware."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_globals.get("__name__") == _MIDDLEWARE:
            return True
        frame = frame.f_back
    return False


def is_of_background_task(error: Exception) -> bool:
    """Whether a background task raised an exception: then the response before it is complete."""
    traceback = error.__traceback__
    while traceback is not None:
        if traceback.tb_frame.f_globals.get("__name__") == _BACKGROUND:
            return True
        traceback = traceback.tb_next
    return False
