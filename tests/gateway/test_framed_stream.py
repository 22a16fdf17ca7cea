"""Response streams in frames: what a client gets of them, and what it never gets."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from tests.fakes import Broken, encode_head, settle, until
from tests.gateway.stream_world import LambdaStream, hold, outcome_of, pair, streamed
from tests.gateway.world import World, played

from tailrace import limits
from tailrace.wire.event_stream import encode_chunk, encode_complete
from tailrace.wire.stream_frames import encode_data, encode_end, encode_error, encode_padding

SECRET = "the password is swordfish"
ERROR = json.dumps({"errorType": "ValueError", "errorMessage": SECRET}).encode()


def framed_head(status: int = 201, headers: dict[str, Any] | None = None) -> bytes:
    """A prelude that says that frames follow."""
    return encode_head(status, {"tailrace-frames": "1"} | (headers or {}))


HEAD = framed_head(headers={"content-type": "image/png"})
PADDING = encode_padding(bytes(20))
ONE, TWO, END = encode_data(b"one"), encode_data(b"two"), encode_end(6)
CHUNKS = (HEAD[:20], HEAD[20:] + ONE[:6], ONE[6:] + PADDING[:3], PADDING[3:] + TWO, END)
WIRE = b"".join(map(encode_chunk, CHUNKS)) + encode_complete()
BODY = b"onetwo"


async def play(world: World, *chunks: bytes) -> tuple[int, bytes, bool]:
    """What a client gets of a stream that ends well, as far as Lambda knows."""
    client, stream = await pair(world)
    stream.chunk(*chunks)
    stream.finish()
    return await outcome_of(client)


# --- what is relayed -----------------------------------------------------------------------------


@streamed()
async def test_data_is_relayed_as_it_comes_and_padding_is_counted(world: World) -> None:
    client, stream = await pair(world)

    stream.chunk(HEAD)
    head = await client.read_head()
    assert (head.status, head.get("content-type")) == (201, "image/png")
    assert head.get("tailrace-frames") is None
    stream.chunk(ONE)
    assert await client.read_chunk() == b"one"
    stream.chunk(PADDING, PADDING)
    assert await client.is_silent()
    stream.chunk(TWO, PADDING)
    assert await client.read_chunk() == b"two"
    stream.chunk(END)
    assert await client.is_silent()
    stream.finish()
    assert await client.read_chunk() == b""

    await world.assert_settled()
    (line,) = world.summaries()
    assert re.search(r" status=201 outcome=complete bytes=6 padded=60 first_byte_ms=\d", line)


@streamed()
async def test_what_one_read_brings_leaves_in_one_write(world: World) -> None:
    client, stream = await pair(world)

    stream.chunk(HEAD, ONE, PADDING, TWO)
    await client.read_head()
    assert await client.read_chunk() == b"onetwo"
    stream.chunk(encode_data(b"x") + PADDING, encode_data(b"y"), PADDING, encode_data(b"z"))
    assert await client.read_chunk() == b"xyz"
    stream.chunk(encode_end(9))
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
async def test_frames_may_be_split_at_any_byte(world: World) -> None:
    frames = HEAD + ONE + PADDING + TWO + END
    for at in range(1, len(frames)):
        client, stream = await pair(world)
        stream.chunk(frames[:at])
        await until(lambda sent=stream: sent.connection.unsent_bytes == 0)
        stream.chunk(frames[at:])
        stream.finish()
        assert await outcome_of(client) == (201, BODY, True)
        client.close()


@streamed()
async def test_a_body_that_looks_like_frames_or_padding_comes_through(world: World) -> None:
    data = (END + PADDING + ONE + bytes(range(256))) * 2_000
    client, stream = await pair(world)

    stream.chunk(HEAD, *(encode_data(data[at : at + 7_777]) for at in range(0, len(data), 7_777)))
    stream.chunk(encode_end(len(data)))
    stream.finish()

    assert await outcome_of(client) == (201, data, True)


@streamed()
async def test_a_head_is_there_before_any_data(world: World) -> None:
    client, stream = await pair(world)

    stream.chunk(HEAD + PADDING)
    assert (await client.read_head()).status == 201
    assert await client.is_silent()

    stream.chunk(encode_end(0))
    stream.finish()
    assert await client.read_chunk() == b""


@streamed()
async def test_a_response_without_a_body_ends_with_its_head(world: World) -> None:
    for method, status in (("HEAD", 200), ("GET", 204), ("GET", 304)):
        client, stream = await pair(world, method)
        stream.chunk(framed_head(status, {"content-length": "7"} if method == "HEAD" else None))
        head = await client.read_head()
        assert head.status == status
        assert head.get("content-length") == ("7" if method == "HEAD" else None)
        stream.chunk(PADDING, encode_end(0))
        stream.finish()
        await world.assert_settled()
        assert await client.is_silent()
    assert world.outcomes() == ["complete"] * 3


@streamed()
async def test_a_content_length_holds_to_the_byte_of_data(world: World) -> None:
    head = framed_head(200, {"content-length": "6"})
    for frames, is_complete in (
        (ONE + PADDING + TWO + END, True),
        (ONE + PADDING + encode_end(3), False),
        (ONE + TWO + ONE + encode_end(9), False),
    ):
        status, received, was_complete = await play(world, head, frames)
        assert (status, was_complete) == (200, is_complete)
        assert b"onetwo".startswith(received)
    await world.assert_settled()
    assert world.outcomes() == ["complete", "malformed", "malformed"]


# --- what is taken for frames --------------------------------------------------------------------


@streamed()
async def test_only_a_prelude_says_that_frames_follow(world: World) -> None:
    """The headers of a buffered result do not: its body is whole, and no frames."""
    body = (ONE + encode_end(3)).decode("latin-1")
    result = {"statusCode": 201, "headers": {"Tailrace-Frames": "1", "x-a": "1"}, "body": body}
    client, stream = await pair(world)

    stream.chunk(json.dumps(result).encode())
    stream.finish()

    head = await client.read_head()
    assert (head.get("tailrace-frames"), head.get("x-a")) == (None, "1")
    assert await client.read_body(head) == body.encode()


@streamed()
async def test_a_stream_that_looks_like_frames_and_does_not_say_so_is_none(world: World) -> None:
    frames = ONE + PADDING + END
    prelude = encode_head(201, {"content-type": "image/png"})

    assert await play(world, prelude, frames) == (201, frames, True)
    assert await play(world, frames) == (200, frames, True)

    await world.assert_settled()
    assert all(" padded=0 " in line for line in world.summaries())


@pytest.mark.parametrize("version", ["0", "2", "", "1, 1", "yes"])
@streamed()
async def test_frames_of_another_version_are_a_502(world: World, version: str) -> None:
    client, stream = await pair(world)

    stream.chunk(encode_head(200, {"TAILRACE-FRAMES": version}), ONE)

    status, body, is_complete = await outcome_of(client)
    assert (status, is_complete) == (502, True)
    assert f"tailrace-frames: version {version!a} is not known" in json.loads(body)["detail"]
    await stream.wait_gone()


@played()
async def test_a_callback_is_never_taken_for_framed(world: World) -> None:
    """Nobody asked it: the bytes are the body, and the header is not for clients."""
    frames = ONE + encode_end(3)
    client, function = await world.pair()

    assert world.endpoint.invocations[0].event["tailrace"].keys() == {"v", "callback"}
    await function.write(framed_head() + frames)
    await function.end()

    head = await client.read_head()
    assert (head.status, head.get("tailrace-frames")) == (201, None)
    assert await client.read_body(head) == frames


@streamed()
async def test_no_client_makes_a_function_say_that_it_has_frames(world: World) -> None:
    """Some functions repeat the request's headers in their response."""
    client, stream = await hold(world, headers=[("tailrace-frames", "1"), ("x-a", "1")])

    headers = stream.event["headers"]

    assert (headers.get("x-a"), headers.get("tailrace-frames")) == ("1", None)
    client.close()
    await stream.wait_gone()


