"""A failed invocation as Lambda's Python runtime reports and logs it."""

from __future__ import annotations

import os
import sys
import time

from tailrace.limits import FAILURE_CAUSES_MAX
from tailrace.records import NamedTuple

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Final

_PACKAGE: Final = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_NO_BREAK_SPACE: Final = "\u00a0"


class Failure(NamedTuple):
    """The three parts of an error report."""

    error_type: str
    message: str
    stack_trace: list[str]
    """Frames of the user's code, outermost first, each with its source line."""
    causes: Sequence[str] = ()
    """The exceptions that have led to it, for the log: of each a line, then its frames."""


class Fault(Exception):
    """A failure that the runtime itself detects; its type is `Runtime.Something`, as on Lambda."""

    def __init__(self, error_type: str, message: str, stack_trace: list[str] | None = None) -> None:
        super().__init__(message)
        self.failure = Failure(error_type, message, stack_trace or [])


def describe(error: BaseException) -> Failure:
    """Return the failure of an exception.

    Frames of this package are left out unless there are no others; secrets are redacted.
    """
    return Failure(
        type(error).__name__, _text_of(error), _frames_of(error), list(_lines_of_causes(error))
    )


def _frames_of(error: BaseException) -> list[str]:
    import traceback

    frames = [
        (frame.filename, frame.lineno or 0, frame.name, frame.line)
        for frame in traceback.extract_tb(error.__traceback__)
    ]
    users = [frame for frame in frames if not frame[0].startswith(_PACKAGE)]
    return traceback.format_list(users or frames)


def _lines_of_causes(error: BaseException) -> Iterator[str]:
    """Yield what has led to an exception, at most `FAILURE_CAUSES_MAX` of them.

    A framework often raises an exception of its own in place of the app's, and a task group wraps
    those of its tasks.
    """
    pending, known = [*_causes_of(error)], {id(error)}
    while pending and len(known) <= FAILURE_CAUSES_MAX:
        link, cause = pending.pop(0)
        if id(cause) in known:
            continue
        known.add(id(cause))
        text = _text_of(cause)
        yield f"{link} {type(cause).__name__}{': ' if text else ''}{text}"
        yield from _frames_of(cause)
        pending += _causes_of(cause)


def _causes_of(error: BaseException) -> Iterator[tuple[str, BaseException]]:
    if isinstance(error, BaseExceptionGroup):
        for member in error.exceptions:
            yield "Contains", member
    if error.__cause__ is not None:
        yield "Caused by", error.__cause__
    elif error.__context__ is not None and not error.__suppress_context__:
        yield "Raised while handling", error.__context__


def _text_of(error: BaseException) -> str:
    from tailrace.wire.capability import redact

    try:
        return redact(str(error))
    except Exception as failure:
        return f"<the exception's text cannot be had: {type(failure).__name__}>"


def print_failure(failure: Failure, request_id: str | None) -> None:
    """Write a failure to stdout as Lambda's Python runtime writes it, whatever its characters."""
    text = failure_text(failure, request_id) + "\n"
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
    sys.stdout.flush()


def failure_text(failure: Failure, request_id: str | None, *, is_framed: bool = False) -> str:
    """Return a failure as one entry of the log, without a line end behind it.

    On AWS's managed runtimes, which set AWS_EXECUTION_ENV, carriage returns separate the lines, so
    that CloudWatch keeps them in one event. In a log frame, and elsewhere, line feeds do.
    """
    if os.environ.get("AWS_LAMBDA_LOG_FORMAT", "").upper() == "JSON":
        return _as_json(failure, request_id)
    is_managed = bool(os.environ.get("AWS_EXECUTION_ENV"))
    lines = _as_lines(failure, is_indent_kept=not is_managed)
    return ("\r" if is_managed and not is_framed else "\n").join(lines)


def _as_json(failure: Failure, request_id: str | None) -> str:
    import json

    entry = {
        "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "level": "ERROR",
        "errorMessage": failure.message,
        "errorType": failure.error_type,
        "requestId": request_id or "",
        "stackTrace": [*failure.stack_trace, *failure.causes],
    }
    return json.dumps(entry, ensure_ascii=False)


def _as_lines(failure: Failure, *, is_indent_kept: bool) -> list[str]:
    colon = ": " if failure.message else ""
    lines = [f"[ERROR] {failure.error_type}{colon}{failure.message}"]
    if failure.stack_trace:
        lines.append("Traceback (most recent call last):")
    for frame in (*failure.stack_trace, *failure.causes):
        for line in frame.splitlines():
            text = line.lstrip(" ")
            indent = len(line) - len(text)
            lines.append(line if is_indent_kept else _NO_BREAK_SPACE * indent + text)
    return lines
