"""uv, which resolves and installs for another platform than this one."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import Final

from tailrace.errors import PackageError
from tailrace.package.limits import LOOK_INTERVAL_S, STEP_TIMEOUT_S, TOLD_BYTES_MAX

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

_STEPS: Final = ("Resolved ", "Downloading ", "Downloaded ", "Prepared ")
_CACHE: Final = "UV_CACHE_DIR"
"""It is made if it is not there."""
_PATHS: Final = {
    "SSL_CERT_DIR": ":",
    "SSL_CERT_FILE": "",
    "UV_BUILD_CONSTRAINT": " ",
    "UV_CONFIG_FILE": "",
    "UV_CONSTRAINT": " ",
    "UV_DEFAULT_INDEX": "",
    "UV_EXCLUDE": " ",
    "UV_FIND_LINKS": ",",
    "UV_INDEX": " ",
    "UV_OVERRIDE": " ",
}
"""Variables that may have paths, which are relative to the directory of the command; and what is
between several."""


def run_uv(
    arguments: Sequence[str],
    text: str = "",
    *,
    directory: Path | None = None,
    on_line: Callable[[str], None] | None = None,
) -> str:
    """Run uv with this input in a directory; return its output.

    It installs no Python, and builds nothing. `on_line` gets the lines in which uv says what it
    does, such as "Downloading numpy (14.6MiB)".

    Raises:
        PackageError: uv has failed; the message is uv's own.
        ModuleNotFoundError: uv is not installed.
    """
    options = ("--no-build", "--no-python-downloads", "--python", sys.executable)
    with TemporaryFile() as told, TemporaryFile() as given:
        given.write(text.encode())
        given.seek(0)
        process = subprocess.Popen(
            [uv_program(), *arguments, *options],
            cwd=directory,
            env=uv_environment(os.environ),
            stdin=given,
            stdout=subprocess.PIPE,
            stderr=told,
            text=True,
        )
        with process:
            try:
                output = _output(process, _Lines(told.fileno(), on_line))
            except BaseException:
                process.kill()
                raise
        error = os.pread(told.fileno(), TOLD_BYTES_MAX, 0).decode("utf-8", "replace")
    if process.returncode != 0:
        raise PackageError(_reason(error) or f"uv ended with {process.returncode}")
    return output


class _Lines:
    """The lines that are being written to a file, each given on once."""

    def __init__(self, file: int, on_line: Callable[[str], None] | None) -> None:
        self._file = file
        self._on_line = on_line
        self._seen = 0

    def look(self) -> None:
        if self._on_line is None:
            return
        # The offset of the file is uv's as well, so it must not be moved.
        new = os.pread(self._file, TOLD_BYTES_MAX, self._seen)
        whole = new[: new.rfind(b"\n") + 1]
        self._seen += len(whole)
        for line in whole.decode("utf-8", "replace").splitlines():
            if line.lstrip().startswith(_STEPS):
                self._on_line(line.strip())


def _output(process: subprocess.Popen[str], lines: _Lines) -> str:
    """Wait for the end of uv, and return its output."""
    deadline_s = time.monotonic() + STEP_TIMEOUT_S
    while time.monotonic() < deadline_s:
        try:
            output, _ = process.communicate(timeout=LOOK_INTERVAL_S)
        except subprocess.TimeoutExpired:
            lines.look()
        else:
            return output
    problem = f"uv did not end within {STEP_TIMEOUT_S:g} s"
    raise PackageError(f"{problem}: try again, or look whether the index answers")


def _reason(told: str) -> str:
    """Return the error in what uv has written, without the steps before it."""
    lines = told.strip().splitlines()
    begin = next((i for i, line in enumerate(lines) if line.startswith("error:")), 0)
    return "\n".join(lines[begin:])


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
    """Return the variables for uv, which may run in another directory.

    Those of pip's index are among them, unless uv has one of its own.
    """
    variables = {**environment, "UV_NO_WRAP": "1"}  # its words are searched for
    if not any(environment.get(name) for name in _INDEX):
        for name, other in _FROM_PIP.items():
            if environment.get(name):
                separator = "," if other == "UV_FIND_LINKS" else " "
                variables[other] = separator.join(environment[name].split())
    for name, separator in _PATHS.items():
        if variables.get(name):
            variables[name] = _absolute(variables[name], separator)
    if variables.get(_CACHE):
        variables[_CACHE] = os.path.abspath(variables[_CACHE])
    return variables


def _absolute(text: str, separator: str) -> str:
    """Return paths as absolute ones, where they are files or folders that are there."""
    paths = text.split(separator) if separator else [text]
    there = [os.path.abspath(path) if os.path.exists(path) else path for path in paths]
    return separator.join(there)
