"""One held response: on time, within bounds, and with one line in the log."""

from __future__ import annotations

import asyncio
import hashlib
import random
import re
from typing import Final

import pytest
from tests.fakes import Broken, Client, Function, encode_chunk, encode_head, until
from tests.gateway.world import World, played

from tailrace import limits

# --- on time -------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 100, 70_000, 1_000_000])
@played()
async def test_each_chunk_arrives_before_the_next_is_written(world: World, size: int) -> None:
    client, function = await world.pair()
    await function.write(encode_head())
    await client.read_head()

    for number in range(20):
        chunk = bytes([number]) * size
        await function.write(chunk)
        assert await read_chunked(client, size) == chunk

    await function.end()
    assert await client.read_chunk() == b""


async def read_chunked(client: Client, size: int) -> bytes:
    """So many bytes of a chunked body, in whatever chunks they come."""
    data = b""
    while len(data) < size:
        data += await client.read_chunk()
    return data


@played()
async def test_the_head_arrives_before_any_body(world: World) -> None:
    client, function = await world.pair()

    await function.write(encode_head(206, {"x": "y"}))

    assert (await client.read_head()).status == 206
    await function.end()


@played()
async def test_chunks_that_come_together_leave_in_one_piece(world: World) -> None:
    client, function = await world.pair()
    await function.write(encode_head())
    await client.read_head()

    await function.send(b"".join(encode_chunk(b"%d" % n) for n in range(9)))

    assert await client.read_chunk() == b"012345678"
    await function.end()


@played()
async def test_a_body_of_any_cuts_is_the_same_body(world: World) -> None:
    choice = random.Random(7)
    body = choice.randbytes(300_000)
    encoded, at = b"", 0
    stream = encode_head() + body
    while at < len(stream):
        size = choice.choice((1, 2, 50, 3_000, 40_000))
        encoded += encode_chunk(stream[at : at + size])
        at += size
    encoded += b"0\r\n\r\n"
    client, function = await world.pair()

    async def send() -> None:
        at = 0
        while at < len(encoded):
            size = choice.choice((1, 7, 1_000, 30_000))
            await function.send(encoded[at : at + size])
            at += size

    response, _ = await asyncio.gather(client.read_response(), send())

    assert response.body == body


# --- within bounds -------------------------------------------------------------------------------


BODY: Final = random.Random(4).randbytes(30_000_000)
STREAM: Final = b"".join(encode_chunk(BODY[at : at + 60_000]) for at in range(0, len(BODY), 60_000))


async def largest_until_blocked(
    world: World, function: Function, stream: bytes
) -> tuple[int, bytes]:
    """Send until it blocks: the most that the gateway held meanwhile, and what is left."""
    largest = 0

    async def watch() -> None:
        nonlocal largest
        while True:
            largest = max(largest, world.held_bytes())
            await asyncio.sleep(0)

    watcher = asyncio.create_task(watch())
    rest = await function.send_until_blocked(stream)
    while rest and world.held_bytes() <= limits.WRITE_BUFFER_HIGH_BYTES:
        rest = await function.send_until_blocked(rest)  # the gateway was not there yet
    watcher.cancel()
    await asyncio.gather(watcher, return_exceptions=True)
    return largest, rest


@pytest.mark.parametrize("version", ["1.1", "1.0"])
@pytest.mark.parametrize("headers", [{}, {"content-length": str(len(BODY))}])
@played()
async def test_a_client_that_does_not_read_blocks_its_function_and_nobody_else(
    world: World, version: str, headers: dict[str, str]
) -> None:
    client, function = await world.pair(version=version)
    await function.write(encode_head(headers=headers))
    head = await client.read_head()

    largest, rest = await largest_until_blocked(world, function, STREAM)

    assert rest
    assert limits.WRITE_BUFFER_HIGH_BYTES < largest <= limits.STREAM_BUFFER_BYTES_MAX
    await pace(world, 20)
    body, _ = await asyncio.gather(client.read_body(head), function.finish(rest))
    assert hashlib.sha256(body).digest() == hashlib.sha256(BODY).digest()
    assert await function.read_status() == 200


async def pace(world: World, count: int) -> None:
    """So many streams, each of whose chunks arrives before its next is written."""
    pairs = [await world.pair() for _ in range(count)]
    for client, function in pairs:
        await function.write(encode_head())
        await client.read_head()
    for number in range(5):
        for client, function in pairs:
            await function.write(b"%d" % number)
            assert await client.read_chunk() == b"%d" % number
    for _, function in pairs:
        await function.end()


