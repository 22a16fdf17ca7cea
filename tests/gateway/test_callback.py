"""The function's side: who may call back, what is relayed, what is refused."""

from __future__ import annotations

import asyncio
import sys
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.fakes import (
    Broken,
    Function,
    Invocation,
    encode_chunk,
    encode_head,
    encode_request,
    until,
)
from tests.gateway.world import World, played

from tailrace import limits
from tailrace.wire.integration import DELIMITER, MEDIA_TYPE


async def respond(world: World, invocation: Invocation, response: bytes) -> Function:
    """A function that sends all of its response at once."""
    function = await world.function(invocation.url)
    await function.post(expects=False)
    if response:
        await function.write(response)
    await function.end()
    return function


# --- who may call back ---------------------------------------------------------------------------


@played()
async def test_a_response_is_relayed_and_its_bytes_are_counted(world: World) -> None:
    client, function = await world.pair()

    await function.write(encode_head(201, {"content-type": "text/plain"}, ["a=1", "b=2"]))
    head = await client.read_head()
    await function.write(b"one")
    first = await client.read_chunk()
    await function.write(b"two")
    await function.end()
    rest = await client.read_body(head)
    answer = await function.read_response()

    assert head.status == 201
    assert head.get("content-type") == "text/plain"
    assert head.all("set-cookie") == ["a=1", "b=2"]
    assert (first, rest) == (b"one", b"two")
    assert answer.status == 200
    assert answer.json() == {"bytes": 6}
    assert await function.read_to_end() == (b"", "end")
    assert world.outcomes() == ["complete"]


@played()
async def test_a_stream_may_have_any_number_of_small_chunks(world: World) -> None:
    """One token in each, and many of them in a read when the client was slow."""
    client, function = await world.pair()
    await function.write(encode_head())
    head = await client.read_head()
    count = 4 * limits.SMALL_CHUNKS_MAX

    sending = asyncio.create_task(function.finish(encode_chunk(b"x") * count))
    received = await client.read_body(head)
    await sending

    assert received == b"x" * count
    assert (await function.read_response()).json() == {"bytes": count}


@played()
async def test_a_callback_is_told_to_run_before_it_sends_anything(world: World) -> None:
    _, invocation = await world.hold()
    function = await world.function(invocation.url)

    await function.post()

    head = await function.read_head()
    assert head.status == 100
    # The proof that it is the gateway who speaks.
    assert head.headers == [("tailrace-exchange", invocation.url.split("/")[-2])]
    await function.write(encode_head())
    await function.end()
    assert await function.read_status() == 200


@pytest.mark.parametrize("spoilt", ["id", "secret", "both", "short", "upper", "longer"])
@played()
async def test_a_wrong_url_is_404_and_disturbs_nobody(world: World, spoilt: str) -> None:
    client, invocation = await world.hold()
    base, exchange_id, secret = invocation.url.rsplit("/", 2)
    other_id = "00000000-0000-0000-0000-000000000000"
    wrong = {
        "id": f"{base}/{other_id}/{secret}",
        "secret": f"{base}/{exchange_id}/{'0' * 32}",
        "both": f"{base}/{other_id}/{'0' * 32}",
        "short": f"{base}/{exchange_id}",
        "upper": f"{base}/{exchange_id}/{secret.upper()}x",
        "longer": f"{base}/{exchange_id}/{secret}/x",
    }[spoilt]

    intruder = await world.function(wrong)
    await intruder.post()

    assert await intruder.read_status() == 404
    assert world.gateway.statistics()["held"] == 1
    await respond(world, invocation, encode_head() + b"the right one")
    assert (await client.read_response()).body == b"the right one"


@played()
async def test_wrong_secrets_in_mid_body_disturb_nobody(world: World) -> None:
    client, function = await world.pair()
    await function.write(encode_head() + b"one")
    head = await client.read_head()
    assert await client.read_chunk() == b"one"

    for _ in range(20):
        intruder = await world.function(function.url[:-32] + "f" * 32)
        await intruder.post()
        assert await intruder.read_status() == 404

    await function.write(b"two")
    await function.end()
    assert await client.read_body(head) == b"two"


@played()
async def test_a_second_callback_is_409_while_the_first_runs(world: World) -> None:
    client, function = await world.pair()

    second = await world.function(function.url)
    await second.post()

    assert await second.read_status() == 409
    await function.write(encode_head() + b"first")
    await function.end()
    assert (await client.read_response()).body == b"first"


