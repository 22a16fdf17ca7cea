"""Response streams: what a client gets of them, whatever Lambda does."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import socket
from typing import Any

import pytest
from tests.fakes import encode_head, is_writable, refuse, settle, soon, until
from tests.gateway.stream_world import REQUEST_ID, ROUTE, hold, outcome_of, pair, streamed
from tests.gateway.world import FixedRoute, World

from tailrace import limits
from tailrace.gateway.aws.endpoint import AwsEndpoint
from tailrace.gateway.transports.choice import Transports
from tailrace.gateway.transports.response_stream import StreamTransport
from tailrace.wire.event_stream import encode_chunk, encode_complete, encode_message

HEAD = encode_head(201, {"content-type": "text/plain"}, ["a=1"])
CHUNKS = (HEAD[:20], HEAD[20:] + b"one", b"", b"two")
WIRE = b"".join(map(encode_chunk, CHUNKS)) + encode_complete()
BODY = b"onetwo"
SECRET = "the password is swordfish"


# --- what is relayed -----------------------------------------------------------------------------


@streamed(
    FixedRoute(function="arn:aws:lambda:eu-west-1:1:function:f:live", transport=ROUTE.transport)
)
async def test_the_event_has_no_callback(world: World) -> None:
    client, stream = await hold(world, "POST", "/a?b=1", body=b"hello")
    event = stream.event

    assert stream.invocation.path == (
        "/2021-11-15/functions/arn%3Aaws%3Alambda%3Aeu-west-1%3A1%3Afunction%3Af%3Alive"
        "/response-streaming-invocations"
    )
    assert stream.invocation.headers["authorization"].startswith("AWS4-HMAC-SHA256 ")
    assert event["tailrace"] == {"v": 1, "transport": "response-stream", "frames": 1}
    assert not {"origin", "url", "requestId"} & event.keys()
    assert (event["rawPath"], event["rawQueryString"]) == ("/a", "b=1")
    assert event["requestContext"]["http"]["method"] == "POST"
    stream.begin()
    stream.chunk(encode_head(204))
    assert (await client.read_head()).status == 204
    stream.finish()


@streamed()
async def test_a_stream_is_relayed_as_it_comes(world: World) -> None:
    client, stream = await pair(world)

    stream.chunk(HEAD)
    head = await client.read_head()
    assert (head.status, head.get("content-type"), head.all("set-cookie")) == (
        201,
        "text/plain",
        ["a=1"],
    )
    for chunk in (b"one", b"two"):
        stream.chunk(chunk)
        assert await client.read_chunk() == chunk
    assert await client.is_silent()
    stream.finish()
    assert await client.read_chunk() == b""

    await world.assert_settled()
    (line,) = world.summaries()
    assert f" request_id={REQUEST_ID.decode()} client=127.0.0.1 " in line
    assert re.search(
        r" function=stream transport=response-stream status=201 outcome=complete bytes=6 ", line
    )


@streamed()
async def test_what_one_read_brings_leaves_in_one_write(world: World) -> None:
    client, stream = await pair(world)

    stream.chunk(HEAD, b"one", b"", b"two")
    await client.read_head()
    assert await client.read_chunk() == b"onetwo"
    stream.chunk(b"x", b"y", b"z")
    assert await client.read_chunk() == b"xyz"
    stream.finish()
    assert await client.read_chunk() == b""


@streamed()
async def test_a_whole_answer_leaves_in_one_piece(world: World) -> None:
    client, stream = await hold(world)

    stream.connection.cork()
    stream.begin()
    stream.send(WIRE)
    stream.end()

    data = await client.read_some()
    assert data.startswith(b"HTTP/1.1 201 Created\r\n")
    assert data.endswith(b"\r\n6\r\nonetwo\r\n0\r\n\r\n")


@streamed()
async def test_a_stream_may_be_split_at_any_byte(world: World) -> None:
    for at in range(1, len(WIRE)):
        client, stream = await pair(world)
        stream.send(WIRE[:at])
        await until(lambda sent=stream: sent.connection.unsent_bytes == 0)
        stream.send(WIRE[at:])
        stream.end()
        assert await outcome_of(client) == (201, BODY, True)
        client.close()


@streamed()
async def test_a_stream_may_come_byte_by_byte(world: World) -> None:
    client, stream = await pair(world)

    for at in range(len(WIRE)):
        stream.send(WIRE[at : at + 1])
        await until(lambda: stream.connection.unsent_bytes == 0)
    stream.end()

    assert await outcome_of(client) == (201, BODY, True)


@streamed()
async def test_a_body_of_any_bytes_comes_through(world: World) -> None:
    data = bytes(range(256)) * 8_000
    client, stream = await pair(world)

    stream.chunk(HEAD + data[:5])
    for at in range(5, len(data), 100_000):
        stream.chunk(data[at : at + 100_000])
    stream.finish()

    assert await outcome_of(client) == (201, data, True)


@streamed()
async def test_a_response_without_a_body_ends_with_its_head(world: World) -> None:
    for method, status in (("HEAD", 200), ("GET", 204), ("GET", 304)):
        client, stream = await pair(world, method)
        stream.chunk(encode_head(status) + b"nobody reads this")
        head = await client.read_head()
        assert head.status == status
        stream.chunk(b"nor this")
        stream.finish()
        await world.assert_settled()
        assert await client.is_silent()
    assert world.outcomes() == ["complete"] * 3


@streamed()
async def test_a_content_length_holds_to_the_byte(world: World) -> None:
    for body, is_complete in ((b"hello", True), (b"hell", False), (b"hello!", False)):
        client, stream = await pair(world)
        stream.chunk(encode_head(200, {"content-length": "5"}), body)
        stream.finish()
        status, received, was_complete = await outcome_of(client)
        assert (status, was_complete) == (200, is_complete)
        assert b"hello".startswith(received)
    await world.assert_settled()
    assert world.outcomes() == ["complete", "malformed", "malformed"]


@streamed()
async def test_a_kept_connection_that_closes_is_not_used_for_a_stream(world: World) -> None:
    """A stream that breaks there would not be opened again."""
    client, stream = await pair(world)
    stream.chunk(encode_head())
    stream.finish()
    await client.read_response()
    transports = world.gateway._transports.response_stream
    assert transports is not None
    pool = transports._streams
    await until(lambda: pool.kept_count == 1)

    def route(host: str, path: str) -> FixedRoute:
        """Called in the turn of the loop in which the event is sent."""
        (kept,) = pool._idle
        kept.abort()
        assert pool.kept_count == 1
        return ROUTE

    world.gateway.route_by(route)
    client, stream = await pair(world)

    stream.chunk(HEAD, BODY)
    stream.finish()
    assert await outcome_of(client) == (201, BODY, True)
    assert len(world.endpoint.connections) == 2


@streamed()
async def test_connections_to_lambda_are_used_again(world: World) -> None:
    for _ in range(3):
        client, stream = await pair(world)
        stream.send(WIRE)
        stream.end()
        assert (await outcome_of(client))[0] == 201
        await until(lambda: world.gateway.statistics()["streams"] == 0)

    assert len(world.endpoint.connections) == 1


# --- streams without a prelude -------------------------------------------------------------------


@streamed()
async def test_a_stream_without_a_prelude_is_relayed_at_once(world: World) -> None:
    client, stream = await pair(world)

    stream.chunk(b"h")
    head = await client.read_head()
    assert (head.status, head.get("content-type")) == (200, "application/octet-stream")
    assert await client.read_chunk() == b"h"
    stream.finish()
    assert await client.read_chunk() == b""


@streamed()
async def test_a_buffered_result_is_what_it_means_and_one_warning(world: World) -> None:
    """A function that does not stream; the warning says what to change."""
    envelope = {"statusCode": 404, "headers": {"x-a": "1"}, "cookies": ["a=1"], "body": "Z29uZQ=="}
    data = json.dumps(envelope | {"isBase64Encoded": True}).encode()

    for _ in range(3):
        client, stream = await pair(world)
        stream.chunk(data[:30], data[30:])
        assert await client.is_silent()
        stream.finish()
        head = await client.read_head()
        assert (head.status, head.get("x-a"), head.get("set-cookie")) == (404, "1", "a=1")
        assert await client.read_body(head) == b"gone"

    assert world.log.text().count("buffered=1: no stream but a whole result") == 1
    assert "TAILRACE_RESPONSE_MODE=stream" in world.log.text()


@streamed()
async def test_an_empty_stream_is_a_502(world: World) -> None:
    """As Lambda's Function URLs say it; it may have been meant as a redirect."""
    client, stream = await pair(world)

    stream.finish()

    status, body, is_complete = await outcome_of(client)
    assert (status, is_complete) == (502, True)
    assert "the stream is empty" in json.loads(body)["detail"]
    assert world.outcomes() == ["malformed"]


