"""Which claims are asked of which app on which roads."""

from __future__ import annotations

import os
from typing import Any, Final

import pytest
from tests.kits.apps.claims import claims_of
from tests.kits.apps.frameworks import FRAMEWORKS, Framework
from tests.kits.apps.roads import CALLBACK, ROADS, Road

EVERYWHERE: Final = frozenset({"fastapi", "flask"})
"""The frameworks that are always tried on every road; the others are with `make test-apps`."""
IS_COMPLETE: Final = os.environ.get("TAILRACE_TEST_APPS") == "all"


def roads_of(framework: Framework) -> tuple[Road, ...]:
    """The roads on which an app is tried now."""
    roads = ROADS if IS_COMPLETE or framework.name in EVERYWHERE else (CALLBACK,)
    return tuple(road for road in roads if road.name not in framework.lacks_roads)


def cases_of(name: str) -> list[Any]:
    """Parameters of a test: framework, claim and road."""
    framework = FRAMEWORKS[name]
    return [
        pytest.param(framework, claim, road, id=f"{claim.__name__}-{road.name}")
        for road in roads_of(framework)
        for claim in claims_of(framework, road)
    ]
