"""Which tailrace serves a function with the layer, and that nothing of the function disturbs it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.chain import Chain
from tests.managed.served import WRAPPER, ManagedFunction, serving_managed

from tailrace.package.own_files import own_entries

VERSION = "9.9.9"
LIBRARY = "/var/lang/lib/python{}.{}".format(*sys.version_info)
FACTS = """
import json, multiprocessing, sys
import tailrace
from tailrace.function import Head, streamify_response

def child(connection):
    connection.send([sys.modules["tailrace"].__file__, streamify_response.__module__])

def spawned():
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=child, args=(theirs,))
    process.start()
    theirs.close()
    try:
        return ours.recv()
    finally:
        process.join()

@streamify_response
def handler(event, context):
    yield Head(headers={"x-version": getattr(tailrace, "__version__", "none")})
    files = {m.__file__ for n, m in sys.modules.items() if n.partition(".")[0] == "tailrace"}
    yield json.dumps({
        "roots": sorted({file.partition("/tailrace/")[0] for file in files}),
        "tasks": sys.path.count("/var/task"),
        "child": spawned(),
    })
"""
SHADOWS = (
    "_thread", "base64", "context", "http", "importlib", "io", "json", "logging", "logs", "report",
    "runtime", "select", "signal", "site", "socket", "ssl", "tempfile", "time", "traceback",
    "types", "typing",
)  # fmt: skip
SHADOWED = """
import streamed
from tailrace.function import streamify_response

@streamify_response
def handler(event, context):
    yield "it runs"
"""


# Code of a function that runs before the start: it has a folder before all others, in which
# modules have names of the standard library, and an importer that is older than Python 3.12.
SITE = """
import sys
sys.path.insert(0, "/var/task/hidden")
class Old:
    def find_module(self, name, path=None):
        return None
sys.meta_path.append(Old())
"""


def own(folder: str) -> dict[str, str]:
    """A newer tailrace, in a folder of the function."""
    entries = {entry.name: entry.content for entry in own_entries(folder)}
    files = {name: path.read_text() for name, path in entries.items() if isinstance(path, Path)}
    name = f"{folder}tailrace/__init__.py"
    files[name] = f'__version__ = "{VERSION}"\n'
    return files


FUNCTIONS: dict[str, tuple[Mapping[str, str], Mapping[str, str], str, str]] = {
    # Files, variables, and the folder and the version of the tailrace that serves.
    "none": ({}, {}, "/opt/python", "layer"),
    "none-path": ({}, {"PYTHONPATH": "/var/task/x"}, "/opt/python", "layer"),
    "newer": (own(""), {}, "/var/task", VERSION),
    "newer-path": (own("vendor/"), {"PYTHONPATH": "/var/task/vendor"}, "/var/task/vendor", VERSION),
    "folder": ({"tailrace/notes.txt": "x"}, {}, "/opt/python", "layer"),
    "folder-path": ({"tailrace/a.py": ""}, {"PYTHONPATH": "x"}, "/opt/python", "layer"),
    "module": ({"tailrace.py": "raise OSError"}, {}, "/opt/python", "layer"),
    "library-path": (
        {},
        {"PYTHONPATH": f"{LIBRARY}:{LIBRARY}/lib-dynload"},
        "/opt/python",
        "layer",
    ),
    "package": ({"tailrace/__init__.py": "raise OSError"}, {}, "/opt/python", "layer"),
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, layer: Path) -> Iterator[Chain]:
    functions = {
        name: ManagedFunction({"app.py": FACTS, **files}, layer, {**variables, **WRAPPER})
        for name, (files, variables, _, _) in FUNCTIONS.items()
    }
    shadows = {f"{name}.py": "raise OSError('the module of the app')\n" for name in SHADOWS}
    shadows |= {"app.py": SHADOWED, "streamed.py": ""}
    functions["shadows"] = ManagedFunction(shadows, layer, WRAPPER)
    functions["shadows-newer"] = ManagedFunction({**own(""), **shadows}, layer, WRAPPER)
    task = {"PYTHONPATH": "/var/task"}
    functions["shadows-path"] = ManagedFunction(shadows, layer, {**task, **WRAPPER})
    site = {f"hidden/{name}": text for name, text in shadows.items()}
    site |= {"app.py": SHADOWED, "streamed.py": "", "s/sitecustomize.py": SITE}
    path = {"PYTHONPATH": "/var/task/s"}
    functions["shadows-site"] = ManagedFunction(site, layer, {**path, **WRAPPER})
    workers = {"AWS_LAMBDA_MAX_CONCURRENCY": "1"}
    functions["shadows-workers"] = ManagedFunction(shadows, layer, WRAPPER, reserved=workers)
    with serving_managed(tmp_path_factory.mktemp("own"), functions) as chain:
        yield chain


def ask(chain: Chain, name: str) -> Any:
    return chain.client(chain.function_url(name)).ask("/").answer()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_all_of_one_tailrace_serves_a_function(served: Chain, name: str) -> None:
    """The function's own goes first, with its runtime; what only has its name is another."""
    from tailrace import __version__

    _, _, root, version = FUNCTIONS[name]
    answer = ask(served, name)

    assert answer.status == 200
    assert answer.get("x-version") == (__version__ if version == "layer" else version)
    assert json.loads(answer.body) == {
        "roots": [root],
        "tasks": 1,
        "child": [f"{root}/tailrace/__init__.py", "tailrace.function.handler"],
    }


@pytest.mark.parametrize(
    "name", ["shadows", "shadows-newer", "shadows-path", "shadows-site", "shadows-workers"]
)
def test_modules_with_names_of_the_standard_library_do_no_harm(served: Chain, name: str) -> None:
    answer = ask(served, name)

    assert (answer.status, answer.body) == (200, b"it runs")
