"""When adaptive flush is due, on a clock that the handler itself advances."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from math import inf
from typing import Any

import pytest
from tests.clock import ManualClock, ManualTimer
from tests.peers import WAIT_S, Peer, Running
from tests.runtime_api import StreamPost

from tailrace.function import FlushPolicy, Head, ResponseStream
from tailrace.function.drive import Handler, drive
from tailrace.function.output import Output
from tailrace.function.output.encoder import PRELUDE
from tailrace.function.output.flushes import FlushClock, Flushes
from tailrace.function.output.upload import UploadTransport
from tailrace.function.stream import Stream
from tailrace.net.blocking.keep_alive import KeepAliveClient
from tailrace.runtime.native_stream import NativeStream
from tailrace.wire.runtime_api import Invocation

SSE = Head(headers={"content-type": "text/event-stream"})
QUIET_S = 8.0  # all times here are whole in binary: their sums are exact
TICK_S = 0.125
PAD_BYTES = 100
POLICY = FlushPolicy("adaptive", pad_bytes=PAD_BYTES, quiet_s=QUIET_S)
SYNC = ["generator", "async with iterator"]
ASYNC = ["async generator", "writer"]
IDLE = inf  # a thread that waits until something is held


class ManualFlushClock(FlushClock):
    """Stands still until `advance`, for loops and threads alike."""

    __slots__ = ("_changed", "_clock", "_waits")

    def __init__(self) -> None:
        self._clock = ManualClock()
        self._changed = threading.Condition()
        self._waits: dict[threading.Condition, float] = {}  # and when each is over
        super().__init__(self._clock.now_s)

    def call_later(
        self, loop: asyncio.AbstractEventLoop, delay_s: float, callback: Callable[[], None]
    ) -> ManualTimer:
        return self._clock.call_later(delay_s, callback)

    def wait(self, change: threading.Condition, timeout_s: float | None) -> None:
        with self._changed:
            self._waits[change] = self.now_s() + (IDLE if timeout_s is None else timeout_s)
            self._changed.notify_all()
        change.wait()
        with self._changed:
            del self._waits[change]

    def await_wait_until(self, at_s: float) -> None:
        """Block until a thread waits for this time."""
        with self._changed:
            assert self._changed.wait_for(lambda: at_s in self._waits.values(), WAIT_S)

    def advance(self, seconds: float) -> None:
        """Let time pass; in the event loop whose calls are due, or in another thread."""
        self._clock.advance(seconds)
        with self._changed:
            due = [change for change, at_s in self._waits.items() if at_s <= self.now_s()]
        for change in due:
            with change:
                change.notify_all()


class Stage:
    """A handler, its output on a manual clock, and the Runtime API that a test plays."""

    def __init__(self, peer: Peer) -> None:
        self.clock = ManualFlushClock()
        self._client = KeepAliveClient("127.0.0.1", peer.port)
        self._native = NativeStream(self._client, Invocation("r1", 1, "arn:f"))
        transport = UploadTransport(self._native.upload, self._native.start)
        self.output = Output(transport, PRELUDE, Flushes(POLICY, self.clock))
        self.api = StreamPost(peer.socket.accept()[0])
        peer.connections.append(self.api)

    def run(self, function: Callable[..., Any], *, takes_response: bool = False) -> bytes:
        """Run a handler to its end; return the body, with its padding."""

        def run() -> None:
            stream = Stream(self.output, is_head_request=False)
            try:
                drive(Handler(function, takes_response, True, None), {}, None, stream)
                stream.end()
                self.output.drain()
            finally:
                stream.close()

        call = Running(run)
        self.api.begin()
        self.api.read_response_head()
        body, _ = self.api.read_body()
        call.result()
        self._native.close()
        self._client.close()
        return body

    @property
    def padded_bytes(self) -> int:
        return self.output.flush_counts[2]

    def pass_until_flush(self, quiet_at_s: float, flushes: int) -> None:
        """In an idle handler: a flush comes when the quiet time is over, and not before."""
        assert self.padded_bytes == (flushes - 1) * PAD_BYTES
        self.clock.advance(quiet_at_s - TICK_S - self.clock.now_s())
        assert self.padded_bytes == (flushes - 1) * PAD_BYTES
        self.clock.advance(TICK_S)


def handler_of(kind: str, steps: Callable[[], Iterator[Any]]) -> Callable[..., Any]:
    """A handler of a kind that sends what `steps()` yields."""

    def generate(event: Any, context: Any) -> Iterator[Any]:
        yield from steps()

    async def return_iterator(event: Any, context: Any) -> Any:
        return generate(event, context)

    async def generate_async(event: Any, context: Any) -> AsyncIterator[Any]:
        for item in steps():
            yield item

    async def write(event: Any, response: ResponseStream, context: Any) -> None:
        for item in steps():
            if isinstance(item, Head):
                response.set_head(item)
            else:
                await response.write(item)

    functions: dict[str, Callable[..., Any]] = {
        "generator": generate,
        "async with iterator": return_iterator,
        "async generator": generate_async,
        "writer": write,
    }
    return functions[kind]


@pytest.mark.parametrize("kind", [*SYNC, *ASYNC])
def test_a_flush_is_due_after_the_quiet_time_and_not_before(peer: Peer, kind: str) -> None:
    stage = Stage(peer)
    clock = stage.clock

    def steps() -> Iterator[Any]:
        yield SSE
        for number in (1, 2):
            yield "data: x\n\n"
            due_s = clock.now_s() + QUIET_S
            if kind in SYNC:
                clock.await_wait_until(due_s)
            stage.pass_until_flush(due_s, number)
            if kind in SYNC:
                clock.await_wait_until(IDLE)
            assert stage.padded_bytes == number * PAD_BYTES

    body = stage.run(handler_of(kind, steps), takes_response=kind == "writer")

    assert len(body) == 2 * (len("data: x\n\n") + PAD_BYTES)


@pytest.mark.parametrize("kind", [*SYNC, *ASYNC])
def test_a_write_in_between_puts_the_flush_off(peer: Peer, kind: str) -> None:
    stage = Stage(peer)
    clock = stage.clock

    def steps() -> Iterator[Any]:
        begun_s = clock.now_s()
        yield SSE
        yield "data: x\n\n"
        if kind in SYNC:
            clock.await_wait_until(begun_s + QUIET_S)
        for _ in range(50):
            clock.advance(TICK_S)
            yield "data: x\n\n"
        due_s = clock.now_s() + QUIET_S
        clock.advance(begun_s + QUIET_S - clock.now_s())  # over for the first write alone
        if kind in SYNC:
            clock.await_wait_until(due_s)
        stage.pass_until_flush(due_s, 1)
        if kind in SYNC:
            clock.await_wait_until(IDLE)
        assert stage.padded_bytes == PAD_BYTES

    body = stage.run(handler_of(kind, steps), takes_response=kind == "writer")

    assert body.startswith(b"data: x\n\n" * 51)
    assert len(body) == 51 * len("data: x\n\n") + PAD_BYTES


@pytest.mark.parametrize("kind", [*SYNC, *ASYNC])
def test_what_has_been_flushed_is_not_flushed_again(peer: Peer, kind: str) -> None:
    stage = Stage(peer)
    clock = stage.clock

    def steps() -> Iterator[Any]:
        yield SSE
        yield "data: x\n\n"
        due_s = clock.now_s() + QUIET_S
        if kind in SYNC:
            clock.await_wait_until(due_s)
        clock.advance(QUIET_S)
        if kind in SYNC:
            clock.await_wait_until(IDLE)
        clock.advance(100 * QUIET_S)
        assert stage.padded_bytes == PAD_BYTES

    body = stage.run(handler_of(kind, steps), takes_response=kind == "writer")

    assert len(body) == len("data: x\n\n") + PAD_BYTES
