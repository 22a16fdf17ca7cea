"""A streaming handler behind every front end, invoked as each of them does, by AWS's client."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import closing
from itertools import product
from typing import Any

import pytest
from tests.e2e.chain import Chain, serving
from tests.e2e.gate import Gate
from tests.event_shapes import EVENTS, Sent
from tests.kits.paths import sdk_of
from tests.kits.preludes import NULS

APP = """
import socket

from tailrace.function import Head, Request, streamify_response


@streamify_response
def handler(event, context):
    request = Request(event)
    yield Head(201, [("vary", "a"), ("vary", "b")], ["c=1", "d=2"])
    yield request.json()["first"]
    if "gate" in request.cookies:
        with socket.create_connection(("127.0.0.1", int(request.cookies["gate"]))) as gate:
            gate.recv(1)
    yield f" {request.method} {request.path}"
"""
CONFIGURATION = f"""
[functions.ours]
handler = "app.handler"

[functions.buffers]
handler = "app.handler"
environment.TAILRACE_RESPONSE_MODE = "buffer"

[functions.awss]
command = {json.dumps([sys.executable, "-m", "awslambdaric", "app.handler"])}
"""
SENT = Sent("POST", "/a%20b", body=b'{"first": "hello"}')
BUFFERED = ("http-api-2", "http-api-1", "alb", "alb-multi-value")
VALUES: dict[str, dict[str, Any]] = {
    "http-api-2": {"headers": {"vary": "a, b"}, "cookies": ["c=1", "d=2"]},
    "http-api-1": {
        "headers": {},
        "multiValueHeaders": {"vary": ["a", "b"], "set-cookie": ["c=1", "d=2"]},
    },
    "alb": {"headers": {"vary": "a, b", "set-cookie": "c=1", "Set-cookie": "d=2"}},
    "alb-multi-value": {"multiValueHeaders": {"vary": ["a", "b"], "set-cookie": ["c=1", "d=2"]}},
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    directory = tmp_path_factory.mktemp("shapes")
    (directory / "app.py").write_text(APP)
    (directory / "tailrace.toml").write_text(CONFIGURATION)
    with serving(directory / "tailrace.toml") as chain:
        yield chain


@pytest.fixture
def sdk(served: Chain) -> Iterator[Any]:
    with closing(sdk_of(served)) as client:
        yield client


@pytest.mark.parametrize(
    ("function", "shape"),
    [*product(["ours", "awss"], BUFFERED), ("awss", "rest"), ("buffers", "rest")],
)
def test_a_front_end_that_buffers_gets_its_own_result(sdk: Any, function: str, shape: str) -> None:
    """Whichever runtime the function has; for a REST API ours is set to buffer."""
    answer = sdk.invoke(FunctionName=function, Payload=json.dumps(EVENTS[shape](SENT)))
    with closing(answer["Payload"]) as payload:
        result = json.loads(payload.read())

    assert "FunctionError" not in answer
    path = "/live/a b" if shape == "rest" else "/a b"
    assert (result["statusCode"], result["body"]) == (201, f"hello POST {path}")
    values = VALUES["http-api-1" if shape == "rest" else shape]
    assert {key: result[key] for key in values} == values


def test_a_rest_api_that_streams_has_each_chunk_when_it_is_made(sdk: Any) -> None:
    with closing(Gate()) as gate:
        sent = Sent("POST", "/a", headers=(("cookie", f"gate={gate.port}"),), body=SENT.body)
        answer = sdk.invoke_with_response_stream(
            FunctionName="ours", Payload=json.dumps(EVENTS["rest"](sent))
        )
        with closing(answer["EventStream"]) as events:
            read = b""
            chunks = (
                event["PayloadChunk"]["Payload"] for event in events if "PayloadChunk" in event
            )
            while not read.endswith(b"hello"):
                read += next(chunks)
            gate.open()  # only now may the handler go on
            rest = b"".join(chunks)

    prelude, nuls, first = read.partition(NULS)
    assert (nuls, first, rest) == (NULS, b"hello", b" POST /live/a")
    assert json.loads(prelude) == {
        "statusCode": 201,
        "multiValueHeaders": {"vary": ["a", "b"]},
        "cookies": ["c=1", "d=2"],
    }
