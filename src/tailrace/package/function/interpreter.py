"""A Python of the function's own, for the runtime `provided.al2023`."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tailrace.errors import PackageError
from tailrace.package.archive import Entry
from tailrace.package.function.machine_code import machine_of
from tailrace.package.function.patterns import Patterns
from tailrace.package.function.slimming import entry_of
from tailrace.package.function.target import FunctionTarget

FOLDER: Final = "python/"
_BOOTSTRAP: Final = """\
#!/bin/sh
# The entry point of an OS-only runtime: our runtime, with the Python of this archive.
cd "$LAMBDA_TASK_ROOT"
exec "$LAMBDA_TASK_ROOT/python/bin/python{python}" -m tailrace.runtime
"""
_NEEDED: Final = Patterns(("/bin/python3.*", "/lib/"))
_LEFT_OUT: Final = Patterns((
    "/bin/*-config", "/bin/*.py", "/lib/*.a", "/lib/pkgconfig/", "/lib/tcl*/", "/lib/tk*/",
    "/lib/itcl*/", "/lib/thread*/", "/lib/libtcl*", "/lib/libtk*",
    "/lib/python3.*/config-*/", "/lib/python3.*/ensurepip/", "/lib/python3.*/idlelib/",
    "/lib/python3.*/lib2to3/", "/lib/python3.*/test/", "/lib/python3.*/tkinter/",
    "/lib/python3.*/turtledemo/", "/lib/python3.*/site-packages/",
    "/lib/python3.*/lib-dynload/_tkinter.*", "/lib/python3.*/lib-dynload/_test*",
    "__pycache__/", "*.pyc",
))  # fmt: skip
"""Development, tests, and windows on a screen; what is installed with the interpreter."""


def interpreter_entries(folder: Path, target: FunctionTarget) -> list[Entry]:
    """Return the files of a relocatable Python, and the `bootstrap` that starts our runtime.

    Raises:
        PackageError: the folder has no Python of this version for the architecture.
    """
    program = folder / "bin" / f"python{target.python}"
    remedy = f"uv python install --install-dir DIR cpython-{target.python}-linux-… writes one"
    if not program.is_file():
        raise PackageError(f"{folder} has no bin/python{target.python}: {remedy}")
    machine = machine_of(program)
    if machine != target.architecture:
        problem = f"{program} is for {machine or 'no machine'}, not for {target.architecture}"
        raise PackageError(f"{problem}: {remedy}")
    entries = [
        entry_of(f"{FOLDER}{name}", path)
        for name, path in _files_in(folder)
        if _NEEDED.find(name) is not None and _LEFT_OUT.find(name) is None
    ]
    # Links to it are copies in an archive, and it is large.
    entries = [e for e in entries if not _is_other_program(e.name, target)]
    bootstrap = _BOOTSTRAP.format(python=target.python).encode()
    return [*entries, Entry("bootstrap", bootstrap, is_executable=True)]


def _is_other_program(name: str, target: FunctionTarget) -> bool:
    return name.startswith(f"{FOLDER}bin/") and name != f"{FOLDER}bin/python{target.python}"


def _files_in(folder: Path) -> Iterator[tuple[str, Path]]:
    for directory, _, names in os.walk(folder):
        for name in sorted(names):
            path = Path(directory, name)
            if path.exists() and stat.S_ISREG(path.stat().st_mode):
                yield path.relative_to(folder).as_posix(), path
