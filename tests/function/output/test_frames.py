"""Responses in frames: what a gateway that reads them is sent, and who is sent none."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from tests.function.handlers import KINDS, Handler, handler_of
from tests.peers import Peer
from tests.runtime_api import RuntimeLoop, StreamPost, error_in

from tailrace.errors import FrameError, PeerError
from tailrace.function import (
    FLUSH,
    FlushError,
    FlushPolicy,
    Head,
    ResponseStream,
    streamify_response,
)
from tailrace.limits import (
    FRAME_BYTES_MAX,
    FRAME_ERROR_BYTES_MAX,
    HEADER_COUNT_MAX,
    PRELUDE_BYTES_MAX,
)
from tailrace.wire.stream_frames import FrameDecoder

PNG = Head(201, {"content-type": "image/png"}, ["a=1"])
PADDING = b"P\0\0\0\x64" + bytes(100)


def event_with(mark: Any, method: str = "GET") -> dict[str, Any]:
    """An event with what the gateway, or somebody else, has put into it."""
    return {"requestContext": {"http": {"method": method, "path": "/"}}, "tailrace": mark}


def framed_event(method: str = "GET") -> dict[str, Any]:
    """The event of a response-stream route."""
    return event_with({"v": 1, "transport": "response-stream", "frames": 1}, method)


def frames_of(stream: StreamPost) -> tuple[Head, bytes, dict[str, str]]:
    """The head, the frames behind it, and the trailers, of a response that is then accepted."""
    head = stream.read_response_head()
    frames, trailers = stream.read_body()
    stream.accept_response()
    return head, frames, trailers


def sent(peer: Peer, handler: Handler, event: Any) -> tuple[Head, bytes]:
    """What a handler has sent for an event, its head and what is behind it."""
    with RuntimeLoop(peer, handler) as runtime:
        head, frames, trailers = frames_of(runtime.stream(event))
    assert trailers == {}
    return head, frames


def decoded(frames: bytes) -> tuple[bytes, int]:
    """Data and padding of frames that end as they should."""
    decoder = FrameDecoder()
    data = decoder.feed(frames)
    decoder.finish()
    return data, decoder.padded_bytes


# --- what is sent --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_any_content_type_is_flushed_by_frames(peer: Peer, kind: str) -> None:
    items = [PNG, b"\x89PNG", FLUSH, FLUSH, b"P\0\0\0\1", FLUSH]

    head, frames = sent(peer, handler_of(kind, items), framed_event())

    assert head == Head(201, [*PNG.headers, ("tailrace-frames", "1")], ["a=1"])
    assert frames == (
        b"D\0\0\0\4\x89PNG" + PADDING + b"D\0\0\0\5P\0\0\0\1" + PADDING
        + b"E\0\0\0\x08\0\0\0\0\0\0\0\x09"
    )  # fmt: skip


def test_what_was_flushed_has_been_sent_before_the_handler_goes_on(peer: Peer) -> None:
    permits = threading.Semaphore(3)
    handler = handler_of("generator", [PNG, b"one", FLUSH, b"two"], before=permits.acquire)

    with RuntimeLoop(peer, handler) as runtime:
        stream = runtime.stream(framed_event())
        stream.read_response_head()
        assert stream.read_piece() + stream.read_piece() == b"D\0\0\0\3one" + PADDING
        permits.release()
        frames, _ = stream.read_body()
        stream.accept_response()

    assert frames == b"D\0\0\0\3twoE\0\0\0\x08\0\0\0\0\0\0\0\6"


def test_a_head_alone_is_flushed(peer: Peer) -> None:
    _, frames = sent(peer, handler_of("writer", [PNG, FLUSH, b"x"]), framed_event())

    assert frames == PADDING + b"D\0\0\0\1xE\0\0\0\x08\0\0\0\0\0\0\0\1"


@pytest.mark.parametrize("when", ["every-write", "adaptive"])
def test_every_policy_is_followed_whatever_the_type(
    peer: Peer, when: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Adaptive: quiet times are between the items."""
    policy = FlushPolicy(when, pad_bytes=100, quiet_s=0.01)
    paddings: list[int] = []

    async def write(event: Any, response: ResponseStream, context: Any) -> None:
        response.set_head(Head(headers={"content-type": "image/png", "content-length": "2"}))
        for number, item in enumerate((b"a", b"b")):
            await response.write(item)
            async with asyncio.timeout(10):
                while response.flush_counts.padded_bytes <= 100 * number:
                    await asyncio.sleep(0.001)
        paddings.append(response.flush_counts.padded_bytes)

    with caplog.at_level(logging.INFO):
        _, frames = sent(peer, streamify_response(write, flush=policy), framed_event())

    assert decoded(frames) == (b"ab", 200)
    assert paddings == [200]
    assert "flushed: flushes=2 deferred=0 padded_bytes=200" in caplog.text
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_bursts_of_chunks_and_large_ones_come_through(peer: Peer) -> None:
    data = bytes(range(256)) * 4_000
    cuts = [0, 1, 2, 300, 70_000, 400_000, len(data)]
    items = [data[a:b] for a, b in pairwise(cuts)]

    _, frames = sent(peer, handler_of("generator", [PNG, *items, FLUSH]), framed_event())

    assert decoded(frames) == (data, 100)


