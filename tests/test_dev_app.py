"""`tailrace dev main:app`: an app or a handler of the current folder, without a file."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from tests.command import GATED, Command, DevCommand, Stream, fetch, open_gate, run

from tailrace.limits import FUNCTION_TIMEOUT_S_MAX

HANDLER = """
import json
import os
from tailrace.function import streamify_response

@streamify_response
def handler(event, context):
    yield "{text} " + event["rawPath"]
"""
VARIABLES = """
import json, os
from tailrace.function import streamify_response

@streamify_response
def handler(event, context):
    yield json.dumps({
        "variables": dict(os.environ),
        "name": context.function_name,
        "left_s": context.get_remaining_time_in_millis() / 1000,
    })
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "main.py").write_text(HANDLER.format(text="old"))
    return tmp_path


def test_a_handler_runs_without_a_file(folder: Path) -> None:
    with DevCommand(None, "main:handler", cwd=folder) as dev:
        assert fetch(dev.url + "/any/path") == (200, "old /any/path")

        dev.wait_line(r"tailrace \S+  main:handler$")
        dev.wait_line(r"/\*  main  main:handler in \./")


def test_a_changed_file_is_run_by_the_next_request(folder: Path) -> None:
    with DevCommand(None, "main:handler", cwd=folder) as dev:
        assert fetch(dev.url + "/") == (200, "old /")

        (folder / "main.py").write_text(HANDLER.format(text="new"))

        assert fetch(dev.url + "/") == (200, "new /")


def test_a_module_in_a_package_names_its_function(tmp_path: Path) -> None:
    (tmp_path / "my_site").mkdir()
    (tmp_path / "my_site" / "größe.py").write_text(HANDLER.format(text="deep"))

    with DevCommand(None, "my_site.größe:handler", cwd=tmp_path) as dev:
        assert fetch(dev.url + "/") == (200, "deep /")

        dev.wait_line(r"/\*  my_site-gr--e  my_site\.gr")


def test_a_file_in_the_folder_is_not_read(folder: Path) -> None:
    (folder / "tailrace.toml").write_text("this is not TOML")

    with DevCommand(None, "main:handler", cwd=folder) as dev:
        dev.wait_line("tailrace.toml is not read: main:handler is run")
        (folder / "tailrace.toml").write_text("nor is this")
        (folder / "main.py").write_text(HANDLER.format(text="new"))
        dev.wait_line("main.py changed: the next request to main runs it")

        assert fetch(dev.url + "/") == (200, "new /")
        assert not any("tailrace.toml" in line for line in dev.lines[2:])


def test_it_has_the_variables_of_the_shell_but_for_those_of_aws(folder: Path) -> None:
    (folder / "main.py").write_text(VARIABLES)
    shell = {"DATABASE": "db", "AWS_SECRET_ACCESS_KEY": "real", "AWS_PROFILE": "work"}

    with DevCommand(None, "main:handler", cwd=folder, environ=shell) as dev:
        seen = json.loads(fetch(dev.url + "/")[1])

    variables = seen["variables"]
    assert variables["DATABASE"] == "db"
    assert variables["AWS_SECRET_ACCESS_KEY"] == "tailrace"
    assert "AWS_PROFILE" not in variables
    assert seen["name"] == "main"
    assert FUNCTION_TIMEOUT_S_MAX - 60 < seen["left_s"] <= FUNCTION_TIMEOUT_S_MAX


def test_its_response_may_come_as_a_stream_of_lambda(folder: Path) -> None:
    arguments = ("main:handler", "--transport", "response-stream")
    with DevCommand(None, *arguments, cwd=folder) as dev:
        assert fetch(dev.url + "/") == (200, "old /")

        dev.wait_line("transport=response-stream status=200")


def test_requests_at_the_same_time_run_in_several_processes(folder: Path) -> None:
    gate = folder / "gate"
    os.mkfifo(gate)
    (folder / "main.py").write_text(GATED)

    with DevCommand(None, "main:handler", cwd=folder, environ={"GATE": str(gate)}) as dev:
        streams = [Stream(dev.url + "/") for _ in range(2)]
        try:
            assert [stream.line() for stream in streams] == ["begun\n"] * 2
            open_gate(gate)
        finally:
            for stream in streams:
                stream.close()


def test_a_typo_is_told_at_the_start_and_the_client_is_sent_to_the_log(folder: Path) -> None:
    with DevCommand(None, "mian:handler", cwd=folder) as dev:
        dev.wait_line(rf"No module named 'mian'; did you mean main\? there are in {folder}: main$")
        dev.wait_line("ERROR cannot start: Runtime.ImportModuleError: Unable to import module 'mi")

        status, text = fetch(dev.url + "/")
        assert status == 502
        assert "its module cannot be imported): see the log of tailrace dev" in text


def test_a_failing_import_shows_its_traceback_once_for_each_save(folder: Path) -> None:
    """At the start; a client is sent to the log, where each request has one line."""
    (folder / "main.py").write_text("import no_such_package\n")

    with DevCommand(None, "main:handler", cwd=folder) as dev:
        dev.wait_line(r"install it for the Python of this function, ")
        dev.wait_line("ERROR cannot start: Runtime.ImportModuleError: Unable to import")
        for number in range(1, 3):
            assert fetch(dev.url + "/")[0] == 502
            dev.wait_lines(
                number, r"ERROR RequestId: \S+ failed: Runtime.ImportModuleError: Unable"
            )
        assert dev.count(r"main\.py\", line 1") == 1

        (folder / "main.py").write_text("\nimport no_such_package\n")
        dev.wait_line(r"main\.py\", line 2")

        (folder / "main.py").write_text(HANDLER.format(text="new"))
        assert fetch(dev.url + "/") == (200, "new /")


def test_an_environment_that_does_not_run_is_refused(folder: Path) -> None:
    python = folder / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to("/nowhere/python3")

    result = run("dev", "main:handler", cwd=folder)

    assert result.returncode == 2
    assert f"main:handler: {python} does not run: No such file or directory" in result.stderr


def test_the_log_as_json_says_the_same(folder: Path) -> None:
    arguments = ["dev", "main:handler", "--listen", "127.0.0.1:0", "--log-format", "json"]
    with Command(arguments, cwd=folder) as dev:
        line = json.loads(dev.wait_line(".*Python .*")[0])

    assert line["message"].endswith(", the one that runs tailrace")
