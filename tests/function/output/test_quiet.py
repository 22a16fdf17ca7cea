"""Adaptive flush beside a handler at work: who does it, by what, and what is left of it."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Any

import pytest
from tests.peers import Peer, until
from tests.runtime_api import RuntimeLoop, StreamPost, error_in

from tailrace.function import FlushPolicy, Head, ResponseStream, streamify_response
from tailrace.limits import FLUSH_PAD_BYTES_MAX, FLUSH_QUIET_S_MAX

SSE = Head(headers={"content-type": "text/event-stream"})
ADAPTIVE = FlushPolicy("adaptive", pad_bytes=100, quiet_s=0.01)
NEVER = FlushPolicy("adaptive", pad_bytes=100, quiet_s=FLUSH_QUIET_S_MAX)
KINDS = ["generator", "async generator", "writer", "async with iterator", "handed on"]
SYNC = ["generator", "async with iterator", "handed on"]
Handler = Callable[[Any, Any], Any]


class Gate:
    """Where a handler waits for the test."""

    def __init__(self) -> None:
        self._permits = threading.Semaphore(0)

    def open(self) -> None:
        self._permits.release()

    def wait(self) -> None:
        assert self._permits.acquire(timeout=10)

    async def wait_async(self) -> None:
        await asyncio.get_running_loop().run_in_executor(None, self.wait)


def handler_of(
    kind: str, items: Iterable[Any], gate: Gate, flush: FlushPolicy = ADAPTIVE
) -> Handler:
    """A handler of a kind that sends items and waits where one is None; an exception is raised."""

    def generate(event: Any, context: Any) -> Iterator[Any]:
        for item in items:
            if isinstance(item, BaseException):
                raise item
            if item is None:
                gate.wait()
            else:
                yield item

    async def generate_async(event: Any, context: Any) -> AsyncIterator[Any]:
        for item in items:
            if isinstance(item, BaseException):
                raise item
            if item is None:
                await gate.wait_async()
            else:
                yield item

    async def write(event: Any, response: ResponseStream, context: Any) -> None:
        async for item in generate_async(event, context):
            if isinstance(item, Head):
                response.set_head(item)
                await response.flush()
            else:
                await response.write(item)

    async def return_iterator(event: Any, context: Any) -> Any:
        return generate(event, context)

    def hand_on(event: Any, context: Any) -> Any:
        return streamify_response(generate, flush=flush)(event, context)

    functions: dict[str, Any] = {
        "generator": generate,
        "async generator": generate_async,
        "writer": write,
        "async with iterator": return_iterator,
        "handed on": hand_on,
    }
    if kind == "handed on":
        return streamify_response(hand_on)
    return streamify_response(functions[kind], flush=flush)


def watchers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "tailrace-flush"]


def read_flushed(stream: StreamPost, body: bytes) -> None:
    """Read a body, and the padding behind it. A busy machine may have made more pauses."""
    received = b""
    while True:
        piece = stream.read_piece()
        assert piece, "the body has ended"
        if len(piece) != ADAPTIVE.pad_bytes:
            received += piece
        elif received == body:
            return


def rest_of(stream: StreamPost) -> bytes:
    """The rest of the body without padding."""
    pieces = []
    while piece := stream.read_piece():
        pieces.append(piece)
    assert stream.read_trailers() == {}
    stream.accept_response()
    return b"".join(piece for piece in pieces if len(piece) != ADAPTIVE.pad_bytes)


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_written_is_padded_while_the_handler_waits(peer: Peer, kind: str) -> None:
    gate = Gate()
    items = [SSE, "data: 1\n\n", None, "data: 2\n\n", "data: 3\n\n", None, "data: 4\n\n"]
    with RuntimeLoop(peer, handler_of(kind, items, gate)) as runtime:
        stream = runtime.stream()
        stream.read_response_head()
        read_flushed(stream, b"data: 1\n\n")
        assert len(watchers()) == (kind in SYNC)
        gate.open()
        read_flushed(stream, b"data: 2\n\ndata: 3\n\n")
        gate.open()
        assert rest_of(stream) == b"data: 4\n\n"
        runtime.expect_next()
        assert watchers() == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_head_that_waits_for_its_body_is_padded(peer: Peer, kind: str) -> None:
    gate = Gate()
    with RuntimeLoop(peer, handler_of(kind, [SSE, None, "data: 1\n\n"], gate)) as runtime:
        stream = runtime.stream()
        stream.read_response_head()
        read_flushed(stream, b"")
        gate.open()
        assert rest_of(stream) == b"data: 1\n\n"


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_padded_while_it_is_not_quiet(peer: Peer, kind: str) -> None:
    """And whoever watches is gone with the handler, however long the quiet time is."""
    gate = Gate()
    items = [SSE, "data: 1\n\n", "data: 2\n\n", None]
    with RuntimeLoop(peer, handler_of(kind, items, gate, NEVER)) as runtime:
        stream = runtime.stream()
        stream.read_response_head()
        gate.open()
        assert rest_of(stream) == b"data: 1\n\ndata: 2\n\n"
        runtime.expect_next()
        assert watchers() == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("flush", [ADAPTIVE, NEVER])
def test_a_handler_that_fails_leaves_no_watcher(
    peer: Peer, kind: str, flush: FlushPolicy, capsys: pytest.CaptureFixture[str]
) -> None:
    gate = Gate()
    items = [SSE, "data: 1\n\n", None, ValueError("late")]
    with RuntimeLoop(peer, handler_of(kind, items, gate, flush)) as runtime:
        stream = runtime.stream()
        stream.read_response_head()
        gate.open()
        _, trailers = stream.read_body()
        assert error_in(trailers)[1]["errorMessage"] == "late"
        stream.accept_response()
        runtime.expect_next()
        assert watchers() == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()])
def test_an_exit_leaves_no_watcher(peer: Peer, kind: str, error: BaseException) -> None:
    gate = Gate()
    with RuntimeLoop(peer, handler_of(kind, [SSE, "data: 1\n\n", None, error], gate)) as runtime:
        stream = runtime.stream()
        stream.read_response_head()
        read_flushed(stream, b"data: 1\n\n")
        gate.open()
        with pytest.raises(type(error)):
            runtime.call.result()
        assert watchers() == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("status", [410, 413])
def test_a_response_that_is_not_wanted_any_more_leaves_no_watcher(
    peer: Peer, kind: str, status: int
) -> None:
    """It may be the watcher that hears of it, while the handler is busy."""
    gate = Gate()
    items = [SSE, "data: 1\n\n", None, *["data: x\n\n", None] * 50]
    with RuntimeLoop(peer, handler_of(kind, items, gate)) as runtime:
        stream = runtime.stream()
        stream.read_response_head()
        stream.answer(status, b"{}")
        for _ in range(51):
            gate.open()
        runtime.expect_next()
        assert watchers() == []


@pytest.mark.parametrize("kind", SYNC)
def test_a_watcher_that_hears_of_a_loss_is_gone_before_the_handler_hears(
    peer: Peer, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    gate = Gate()
    policy = FlushPolicy("adaptive", pad_bytes=FLUSH_PAD_BYTES_MAX, quiet_s=0.01)
    items = [SSE, "data: 1\n\n", None, "data: 2\n\n"]
    with RuntimeLoop(peer, handler_of(kind, items, gate, policy)) as runtime:
        stream = runtime.stream()
        stream.read_response_head()
        until(lambda: len(watchers()) == 1, "the response is watched")
        stream.answer(413, b"{}")  # before the padding, or while there is no room for all of it
        until(lambda: not watchers(), "the watcher has heard of it")
        gate.open()
        runtime.expect_next()

    assert [line for line in caplog.messages if "cut short" in line] == [
        "the response was cut short: the peer answered 413 {}"
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_padding_that_the_kernel_has_no_room_for_leaves_while_the_handler_waits(
    peer: Peer, kind: str
) -> None:
    gate = Gate()
    policy = FlushPolicy("adaptive", pad_bytes=FLUSH_PAD_BYTES_MAX, quiet_s=0.01)
    with RuntimeLoop(peer, handler_of(kind, [SSE, "data: 1\n\n", None], gate, policy)) as runtime:
        stream = runtime.stream()
        stream.read_response_head()
        body = b""
        while not (body.count(b"data: 1\n\n") and body.endswith(b" \n")):
            piece = stream.read_piece()
            assert piece
            body += piece
        gate.open()
        stream.read_body()
        stream.accept_response()

    assert len(body) >= FLUSH_PAD_BYTES_MAX


@pytest.mark.parametrize("kind", KINDS)
def test_what_waits_for_a_reader_is_not_padded_on_top(peer: Peer, kind: str) -> None:
    """And a writer that waits for room is not quiet."""
    gate = Gate()
    policy = FlushPolicy("adaptive", pad_bytes=100, quiet_s=0.001)
    event = b"data: " + b"x" * 20_000_000 + b"\n\n"
    with RuntimeLoop(peer, handler_of(kind, [SSE, event], gate, policy)) as runtime:
        stream = runtime.stream()
        stream.read_response_head()
        looks: list[int] = []

        def has_stalled() -> bool:
            looks.append(stream.unread_bytes())
            return len(looks) >= 30 and len(set(looks[-30:])) == 1

        until(has_stalled, "the handler is blocked")
        body, _ = stream.read_body()
        stream.accept_response()

    # Before the event, and behind it if its last bytes have left before the end came.
    assert len(body) - len(event) <= 200


@pytest.mark.parametrize("kind", KINDS)
def test_who_watches_and_who_writes_never_send_at_once(peer: Peer, kind: str) -> None:
    """Pauses about as long as the quiet time: the two meet as often as can be."""
    policy = FlushPolicy("adaptive", pad_bytes=150_000, quiet_s=0.0005)
    events = [b"data: %d %b\n\n" % (number, b"x" * (number % 3 * 50_000)) for number in range(90)]
    chance = random.Random(4)

    def paced() -> Iterator[Any]:
        yield SSE
        for event in events:
            time.sleep(chance.uniform(0.0, 0.001))
            yield event

    gate = Gate()
    with RuntimeLoop(peer, handler_of(kind, paced(), gate, policy)) as runtime:
        stream = runtime.stream()
        stream.read_response_head()
        body, trailers = stream.read_body()
        stream.accept_response()

    lines = body.splitlines(keepends=True)
    assert b"".join(line for line in lines if not line.startswith(b":")) == b"".join(events)
    assert trailers == {}


def test_a_writer_that_ends_its_response_works_on_unwatched(peer: Peer) -> None:
    gate = Gate()

    @streamify_response(flush=ADAPTIVE)
    async def handler(event: Any, response: ResponseStream, context: Any) -> None:
        response.set_head(SSE)
        await response.write("data: 1\n\n")
        await response.end()
        await gate.wait_async()

    with RuntimeLoop(peer, handler) as runtime:
        stream = runtime.stream()
        stream.read_response_head()
        body, _ = stream.read_body()
        stream.answer(202)
        gate.open()
        runtime.expect_next()

    assert body.startswith(b"data: 1\n\n")


@pytest.mark.parametrize("kind", ["generator", "async generator"])
def test_a_quiet_time_that_is_not_over_is_watched_on(peer: Peer, kind: str) -> None:
    """A write in between puts the flush off: it is the last one that counts."""
    gate = Gate()
    policy = FlushPolicy("adaptive", pad_bytes=100, quiet_s=1.0)
    items = [SSE, *["data: x\n\n", None] * 50, "data: y\n\n", None]
    with RuntimeLoop(peer, handler_of(kind, items, gate, policy)) as runtime:
        stream = runtime.stream()
        stream.read_response_head()
        for _ in range(50):
            gate.open()
        read_flushed(stream, b"data: x\n\n" * 50 + b"data: y\n\n")
        gate.open()
        assert rest_of(stream) == b""


def test_without_a_thread_a_response_is_streamed_unflushed(
    peer: Peer, caplog: pytest.LogCaptureFixture
) -> None:
    gate = Gate()
    gate.open()
    handler = handler_of("generator", [SSE, "data: 1\n\n", None, "data: 2\n\n"], gate)
    with RuntimeLoop(peer, handler) as runtime:
        before = threading.stack_size(1 << 46)  # no machine has room for such a thread
        try:
            stream = runtime.stream()
            stream.read_response_head()
            body, _ = stream.read_body()
        finally:
            threading.stack_size(before)
        stream.accept_response()

    assert body == b"data: 1\n\ndata: 2\n\n"
    assert caplog.messages == ['no "adaptive" flush: can\'t start new thread']