@streamed()
async def test_a_malformed_prelude_is_a_502(world: World) -> None:
    for prelude in (b'{"statusCode":99}' + bytes(8), b"{rubbish}" + bytes(8), b'{"a":\0"b"}'):
        client, stream = await pair(world)
        stream.chunk(prelude)
        status, body, is_complete = await outcome_of(client)
        assert (status, is_complete) == (502, True)
        assert json.loads(body)["detail"].startswith("the function's response is malformed: ")
        await stream.wait_gone()
    assert world.outcomes() == ["malformed"] * 3


# --- streams that break --------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["break_off", "reset", "end"])
@streamed()
async def test_a_stream_that_is_cut_anywhere_is_never_complete(world: World, how: str) -> None:
    """Also one that ends cleanly, as HTTP has it, without Lambda's last message."""
    has_begun = False
    for cut in range(len(WIRE)):
        client, stream = await pair(world)
        stream.send(WIRE[:cut])
        if how == "reset":
            # What is on its way would be lost with it, which tests nothing new.
            await until(lambda sent=stream: sent.connection.unsent_bytes == 0)
        getattr(stream, how)()
        status, body, is_complete = await outcome_of(client)
        if status == 502:
            assert is_complete
            assert not has_begun or how == "reset"
        else:
            has_begun = True
            assert (status, is_complete) == (201, False)
            assert BODY.startswith(body)
        client.close()

    await world.assert_settled()
    assert set(world.outcomes()) == {"stream-broken"}


