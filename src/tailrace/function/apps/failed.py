"""What becomes of an exception of an app."""

from __future__ import annotations

from tailrace.errors import ResponseTooLargeError
from tailrace.function.failure import describe, print_failure

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from typing import Any

    from tailrace.function.stream import Stream


def fail(error: Exception, stream: Stream, context: Any, *, raises: bool) -> None:
    """Log an exception, and answer with a 500 unless the response is complete.

    Raises:
        Exception: the same, with `raises`, if the response is incomplete, or if it is over the
            limit: no 500 can take its place.
    """
    is_incomplete = stream.head is not None and not stream.is_ended
    if raises or is_incomplete or isinstance(error, ResponseTooLargeError):
        raise error
    log_error(error, context)
    stream.fail()  # it does nothing if the response is complete


def log_error(error: Exception, context: Any) -> None:
    """Log an exception."""
    print_failure(describe(error), getattr(context, "aws_request_id", None))
