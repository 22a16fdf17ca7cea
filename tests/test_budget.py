"""The budget of instructions: above the record it fails, and no record is no pass.

What `make budget` counts is counted by `.ci/run`; here is what follows from the counts.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from bench import budget

FACTS = {"python": "3.11.2 (a build)", "uvloop": "0.23.0"}
RECORD = {
    "counted_with": FACTS,
    "instructions": {"request": 900_000, "request-headers": 850_000, "chunk": 18_000},
}
ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize(
    ("name", "count", "code"),
    [
        ("request", 927_000, 0),
        ("request", 927_001, budget.ABOVE),
        ("chunk", 18_360, 0),
        ("chunk", 18_361, budget.ABOVE),
        ("chunk", 9_000, 0),
    ],
)
def test_a_count_above_its_budget_fails(
    name: str, count: int, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    counts = {**RECORD["instructions"], name: count}

    assert budget.judge(FACTS, counts, RECORD) == code

    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith(f"{name}:")]
    assert f"{count:,} instructions" in line
    assert ("ABOVE" in line) is (code == budget.ABOVE)


@pytest.mark.parametrize("name", FACTS)
def test_another_interpreter_has_no_record(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    facts = {**FACTS, name: "another"}

    assert budget.judge(facts, RECORD["instructions"], RECORD) == budget.NO_RECORD

    assert capsys.readouterr().err == f"no record for this interpreter: other {name}\n"


def test_an_interpreter_without_the_packages_is_not_counted(tmp_path: Path) -> None:
    """The command says what failed, and its exit code is not that of a pass."""
    run = subprocess.run(
        [sys.executable, "-m", "bench.budget", "--python", str(tmp_path / "python")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert run.returncode == budget.NOT_COUNTED
    assert str(tmp_path / "python") in run.stderr


def test_the_record_names_what_was_counted_and_with_what() -> None:
    record = json.loads(budget.RECORD.read_text())

    assert record["instructions"].keys() == budget.EXCESS_MAX.keys()
    assert {"python", "libc", "uvloop", "httptools", "msgspec", "valgrind"} <= set(
        record["counted_with"]
    )
