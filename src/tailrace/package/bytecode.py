"""Compiled modules beside the sources: /var/task and /opt cannot be written, so Lambda's Python
would compile each module again at each cold start.

A compiled module is used for as long as its source has the content that was compiled (PEP 552):
no time of a file is inside, and an edited source counts.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Final

from tailrace.errors import ConfigError, PackageError
from tailrace.package.archive import Entry
from tailrace.package.limits import COMPILE_TIMEOUT_S

_CACHE: Final = "__pycache__"
_QUESTION: Final = "import sys; print(sys.implementation.cache_tag)"
_HASH_SEED: Final = {"PYTHONHASHSEED": "0"}
"""The order of a set's members is in its bytecode."""


def compiled_entries(
    entries: Iterable[Entry], python: str, root: str, *, version: str | None = None
) -> list[Entry]:
    """Return the compiled modules of the sources in `entries`, for one Python.

    `python` is a program: only the same minor version can use what it compiles. `version`, such as
    3.13, is the one that it must have. `root` is where the archive is unpacked: tracebacks show its
    paths. Sources that this Python cannot compile are left out.

    Raises:
        ConfigError: there is no such Python, or it is of another version.
        PackageError: it ended without compiling.
    """
    tag = _cache_tag(python)
    if version is not None and tag != f"cpython-{version.replace('.', '')}":
        problem = f"{python} compiles for {tag}, and --python is {version}; name a Python {version}"
        raise ConfigError(problem, where="--bytecode")
    sources = sorted(
        (entry for entry in entries if entry.name.endswith(".py")), key=lambda entry: entry.name
    )
    with TemporaryDirectory(prefix="tailrace-") as folder:
        for entry in sources:
            path = Path(folder, entry.name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(entry.data)
        _compile(python, folder, root)
        names = [_compiled_name(entry.name, tag) for entry in sources]
        return [
            Entry(name, path.read_bytes())
            for name in names
            if (path := Path(folder, name)).exists()
        ]


def _cache_tag(python: str) -> str:
    """Return the tag in the names of what a Python compiles, such as `cpython-313`.

    Raises:
        ConfigError: there is no such Python.
    """
    try:
        done = _run(python, "-c", _QUESTION)
    except OSError as error:
        problem = f"{python} does not run: {error.strerror}; name a Python, as in python3.13"
        raise ConfigError(problem, where="--bytecode") from None
    tag = done.stdout.strip()
    if done.returncode or not tag:
        problem = f"{python} does not answer as a Python does; name a Python, as in python3.13"
        raise ConfigError(problem, where="--bytecode")
    return tag


def _compile(python: str, folder: str, root: str) -> None:
    arguments = ("-q", "--invalidation-mode", "checked-hash", "-s", folder, "-p", root, folder)
    try:
        done = _run(python, "-m", "compileall", *arguments)
    except subprocess.TimeoutExpired as error:
        limit = f"{error.timeout:.0f} s"
        raise PackageError(f"{python} has not compiled the modules within {limit}") from None
    # 1: some of the sources cannot be compiled, such as templates of code.
    if done.returncode not in (0, 1):
        raise PackageError(f"{python} ended with code {done.returncode}: {done.stderr[-500:]}")


def _run(python: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    others = {name: text for name, text in os.environ.items() if not name.startswith("PYTHON")}
    return subprocess.run(
        (python, "-S", "-B", *arguments),
        env=others | _HASH_SEED,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=COMPILE_TIMEOUT_S,
        check=False,
    )


def _compiled_name(name: str, tag: str) -> str:
    path = PurePosixPath(name)
    return str(path.parent / _CACHE / f"{path.stem}.{tag}.pyc")
