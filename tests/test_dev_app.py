"""`tailrace dev main:app`: an app or a handler of the current folder, without a file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
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


# --- apps ----------------------------------------------------------------------------------------

FASTAPI = """
import os
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
from fastapi import FastAPI
from fastapi.responses import StreamingResponse

starts = 0

@asynccontextmanager
async def lifespan(app):
    global starts
    starts += 1
    yield

app = FastAPI(lifespan=lifespan)

@app.get("/")
async def root():
    async def lines():
        yield "first\\n"
        await anyio.to_thread.run_sync(Path(os.environ["GATE"]).read_bytes)
        yield f"{starts} {os.getpid()}\\n"
    return StreamingResponse(lines())
"""
FLASK = """
import os
from pathlib import Path
from flask import Flask

app = Flask(__name__)

@app.get("/")
def root():
    def lines():
        yield "first\\n"
        Path(os.environ["GATE"]).read_bytes()
        yield "1 last\\n"
    return lines()
"""
DJANGO = """
import os
from pathlib import Path
from django.http import StreamingHttpResponse
from django.urls import path

def lines():
    yield "first\\n"
    Path(os.environ["GATE"]).read_bytes()
    yield "1 last\\n"

async def async_lines():
    for line in ("first\\n", "1 last\\n"):
        yield line
        if line == "first\\n":
            import asyncio
            await asyncio.to_thread(Path(os.environ["GATE"]).read_bytes)

def root(request):
    is_async = "asgi" in type(request).__name__.lower()
    return StreamingHttpResponse(async_lines() if is_async else lines())

urlpatterns = [path("", root)]
"""


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    return gate


def add_django(folder: Path) -> None:
    """A project as `django-admin` makes it, with one view."""
    command = [sys.executable, "-m", "django", "startproject", "mysite", str(folder)]
    subprocess.run(command, check=True, timeout=60)
    (folder / "mysite" / "urls.py").write_text(DJANGO)


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("main:app", FASTAPI),
        ("main:app", FLASK),
        ("mysite.asgi:application", None),
        ("mysite.wsgi:application", None),
    ],
    ids=["FastAPI", "Flask", "Django ASGI", "Django WSGI"],
)
def test_an_unchanged_app_streams(folder: Path, gate: Path, target: str, code: str | None) -> None:
    """The first line is at the client before the app may make the second one."""
    if code is None:
        add_django(folder)
    else:
        (folder / "main.py").write_text(code)

    with (
        DevCommand(None, target, cwd=folder, environ={"GATE": str(gate)}) as dev,
        Stream(dev.url + "/") as stream,
    ):
        assert stream.line() == "first\n"

        open_gate(gate)

        assert stream.line().startswith("1 "), "what was started, was started once"
        assert stream.line() == ""


def test_an_app_is_found_in_an_environment_without_tailrace(folder: Path, gate: Path) -> None:
    """With all that is installed there, as `pip install fastapi` has left it."""
    command = [os.path.realpath(sys.executable), "-m", "venv", "--without-pip", folder / ".venv"]
    subprocess.run(command, check=True, timeout=60)
    (packages,) = (folder / ".venv" / "lib").glob("python*/site-packages")
    (packages / "more.pth").write_text(sysconfig.get_path("purelib") + "\n")
    (folder / "main.py").write_text(FASTAPI)

    with DevCommand(None, "main:app", cwd=folder, environ={"GATE": str(gate)}) as dev:
        with Stream(dev.url + "/") as stream:
            assert stream.line() == "first\n"
            open_gate(gate)
            assert stream.read().startswith(b"1 ")
        dev.wait_line(r"Python +3\.\d+, \.venv of the project")


def test_a_file_may_have_an_app(folder: Path, gate: Path) -> None:
    (folder / "main.py").write_text(FASTAPI)
    (folder / "tailrace.toml").write_text(
        f'''[functions.api]
app = "main:app"
environment = {{ GATE = "{gate}" }}
[[routes]]
path = "/*"
function = "api"
'''
    )

    with DevCommand(folder / "tailrace.toml") as dev:
        with Stream(dev.url + "/") as stream:
            assert stream.line() == "first\n"
            open_gate(gate)
            assert stream.read().startswith(b"1 ")
        dev.wait_line(r"/\*  api  main:app in \./")


# --- what a new user may do wrong ----------------------------------------------------------------

FAILING_START = """
from contextlib import asynccontextmanager
from fastapi import FastAPI

@asynccontextmanager
async def lifespan(app):
    raise ConnectionError("no database at db:5432")
    yield

app = FastAPI(lifespan=lifespan)
"""


@pytest.mark.parametrize(
    ("target", "code", "lines"),
    [
        (
            "mian:app",
            "",
            [r"No module named 'mian'; did you mean main\? there are in \S+: main$"],
        ),
        (
            "main:ap",
            FASTAPI,
            [r"Handler 'ap' missing on module 'main'; did you mean app\? there are in main: app"],
        ),
        (
            "main:app",
            "app = (\n",
            [r"Syntax error in module 'main': '\(' was never closed", "main.py. Line 1"],
        ),
        (
            "main:app",
            "import no_such_package\n",
            [
                r"No module named 'no_such_package'; install it for the Python of this function, /",
                "Traceback",
                "main.py., line 1, in <module>",
            ],
        ),
        (
            "main:create_app",
            "def create_app():\n    ...\n",
            ["'main:create_app' is neither an app nor a handler: it is a factory: name what it re"],
        ),
        (
            "main:App",
            "from fastapi import FastAPI\nclass App(FastAPI): ...\n",
            ["'main:App' is neither an app nor a handler: it is a class: name an instance of it"],
        ),
        (
            "main:app",
            FAILING_START,
            [r"\[ERROR\] ConnectionError: no database at db:5432", "main.py., line 7, in lifespan"],
        ),
    ],
    ids=["module", "attribute", "syntax", "import", "factory", "class", "start"],
)
def test_a_mistake_is_explained_once_at_the_start(
    folder: Path, target: str, code: str, lines: list[str]
) -> None:
    (folder / "main.py").write_text(code)

    with DevCommand(None, target, cwd=folder) as dev:
        for line in lines:
            dev.wait_line(line)
        dev.wait_line("ERROR cannot start: ")
        before = dev.count("Traceback")

        status, text = fetch(dev.url + "/")

        assert status == 502
        assert "see the log of tailrace dev" in text
        dev.wait_line("END RequestId")
        assert dev.count("Traceback") == before <= 1
        assert dev.count(r"\[ERROR\]") == 1
