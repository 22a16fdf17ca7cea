"""A failed invocation as Lambda's Python runtime reports and logs it."""

from __future__ import annotations

import os
import sys
import time

from tailrace.records import NamedTuple

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from typing import Final

_PACKAGE: Final = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_NO_BREAK_SPACE: Final = "\u00a0"


class Failure(NamedTuple):
    """The three parts of an error report."""

    error_type: str
    message: str
    stack_trace: list[str]
    """Frames of the user's code, outermost first, each with its source line."""


class Fault(Exception):
    """A failure that the runtime itself detects; its type is `Runtime.Something`, as on Lambda."""

    def __init__(self, error_type: str, message: str, stack_trace: list[str] | None = None) -> None:
        super().__init__(message)
        self.failure = Failure(error_type, message, stack_trace or [])


def describe(error: BaseException) -> Failure:
    """Return the failure of an exception.

    Frames of this package are left out unless there are no others; secrets are redacted.
    """
    import traceback

    from tailrace.wire.capability import redact

    frames = [
        (frame.filename, frame.lineno or 0, frame.name, frame.line)
        for frame in traceback.extract_tb(error.__traceback__)
    ]
    users = [frame for frame in frames if not frame[0].startswith(_PACKAGE)]
    stack_trace = traceback.format_list(users or frames)
    return Failure(type(error).__name__, redact(_text_of(error)), stack_trace)


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
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
        "stackTrace": failure.stack_trace,
    }
    return json.dumps(entry, ensure_ascii=False)


def _as_lines(failure: Failure, *, is_indent_kept: bool) -> list[str]:
    colon = ": " if failure.message else ""
    lines = [f"[ERROR] {failure.error_type}{colon}{failure.message}"]
    if failure.stack_trace:
        lines.append("Traceback (most recent call last):")
    for frame in failure.stack_trace:
        for line in frame.splitlines():
            text = line.lstrip(" ")
            indent = len(line) - len(text)
            lines.append(line if is_indent_kept else _NO_BREAK_SPACE * indent + text)
    return lines