@streamed()
async def test_a_flipped_bit_anywhere_is_never_relayed(world: World) -> None:
    for at in range(len(WIRE)):
        client, stream = await pair(world)
        stream.send(WIRE[:at] + bytes((WIRE[at] ^ (1 << at % 8),)) + WIRE[at + 1 :])
        status, body, is_complete = await outcome_of(client)
        if status == 502:
            assert is_complete
            assert b"malformed" in body
        else:
            assert (status, is_complete) == (201, False)
            assert BODY.startswith(body)
        await stream.wait_gone()
        client.close()

    await world.assert_settled()
    assert set(world.outcomes()) == {"malformed"}


@streamed()
async def test_a_message_that_is_too_long_is_refused_at_its_first_bytes(world: World) -> None:
    """Its checksum would come last, so all of it would have to be held."""
    longest = limits.STREAM_FRAME_BYTES_MAX
    client, stream = await pair(world)
    data = b"x" * longest
    stream.chunk(data)
    stream.finish()
    assert await outcome_of(client) == (200, data, True)

    client, stream = await pair(world)
    stream.send(encode_chunk(data + b"x")[:12])
    status, body, _ = await outcome_of(client)
    assert status == 502
    assert f"over the limit of {longest}" in json.loads(body)["detail"]
    await stream.wait_gone()


@streamed()
async def test_an_answer_that_is_no_event_stream_is_a_502(world: World) -> None:
    client, stream = await pair(world)

    stream.send(b"<html>Welcome to another server</html>")

    assert (await outcome_of(client))[0] == 502
    await stream.wait_gone()


