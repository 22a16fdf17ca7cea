"""The program's log: how much of it is shown, and as what: lines for people or JSON objects."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Literal

from tailrace.setting import Setting

LogFormat = Literal["text", "json"]
LogLevel = Literal["debug", "info", "warning", "error"]


@dataclass(frozen=True, slots=True)
class LogSettings:
    """What is shown of our own log. Of libraries' logs it is warnings and errors at the most."""

    format: Annotated[
        LogFormat,
        Setting(
            "Log lines for people, `text`, or [one JSON object a line](#json), `json`.",
            help="Log lines for people, or one JSON object a line.",
            option="--log-format",
            metavar="FORMAT",
        ),
    ] = "text"
    level: Annotated[
        LogLevel,
        Setting(
            "What is logged: `debug`, `info`, `warning` or `error`, and worse. Output of functions "
            "is always shown.",
            help="What is logged: that and worse.",
            option="--log-level",
            metavar="LEVEL",
        ),
    ] = "info"

    @property
    def is_json(self) -> bool:
        """Whether each line is a JSON object."""
        return self.format == "json"

    @property
    def number(self) -> int:
        """The level, as `logging` has it."""
        return logging.getLevelNamesMapping()[self.level.upper()]


class JsonLineFormatter(logging.Formatter):
    """Makes one line of JSON of a record; values that a record has by name are keys of it."""

    def format(self, record: logging.LogRecord) -> str:
        """Called by logging."""
        named = record.args if isinstance(record.args, Mapping) else {}
        fields = {name: None if value == "-" else value for name, value in named.items()}
        line = _line(record.created, record.levelname.lower(), record.name, record.getMessage())
        line.update(fields)
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def function_line(name: str, text: str) -> str:
    """A line of a function's own output, or of the emulator's about it, as JSON."""
    now_s = datetime.now(UTC).timestamp()
    return json.dumps({**_line(now_s, "info", "function", text), "function": name})


def _line(at_s: float, level: str, logger: str, message: str) -> dict[str, object]:
    time = datetime.fromtimestamp(at_s, UTC).isoformat(timespec="milliseconds")
    return {
        "time": time.replace("+00:00", "Z"),
        "level": level,
        "logger": logger,
        "message": message,
    }
