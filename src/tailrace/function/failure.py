"""A handler's exception as Lambda's Python runtime reports and logs it."""

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
    """What is said of an exception."""

    error_type: str
    message: str
    stack_trace: list[str]
    """Frames of the user's code, outermost first, each with its source line."""


def describe(error: BaseException) -> Failure:
    """Describe an exception; our own frames are left out unless there are no others."""
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


def log_failure(failure: Failure, request_id: str | None) -> None:
    """Write a failure to stdout as Lambda's Python runtime writes it.

    One event, be it many lines: on AWS's managed runtimes, which set AWS_EXECUTION_ENV, carriage
    returns keep its lines together in CloudWatch; elsewhere they are lines.
    """
    if os.environ.get("AWS_LAMBDA_LOG_FORMAT", "").upper() == "JSON":
        text = _as_json(failure, request_id)
    else:
        separator = "\r" if os.environ.get("AWS_EXECUTION_ENV") else "\n"
        text = separator.join(_as_lines(failure, is_indent_kept=separator == "\n"))
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _as_json(failure: Failure, request_id: str | None) -> str:
    import json

    return json.dumps(
        {
            "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "level": "ERROR",
            "errorMessage": failure.message,
            "errorType": failure.error_type,
            "requestId": request_id or "",
            "stackTrace": failure.stack_trace,
        }
    )


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