@streamed()
async def test_a_last_message_that_cannot_be_read_is_no_end(world: World) -> None:
    headers = {":message-type": "event", ":event-type": "InvokeComplete"}
    for payload in (b"{", b"[]", b"1", b"\xff"):
        client, stream = await pair(world)
        stream.chunk(HEAD, b"one")
        stream.send(encode_message(headers, payload))
        assert await outcome_of(client) == (201, b"one", False)
    await world.assert_settled()
    assert world.outcomes() == ["malformed"] * 4


@streamed()
async def test_a_last_message_without_a_payload_is_an_end(world: World) -> None:
    client, stream = await pair(world)
    stream.chunk(HEAD, b"one")
    stream.send(encode_message({":message-type": "event", ":event-type": "InvokeComplete"}, b""))
    stream.end()

    assert await outcome_of(client) == (201, b"one", True)


@streamed()
async def test_events_that_nobody_knows_are_passed_over(world: World) -> None:
    client, stream = await pair(world)
    stream.send(encode_message({":message-type": "event", ":event-type": "News"}, b"x"))
    stream.chunk(HEAD, b"one")
    stream.finish()

    assert await outcome_of(client) == (201, b"one", True)


@streamed()
async def test_what_follows_the_last_message_does_not_count(world: World) -> None:
    more = encode_chunk(b"more")
    client, stream = await pair(world)
    stream.chunk(HEAD, b"one")
    stream.send(encode_complete() + more)
    assert await outcome_of(client) == (201, b"one", True)
    stream.send(more)
    await stream.wait_gone()

    client, stream = await pair(world)
    stream.chunk(HEAD, b"one")
    stream.send(encode_complete() + encode_complete("Unhandled", "{}") + b"rubbish"[:3])
    assert await outcome_of(client) == (201, b"one", True)
    stream.end()
    assert world.outcomes() == ["complete"] * 2


# --- functions that fail -------------------------------------------------------------------------


def details(message: str = SECRET) -> str:
    """What Lambda says of a Python function that has raised."""
    return json.dumps({"errorMessage": message, "errorType": "ValueError", "stackTrace": []})


@streamed()
async def test_a_function_that_fails_before_its_head_is_a_502(world: World) -> None:
    for before in ((), (HEAD[:20],)):
        client, stream = await pair(world)
        stream.chunk(*before)
        stream.complete("Unhandled", details())
        stream.end()
        status, body, is_complete = await outcome_of(client)
        assert (status, is_complete) == (502, True)
        assert json.loads(body)["detail"] == "the function failed"
        assert SECRET.encode() not in body
        await until(lambda: world.gateway.statistics()["streams"] == 0)

    assert world.log.text().count(SECRET) == 2
    assert world.outcomes() == ["function-failed"] * 2
    assert len(world.endpoint.connections) == 1  # the connection is none the worse for it


@streamed()
async def test_a_function_that_fails_after_its_head_breaks_the_response(world: World) -> None:
    client, stream = await pair(world)
    stream.chunk(HEAD, b"one")
    await client.read_head()
    assert await client.read_chunk() == b"one"

    stream.chunk(b"two")
    stream.complete("Unhandled", details())
    stream.end()

    rest, how = await client.read_to_end()
    assert (rest, how) == (b"3\r\ntwo\r\n", "end")
    assert f"function=stream failed: 'Unhandled: {details()}'" in world.log.text()
    await world.assert_settled()
    assert world.outcomes() == ["function-failed"]


@streamed()
async def test_a_failure_with_the_last_bytes_breaks_the_response_behind_them(world: World) -> None:
    client, stream = await hold(world)
    stream.connection.cork()
    stream.begin()
    stream.chunk(HEAD, b"onetwo")
    stream.complete("Unhandled", details())
    stream.end()

    assert await outcome_of(client) == (201, b"onetwo", False)


