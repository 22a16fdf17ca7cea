"""What the runtime loads by a name, and what it says about one that is wrong."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.peers import Peer
from tests.runtime_process import RuntimeProcess

import tailrace
from tailrace.limits import CHOICES_NAMED_MAX
from tailrace.wire.runtime_api import ACCEPTED_BODY

MAIN = """
from os.path import join
from types import SimpleNamespace

class Handler:
    def __call__(self, event, context):
        return "instance"

def handler(event, context):
    return "function"

async def api(scope, receive, send):
    pass

def make_api():
    return api

_hidden = handler
group = SimpleNamespace(inner=Handler())
"""
STARTED = """
import os, sys

def handler(event, context):
    return STARTS

STARTS = []

def start():
    STARTS.append(os.environ["WORD"])
    if "fail" in STARTS:
        raise RuntimeError("no database")

handler.__tailrace_start__ = start
"""

THREADED = """
import asyncio, threading

released = threading.Event()

async def app(scope, receive, send):
    assert scope["type"] == "lifespan"
    await receive()
    asyncio.get_running_loop().run_in_executor(None, released.wait)
    await send({"type": "lifespan.startup.complete"})
    await receive()
    released.set()
    print("app ended")
    await send({"type": "lifespan.shutdown.complete"})
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "main.py").write_text(MAIN)
    (tmp_path / "started.py").write_text(STARTED)
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text("")
    (tmp_path / "package" / "service.py").write_text(MAIN)
    (tmp_path / "space").mkdir()
    (tmp_path / "not-a-module.py").write_text("")
    (tmp_path / "notes.txt").write_text("")
    return tmp_path


@pytest.fixture
def peer() -> Iterator[Peer]:
    with Peer() as peer:
        yield peer


def init_error(
    folder: Path, peer: Peer, name: str, *, is_strict: bool = True, **environment: str
) -> list[str]:
    """The lines that are logged about a name; what is reported is in the first one."""
    with RuntimeProcess(folder, peer, name, is_strict=is_strict, **environment) as runtime:
        line, _, body = runtime.receive()
        runtime.answer(202, ACCEPTED_BODY)
        code, out, _ = runtime.end()

    assert (line, code) == ("POST /2018-06-01/runtime/init/error HTTP/1.1", 1)
    error = json.loads(body)
    logged = out.splitlines()
    assert logged[0].startswith(f"[ERROR] {error['errorType']}: {error['errorMessage']}")
    return logged


@pytest.mark.parametrize(
    ("name", "result"),
    [
        ("main:handler", "function"),
        ("main:group.inner", "instance"),
        ("package.service:handler", "function"),
        ("package/service:handler", "function"),
    ],
)
def test_a_colon_separates_module_and_attribute(
    folder: Path, peer: Peer, name: str, result: str
) -> None:
    with RuntimeProcess(folder, peer, name) as runtime:
        assert runtime.result() == result


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("mian:app", "did you mean main? there are in {folder}: main, package, started"),
        ("MAIN:app", "did you mean main? there are in {folder}: main, package, started"),
        ("main:API", "did you mean api? there are in main: api, handler"),
        ("nothing:app", "there are in {folder}: main, package, started"),
        ("service:app", "did you mean package.service?"),
        ("package.servce:app", "did you mean service? there are in package: service"),
        ("main:hander", "did you mean handler? there are in main: api, handler"),
        ("main:application", "there are in main: api, handler"),
        ("main:Handlr", "did you mean handler? there are in main: api, handler"),
        ("main:group.outer", "did you mean group? there are in main: api, handler"),
        ("main:pai", "did you mean api? there are in main: api, handler"),
        ("package:app", "there are in package: none"),
        ("space:app", "there are in space: none"),
    ],
)
def test_a_typo_says_what_there_is(folder: Path, peer: Peer, name: str, hint: str) -> None:
    (line,) = init_error(folder, peer, name)

    assert line.partition("'; ")[2] == hint.format(folder=folder)


@pytest.mark.parametrize(
    ("attribute", "reason"),
    [
        ("make_api", "it is a factory: name what it returns, such as app = make_api()"),
        ("Handler", "it is a class: name an instance of it, such as app = Handler()"),
        ("group", "it is of type SimpleNamespace, which cannot be called"),
    ],
)
def test_what_is_neither_an_app_nor_a_handler_is_refused(
    folder: Path, peer: Peer, attribute: str, reason: str
) -> None:
    assert init_error(folder, peer, f"main:{attribute}") == [
        f"[ERROR] Runtime.HandlerNotFound: 'main:{attribute}' is neither an app nor a handler: "
        f"{reason}"
    ]


def test_a_proxy_that_stands_for_nothing_is_no_app(folder: Path, peer: Peer) -> None:
    (folder / "main.py").write_text("from flask import Flask, request\napp = Flask(__name__)\n")

    (line,) = init_error(folder, peer, "main:ap", is_strict=False)

    assert line.partition("'; ")[2] == "did you mean app? there are in main: app"


