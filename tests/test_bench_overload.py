"""The measurement of an overload runs, and counts every request."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from bench import overload
from bench.relays import TAILRACE_COMMAND
from bench.surge import PHASES


def test_it_measures_every_phase(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "results.json"
    gateway = f"ours={TAILRACE_COMMAND} --workers 1"

    code = overload.main(["--quick", "--fresh", "--gateway", gateway, "--json", str(file)])

    assert code == 0
    ours = json.loads(file.read_text())["results"]["ours"]
    assert tuple(ours["phases"]) == PHASES
    assert ours["broken"] == 0
    for phase in ours["phases"].values():
        answered = phase["served/s"] + phase["refused/s"]
        assert answered + phase["unsent/s"] == pytest.approx(phase["asked/s"])
        assert phase["chunk max ms"] > 0
    assert "ours: capacity" in capsys.readouterr().out
