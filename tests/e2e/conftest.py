"""What many of these tests have in common, beside the chain itself (see chain.py)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.e2e.chain import Chain
from tests.node.runtimes import RUNTIMES


@pytest.fixture
def chain(served: Chain) -> Iterator[Chain]:
    """The chain that a module serves to all of its tests; it has come to rest when one ends."""
    yield served
    served.settle()


@pytest.fixture(params=RUNTIMES)
def runtime(request: pytest.FixtureRequest) -> str:
    """Each of AWS's runtimes for Node.js."""
    return str(request.param)