@streamed()
async def test_a_failure_is_visible_to_an_http_1_0_client(world: World) -> None:
    client, stream = await pair(world, version="1.0")
    stream.chunk(HEAD, b"one")
    assert (await client.read_head()).status == 201
    assert await client.read_exactly(3) == b"one"

    stream.complete("Unhandled", details())
    stream.end()

    assert await client.read_to_end() == (b"", "reset")


@streamed()
async def test_a_failure_after_a_response_that_has_none_is_only_logged(world: World) -> None:
    client, stream = await pair(world)
    stream.chunk(encode_head(204))
    assert (await client.read_head()).status == 204

    stream.complete("Unhandled", details())
    stream.end()

    await world.assert_settled()
    assert world.outcomes() == ["complete"]
    assert SECRET in world.log.text()


@streamed()
async def test_the_text_of_a_failure_is_escaped_shortened_and_redacted(world: World) -> None:
    url = "http://10.0.0.1/8f5b6a0e-5d0e-4f1c-9a53-0e3a2b6f1c11/" + "9d2c4b7a" * 4
    world.secrets.add("9d2c4b7a" * 4)
    client, stream = await pair(world)

    stream.complete("Unhandled", f"\x1b[31m\nforged line {url} " + "x" * 100_000)
    stream.end()

    assert (await outcome_of(client))[0] == 502
    (line,) = world.log.named("tailrace.gateway.transports.response_stream")
    assert "\\x1b[31m\\nforged line http://10.0.0.1/8f5b" in line
    assert len(line) < 1_200


@pytest.mark.parametrize("error", [("Unhandled",), ("", "x")])
@streamed()
async def test_half_an_error_is_one(world: World, error: tuple[str, ...]) -> None:
    client, stream = await pair(world)
    stream.chunk(HEAD)
    stream.complete(*error)
    stream.end()

    assert (await outcome_of(client))[2] is False
    await world.assert_settled()
    assert world.outcomes() == ["function-failed"]


@pytest.mark.parametrize(
    "headers",
    [
        {":message-type": "error", ":error-code": "InternalFailure", ":error-message": SECRET},
        {":message-type": "exception", ":exception-type": "ServiceException"},
        {":message-type": "exception"},
        {},
    ],
    ids=["error", "exception", "nameless exception", "nothing known"],
)
@streamed()
async def test_an_error_of_lambda_within_the_stream_breaks_it(
    world: World, headers: dict[str, str]
) -> None:
    message = encode_message(headers, json.dumps({"message": SECRET}).encode())

    client, stream = await pair(world)
    stream.send(message)
    status, body, is_complete = await outcome_of(client)
    assert (status, is_complete) == (502, True)
    assert SECRET.encode() not in body

    client, stream = await pair(world)
    stream.chunk(HEAD, b"one")
    stream.send(message + encode_complete())
    assert await outcome_of(client) == (201, b"one", False)

    assert world.log.text().count("broken off by Lambda") == 2
    assert world.log.text().count(SECRET) == 2
    assert world.outcomes() == ["stream-broken"] * 2


# --- invocations that Lambda does not take -------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "name", "expected"),
    [
        (429, "TooManyRequestsException", 503),
        (413, "RequestTooLargeException", 413),
        (404, "ResourceNotFoundException", 502),
        (403, "AccessDeniedException", 502),
        (400, "InvalidRequestContentException", 502),
        (500, "ServiceException", 502),
        (502, "EC2AccessDeniedException", 502),
        (503, None, 502),
        (204, None, 502),
        (202, None, 502),
        (301, None, 502),
    ],
)
@streamed()
async def test_a_refusal_is_a_clear_answer(
    world: World, status: int, name: str | None, expected: int
) -> None:
    headers = [("retry-after", "7")] if status == 429 else []
    world.endpoint.answer = refuse(status, name, SECRET, headers)
    client = await world.client()
    await client.request()

    response = await client.read_response()

    assert response.status == expected
    assert response.get("retry-after") == ("7" if status == 429 else None)
    assert SECRET.encode() not in response.body
    await world.assert_settled()
    assert world.outcomes() == ["invoke-refused"]
    assert len(world.endpoint.invocations) == 1


