"""A parser of CloudWatch's embedded metric format, as strict as its specification."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jsonschema
from tests.command import Command
from tests.peers import until

SCHEMA = json.loads((Path(__file__).parent / "vectors" / "emf.json").read_text())["schema"]
LINE_BYTES_MAX = 256 * 1024
"""Of a log event, and so of a line, as older agents send it; since 2025 it may have 1 MB."""
PAST_MAX_S, FUTURE_MAX_S = 14 * 86_400, 2 * 3_600
"""CloudWatch Logs refuses events that are older, or further in the future."""


class Line(NamedTuple):
    """What CloudWatch makes of a line."""

    dimensions: dict[str, str]
    metrics: dict[str, float]
    units: dict[str, str]
    properties: dict[str, Any]
    at_ms: int


def parse(line: bytes) -> Line:
    """Read a line; fails the test if CloudWatch would refuse it."""
    assert line.endswith(b"\n")
    assert len(line) <= LINE_BYTES_MAX
    document = json.loads(line)
    jsonschema.validate(document, SCHEMA)
    meta = document.pop("_aws")
    age_s = time.time() - meta["Timestamp"] / 1000
    assert -FUTURE_MAX_S < age_s < PAST_MAX_S
    (directive,) = meta["CloudWatchMetrics"]
    (names,) = directive["Dimensions"]
    dimensions = {name: document.pop(name) for name in names}
    assert all(isinstance(each, str) and 0 < len(each) <= 1024 for each in dimensions.values())
    units = {each["Name"]: each["Unit"] for each in directive["Metrics"]}
    assert len(units) == len(directive["Metrics"]), "a name stands twice"
    metrics = {name: document.pop(name) for name in units}
    assert all(type(value) in (int, float) for value in metrics.values())
    return Line(dimensions, metrics, units, document, meta["Timestamp"])


def total(lines: list[Line], name: str) -> float:
    """The sum of a metric over all lines."""
    values = [line.metrics[name] for line in lines]
    assert all(value >= 0 for value in values), values
    return sum(values)


class Printed:
    """The file that is a gateway's standard output."""

    def __init__(self, directory: Path, command: Command) -> None:
        self.path = directory / "metrics.emf"
        command.stdout = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    @property
    def lines(self) -> list[Line]:
        """All lines so far; each is a valid one."""
        whole = [line for line in self.path.read_bytes().splitlines(True) if line[-1:] == b"\n"]
        return [parse(line) for line in whole]

    def until(self, holds: Callable[[Line], bool], what: str) -> Line:
        """Wait for a further line of which this holds."""
        before = len(self.lines)
        until(lambda: any(map(holds, self.lines[before:])), what)
        return next(line for line in self.lines[before:] if holds(line))

    def until_total(self, name: str, value: float) -> None:
        """Wait until a metric has this sum."""
        until(lambda: total(self.lines, name) >= value, f"{name} of {value}")
        assert total(self.lines, name) == value