def test_what_is_too_long_for_a_frame_takes_several(peer: Peer) -> None:
    data = bytes(range(256)) * (FRAME_BYTES_MAX // 256) + b"more"

    _, frames = sent(peer, handler_of("generator", [PNG, data]), framed_event())
    _, result = sent(peer, streamify_response(lambda event, context: data), framed_event())

    assert frames == result
    assert frames[:5] == b"D\1\0\0\0"
    assert frames[FRAME_BYTES_MAX + 5 :].startswith(b"D\0\0\0\4moreE")
    assert decoded(frames) == (data, 0)


def test_a_plain_result_is_a_framed_response(peer: Peer) -> None:
    handler = streamify_response(lambda event, context: {"statusCode": 404, "body": "gone"})

    head, frames = sent(peer, handler, framed_event())

    assert (head.status, head.get("tailrace-frames")) == (404, "1")
    assert decoded(frames) == (b"gone", 0)


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
@pytest.mark.parametrize("kind", KINDS)
def test_a_response_that_has_no_body_has_no_data(
    peer: Peer, kind: str, method: str, status: int
) -> None:
    items = [Head(status), b"nobody reads this", FLUSH]

    head, frames = sent(peer, handler_of(kind, items, "every-write"), framed_event(method))

    assert (head.status, head.get("tailrace-frames")) == (status, "1")
    assert decoded(frames) == (b"", 0)


def test_an_empty_response_has_an_end(peer: Peer) -> None:
    _, frames = sent(peer, handler_of("generator", []), framed_event())

    assert decoded(frames) == (b"", 0)


def test_what_a_handler_says_of_frames_itself_does_not_count(peer: Peer) -> None:
    head = Head(headers=[("Tailrace-Frames", "7"), ("x-a", "1")])

    said, frames = sent(peer, handler_of("generator", [head, "x"]), framed_event())

    assert said.headers == (("x-a", "1"), ("tailrace-frames", "1"))
    assert decoded(frames) == (b"x", 0)


# --- who is sent none ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "mark",
    [
        {"v": 1, "transport": "response-stream"},
        {"v": 1, "transport": "response-stream", "frames": 2},
        {"v": 1, "transport": "response-stream", "frames": "1"},
        {"v": 1, "transport": "response-stream", "frames": None},
        {"v": 1, "frames": 1},
        {"v": 1, "transport": "other", "frames": 1},
        "frames",
        None,
    ],
)
def test_who_does_not_ask_gets_no_frames(peer: Peer, mark: Any) -> None:
    head, body = sent(peer, handler_of("generator", [PNG, b"one"]), event_with(mark))

    assert (head, body) == (PNG, b"one")


def test_an_event_that_is_no_http_request_gets_no_frames(peer: Peer) -> None:
    """It has no prelude to say that they follow."""
    event = {"tailrace": framed_event()["tailrace"]}

    with RuntimeLoop(peer, handler_of("generator", [PNG, b"one"])) as runtime:
        stream = runtime.stream(event)
        assert stream.header("content-type") == "image/png"
        assert stream.read_body()[0] == b"one"
        stream.accept_response()