# --- frames that break ---------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["break_off", "end", "finish"])
@streamed()
async def test_frames_that_are_cut_anywhere_are_never_complete(world: World, how: str) -> None:
    """Also when Lambda says that all went well."""
    frames = HEAD + ONE + PADDING + TWO + END
    for cut in range(len(HEAD), len(frames)):
        client, stream = await pair(world)
        stream.chunk(frames[:cut])
        getattr(stream, how)()
        status, body, is_complete = await outcome_of(client)
        assert (status, is_complete) == (201, False)
        assert BODY.startswith(body)
        client.close()

    await world.assert_settled()
    assert set(world.outcomes()) == {"malformed" if how == "finish" else "stream-broken"}
    said = "was cut short: malformed frames: the stream has ended without an end frame"
    assert (said in world.log.text()) == (how == "finish")


@streamed()
async def test_an_end_is_none_before_lambda_says_so_too(world: World) -> None:
    client, stream = await pair(world)
    stream.chunk(HEAD, ONE, TWO, END)
    await client.read_head()
    assert await client.read_chunk() == BODY

    stream.break_off()

    assert (await client.read_to_end())[0] == b""
    await world.assert_settled()
    assert world.outcomes() == ["stream-broken"]


@pytest.mark.parametrize(
    ("frames", "said"),
    [
        (b"\0", "byte 0x00 begins no frame"),
        (b"D\xff\xff\xff\xff", "a frame D of 4294967295 bytes"),
        (b"E\0\0\0\4\0\0\0\0", "a frame E of 4 bytes"),
        (encode_end(5), "the end says 5 bytes of data, 6 have come"),
        (encode_end(7), "the end says 7 bytes of data, 6 have come"),
        (END + b"D", "bytes follow the end frame"),
        (END + PADDING, "bytes follow the end frame"),
        (END + END, "bytes follow the end frame"),
    ],
)
@pytest.mark.parametrize("is_split", [False, True])
@streamed()
async def test_malformed_frames_break_the_response_off(
    world: World, frames: bytes, said: str, is_split: bool
) -> None:
    """Data behind the end, too: the client has not been told of the end before Lambda's own."""
    client, stream = await pair(world)
    stream.chunk(HEAD, ONE, PADDING + TWO)
    assert (await client.read_head()).status == 201
    assert await client.read_chunk() == BODY

    if is_split:
        for at in range(len(frames)):
            stream.chunk(frames[at : at + 1])
            await until(lambda: stream.connection.unsent_bytes == 0)
        await stream.wait_gone()
    else:
        stream.chunk(frames)
        stream.finish()

    assert (await client.read_to_end())[0] == b""
    await world.assert_settled()
    (line,) = world.summaries()
    assert " outcome=malformed bytes=6 padded=20 " in line
    assert f" function=stream was cut short: malformed frames: {said}\n" in world.log.text() + "\n"


