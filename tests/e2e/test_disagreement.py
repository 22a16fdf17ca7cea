"""A function's response mode that does not fit the way it is called.

Lambda says nothing, and the caller gets something odd. So does the emulator, but its log says, once
for each function, what to change.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from tests.e2e.chain import Chain, serving
from tests.e2e.fails import change
from tests.kits.paths import sdk_of
from tests.kits.preludes import NULS

APP = """
from tailrace.function import Head, streamify_response


@streamify_response
def handler(event, context):
    yield Head(201, {"content-type": "text/plain"}, cookies=["a=1"])
    yield "hello"


def plain(event, context):
    return {"statusCode": 201, "headers": {"content-type": "text/plain"}, "body": "hello"}
"""
ENVELOPE = {
    "statusCode": 201,
    "headers": {"content-type": "text/plain"},
    "cookies": ["a=1"],
    "body": "hello",
    "isBase64Encoded": False,
}
CONFIGURATION = f"""
[functions.buffers]
handler = "app.handler"
environment.TAILRACE_RESPONSE_MODE = "buffer"
url.invoke_mode = "RESPONSE_STREAM"

[functions.plain]
handler = "app.plain"
url.invoke_mode = "RESPONSE_STREAM"

[functions.plain-by-stream]
handler = "app.plain"

[functions.cannot]
command = {json.dumps([sys.executable, "-m", "awslambdaric", "app.handler"])}
concurrency = 1
environment.TAILRACE_RESPONSE_MODE = "stream"
url.invoke_mode = "RESPONSE_STREAM"

[functions.streams]
handler = "app.handler"
url.invoke_mode = "BUFFERED"

[functions.streams-to-invoke]
handler = "app.handler"

[functions.agrees-streaming]
handler = "app.handler"
url.invoke_mode = "RESPONSE_STREAM"

[functions.agrees-buffered]
handler = "app.handler"
environment.TAILRACE_RESPONSE_MODE = "buffer"
url.invoke_mode = "BUFFERED"

[[routes]]
path = "/plain"
function = "plain-by-stream"
transport = "response-stream"

[[routes]]
path = "/buffers"
function = "buffers"
transport = "response-stream"
"""
TIMES = 3


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    directory = tmp_path_factory.mktemp("disagreement")
    (directory / "app.py").write_text(APP)
    (directory / "tailrace.toml").write_text(CONFIGURATION)
    with serving(directory / "tailrace.toml") as chain:
        yield chain


def warnings(chain: Chain, function: str) -> list[str]:
    """What the emulator's log warns of a function."""
    chain.settle()
    lines = (line.partition(" | ") for line in chain.output.splitlines())
    return [text for name, _, text in lines if name.rstrip() == function and "WARNING" in text]


def answers(chain: Chain, function: str) -> Iterator[Any]:
    """Of a Function URL, several times."""
    client = chain.client(chain.function_url(function))
    for _ in range(TIMES):
        yield client.ask("/").answer()


def invoke(chain: Chain, function: str) -> bytes:
    """The payload that a plain Invoke gets."""
    event = {"requestContext": {"http": {"method": "GET"}}}
    with closing(sdk_of(chain)) as sdk:
        answer = sdk.invoke(FunctionName=function, Payload=json.dumps(event))
        assert "FunctionError" not in answer
        with closing(answer["Payload"]) as payload:
            body = payload.read()
    assert isinstance(body, bytes)
    return body


def test_a_buffered_answer_to_a_streaming_url_is_its_raw_envelope(chain: Chain) -> None:
    """Recorded live: nothing is inferred in this mode, and the status is not the function's."""
    for answer in answers(chain, "buffers"):
        assert (answer.status, answer.get("content-type")) == (200, "application/json")
        assert answer.all("set-cookie") == []
        assert answer.json() == ENVELOPE

    (warning,) = warnings(chain, "buffers")
    assert "TAILRACE_RESPONSE_MODE=stream" in warning
    assert 'set url.invoke_mode to "BUFFERED"' in warning


def test_so_is_the_answer_of_a_plain_handler(chain: Chain) -> None:
    for answer in answers(chain, "plain"):
        assert (answer.status, answer.json()["statusCode"]) == (200, 201)

    assert len(warnings(chain, "plain")) == 1


def test_a_runtime_that_cannot_stream_says_so_too(chain: Chain) -> None:
    """Once in each process, beside the emulator's warning: the mode was asked for in vain."""
    for answer in answers(chain, "cannot"):
        assert (answer.status, answer.json()) == (200, ENVELOPE)

    emulators, sdks = sorted(warnings(chain, "cannot"))
    assert "TAILRACE_RESPONSE_MODE=stream, but this runtime cannot stream" in sdks
    assert 'set url.invoke_mode to "BUFFERED"' in emulators


def test_a_stream_behind_a_buffered_url_is_collected(chain: Chain) -> None:
    """Its prelude counts: that is our inference, as nothing is documented or recorded."""
    for answer in answers(chain, "streams"):
        assert (answer.status, answer.body) == (201, b"hello")
        assert answer.get("content-length") == "5"
        assert answer.all("set-cookie") == ["a=1"]

    (warning,) = warnings(chain, "streams")
    assert 'Set url.invoke_mode to "RESPONSE_STREAM"' in warning
    assert "TAILRACE_RESPONSE_MODE=buffer" in warning


def test_a_plain_invoke_of_a_stream_has_the_prelude_in_its_payload(chain: Chain) -> None:
    for _ in range(TIMES):
        prelude, nuls, body = invoke(chain, "streams-to-invoke").partition(NULS)
        assert (json.loads(prelude)["statusCode"], nuls, body) == (201, NULS, b"hello")

    (warning,) = warnings(chain, "streams-to-invoke")
    assert "InvokeWithResponseStream" in warning
    assert "TAILRACE_RESPONSE_MODE=buffer" in warning


def test_a_route_of_response_streams_understands_a_whole_result(chain: Chain) -> None:
    """The gateway cannot ask for anything else of a handler that does not stream; it says so."""
    earlier = len(chain.log.records)

    for _ in range(TIMES):
        answer = chain.ask("/plain").answer()
        assert (answer.status, answer.body) == (201, b"hello")

    (warning,) = [r.getMessage() for r in chain.log.records[earlier:] if r.levelname == "WARNING"]
    assert "plain-by-stream" in warning
    assert "TAILRACE_RESPONSE_MODE=stream" in warning
    assert warnings(chain, "plain-by-stream") == []


def test_a_route_of_response_streams_overrules_the_mode(chain: Chain) -> None:
    """The event says that somebody reads a stream."""
    earlier = len(chain.log.records)

    answer = chain.ask("/buffers").answer()

    assert (answer.status, answer.body, answer.get("content-length")) == (201, b"hello", None)
    assert [r for r in chain.log.records[earlier:] if r.levelname == "WARNING"] == []


@pytest.mark.parametrize("function", ["agrees-streaming", "agrees-buffered"])
def test_nothing_is_said_where_they_agree(chain: Chain, function: str) -> None:
    for answer in answers(chain, function):
        assert (answer.status, answer.body) == (201, b"hello")

    assert warnings(chain, function) == []


def test_a_reload_is_a_new_beginning(chain: Chain) -> None:
    """What was changed may not have helped."""
    change(chain, "streams", timeout_s=10)
    before = len(warnings(chain, "streams"))

    for answer in answers(chain, "streams"):
        assert answer.status == 201

    assert len(warnings(chain, "streams")) == before + 1
