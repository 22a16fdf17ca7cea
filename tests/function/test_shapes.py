"""A response has the form that its event's front end reads: returned, streamed, or called back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.event_shapes import EVENTS, Sent
from tests.peers import Peer, Running
from tests.runtime_api import RuntimeLoop

from tailrace.errors import ResponseTooLargeError
from tailrace.function import Head, Request, streamify_response
from tailrace.limits import ALB_RESPONSE_BYTES_MAX

SENT = Sent(
    method="POST",
    path="/a%20b",
    query="q=1&q=2",
    headers=(("x-a", "1"), ("x-a", "2"), ("cookie", "s=1; t=2")),
    body=b'{"a":1}',
)
ENVELOPE = {"statusCode": 201, "body": "hello", "isBase64Encoded": False}
FORMAT_2 = {"headers": {"x-a": "1", "vary": "a, b"}, "cookies": ["c=1", "d=2"]}
FORMAT_1 = {
    "headers": {"x-a": "1"},
    "multiValueHeaders": {"vary": ["a", "b"], "set-cookie": ["c=1", "d=2"]},
}
RESULTS: dict[str, dict[str, Any]] = {
    "function-url": ENVELOPE | FORMAT_2,
    "http-api-2": ENVELOPE | FORMAT_2,
    "http-api-1": ENVELOPE | FORMAT_1,
    "rest": ENVELOPE | FORMAT_1,
    "alb": ENVELOPE
    | {
        "statusDescription": "201 Created",
        "headers": {"x-a": "1", "vary": "a, b", "set-cookie": "c=1", "Set-cookie": "d=2"},
    },
    "alb-multi-value": ENVELOPE
    | {
        "statusDescription": "201 Created",
        "multiValueHeaders": {"x-a": ["1"], "vary": ["a", "b"], "set-cookie": ["c=1", "d=2"]},
    },
}
STREAMED = ("function-url", "rest")
RETURNED = tuple(name for name in RESULTS if name not in STREAMED)


@streamify_response
def handler(event: Any, context: Any) -> Iterator[Head | str]:
    yield Head(201, [("x-a", "1"), ("vary", "a"), ("vary", "b")], ["c=1", "d=2"])
    yield "hel"
    yield "lo"


@pytest.mark.parametrize("name", RESULTS)
def test_a_response_is_returned_in_the_form_of_its_event(
    caplog: pytest.LogCaptureFixture, name: str
) -> None:
    assert handler(EVENTS[name](SENT), None) == RESULTS[name]
    assert not caplog.records


@pytest.mark.parametrize("name", RETURNED)
@pytest.mark.parametrize("mode", ["", "stream"])
def test_what_a_front_end_would_not_read_as_a_stream_is_returned_by_a_runtime_that_streams(
    monkeypatch: pytest.MonkeyPatch, name: str, mode: str
) -> None:
    """It would take the prelude for a malformed result."""
    monkeypatch.setenv("TAILRACE_RESPONSE_MODE", mode)
    declared = streamify_response(handler.__wrapped__)
    with Peer() as peer, RuntimeLoop(peer, declared) as runtime:
        runtime.give(EVENTS[name](SENT))
        kind, _, body = runtime.report()

    assert kind == "response"
    assert json.loads(body) == RESULTS[name]


@pytest.mark.parametrize("name", STREAMED)
def test_a_streamed_response_keeps_its_head(name: str) -> None:
    with Peer() as peer, RuntimeLoop(peer, handler) as runtime:
        stream = runtime.stream(EVENTS[name](SENT))
        assert stream.header("content-type") == (
            "application/vnd.awslambda.http-integration-response"
        )
        head = stream.read_response_head()
        assert stream.read_body() == (b"hello", {})
        stream.accept_response()

    vary = [("vary", "a"), ("vary", "b")] if name == "rest" else [("vary", "a, b")]
    assert (head.status, head.headers) == (201, (("x-a", "1"), *vary))
    assert head.cookies == ("c=1", "d=2")


@pytest.mark.parametrize("name", RESULTS)
def test_a_head_request_is_seen_in_every_shape(name: str) -> None:
    with Peer() as peer:
        event = EVENTS[name](Sent(method="HEAD")) | {"tailrace": {"v": 1, "callback": peer.url}}
        call = Running(handler, event, None)
        head, body = peer.accept_callback().serve()
        assert (head.status, body) == (201, b"")
        call.result()


@pytest.mark.parametrize("name", RESULTS)
def test_a_callback_has_the_same_form_whatever_the_event(name: str) -> None:
    """A gateway reads it, and not the front end whose form the event has."""
    with Peer() as peer:
        event = EVENTS[name](SENT) | {"tailrace": {"v": 1, "callback": peer.url}}
        call = Running(handler, event, None)
        head, body = peer.accept_callback().serve()
        assert call.result() is None

    assert (head.status, head.headers, head.cookies, body) == (
        *(201, (("x-a", "1"), ("vary", "a, b")), ("c=1", "d=2"), b"hello"),
    )


# --- plain results -------------------------------------------------------------------------------

PLAIN = {
    "statusCode": 201,
    "headers": {"x-b": "1", "x-a": "0"},
    "multiValueHeaders": {"x-a": ["1", "2"], "Set-Cookie": ["c=1", "d=2"]},
    "body": "hello",
}


@streamify_response
def plain(event: Any, context: Any) -> Any:
    return PLAIN


@pytest.mark.parametrize("name", RESULTS)
def test_a_plain_result_goes_as_it_is(caplog: pytest.LogCaptureFixture, name: str) -> None:
    """It may have the form of its front end, and only the handler's author knows."""
    assert plain(EVENTS[name](SENT), None) is PLAIN
    assert not caplog.records