@streamed()
async def test_malformed_frames_are_visible_to_an_http_1_0_client(world: World) -> None:
    client, stream = await pair(world, version="1.0")
    stream.chunk(HEAD, ONE)
    assert (await client.read_head()).status == 201
    assert await client.read_exactly(3) == b"one"

    stream.chunk(encode_end(4))

    assert await client.read_to_end() == (b"", "reset")


@streamed()
async def test_a_broken_end_of_a_response_that_has_no_body_is_only_logged(world: World) -> None:
    client, stream = await pair(world)
    stream.chunk(framed_head(204))
    assert (await client.read_head()).status == 204

    stream.finish()

    await world.assert_settled()
    assert world.outcomes() == ["complete"]
    assert "without an end frame" in world.log.text()


# --- functions that fail -------------------------------------------------------------------------


async def fail(stream: LambdaStream, how: str) -> None:
    """What Lambda sends of a function that has raised: the frame, and then its own word."""
    last = encode_complete("Unhandled", ERROR.decode())
    if how == "at once":
        stream.send(encode_chunk(TWO + encode_error(ERROR)) + last)
        return
    stream.chunk(TWO + encode_error(ERROR))
    await until(lambda: stream.connection.unsent_bytes == 0)


@pytest.mark.parametrize("how", ["at once", "no last word"])
@streamed()
async def test_an_error_breaks_the_response_off_and_is_logged_once(world: World, how: str) -> None:
    """What came before it still reaches the client, the error's text never."""
    client, stream = await pair(world)
    stream.chunk(HEAD, ONE)
    await client.read_head()
    assert await client.read_chunk() == b"one"

    await fail(stream, how)

    assert await client.read_to_end() == (b"3\r\ntwo\r\n", "end")
    await stream.wait_gone()
    await world.assert_settled()
    assert world.outcomes() == ["function-failed"]
    assert world.log.text().count(SECRET) == 1
    assert f"function=stream failed: {ERROR.decode()!a}" in world.log.text()


@streamed()
async def test_an_error_with_the_head_is_a_broken_response(world: World) -> None:
    status, body, is_complete = await play(world, HEAD + encode_error(ERROR))

    assert (status, body, is_complete) == (201, b"", False)
    await world.assert_settled()
    assert world.outcomes() == ["function-failed"]


