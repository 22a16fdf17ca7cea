"""The benchmark works: a tiny run of everything gives its table and its JSON, and cleans up."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import psutil
import pytest
from bench import calls
from bench.chain import NODE, PATHS
from bench.function import WAYS
from bench.measure import QUICK, Bench
from bench.peers import PEERS
from bench.relays import Bed, Cores, Relay
from bench.report import (
    judge,
    listing,
    new_lateness_rows,
    new_native_rows,
    new_rows,
    number,
    table,
)
from bench.run import REFERENCE_NAME, Results, measure_held
from bench.stand_in import StandIn
from tests.kits.ports import free_port

ROOT = Path(__file__).parent.parent
NATIVE_LIMITS = [0.5, 0.5, 16, 16, 16, 16, 1, 1, 1]


@pytest.mark.timeout(300)
def test_a_quick_run_measures_every_row_and_leaves_nothing_behind(tmp_path: Path) -> None:
    results, temporary = tmp_path / "rows.json", tmp_path / "tmp"
    picture = tmp_path / "rows.svg"
    temporary.mkdir()

    run = subprocess.run(
        [sys.executable, "-m", "bench", "--quick", "--json", str(results), "--plot", str(picture)],
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(temporary)},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )

    assert run.returncode == 0, run.stderr
    document = json.loads(results.read_text())
    measured = {row["name"]: row["relays"] for row in document["rows"]}
    relay_rows = [*new_rows(), *new_lateness_rows()]
    native_rows = ["native", "native-memory", "first-byte", "start"]
    assert list(measured) == [*relay_rows, *native_rows, "invocation", "function-chunk"]
    assert all({"tailrace", *PEERS} <= set(measured[name]) for name in relay_rows)
    assert document["left_out"] == []
    assert all(
        value is not None
        for relays in measured.values()
        for relay in relays.values()
        for value in relay["values"]
    )
    relays = {"tailrace", "nginx", "nginx-64k", "floor", *PEERS}
    assert set(measured["request"]) - {REFERENCE_NAME} == relays
    assert "direct" in measured["first-p99-1000"]
    assert "direct" not in measured["chunk"]
    assert set(measured["native"]) == set(PATHS)
    assert set(measured["first-byte"]) == {"tailrace.runtime", *NODE.values()}
    assert set(measured["start"]) == {"tailrace.runtime", "awslambdaric"}
    assert set(measured["invocation"]) == {way.name for way in WAYS}
    assert set(measured["function-chunk"]) == {way.name for way in WAYS if way.streams}
    # A difference of two times, which noise may turn over in so short a run; not everywhere.
    assert any(each["median"] > 0 for each in measured["function-chunk"].values())
    targets = document["targets"]
    assert [each["limit"] for each in targets] == [150, 1.3, 2.2, 1.5, 8, 1.5, *NATIVE_LIMITS]
    assert all(each["value"] is not None for each in targets)
    assert document["machine"]["cores"] == str(os.cpu_count())
    ours, own = (document["machine"][name] for name in ("python of tailrace", "python"))
    assert ours.split(",")[:2] == own.split(",")[:2]  # version and build; its speed changes
    drawn = ["".join(each.itertext()) for each in ElementTree.parse(picture).iter()]
    assert {"tailrace", "direct", *PEERS, "CPU per paced chunk, µs"} <= set(drawn)
    assert "CPU per paced 64-byte chunk, µs" in run.stdout
    assert "chunk p50 beside 500 requests/s, µs" in run.stdout
    assert "process start to first request for an event, ms" in run.stdout
    assert "run 1 of 1: bulk" in run.stderr
    assert "run 1 of 1: beside-1000" in run.stderr
    assert list(temporary.iterdir()) == []
    commands = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
    assert not [words for words in commands if str(temporary) in " ".join(words)]


def test_ratios_are_those_of_runs_side_by_side() -> None:
    """A machine that is slow for one run slows both relays: their ratio stays."""
    rows = new_rows()
    for mine, theirs in ((10.0, 10.0), (36.0, 30.0), (13.0, 10.0)):
        rows["chunk"].add("tailrace", mine)
        rows["chunk"].add("nginx", theirs)

    assert rows["chunk"].ratio("tailrace", "nginx") == 1.2
    assert rows["chunk"].ratio("tailrace", "floor") is None


def test_relays_are_chosen_and_compared_by_name(tmp_path: Path) -> None:
    """A version of the gateway with which another one is compared is a baseline, too."""
    results = tmp_path / "rows.json"
    command = f"{sys.executable} -m tailrace.cli gateway"
    words = ["--quick", "--only", "beside-200", "--also", f"base={command}", "--json", str(results)]
    beside = ["--beside", "nginx", "--beside", "base"]

    run = subprocess.run(
        [sys.executable, "-m", "bench", *words, *beside],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert run.returncode == 0, run.stderr
    (row,) = (
        row for row in json.loads(results.read_text())["rows"] if row["name"] == "first-p99-200"
    )
    assert list(row["relays"]) == ["tailrace", "nginx", "base", "direct"]
    assert row["ratios"]["base"] > 0
    assert row["ratios"]["floor"] is None
    assert "÷ base" in run.stdout


def test_a_relay_that_is_not_known_is_an_error() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "bench", "--quick", "--beside", "squid"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert run.returncode == 1
    assert "bench: no such relay: squid (tailrace, " in run.stderr


def test_a_relay_that_cannot_hold_is_left_out(tmp_path: Path) -> None:
    """It does not end the measurements of the others."""
    results = Results()

    async def start(bed: Bed) -> Relay:
        port = free_port()
        words = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(port)]
        return bed.command("files", words, port)

    async def measure() -> None:
        stand_in = StandIn()
        await stand_in.start()
        core = min(os.sched_getaffinity(0))
        bed = Bed(tmp_path, Cores(core, core), stand_in)
        try:
            await measure_held(Bench(stand_in, QUICK), results, "held-open", "files", start, bed)
        finally:
            bed.stop()
            await stand_in.stop()

    asyncio.run(measure())

    assert results.rows["held_open"].values == {"files": [None]}
    (line,) = results.left_out
    assert line.startswith("held-open, files: a client was answered 404; files (still running) ")


def test_a_run_without_a_figure_counts_nowhere() -> None:
    """And its neighbours are still compared with those of the same run."""
    rows = new_lateness_rows()
    for mine, theirs in ((10.0, 10.0), (None, 1.0), (99.0, None), (36.0, 30.0), (13.0, 10.0)):
        rows["chunk-p99-500"].add("tailrace", mine)
        rows["chunk-p99-500"].add("nginx", theirs)
    rows["chunk-p50-500"].add("tailrace", None)

    assert rows["chunk-p99-500"].ratio("tailrace", "nginx") == 1.2
    assert rows["chunk-p99-500"].median("tailrace") == 24.5
    assert rows["chunk-p50-500"].median("tailrace") is None
    assert [str(verdict) for verdict in judge(rows)] == ["≤ 1.5 × nginx: pass (1.20)"]
    assert table(rows, ["tailrace", "nginx"]).splitlines()[1].split() == [
        *("chunk", "p50", "beside", "500", "requests/s,", "µs", "–", "–")
    ]


def test_a_missed_target_and_a_missing_relay_are_said() -> None:
    rows = new_rows()
    rows["request"].add("tailrace", 400.0)
    rows["held"].add("tailrace", 4.5)

    verdicts = [str(verdict) for verdict in judge(rows)]

    assert verdicts == [
        "≤ 150: MISSED (400)",
        "≤ 1.3 × nginx: not measured",
        "≤ 2.2 × floor: not measured",
        "≥ 1.5 × nginx: not measured",
        "≤ 8: pass (4.50)",
    ]
    assert table(rows, ["tailrace"]).splitlines()[1].split("  ")[0] == (
        "CPU per request of one chunk, µs"
    )


def test_columns_of_native_rows_are_listed_with_their_targets() -> None:
    rows = new_native_rows()
    for url, callback in ((400.0, 500.0), (600.0, 800.0), (300.0, 900.0)):
        rows["native"].add("Function URL", url)
        rows["native"].add("callback", callback)

    lines = [line.split("  ") for line in listing(rows).splitlines()]

    words = [[word.strip() for word in line if word] for line in lines]
    assert words == [
        ["median", "lowest–highest", "target"],
        ["large bodies per CPU-second of all processes, MB"],
        ["Function URL", "400", "300–600", "≥ 0.5 × callback: pass (0.75)"],
        ["callback", "800", "500–900"],
    ]


def test_numbers_have_three_digits_that_count() -> None:
    assert [number(value) for value in (1234.5, 98.76, 1.234)] == ["1,234", "98.8", "1.23"]


@pytest.mark.parametrize("case", list(calls.cases()), ids=lambda case: case.name)
def test_the_longest_calls_are_measured_and_told(case: calls.Case) -> None:
    """Each case of `python -m bench.calls` works, and stands in the table of the docs."""
    page = (ROOT / "docs" / "topics" / "performance.md").read_text()

    assert calls.measure(case, runs=1) > 0
    assert f"\n| {case.name} | {case.where} | " in page


def test_the_table_of_calls_begins_with_the_longest() -> None:
    first, second, *_ = calls.cases()

    lines = calls.table([(first, 1.0), (second, 12.345)]).splitlines()

    assert lines[2:] == [
        f"| {second.name} | {second.where} | 12.3 |",
        f"| {first.name} | {first.where} | 1 |",
    ]