@pytest.mark.parametrize("name", [*RETURNED, "rest"])
def test_a_runtime_that_streams_returns_a_plain_result(
    caplog: pytest.LogCaptureFixture, name: str
) -> None:
    """Whether a REST API streams cannot be read from its event."""
    with Peer() as peer, RuntimeLoop(peer, plain) as runtime:
        runtime.give(EVENTS[name](SENT))
        if name == "rest":
            peer.socket.accept()[0].close()  # opened before it was known that nothing is streamed
        assert json.loads(runtime.report()[2]) == PLAIN
    assert not caplog.records


def test_where_a_rest_api_streams_a_plain_result_is_streamed_with_all_its_values(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("TAILRACE_RESPONSE_MODE", "stream")
    declared = streamify_response(plain.__wrapped__)
    with Peer() as peer, RuntimeLoop(peer, declared) as runtime:
        stream = runtime.stream(EVENTS["rest"](SENT))
        head = stream.read_response_head()
        assert stream.read_body() == (b"hello", {})
        stream.accept_response()

    assert (head.status, head.cookies) == (201, ("c=1", "d=2"))
    assert sorted(head.headers) == [
        *(("content-type", "application/json"), ("x-a", "1"), ("x-a", "2"), ("x-b", "1")),
    ]
    assert not caplog.records


@pytest.mark.parametrize("name", RESULTS)
def test_bytes_are_a_response_in_every_shape(name: str) -> None:
    result = streamify_response(lambda event, context: b"\xff")(EVENTS[name](SENT), None)

    assert (result["statusCode"], result["body"], result["isBase64Encoded"]) == (200, "/w==", True)


# --- limits --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["alb", "alb-multi-value"])
@pytest.mark.parametrize(
    "chunks",
    [[b"x" * ALB_RESPONSE_BYTES_MAX], [b"x" * ALB_RESPONSE_BYTES_MAX, b"x"]],
    ids=["with its envelope", "alone"],
)
def test_a_response_that_a_load_balancer_would_not_take_fails_the_invocation(
    name: str, chunks: list[bytes]
) -> None:
    large = streamify_response(lambda event, context: iter(chunks))

    with pytest.raises(ResponseTooLargeError, match="1000"):
        large(EVENTS[name](SENT), None)


def test_a_head_that_a_rest_api_would_not_read_fails_the_invocation() -> None:
    large = streamify_response(lambda event, context: iter([Head(200, {"x": "y" * 20_000}), "z"]))

    with Peer() as peer, RuntimeLoop(peer, large) as runtime:
        runtime.give(EVENTS["rest"](SENT))
        peer.socket.accept()[0].close()  # opened before the head was known
        kind, _, body = runtime.report()

    assert kind == "error"
    assert json.loads(body)["errorType"] == "PreludeError"


# --- requests ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", RESULTS)
def test_a_handler_reads_the_same_request_whatever_the_front_end(name: str) -> None:
    request = Request(EVENTS[name](SENT))

    assert (request.method, request.body) == ("POST", b'{"a":1}')
    assert request.path == request.root_path + "/a b"
    assert request.raw_path == request.root_path + "/a%20b"
    assert request.root_path == ("/live" if name == "rest" else "")
    assert request.raw_query == ("q=2" if name == "alb" else "q=1&q=2")
    assert request.headers["X-A"] == ("2" if name == "alb" else "1,2")
    assert request.cookies == {"s": "1", "t": "2"}
    assert (request.client, request.scheme, request.port) == ("203.0.113.9", "https", 443)
    assert request.host.startswith("abc123.")
    assert request.http_version == "1.1"
