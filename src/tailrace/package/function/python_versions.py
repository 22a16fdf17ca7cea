"""Whether a project, and its dependencies, are for a version of Python."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Final

from tailrace.package.function.dependencies import Installed
from tailrace.package.function.dependency_file import DependencyFile
from tailrace.package.function.target import FunctionTarget

_clause: Final = re.compile(r"\s*(>=|>|<=|<|==|~=)\s*3\.(\d+)((?:\.\w+|\.\*)*)\s*").fullmatch


def version_warnings(
    folder: Path, file: DependencyFile | None, installed: Installed, target: FunctionTarget
) -> list[str]:
    """Return warnings about a project for other versions, and about markers that leave all out."""
    warnings = []
    required = _required_by(folder)
    if required is not None and excludes(required, target.minor):
        warnings.append(f"{folder / 'pyproject.toml'} requires Python {required}")
    is_empty = not installed.distributions and installed.named - installed.left_out.keys()
    if file is not None and is_empty:
        machine = f"Python {target.python} on {target.architecture}"
        warnings.append(f"{file.path} has no dependency for {machine}: see its markers")
    return warnings


def excludes(specifier: str, minor: int) -> bool:
    """Whether none of the releases of Python 3 with this minor version meets a specifier."""
    for clause in specifier.split(","):
        match = _clause(clause)
        if match is not None and _excludes(match[1], int(match[2]), match[3], minor):
            return True
    return False


def _excludes(operator: str, bound: int, rest: str, minor: int) -> bool:
    if operator in (">=", ">"):
        return minor < bound
    if operator == "<":
        return minor > bound or (minor == bound and rest.strip(".0*") == "")
    if operator == "<=":
        return minor > bound
    is_one_minor = operator == "==" or rest not in ("", ".*")
    return minor != bound if is_one_minor else minor < bound


def _required_by(folder: Path) -> str | None:
    try:
        with (folder / "pyproject.toml").open("rb") as file:
            required = tomllib.load(file).get("project", {}).get("requires-python")
    except (OSError, tomllib.TOMLDecodeError):
        return None
    return required if isinstance(required, str) else None
