"""Which Python runs a function, and what it finds there."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.command import DevCommand, fetch
from tests.peers import Peer
from tests.runtime_process import RuntimeProcess

from tailrace.config import load
from tailrace.config.interpreter import CURRENT, Interpreter
from tailrace.errors import ConfigError

SOURCES = Path(__file__).parent.parent / "src"
FUNCTION = """
[functions.one]
handler = "app.handler"
"""
VERSION = sys.version_info[:2]


@pytest.fixture(scope="session")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment without packages: there is no tailrace in it."""
    path = tmp_path_factory.mktemp("bare") / "environment"
    base = os.path.realpath(sys.executable)
    subprocess.run([base, "-m", "venv", "--without-pip", path], check=True, timeout=60)
    return path


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "tailrace.toml").write_text(FUNCTION)
    return tmp_path


def add_environment(directory: Path, bare: Path) -> str:
    """Give a directory a `.venv`; the path of its Python."""
    (directory / ".venv").symlink_to(bare)
    return str(directory / ".venv" / "bin" / "python")


def python_of(project: Path) -> Interpreter:
    return load(project / "tailrace.toml").functions["one"].python


def refusal(project: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        load(project / "tailrace.toml")
    return str(caught.value).removeprefix(f"{project}/tailrace.toml: ")


def program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


# --- which one ---------------------------------------------------------------------------------


def test_without_an_environment_it_is_the_current_one(project: Path) -> None:
    assert python_of(project) is CURRENT
    assert str(CURRENT) == f"{VERSION[0]}.{VERSION[1]}, the one that runs tailrace"
    assert CURRENT.path == sys.executable


def test_the_environment_of_the_project_goes_before_the_current_one(
    project: Path, bare: Path
) -> None:
    path = add_environment(project, bare)

    assert python_of(project) == Interpreter(path, VERSION, ".venv of the project")


def test_the_nearest_environment_counts_up_to_the_folder_of_the_file(
    tmp_path: Path, bare: Path
) -> None:
    project = tmp_path / "project"
    (project / "services" / "one").mkdir(parents=True)
    (project / "tailrace.toml").write_text(FUNCTION + 'path = "services/one"\n')
    add_environment(tmp_path, bare)
    assert python_of(project) is CURRENT, "above the file"

    path = add_environment(project, bare)
    assert python_of(project).path == path

    path = add_environment(project / "services" / "one", bare)
    assert python_of(project) == Interpreter(path, VERSION, "services/one/.venv of the project")


def test_a_function_beside_the_project_has_its_own_environment_only(
    tmp_path: Path, bare: Path
) -> None:
    for name in ("project", "code"):
        (tmp_path / name).mkdir()
    (tmp_path / "project" / "tailrace.toml").write_text(FUNCTION + 'path = "../code"\n')
    add_environment(tmp_path, bare)
    assert python_of(tmp_path / "project") is CURRENT

    path = add_environment(tmp_path / "code", bare)
    assert python_of(tmp_path / "project").path == path


def test_a_path_is_relative_to_the_file_and_no_link_is_followed(project: Path, bare: Path) -> None:
    (project / "env").symlink_to(bare)
    (project / "tailrace.toml").write_text(FUNCTION + 'python = "env/bin/python"\n')

    path = str(project / "env" / "bin" / "python")
    assert python_of(project) == Interpreter(path, VERSION, "python = 'env/bin/python'")


def test_a_name_is_a_program_in_the_path(
    project: Path, bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_environment(project, bare)
    python = program(project / "programs" / "my-python", f'exec {sys.executable} "$@"')
    monkeypatch.setenv("PATH", f"{python.parent}:{os.environ['PATH']}")
    (project / "tailrace.toml").write_text(FUNCTION + 'python = "my-python"\n')

    assert python_of(project) == Interpreter(str(python), VERSION, "python = 'my-python'")


def test_a_gateway_looks_for_no_python(project: Path) -> None:
    """Functions run on another machine there."""
    (project / "tailrace.toml").write_text(FUNCTION + 'python = "nowhere/python"\n')

    config = load(project / "tailrace.toml", runs_functions=False)

    assert config.functions["one"].python is CURRENT


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("python = 3", "functions.one.python: 3 is not allowed; allowed: a path relative to the f"),
        ('python = ""', "functions.one.python: '' is not allowed; allowed: a path relative to the"),
        (
            'python = "no-such-python"',
            "functions.one.python: there is no program 'no-such-python' ",
        ),
        ('python = "old"', "there is no program 'old' in PATH; did you mean ./old?"),
        ('python = "./gone"', "/gone does not run: No such file or directory; make its environme"),
        ('python = "./env"', "/env is a directory; did you mean ./env/bin/python?"),
        ('python = "./old"', "/old is Python 3.9, and functions need 3.11 or newer; make its env"),
        ('python = "./shell"', "/shell does not run: exit code 3: shell: no such thing; make it"),
        ('python = "./broken"', "/broken does not run: exit code 1: Fatal Python error: init_fs"),
        ('python = "./silent"', "/silent does not run: exit code 0: no output; make its envir"),
        ('python = "./plain"', "/plain does not run: Permission denied; make its environment"),
    ],
)
def test_what_cannot_run_a_function_is_refused(
    project: Path, bare: Path, line: str, message: str
) -> None:
    (project / "env").symlink_to(bare)
    program(project / "old", "echo 3 9")
    program(project / "shell", "echo shell: no such thing >&2; echo Try --help. >&2; exit 3")
    program(
        project / "broken",
        "echo Could not find libraries >&2; echo 'Fatal Python error: init_fs_encoding' >&2;"
        " echo '  <no Python frame>' >&2; exit 1",
    )
    program(project / "silent", "")
    program(project / "plain", "").chmod(0o644)
    (project / "tailrace.toml").write_text(FUNCTION + line)

    assert message in refusal(project)


