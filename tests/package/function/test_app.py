"""An app or a handler runs from its archive alone, and streams."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import zipfile
from pathlib import Path

from tests.command import DevCommand, Stream, open_gate
from tests.package.function.project import names_in, packaged, write

ARCHITECTURE = {"aarch64": "arm64", "arm64": "arm64"}.get(platform.machine(), "x86_64")
PYTHON = "{}.{}".format(*sys.version_info[:2])
HERE = ("--architecture", ARCHITECTURE, "--python", PYTHON)
APP = """
import os
from pathlib import Path

import orjson
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

app = FastAPI()
GATE = Path(os.environ["GATE"])


class Order(BaseModel):
    number: int


@app.get("/lines")
def lines():
    return StreamingResponse(words(), media_type="text/plain")


def words():
    yield orjson.dumps(Order(number="1").model_dump()) + b"\\n"
    GATE.read_bytes()
    yield f"{orjson.__file__} {BaseModel.__module__}\\n"
"""
GATED = """
import os
import sys
from pathlib import Path

import orjson

from tailrace.function import streamify_response


@streamify_response
def handler(event, context):
    yield "begun\\n"
    Path(os.environ["GATE"]).read_bytes()
    yield f"{sys.prefix} {orjson.__file__}\\n"
"""


def test_a_fastapi_app_streams_from_its_archive(tmp_path: Path) -> None:
    project = write(
        tmp_path / "project",
        {"src/main.py": APP, "requirements.txt": "fastapi\norjson\ntailrace[gateway]\n"},
    )
    archive, gate = tmp_path / "f.zip", tmp_path / "gate"
    os.mkfifo(gate)
    facts = packaged(project, archive, *HERE)
    with zipfile.ZipFile(archive) as file:
        file.extractall(tmp_path / "task")
    # A Python that has nothing installed.
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "empty"], check=True)
    config = (
        '[functions.web]\napp = "main:app"\npath = "task"\npython = "empty/bin/python"\n'
        f'environment = {{ GATE = "{gate}" }}\n[[routes]]\npath = "/*"\nfunction = "web"\n'
    )
    file_path = tmp_path / "tailrace.toml"
    file_path.write_text(config)

    with DevCommand(file_path) as dev, Stream(f"{dev.url}/lines") as stream:
        assert stream.line() == '{"number":1}\n'
        open_gate(gate)  # the first chunk is here before the second is made
        assert stream.line().startswith(f"{tmp_path}/task/orjson/")
        assert stream.line() == ""

    assert facts["handler"] == "main.app"
    assert facts["dependencies_left_out"] == {"tailrace": "the layer has it"}
    assert facts["warnings"] == []


def test_the_sdk_can_be_in_the_archive(tmp_path: Path) -> None:
    files = {"main.py": GATED, "requirements.txt": "tailrace @ file:///of/another/machine\norjson"}
    archive = tmp_path / "f.zip"

    facts = packaged(
        write(tmp_path / "p", files), archive, *HERE, "--app", "main:handler", "--bundle",
        "--bytecode", sys.executable,
    )  # fmt: skip

    assert "tailrace/function/handler.py" in names_in(archive)
    compiled = f"__pycache__/{{}}.{sys.implementation.cache_tag}.pyc"
    assert compiled.format("main") in names_in(archive)
    assert f"orjson/{compiled.format('__init__')}" in names_in(archive)
    assert "tailrace/gateway/service.py" not in names_in(archive)
    assert facts["dependencies_left_out"] == {"tailrace": "this installation has it"}
    assert (facts["needs_layer"], facts["environment"], facts["warnings"]) == (False, {}, [])
    with zipfile.ZipFile(archive) as file:
        file.extractall(tmp_path / "task")
    code = "import sys; sys.path.insert(0, '.'); import main; print(main.handler({}, None))"
    environ = {"GATE": os.devnull}
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code],
        cwd=tmp_path / "task", env=environ, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.startswith("begun\n")
