"""Response streams without a prelude: relayed once they can be nothing else, with one warning."""

from __future__ import annotations

import json

import pytest
from tests.fakes import settle
from tests.gateway.stream_world import outcome_of, pair, streamed
from tests.gateway.world import World


@streamed()
async def test_json_lines_are_relayed_one_by_one(world: World) -> None:
    """The function writes the next line only when the client has the one before."""
    client, stream = await pair(world)

    for number in range(5):
        line = b'{"i":%d}\n' % number
        stream.chunk(line)
        if not number:
            head = await client.read_head()
            assert (head.status, head.get("content-type")) == (200, "application/octet-stream")
        assert await client.read_chunk() == line
    stream.finish()
    assert await client.read_chunk() == b""

    await world.assert_settled()
    assert world.outcomes() == ["complete"]


@streamed()
async def test_lines_that_look_like_results_are_relayed_from_the_second_on(world: World) -> None:
    client, stream = await pair(world)
    line = b'{"statusCode":404,"message":"no"}\n'

    stream.chunk(line)
    assert await client.is_silent()
    stream.chunk(line[:1])
    assert (await client.read_head()).status == 200
    assert await client.read_chunk() == line + line[:1]
    stream.chunk(line[1:])
    assert await client.read_chunk() == line[1:]
    stream.finish()


@streamed()
async def test_a_long_object_is_relayed_as_it_comes(world: World) -> None:
    client, stream = await pair(world)
    start = b'{"items":[' + b"1," * 8_200

    stream.chunk(start)
    head = await client.read_head()
    assert (head.status, head.get("content-type")) == (200, "application/json")
    assert await client.read_chunk() == start
    stream.chunk(b"2]}")
    assert await client.read_chunk() == b"2]}"
    stream.finish()


@streamed()
async def test_a_document_with_a_status_of_its_own_is_no_envelope(world: World) -> None:
    """As web frameworks write their errors; its text reached no client."""
    document = json.dumps({"statusCode": 404, "message": "no", "error": "Not Found"}).encode()
    client, stream = await pair(world)

    stream.chunk(document)
    stream.finish()

    head = await client.read_head()
    assert (head.status, head.get("content-type")) == (200, "application/json")
    assert await client.read_body(head) == document
    assert "buffered=1" in world.log.text()


@streamed()
async def test_a_missing_prelude_is_warned_of_once(world: World) -> None:
    for _ in range(3):
        client, stream = await pair(world)
        stream.chunk(b"<h1>hello</h1>")
        stream.finish()
        assert await outcome_of(client) == (200, b"<h1>hello</h1>", True)

    text = world.log.text()
    assert text.count("no_prelude=1: the stream has no prelude") == 1
    assert "function=stream no_prelude=1" in text
    assert "awslambda.HttpResponseStream.from" in text


@streamed(first_byte_s=10.0)
async def test_an_object_that_does_not_end_in_time_is_named(world: World) -> None:
    client, stream = await pair(world)

    stream.chunk(b'{"items":[1')
    await settle()

    world.clock.advance(11.0)

    assert (await outcome_of(client))[0] == 504
    await stream.wait_gone()
    assert "head was not known yet: 11 bytes of a JSON object" in world.log.text()


@pytest.mark.parametrize("data", [b'{"a":"\xff"}', b"{ nothing }"])
def test_what_is_no_json_is_no_result(data: bytes) -> None:
    @streamed()
    async def story(world: World) -> None:
        client, stream = await pair(world)
        stream.chunk(data)
        stream.finish()
        head = await client.read_head()
        assert (head.status, head.get("content-type")) == (200, "application/octet-stream")
        assert await client.read_body(head) == data

    story()
