"""A reload takes up code that has changed on disk, in workers and in the parent."""

from __future__ import annotations

import re
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.command import fetch
from tests.e2e.cut_function import CutLambda
from tests.emf import Printed, total
from tests.fleet.gateway import STORY, Fleet, kill, rest_of

import tailrace

Change = Callable[[str, str, str], None]


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """A copy of the package, from which a gateway runs."""
    package = Path(tailrace.__file__).parent
    no_caches = shutil.ignore_patterns("__pycache__")
    shutil.copytree(package, tmp_path / "code" / "tailrace", ignore=no_caches)
    return tmp_path / "code"


@pytest.fixture
def change(code: Path) -> Change:
    """Change a text in a module."""

    def replace(module: str, before: str, after: str) -> None:
        path = code / "tailrace" / module
        assert before in path.read_text()
        path.write_text(path.read_text().replace(before, after, 1))

    return replace


@pytest.fixture
def environ(code: Path) -> dict[str, str]:
    """Of a gateway that runs from the copy."""
    return {"PYTHONPATH": str(code), "PYTHONDONTWRITEBYTECODE": "1"}


def test_parent_and_workers_run_new_code_and_no_response_breaks(
    endpoint: CutLambda, tmp_path: Path, change: Change, environ: dict[str, str]
) -> None:
    with Fleet(tmp_path, endpoint, workers=2, environ=environ) as fleet:
        streams = [fleet.held() for _ in range(4)]
        old = fleet.pids()
        change("fleet/parent.py", "the parent is its new code", "the parent is newer")
        change("gateway/observe/log.py", 'LINE: Final = "', 'LINE: Final = "newer" + "')

        fleet.reload("the parent is newer, with [34] workers, 4 open responses")

        new = fleet.pids() - old
        assert len(new) == 2, "the same process has all children"
        assert re.search('"status": "ok", "workers": [34]', fetch(f"{fleet.admin}/health")[1])
        assert fleet.serves()
        fleet.wait_line(" newerexchange=")
        endpoint.release()
        assert [rest_of(stream) for stream in streams] == [STORY.body[1:]] * len(streams)
        assert fleet.wait_pids(2, without=old) == new
        assert fleet.count(" newerexchange=") == 1, "the old streams ended in the old code"

        kill(min(new))  # the new parent watches, and is asked
        fleet.wait_line(f"process {min(new)}\\) has ended, SIGKILL")
        fleet.wait_line("is ready in its place")
        assert fleet.serves()
        fleet.signal(signal.SIGTERM)
        assert fleet.wait_exit() == 0
    assert endpoint.surprises == []


@pytest.mark.parametrize(
    ("module", "before", "after", "says"),
    [
        ("fleet/parent.py", "class Parent:", "class Parent", "its new code did not start"),
        ("fleet/handover.py", "VERSION: Final = 1", "VERSION: Final = 2", "state has format 1"),
    ],
)
def test_a_parent_whose_new_code_does_not_start_goes_on(
    module: str, before: str, after: str, says: str,
    endpoint: CutLambda, tmp_path: Path, change: Change, environ: dict[str, str],
) -> None:  # fmt: skip
    with Fleet(tmp_path, endpoint, environ=environ) as fleet:
        old = fleet.pids()
        change(module, before, after)

        fleet.reload("warning: the parent goes on with the code that it has: its new code did not")

        fleet.wait_line(says)
        fleet.wait_pids(1, without=old)
        assert fleet.serves()
        change(module, after, before)
        fleet.reload("the parent is its new code")
        assert fleet.serves()


def test_counts_that_older_code_has_not_kept_are_not_reported_as_new(
    endpoint: CutLambda, tmp_path: Path, change: Change, environ: dict[str, str]
) -> None:
    kept = "due=crew.due.kept,"
    change("fleet/parent.py", kept, "")
    fleet = Fleet(tmp_path, endpoint, "--metrics", "emf", "--metrics-name", "demo", environ=environ)
    printed = Printed(tmp_path, fleet)
    with fleet:
        assert fleet.serves()
        change(
            "fleet/parent.py", "advertise_source,\n            \n", f"advertise_source, {kept}\n"
        )
        for _ in range(2):
            fleet.reload()
            assert fleet.serves()
        fleet.signal(signal.SIGTERM)
        assert fleet.wait_exit() == 0

    assert len(printed.lines) == 4
    assert total(printed.lines, "Completed") == 2, "those since the first reload"


def test_workers_whose_new_code_does_not_start_change_nothing(
    endpoint: CutLambda, tmp_path: Path, change: Change, environ: dict[str, str]
) -> None:
    with Fleet(tmp_path, endpoint, environ=environ) as fleet:
        old = fleet.pids()
        change("cli/worker.py", "async def serve_worker(", "async def serve_worker(:")

        fleet.reload("reload failed, and the running workers go on: SyntaxError: invalid syntax")

        assert fleet.wait_pids(1) == old
        assert fleet.serves()