@played()
async def test_many_clients_that_do_not_read_are_each_within_the_bound(world: World) -> None:
    pairs = [await world.pair() for _ in range(8)]
    for client, function in pairs:
        await function.write(encode_head())
        await client.read_head()

    rests = await asyncio.gather(*(f.send_until_blocked(STREAM) for _, f in pairs))

    assert all(rests)
    assert world.held_bytes() <= limits.STREAM_BUFFER_BYTES_MAX
    for client, _ in pairs:
        client.reset()


@played()
async def test_large_chunks_are_within_the_bound_too(world: World) -> None:
    """One chunk of any size is relayed piece by piece."""
    client, function = await world.pair()
    await function.write(encode_head())
    head = await client.read_head()

    largest, rest = await largest_until_blocked(world, function, encode_chunk(BODY))

    assert rest
    assert largest <= limits.STREAM_BUFFER_BYTES_MAX
    body, _ = await asyncio.gather(client.read_body(head), function.finish(rest))
    assert body == BODY


@played()
async def test_a_client_may_stop_and_go_on_many_times(world: World) -> None:
    client, function = await world.pair()
    await function.write(encode_head())
    head = await client.read_head()
    rest, received, stops = STREAM, bytearray(), 0

    while rest := await function.send_until_blocked(rest):
        stops += 1
        for _ in range(20):
            received += await client.read_some()
    client.buffer = bytes(received)
    body, _ = await asyncio.gather(client.read_body(head), function.end())

    assert stops > 1
    assert body == BODY


@pytest.mark.parametrize("version", ["1.1", "1.0"])
@pytest.mark.parametrize("headers", [{}, {"content-length": "30000000"}])
@played(stall_s=10.0)
async def test_a_client_that_never_takes_the_end_does_not_take_it_for_complete(
    world: World, version: str, headers: dict[str, str]
) -> None:
    """The function has ended, so the exchange is over: the connection has the deadline now."""
    client, function = await world.pair(version=version)
    await function.write(encode_head(headers=headers))
    head = await client.read_head()
    while world.held_bytes() == 0:
        await function.write(bytes(60_000))
    if not headers:
        await function.end()
        await world.assert_settled()
    await world.blocked()

    # One that may send another request has the time of an idle connection before.
    world.clock.advance(limits.KEEP_ALIVE_TIMEOUT_S + 1)
    world.clock.advance(11.0)
    await until(lambda: world.gateway.statistics()["clients"] == 0)

    with pytest.raises(Broken):
        await client.read_body(head)


@played()
async def test_a_response_that_comes_in_one_read_leaves_in_one_write(world: World) -> None:
    client, invocation = await world.hold()
    function = await world.function(invocation.url)
    await function.post(expects=False)

    await function.send(
        encode_chunk(encode_head(201, {"x": "y"})) + encode_chunk(b"all of it") + b"0\r\n\r\n"
    )

    received = await client.read_some()
    assert received.startswith(b"HTTP/1.1 201 Created\r\nx: y\r\n")
    assert received.endswith(b"\r\n\r\n9\r\nall of it\r\n0\r\n\r\n")


@pytest.mark.parametrize("version", ["1.1", "1.0"])
@pytest.mark.parametrize("ending", ["", "fin", "reset"])
@played(idle_s=10.0)
async def test_a_response_that_breaks_in_its_first_read_is_never_complete(
    world: World, version: str, ending: str
) -> None:
    client, invocation = await world.hold(version=version)
    function = await world.function(invocation.url)
    await function.post(expects=False)

    await function.send(encode_chunk(encode_head()) + encode_chunk(b"a part"))
    if ending:
        getattr(function, ending)()
    else:
        await world.relayed(len(b"a part"))
        world.clock.advance(11.0)

    try:
        answer = await client.read_response()
    except Broken as broken:
        assert b"a part".startswith(broken.received) or broken.how == "reset"
    else:
        assert answer.status == 502  # the reset came before the bytes


@pytest.mark.parametrize("version", ["1.1", "1.0"])
@played()
async def test_more_than_the_length_in_the_first_read_is_never_complete(
    world: World, version: str
) -> None:
    client, invocation = await world.hold(version=version)
    function = await world.function(invocation.url)
    await function.post(expects=False)

    await function.send(
        encode_chunk(encode_head(headers={"content-length": "5"}) + b"hello!") + b"0\r\n\r\n"
    )

    with pytest.raises(Broken):
        await client.read_response()
    assert await function.read_status() == 400


# --- one line in the log -------------------------------------------------------------------------


