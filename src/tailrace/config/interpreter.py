"""The Python that runs a function: a configured one, the project's `.venv`, the current one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from tailrace import limits
from tailrace.errors import ConfigError

_ENVIRONMENT: Final = ".venv"
_IN_ENVIRONMENT: Final = Path("bin", "python")
_OLDEST: Final = (3, 11)
_QUESTION: Final = "import sys; print('%d %d' % sys.version_info[:2])"
_ANSWER_CHARS_MAX: Final = 200
_REMEDY: Final = (
    "make its environment again, or name another Python with python in [functions.NAME] of"
    " tailrace.toml"
)


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python that runs functions."""

    path: str
    """Not resolved: the Python of a virtual environment is a link to another one."""
    version: tuple[int, int]
    reason: str
    """Why it is this one."""

    def __str__(self) -> str:
        return "{}.{}, {}".format(*self.version, self.reason)


CURRENT: Final = Interpreter(sys.executable, sys.version_info[:2], "the one that runs tailrace")


def find_interpreter(
    configured: str | None, *, where: str, directory: Path, top: Path
) -> Interpreter:
    """Return the Python of the function in `directory`.

    Its `.venv` may also be in a parent directory, up to `top`. `configured` is a path relative to
    `top`, or the name of a program; `where` is its key, for messages.

    Raises:
        ConfigError: there is no such Python, it does not run, or it is too old.
    """
    if configured is not None:
        path = _located(configured, where, top)
        return Interpreter(path, _checked_version(path, where), f"python = {configured!r}")
    for parent in (directory, *directory.parents):
        environment = parent / _ENVIRONMENT
        path = str(environment / _IN_ENVIRONMENT)
        if os.path.lexists(path):
            reason = f"{os.path.relpath(environment, top)} of the project"
            if os.path.realpath(environment) == os.path.realpath(sys.prefix):
                return Interpreter(path, CURRENT.version, reason)
            return Interpreter(path, _checked_version(path, where), reason)
        if not parent.is_relative_to(top) or parent == top:
            break
    return CURRENT


def _located(configured: str, where: str, top: Path) -> str:
    """Return the path of a configured Python."""
    if os.sep not in configured:
        found = shutil.which(configured)
        if found is None:
            problem = f"there is no program {configured!r} in PATH"
            meant = f"./{configured}" if (top / configured).exists() else None
            raise ConfigError(problem, where=where, meant=meant)
        return os.path.abspath(found)
    path = Path(os.path.abspath(top / configured))
    if path.is_dir():
        has_one = os.path.lexists(path / _IN_ENVIRONMENT)
        meant = os.path.join(configured, _IN_ENVIRONMENT) if has_one else None
        raise ConfigError(f"{path} is a directory", where=where, meant=meant)
    return str(path)


def _checked_version(path: str, where: str) -> tuple[int, int]:
    try:
        version = _version_of(path, os.stat(path).st_mtime_ns)
    except (OSError, ValueError) as error:
        what = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigError(
            f"{path} does not run: {what}; {_REMEDY}",
            where=where,
        ) from None
    if version < _OLDEST:
        oldest = "{}.{}".format(*_OLDEST)
        raise ConfigError(
            "{} is Python {}.{}, and functions need {} or newer; {}".format(
                path, *version, oldest, _REMEDY
            ),
            where=where,
        )
    return version


@lru_cache(maxsize=16)
def _version_of(path: str, changed_ns: int) -> tuple[int, int]:
    """Ask a Python for its version, once for each change of its file.

    Raises:
        OSError: it cannot be started.
        ValueError: it does not answer as a Python does.
    """
    try:
        done = subprocess.run(
            (path, "-E", "-S", "-c", _QUESTION),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=limits.INTERPRETER_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ValueError(f"no answer in {limits.INTERPRETER_TIMEOUT_S:g} s") from None
    numbers = done.stdout.split()
    if done.returncode == 0 and len(numbers) == 2 and all(each.isdecimal() for each in numbers):
        return int(numbers[0]), int(numbers[1])
    reason = _reason_in(done.stderr) or _reason_in(done.stdout) or "no output"
    raise ValueError(f"exit code {done.returncode}: {reason}")


def _reason_in(output: str) -> str:
    """Return the line of an output that is most likely to say why; empty if there is none.

    Python's own name an error, with a trace of threads behind it. Other programs begin with it.
    """
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    named = [line for line in lines if "error" in line.lower()]
    return (named[-1:] or lines[:1] or [""])[0][:_ANSWER_CHARS_MAX]
