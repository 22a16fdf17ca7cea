"""Functions for the gateways of these tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.e2e.cut_function import CutLambda


@pytest.fixture(scope="module")
def endpoint() -> Iterator[CutLambda]:
    """Invokes functions."""
    with CutLambda() as endpoint:
        yield endpoint
        endpoint.release()  # what a failed test has left
