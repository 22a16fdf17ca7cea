"""Projects to package, and the command that does it."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.command import environ_of

PATIENCE_S = 100.0
"""When the package index does not answer."""
ANOTHER = ("--architecture", "arm64", "--python", "3.12")
"""Another machine and another Python than most that run these tests."""


def write(folder: Path, files: Mapping[str, str]) -> Path:
    """Write files into a folder, and return it."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def package(
    project: Path,
    output: Path,
    *options: str,
    umask: int = 0o022,
    environ: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    arguments = ("package", "function", str(project), "-o", str(output), *options)
    return subprocess.run(
        [sys.executable, "-m", "tailrace", *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        env=environ_of(environ),
        umask=umask,
        check=False,
    )


def packaged(project: Path, output: Path, *options: str, **more: Any) -> dict[str, Any]:
    """Run the command, which succeeds, and return its JSON."""
    done = package(project, output, *options, "--json", **more)
    assert done.returncode == 0, done.stderr
    facts: dict[str, Any] = json.loads(done.stdout)
    return facts


def names_in(archive: Path) -> set[str]:
    """The files of an archive."""
    with zipfile.ZipFile(archive) as file:
        return set(file.namelist())