@streamed()
async def test_a_refusal_without_end_is_cut(world: World) -> None:
    client, stream = await hold(world)
    stream.connection.start(429)
    stream.send(b"x" * (limits.POOL_ANSWER_BYTES_MAX + 1))

    assert (await outcome_of(client))[0] == 503
    await stream.wait_gone()


@pytest.mark.parametrize("how", ["break_off", "reset"])
@streamed()
async def test_a_connection_that_breaks_before_the_answer_is_a_502(world: World, how: str) -> None:
    """The function may have run: it is not invoked again."""
    client, stream = await pair(world)
    stream.send(WIRE)
    stream.end()
    await outcome_of(client)
    await until(lambda: world.gateway.statistics()["streams"] == 0)
    client, stream = await hold(world)  # on the connection that was kept

    getattr(stream, how)()

    assert (await outcome_of(client))[0] == 502
    await world.assert_settled()
    assert (len(world.endpoint.invocations), len(world.endpoint.connections)) == (2, 1)
    assert world.outcomes() == ["complete", "invoke-refused"]


@streamed(endpoint_url="http://127.0.0.1:1")
async def test_an_endpoint_that_is_down_is_a_502(world: World) -> None:
    client = await world.client()
    await client.request()

    assert (await outcome_of(client))[0] == 502


