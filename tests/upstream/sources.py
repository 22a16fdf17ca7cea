"""Tests of other projects, unpacked outside of this tree, and how they are run from here."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
RUN_S = 100.0
"""A safety net: the longest of these runs takes ten seconds."""


@functools.cache
def folder_of(project: str) -> Path:
    """Return the folder that has a project's `tests/`; fetched if it is not there yet."""
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "fetch-sources.py"],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        timeout=RUN_S,
    )
    folders = [Path(line) for line in done.stdout.splitlines()]
    (found,) = (folder for folder in folders if folder.name.startswith(f"{project}-"))
    return found


def run_tests(project: str, plugin: str, *arguments: str, **variables: str) -> str:
    """Run a project's tests with one of our plugins, in a process of its own; return its output."""
    folder = folder_of(project)
    path = [folder, ROOT / "src", HERE]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", plugin),
            *("-c", HERE / f"{project}.ini", "--rootdir", folder, *arguments),
        ],
        cwd=folder,
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("PYTEST")},
            "PYTHONPATH": os.pathsep.join(map(str, path)),
            "PYTHONDONTWRITEBYTECODE": "1",
            **variables,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=RUN_S,
    )
    return done.stdout
