"""The short form of the story of crashes: `make torture` runs it for two minutes."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.torture.crashes import crashes
from tests.torture.load import Mix

pytestmark = pytest.mark.timeout(300)  # many starts of processes, on a busy machine
FEW = Mix(streams=60, rate=15, quick=6, slow=0, stream_s=(1.0, 4.0))


def test_a_kill_breaks_exactly_the_streams_of_its_worker(tmp_path: Path) -> None:
    """Visibly; the death of the parent ends no stream, and its successor serves."""
    result = crashes(tmp_path, 0, FEW, seed=1, deck=("worker", "parent", "worker"))

    assert result.kills["parent"] == 1 and result.kills.total() == 3
    assert result.lies == [] == result.strangers
    assert result.victims > 0 and result.survivors == []
    assert result.broken >= result.victims
    assert result.tally is not None and result.tally.count("complete") > 0
