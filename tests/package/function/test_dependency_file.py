"""Which file has the dependencies, and what of them is left out."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.command import environ_of
from tests.package.function.project import ANOTHER, package, packaged, write

from tailrace.errors import ConfigError, PackageError
from tailrace.package.function.dependency_file import find_dependency_file
from tailrace.package.function.installed import Requires, requirement_in
from tailrace.package.uv import uv_program

HANDLER = {"app.py": "def handler(event, context):\n    return 1\n"}
APP = ("--app", "app:handler")
PROJECT = """
[project]
name = "shop"
version = "1"
requires-python = ">=3.11"
dependencies = ["idna<4", "boto3", "tailrace"]

[dependency-groups]
dev = ["certifi"]
"""


def names(facts: dict[str, object], key: str = "dependencies") -> set[str]:
    found = facts[key]
    assert isinstance(found, list)
    return {each["name"] for each in found}


def lock(project: Path) -> None:
    """Write the lock of a project or a workspace."""
    options = ("--quiet", "--no-python-downloads", "--python", sys.executable)
    subprocess.run([uv_program(), "lock", *options], cwd=project, env=environ_of(), check=True)


@pytest.mark.parametrize(
    ("files", "kind"),
    [
        (("pylock.toml", "uv.lock", "requirements.txt", "pyproject.toml"), "pylock"),
        (("uv.lock", "requirements.txt", "pyproject.toml"), "uv.lock"),
        (("uv.lock", "requirements.txt"), "requirements"),
        (("requirements.txt", "pyproject.toml", "poetry.lock"), "requirements"),
        (("pyproject.toml",), "pyproject"),
        ((), None),
    ],
)
def test_the_most_exact_file_is_taken(
    tmp_path: Path, files: tuple[str, ...], kind: str | None
) -> None:
    write(tmp_path, {name: PROJECT if name == "pyproject.toml" else "" for name in files})

    found = find_dependency_file(tmp_path, None)

    assert (None if found is None else found.kind) == kind


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("poetry.lock", "poetry export -f requirements.txt -o requirements.txt"),
        ("Pipfile", "pipenv requirements > requirements.txt"),
    ],
)
def test_files_of_other_tools_are_exported_first(tmp_path: Path, name: str, command: str) -> None:
    write(tmp_path, {name: "", "pyproject.toml": PROJECT})

    for named in (None, tmp_path / name):
        with pytest.raises(PackageError) as raised:
            find_dependency_file(tmp_path, named)
        assert command in raised.value.args[0]


def test_a_named_file_has_to_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--requirements: there is no file"):
        find_dependency_file(tmp_path, tmp_path / "no.txt")
    write(tmp_path, {"uv.lock": ""})
    with pytest.raises(ConfigError, match=r"has no pyproject\.toml beside it"):
        find_dependency_file(tmp_path, tmp_path / "uv.lock")


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("boto3", Requires("boto3", False)),
        ("Boto3[crt] >= 1.40 ; python_version > '3'", Requires("boto3", False)),
        ("s3_transfer==0.1", Requires("s3-transfer", True)),
        ("botocore (<2,>=1)", Requires("botocore", True)),
        ("botocore<1.43.118,>=1.43.115", Requires("botocore", True)),
        ("x~=1.0", Requires("x", True)),
        ("x @ file:///a/b==c", Requires("x", False)),
        ("x; extra == 'fast'", None),
        ("", None),
    ],
)
def test_requirements_are_read(line: str, found: Requires | None) -> None:
    assert requirement_in(line) == found


def test_a_lock_of_uv_is_installed_without_groups_of_development(tmp_path: Path) -> None:
    """What only boto3 needs is in the lock, and goes with it."""
    project = write(tmp_path / "p", {**HANDLER, "pyproject.toml": PROJECT})
    own = write(tmp_path / "own", {"pyproject.toml": '[project]\nname="tailrace"\nversion="9"\n'})
    with (project / "pyproject.toml").open("a") as file:
        file.write(f'\n[tool.uv.sources]\ntailrace = {{ path = "{own}" }}\n')
    lock(project)

    facts = packaged(project, tmp_path / "f.zip", *APP, *ANOTHER)

    assert facts["dependency_file"] == str(project / "uv.lock")
    assert names(facts) == {"idna"}
    assert facts["dependencies_left_out"] == {
        "boto3": "the runtime has it",
        "tailrace": "the layer has it",
    }


def test_what_the_runtime_has_is_left_out_unless_its_version_matters(tmp_path: Path) -> None:
    project = write(tmp_path / "p", {**HANDLER, "requirements.txt": "s3transfer\nawslambdaric\n"})
    output = tmp_path / "f.zip"

    left_out = packaged(project, output, *APP, *ANOTHER)
    assert names(left_out) == set()
    assert set(left_out["dependencies_left_out"]) == {"s3transfer", "awslambdaric"}

    kept = packaged(project, output, *APP, *ANOTHER, "--keep", "S3Transfer")
    assert names(kept) >= {"s3transfer", "botocore", "jmespath"}
    assert kept["dependencies_kept"] == {
        "s3transfer": "--keep",
        "botocore": "its parts have to fit together",
    }
    assert kept["dependencies_left_out"] == {"awslambdaric": "the runtime has it"}


def test_included_files_count(tmp_path: Path) -> None:
    files = {
        **HANDLER,
        "requirements.txt": "-r more/base.txt\nidna\n",
        "more/base.txt": "--requirement=../requirements.txt\n-r sdk.txt # pinned\ntailrace\n",
        "more/sdk.txt": "s3transfer==0.13.1\n",
    }

    facts = packaged(write(tmp_path / "p", files), tmp_path / "f.zip", *APP, *ANOTHER)

    assert names(facts) >= {"idna", "s3transfer", "botocore"}
    assert facts["dependencies_left_out"] == {"tailrace": "the layer has it"}


def test_hashes_are_checked(tmp_path: Path) -> None:
    digest = "0" * 64
    files = {**HANDLER, "requirements.txt": f"idna==3.10 --hash=sha256:{digest}\ntailrace\n"}

    done = package(write(tmp_path / "p", files), tmp_path / "f.zip", *APP, *ANOTHER)

    assert done.returncode == 1
    assert digest in done.stderr


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (
            "./lib",
            ("lib is source code, and nothing is built", "p/wheels FOLDER, and name that file"),
        ),
        (
            "-e ./lib",
            ("lib is source code, and nothing is built", "p/wheels FOLDER, and name that file"),
        ),
        ("-e .", ("leave the line out: the code itself is in the archive anyway",)),
        ("no-such-package-of-tailrace", ("not found in the package registry", "UV_DEFAULT_INDEX")),
        ("idna===nonsense nonsense", ("requirements.txt cannot be installed", "uv: ")),
    ],
)
def test_what_cannot_be_installed_has_a_remedy(
    tmp_path: Path, line: str, words: tuple[str, ...]
) -> None:
    files = {**HANDLER, "requirements.txt": f"{line}\n"}
    library = '[project]\nname = "lib"\nversion = "1"\n'
    project = write(tmp_path / "p", {**files, "lib/pyproject.toml": library})

    done = package(project, tmp_path / "f.zip", *APP, *ANOTHER)

    assert done.returncode == 1
    for each in words:
        assert each in done.stderr
    assert "Traceback" not in done.stderr


def test_dynamic_dependencies_are_refused(tmp_path: Path) -> None:
    text = '[project]\nname = "shop"\nversion = "1"\ndynamic = ["dependencies"]\n'
    project = write(tmp_path / "p", {**HANDLER, "pyproject.toml": text})

    done = package(project, tmp_path / "f.zip", *APP, *ANOTHER)

    assert done.returncode == 1
    assert "dynamic dependencies are known when the project is built" in done.stderr


def test_an_index_that_is_unreachable_is_named(tmp_path: Path) -> None:
    project = write(tmp_path / "p", {**HANDLER, "requirements.txt": "idna\n"})
    environ = {
        "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
        "UV_CACHE_DIR": str(tmp_path / "cache"),
        "UV_HTTP_RETRIES": "0",
    }

    done = package(project, tmp_path / "f.zip", *APP, *ANOTHER, environ=environ)

    assert done.returncode == 1
    assert "http://127.0.0.1:9/simple/idna/" in done.stderr
    assert "the package index is unreachable" in done.stderr


def test_a_member_of_a_workspace_has_the_lock_of_that(tmp_path: Path) -> None:
    """uv exports paths relative to the workspace, whichever member is the project."""
    own = write(tmp_path / "own", {"pyproject.toml": '[project]\nname="tailrace"\nversion="9"\n'})
    member = PROJECT.replace('"idna<4"', '"idna<4", "lib"') + (
        f'\n[tool.uv.sources]\nlib = {{ workspace = true }}\ntailrace = {{ path = "{own}" }}\n'
    )
    workspace = write(
        tmp_path / "workspace",
        {
            "pyproject.toml": '[tool.uv.workspace]\nmembers = ["shop", "lib"]\n',
            "shop/pyproject.toml": member,
            "shop/app.py": HANDLER["app.py"],
            "lib/pyproject.toml": '[project]\nname = "lib"\nversion = "1"\n',
        },
    )
    lock(workspace)

    found = find_dependency_file(workspace / "shop", None)
    done = package(workspace / "shop", tmp_path / "f.zip", *APP, *ANOTHER)
    (workspace / "shop" / "pyproject.toml").write_text(member.replace(', "lib"', ""))
    lock(workspace)
    facts = packaged(workspace / "shop", tmp_path / "f.zip", *APP, *ANOTHER)

    assert found is not None
    assert (found.path, found.kind) == (workspace / "uv.lock", "uv.lock")
    assert done.returncode == 1
    assert "lib is source code, and nothing is built from source here" in done.stderr
    assert "uv export --no-emit-local -o requirements.txt" in done.stderr
    assert names(facts) == {"idna"}


def test_a_part_of_the_sdk_is_not_alone(tmp_path: Path) -> None:
    """With a botocore from the archive, the runtime's boto3 may not work."""
    files = {
        "app.py": "import boto3\n" + HANDLER["app.py"],
        "requirements.txt": "s3transfer==0.13.1\nboto3\n",
    }
    project = write(tmp_path / "p", files)

    whole = packaged(project, tmp_path / "f.zip", *APP, *ANOTHER)
    (project / "requirements.txt").write_text("botocore==1.40.76\n")
    part = packaged(project, tmp_path / "f.zip", *APP, *ANOTHER)

    assert names(whole) >= {"boto3", "botocore", "s3transfer"}
    assert whole["dependencies_kept"] == {
        "boto3": "its parts have to fit together",
        "botocore": "its parts have to fit together",
        "s3transfer": "requirements.txt names its version",
    }
    assert whole["warnings"] == []
    assert part["warnings"] == [
        "app.py:1 imports boto3, which neither the code nor a requirement brings"
    ]
