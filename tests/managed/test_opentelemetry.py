"""OpenTelemetry's own packages, chained: responses stream, and the invocation has a span.

The layer of OpenTelemetry is played by its packages, a wrapper and a handler that take the same
steps as those of its layer for Lambda.
"""

from __future__ import annotations

import platform
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.chain import Chain, until
from tests.managed.served import WRAPPER, ManagedFunction, serving_managed, write_files
from tests.managed.test_streams import GENERATOR, package_app
from tests.package.function.project import packaged

REQUIREMENTS = (
    "opentelemetry-distro==0.66b1\n"
    "opentelemetry-instrumentation-aws-lambda==0.66b1\n"
    "opentelemetry-sdk==1.45.1\n"
)
CHAINED = WRAPPER | {
    "TAILRACE_EXEC_WRAPPER_NEXT": "/opt/otel-instrument",
    "OTEL_TRACES_EXPORTER": "console",
    "OTEL_METRICS_EXPORTER": "none",
    "OTEL_LOGS_EXPORTER": "none",
}
INSTRUMENT = """#!/bin/bash
export PYTHONPATH=/opt/python:/var/runtime:$PYTHONPATH
export ORIG_HANDLER=$_HANDLER _HANDLER=otel_wrapper.lambda_handler
run="from opentelemetry.instrumentation.auto_instrumentation import run; run()"
exec "$1" -c "$run" "$@"
"""
OTEL_WRAPPER = """
import os
from importlib import import_module
module, _, name = os.environ["ORIG_HANDLER"].rpartition(".")
lambda_handler = getattr(import_module(module), name)
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, layer: Path, version: str) -> Iterator[Chain]:
    folder = tmp_path_factory.mktemp("opentelemetry")
    opt = folder / "opt"
    shutil.copytree(layer, opt)
    project = folder / "packages"
    write_files(project, {"otel_wrapper.py": OTEL_WRAPPER, "requirements.txt": REQUIREMENTS})
    architecture = {"aarch64": "arm64"}.get(platform.machine(), platform.machine())
    machine = ("--architecture", architecture, "--python", version)
    packaged(project, folder / "otel.zip", "--app", "otel_wrapper:lambda_handler", *machine)
    command = ["unzip", "-q", "otel.zip", "-d", str(opt / "python")]
    subprocess.run(command, cwd=folder, check=True, timeout=60)
    write_files(opt, {"otel-instrument": INSTRUMENT})
    (opt / "otel-instrument").chmod(0o755)
    package_app(folder, version)
    functions = {
        "generator": ManagedFunction({"app.py": GENERATOR}, opt, CHAINED),
        "fastapi": ManagedFunction({}, opt, CHAINED, handler="main.handler"),
    }
    with serving_managed(folder, functions) as chain:
        yield chain


@pytest.mark.parametrize("name", ["generator", "fastapi"])
def test_a_response_streams_and_has_a_span(served: Chain, name: str) -> None:
    gate = served.gate()
    client = served.client(served.function_url(name)).ask(f"/?gate={gate.port}")

    assert client.head().status == 200, served.output
    assert client.body(4) == b"one\n"
    assert not client.has_more
    gate.open()
    assert client.body(4) == b"two\n"
    gate.open()
    assert client.rest() == b"six\n"
    until(lambda: f'"name": "{name}"' in served.output, "the span on the console")
