"""The short form of the killing story: `make torture` runs it for two minutes."""

from __future__ import annotations

from pathlib import Path

from tests.torture.kills import kills


def test_no_kill_makes_a_broken_response_look_whole(tmp_path: Path) -> None:
    result = kills(tmp_path, seconds=0, seed=1)

    assert result.lies == 0, result
    assert result.outcomes["complete"] > 0, result
    assert result.outcomes["visibly broken"] > 0, "no kill met a response"
    assert set(result.kills) == {"function", "gateway", "emulator"}
