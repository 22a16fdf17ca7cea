"""Leaks fail the test that made them."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
from tests.peers import Peer


@pytest.fixture(autouse=True)
def no_leaks() -> Iterator[None]:
    """An unclosed socket or a coroutine never awaited is a warning, which is an error."""
    yield
    gc.collect()


@pytest.fixture
def peer() -> Iterator[Peer]:
    """The gateway, played by the test."""
    with Peer() as peer:
        yield peer