@pytest.mark.parametrize("file", ["json.py", "json/__init__.py"])
def test_a_module_in_place_of_the_one_of_the_app_is_named(
    folder: Path, peer: Peer, file: str
) -> None:
    """It was imported before the folder of the app was in the path."""
    (folder / "json").mkdir()
    (folder / file).write_text(MAIN)
    boot = Path(tailrace.__file__).parent / "runtime" / "boot.py"

    with RuntimeProcess(folder, peer, command=(sys.executable, str(boot), "json:api")) as runtime:
        runtime.receive()
        runtime.answer(202, ACCEPTED_BODY)
        _, out, _ = runtime.end()

    assert out.partition("module 'json'; ")[2] == (
        f"that is {json.__file__}, which Python has imported before: rename {folder / file}\n"
    )


def test_many_modules_are_not_all_named(tmp_path: Path, peer: Peer) -> None:
    for number in range(CHOICES_NAMED_MAX + 1):
        (tmp_path / f"module_{number:02}.py").write_text("")

    (line,) = init_error(tmp_path, peer, "x:app")

    assert line.endswith(f", module_{CHOICES_NAMED_MAX - 1:02}, …")
    assert f"module_{CHOICES_NAMED_MAX:02}" not in line


def test_a_missing_package_is_named_with_the_python_that_lacks_it(folder: Path, peer: Peer) -> None:
    """And with the place of its import, which may be deep."""
    (folder / "routes.py").write_text("import no_such_package.part\n")
    (folder / "broken.py").write_text("\nimport routes\n")

    assert init_error(folder, peer, "broken:app") == [
        "[ERROR] Runtime.ImportModuleError: Unable to import module 'broken': No module named "
        f"'no_such_package'; install it for the Python of this function, {sys.executable}",
        "Traceback (most recent call last):",
        f'  File "{folder}/broken.py", line 2, in <module>',
        "    import routes",
        f'  File "{folder}/routes.py", line 1, in <module>',
        "    import no_such_package.part",
    ]


def test_a_missing_part_of_a_package_is_not_to_be_installed(folder: Path, peer: Peer) -> None:
    (folder / "broken.py").write_text("import package.servce\n")

    line, *frames = init_error(folder, peer, "broken:app")

    hint = "did you mean service? there are in package: service"
    assert line.endswith(f"No module named 'package.servce'; {hint}")
    assert len(frames) == 3


def test_a_misspelt_import_names_the_module_beside_it(folder: Path, peer: Peer) -> None:
    (folder / "broken.py").write_text("import statred\n")

    line, *_ = init_error(folder, peer, "broken:app")

    hint = "did you mean started? Otherwise install it for the Python of this function, "
    assert line.endswith(f"No module named 'statred'; {hint}{sys.executable}")


def test_a_name_that_cannot_be_imported_shows_where(folder: Path, peer: Peer) -> None:
    (folder / "broken.py").write_text("from main import nothing\n")

    line, *frames = init_error(folder, peer, "broken:app")

    assert "Unable to import module 'broken': cannot import name 'nothing' from 'main'" in line
    assert frames[1:] == [
        f'  File "{folder}/broken.py", line 1, in <module>',
        "    from main import nothing",
    ]


def test_another_error_of_the_module_shows_where(folder: Path, peer: Peer) -> None:
    (folder / "broken.py").write_text("def connect():\n    raise OSError('refused')\nconnect()\n")

    line, *frames = init_error(folder, peer, "broken:app")

    assert line == "[ERROR] OSError: refused"
    assert frames == [
        "Traceback (most recent call last):",
        f'  File "{folder}/broken.py", line 3, in <module>',
        "    connect()",
        f'  File "{folder}/broken.py", line 2, in connect',
        "    raise OSError('refused')",
    ]


def test_a_syntax_error_shows_its_line(folder: Path, peer: Peer) -> None:
    (folder / "broken.py").write_text("app = (\n")

    line, *frames = init_error(folder, peer, "broken:app")

    assert "Syntax error in module 'broken': '(' was never closed (broken.py, line 1)" in line
    assert frames[1:] == [f'  File "{folder}/broken.py" Line 1', "    app = ("]


# --- the start -----------------------------------------------------------------------------------


def test_a_handlers_start_is_called_once_before_its_first_event(folder: Path, peer: Peer) -> None:
    with RuntimeProcess(folder, peer, "started:handler", WORD="now") as runtime:
        assert runtime.result() == ["now"]
        assert runtime.result() == ["now"]
        runtime.receive()
        assert runtime.end(signal.SIGTERM)[0] == 0


def test_an_app_ends_before_the_threads_that_may_wait_for_it(folder: Path, peer: Peer) -> None:
    """Sync code of an app runs in threads, and the interpreter's exit waits for these."""
    (folder / "threaded.py").write_text(THREADED)

    with RuntimeProcess(folder, peer, "threaded:app") as runtime:
        runtime.receive()
        assert runtime.end(signal.SIGTERM) == (0, "app ended\n", "")


def test_a_failing_start_is_an_error_of_the_init_phase(folder: Path, peer: Peer) -> None:
    lines = init_error(folder, peer, "started:handler", WORD="fail")

    assert lines[0] == "[ERROR] RuntimeError: no database"
    assert lines[-1] == '    raise RuntimeError("no database")'
