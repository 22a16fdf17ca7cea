"""A streamed response that somebody listens to: on time, held back, cut, too long."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvloop
from tests.emulator.harness import WAIT_S, Notes, request, wait_until
from tests.fakes import is_writable

from tailrace import limits
from tailrace.emulator.invocation import Attempt, Outcome
from tailrace.emulator.runtime_server import RuntimeServer, State
from tailrace.emulator.runtime_stream import TOO_LONG
from tailrace.wire.runtime_api import Invocation

ID = "8f5b6a0e-5d0e-4f1c-9a53-0e3a2b6f1c11"
PATH = f"/2018-06-01/runtime/invocation/{ID}/response"
NEXT = "/2018-06-01/runtime/invocation/next"


class Caller:
    """Listens, and notes what it hears."""

    def __init__(self) -> None:
        self.media_type: str | None = None
        self.data = bytearray()
        self.heard = asyncio.Event()

    def on_start(self, media_type: str) -> None:
        self.media_type = media_type

    def on_data(self, data: bytes) -> None:
        self.data += data
        self.heard.set()

    async def hear(self, count: int) -> None:
        async with asyncio.timeout(WAIT_S):
            while len(self.data) < count:
                self.heard.clear()
                await self.heard.wait()


class Running:
    """A runtime that has an event and writes its response by hand."""

    def __init__(self, server: RuntimeServer, caller: Caller, attempt: Attempt) -> None:
        self.server = server
        self.caller = caller
        self.attempt = attempt
        self.port = int(server.address.rpartition(":")[2])

    async def open(self, headers: str) -> None:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.send(
            f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/event-stream\r\n"
            "Lambda-Runtime-Function-Response-Mode: streaming\r\n"
            "Trailer: Lambda-Runtime-Function-Error-Type\r\n"
            "Trailer: Lambda-Runtime-Function-Error-Body\r\n"
            f"Transfer-Encoding: chunked\r\n{headers}\r\n".encode()
        )

    def send(self, data: bytes) -> None:
        self._writer.write(data)

    def chunk(self, data: bytes) -> None:
        self.send(b"%x\r\n%b\r\n" % (len(data), data))

    @property
    def unsent_bytes(self) -> int:
        return self._writer.transport.get_write_buffer_size()

    async def drain(self) -> None:
        await self._writer.drain()

    def is_held_back(self) -> bool:
        """Whether the emulator does not read, and the kernel takes no more."""
        is_read = all(c.is_reading for c in self.server._server._connections)
        return not is_read and not is_writable(self._writer.get_extra_info("socket"))

    async def status(self) -> int:
        async with asyncio.timeout(WAIT_S):
            return int((await self._reader.readline()).split()[1])

    def cut(self) -> None:
        self._writer.transport.abort()


@asynccontextmanager
async def running(*, is_paused: bool = False, headers: str = "") -> AsyncIterator[Running]:
    server = RuntimeServer("f", "app.handler", Notes())
    await server.start()
    caller = Caller()
    attempt = Attempt(Invocation(ID, 0, "arn"), caller)
    try:
        port = int(server.address.rpartition(":")[2])
        poll = asyncio.create_task(request(port, "GET", NEXT))
        await wait_until(lambda: server.state is State.READY)
        server.deliver(attempt, 0)
        await poll
        if is_paused:
            attempt.pause("client")
        runtime = Running(server, caller, attempt)
        await runtime.open(headers)
        yield runtime
        runtime.cut()
    finally:
        await server.stop()


def test_each_chunk_is_heard_before_the_next_is_written() -> None:
    async def run() -> None:
        async with running() as runtime:
            await wait_until(lambda: runtime.caller.media_type is not None)  # before any byte
            assert runtime.caller.media_type == "text/event-stream"
            assert runtime.attempt.is_streamed
            for number in range(5):
                runtime.chunk(b"%d" % number)
                await runtime.caller.hear(number + 1)
            assert not runtime.attempt.outcome.done()
            runtime.send(b"0\r\n\r\n")

            assert await runtime.status() == 202
            assert runtime.caller.data == b"01234"
            assert runtime.attempt.outcome.result() == Outcome(
                b"", media_type="text/event-stream", is_streamed=True
            )

    uvloop.run(run())


def test_trailers_end_it_with_the_runtimes_error() -> None:
    async def run() -> None:
        async with running() as runtime:
            runtime.chunk(b"some")
            await runtime.caller.hear(4)
            body = base64.b64encode(b'{"errorType":"E"}').decode()
            runtime.send(
                b"0\r\nLambda-Runtime-Function-Error-Type: E\r\n"
                + f"Lambda-Runtime-Function-Error-Body: {body}\r\n\r\n".encode()
            )

            assert await runtime.status() == 202
            assert runtime.attempt.outcome.result() == Outcome(
                b'{"errorType":"E"}', "E", is_streamed=True, is_reported=True
            )

    uvloop.run(run())


def test_a_cut_has_no_outcome_but_that_of_the_next_poll() -> None:
    async def run() -> None:
        async with running() as runtime:
            runtime.chunk(b"some")
            await runtime.caller.hear(4)
            runtime.cut()
            await wait_until(lambda: runtime.server.state is State.ANSWERED)
            assert not runtime.attempt.outcome.done()
            poll = asyncio.create_task(request(runtime.port, "GET", NEXT))

            outcome = await asyncio.wait_for(runtime.attempt.outcome, WAIT_S)
            assert outcome.error_type == "Runtime.TruncatedResponse"
            assert not outcome.is_reported
            poll.cancel()

    uvloop.run(run())


def test_a_listener_that_pauses_holds_the_runtime_back() -> None:
    async def run() -> None:
        async with running() as runtime:
            runtime.chunk(b"x")
            await runtime.caller.hear(1)
            runtime.attempt.pause("client")
            piece = bytes(1024 * 1024)
            sent = 0
            while sent < 64 and not runtime.is_held_back():  # more than kernel buffers take
                runtime.chunk(piece)
                await wait_until(lambda: not runtime.unsent_bytes or runtime.is_held_back())
                sent += 1
            assert sent < 64
            heard = len(runtime.caller.data)
            assert heard <= 1 + limits.READ_BYTES_MAX
            runtime.attempt.resume("client")
            await runtime.drain()
            runtime.send(b"0\r\n\r\n")

            assert await runtime.status() == 202
            assert len(runtime.caller.data) == 1 + sent * len(piece)

    uvloop.run(run())


def test_what_comes_after_the_outcome_is_dropped() -> None:
    async def run() -> None:
        async with running() as runtime:
            runtime.chunk(b"in time")
            await runtime.caller.hear(7)
            runtime.attempt.answer(Outcome.failure("Sandbox.Timedout", "too late"))
            runtime.chunk(b"late")
            runtime.send(b"0\r\n\r\n")

            assert await runtime.status() == 202
            assert runtime.caller.data == b"in time"
            assert runtime.attempt.outcome.result().error_type == "Sandbox.Timedout"

    uvloop.run(run())


def test_a_stream_has_a_longest_length() -> None:
    async def run() -> None:
        async with running() as runtime:
            piece = bytes(8 * 1024 * 1024)
            for _ in range(limits.STREAM_RESPONSE_BYTES_MAX // len(piece)):
                runtime.chunk(piece)
                await runtime.drain()
            await runtime.caller.hear(limits.STREAM_RESPONSE_BYTES_MAX)
            assert not runtime.attempt.outcome.done()
            runtime.chunk(b"!")
            outcome = await asyncio.wait_for(runtime.attempt.outcome, WAIT_S)
            assert outcome == TOO_LONG
            runtime.send(b"0\r\n\r\n")

            assert await runtime.status() == 413
            assert len(runtime.caller.data) == limits.STREAM_RESPONSE_BYTES_MAX

    uvloop.run(run())


def test_a_second_answer_is_refused_during_a_stream_and_behind_it() -> None:
    async def run() -> None:
        async with running() as runtime:
            runtime.chunk(b"some")
            await runtime.caller.hear(4)
            error = PATH.replace("response", "error")
            during = [await request(runtime.port, "POST", path, b"1") for path in (PATH, error)]
            asked = await request(runtime.port, "GET", NEXT)
            runtime.send(b"0\r\n\r\n")
            assert await runtime.status() == 202
            behind = [await request(runtime.port, "POST", path, b"1") for path in (PATH, error)]

            assert [answer.status for answer in (*during, asked, *behind)] == [403] * 5
            assert runtime.caller.data == b"some"
            assert runtime.attempt.outcome.result().error_type is None

    uvloop.run(run())


def test_once_there_is_an_outcome_nothing_is_held_back() -> None:
    """A runtime must not be stuck with a rest that nobody wants, nor its connection stay."""

    async def run() -> None:
        async with running() as runtime:
            runtime.chunk(b"x")
            await runtime.caller.hear(1)
            runtime.attempt.pause("client")
            assert runtime.attempt.is_held
            runtime.attempt.answer(Outcome.failure("Sandbox.Timedout", "too late"))
            runtime.attempt.pause("client")
            assert not runtime.attempt.is_held
            for _ in range(16):
                runtime.chunk(bytes(1024 * 1024))
                await runtime.drain()
            runtime.send(b"0\r\n\r\n")

            assert await runtime.status() == 202
            assert len(runtime.caller.data) <= 1 + limits.READ_BYTES_MAX

    uvloop.run(run())


def test_a_stream_that_was_to_be_held_back_from_the_start() -> None:
    async def run() -> None:
        async with running(is_paused=True) as runtime:
            await wait_until(lambda: runtime.caller.media_type is not None)
            runtime.chunk(b"later")
            await request(runtime.port, "GET", "/2018-06-01/ping")
            assert runtime.caller.data == b""
            runtime.attempt.resume("client")
            await runtime.caller.hear(5)
            runtime.send(b"0\r\n\r\n")

            assert await runtime.status() == 202

    uvloop.run(run())


def test_a_runtime_may_wait_for_a_word_before_its_body() -> None:
    """curl does, before a long one."""

    async def run() -> None:
        async with running(headers="Expect: 100-continue\r\n") as runtime:
            assert await runtime.status() == 100
            runtime.chunk(b"some")
            await runtime.caller.hear(4)

    uvloop.run(run())