def test_a_command_has_no_python(project: Path) -> None:
    (project / "tailrace.toml").write_text(
        '[functions.one]\ncommand = ["node"]\npython = "python3"\n'
    )

    assert refusal(project) == (
        "functions.one.python: belongs to handler and app; a command names its program itself"
    )


def test_an_environment_whose_python_is_gone_is_refused(project: Path) -> None:
    """Its Python is a link to one that was removed, as after an upgrade of the system."""
    python = project / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to("/nowhere/python3")

    assert refusal(project).startswith(
        f"functions.one.python: {python} does not run: No such file or directory; make its "
    )


# --- what runs there -----------------------------------------------------------------------------

REPORT = """
import json, os, subprocess, sys
import tailrace
import report  # not the module of the runtime with that name

def handler(event, context):
    child = "import os, sys; print(os.environ.get('PYTHONPATH'), '{sources}' in sys.path)"
    return {{
        "prefix": sys.prefix,
        "tailrace": tailrace.__file__,
        "mine": report.__file__,
        "has_site_packages": "{sources}" in sys.path,
        "child": subprocess.check_output([sys.executable, "-c", child], text=True),
        "version": os.environ.get("AWS_EXECUTION_ENV"),
    }}
"""
SPAWN = """
import multiprocessing
from tailrace.function import streamify_response

def count(number):
    return streamify_response.__module__, number + 1

@streamify_response
def handler(event, context):
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        yield "%s %d\\n" % pool.apply(count, (1,))
"""


@pytest.fixture
def peer() -> Iterator[Peer]:
    with Peer() as peer:
        yield peer


def booted(project: Path, peer: Peer, python: Path | str, **environment: str) -> RuntimeProcess:
    """The runtime, started as the emulator does it."""
    boot = SOURCES / "tailrace" / "runtime" / "boot.py"
    command = (str(python), "-u", str(boot), "app.handler")
    return RuntimeProcess(project, peer, command=command, **environment)


@pytest.fixture
def reporting(project: Path) -> Path:
    (project / "app.py").write_text(REPORT.format(sources=SOURCES))
    (project / "report.py").write_text("")
    return project