@streamed()
async def test_an_endpoint_that_does_not_answer_is_a_504(world: World) -> None:
    """It takes the connection, and says nothing to the beginning of TLS."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}"
        endpoint = AwsEndpoint(url, "us-east-1", is_loopback=True)
        invoker = StreamTransport(endpoint, connect_timeout_s=10.0, clock=world.clock)
        await invoker.start()
        world.gateway._front.transports = Transports(response_stream=invoker)
        client = await world.client()
        await client.request()
        await until(lambda: invoker._streams._entering)

        world.clock.advance(11.0)

        assert (await outcome_of(client))[0] == 504
        await invoker.close()


# --- requests ------------------------------------------------------------------------------------


@streamed()
async def test_a_large_body_reaches_the_function(world: World) -> None:
    body = bytes(range(256)) * (limits.STREAM_REQUEST_BODY_BYTES_MAX // 256)
    client, stream = await hold(world, "POST", body=body)

    assert base64.b64decode(stream.event["body"]) == body
    assert len(stream.invocation.payload) <= limits.SYNC_INVOKE_BYTES_MAX
    stream.begin()
    stream.send(WIRE)
    stream.end()
    assert await outcome_of(client) == (201, BODY, True)


@streamed()
async def test_a_body_over_the_limit_is_413_before_it_is_sent(world: World) -> None:
    limit = limits.STREAM_REQUEST_BODY_BYTES_MAX
    client = await world.client()
    await client.request("POST", headers=[("content-length", str(limit + 1))])

    status, body, _ = await outcome_of(client)

    assert status == 413
    assert str(limit) in json.loads(body)["detail"]
    assert not world.endpoint.invocations


@streamed()
async def test_text_that_makes_too_large_an_event_is_413(world: World) -> None:
    client = await world.client()
    body = b'"' * 4_000_000  # two bytes each in JSON
    await client.request("POST", headers=[("content-type", "text/plain")], body=body)

    status, answer, _ = await outcome_of(client)

    assert status == 413
    assert str(limits.SYNC_INVOKE_BYTES_MAX) in json.loads(answer)["detail"]
    assert not world.endpoint.invocations


@streamed(FixedRoute(transport="response-stream", concurrency=1))
async def test_a_route_at_its_limit_answers_503(world: World) -> None:
    first, stream = await pair(world)
    second = await world.client()
    await second.request()

    assert (await outcome_of(second))[0] == 503
    stream.send(WIRE)
    stream.end()
    assert (await outcome_of(first))[2]


# --- deadlines, slow clients, clients that leave -------------------------------------------------


@pytest.mark.parametrize("begins", [False, True])
@streamed(first_byte_s=10.0)
async def test_a_stream_without_a_head_is_504_and_cut(world: World, begins: bool) -> None:
    client, stream = await hold(world)
    if begins:
        stream.begin()
        stream.chunk(HEAD[:10])
    await until(lambda: world.gateway._registry._held, "the exchange")

    world.clock.advance(11.0)

    assert (await outcome_of(client))[0] == 504
    await stream.wait_gone()
    assert world.outcomes() == ["first-byte-deadline"]


@streamed(idle_s=10.0)
async def test_a_stream_that_falls_silent_meets_the_idle_deadline(world: World) -> None:
    client, stream = await pair(world)
    stream.chunk(HEAD, b"one")
    await world.relayed(3)

    world.clock.advance(11.0)

    assert await outcome_of(client) == (201, b"one", False)
    await stream.wait_gone()
    assert world.outcomes() == ["idle-deadline"]


@streamed(total_s=10.0)
async def test_a_stream_that_never_ends_meets_the_total_deadline(world: World) -> None:
    client, stream = await pair(world)
    stream.chunk(HEAD)
    for count in range(1, 11):
        stream.chunk(b"on and on")
        await world.relayed(count * len(b"on and on"))
        assert world.outcomes() == []
        world.clock.advance(1.0)
    await stream.wait_gone()

    assert (await outcome_of(client))[2] is False
    assert world.outcomes() == ["total-deadline"]


async def pour(world: World, stream: Any, piece: bytes, count_max: int) -> int:
    """Send until Lambda itself is held back; return how many pieces were sent."""
    for count in range(count_max):
        stream.chunk(piece)
        await until(lambda: not stream.connection.unsent_bytes or is_held_back(world, stream))
        if stream.connection.unsent_bytes:
            return count + 1
        assert world.held_bytes() <= limits.STREAM_BUFFER_BYTES_MAX + len(piece)
    raise AssertionError("Lambda was never held back")


def is_held_back(world: World, stream: Any) -> bool:
    """Whether the gateway does not read Lambda's answer, and the kernel takes no more of it."""
    invoker = world.gateway._transports.response_stream
    assert invoker is not None
    is_read = all(open._transport.is_reading() for open in invoker._streams._open)
    return not is_read and not is_writable(stream.connection._transport.get_extra_info("socket"))


@streamed()
async def test_a_client_that_does_not_read_holds_lambda_back(world: World) -> None:
    piece = bytes(range(256)) * 256  # 64 KiB
    client, stream = await pair(world, receive_bytes=16_384)
    stream.chunk(HEAD)
    count = await pour(world, stream, piece, 1_000)

    assert world.held_bytes() <= limits.STREAM_BUFFER_BYTES_MAX + len(piece)
    stream.complete()

    head = await client.read_head()
    assert await client.read_body(head) == piece * count
    stream.end()
    await world.assert_settled()
    assert world.outcomes() == ["complete"]


@streamed(stall_s=10.0)
async def test_a_client_that_never_reads_meets_the_stall_deadline(world: World) -> None:
    client, stream = await pair(world, receive_bytes=16_384)
    stream.chunk(HEAD)
    await pour(world, stream, bytes(65_536), 1_000)
    await world.blocked()

    world.clock.advance(1.0)  # a sweep sees what the client has taken so far
    world.clock.advance(10.0)

    await stream.wait_gone()
    await world.assert_settled()
    assert world.outcomes() == ["stall-deadline"]
    assert (await client.read_to_end())[1] == "reset"


