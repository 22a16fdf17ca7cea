"""Functions under real runtimes: ours, AWS's for Python, and Node.js by hand."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from pathlib import Path

import uvloop
from tests.emulator.harness import running, wait_until

from tailrace.config import FunctionConfig

HANDLER = """
import os

print("loading")

def handler(event, context):
    print("event:", event)
    if event.get("fail"):
        raise ValueError("bóom")
    if event.get("exit"):
        os._exit(3)
    return {
        "text": event.get("text"),
        "arn": context.invoked_function_arn,
        "id": context.aws_request_id,
        "left_ms": context.get_remaining_time_in_millis(),
        "memory": context.memory_limit_in_mb,
    }
"""

NODE = """
'use strict';
const http = require('http');
const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(':');
const agent = new http.Agent({ keepAlive: true });
const base = '/2018-06-01/runtime/invocation/';

function call(method, path, body) {
  return new Promise((resolve, reject) => {
    const request = http.request({ host, port, agent, method, path }, (response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('end', () => resolve([response, Buffer.concat(chunks).toString()]));
    });
    request.on('error', reject);
    request.end(body);
  });
}

async function main() {
  for (;;) {
    const [response, text] = await call('GET', base + 'next');
    const id = response.headers['lambda-runtime-aws-request-id'];
    const event = JSON.parse(text);
    console.log('got', event);
    if (event.fail) {
      const error = { errorType: 'Error', errorMessage: 'bóom', trace: [] };
      await call('POST', base + id + '/error', JSON.stringify(error));
    } else {
      const name = process.env.AWS_LAMBDA_FUNCTION_NAME;
      const result = { text: event.text, cwd: process.cwd(), name };
      await call('POST', base + id + '/response', JSON.stringify(result));
    }
  }
}
main();
"""


def check_python(function: FunctionConfig) -> None:
    """What both Python runtimes have to do on the emulator."""

    async def run() -> None:
        (function.path / "app.py").write_text(HANDLER, encoding="utf-8")
        async with running(function) as emulator:
            answer = await emulator.invoke({"text": "wörld 🌊"})
            assert (answer.status, answer.function_error) == (200, None)
            result = answer.json()
            assert result["text"] == "wörld 🌊"
            assert result["arn"] == "arn:aws:lambda:us-east-1:000000000000:function:f"
            assert result["id"] == answer.headers["x-amzn-requestid"]
            assert 0 < result["left_ms"] <= 20_000
            assert int(result["memory"]) == 128

            failed = await emulator.invoke({"fail": True})
            assert failed.function_error == "Unhandled"
            error = failed.json()
            assert set(error) == {"errorMessage", "errorType", "requestId", "stackTrace"}
            assert (error["errorType"], error["errorMessage"]) == ("ValueError", "bóom")
            assert error["requestId"] == failed.headers["x-amzn-requestid"]
            assert "in handler" in "".join(error["stackTrace"])

            exited = await emulator.invoke({"exit": True})
            assert exited.json()["errorType"] == "Runtime.ExitError"
            assert (await emulator.invoke({"text": "again"})).json()["text"] == "again"
            assert (await emulator.invoke({}, kind="Event")).status == 202
            await wait_until(lambda: emulator.log.count("event:") == 5)
            assert emulator.log.count("loading") == 2
            assert "f | event: {'text': 'wörld 🌊'}\n" in emulator.log

    uvloop.run(run())


def test_a_handler_under_our_runtime(tmp_path: Path) -> None:
    check_python(
        FunctionConfig(name="f", handler="app.handler", path=tmp_path, timeout_s=20, concurrency=1)
    )


def test_a_handler_under_awss_runtime(tmp_path: Path) -> None:
    command = (sys.executable, "-u", "-m", "awslambdaric", "app.handler")
    check_python(
        FunctionConfig(name="f", command=command, path=tmp_path, timeout_s=20, concurrency=1)
    )


def check_init_error(function: FunctionConfig) -> None:
    async def run() -> None:
        (function.path / "app.py").write_text("import no_such_module\n")
        async with running(function) as emulator:
            answer = await emulator.invoke({})

            assert answer.function_error == "Unhandled"
            assert answer.json()["errorType"] == "Runtime.ImportModuleError"
            assert "No module named 'no_such_module'" in answer.json()["errorMessage"]
            assert answer.json()["requestId"] == ""
            await wait_until(lambda: emulator.service.pids() == [])

    uvloop.run(run())


def test_an_init_error_under_our_runtime(tmp_path: Path) -> None:
    check_init_error(FunctionConfig(name="f", handler="app.handler", path=tmp_path))


def test_an_init_error_under_awss_runtime(tmp_path: Path) -> None:
    command = (sys.executable, "-m", "awslambdaric", "app.handler")
    check_init_error(FunctionConfig(name="f", command=command, path=tmp_path))


def test_a_function_in_node(tmp_path: Path) -> None:
    async def run() -> None:
        node = shutil.which("node")
        assert node is not None, "the tests need Node.js"
        (tmp_path / "function.js").write_text(NODE, encoding="utf-8")
        function = FunctionConfig(name="f", command=("node", "function.js"), path=tmp_path)
        async with running(function) as emulator:
            answers = await asyncio.gather(*(emulator.invoke({"text": "ö" * n}) for n in range(3)))
            failed = await emulator.invoke({"fail": True})

            assert [answer.json()["text"] for answer in answers] == ["", "ö", "öö"]
            assert answers[0].json()["cwd"] == str(tmp_path.resolve())
            assert answers[0].json()["name"] == "f"
            assert failed.function_error == "Unhandled"
            assert failed.json() == {"errorType": "Error", "errorMessage": "bóom", "trace": []}

    uvloop.run(run())


def test_a_program_in_the_functions_own_directory(tmp_path: Path) -> None:
    async def run() -> None:
        play = Path(__file__).with_name("play.py")
        bootstrap = tmp_path / "bootstrap"
        bootstrap.write_text(f"#!/bin/sh\n'{sys.executable}' -S {json.dumps(str(play))}\n")
        bootstrap.chmod(0o755)
        function = FunctionConfig(name="f", command=("./bootstrap",), path=tmp_path)
        async with running(function) as emulator:
            # The shell is the process that is known; the one that answers is its child.
            assert (await emulator.invoke({"a": 1})).json() == {"a": 1}

    uvloop.run(run())
