"""In AWS's managed runtime: with the layer a response streams natively, without it is whole."""

from __future__ import annotations

import platform
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.chain import Chain
from tests.e2e.gate import SOURCE
from tests.managed.served import WRAPPER, ManagedFunction, serving_managed, write_files
from tests.package.function.project import packaged

GENERATOR = """
import os
from gate import Gate
from tailrace.function import streamify_response

@streamify_response
def handler(event, context):
    with Gate(event) as gate:
        yield "one\\n"
        gate.wait()
        yield "two\\n"
        gate.tell("two is out")
        gate.wait()
        yield os.environ.get("LAST", "six") + "\\n"
"""
FASTAPI = """
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from gate import Gate
from tailrace.function import asgi

app = FastAPI()
handler = asgi(app)

@app.get("/")
async def root(request: Request):
    async def lines():
        with Gate(request.scope["aws.event"]) as gate:
            yield "one\\n"
            await gate.wait_async()
            yield "two\\n"
            gate.tell("two is out")
            await gate.wait_async()
            yield "six\\n"

    return StreamingResponse(lines(), media_type="text/plain")
"""

# Wrappers of other layers. The last has the shape of Datadog's: it puts a handler of its own in
# front of that of the function.
EXECS = """#!/bin/bash
args=("$@")
export LAST="of execs"
exec "${args[@]}"
"""
RUNS = """#!/bin/sh
LAST="of runs" "$@"
echo "it ended with $?"
"""
REPLACES = """#!/bin/bash
export INNER_HANDLER=$_HANDLER
export _HANDLER=outer.handler
exec "$@"
"""
OUTER = """
import os
from importlib import import_module
module, _, name = os.environ["INNER_HANDLER"].rpartition(".")
inner = getattr(import_module(module), name)

def handler(event, context):
    os.environ["LAST"] = "of replaces"
    return inner(event, context)
"""
# The other way round: a wrapper that is named first, and runs that of the layer.
FIRST = """#!/bin/sh
export LAST="of first"
exec /opt/tailrace-wrapper "$@"
"""
WRAPPERS = {"execs": EXECS, "runs": RUNS, "replaces": REPLACES, "first": FIRST}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, layer: Path, version: str) -> Iterator[Chain]:
    folder = tmp_path_factory.mktemp("streams")
    package_app(folder, version)
    opt = folder / "opt"
    shutil.copytree(layer, opt)
    write_files(opt, {"python/outer.py": OUTER, **WRAPPERS})
    for name in WRAPPERS:
        (opt / name).chmod(0o755)
    files = {"app.py": GENERATOR}
    chained = {
        name: WRAPPER | {"TAILRACE_EXEC_WRAPPER_NEXT": f"/opt/{name}"}
        for name in ("execs", "runs", "replaces")
    }
    functions = {
        "generator": ManagedFunction(files, layer, WRAPPER),
        "generator-whole": ManagedFunction(files, layer, invoke_mode="BUFFERED"),
        "path": ManagedFunction(files, layer, WRAPPER | {"PYTHONPATH": "/var/task/none"}),
        "fastapi": ManagedFunction({}, layer, WRAPPER, handler="main.app"),
        "fastapi-whole": ManagedFunction({}, layer, handler="main.handler", invoke_mode="BUFFERED"),
        **{name: ManagedFunction(files, opt, each) for name, each in chained.items()},
        "first": ManagedFunction(files, opt, {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/first"}),
    }
    with serving_managed(folder, functions) as chain:
        yield chain


def package_app(folder: Path, version: str) -> None:
    """Make the app's archive, and unpack it as Lambda does."""
    project = folder / "project"
    write_files(project, {"main.py": FASTAPI, "gate.py": SOURCE, "requirements.txt": "fastapi\n"})
    architecture = {"aarch64": "arm64"}.get(platform.machine(), platform.machine())
    machine = ("--architecture", architecture, "--python", version)
    packaged(project, folder / "app.zip", "--app", "main:app", *machine)
    for name in ("fastapi", "fastapi-whole"):
        command = ["unzip", "-q", "app.zip", "-d", name]
        subprocess.run(command, cwd=folder, check=True, timeout=60)


@pytest.mark.parametrize(
    ("name", "last"),
    [
        ("generator", "six"),
        ("fastapi", "six"),
        ("path", "six"),
        ("execs", "of execs"),
        ("runs", "of runs"),
        ("replaces", "of replaces"),
        ("first", "of first"),
    ],
)
def test_a_chunk_is_at_the_client_before_the_next_is_made(
    served: Chain, name: str, last: str
) -> None:
    gate = served.gate()
    client = served.client(served.function_url(name)).ask(f"/?gate={gate.port}")

    assert client.head().status == 200
    assert client.body(4) == b"one\n"
    assert not client.has_more
    gate.open()
    assert client.body(4) == b"two\n"
    gate.open()
    assert client.rest().decode() == f"{last}\n"


@pytest.mark.parametrize("name", ["generator-whole", "fastapi-whole"])
def test_without_the_wrapper_the_response_is_whole(served: Chain, name: str) -> None:
    """Under AWS's own runtime client, with the SDK of the same layer."""
    gate = served.gate()
    client = served.client(served.function_url(name)).ask(f"/?gate={gate.port}")

    gate.open()
    assert gate.line() == "two is out"
    assert not client.has_more
    gate.open()
    answer = client.answer()
    assert (answer.status, answer.body) == (200, b"one\ntwo\nsix\n")
