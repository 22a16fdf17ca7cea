"""A Python of the function's own, for the runtime `provided.al2023`."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tailrace.errors import ConfigError, PackageError
from tailrace.package.archive import Entry
from tailrace.package.bytecode import compiled_entries
from tailrace.package.function.machine_code import machine_of
from tailrace.package.function.patterns import Patterns
from tailrace.package.function.slimming import entry_of
from tailrace.package.function.target import OS_ONLY, TASK_ROOT, FunctionTarget
from tailrace.package.own_files import own_entries

FOLDER: Final = "python/"
BOOTSTRAP: Final = "bootstrap"

_HOME: Final = f"{TASK_ROOT}/python".encode()
_START: Final = """\
#!/bin/sh
# Lambda starts this file in an OS-only runtime: our runtime, under the Python of this archive.
exec "$LAMBDA_TASK_ROOT/python/bin/python{python}" \\
    "$LAMBDA_TASK_ROOT/tailrace/runtime/managed.py"
"""
_REMEDY: Final = "uv python install --install-dir DIR {python} writes a folder that has one"
_NEEDED: Final = Patterns(("/bin/python3.*", "/lib/"))
_LEFT_OUT: Final = Patterns((
    "/bin/*-config", "/bin/*.py", "/lib/*.a", "/lib/pkgconfig/",
    "/lib/tcl*/", "/lib/tk*/", "/lib/itcl*/", "/lib/thread*/", "/lib/libtcl*", "/lib/libtk*",
    "/lib/python3.*/config-*/", "/lib/python3.*/ensurepip/", "/lib/python3.*/idlelib/",
    "/lib/python3.*/lib2to3/", "/lib/python3.*/pydoc_data/", "/lib/python3.*/test/",
    "/lib/python3.*/tkinter/", "/lib/python3.*/turtledemo/", "/lib/python3.*/turtle.py",
    "/lib/python3.*/*/test/", "/lib/python3.*/*/tests/",
    "/lib/python3.*/site-packages/", "/lib/python3.*/EXTERNALLY-MANAGED",
    "/lib/python3.*/lib-dynload/_tkinter.*", "/lib/python3.*/lib-dynload/_*test*",
    "/lib/python3.*/lib-dynload/xx*", "__pycache__/", "*.pyc",
))  # fmt: skip
"""Development, tests, windows on a screen, help texts, and what is installed beside it."""
_KNOWING_ITS_PLACE: Final = Patterns((
    "_sysconfigdata*.py", "_sysconfig_vars*.json", "build-details.json",
))  # fmt: skip
"""Files in which an installer writes the folder."""
_LIBRARY_NAME: Final = b"libpython3"
_MUSL: Final = b"/ld-musl-"
_RELATIVE: Final = (b"$ORIGIN", b"${ORIGIN}")


@dataclass(frozen=True, slots=True)
class OwnPython:
    """What an archive has for its own Python."""

    entries: list[Entry]
    warnings: list[str]


def interpreter_of(folder: Path, target: FunctionTarget) -> OwnPython:
    """Return the files of a relocatable Python, and the `bootstrap` that starts our runtime.

    Its standard library and our runtime are compiled, if a Python of that version runs here.

    Raises:
        PackageError: the folder has no Python of this version for the architecture, or one that
            runs in no other folder.
    """
    program = _program(folder, target)
    data = program.read_bytes()
    _check_relocatable(program, data)
    place = _path_in_text(folder)
    entries = [
        _moved(entry_of(f"{FOLDER}{name}", path), place)
        for name, path in _files_in(folder.resolve())
        if _is_wanted(name, target, data)
    ]
    _check_machines(entries, target)
    start = Entry(BOOTSTRAP, _START.format(python=target.python).encode(), is_executable=True)
    compiled, warnings = _compiled([*entries, *own_entries()], program, target)
    return OwnPython([*entries, *compiled, start], warnings)


def _program(folder: Path, target: FunctionTarget) -> Path:
    """Return the interpreter's program."""
    name = f"python{target.python}"
    program = folder / "bin" / name
    if (folder / "pyvenv.cfg").exists():
        problem = f"{folder} is a virtual environment, whose Python is elsewhere"
    elif program.is_file():
        return program.resolve()
    else:
        problem = f"{folder} has no bin/{name}"
        below = sorted(path.parents[1].name for path in folder.glob(f"*/bin/{name}"))
        if below:
            raise PackageError(f"{problem}; did you mean {folder / below[0]}?")
        others = sorted(path.name for path in folder.glob("bin/python3.[0-9]*[0-9]"))
        if others:
            problem += f", and has {others[0]}"
    raise PackageError(f"{problem}: {_REMEDY.format(python=target.python)}")