@played()
async def test_an_exchange_has_one_line_with_all_that_counts(world: World) -> None:
    client, invocation = await world.hold("POST", "/a/b?token=in-the-query", (), b"x")
    function = await world.function(invocation.url)
    await function.post()
    assert await function.read_status() == 100
    await function.write(encode_head(201) + b"hello")
    await function.end()
    await client.read_response()

    (line,) = world.summaries()
    assert re.fullmatch(
        rf"exchange={invocation.event['requestId']} request_id=- client=127\.0\.0\.1"
        r" method=POST path=/a/b function=stream transport=callback"
        r" status=201 outcome=complete bytes=5 padded=0 first_byte_ms=\d+ total_ms=\d+",
        line,
    )


@played()
async def test_an_exchange_without_an_answer_says_so(world: World) -> None:
    client, _ = await world.hold()
    client.reset()
    await world.assert_settled()

    (line,) = world.summaries()
    assert "status=- outcome=client-left bytes=0 padded=0 first_byte_ms=-" in line


REQUEST_ID = "0b8b2a4e-6f0e-4c55-9a6b-8f4f3d1c2e7a"


@pytest.mark.parametrize("status", [202, 429])
@played()
async def test_the_line_has_the_request_id_of_lambdas_answer(world: World, status: int) -> None:
    world.endpoint.answer = lambda connection: connection.respond(
        status, [(b"x-amzn-RequestId", REQUEST_ID.encode())]
    )
    client, invocation = await world.hold()
    if status == 202:
        await until(lambda: world.gateway.statistics()["invocations"] == 0)
        client.reset()
    else:
        assert (await client.read_response()).status == 503
    await world.assert_settled()

    (line,) = world.summaries()
    assert f"exchange={invocation.event['requestId']} request_id={REQUEST_ID} client=" in line


@pytest.mark.parametrize("value", ["a b", "x" * 101, "1=2", "\x1b[31m", ""])
@played()
async def test_a_request_id_that_is_no_word_is_not_in_the_line(world: World, value: str) -> None:
    world.endpoint.answer = lambda connection: connection.respond(
        202, [(b"x-amzn-RequestId", value.encode())]
    )
    client, _ = await world.hold()
    await until(lambda: world.gateway.statistics()["invocations"] == 0)
    client.reset()
    await world.assert_settled()

    assert " request_id=- " in world.summaries()[0]


@pytest.mark.parametrize(
    ("forwarded", "shown"), [("2001:db8::7", "2001:db8::7"), ('un"known x', "-")]
)
@played(trusted_hops=1)
async def test_the_line_has_the_client_that_a_trusted_proxy_names(
    world: World, forwarded: str, shown: str
) -> None:
    client, _ = await world.hold("GET", "/", [("x-forwarded-for", f"6.6.6.6, {forwarded}")])
    client.reset()
    await world.assert_settled()

    assert f" client={shown} " in world.summaries()[0]


@pytest.mark.parametrize(("status", "level"), [(404, "INFO"), (500, "WARNING"), (503, "WARNING")])
@played()
async def test_an_error_of_a_handler_is_a_warning(world: World, status: int, level: str) -> None:
    client, function = await world.pair()
    await function.write(encode_head(status) + b"x")
    await function.end()
    await client.read_response()
    await world.assert_settled()

    assert world.outcomes() == ["complete"]
    levels = [r.levelname for r in world.log.records if r.name == "tailrace.gateway.exchange"]
    assert levels == [level]


@played()
async def test_the_record_has_what_the_line_says_as_values(world: World) -> None:
    client, function = await world.pair()
    await function.write(encode_head() + b"hello")
    await function.end()
    await client.read_response()
    await world.assert_settled()

    (record,) = [r for r in world.log.records if r.name == "tailrace.gateway.exchange"]
    assert isinstance(record.args, dict)
    assert record.args.get("request_id") == "-"
    assert record.args.get("bytes") == 5
    assert isinstance(record.args.get("total_ms"), int)


@played()
async def test_losses_are_warnings_and_the_rest_is_information(world: World) -> None:
    client, function = await world.pair()
    await function.write(encode_head() + b"x")
    head = await client.read_head()
    function.reset()
    with pytest.raises(Broken):
        await client.read_body(head)
    second, _ = await world.hold()
    second.reset()
    await world.assert_settled()

    levels = [r.levelname for r in world.log.records if r.name == "tailrace.gateway.exchange"]
    assert levels == ["WARNING", "INFO"]
    assert world.outcomes() == ["callback-broken", "client-left"]
