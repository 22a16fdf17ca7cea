"""How a response goes that has no callback: streamed natively, or returned."""

from __future__ import annotations

import logging
from functools import lru_cache
from typing import Any, Protocol

from tailrace.function.failure import Failure
from tailrace.function.request import MODE_VARIABLE, Mode
from tailrace.net.blocking.upload import Upload

logger = logging.getLogger("tailrace.function")


class NativeResponse(Protocol):
    """The streamed response of one invocation, as a runtime offers it.

    Whoever opened it sends the body by `upload`, its end included. What is left undone is the
    runtime's: to report a failure before that, to hear the Runtime API's last word, to close.
    """

    @property
    def upload(self) -> Upload: ...

    def begin(self, media_type: str) -> None:
        """Queue the head; nothing is sent before the first chunk, or a `push`."""

    def fail(self, failure: Failure) -> None:
        """End the response, once it has begun, by an error, unless it has ended."""


def open_native(context: Any, mode: Mode | None, *, is_wanted: bool) -> NativeResponse | None:
    """Open the native stream if the runtime has one and the response is to take it.

    `is_wanted`: whoever invoked the function reads a stream, whatever the mode says. A runtime
    offers it by `open_response_stream`, a method of its context's class; of the class, because
    the contexts of many unit tests are mocks, which have every attribute.

    Raises:
        RuntimeError: the invocation's response is streamed already.
    """
    can_stream = callable(getattr(type(context), "open_response_stream", None))
    if not can_stream:
        if mode == "stream":
            _warn_once()
        return None
    if mode == "buffer" and not is_wanted:
        return None
    native: NativeResponse = context.open_response_stream()
    return native


@lru_cache(maxsize=1)
def _warn_once() -> None:
    logger.warning(
        "%s=stream, but this runtime cannot stream: responses without a callback are returned",
        MODE_VARIABLE,
    )
