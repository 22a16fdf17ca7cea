"""A response's output: any transport with any encoder, with and without flushes."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.peers import Peer, Running
from tests.runtime_api import HTTP_EVENT, RuntimeLoop

import tailrace
from tailrace.errors import FlushError, PreludeError
from tailrace.function import FlushPolicy, Head, streamify_response
from tailrace.function.failure import Failure
from tailrace.function.output import Output
from tailrace.function.output.encoder import PRELUDE, RAW, Encoder
from tailrace.function.output.flushes import Flushes
from tailrace.function.output.frames import FRAMES
from tailrace.limits import JOINED_CHUNK_BYTES_MAX, PRELUDE_BYTES_MAX
from tailrace.wire.integration import MEDIA_TYPE, PreludeParser
from tailrace.wire.mark import keys_for_stream
from tailrace.wire.stream_frames import FrameDecoder

SOURCES = str(Path(tailrace.__file__).parent)
SSE = Head(201, {"content-type": "text/event-stream"}, ["a=1"])
PNG = Head(headers={"content-type": "image/png"})
FAILURE = Failure("ValueError", "no", [])


class Wire:
    """A transport that keeps what it is given."""

    peer = None
    has_unsent = False

    def __init__(self) -> None:
        self.media_type: str | None = None
        self.sent: list[bytes] = []
        self.calls: list[str] = []

    @property
    def body(self) -> bytes:
        return b"".join(self.sent)

    def keep_result(self, result: object) -> bool:
        return False

    def start(self, head: Head, media_type: str) -> None:
        assert self.media_type is None, "a response starts once"
        self.media_type = media_type

    def send(self, data: bytes) -> None:
        assert self.media_type is not None, "the start comes first"
        self.sent.append(data)

    def push(self) -> None:
        self.calls.append("push")

    def look(self) -> None:
        self.calls.append("look")

    def drain(self) -> None:
        self.calls.append("drain")

    def end(self) -> None:
        self.calls.append("end")

    def abort(self) -> None:
        self.calls.append("abort")


def sent_by(
    encoder: Encoder, head: Head, chunks: list[bytes], policy: FlushPolicy | None = None
) -> tuple[Wire, Output]:
    """A whole response, the first chunk together with its head."""
    wire = Wire()
    output = Output(wire, encoder, None if policy is None else Flushes(policy))
    output.start(head, chunks[0])
    for chunk in chunks[1:]:
        output.write(chunk)
    output.end()
    return wire, output


def behind_prelude(data: bytes) -> tuple[Head, bytes]:
    parser = PreludeParser()
    head = parser.feed(data)
    assert head is not None
    return head, parser.rest


def unframed(frames: bytes) -> tuple[bytes, int]:
    decoder = FrameDecoder()
    data = decoder.feed(frames)
    decoder.finish()
    return data, decoder.padded_bytes


bodies = st.lists(st.binary(max_size=40), min_size=1, max_size=8)


@given(bodies)
def test_any_chunks_are_the_same_body_by_every_encoder(chunks: list[bytes]) -> None:
    body = b"".join(chunks)

    raw, output = sent_by(RAW, SSE, chunks)
    assert (raw.media_type, raw.body) == ("text/event-stream", body)
    prelude, _ = sent_by(PRELUDE, SSE, chunks)
    assert (prelude.media_type, behind_prelude(prelude.body)) == (MEDIA_TYPE, (SSE, body))
    frames, _ = sent_by(FRAMES, SSE, chunks)
    head, framed = behind_prelude(frames.body)
    assert (frames.media_type, head.get("tailrace-frames")) == (MEDIA_TYPE, "1")
    assert unframed(framed) == (body, 0)
    assert output.body_bytes == len(body)
    assert output.flush_counts == (0, 0, 0)


@given(bodies, st.sampled_from(["explicit", "every-write"]))
def test_padding_in_frames_is_no_part_of_the_body(chunks: list[bytes], when: Any) -> None:
    wire, output = sent_by(FRAMES, PNG, chunks, FlushPolicy(when, pad_bytes=7))

    _, framed = behind_prelude(wire.body)
    flushes, deferred, padded_bytes = output.flush_counts
    assert unframed(framed) == (b"".join(chunks), padded_bytes)
    assert (deferred, padded_bytes) == (0, 7 * flushes)
    assert flushes == (len(chunks) if when == "every-write" else 0)


def test_every_write_is_padded_where_the_content_type_allows_it() -> None:
    policy = FlushPolicy("every-write", pad_bytes=8)
    wire, output = sent_by(PRELUDE, SSE, [b"data: x\n\n", b"data: y", b"\n\n"], policy)

    head, body = behind_prelude(wire.body)
    assert head == SSE
    assert body.replace(b":      \n", b"") == b"data: x\n\ndata: y\n\n"
    assert output.flush_counts == (3, 1, 16)


def test_a_flush_sends_nothing_where_nothing_is_held_back() -> None:
    wire = Wire()
    output = Output(wire, PRELUDE)
    output.start(PNG, b"x")
    before = list(wire.sent)

    output.set_flush_policy(FlushPolicy("every-write"))
    output.flush()
    output.expire(1e9)

    assert wire.sent == before


def test_a_flush_that_the_content_type_does_not_allow_leaves_the_response_as_it_is() -> None:
    wire = Wire()
    output = Output(wire, RAW, Flushes())
    output.start(PNG, b"x")

    with pytest.raises(FlushError, match="image/png has no padding"):
        output.flush()
    output.write(b"y")
    output.end()

    assert (wire.body, wire.calls) == (b"xy", ["end"])


@pytest.mark.parametrize("encoder", [RAW, FRAMES])
def test_large_data_is_passed_on_without_a_copy(encoder: Encoder) -> None:
    data = bytes(JOINED_CHUNK_BYTES_MAX + 1)
    wire, _ = sent_by(encoder, SSE, [data, data])

    assert sum(piece is data for piece in wire.sent) == 2


def test_a_head_without_bytes_is_pushed_by_itself() -> None:
    """It has no prelude: nothing else would make the request's head leave."""
    wire, _ = sent_by(RAW, SSE, [b""])

    assert (wire.sent, wire.calls) == ([], ["push", "end"])