def test_an_environment_without_tailrace_gets_this_one_and_nothing_else(
    reporting: Path, peer: Peer, bare: Path
) -> None:
    with booted(reporting, peer, bare / "bin" / "python") as runtime:
        assert runtime.result() == {
            "prefix": str(bare),
            "tailrace": str(SOURCES / "tailrace" / "__init__.py"),
            "mine": str(reporting / "report.py"),
            "has_site_packages": False,
            "child": "None False\n",
            "version": None,
        }


def test_a_tailrace_of_the_environment_is_used(reporting: Path, peer: Peer, bare: Path) -> None:
    own = reporting / "packages"
    own.mkdir()
    (own / "tailrace").symlink_to(SOURCES / "tailrace")

    with booted(reporting, peer, bare / "bin" / "python", PYTHONPATH=str(own)) as runtime:
        assert runtime.result()["tailrace"] == str(own / "tailrace" / "__init__.py")


def test_a_folder_named_tailrace_is_no_tailrace(reporting: Path, peer: Peer, bare: Path) -> None:
    """As where this repository was cloned."""
    (reporting / "tailrace").mkdir()

    with booted(reporting, peer, bare / "bin" / "python") as runtime:
        assert runtime.result()["tailrace"] == str(SOURCES / "tailrace" / "__init__.py")


@pytest.mark.parametrize("name", ["tailrace.py", "tailrace/__init__.py"])
def test_an_app_named_tailrace_is_no_tailrace(
    reporting: Path, peer: Peer, bare: Path, name: str
) -> None:
    (reporting / "tailrace").mkdir()
    (reporting / name).write_text("app = None\n")

    with booted(reporting, peer, bare / "bin" / "python") as runtime:
        assert runtime.result()["tailrace"] == str(SOURCES / "tailrace" / "__init__.py")


def test_a_tailrace_beside_the_app_is_used(reporting: Path, peer: Peer, bare: Path) -> None:
    """As of a folder into which pip has installed it for the cloud."""
    (reporting / "tailrace").symlink_to(SOURCES / "tailrace")

    with booted(reporting, peer, bare / "bin" / "python") as runtime:
        assert runtime.result()["tailrace"] == str(reporting / "tailrace" / "__init__.py")


@pytest.mark.parametrize("name", ["json", "logging", "select", "traceback", "types"])
def test_a_module_of_the_app_is_not_taken_for_one_of_the_standard_library(
    project: Path, peer: Peer, bare: Path, name: str
) -> None:
    """Under a server such as uvicorn it is not, either: that has imported its own by then."""
    (project / f"{name}.py").write_text("raise SystemExit('the module of the app')\n")
    (project / "app.py").write_text("def handler(event, context):\n    return 'it runs'\n")

    with booted(project, peer, bare / "bin" / "python") as runtime:
        assert runtime.result() == "it runs"


def test_dev_runs_a_function_in_the_environment_of_its_project(project: Path, bare: Path) -> None:
    """Also a child process that multiprocessing starts anew finds the SDK."""
    add_environment(project, bare)
    (project / "app.py").write_text(SPAWN)
    with (project / "tailrace.toml").open("a") as file:
        file.write('[[routes]]\npath = "/*"\nfunction = "one"\n')

    with DevCommand(project / "tailrace.toml") as dev:
        assert fetch(dev.url + "/") == (200, "tailrace.function.handler 2\n")
        version = f"{VERSION[0]}.{VERSION[1]}"
        dev.wait_line(rf"Python +{version}, \.venv of the project")


PREFIX = """
import sys
from tailrace.function import streamify_response

@streamify_response
def handler(event, context):
    yield sys.prefix
"""


def test_a_changed_file_may_bring_another_python(project: Path, bare: Path) -> None:
    (project / "app.py").write_text(PREFIX)
    config = FUNCTION + '[[routes]]\npath = "/*"\nfunction = "one"\n'
    (project / "tailrace.toml").write_text(config)

    with DevCommand(project / "tailrace.toml") as dev:
        assert fetch(dev.url + "/") == (200, sys.prefix)

        python = f"{FUNCTION}python = '{bare}/bin/python'\n"
        (project / "tailrace.toml").write_text(config.replace(FUNCTION, python))
        dev.wait_line(rf"one runs with Python \S+, python = '{bare}/bin/python'")

        assert fetch(dev.url + "/") == (200, str(bare))
