"""The format and level of the log: lines for people, or JSON objects."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from json.encoder import encode_basestring_ascii as _encode
from typing import Annotated, Literal

from tailrace.setting import Setting

LogFormat = Literal["text", "json"]
LogLevel = Literal["debug", "info", "warning", "error"]


@dataclass(frozen=True, slots=True)
class LogSettings:
    """The format and level of our own log. Libraries log warnings and errors only."""

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
        """The number that `logging` has for the level."""
        return logging.getLevelNamesMapping()[self.level.upper()]


class JsonLineFormatter(logging.Formatter):
    """Formats a log record as one line of JSON; named arguments of the record become keys."""

    def format(self, record: logging.LogRecord) -> str:
        """Called by logging."""
        line = _line(record.created, record.levelname.lower(), record.name, record.getMessage())
        if isinstance(record.args, Mapping):
            line.update(_known(record.args))
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def function_line(name: str, text: str) -> str:
    """Return one line of a function's output, or of the emulator about the function, as JSON."""
    now_s = datetime.now(UTC).timestamp()
    return json.dumps({**_line(now_s, "info", "function", text), "function": name})


class JsonLines:
    """Formats lines with the same names: what `JsonLineFormatter` makes of their records.

    Everything but the values is formatted once, and the time once a second: a line of a busy
    gateway would cost as much as a fifth of its request.
    """

    def __init__(self, logger: str, names: Sequence[str]) -> None:
        keys = ("message", *names)
        known = f'"level": "info", "logger": {_encode(logger)}'
        values = ", ".join(f"{_encode(name)}: %s" for name in keys)
        self._template = f'{{"time": "%s.%03dZ", {known}, {values}}}'
        self._second = -1
        self._time = ""

    def line(self, at_s: float, message: str, values: Iterable[str | int]) -> str:
        """Return a line of this time; "-" is a value that is not known."""
        second = int(at_s)
        if second != self._second:
            self._second = second
            self._time = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        texts = [
            str(value) if isinstance(value, int) else "null" if value == "-" else _encode(value)
            for value in values
        ]
        thousandths = min(999, round((at_s - second) * 1e6) // 1000)  # as a datetime has them
        return self._template % (self._time, thousandths, _encode(message), *texts)


def _known(values: Mapping[str, object]) -> dict[str, object]:
    """Return values as JSON has them: None for what is not known."""
    return {name: None if value == "-" else value for name, value in values.items()}


def _line(at_s: float, level: str, logger: str, message: str) -> dict[str, object]:
    time = datetime.fromtimestamp(at_s, UTC).isoformat(timespec="milliseconds")
    return {
        "time": time.replace("+00:00", "Z"),
        "level": level,
        "logger": logger,
        "message": message,
    }
