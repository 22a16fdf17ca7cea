"""Records the events of Mangum's own tests: a pytest plugin for those tests.

`UPSTREAM_REPORT` is the file for them: one object for each event, with the test, Mangum's name of
the shape, and the event.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from mangum.handlers import ALB, APIGateway, HTTPGateway

_recorded: list[dict[str, Any]] = []
_running: list[str] = []


def record(shape: type[Any]) -> None:
    """Record the event of each handler of a shape that is made."""
    make = shape.__init__

    def init(self: Any, event: dict[str, Any], *more: Any) -> None:
        text = json.dumps(event, default=bytes.decode)  # some tests give the body as bytes
        row = {"test": _running[-1], "shape": shape.__name__, "event": json.loads(text)}
        if row not in _recorded:
            _recorded.append(row)
        make(self, event, *more)

    shape.__init__ = init


for each in (ALB, APIGateway, HTTPGateway):
    record(each)


def pytest_runtest_setup(item: pytest.Item) -> None:
    _running[:] = [item.nodeid]


def pytest_sessionfinish() -> None:
    Path(os.environ["UPSTREAM_REPORT"]).write_text(json.dumps(_recorded, indent=1))