@played()
async def test_a_callback_after_the_response_is_409(world: World) -> None:
    """A duplicated or retried invocation has no second side effect."""
    client, invocation = await world.hold()
    await respond(world, invocation, encode_head() + b"once")
    assert (await client.read_response()).body == b"once"

    late = await world.function(invocation.url)
    await late.post()

    assert await late.read_status() == 409


@pytest.mark.parametrize("had_head", [False, True])
@played()
async def test_a_retry_after_the_function_died_is_409(world: World, had_head: bool) -> None:
    client, function = await world.pair()
    if had_head:
        await function.write(encode_head() + b"half")
        await client.read_head()
    function.reset()
    await world.assert_settled()

    for _ in range(2):
        retry = await world.function(function.url)
        await retry.post()
        assert await retry.read_status() == 409


@played()
async def test_a_callback_for_a_client_that_left_is_410(world: World) -> None:
    client, invocation = await world.hold()
    client.reset()
    await world.assert_settled()

    late = await world.function(invocation.url)
    await late.post()

    assert await late.read_status() == 410


@played()
async def test_a_wrong_secret_after_the_end_is_404(world: World) -> None:
    client, invocation = await world.hold()
    client.reset()
    await world.assert_settled()

    late = await world.function(invocation.url[:-32] + "0" * 32)
    await late.post()

    assert await late.read_status() == 404


@pytest.mark.parametrize("method", ["GET", "PUT", "OPTIONS", "HEAD"])
@played()
async def test_a_callback_is_a_post(world: World, method: str) -> None:
    """A link checker that finds the URL must not use it up."""
    client, invocation = await world.hold()
    function = await world.function(invocation.url)

    await function.send(encode_request(method, "/" + invocation.url.split("/", 3)[3]))
    head = await function.read_head()

    assert head.status == 405
    assert head.get("allow") == "POST"
    assert world.gateway.statistics()["held"] == 1
    client.close()


@played()
async def test_every_answer_to_a_callback_closes_its_connection(world: World) -> None:
    """A kept-alive connection of a frozen environment would be dead when it thaws."""
    client, invocation = await world.hold()

    done = await respond(world, invocation, encode_head())
    head = await done.read_head()
    assert head.get("connection") == "close"
    await client.read_response()

    late = await world.function(invocation.url)
    await late.post(expects=False, length=0)
    head = await late.read_head()
    assert (head.status, head.get("connection")) == (409, "close")
    await late.read_body(head)
    assert await late.read_to_end() == (b"", "end")


# --- heads ---------------------------------------------------------------------------------------


@played()
async def test_a_head_of_many_pieces_is_one_head(world: World) -> None:
    client, function = await world.pair()

    for byte in encode_head(203, {"x-a": "1"}) + b"!":
        await function.write(bytes([byte]))
    head = await client.read_head()
    first = await client.read_chunk()
    await function.end()

    assert (head.status, head.get("x-a"), first) == (203, "1", b"!")
    assert await client.read_body(head) == b""


