"""A response that the runtime streams: Lambda's native response streaming."""

from __future__ import annotations

import logging
from functools import lru_cache

from tailrace.errors import ClientDisconnected
from tailrace.function.input import MODE_VARIABLE
from tailrace.records import Protocol

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from typing import Any

    from tailrace.function.failure import Failure
    from tailrace.function.input import Mode
    from tailrace.function.output import Output
    from tailrace.net.blocking.upload import Upload

logger = logging.getLogger("tailrace.function")


class NativeResponse(Protocol):
    """The streamed response of one invocation, as a runtime offers it.

    The SDK sends the body by `upload`, its end included. The runtime does the rest: it reports a
    failure before the response, reads the Runtime API's answer, and closes the connection.
    """

    @property
    def upload(self) -> Upload: ...

    def start(self, media_type: str) -> None:
        """Queue the head of the request; it is sent with the first chunk, or by a `push`."""

    def fail(self, failure: Failure) -> None:
        """End a started response by an error, unless it has ended."""


def open_native(context: Any, mode: Mode | None, *, is_wanted: bool) -> NativeResponse | None:
    """Open the native stream if the runtime has one and the response should take it.

    `is_wanted`: the gateway reads a stream, whatever the mode is. A runtime that can stream has a
    method `open_response_stream` in its context's class. It is looked up in the class, because the
    contexts of many unit tests are mocks with every attribute.

    Raises:
        RuntimeError: the invocation's response is streamed already.
    """
    if not callable(getattr(type(context), "open_response_stream", None)):
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


def fail_native(native: NativeResponse, output: Output, failure: Failure) -> None:
    """End a started native response by an error, unless it has ended."""
    if not native.upload.is_ended:
        try:
            output.write_error(failure)
        except ClientDisconnected:
            return  # the error has no reader
    native.fail(failure)
