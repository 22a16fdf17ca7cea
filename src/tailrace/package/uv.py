"""uv, which resolves and installs for another platform than this one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from tailrace.errors import PackageError
from tailrace.package.limits import STEP_TIMEOUT_S

_INDEX: Final = (
    "UV_CONFIG_FILE",
    "UV_DEFAULT_INDEX",
    "UV_EXTRA_INDEX_URL",
    "UV_FIND_LINKS",
    "UV_INDEX",
    "UV_INDEX_URL",
    "UV_NO_INDEX",
)
"""With one of these the index is configured for uv, and what is meant for pip does not apply."""
_FROM_PIP: Final = {
    "PIP_INDEX_URL": "UV_INDEX_URL",
    "PIP_EXTRA_INDEX_URL": "UV_EXTRA_INDEX_URL",
    "PIP_FIND_LINKS": "UV_FIND_LINKS",
}


def run_uv(arguments: Sequence[str], text: str = "", *, directory: Path | None = None) -> str:
    """Run uv with this input in a directory; return its output.

    It installs no Python, and builds nothing.

    Raises:
        PackageError: uv has failed; the message is uv's own.
        ModuleNotFoundError: uv is not installed.
    """
    options = ("--quiet", "--no-build", "--no-python-downloads", "--python", sys.executable)
    try:
        done = subprocess.run(
            [uv_program(), *arguments, *options],
            input=text,
            cwd=directory,
            capture_output=True,
            text=True,
            env=uv_environment(os.environ),
            timeout=STEP_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        problem = f"uv did not end within {STEP_TIMEOUT_S:g} s"
        raise PackageError(f"{problem}: try again, or look whether the index answers") from None
    if done.returncode != 0:
        raise PackageError(done.stderr.strip() or f"uv ended with {done.returncode}")
    return done.stdout


def uv_program() -> str:
    """Return the path of uv's program.

    Raises:
        PackageError: the package is there without its program.
        ModuleNotFoundError: uv is not installed.
    """
    import uv

    try:
        return uv.find_uv_bin()
    except FileNotFoundError as error:
        remedy = "install it again: pip install --force-reinstall uv"
        raise PackageError(f"uv has no program here ({error}); {remedy}") from None


def uv_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables for uv: those of pip's index too, unless uv has one of its own."""
    variables = {**environment, "UV_NO_WRAP": "1"}  # its words are searched for
    if not any(environment.get(name) for name in _INDEX):
        for name, other in _FROM_PIP.items():
            if environment.get(name):
                separator = "," if other == "UV_FIND_LINKS" else " "
                variables[other] = separator.join(environment[name].split())
    return variables