def test_a_head_that_is_too_long_starts_nothing() -> None:
    wire = Wire()
    long = Head(headers={"x-a": "1" * PRELUDE_BYTES_MAX})

    for encoder in (PRELUDE, FRAMES):
        with pytest.raises(PreludeError):
            Output(wire, encoder).start(long, b"x")

    assert wire.media_type is None


@pytest.mark.parametrize(("encoder", "kind"), [(RAW, b""), (PRELUDE, b""), (FRAMES, b"X")])
def test_only_frames_have_a_place_for_an_error(encoder: Encoder, kind: bytes) -> None:
    wire = Wire()
    output = Output(wire, encoder)
    output.start(SSE, b"x")
    sent = len(wire.sent)

    output.write_error(FAILURE)

    assert b"".join(wire.sent[sent:])[:1] == kind


# --- functions on the way of a chunk -------------------------------------------------------------

WRITES = 8


class Steps:
    """Our own functions that a thread enters between one write of a handler and the next."""

    def __init__(self) -> None:
        self._writes = 0
        self._before: Any = None
        self.entered: list[str] = []

    def note_write(self) -> None:
        """Called before each write: the fourth starts the count, the fifth ends it."""
        self._writes += 1
        if self._writes == 4:
            self._before = sys.getprofile()
            sys.setprofile(self._note)
        elif self._writes == 5:
            sys.setprofile(self._before)

    def _note(self, frame: FrameType, event: str, argument: Any) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(SOURCES):
            self.entered.append(code.co_qualname)


def handler_of(kind: str, steps: Steps) -> Callable[[Any, Any], Any]:
    """A handler that yields short events, all alike."""

    def generate(event: Any, context: Any) -> Iterator[Any]:
        yield SSE
        for _ in range(WRITES):
            steps.note_write()
            yield "data: x\n\n"

    async def generate_async(event: Any, context: Any) -> AsyncIterator[Any]:
        for item in generate(event, context):
            yield item

    return streamify_response(generate if kind == "sync" else generate_async)


@pytest.mark.parametrize(("kind", "steps_max"), [("sync", 15), ("async", 16)])
def test_a_chunk_passes_few_functions_to_a_callback(kind: str, steps_max: int) -> None:
    steps = Steps()

    with Peer() as peer:
        call = Running(handler_of(kind, steps), peer.event(), None)
        peer.accept_callback().serve()
        call.result()

    assert 0 < len(steps.entered) <= steps_max, steps.entered


@pytest.mark.parametrize(
    ("kind", "is_framed", "steps_max"),
    [("sync", False, 16), ("async", False, 17), ("sync", True, 18), ("async", True, 19)],
)
def test_a_chunk_passes_few_functions_to_the_runtime_api(
    kind: str, is_framed: bool, steps_max: int
) -> None:
    steps = Steps()
    event = HTTP_EVENT | (keys_for_stream() if is_framed else {})

    with Peer() as peer, RuntimeLoop(peer, handler_of(kind, steps)) as runtime:
        stream = runtime.stream(event)
        stream.read_response_head()
        stream.read_body()
        stream.accept_response()

    assert 0 < len(steps.entered) <= steps_max, steps.entered
