"""The short form of the slow attacks: all four modes at once, for some seconds."""

from __future__ import annotations

from pathlib import Path

from tests.torture.slow import MODES, STREAMS, slow


def test_streams_go_on_beside_slow_attacks(tmp_path: Path) -> None:
    result = slow(tmp_path, seconds=5, connections=80, modes=list(MODES))

    assert set(result.outcomes) == {"complete"}
    assert result.outcomes["complete"] >= STREAMS
    assert all(answered > 0 for answered, _ in result.available.values())
