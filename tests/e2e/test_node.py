"""AWS's own runtimes for Node.js: the handlers of tests/node/shapes.mjs over every path.

What is expected is what Lambda documents, or what others have recorded of it. A test that waits
at the gate has read each chunk before the function could write the next one.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.e2e.chain import Chain
from tests.node.events import connected, invoked
from tests.node.runtimes import PRELUDE, RUNTIMES, Kind, name_of, query, serving_kinds

KINDS = {
    "stream": Kind("shapes.stream"),
    "buffered": Kind("shapes.buffered"),
    "hasty": Kind("shapes.stream", timeout_s=1.0),
    "missing": Kind("shapes.missing"),
    "told": Kind("shapes.told"),
    "with-callback": Kind("shapes.with_callback"),
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    with serving_kinds(tmp_path_factory.mktemp("node"), KINDS) as chain:
        chain.failures_expected = True
        yield chain


@pytest.fixture(scope="module")
def api(served: Chain) -> Iterator[Any]:
    with connected(served) as client:
        yield client


def event(shape: str, **asked: object) -> bytes:
    """The part of a Function URL's event that the handlers look at."""
    return json.dumps({"rawQueryString": query(shape, **asked)}).encode()


# --- Invoke: the whole response at once, as the function wrote it ---------------------------------


@pytest.mark.parametrize(
    ("shape", "payload"),
    [
        ("chunks&count=3&size=2", PRELUDE + b"AABBCC"),
        ("typed", b"data: 1\n\ndata: 2\n\n"),
        ("untyped", b"bytes"),
        ("object", b'{"n":1}'),
        ("from_end", b""),
        ("from_end_with_text", b"no prelude"),
        ("from_write_nothing_end", PRELUDE),
    ],
)
def test_invoke_collects_the_stream_with_its_prelude(
    chain: Chain, api: Any, runtime: str, shape: str, payload: bytes
) -> None:
    answer = api.invoke(FunctionName=name_of("stream", runtime), Payload=event(shape))
    assert (answer["StatusCode"], answer.get("FunctionError")) == (200, None)
    assert answer["Payload"].read() == payload


@pytest.mark.parametrize(
    ("kind", "shape"),
    [
        ("stream", "throws_first"),
        ("stream", "throws_after_from"),
        ("stream", "throws_after_write"),
        ("buffered", "throws_first"),
    ],
)
def test_invoke_shows_what_the_handler_threw(
    chain: Chain, api: Any, runtime: str, kind: str, shape: str
) -> None:
    """The official client says `trace` where others say `stackTrace`; it is passed on as it is."""
    answer = api.invoke(FunctionName=name_of(kind, runtime), Payload=event(shape))
    error = json.loads(answer["Payload"].read())
    assert (answer["StatusCode"], answer["FunctionError"]) == (200, "Unhandled")
    assert (error["errorType"], error["errorMessage"]) == ("TypeError", "a secret reason")
    assert error["trace"][0] == "TypeError: a secret reason"


def test_a_call_without_a_payload_is_an_empty_event(chain: Chain, api: Any, runtime: str) -> None:
    """An empty event would end the official client's process."""
    answer = api.invoke(FunctionName=name_of("told", runtime))
    assert json.loads(answer["Payload"].read())["event"] == {}


def test_the_handler_is_told_who_calls(chain: Chain, api: Any, runtime: str) -> None:
    context = {"client": {"app_title": "tests"}, "custom": {"key": "wört"}, "env": {"a": "b"}}
    name = name_of("told", runtime)
    answer = api.invoke(
        FunctionName=name,
        Qualifier="live",
        Payload=b'{"n": 1}',
        ClientContext=base64.b64encode(json.dumps(context).encode()).decode(),
        TenantId="tenant-1",
    )
    told = json.loads(answer["Payload"].read())
    assert (told["event"], told["client"], told["tenant"]) == ({"n": 1}, context, "tenant-1")
    assert told["arn"].endswith(f":function:{name}:live")
    assert (told["version"], told["memory"]) == ("$LATEST", "128")
    assert 0 < told["remaining_ms"] <= 120_000
    assert told["trace"].startswith("Root=1-")
    assert told["id"] == answer["ResponseMetadata"]["RequestId"]


def test_invoke_shows_that_there_is_no_handler(chain: Chain, api: Any, runtime: str) -> None:
    """The official client reports it as an error of its init phase, and exits."""
    answer = api.invoke(FunctionName=name_of("missing", runtime), Payload=b"{}")
    error = json.loads(answer["Payload"].read())
    assert (answer["StatusCode"], answer["FunctionError"]) == (200, "Unhandled")
    assert error["errorType"] == "Runtime.HandlerNotFound"
    assert "shapes.missing" in error["errorMessage"]


