"""What the tests of the infrastructure share: one synthesis per app and session."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.deploy.assembly import Assembly, synthesize

APPS = Path(__file__).parent / "apps"


@pytest.fixture(scope="session")
def front(tmp_path_factory: pytest.TempPathFactory) -> Assembly:
    """Load balancers and distributions in front of a group of no gateways: see the app."""
    return synthesize(APPS / "front.py", tmp_path_factory.mktemp("front") / "cdk.out")
