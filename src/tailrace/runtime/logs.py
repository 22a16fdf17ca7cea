"""Logging and output as on Lambda."""

from __future__ import annotations

import io
import json
import logging
import sys
import time

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Final

_FIELDS_OF_A_RECORD: Final = frozenset(vars(logging.makeLogRecord({}))) | {
    "asctime",
    "aws_request_id",
    "message",
}


class RequestIdFilter(logging.Filter):
    """Puts the request id of the running invocation into records, those of threads too."""

    def __init__(self) -> None:
        super().__init__()
        self.request_id = ""

    def filter(self, record: logging.LogRecord) -> bool:
        record.aws_request_id = self.request_id
        return True


class JsonFormatter(logging.Formatter):
    """One JSON object a line, with the keys that Lambda's Python runtime uses."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, Any] = {
            "timestamp": self.formatTime(record, "%Y-%m-%dT%H:%M:%SZ"),
            "level": record.levelname,
            "message": record.msg if isinstance(record.msg, dict) else record.getMessage(),
            "logger": record.name,
        }
        if record.exc_info and record.exc_info[0] is not None:
            import traceback

            entry["stackTrace"] = traceback.format_tb(record.exc_info[2])
            entry["errorType"] = record.exc_info[0].__name__
            entry["errorMessage"] = str(record.exc_info[1])
            entry["location"] = f"{record.pathname}:{record.funcName}:{record.lineno}"
        entry["requestId"] = getattr(record, "aws_request_id", "")
        for name, value in vars(record).items():
            if name not in _FIELDS_OF_A_RECORD and name not in entry:
                entry[name] = value
        return json.dumps(entry, ensure_ascii=False, default=str)


def configure_output() -> None:
    """Let each line of stdout and stderr out at once, whatever characters it has."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True, errors="backslashreplace")


def configure_logging(environment: Mapping[str, str]) -> RequestIdFilter:
    """Give the root logger Lambda's one handler; `AWS_LAMBDA_LOG_FORMAT` and `_LEVEL` count."""
    request_ids = RequestIdFilter()
    handler = logging.StreamHandler(sys.stdout)
    handler.addFilter(request_ids)
    formatter: logging.Formatter
    if environment.get("AWS_LAMBDA_LOG_FORMAT", "").upper() == "JSON":
        formatter = JsonFormatter()
    else:
        formatter = logging.Formatter(
            "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s",
            "%Y-%m-%dT%H:%M:%S",
        )
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.addHandler(handler)
    level = environment.get("AWS_LAMBDA_LOG_LEVEL", "").upper().replace("TRACE", "DEBUG")
    if level in ("DEBUG", "INFO", "WARN", "WARNING", "ERROR", "FATAL", "CRITICAL"):
        root.setLevel(level)
    return request_ids


def flush_output() -> None:
    """Let out what does not end in a line break, too."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
