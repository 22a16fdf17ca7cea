"""Native streaming: what the Runtime API is sent, when, and what becomes of each failure."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any
from unittest.mock import MagicMock

import pytest
from tests.peers import Callback, Peer, until
from tests.runtime_api import HTTP_EVENT, RuntimeLoop, StreamPost, error_in

from tailrace.errors import PeerError, RuntimeApiError
from tailrace.function import ClientDisconnected, Head, ResponseStream, streamify_response
from tailrace.limits import TRAILERS_BYTES_MAX

INTEGRATION = "application/vnd.awslambda.http-integration-response"
HEAD_EVENT = {"requestContext": {"http": {"method": "HEAD"}}}
KINDS = ["generator", "async generator", "writer"]
Handler = Callable[[Any, Any], Any]


class Gate:
    """The handler makes each chunk only when the test lets it."""

    def __init__(self, count: int = 0) -> None:
        self._permits = threading.Semaphore(count)
        self.log: list[str] = []

    def open(self) -> None:
        self._permits.release()

    def wait(self) -> None:
        assert self._permits.acquire(timeout=10)

    async def wait_async(self) -> None:
        await asyncio.get_running_loop().run_in_executor(None, self.wait)


def chunks_of(kind: str, items: list[Any], gate: Gate) -> Handler:
    """A handler of a kind that sends items; an exception among them is raised."""

    def item_of(item: Any) -> Any:
        if isinstance(item, BaseException):
            raise item
        return item

    def generate(event: Any, context: Any) -> Iterator[Any]:
        try:
            for item in items:
                gate.wait()
                yield item_of(item)
        finally:
            gate.log.append("finally")

    async def generate_async(event: Any, context: Any) -> AsyncIterator[Any]:
        try:
            for item in items:
                await gate.wait_async()
                yield item_of(item)
        finally:
            gate.log.append("finally")

    async def write(event: Any, response: ResponseStream, context: Any) -> None:
        try:
            for item in items:
                await gate.wait_async()
                if isinstance(item_of(item), Head):
                    response.set_head(item)
                    await response.flush()
                else:
                    await response.write(item)
        finally:
            gate.log.append("finally")

    functions: dict[str, Any] = {
        "generator": generate,
        "async generator": generate_async,
        "writer": write,
    }
    return streamify_response(functions[kind])


def sent(items: list[Any]) -> Handler:
    return chunks_of("generator", items, Gate(99))


# --- the way it goes well ------------------------------------------------------------------------


def test_the_whole_of_the_wire(peer: Peer) -> None:
    """Head, prelude and first chunk in one segment; every write in one of its own."""
    gate = Gate(1)
    handler = chunks_of("generator", ["one", "two"], gate)
    with RuntimeLoop(peer, handler) as runtime:
        runtime.give(invocation_id="attempt-1")
        stream = runtime.accept_stream()
        first = stream.read_until(b"one\r\n")
        assert stream.segments() == 1
        gate.open()
        rest = stream.read_until(b"0\r\n\r\n")
        stream.accept_response()
        runtime.expect_next()

    prelude = b'{"statusCode":200,"headers":{"content-type":"text/plain; charset=utf-8"}}'
    assert first == (
        b"POST /2018-06-01/runtime/invocation/r1/response HTTP/1.1\r\n"
        b"host: 127.0.0.1:%d\r\n"
        b"content-type: application/vnd.awslambda.http-integration-response\r\n"
        b"lambda-runtime-function-response-mode: streaming\r\n"
        b"trailer: lambda-runtime-function-error-type\r\n"
        b"trailer: lambda-runtime-function-error-body\r\n"
        b"connection: close\r\n"
        b"lambda-runtime-invocation-id: attempt-1\r\n"
        b"transfer-encoding: chunked\r\n"
        b"\r\n"
        b"54\r\n%b\0\0\0\0\0\0\0\0one\r\n" % (peer.port, prelude)
    )
    assert rest == b"3\r\ntwo\r\n0\r\n\r\n"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [1, 1_000_000])
def test_chunk_n_arrives_before_chunk_n_plus_1_is_made(peer: Peer, kind: str, size: int) -> None:
    gate = Gate()
    chunks = [bytes([65 + n]) * size for n in range(5)]
    with RuntimeLoop(peer, chunks_of(kind, [Head(201), *chunks], gate)) as runtime:
        runtime.give()
        gate.open()
        stream = runtime.accept_stream().begin()
        assert stream.read_response_head() == Head(201)
        for chunk in chunks:
            gate.open()
            assert stream.read_piece() == chunk

        assert stream.read_body() == (b"", {})
        stream.accept_response()
        runtime.expect_next()


def test_streams_and_results_follow_each_other(peer: Peer) -> None:
    def handler(event: Any, context: Any) -> Any:
        return sent(["x"])(event, context) if event.get("requestContext") else event

    with RuntimeLoop(peer, handler) as runtime:
        for number in range(3):
            stream = runtime.stream(request_id=f"s{number}")
            assert stream.line.endswith(f"/s{number}/response HTTP/1.1")
            assert stream.header("lambda-runtime-invocation-id") is None
            stream.read_body()
            stream.accept_response()
            runtime.give({"n": number}, invocation_id=f"a{number}")
            kind, headers, body = runtime.report()
            assert (kind, body) == ("response", b'{"n": %d}' % number)
            assert headers["lambda-runtime-invocation-id"] == f"a{number}"
            assert "lambda-runtime-function-response-mode" not in headers


@pytest.mark.parametrize(
    ("event", "items", "head"),
    [
        (HTTP_EVENT, [], Head(200)),
        (HTTP_EVENT, [Head(302, {"location": "/"}, ["a=1", "b=2"])], None),
        (HTTP_EVENT, [Head(204), "dropped"], None),
        (HTTP_EVENT, [Head(304), "dropped"], None),
        (
            {"requestContext": {"http": {"method": "HEAD"}}},
            [Head(200, {"x": "y"}), "dropped"],
            None,
        ),
    ],
)
def test_an_empty_body_has_its_prelude(
    peer: Peer, event: Any, items: list[Any], head: Head | None
) -> None:
    with RuntimeLoop(peer, sent(items)) as runtime:
        stream = runtime.stream(event)
        assert stream.read_response_head() == (head or items[0])
        assert stream.read_body() == (b"", {})
        stream.accept_response()
        runtime.expect_next()


@pytest.mark.parametrize(
    ("result", "head", "body"),
    [
        (
            {"statusCode": 418, "cookies": ["c=1"], "body": "tea"},
            Head(418, {"content-type": "application/json"}, ["c=1"]),
            b"tea",
        ),
        ({"a": 1}, Head(200, {"content-type": "application/json"}), b'{"a":1}'),
    ],
)
def test_a_plain_result_is_streamed_as_the_response_that_it_means(
    peer: Peer, result: object, head: Head, body: bytes
) -> None:
    with RuntimeLoop(peer, streamify_response(lambda event, context: result)) as runtime:
        stream = runtime.stream()
        assert stream.header("content-type") == INTEGRATION
        assert stream.read_response_head() == head
        assert stream.read_body() == (body, {})
        stream.accept_response()


@pytest.mark.parametrize(
    ("items", "media_type", "body"),
    [
        (["a", "b"], "text/plain; charset=utf-8", b"ab"),
        ([b"a", b"b"], "application/octet-stream", b"ab"),
        ([Head(201, {"Content-Type": "text/csv"}), "a"], "text/csv", b"a"),
        ([Head(headers={"x": "y"}), "a"], "application/octet-stream", b"a"),
        ([], "application/octet-stream", b""),
    ],
)
def test_an_event_that_is_no_http_request_gets_the_body_alone(
    peer: Peer, items: list[Any], media_type: str, body: bytes
) -> None:
    with RuntimeLoop(peer, sent(items)) as runtime:
        stream = runtime.stream({"prompt": "x"})
        assert stream.header("content-type") == media_type
        assert stream.header("lambda-runtime-function-response-mode") == "streaming"
        assert stream.read_body() == (body, {})
        stream.accept_response()


def test_a_head_that_is_yielded_leaves_at_once_without_a_prelude_too(peer: Peer) -> None:
    gate = Gate(1)
    handler = chunks_of("generator", [Head(headers={"content-type": "text/x"}), "a"], gate)
    with RuntimeLoop(peer, handler) as runtime:
        stream = runtime.stream({})
        assert stream.header("content-type") == "text/x"
        gate.open()
        assert stream.read_piece() == b"a"
        stream.read_body()
        stream.accept_response()


@pytest.mark.parametrize("is_wanted", [False, True])
def test_a_plain_result_for_any_other_event_is_returned_as_ever(
    peer: Peer, is_wanted: bool
) -> None:
    event = {"tailrace": {"v": 1, "transport": "response-stream"}} if is_wanted else {}
    with RuntimeLoop(peer, streamify_response(lambda event, context: {"a": 1})) as runtime:
        runtime.give(event)
        assert runtime.accept_stream().ends_with() == b""
        kind, headers, body = runtime.report()
        assert (kind, headers["content-type"], body) == (
            "response",
            "application/json",
            b'{"a": 1}',
        )


@pytest.mark.parametrize("kind", KINDS)
def test_a_reader_that_does_not_read_holds_the_handler(peer: Peer, kind: str) -> None:
    made = 0

    def chunks() -> Iterator[bytes]:
        nonlocal made
        for _ in range(1000):
            made += 1
            yield b"x" * 100_000

    async def generate_async(event: Any, context: Any) -> AsyncIterator[bytes]:
        for chunk in chunks():
            yield chunk

    async def write(event: Any, response: ResponseStream, context: Any) -> None:
        for chunk in chunks():
            await response.write(chunk)

    functions: dict[str, Any] = {
        "generator": lambda event, context: chunks(),
        "async generator": generate_async,
        "writer": write,
    }
    with RuntimeLoop(peer, streamify_response(functions[kind])) as runtime:
        stream = runtime.stream()
        looks: list[tuple[int, int]] = []

        def has_stalled() -> bool:
            looks.append((made, stream.unread_bytes()))
            return len(looks) >= 30 and len(set(looks[-30:])) == 1

        until(has_stalled, "the handler is blocked")
        assert made < 500
        stream.read_response_head()
        body, trailers = stream.read_body()
        assert (len(body), trailers) == (100_000_000, {})
        stream.accept_response()


def test_end_completes_the_response_while_the_handler_works_on(peer: Peer) -> None:
    gate = Gate()

    @streamify_response
    async def handler(event: Any, response: ResponseStream, context: Any) -> None:
        await response.write("x")
        await response.end()
        await gate.wait_async()
        gate.log.append("worked on")

    with RuntimeLoop(peer, handler) as runtime:
        stream = runtime.stream()
        stream.read_response_head()
        assert stream.read_body() == (b"x", {})
        stream.answer(202)
        assert gate.log == []
        gate.open()
        runtime.expect_next()
        assert gate.log == ["worked on"]


# --- failures of the handler ---------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("on_error", ["log", "raise"])
def test_a_failure_before_the_first_byte_is_reported_as_an_error(
    peer: Peer, capfd: pytest.CaptureFixture[str], kind: str, on_error: Any
) -> None:
    """So Lambda sees a failed invocation, and its client gets a 502."""
    handler = chunks_of(kind, [ValueError("böom")], Gate(9))
    handler = streamify_response(handler.__wrapped__, on_error=on_error)  # type: ignore[attr-defined]
    with RuntimeLoop(peer, handler) as runtime:
        runtime.give(invocation_id="a1")
        assert runtime.accept_stream().ends_with() == b""
        kind, headers, body = runtime.report()
        runtime.expect_next()

    assert kind == "error"
    assert headers["lambda-runtime-function-error-type"] == "Function.ValueError"
    assert headers["lambda-runtime-invocation-id"] == "a1"
    error = json.loads(body)
    assert (error["errorType"], error["errorMessage"]) == ("ValueError", "böom")
    assert error["requestId"] == "r1"
    assert capfd.readouterr().out.count("[ERROR] ValueError: böom") == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_failure_after_the_first_byte_is_in_the_trailers(
    peer: Peer, capfd: pytest.CaptureFixture[str], kind: str
) -> None:
    handler = chunks_of(kind, ["x", ValueError("böom")], Gate(9))
    with RuntimeLoop(peer, handler) as runtime:
        stream = runtime.stream()
        stream.read_response_head()
        body, trailers = stream.read_body()
        stream.accept_response()
        runtime.expect_next()  # and nothing was reported besides

    assert body == b"x"
    error_type, error = error_in(trailers)
    assert error_type == "Function.ValueError"
    (frame,) = error.pop("stackTrace")[-1:]
    assert "in item_of\n    raise item" in frame
    assert error == {"errorMessage": "böom", "errorType": "ValueError", "requestId": "r1"}
    assert capfd.readouterr().out.count("[ERROR] ValueError: böom") == 1


@pytest.mark.parametrize("length", [10, 100, 2_000, 100_000])
@pytest.mark.parametrize("depth", [1, 100])
def test_trailers_fit_what_lambda_reads(
    peer: Peer, capfd: pytest.CaptureFixture[str], length: int, depth: int
) -> None:
    """A Go server refuses a longer trailer section, and with it the response."""

    def fail(depth: int) -> None:
        if depth > 0:
            fail(depth - 1)
        raise ValueError("ö" * length)

    def handler(event: Any, context: Any) -> Iterator[str]:
        yield "x"
        fail(depth)

    with RuntimeLoop(peer, streamify_response(handler)) as runtime:
        stream = runtime.stream()
        _, trailers = stream.read_body()
        stream.accept_response()
        runtime.expect_next()

    size = sum(len(name) + len(value) + 4 for name, value in trailers.items()) + 2
    assert size <= TRAILERS_BYTES_MAX
    _, error = error_in(trailers)
    assert error["errorType"] == "ValueError"
    assert ("ö" * length).startswith(error["errorMessage"])
    if length < 1000:
        assert error["errorMessage"] == "ö" * length
    assert "ö" * length in capfd.readouterr().out


def test_a_failure_after_the_end_is_only_logged(
    peer: Peer, capfd: pytest.CaptureFixture[str]
) -> None:
    @streamify_response
    async def handler(event: Any, response: ResponseStream, context: Any) -> None:
        await response.write("x")
        await response.end()
        raise ValueError("late")

    with RuntimeLoop(peer, handler) as runtime:
        stream = runtime.stream()
        stream.read_response_head()
        assert stream.read_body() == (b"x", {})
        stream.accept_response()
        runtime.expect_next()

    assert capfd.readouterr().out.count("[ERROR] ValueError: late") == 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()])
def test_an_exit_breaks_the_stream_visibly(peer: Peer, kind: str, error: BaseException) -> None:
    gate = Gate(1)
    with RuntimeLoop(peer, chunks_of(kind, ["x", error], gate)) as runtime:
        stream = runtime.stream()
        stream.read_response_head()
        assert stream.read_piece() == b"x"
        gate.open()
        assert stream.ends_with() is ConnectionResetError
        with pytest.raises(type(error)):
            runtime.call.result()


def test_an_exit_after_the_end_takes_nothing_from_the_response(peer: Peer) -> None:
    @streamify_response
    async def handler(event: Any, response: ResponseStream, context: Any) -> None:
        await response.write(b"x" * 100_000)
        await response.end()
        raise SystemExit(3)

    with RuntimeLoop(peer, handler) as runtime:
        runtime.give()
        stream = runtime.accept_stream()
        with pytest.raises(SystemExit):
            runtime.call.result()
        stream.begin().read_response_head()
        assert stream.read_body() == (b"x" * 100_000, {})


def test_a_prelude_that_is_too_long_is_an_error_and_no_stream(peer: Peer) -> None:
    with RuntimeLoop(peer, sent([Head(headers={"x": "y" * 20_000})])) as runtime:
        runtime.give()
        assert runtime.accept_stream().ends_with() == b""
        kind, _, body = runtime.report()
        assert (kind, json.loads(body)["errorType"]) == ("error", "PreludeError")


# --- a Runtime API that takes no more ------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("status", [410, 413])
def test_an_attempt_that_is_stale_or_too_large_is_dropped(
    peer: Peer, capfd: pytest.CaptureFixture[str], kind: str, status: int
) -> None:
    """The handler is stopped, as by a client that leaves; and the next event is asked for."""
    gate = Gate(1)
    with RuntimeLoop(peer, chunks_of(kind, ["x"] * 50, gate)) as runtime:
        stream = runtime.stream()
        stream.read_response_head()
        assert stream.read_piece() == b"x"
        stream.answer(status, b'{"errorType":"InvokeTimeout"}')
        for _ in range(9):
            gate.open()
        runtime.expect_next()

    assert gate.log == ["finally"]
    assert "[ERROR]" not in capfd.readouterr().out


def test_an_early_answer_cancels_a_handler_that_waits(peer: Peer) -> None:
    log: list[str] = []

    @streamify_response
    async def handler(event: Any, response: ResponseStream, context: Any) -> None:
        await response.write("x")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            log.append("cancelled")
            raise

    with RuntimeLoop(peer, handler) as runtime:
        stream = runtime.stream()
        stream.read_response_head()
        stream.answer(410)
        runtime.expect_next()

    assert log == ["cancelled"]


@pytest.mark.parametrize("status", [400, 403, 500, 302])
def test_any_other_refusal_ends_the_runtime(peer: Peer, status: int) -> None:
    gate = Gate(1)
    with RuntimeLoop(peer, chunks_of("generator", ["x"] * 50, gate)) as runtime:
        stream = runtime.stream()
        stream.read_response_head()
        stream.answer(status, b"because")
        for _ in range(50):
            gate.open()
        with pytest.raises(RuntimeApiError, match=f"/r1/response with {status}: .*because"):
            runtime.call.result()

    assert gate.log == ["finally"]


def test_a_refusal_after_the_end_ends_the_runtime(peer: Peer) -> None:
    with RuntimeLoop(peer, sent(["x"])) as runtime:
        stream = runtime.stream()
        stream.read_body()
        stream.answer(403, b"because")
        with pytest.raises(RuntimeApiError, match="/r1/response with 403: because"):
            runtime.call.result()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", ["reset", "close"])
def test_a_broken_connection_stops_the_handler_and_the_runtime(
    peer: Peer, kind: str, how: str
) -> None:
    """To go on would be to get the same event again, and to run it a second time."""
    gate = Gate(1)
    with RuntimeLoop(peer, chunks_of(kind, ["x"] * 50, gate)) as runtime:
        stream = runtime.stream()
        stream.read_response_head()
        stream.read_piece()
        getattr(stream, how)()
        for _ in range(50):
            gate.open()
        with pytest.raises(PeerError):
            runtime.call.result()

    assert gate.log == ["finally"]


def test_a_connection_that_is_lost_before_the_first_byte_is_an_error_and_no_empty_result(
    peer: Peer,
) -> None:
    started = threading.Event()

    @streamify_response
    async def handler(event: Any, response: ResponseStream, context: Any) -> None:
        started.set()
        await asyncio.Event().wait()

    with RuntimeLoop(peer, handler) as runtime:
        runtime.give()
        stream = runtime.accept_stream()
        assert started.wait(10)
        stream.close()
        kind, _, body = runtime.report()

    assert (kind, json.loads(body)["errorType"]) == ("error", "ClientDisconnected")


def test_a_missing_answer_ends_the_runtime(peer: Peer) -> None:
    with RuntimeLoop(peer, sent(["x"])) as runtime:
        stream = runtime.stream()
        stream.read_body()
        stream.close()
        with pytest.raises(PeerError, match="without an answer"):
            runtime.call.result()


def test_a_failure_that_follows_a_stale_attempt_is_logged(
    peer: Peer, capfd: pytest.CaptureFixture[str]
) -> None:
    @streamify_response
    async def handler(event: Any, response: ResponseStream, context: Any) -> None:
        try:
            while True:
                await response.write("x")
                await asyncio.sleep(0)
        except ClientDisconnected:
            raise ValueError("in the clean-up") from None

    with RuntimeLoop(peer, handler) as runtime:
        stream = runtime.stream()
        stream.read_response_head()
        stream.answer(410)
        runtime.expect_next()

    assert capfd.readouterr().out.count("[ERROR] ValueError: in the clean-up") == 1


# --- which way -----------------------------------------------------------------------------------


def test_an_event_with_a_callback_is_called_back(peer: Peer, monkeypatch: Any) -> None:
    monkeypatch.setenv("TAILRACE_RESPONSE_MODE", "stream")
    with Peer() as gateway, RuntimeLoop(peer, sent(["x"])) as runtime:
        runtime.give(gateway.event())
        callback: Callback = gateway.accept_callback()
        assert callback.serve()[1] == b"x"
        assert runtime.report()[2] == b"null"


def test_the_mode_buffer_returns_the_response(peer: Peer, monkeypatch: Any) -> None:
    monkeypatch.setenv("TAILRACE_RESPONSE_MODE", "buffer")
    with RuntimeLoop(peer, sent(["x"])) as runtime:
        runtime.give()
        kind, _, body = runtime.report()

    assert kind == "response"
    assert json.loads(body)["body"] == "x"


@pytest.mark.parametrize("mode", ["buffer", "stream", ""])
def test_a_gateway_that_reads_the_stream_gets_one_whatever_the_mode(
    peer: Peer, monkeypatch: Any, mode: str
) -> None:
    monkeypatch.setenv("TAILRACE_RESPONSE_MODE", mode)
    event = {**HTTP_EVENT, "tailrace": {"v": 1, "transport": "response-stream"}}
    with RuntimeLoop(peer, sent(["x"])) as runtime:
        stream = runtime.stream(event)
        stream.read_response_head()
        assert stream.read_body() == (b"x", {})
        stream.accept_response()


@pytest.mark.parametrize("transport", [None, "response-stream"])
@pytest.mark.parametrize("context", [None, MagicMock(), object()])
def test_a_runtime_that_cannot_stream_gets_the_response_returned(
    transport: str | None, context: Any
) -> None:
    """Also when the context is a mock, which has every attribute that it is asked for."""
    event = {**HTTP_EVENT, "tailrace": {"v": 1, "transport": transport}}

    assert sent(["x"])(event, context)["body"] == "x"


def test_an_unknown_mode_is_an_error_when_the_handler_is_declared(monkeypatch: Any) -> None:
    monkeypatch.setenv("TAILRACE_RESPONSE_MODE", "streaming")

    with pytest.raises(Exception, match='TAILRACE_RESPONSE_MODE is "stream" or "buffer", not'):
        sent(["x"])


def test_one_response_is_all_that_an_invocation_has(peer: Peer) -> None:
    inner = sent(["x"])

    @streamify_response
    def outer(event: Any, context: Any) -> Iterator[Any]:
        inner(event, context)
        yield "y"

    with RuntimeLoop(peer, outer) as runtime:
        runtime.give()
        runtime.accept_stream()
        kind, _, body = runtime.report()

    assert kind == "error"
    assert "streamed already" in json.loads(body)["errorMessage"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("has_copy", [False, True])
def test_a_handler_may_hand_its_event_on_to_another(peer: Peer, kind: str, has_copy: bool) -> None:
    """As routers do, which mode `stream` makes streamed handlers of."""
    inner = chunks_of(kind, ["x", "y"], Gate(2))

    @streamify_response
    def outer(event: Any, context: Any) -> Any:
        return inner({**event, "rawPath": "/rest"} if has_copy else event, context)

    with RuntimeLoop(peer, outer) as runtime:
        stream = runtime.stream()
        stream.read_response_head()
        assert stream.read_body() == (b"xy", {})
        stream.accept_response()


def test_an_async_handler_may_hand_its_event_on_to_a_sync_one(peer: Peer) -> None:
    inner = sent(["x"])

    @streamify_response
    async def outer(event: Any, context: Any) -> Any:
        return inner(event, context)

    with RuntimeLoop(peer, outer) as runtime:
        stream = runtime.stream()
        stream.read_response_head()
        assert stream.read_body() == (b"x", {})
        stream.accept_response()


def test_another_that_fails_fails_the_response(peer: Peer) -> None:
    inner = sent(["x", ValueError("inner")])

    @streamify_response
    def outer(event: Any, context: Any) -> Any:
        return inner(event, context)

    with RuntimeLoop(peer, outer) as runtime:
        stream = runtime.stream()
        stream.read_response_head()
        body, trailers = stream.read_body()
        stream.accept_response()

    assert body == b"x"
    assert error_in(trailers)[1]["errorMessage"] == "inner"


@pytest.mark.parametrize("is_streamified", [False, True])
@pytest.mark.parametrize("event", [HTTP_EVENT, {}])
def test_a_failure_that_a_caller_catches_fails_the_response_all_the_same(
    peer: Peer, is_streamified: bool, event: Any
) -> None:
    """As decorators do that turn exceptions into results: the head has gone out already."""
    inner = sent(["x", ValueError("inner")])

    def outer(event: Any, context: Any) -> Any:
        try:
            return inner(event, context)
        except ValueError:
            return {"statusCode": 500}

    with RuntimeLoop(peer, streamify_response(outer) if is_streamified else outer) as runtime:
        stream = runtime.stream(event)
        if event:
            stream.read_response_head()
        body, trailers = stream.read_body()
        stream.accept_response()

    assert body == b"x"
    expected = (
        "a result cannot follow a response that has broken off" if is_streamified else "inner"
    )
    assert error_in(trailers)[1]["errorMessage"] == expected


def test_a_failure_that_a_caller_catches_breaks_the_callback_all_the_same(peer: Peer) -> None:
    inner = sent(["x", ValueError("inner")])

    @streamify_response
    def outer(event: Any, context: Any) -> Any:
        try:
            return inner(event, context)
        except ValueError:
            return {"statusCode": 500}

    with Peer() as gateway, RuntimeLoop(peer, outer) as runtime:
        runtime.give(gateway.event())
        callback: Callback = gateway.accept_callback()
        callback.go_on()
        assert callback.ends_with() is ConnectionResetError
        assert runtime.report()[2] == b"null"


def test_a_handler_that_hands_on_has_one_callback(peer: Peer) -> None:
    inner = sent(["x"])

    @streamify_response
    def outer(event: Any, context: Any) -> Any:
        return inner(event, context)

    with Peer() as gateway, RuntimeLoop(peer, outer) as runtime:
        runtime.give(gateway.event())
        callback: Callback = gateway.accept_callback()
        assert callback.serve()[1] == b"x"
        assert runtime.report()[2] == b"null"


@pytest.mark.parametrize(
    ("several", "lost"),
    [
        ({"X-A": ["1"], "Set-Cookie": ["a=1", "b=2"]}, "X-A"),
        ({"x-b": ["1", "2"], "\n": ["x"]}, r"x-b, \n"),
        ({"Set-Cookie": ["a=1"], "x-b": ["1"]}, None),
        (None, None),
    ],
)
def test_what_a_result_has_in_multi_value_headers_alone_is_worth_a_warning(
    peer: Peer, caplog: pytest.LogCaptureFixture, several: object, lost: str | None
) -> None:
    @streamify_response
    def handler(event: Any, context: Any) -> dict[str, Any]:
        return {
            "statusCode": 200,
            "headers": {"x-b": "1"},
            "multiValueHeaders": several,
            "cookies": ["a=1", "b=2"],
            "body": "x",
        }

    with caplog.at_level(logging.WARNING), RuntimeLoop(peer, handler) as runtime:
        stream = runtime.stream()
        stream.read_body()
        stream.accept_response()
        runtime.expect_next()

    start = "the result's multiValueHeaders are not read, and these are lost: "
    if lost is None:
        assert caplog.messages == []
    else:
        (message,) = caplog.messages
        assert message.startswith(f"{start}{lost}. Give each Set-Cookie in cookies")


@pytest.mark.parametrize("is_streamified", [False, True])
def test_a_result_beside_a_stream_is_worth_a_warning(
    peer: Peer, caplog: pytest.LogCaptureFixture, is_streamified: bool
) -> None:
    inner = sent(["x"])

    def handler(event: Any, context: Any) -> str:
        inner(event, context)
        return "lost"

    outer = streamify_response(handler) if is_streamified else handler
    with caplog.at_level(logging.WARNING), RuntimeLoop(peer, outer) as runtime:
        stream = runtime.stream()
        stream.read_body()
        stream.accept_response()
        runtime.expect_next()

    assert caplog.messages == ["the handler's result is not sent: its response was streamed"]


def test_nothing_is_left_open(peer: Peer) -> None:
    with RuntimeLoop(peer, sent(["x"])) as runtime:
        counts = []
        for _ in range(5):
            stream: StreamPost = runtime.stream()
            stream.read_body()
            stream.accept_response()
            runtime.expect_next()
            stream.close()
            counts.append(len(os.listdir("/proc/self/fd")))

    assert len(set(counts)) == 1


def test_a_runtime_api_that_is_gone_runs_no_handler(peer: Peer) -> None:
    ran: list[bool] = []

    @streamify_response
    def handler(event: Any, context: Any) -> Iterator[str]:
        ran.append(True)
        yield "x"

    with RuntimeLoop(peer, handler) as runtime:
        runtime.expect_next()
        peer.socket.shutdown(socket.SHUT_RDWR)
        peer.socket.close()
        runtime.give()
        kind, _, body = runtime.report()

    assert (kind, json.loads(body)["errorType"]) == ("error", "PeerError")
    assert ran == []
