"""The file that states the dependencies of a function."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from tailrace.errors import ConfigError, PackageError

Kind = Literal["requirements", "pylock", "uv.lock", "pyproject"]

_LOCK: Final = "uv.lock"
_PROJECT: Final = "pyproject.toml"
_EXPORTS: Final = {
    "poetry.lock": (
        "poetry export -f requirements.txt -o requirements.txt"
        " (once before: poetry self add poetry-plugin-export)"
    ),
    "Pipfile.lock": "pipenv requirements > requirements.txt",
    "Pipfile": "pipenv requirements > requirements.txt",
    "pdm.lock": "pdm export --prod -o requirements.txt",
    "environment.yml": "pip list --format=freeze > requirements.txt",
}
"""Files of other tools, and the command that writes the same as a requirements file."""


@dataclass(frozen=True, slots=True)
class DependencyFile:
    """A file of dependencies."""

    path: Path
    kind: Kind
    project: Path
    """The folder of the project. A lock of a workspace is in a folder above it."""


def find_dependency_file(folder: Path, named: Path | None) -> DependencyFile | None:
    """Return the named file, or the first in `folder`; None if that has none.

    Raises:
        ConfigError: the named file does not exist.
        PackageError: it is that of a tool that exports another form.
    """
    if named is not None:
        if not named.is_file():
            raise ConfigError(f"there is no file {named}", where="--requirements")
        return DependencyFile(named, _kind_of(named), named.parent)
    project = folder / _PROJECT
    if (folder / "pylock.toml").is_file():
        return DependencyFile(folder / "pylock.toml", "pylock", folder)
    lock = _lock_of(folder) if project.is_file() else None
    if lock is not None and lock.parent == folder:
        return DependencyFile(lock, "uv.lock", folder)
    if (folder / "requirements.txt").is_file():
        return DependencyFile(folder / "requirements.txt", "requirements", folder)
    if lock is not None:
        return DependencyFile(lock, "uv.lock", folder)
    other = next((name for name in _EXPORTS if (folder / name).is_file()), None)
    if other is not None:
        raise _not_ours(folder / other)
    if project.is_file() and _has_dependencies(project):
        return DependencyFile(project, "pyproject", folder)
    if project.is_file() and _has_poetry_dependencies(project):
        command = _EXPORTS["poetry.lock"]
        problem = f"the dependencies in [tool.poetry] of {project} are not read"
        raise PackageError(f"{problem}; write a requirements file of them: {command}")
    return None


def _lock_of(folder: Path) -> Path | None:
    """Return the lock of a project, or of the workspace of which it is a member."""
    if (folder / _LOCK).is_file():
        return folder / _LOCK
    for above in folder.absolute().parents:
        if (above / _LOCK).is_file() and (above / _PROJECT).is_file():
            workspace = _table(above / _PROJECT).get("tool", {}).get("uv", {}).get("workspace")
            return None if workspace is None else above / _LOCK
    return None


def _kind_of(path: Path) -> Kind:
    name = path.name
    if name in _EXPORTS:
        raise _not_ours(path)
    if name.startswith("pylock.") and name.endswith(".toml"):
        return "pylock"
    if name == _LOCK:
        if not path.with_name(_PROJECT).is_file():
            problem = f"{path} has no {_PROJECT} beside it, which uv needs"
            raise ConfigError(problem, where="--requirements")
        return "uv.lock"
    return "pyproject" if name.endswith(".toml") else "requirements"


def _not_ours(path: Path) -> PackageError:
    return PackageError(
        f"{path} is not read; write a requirements file of it: {_EXPORTS[path.name]}"
    )


def _has_dependencies(path: Path) -> bool:
    project = _table(path).get("project", {})
    return bool(project.get("dependencies")) or "dependencies" in project.get("dynamic", ())


def _has_poetry_dependencies(path: Path) -> bool:
    named = _table(path).get("tool", {}).get("poetry", {}).get("dependencies", {})
    return bool(named.keys() - {"python"})


def _table(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except tomllib.TOMLDecodeError as error:
        raise PackageError(f"{path} is not TOML: {error}") from None