@pytest.mark.parametrize("when", ["before the answer", "before the head", "in mid-body"])
@streamed()
async def test_a_client_that_leaves_ends_the_connection_to_lambda(world: World, when: str) -> None:
    client, stream = await hold(world)
    if when != "before the answer":
        stream.begin()
        stream.chunk(HEAD[:10])
        await until(lambda: world.gateway._registry._held, "the exchange")
    if when == "in mid-body":
        stream.chunk(HEAD[10:], b"one")
        await client.read_head()

    client.close()

    await stream.wait_gone()
    await world.assert_settled()
    assert world.outcomes() == ["client-left"]


@streamed()
async def test_a_client_may_leave_while_lambda_is_held_back(world: World) -> None:
    client, stream = await pair(world, receive_bytes=16_384)
    stream.chunk(HEAD)
    await pour(world, stream, bytes(65_536), 1_000)

    client.close()

    await stream.wait_gone()
    await world.assert_settled()
    assert world.outcomes() == ["client-left"]


@streamed()
async def test_a_drain_lets_streams_end(world: World) -> None:
    client, stream = await pair(world)
    stream.chunk(HEAD, b"one")
    await client.read_head()
    draining = asyncio.ensure_future(world.gateway.drain())

    stream.chunk(b"two")
    stream.finish()

    assert await client.read_chunk() + await client.read_chunk() == BODY
    assert await client.read_chunk() == b""
    client.close()
    assert await draining


@streamed(drain_timeout_s=60.0)
async def test_what_outlives_the_drain_is_cut_visibly(world: World) -> None:
    waiting, unanswered = await hold(world)
    client, stream = await pair(world)
    stream.chunk(HEAD, b"one")
    assert (await client.read_head()).status == 201

    drain = asyncio.ensure_future(world.gateway.drain())
    await settle()
    world.clock.advance(61.0)
    assert not await soon(drain, "the drain")
    await world.gateway.stop()

    assert (await outcome_of(waiting))[0] == 503
    await unanswered.wait_gone()
    await stream.wait_gone()
    assert (await client.read_to_end())[0] == b"3\r\none\r\n"
    assert world.outcomes() == ["stopped"] * 2


@streamed()
async def test_what_an_exchange_left_behind_serves_no_other(world: World) -> None:
    client, stream = await pair(world)
    stream.chunk(HEAD, b"one")
    await client.read_head()
    client.close()
    await stream.wait_gone()

    client, stream = await pair(world)
    stream.send(WIRE)
    stream.end()

    assert await outcome_of(client) == (201, BODY, True)
    assert len(world.endpoint.connections) == 2


@streamed()
async def test_a_body_of_control_characters_becomes_base64(world: World) -> None:
    """As text it would be an event of 27 MB, which takes its time to make and is then refused."""
    body = b"\x01" * 4_500_000
    client, stream = await hold(world, "POST", "/", [("content-type", "text/plain")], body=body)

    assert stream.event["isBase64Encoded"] is True
    assert base64.b64decode(stream.event["body"]) == body
    client.close()
    await world.assert_settled()


@streamed()
async def test_the_end_of_a_stream_is_read_without_building_it(world: World) -> None:
    client, stream = await pair(world)
    stream.chunk(HEAD)
    await client.read_head()

    stream.send(
        encode_message(
            {":message-type": "event", ":event-type": "InvokeComplete"},
            b'{"ErrorCode":"E","ErrorDetails":7,"x":[%b0]}' % (b"[]," * 100_000),
        )
    )
    stream.end()

    assert await client.read_to_end() == (b"", "end")
    await world.assert_settled()
    assert world.outcomes() == ["function-failed"]
    assert "failed: 'E: 7'" in world.log.text()


@streamed()
async def test_thousands_of_messages_that_are_none_are_not_read(world: World) -> None:
    """The first one that is no event ends the stream; what follows, malformed here, is dropped."""
    client, stream = await pair(world)
    stream.chunk(HEAD)
    await client.read_head()

    stream.send(encode_message({":message-type": "x"}, b"") * 1_000 + b"rubbish" * 1_000)

    assert await client.read_to_end() == (b"", "end")
    await world.assert_settled()
    assert world.outcomes() == ["stream-broken"]