@streamed()
async def test_the_text_of_an_error_is_escaped_and_redacted(world: World) -> None:
    url = "http://10.0.0.1/8f5b6a0e-5d0e-4f1c-9a53-0e3a2b6f1c11/" + "9d2c4b7a" * 4
    world.secrets.add("9d2c4b7a" * 4)

    await play(world, HEAD, encode_error(f"\x1b[31m\nforged line {url} \xff".encode("latin-1")))

    (line,) = world.log.named("tailrace.gateway.transports.response_stream")
    assert "\\x1b[31m\\nforged line http://10.0.0.1/8f5b" in line


@streamed()
async def test_a_function_that_fails_without_a_frame_is_broken_off(world: World) -> None:
    """It was killed: Lambda alone says so, also behind the end."""
    for frames in (ONE, ONE + TWO + END):
        client, stream = await pair(world)
        stream.chunk(HEAD, frames)
        stream.complete("Runtime.ExitError", "exit status 1")
        stream.end()
        assert (await outcome_of(client))[2] is False
    await world.assert_settled()
    assert world.outcomes() == ["function-failed"] * 2


@pytest.mark.parametrize("padding", [encode_padding(b""), PADDING, encode_data(b"")])
@streamed(idle_s=10.0)
async def test_padding_without_end_meets_the_idle_deadline(world: World, padding: bytes) -> None:
    """It is no progress: a client waits for data."""
    client, stream = await pair(world)
    stream.chunk(HEAD, ONE)
    head = await client.read_head()

    for _ in range(11):
        stream.chunk(padding * 10)
        await settle()
        world.clock.advance(1.0)
    await stream.wait_gone()

    with pytest.raises(Broken) as broken:
        await client.read_body(head)
    assert broken.value.received == b"one"
    await world.assert_settled()
    assert world.outcomes() == ["idle-deadline"]


# --- a message of very many frames ---------------------------------------------------------------

TURNS = 60
CROWD = encode_data(b"x") * (TURNS * limits.FRAMES_PER_TURN_MAX)
CROWD_BYTES = TURNS * limits.FRAMES_PER_TURN_MAX


@streamed()
async def test_other_streams_move_while_very_many_frames_are_read(world: World) -> None:
    """The frames come in one message, and are read in many turns of the event loop."""
    crowded, crowd = await pair(world)
    client, stream = await pair(world)
    for each in (crowd, stream):
        each.chunk(HEAD)
    for each in (crowded, client):
        await each.read_head()

    crowd.chunk(CROWD, encode_end(CROWD_BYTES))
    crowd.finish()
    seen = len(await crowded.read_chunk())
    stream.chunk(ONE)
    assert await client.read_chunk() == b"one"
    assert world.outcomes() == []  # there are frames left

    while data := await crowded.read_chunk():
        seen += len(data)
    assert seen == CROWD_BYTES
    stream.chunk(encode_end(3))
    stream.finish()
    assert await client.read_chunk() == b""
    await world.assert_settled()
    assert world.outcomes() == ["complete", "complete"]


@streamed()
async def test_a_client_may_leave_while_very_many_frames_are_read(world: World) -> None:
    crowded, crowd = await pair(world)
    crowd.chunk(HEAD)
    await crowded.read_head()

    crowd.chunk(CROWD)
    await crowded.read_chunk()
    crowded.close()

    await world.assert_settled()
    await crowd.wait_gone()
    assert world.outcomes() == ["client-left"]


@streamed()
@pytest.mark.parametrize("last", [b"?", encode_end(7), encode_error(ERROR)])
async def test_what_is_wrong_behind_very_many_frames_is_found(world: World, last: bytes) -> None:
    crowded, crowd = await pair(world)

    crowd.chunk(HEAD, CROWD + last)
    crowd.finish()

    status, body, is_complete = await outcome_of(crowded)
    assert (status, is_complete) == (201, False)
    assert len(body) <= CROWD_BYTES
    await world.assert_settled()
    assert world.outcomes() in (["malformed"], ["function-failed"])


@streamed()
async def test_a_slow_client_and_very_many_frames(world: World) -> None:
    crowded, crowd = await pair(world, receive_bytes=4096)

    crowd.chunk(HEAD)
    for _ in range(4):
        crowd.chunk(CROWD)
    crowd.chunk(encode_end(4 * CROWD_BYTES))
    crowd.finish()

    status, body, is_complete = await outcome_of(crowded)
    assert (status, len(body), is_complete) == (201, 4 * CROWD_BYTES, True)
