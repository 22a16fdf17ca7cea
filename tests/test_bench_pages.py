"""The benchmark of pages works: a tiny run gives its rows, and cleans up."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from bench.load import BenchError
from bench.pages import loops, measure, painted, ways
from bench.pages.__main__ import new_rows

ROOT = Path(__file__).parent.parent


def test_a_quick_run_measures_every_row(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"

    run = subprocess.run(
        [sys.executable, "-m", "bench.pages", "--quick", "--json", str(figures)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )

    assert run.returncode == 0, run.stderr
    rows = {row["name"]: row["relays"] for row in json.loads(figures.read_text())["rows"]}
    assert list(rows) == list(new_rows())
    assert list(rows["page"]) == list(ways.WAYS)
    assert list(rows["memory"]) == list(measure.LONG)
    assert list(rows["imports"]) == list(measure.IMPORTS)
    assert list(rows["each"]) == [painted.OURS, painted.REACT]
    assert list(rows["progress"]) == list(rows["sent"]) == [loops.ASYNC, loops.SYNC]
    assert list(rows["event"]) == [loops.EVENTS, loops.BY_HAND]
    for name in painted.PLANS:
        sides = [painted.OURS, painted.OURS_BY_SCRIPT, painted.REACT]
        assert list(rows[f"{name}-p95"]) == sides
    del rows["progress"]  # a difference of so short loops may be anything
    values = [column["values"][0] for columns in rows.values() for column in columns.values()]
    assert all(value > 0 for value in values)
    servers = [command[1:] for command in painted.COMMANDS.values()]
    running = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
    assert not [words for words in running if words[1:] in servers]


def test_what_is_compared_is_the_same_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """A way that makes another page would be measured in vain."""

    async def other() -> bytes:
        return (await ways.render_async()).replace(b"Region 99", b"Region 98")

    monkeypatch.setitem(ways.WAYS, "other", other)

    with pytest.raises(BenchError, match="other: not the page that Jinja2 makes"):
        asyncio.run(measure.check())
