"""A peer for each test, and the proof that no socket is left open."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
from tests.peers import Peer


@pytest.fixture(autouse=True)
def no_leaks() -> Iterator[None]:
    yield
    gc.collect()  # an unclosed socket is a ResourceWarning, which is an error


@pytest.fixture
def peer() -> Iterator[Peer]:
    with Peer() as peer:
        yield peer
