"""The benchmark of web apps works: a tiny run gives its tables and figures, and cleans up."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import psutil
from bench.apps import cold, managed
from bench.apps.served import sides

ROOT = Path(__file__).parent.parent


def test_a_quick_run_measures_imports_starts_and_cpu_time(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"

    run = subprocess.run(
        [sys.executable, "-m", "bench.apps", "--quick", "--json", str(figures)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )

    assert run.returncode == 0, run.stderr
    rows = json.loads(figures.read_text())
    imports = ["import, alone", "import, after FastAPI"]
    starts = ["start", *(f"managed, {what}" for what in managed.STARTS)]
    assert list(rows) == [*imports, *starts, "request", "chunk"]
    values = {name: [us for runs in row.values() for us in runs] for name, row in rows.items()}
    # CPU time comes in ticks, and a chunk's is a difference: both may be 0 of so short a run.
    assert all(isinstance(us, float) for name in ("request", "chunk") for us in values[name])
    assert all(ms > 0 for name in [*imports, *starts] for ms in values[name])
    assert all(values.values())
    assert set(rows["import, alone"]) == set(cold.ADAPTERS)
    assert set(rows["start"]) == set(cold.STARTS)
    for what, ways in managed.STARTS.items():
        assert list(rows[f"managed, {what}"]) == [way.name for way in ways]
    names = [side.name for side in sides(sys.executable)]
    assert list(rows["request"]) == list(rows["chunk"]) == names
    assert "Python: 3." in run.stdout
    for name in names:
        assert f"| {name} | " in run.stdout
    running = psutil.process_iter(["cmdline", "cwd"])
    ours = [each for each in running if (each.info["cwd"] or "").startswith(str(ROOT))]
    words = [each.info["cmdline"] or [] for each in ours]
    assert not [each for each in words if {"web:app", "web_uvloop:app"} & {*each}]
