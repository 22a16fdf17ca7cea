"""Why uv could not install the dependencies, and what can be done about it."""

from __future__ import annotations

import re
import shlex
from typing import Final

from tailrace.errors import PackageError
from tailrace.package.function.dependency_file import DependencyFile
from tailrace.package.function.target import FunctionTarget

_find_source_only: Final = re.compile(
    r"Wheels are required for `([^`]+)`"
    r"|Package `([^`]+)` can't be installed because it is marked as `--no-build`"
    r"|Because (?:all versions of )?(\S+?)(?:[<>=!~]\S+)? (?:has|have) no (?:usable )?wheels"
).search
_INDEX: Final = "that of uv's configuration (UV_DEFAULT_INDEX, uv.toml), of PIP_INDEX_URL, or PyPI"
_OLD_GLIBC: Final = ("3.11",)
_find_folder: Final = re.compile(r"attempted to build `([^`]+)`").search
_find_dynamic: Final = re.compile(r"Building source distributions is disabled").search
_find_silent: Final = re.compile(r"Failed to fetch|[Rr]equest failed|error sending request").search
_find_unknown: Final = re.compile(
    r"not found in the package registry|not found in the cache"
).search
_find_cache: Final = re.compile(r"Failed to initialize cache").search
_find_editable: Final = re.compile(r"does not appear to be a Python project").search


def explained(text: str, file: DependencyFile, target: FunctionTarget) -> PackageError:
    """Return the error for what uv has written: what is wrong, uv's words, the ways out."""
    words = "\n".join(f"  uv: {line}" for line in text.splitlines() if line.strip())
    text = " ".join(text.split())  # lines of a terminal's width
    machine = f"{target.architecture} and Python {target.python}"
    head, remedy = f"the dependencies in {file.path} cannot be installed", ""
    if match := _find_source_only(text):
        name = next(group for group in match.groups() if group)
        head = f"{name} has no wheel for {machine}, and nothing is built from source here"
        remedy = _ways_out(name, file, machine)
        if target.python in _OLD_GLIBC:
            remedy += f"; or a newer Python: Lambda's {target.python} takes old wheels only"
    elif match := _find_folder(text):
        name = match[1]
        head = f"{name} is source code, and nothing is built from source here"
        remedy = _for_a_folder(name, file, machine)
    elif _find_dynamic(text):
        remedy = (
            "dynamic dependencies are known when the project is built, which is not done here:"
            " give --requirements FILE"
        )
    elif _find_editable(text):
        remedy = "name a wheel, or leave the line out: the code itself is in the archive anyway"
    elif _find_cache(text):
        remedy = "set UV_CACHE_DIR to a folder that can be written, or UV_NO_CACHE=1"
    elif _find_silent(text):
        remedy = f"the package index is unreachable: it is {_INDEX}"
    elif _find_unknown(text):
        remedy = f"the package index is {_INDEX}; a pip.conf is not read"
    return PackageError("\n".join(part for part in (head, words, remedy) if part))


def _ways_out(name: str, file: DependencyFile, machine: str) -> str:
    folder = _folder_of_wheels(file)
    if file.kind == "requirements":
        where = f"add the line --find-links wheels to {file.path.name}"
    else:
        where = f"set UV_FIND_LINKS={folder}"
    return (
        f"ways out: another version of {name}; another package; or a wheel of your own, built once"
        f" on Linux with {machine} (anywhere, if {name} has no compiled parts):"
        f" pip wheel --no-deps -w {folder} {name}, and {where}"
    )


def _for_a_folder(name: str, file: DependencyFile, machine: str) -> str:
    export = ""
    if file.kind != "requirements":
        export = " of requirements.txt, which uv export --no-emit-local -o requirements.txt writes"
    return (
        f"ways out: build a wheel of {name}, on Linux with {machine} (anywhere, if it has no"
        f" compiled parts): pip wheel --no-deps -w {_folder_of_wheels(file)} FOLDER, and name that"
        " file in its line"
        f"{export}; or put a copy of its package beside the code and leave the line out"
    )


def _folder_of_wheels(file: DependencyFile) -> str:
    """Return the folder to which paths in the file are relative, as a shell reads it."""
    return shlex.quote(str(file.path.parent / "wheels"))
