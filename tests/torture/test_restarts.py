"""The short form of the restarts under load: `make torture` does twenty, with more streams."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.torture.load import Mix
from tests.torture.restarts import RestartResult, by_holder, by_sighup

pytestmark = pytest.mark.timeout(300)  # many starts of processes, on a busy machine
FEW = Mix(streams=60, rate=20, quick=6, slow=2, stream_s=(1.0, 3.0))


def assert_nothing_lost(result: RestartResult) -> None:
    assert result.tally.lost == dict.fromkeys(result.tally.lost, 0), result.failed
    assert result.ends == {"whole": result.tally.requests}
    assert result.surprises == []


def test_restarts_by_sighup_lose_nothing(tmp_path: Path) -> None:
    result = by_sighup(tmp_path, 4, FEW, pause_s=0.2)

    assert_nothing_lost(result)


def test_a_restart_under_a_holder_of_the_socket_loses_nothing(tmp_path: Path) -> None:
    """As systemd does it; what has waited in the queue meanwhile is not refused as late."""
    result = by_holder(tmp_path, 1, FEW, pause_s=0.2)

    assert_nothing_lost(result)
