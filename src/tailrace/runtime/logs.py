"""Logging and output as under AWS's Python runtime (awslambdaric 4.2.2).

A mistake in a logging call (an argument too many, text that cannot be encoded) raises from that
call and fails the invocation, there as here. The handlers of `logging` print it instead.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time

from tailrace.function.failure import Failure, failure_text, print_failure

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, MutableMapping
    from typing import Any, Final, TextIO

    from tailrace.wire.runtime_api import Invocation

_FRAMES_FD: Final = "_LAMBDA_TELEMETRY_LOG_FD"
_RESERVED: Final = frozenset(
    (
        *("name", "msg", "args", "levelname", "levelno", "pathname", "filename", "module"),
        *("exc_info", "exc_text", "stack_info", "lineno", "funcName", "created", "msecs"),
        *("relativeCreated", "thread", "threadName", "processName", "process"),
        *("aws_request_id", "tenant_id", "_frame_type"),
    )
)
"""Attributes of a record that are no entry of its JSON, or one under another name."""
_JSON: Final = json.JSONEncoder(ensure_ascii=False, default=str)
_LEVEL_CODES: Final = {0: 0x02, 10: 0x0A, 20: 0x0E, 30: 0x12, 40: 0x16, 50: 0x1A}
_FRAME: Final = 0xA55A0000
_TEXT: Final = 1  # added to a level's code


class UnbufferedStream:
    """stdout or stderr, flushed after each write: the process may be killed at any time."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def __enter__(self) -> UnbufferedStream:
        return self

    def __exit__(self, *unused: object) -> None: ...

    def flush(self) -> None:
        self._stream.flush()

    def write(self, text: str) -> int:
        count = self._stream.write(text)
        self._stream.flush()
        return count

    def writelines(self, lines: Iterable[str]) -> None:
        self._stream.writelines(lines)
        self._stream.flush()


class RuntimeLog(logging.Filter):
    """The log's output: stdout, or frames if the platform has opened a descriptor for them.

    As a filter it adds the current invocation's ids to records, those of threads too.
    """

    def __init__(self, environment: MutableMapping[str, str]) -> None:
        super().__init__()
        self._is_json = environment.get("AWS_LAMBDA_LOG_FORMAT", "").upper() == "JSON"
        self._frames_fd = environment.pop(_FRAMES_FD, None)
        self.request_id = ""
        self.tenant_id: str | None = None

    @property
    def is_framed(self) -> bool:
        """Whether entries are frames, which need no line end."""
        return self._frames_fd is not None

    def begin(self, invocation: Invocation) -> None:
        """Set the ids of the invocation that starts."""
        self.request_id = invocation.request_id
        self.tenant_id = invocation.tenant_id

    def filter(self, record: logging.LogRecord) -> bool:
        record.aws_request_id = self.request_id
        record.tenant_id = self.tenant_id
        return True

    def write(self, text: str, level: int | None = None) -> None:
        """Write text unchanged, as one frame if the log is framed."""
        if self._frames_fd is None:
            sys.stdout.write(text)
            return
        code = _LEVEL_CODES[0] + _TEXT
        if level is not None:
            code = _LEVEL_CODES.get(level, _LEVEL_CODES[0]) + (not self._is_json)
        data = text.encode("utf-8")
        head = (_FRAME + code, 4), (len(data), 4), (time.time_ns() // 1000, 8)
        frame = b"".join(number.to_bytes(size, "big") for number, size in head) + data
        while frame:
            frame = frame[os.write(int(self._frames_fd), frame) :]

    def write_failure(self, failure: Failure) -> None:
        """Write a failure of the invocation, or of the init phase."""
        if self._frames_fd is None:
            print_failure(failure, self.request_id)
        else:
            text = failure_text(failure, self.request_id, is_framed=True)
            self.write(text.encode("utf-8", "backslashreplace").decode("utf-8"), logging.ERROR)


class LambdaLoggerHandler(logging.Handler):
    """The root logger's handler, with the name of AWS's; it passes exceptions on."""

    def __init__(self, log: RuntimeLog, *, has_levels: bool) -> None:
        super().__init__()
        self.log_sink = log
        self._has_levels = has_levels

    def emit(self, record: logging.LogRecord) -> None:
        text = self.format(record)
        if not self.log_sink.is_framed and not text.endswith("\n"):
            text += "\n"  # a traceback is behind the end of its message
        self.log_sink.write(text, _rounded(record.levelno) if self._has_levels else None)


class JsonFormatter(logging.Formatter):
    """One JSON object a line, with the keys that Lambda's Python runtime uses."""

    def __init__(self) -> None:
        super().__init__(datefmt="%Y-%m-%dT%H:%M:%SZ")

    def format(self, record: logging.LogRecord) -> str:
        record.levelno = _rounded(record.levelno)
        record.levelname = logging.getLevelName(record.levelno)
        is_plain = isinstance(record.msg, dict) and not record.args
        entry: dict[str, Any] = {
            "timestamp": self.formatTime(record, self.datefmt),
            "level": record.levelname,
            "message": record.msg if is_plain else record.getMessage(),
            "logger": record.name,
        }
        if record.exc_info:
            import traceback

            kind: Any = record.exc_info[0]  # None outside an except clause: an error, as on AWS
            entry["stackTrace"] = traceback.format_tb(record.exc_info[2])
            entry["errorType"] = kind.__name__
            entry["errorMessage"] = str(record.exc_info[1])
        entry["requestId"] = getattr(record, "aws_request_id", None)
        if record.exc_info:
            entry["location"] = f"{record.pathname}:{record.funcName}:{record.lineno}"
        entry["tenantId"] = getattr(record, "tenant_id", None)
        for name, value in vars(record).items():
            if name not in _RESERVED:
                entry.setdefault(name, value)
        shown = {name: value for name, value in entry.items() if value is not None}
        return _JSON.encode(shown) + "\n"


def configure_output() -> None:
    """Flush each write to stdout and stderr."""
    sys.stdout = UnbufferedStream(sys.stdout)
    sys.stderr = UnbufferedStream(sys.stderr)


def configure_logging(environment: MutableMapping[str, str]) -> RuntimeLog:
    """Give the root logger Lambda's handler, with `AWS_LAMBDA_LOG_FORMAT` and `_LEVEL`."""
    logging.Formatter.converter = time.gmtime  # of all formatters, the user's own too
    log = RuntimeLog(environment)
    level = _level_from(environment)
    is_json = environment.get("AWS_LAMBDA_LOG_FORMAT", "").upper() == "JSON"
    handler = LambdaLoggerHandler(log, has_levels=is_json or level != "")
    handler.addFilter(log)
    if is_json:
        handler.setFormatter(JsonFormatter())
    else:
        handler.setFormatter(
            logging.Formatter(
                "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s\n",
                "%Y-%m-%dT%H:%M:%S",
            )
        )
    root = logging.getLogger()
    if level in logging.getLevelNamesMapping():
        root.setLevel(level)
    root.addHandler(handler)
    return log


def flush_output() -> None:
    """Flush writes that bypass `UnbufferedStream`, as those to `sys.stdout.buffer` do."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):
            pass  # the handler has closed it, or replaced it


def _level_from(environment: Mapping[str, str]) -> str:
    level = environment.get("AWS_LAMBDA_LOG_LEVEL", "")
    return "DEBUG" if level == "TRACE" else level.upper()


def _rounded(level: int) -> int:
    return min(50, max(0, level)) // 10 * 10
