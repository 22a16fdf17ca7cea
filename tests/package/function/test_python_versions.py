"""Projects for other versions of Python than the function's."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.package.function.project import ANOTHER, package, packaged, write

from tailrace.package.function.python_versions import excludes

HANDLER = {"app.py": "def handler(event, context):\n    return 1\n"}
APP = ("--app", "app:handler", *ANOTHER)
PROJECT = '[project]\nname = "p"\nversion = "1"\nrequires-python = "{}"\n'


@pytest.mark.parametrize(
    ("specifier", "minors"),
    [
        ("", {11, 12, 13, 14}),
        (">=3.12", {12, 13, 14}),
        (">3.12", {12, 13, 14}),
        (">=3.12.4,<4.0", {12, 13, 14}),
        (">= 3.8, < 3.13", {11, 12}),
        ("<3.13.0", {11, 12}),
        ("<3.13.2", {11, 12, 13}),
        ("<=3.13", {11, 12, 13}),
        ("==3.12.*", {12}),
        ("==3.12.1", {12}),
        ("~=3.12", {12, 13, 14}),
        ("~=3.12.0", {12}),
        ("!=3.12.0,>=3", {11, 12, 13, 14}),
        ("something else", {11, 12, 13, 14}),
    ],
)
def test_a_specifier_has_versions(specifier: str, minors: set[int]) -> None:
    assert {minor for minor in (11, 12, 13, 14) if not excludes(specifier, minor)} == minors


def test_a_project_for_newer_pythons_is_a_warning(tmp_path: Path) -> None:
    project = write(tmp_path / "p", {**HANDLER, "pyproject.toml": PROJECT.format(">=3.13")})

    (warning,) = packaged(project, tmp_path / "f.zip", *APP)["warnings"]

    assert warning.endswith("pyproject.toml requires Python >=3.13")
    write(project, {"pyproject.toml": PROJECT.format(">=3.12")})
    assert packaged(project, tmp_path / "f.zip", *APP)["warnings"] == []


def test_markers_that_leave_out_all_dependencies_are_a_warning(tmp_path: Path) -> None:
    """As those of a file that was exported for newer Pythons."""
    text = 'idna==3.7 ; python_version >= "3.13"\nboto3\n'
    project = write(tmp_path / "p", {**HANDLER, "requirements.txt": text})

    (warning,) = packaged(project, tmp_path / "f.zip", *APP)["warnings"]

    name = "requirements.txt has no dependency for Python 3.12 on arm64: see its markers"
    assert warning.endswith(name)
    write(project, {"requirements.txt": "boto3\n# none\n"})
    assert packaged(project, tmp_path / "f.zip", *APP)["warnings"] == []


def test_dependencies_of_poetry_without_a_lock_are_exported_first(tmp_path: Path) -> None:
    """They are in a table of poetry's own, and are not in [project]."""
    text = '[tool.poetry.dependencies]\npython = "^3.12"\n'
    project = write(tmp_path / "p", {**HANDLER, "pyproject.toml": text})
    packaged(project, tmp_path / "f.zip", *APP)
    write(project, {"pyproject.toml": f'{text}idna = "*"\n'})

    done = package(project, tmp_path / "f.zip", *APP)

    assert done.returncode == 1
    assert "poetry export -f requirements.txt -o requirements.txt" in done.stderr