def _check_relocatable(program: Path, data: bytes) -> None:
    if _MUSL in data:
        raise PackageError(
            f"{program} is for musl, and {OS_ONLY} has glibc: use the build of uv python install"
            " that ends in -gnu"
        )
    if _LIBRARY_NAME in data and not any(mark in data for mark in _RELATIVE):
        raise PackageError(
            f"{program} looks for its library in a folder of this machine, so that it runs in no"
            " other one: use a Python that can be moved, as uv python install writes it"
        )


def _files_in(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield names and files; a link to a file is that file."""
    for directory, _, names in os.walk(folder):
        for name in names:
            path = Path(directory, name)
            if path.is_file():
                yield path.relative_to(folder).as_posix(), path


def _is_wanted(name: str, target: FunctionTarget, data: bytes) -> bool:
    """Whether a file is needed at run time; of programs and libraries, only what is started."""
    if _NEEDED.find(name) is None or _LEFT_OUT.find(name) is not None:
        return False
    base = name.rpartition("/")[2]
    if name.startswith("bin/"):
        return base == f"python{target.python}"
    if base.startswith(_LIBRARY_NAME.decode()):
        return b"\0" + base.encode() + b"\0" in data  # one that the program is linked with
    return True


def _moved(entry: Entry, find: re.Pattern[bytes]) -> Entry:
    """Return an entry in which the folder is where Lambda has it."""
    if _KNOWING_ITS_PLACE.find(entry.name) is None:
        return entry
    return Entry(entry.name, find.sub(_HOME, entry.data), entry.is_executable)


def _path_in_text(folder: Path) -> re.Pattern[bytes]:
    """Return the expression of a folder's path, also in an option such as -L/folder/lib."""
    paths = sorted({re.escape(os.fsencode(each)) for each in (folder.resolve(), folder.absolute())})
    return re.compile(rb"(?:(?<![\w./-])|(?<=-[IL]))(?:" + b"|".join(paths) + rb")(?![\w.-])")


def _check_machines(entries: Iterable[Entry], target: FunctionTarget) -> None:
    for entry in entries:
        machine = machine_of(entry.content)
        if machine is not None and machine != target.architecture:
            name = entry.name.removeprefix(FOLDER)
            problem = f"{name} is for {machine}, and the function for {target.architecture}"
            wanted = f"cpython-{target.python}-linux-{target.platform.partition('-')[0]}-gnu"
            raise PackageError(f"{problem}: {_REMEDY.format(python=wanted)}")


def _compiled(
    entries: list[Entry], program: Path, target: FunctionTarget
) -> tuple[list[Entry], list[str]]:
    """Return the compiled modules, and warnings. Any Python of the same version compiles them."""
    others = (sys.executable, shutil.which(f"python{target.python}"))
    for python in (str(program), *filter(None, others)):
        try:
            return compiled_entries(entries, python, TASK_ROOT, version=target.python), []
        except ConfigError:
            pass  # it is for another machine, or of another version
    return [], [
        f"no Python {target.python} runs here that could compile the modules, so each cold start"
        f" does, and takes a tenth of a second longer: uv python install {target.python}"
    ]