def test_a_result_that_is_returned_has_no_frames() -> None:
    """Under a runtime that cannot stream."""
    result = handler_of("generator", [PNG, "one"])(framed_event(), None)

    assert result["headers"] == dict(PNG.headers)
    assert (result["body"], result["isBase64Encoded"]) == ("one", False)


@pytest.mark.parametrize(
    "headers",
    [
        [(f"x-{number}", "1") for number in range(HEADER_COUNT_MAX)],
        [("x-a", "1" * (PRELUDE_BYTES_MAX - len('{"statusCode":200,"headers":{"x-a":""}}') - 8))],
    ],
    ids=["count", "size"],
)
def test_a_head_without_room_for_the_mark_goes_without_frames(peer: Peer, headers: Any) -> None:
    """A flush is then as anywhere: by the content type."""
    caught: list[FlushError] = []

    @streamify_response
    def handler(event: Any, context: Any) -> Iterator[Any]:
        yield Head(headers=headers)
        yield b"one"
        try:
            yield FLUSH
        except FlushError as error:
            caught.append(error)
        yield b"two"

    head, body = sent(peer, handler, framed_event())

    assert len(head.headers) == len(headers)
    assert body == b"onetwo"
    assert len(caught) == 1


# --- handlers that fail --------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_after_the_head_is_a_frame_and_never_an_end(peer: Peer, kind: str) -> None:
    handler = handler_of(kind, [PNG, b"half", ValueError("ä \x00")])
    with RuntimeLoop(peer, handler) as runtime:
        _, frames, trailers = frames_of(runtime.stream(framed_event()))

    decoder = FrameDecoder()
    assert decoder.feed(frames) == b"half"
    assert decoder.error is not None
    assert json.loads(decoder.error) == {"errorType": "ValueError", "errorMessage": "ä \x00"}
    with pytest.raises(FrameError):
        decoder.finish()
    assert error_in(trailers)[0] == "Function.ValueError"


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_before_the_head_fails_the_invocation(peer: Peer, kind: str) -> None:
    with RuntimeLoop(peer, handler_of(kind, [ValueError("x")])) as runtime:
        runtime.give(framed_event())
        runtime.accept_stream()
        assert runtime.report()[0] == "error"


@pytest.mark.parametrize("message", ["x" * 100_000, "\U0001f600" * 2_000, "\0" * 5_000])
def test_a_long_error_is_cut_to_fit(peer: Peer, message: str) -> None:
    error_type = type("E" * 9_999, (Exception,), {})
    with RuntimeLoop(peer, handler_of("generator", [PNG, error_type(message)])) as runtime:
        _, frames, _ = frames_of(runtime.stream(framed_event()))

    decoder = FrameDecoder()
    decoder.feed(frames)
    assert decoder.error is not None
    error = json.loads(decoder.error)
    assert error["errorType"] == "E" * 200
    assert message.startswith(error["errorMessage"])
    assert 0 < len(decoder.error) <= FRAME_ERROR_BYTES_MAX


def test_an_error_behind_the_end_changes_nothing(peer: Peer) -> None:
    @streamify_response
    async def handler(event: Any, response: ResponseStream, context: Any) -> None:
        await response.write("one")
        await response.end()
        raise ValueError("late")

    _, frames = sent(peer, handler, framed_event())

    assert decoded(frames) == (b"one", 0)


def test_a_runtime_api_that_is_gone_is_told_of_no_error(
    peer: Peer, capsys: pytest.CaptureFixture[str]
) -> None:
    """The handler's own is logged all the same."""
    permits = threading.Semaphore(2)
    handler = handler_of("generator", [PNG, b"one", ValueError("mine")], before=permits.acquire)

    with RuntimeLoop(peer, handler) as runtime:
        stream = runtime.stream(framed_event())
        stream.read_response_head()
        assert stream.read_piece() == b"D\0\0\0\3one"
        stream.reset()
        permits.release()
        with pytest.raises(PeerError):
            runtime.call.result()

    assert "[ERROR] ValueError: mine" in capsys.readouterr().out