@played()
async def test_chunks_of_the_function_are_framed_anew(world: World) -> None:
    """Its extensions and trailers do not reach the client."""
    client, invocation = await world.hold()
    function = await world.function(invocation.url)
    await function.post(expects=False)

    await function.send(encode_chunk(encode_head()).replace(b"\r\n", b";x=y\r\n", 1))
    await function.send(b"3;name=value\r\nabc\r\n0\r\nx-trailer: 1\r\n\r\n")

    received = await client.read_until(b"0\r\n\r\n")
    assert received.endswith(b"\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
    assert b"x-trailer" not in received
    assert await client.is_silent()


@played()
async def test_headers_of_the_connection_do_not_reach_the_client(world: World) -> None:
    client, invocation = await world.hold()

    await respond(
        world,
        invocation,
        encode_head(
            headers={
                "Connection": "keep-alive, X-Private",
                "X-Private": "1",
                "Keep-Alive": "timeout=5",
                "Transfer-Encoding": "gzip, chunked",
                "Trailer": "x",
                "Upgrade": "h2c",
                "TE": "trailers",
                "Proxy-Authenticate": "Basic",
                "X-Kept": "yes",
            }
        )
        + b"body",
    )

    answer = await client.read_response()
    assert answer.body == b"body"
    names = {name for name, _ in answer.headers}
    assert names == {"x-kept", "transfer-encoding", "date"}
    assert answer.all("transfer-encoding") == ["chunked"]


@played()
async def test_a_date_of_the_function_is_the_only_one(world: World) -> None:
    client, invocation = await world.hold()

    await respond(world, invocation, encode_head(headers={"Date": "Thu, 01 Jan 1970 00:00:00 GMT"}))

    assert (await client.read_response()).all("date") == ["Thu, 01 Jan 1970 00:00:00 GMT"]


@played()
async def test_encoded_bodies_pass_untouched(world: World) -> None:
    client, invocation = await world.hold("GET", "/", [("accept-encoding", "gzip")])
    body = b"\x1f\x8b not really gzip \x00\xff"

    await respond(world, invocation, encode_head(headers={"content-encoding": "gzip"}) + body)

    answer = await client.read_response()
    assert (answer.get("content-encoding"), answer.body) == ("gzip", body)


MALFORMED = {
    "empty": b"",
    "only NULs": DELIMITER,
    "text": b"hello",
    "not an object": b"[1]" + DELIMITER,
    "cut JSON": b'{"statusCode":200' + DELIMITER,
    "no NULs": b'{"statusCode":200}',
    "seven NULs": b'{"statusCode":200}' + bytes(7),
    "a NUL inside": b'{"statusCode":\x00200}' + DELIMITER,
    "not UTF-8": b'{"headers":{"a":"\xff"}}' + DELIMITER,
    "too long": b'{"headers":{"a":"' + b"x" * limits.PRELUDE_BYTES_MAX,
    "status 100": encode_head(100),
    "status 600": encode_head(600),
    "status text": encode_head(headers={}, statusCode="ok"),
    "header with CR LF": encode_head(headers={"x": "1\r\nset-cookie: evil=1"}),
    "header with LF": encode_head(headers={"x": "1\n2"}),
    "header with NUL": encode_head(headers={"x": "1\x002"}),
    "header beyond Latin-1": encode_head(headers={"x": "\u4e2d"}),
    "header name with space": encode_head(headers={"x y": "1"}),
    "header name empty": encode_head(headers={"": "1"}),
    "header name with colon": encode_head(headers={"x:": "1"}),
    "cookie with CR LF": encode_head(cookies=["a=1\r\nx: y"]),
    "too many headers": encode_head(headers={f"x-{n}": "1" for n in range(200)}),
    "two lengths": encode_head(multiValueHeaders={"content-length": ["1", "1"]}),
    "two spellings of a length": encode_head(
        headers={"content-length": "1", "Content-Length": "2"}
    ),
    "a signed length": encode_head(headers={"content-length": "+1"}),
    "a negative length": encode_head(headers={"content-length": "-1"}),
    "a length that is text": encode_head(headers={"content-length": "all"}),
    "a list of lengths": encode_head(headers={"content-length": "1, 1"}),
    "a length without end": encode_head(headers={"content-length": "9" * 5000}),
    "a length in other digits": encode_head(headers={"content-length": "\xb2"}),
}


@pytest.mark.parametrize("case", MALFORMED)
@played()
async def test_a_malformed_response_is_a_complete_502(world: World, case: str) -> None:
    client, invocation = await world.hold()

    function = await respond(world, invocation, MALFORMED[case])

    answer = await client.read_response()
    assert answer.status == 502
    assert answer.get("content-type") == "application/problem+json"
    assert "malformed" in answer.json()["detail"]
    assert answer.all("set-cookie") == []
    assert await function.read_status() == 400
    assert world.outcomes() == ["malformed"]


@played()
async def test_a_beginning_that_is_no_prelude_is_refused_at_once(world: World) -> None:
    """The client does not wait for a function that writes HTML first."""
    client, function = await world.pair()

    await function.write(b"<!doctype html>")

    assert (await client.read_response()).status == 502
    assert await function.read_status() == 400


@played()
async def test_a_malformed_response_closes_neither_the_listener_nor_the_client(
    world: World,
) -> None:
    client, invocation = await world.hold()
    await respond(world, invocation, b"rubbish")
    assert (await client.read_response()).status == 502

    await client.request()

    await respond(world, await world.invocation(), encode_head() + b"fine")
    assert (await client.read_response()).body == b"fine"


# --- lengths -------------------------------------------------------------------------------------


def with_length(length: int, body: bytes = b"") -> bytes:
    return encode_head(headers={"content-length": str(length)}) + body


@played()
async def test_a_body_of_announced_length_is_relayed_with_it(world: World) -> None:
    client, invocation = await world.hold()

    function = await respond(world, invocation, with_length(5, b"hello"))

    answer = await client.read_response()
    assert answer.get("content-length") == "5"
    assert answer.get("transfer-encoding") is None
    assert answer.body == b"hello"
    assert await function.read_status() == 200


@played()
async def test_a_body_shorter_than_its_length_is_broken_off(world: World) -> None:
    client, invocation = await world.hold()

    function = await respond(world, invocation, with_length(5, b"hell"))

    head = await client.read_head()
    with pytest.raises(Broken) as broken:
        await client.read_body(head)
    assert broken.value.received == b"hell"
    assert await function.read_status() == 400
    assert world.outcomes() == ["malformed"]


@pytest.mark.parametrize("pieces", [[b"hello!"], [b"hello", b"!"], [b"h", b"ello!"]])
@played()
async def test_a_body_longer_than_its_length_is_never_complete(
    world: World, pieces: list[bytes]
) -> None:
    """Also when the surplus comes after the last announced byte was there."""
    client, function = await world.pair()
    await function.write(with_length(5))
    head = await client.read_head()

    for piece in pieces:
        await function.write(piece)

    with pytest.raises(Broken) as broken:
        await client.read_body(head)
    assert b"hello".startswith(broken.value.received)
    assert len(broken.value.received) < 5
    assert await function.read_status() == 400


@played()
async def test_a_function_that_dies_after_its_last_byte_is_not_complete(world: World) -> None:
    """All five bytes have come, but the function has not said that this was all."""
    client, function = await world.pair()
    await function.write(with_length(5, b"hello"))
    head = await client.read_head()
    assert await client.read_exactly(4) == b"hell"

    function.fin()

    with pytest.raises(Broken):
        await client.read_body(head)


@played()
async def test_a_body_of_length_zero_ends_with_its_head(world: World) -> None:
    client, function = await world.pair()

    await function.write(with_length(0))

    assert (await client.read_response()).body == b""
    await client.request()  # and the connection is free
    await respond(world, await world.invocation(), encode_head())
    await client.read_response()
    await function.end()
    assert await function.read_status() == 200


@played()
async def test_more_than_a_length_of_zero_is_thrown_away(world: World) -> None:
    client, function = await world.pair()

    await function.write(with_length(0, b"surplus"))
    await function.end()

    assert (await client.read_response()).body == b""
    assert await function.read_status() == 200
    assert await client.is_silent()


@played()
async def test_an_empty_body_of_unknown_length_is_complete(world: World) -> None:
    client, invocation = await world.hold()

    await respond(world, invocation, encode_head())

    answer = await client.read_response()
    assert (answer.status, answer.body) == (200, b"")
    assert answer.get("transfer-encoding") == "chunked"


# --- responses without a body --------------------------------------------------------------------


@pytest.mark.parametrize("status", [204, 304])
@played()
async def test_204_and_304_end_at_their_head(world: World, status: int) -> None:
    client, function = await world.pair()

    await function.write(encode_head(status, {"etag": '"1"', "content-length": "9"}))
    answer = await client.read_response()
    await function.write(b"not for anybody")
    await function.end()

    assert answer.status == status
    assert answer.get("etag") == '"1"'
    assert answer.get("content-length") == ("9" if status == 304 else None)
    assert answer.get("transfer-encoding") is None
    assert await function.read_status() == 200
    assert await client.is_silent()
    assert world.outcomes() == ["complete"]


@played()
async def test_head_ends_at_its_head_with_the_length_of_the_body(world: World) -> None:
    client, function = await world.pair("HEAD")

    await function.write(with_length(1_000_000))
    answer = await client.read_response("HEAD")
    await function.write(b"a body all the same")
    await function.end()

    assert answer.get("content-length") == "1000000"
    assert await function.read_status() == 200
    assert await client.is_silent()


@played()
async def test_a_function_may_die_after_a_response_without_a_body(world: World) -> None:
    client, function = await world.pair("HEAD")
    await function.write(encode_head())
    await client.read_response("HEAD")

    function.reset()

    await world.assert_settled()
    assert world.outcomes() == ["complete"]
    assert await client.is_silent()


@played(idle_s=10.0)
async def test_a_function_that_goes_on_after_head_meets_the_idle_deadline(world: World) -> None:
    client, function = await world.pair("HEAD")
    await function.write(encode_head())
    await client.read_response("HEAD")

    world.clock.advance(11.0)

    assert await function.read_status() == 410
    assert world.outcomes() == ["complete"]


# --- old clients ---------------------------------------------------------------------------------


@played()
async def test_an_http_1_0_client_gets_its_body_up_to_the_end_of_the_connection(
    world: World,
) -> None:
    client, invocation = await world.hold(version="1.0")

    await respond(world, invocation, encode_head() + b"plain")

    head = await client.read_head()
    assert head.get("transfer-encoding") is None
    assert head.get("connection") == "close"
    assert await client.read_body(head) == b"plain"


@pytest.mark.parametrize("how", ["fin", "reset"])
@played()
async def test_an_http_1_0_client_sees_a_broken_body_as_a_reset(world: World, how: str) -> None:
    """The end of the connection would mean that the body is complete."""
    client, function = await world.pair(version="1.0")
    await function.write(encode_head() + b"half")
    await client.read_head()
    assert await client.read_exactly(4) == b"half"

    getattr(function, how)()

    assert (await client.read_to_end())[1] == "reset"


@played()
async def test_json_lines_in_place_of_a_prelude_are_refused_at_once(world: World) -> None:
    """They may go on for long: nobody has to wait for their end, or for a deadline."""
    client, function = await world.pair()

    await function.write(b'{"i":1}\n')
    assert await client.is_silent()
    await function.write(b'{"i":2}\n')

    answer = await function.read_response()
    assert answer.status == 400
    assert "'{\"i\":2}\\n' follows the JSON object" in answer.json()["detail"]
    assert (await client.read_response()).status == 502


# --- the proof of concept's callbacks ------------------------------------------------------------


async def header_style(
    world: World, invocation: Invocation, headers: list[tuple[str, str]], body: bytes = b""
) -> Function:
    function = await world.function(invocation.url)
    await function.post(headers, media_type=None, expects=False)
    if body:
        await function.write(body)
    await function.end()
    return function


@played()
async def test_a_header_style_callback_states_its_response_in_its_headers(world: World) -> None:
    client, invocation = await world.hold()

    function = await header_style(
        world,
        invocation,
        [
            ("x-status-code", "201"),
            ("content-type", "text/html"),
            ("cache-control", "no-store"),
            ("set-cookie", "a=1"),
            ("set-cookie", "b=2"),
            ("user-agent", "node"),
            ("x-request-id", "7"),
            ("www-authenticate", 'Basic realm="a"'),
            ("access-control-allow-origin", "https://a.example"),
            ("x-internal", "for nobody"),
            ("connection", "close, x-internal"),
            ("accept", "*/*"),
            ("traceparent", "00-1-2-01"),
        ],
        b"<p>hello",
    )

    answer = await client.read_response()
    assert answer.status == 201
    assert answer.body == b"<p>hello"
    assert answer.all("set-cookie") == ["a=1", "b=2"]
    assert answer.get("www-authenticate") == 'Basic realm="a"'
    names = {name for name, _ in answer.headers}
    assert names == {
        "access-control-allow-origin",
        "cache-control",
        "content-type",
        "date",
        "set-cookie",
        "transfer-encoding",
        "www-authenticate",
        "x-request-id",
    }
    assert await function.read_status() == 200


CLIENTS = {
    "curl": ["curl", "-sS", "-d", "hi", "-H", "x-a: 1", "-H", "x-status-code: 201"],
    "fetch": [
        "node",
        "-e",
        "fetch(process.argv[1], {method: 'POST', body: 'hi',"
        " headers: {'x-a': '1', 'x-status-code': '201'}}).then((answer) => answer.text())",
    ],
    "urllib": [
        sys.executable,
        "-c",
        "import sys, urllib.request as r; r.urlopen(r.Request(sys.argv[1], b'hi',"
        " {'x-a': '1', 'x-status-code': '201'})).read()",
    ],
}


@pytest.mark.parametrize("name", CLIENTS)
@played()
async def test_what_http_clients_add_does_not_reach_the_client(world: World, name: str) -> None:
    client, invocation = await world.hold()

    process = await asyncio.create_subprocess_exec(*CLIENTS[name], invocation.url)
    answer = await client.read_response()
    assert await process.wait() == 0

    assert (answer.status, answer.get("x-a"), answer.body) == (201, "1", b"hi")
    names = {header for header, _ in answer.headers}
    assert names == {"content-length", "content-type", "date", "x-a"}


@played()
async def test_a_header_style_callback_streams(world: World) -> None:
    client, invocation = await world.hold()
    function = await world.function(invocation.url)

    await function.post([("content-type", "text/plain")], media_type=None)
    assert await function.read_status() == 100
    head = await client.read_head()  # nothing of the body is there yet
    await function.write(b"one")
    assert await client.read_chunk() == b"one"
    await function.write(b"two")
    assert await client.read_chunk() == b"two"
    await function.end()

    assert head.status == 200
    assert await client.read_body(head) == b""


@played()
async def test_a_header_style_callback_with_a_length_is_held_to_it(world: World) -> None:
    client, invocation = await world.hold()
    function = await world.function(invocation.url)

    await function.post(media_type=None, expects=False, length=5)
    await function.send(b"hello")

    answer = await client.read_response()
    assert (answer.get("content-length"), answer.body) == ("5", b"hello")
    assert await function.read_status() == 200


class CountedWrites:
    """A client's transport, whose writes are counted: each is a system call."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self.count = 0

    def write(self, data: bytes) -> None:
        self.count += 1
        self._transport.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


@pytest.mark.parametrize("form", ["prelude", "headers"])
@pytest.mark.parametrize("body", [b"one", b""])
@pytest.mark.parametrize("rest", [b"two", b""])
@played()
async def test_what_one_read_brings_is_one_write(
    world: World, form: str, body: bytes, rest: bytes
) -> None:
    client, invocation = await world.hold()
    (connection,) = world.gateway._public._connections
    counted: Any = CountedWrites(connection._transport)
    connection._transport = counted
    function = await world.function(invocation.url)
    parts = urlsplit(invocation.url)
    fields = [("host", parts.netloc), ("transfer-encoding", "chunked")]
    raw = encode_request("POST", parts.path, fields)
    if form == "prelude":
        await function.post()
        assert await function.read_status() == 100
        raw = encode_chunk(encode_head())
    raw += encode_chunk(body) if body else b""

    await function.send(raw if rest else raw + b"0\r\n\r\n")

    head = await client.read_head()
    assert counted.count == 1
    if rest:
        await function.finish(encode_chunk(rest))
    assert await client.read_body(head) == body + rest


@pytest.mark.parametrize("status", ["99", "600", "abc", "20", "2000", "-20", "\xb2\xb2\xb2"])
@played()
async def test_a_header_style_callback_with_an_illegal_status_is_502(
    world: World, status: str
) -> None:
    client, invocation = await world.hold()

    function = await header_style(world, invocation, [("x-status-code", status)], b"x")

    assert (await client.read_response()).status == 502
    assert await function.read_status() == 400


@played()
async def test_eight_nuls_in_a_header_style_body_are_body(world: World) -> None:
    client, invocation = await world.hold()

    await header_style(world, invocation, [], b"a" + DELIMITER + b"b")

    assert (await client.read_response()).body == b"a" + DELIMITER + b"b"


@played()
async def test_parameters_of_the_media_type_do_not_matter(world: World) -> None:
    client, invocation = await world.hold()
    function = await world.function(invocation.url)

    await function.post(media_type=f"{MEDIA_TYPE.upper()}; v=1", expects=False)
    await function.write(encode_head(202))
    await function.end()

    assert (await client.read_response()).status == 202


# --- callbacks that break ------------------------------------------------------------------------

BREAKS = {
    "fin": lambda function: function.fin(),
    "reset": lambda function: function.reset(),
}


async def break_off(function: Function, how: str) -> None:
    if how == "garbage":
        await function.send(b"zz\r\nnot a chunk")
    else:
        BREAKS[how](function)


@pytest.mark.parametrize("how", ["fin", "reset", "garbage"])
@pytest.mark.parametrize("sent", ["nothing", "half a prelude"])
@played()
async def test_a_callback_that_breaks_before_its_head_is_a_502_at_once(
    world: World, how: str, sent: str
) -> None:
    client, function = await world.pair()
    if sent == "half a prelude":
        await function.write(encode_head()[:-3])

    await break_off(function, how)

    answer = await client.read_response()
    assert answer.status == 502
    assert "ended before it answered" in answer.json()["detail"]
    assert world.outcomes() == ["callback-broken"]


@pytest.mark.parametrize("how", ["fin", "reset", "garbage"])
@pytest.mark.parametrize("length", [None, 9])
@played()
async def test_a_callback_that_breaks_in_its_body_breaks_the_response(
    world: World, how: str, length: int | None
) -> None:
    client, function = await world.pair()
    await function.write((encode_head() if length is None else with_length(length)) + b"half")
    head = await client.read_head()

    await break_off(function, how)

    with pytest.raises(Broken) as broken:
        await client.read_body(head)
    assert b"half" in broken.value.received or broken.value.how == "reset"
    assert world.outcomes() == ["callback-broken"]


@played()
async def test_a_callback_whose_request_is_malformed_leaves_the_exchange_alone(
    world: World,
) -> None:
    client, invocation = await world.hold()
    path = invocation.url.removeprefix(world.gateway.callback_url)
    function = await world.function(invocation.url)

    await function.send(f"POST {path} HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n".encode())

    assert await function.read_status() == 400
    assert world.gateway.statistics()["held"] == 1
    await respond(world, invocation, encode_head() + b"fine")
    assert (await client.read_response()).body == b"fine"


# --- clients that leave --------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["fin", "reset", "close"])
@played()
async def test_a_client_that_leaves_before_the_head_is_told_to_the_function(
    world: World, how: str
) -> None:
    client, function = await world.pair()

    getattr(client, how)()

    answer = await function.read_response()
    assert answer.status == 410
    assert "client has left" in answer.json()["detail"]
    assert world.outcomes() == ["client-left"]


@pytest.mark.parametrize("how", ["fin", "reset", "close"])
@played()
async def test_a_client_that_leaves_in_mid_body_is_told_to_the_function(
    world: World, how: str
) -> None:
    client, function = await world.pair()
    await function.write(encode_head() + b"one")
    await client.read_head()
    assert await client.read_chunk() == b"one"

    getattr(client, how)()

    assert await function.read_status() == 410
    assert world.outcomes() == ["client-left"]


@played()
async def test_a_function_that_writes_on_can_still_read_why(world: World) -> None:
    """An early answer under unread bytes would be lost in a reset: the rest is taken in."""
    client, function = await world.pair()
    await function.write(encode_head() + b"one")
    await client.read_head()

    client.reset()
    await world.assert_settled()
    for _ in range(10):
        await function.write(bytes(100_000))

    assert await function.read_status() == 410
    assert (await function.read_to_end())[1] == "end"


@played()
async def test_a_function_that_never_stops_writing_is_reset(world: World) -> None:
    client, function = await world.pair()
    client.reset()
    await world.assert_settled()

    with pytest.raises((ConnectionResetError, BrokenPipeError)):
        for _ in range(10 * limits.LINGER_BYTES_MAX // 100_000):
            await function.write(bytes(100_000))


@played()
async def test_a_client_that_leaves_while_the_function_is_paused(world: World) -> None:
    """Paused, the callback reads nothing; it must still be answered."""
    client, function = await world.pair(receive_bytes=4096)
    await function.write(encode_head())
    await client.read_head()
    sent = await fill(world, function)

    client.reset()

    assert await function.read_status() == 410
    assert sent


async def fill(world: World, function: Function) -> int:
    """Write until the gateway holds more than it likes to; returns the bytes written."""
    sent = 0
    while world.held_bytes() <= limits.WRITE_BUFFER_HIGH_BYTES:
        await function.write(bytes(10_000))
        sent += 10_000
    return sent


@played()
async def test_many_exchanges_do_not_mix(world: World) -> None:
    pairs = [await world.pair("GET", f"/{number}") for number in range(50)]

    for number, (_, function) in enumerate(pairs):
        await function.write(encode_head() + b"%d-" % number)
    for number, (_, function) in enumerate(reversed(pairs)):
        await function.write(b"%d" % (49 - number))
        await function.end()

    for number, (client, _) in enumerate(pairs):
        assert (await client.read_response()).body == b"%d-%d" % (number, number)
    await until(lambda: world.outcomes() == ["complete"] * 50)
