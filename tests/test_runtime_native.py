"""Modes of response, and streams, of the runtime as a process."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.peers import Peer
from tests.runtime_api import HTTP_EVENT, StreamPost, error_in
from tests.runtime_process import RuntimeProcess

from tailrace.wire.integration import Head
from tailrace.wire.runtime_api import ACCEPTED_BODY

APP = """
import functools, threading
from tailrace.function import streamify_response

def plain(event, context):
    if event.get("fail"):
        raise ValueError("plain")
    return {"statusCode": 201, "body": "whole"}

async def plain_async(event, context):
    return "later"

def pieces(event, context):
    yield "a"
    yield "b"

@streamify_response
def stream(event, context):
    yield "a"
    if event.get("wait"):
        print("waiting", flush=True)
        threading.Event().wait()
    yield "b"

@functools.wraps(stream)
def decorated(event, context):
    return stream(event, context)

async def writes(event, response, context):
    await response.write("written")

def three(event, response, context):
    pass
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(APP)
    return tmp_path


@pytest.fixture
def peer() -> Iterator[Peer]:
    with Peer() as peer:
        yield peer


def streamed(runtime: RuntimeProcess, event: Any = HTTP_EVENT) -> StreamPost:
    """Give an event; return the streamed response, its head read."""
    runtime.give(event)
    stream = StreamPost(runtime.peer.socket.accept()[0])
    runtime.peer.connections.append(stream)
    return stream.begin()


@pytest.mark.parametrize(
    ("handler", "head", "body"),
    [
        ("plain", Head(201, {"content-type": "application/json"}), b"whole"),
        ("plain_async", Head(200, {"content-type": "application/json"}), b"later"),
        ("pieces", Head(200, {"content-type": "text/plain; charset=utf-8"}), b"ab"),
        ("writes", Head(200, {"content-type": "text/plain; charset=utf-8"}), b"written"),
        ("stream", Head(200, {"content-type": "text/plain; charset=utf-8"}), b"ab"),
        ("decorated", Head(200, {"content-type": "text/plain; charset=utf-8"}), b"ab"),
    ],
)
def test_in_mode_stream_every_handler_streams(
    folder: Path, peer: Peer, handler: str, head: Head, body: bytes
) -> None:
    with RuntimeProcess(folder, peer, f"app.{handler}", TAILRACE_RESPONSE_MODE="stream") as runtime:
        stream = streamed(runtime)
        assert stream.read_response_head() == head
        assert stream.read_body() == (body, {})
        stream.accept_response()


def test_a_plain_handler_that_fails_in_mode_stream_reports_an_error(
    folder: Path, peer: Peer
) -> None:
    with RuntimeProcess(folder, peer, "app.plain", TAILRACE_RESPONSE_MODE="stream") as runtime:
        runtime.give({**HTTP_EVENT, "fail": True})
        peer.accept()
        line, _, body = runtime.receive()
        runtime.answer(202, ACCEPTED_BODY)

    assert line.endswith("/error HTTP/1.1")
    assert json.loads(body)["errorType"] == "ValueError"


@pytest.mark.parametrize("mode", [None, "", "buffer"])
def test_a_plain_handler_is_buffered_otherwise(folder: Path, peer: Peer, mode: str | None) -> None:
    environment = {} if mode is None else {"TAILRACE_RESPONSE_MODE": mode}
    with RuntimeProcess(folder, peer, "app.plain", **environment) as runtime:
        assert runtime.result(HTTP_EVENT) == {"statusCode": 201, "body": "whole"}


@pytest.mark.parametrize("module", ["tailrace.runtime", "awslambdaric"])
def test_an_unknown_mode_is_an_init_error(folder: Path, peer: Peer, module: str) -> None:
    with RuntimeProcess(
        folder, peer, "app.stream", module=module, TAILRACE_RESPONSE_MODE="streaming"
    ) as runtime:
        line, _, body = runtime.receive()
        runtime.answer(202, ACCEPTED_BODY)
        assert runtime.end()[0] == 1

    assert line == "POST /2018-06-01/runtime/init/error HTTP/1.1"
    assert json.loads(body)["errorMessage"] == (
        'TAILRACE_RESPONSE_MODE is "stream" or "buffer", not \'streaming\''
    )


@pytest.mark.parametrize(
    ("handler", "mode", "error_type"),
    [
        ("app.plain", "streaming", "Function.ConfigError"),
        ("app.three", "stream", "Function.TypeError"),
    ],
)
def test_a_plain_handler_that_cannot_have_its_mode_is_an_init_error(
    folder: Path, peer: Peer, handler: str, mode: str, error_type: str
) -> None:
    with RuntimeProcess(folder, peer, handler, TAILRACE_RESPONSE_MODE=mode) as runtime:
        line, headers, _ = runtime.receive()
        runtime.answer(202, ACCEPTED_BODY)
        assert runtime.end()[0] == 1

    assert line == "POST /2018-06-01/runtime/init/error HTTP/1.1"
    assert headers["lambda-runtime-function-error-type"] == error_type


def test_under_awslambdaric_mode_stream_is_one_warning(folder: Path, peer: Peer) -> None:
    with RuntimeProcess(
        folder, peer, "app.stream", module="awslambdaric", TAILRACE_RESPONSE_MODE="stream"
    ) as runtime:
        for _ in range(3):
            assert runtime.result(HTTP_EVENT)["body"] == "ab"
        runtime.receive()
        output = "".join(runtime.end(signal.SIGTERM)[1:])

    assert output.count("this runtime cannot stream") == 1


def test_sigterm_breaks_a_stream_visibly(folder: Path, peer: Peer) -> None:
    with RuntimeProcess(folder, peer, "app.stream") as runtime:
        stream = streamed(runtime, {**HTTP_EVENT, "wait": True})
        stream.read_response_head()
        assert stream.read_piece() == b"a"
        assert runtime.process.stdout is not None
        assert runtime.process.stdout.readline() == "waiting\n"
        assert runtime.end(signal.SIGTERM)[0] == 0
        assert stream.ends_with() is ConnectionResetError


def test_a_stream_that_fails_is_logged_once_and_the_next_event_asked_for(
    folder: Path, peer: Peer
) -> None:
    (folder / "fails.py").write_text(
        "from tailrace.function import streamify_response\n"
        "@streamify_response\n"
        "def handler(event, context):\n"
        "    yield 'a'\n"
        "    raise ValueError('late')\n"
    )
    with RuntimeProcess(folder, peer, "fails.handler") as runtime:
        stream = streamed(runtime)
        _, trailers = stream.read_body()
        stream.accept_response()
        runtime.receive()
        _, out, errors = runtime.end(signal.SIGTERM)

    error_type, error = error_in(trailers)
    assert error_type == "Function.ValueError"
    assert error["stackTrace"] == [
        f"  File \"{folder}/fails.py\", line 5, in handler\n    raise ValueError('late')\n"
    ]
    assert out == (
        "[ERROR] ValueError: late\n"
        "Traceback (most recent call last):\n"
        f'  File "{folder}/fails.py", line 5, in handler\n'
        "    raise ValueError('late')\n"
    )
    assert errors == ""