def test_handlers_with_a_callback_are_of_the_older_client(chain: Chain, api: Any) -> None:
    """Version 4 is that of Node.js 24, which has removed them."""
    answers = {}
    for runtime in RUNTIMES:
        answer = api.invoke(FunctionName=name_of("with-callback", runtime), Payload=b"{}")
        answers[runtime] = (answer.get("FunctionError"), json.loads(answer["Payload"].read()))

    assert answers["nodejs20.x"] == (None, {"called": "back"})
    error, body = answers["nodejs22.x"]
    assert (error, body["errorType"]) == ("Unhandled", "Runtime.CallbackHandlerDeprecated")


# --- InvokeWithResponseStream: the bytes as they are written, and how it ended --------------------


def test_the_api_streams_each_chunk_before_the_next(chain: Chain, api: Any, runtime: str) -> None:
    gate = chain.gate()
    asked = event("chunks", gate=gate.port, count=3, size=2)
    with invoked(api, name_of("stream", runtime), asked, gate) as events:
        assert events.body(len(PRELUDE) + 2) == PRELUDE + b"AA"
        for text in (b"BB", b"CC"):
            gate.open()
            assert events.body(2) == text
        gate.open()
        assert (events.rest(), events.complete) == (b"", {})


@pytest.mark.parametrize(
    ("shape", "body"),
    [
        ("untyped", b"bytes"),
        ("from_end", b""),
        ("from_end_with_text", b"no prelude"),
        ("from_write_nothing_end", PRELUDE),
    ],
)
def test_the_api_streams_what_was_written(
    chain: Chain, api: Any, runtime: str, shape: str, body: bytes
) -> None:
    with invoked(api, name_of("stream", runtime), event(shape)) as events:
        assert (events.rest(), events.complete) == (body, {})


@pytest.mark.parametrize(
    ("kind", "shape"),
    [("stream", "throws_first"), ("stream", "throws_after_from"), ("buffered", "throws_first")],
)
def test_the_api_tells_what_the_handler_threw_at_once(
    chain: Chain, api: Any, runtime: str, kind: str, shape: str
) -> None:
    with invoked(api, name_of(kind, runtime), event(shape)) as events:
        assert events.rest() == b""
        assert_thrown(events.complete)


def test_the_api_tells_what_the_handler_threw_after_its_first_bytes(
    chain: Chain, api: Any, runtime: str
) -> None:
    gate = chain.gate()
    asked = event("throws_after_write", gate=gate.port)
    with invoked(api, name_of("stream", runtime), asked) as events:
        assert events.body(len(PRELUDE) + 4) == PRELUDE + b"one,"
        gate.open()
        assert events.rest() == b""
        assert_thrown(events.complete)


def test_the_api_tells_of_a_misuse_after_the_first_bytes(
    chain: Chain, api: Any, runtime: str
) -> None:
    with invoked(api, name_of("stream", runtime), event("types_too_late")) as events:
        assert events.rest() == b"one,"
        error = failure(events.complete, "Unhandled")
    assert error["errorType"] == "Runtime.InvalidStreamingOperation"
    assert error["errorMessage"] == "Cannot set content-type, too late."


@pytest.mark.parametrize(
    ("shape", "body"), [("never_ends", PRELUDE + b"one,"), ("never_writes", b"")]
)
def test_the_api_tells_that_a_handler_never_ended(
    chain: Chain, api: Any, runtime: str, shape: str, body: bytes
) -> None:
    """The official client waits for the stream's end, whatever the handler returns."""
    with invoked(api, name_of("hasty", runtime), event(shape)) as events:
        assert events.rest() == body
        error = failure(events.complete, "Sandbox.Timedout")
    assert error["errorMessage"].endswith("Task timed out after 1.00 seconds")


def test_the_api_tells_that_the_stream_was_destroyed(chain: Chain, api: Any, runtime: str) -> None:
    """The client of Node.js breaks its connection off, and its process exits."""
    gate = chain.gate()
    asked = event("destroys", gate=gate.port)
    with invoked(api, name_of("stream", runtime), asked) as events:
        assert events.body(len(PRELUDE) + 4) == PRELUDE + b"one,"
        gate.open()
        assert events.rest() == b""
        error = failure(events.complete, "Runtime.ExitError")
    assert "Runtime exited with error" in error["errorMessage"]


def failure(complete: dict[str, str] | None, code: str) -> dict[str, Any]:
    """The error that an InvokeComplete tells."""
    assert complete is not None
    assert complete["ErrorCode"] == code
    error: dict[str, Any] = json.loads(complete["ErrorDetails"])
    return error


def assert_thrown(complete: dict[str, str] | None) -> None:
    """It was the handler's own TypeError."""
    error = failure(complete, "Unhandled")
    assert (error["errorType"], error["errorMessage"]) == ("TypeError", "a secret reason")
