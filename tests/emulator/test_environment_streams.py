"""Streamed responses of real processes: how they end, and what a listener has heard by then."""

from __future__ import annotations

import asyncio
import io
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import uvloop
from tests.clock import ManualClock
from tests.emulator.harness import WAIT_S, is_running, playing, wait_until

from tailrace import limits
from tailrace.config import EmulatorConfig
from tailrace.emulator.functions import EmulatedFunction
from tailrace.emulator.invocation import Attempt, Outcome
from tailrace.emulator.log import EmulatorLog
from tailrace.emulator.pool import EnvironmentSettings
from tailrace.wire.runtime_api import Invocation

TEXT = "text/plain"
ERROR = {"errorType": "TypeError", "errorMessage": 'bóom: 1 < "2"'}


class Story:
    """One attempt of a playing function; listens to it."""

    def __init__(self, function: EmulatedFunction, stream: io.StringIO, clock: ManualClock) -> None:
        self.clock = clock
        self.function = function
        self.data = b""
        self.order: list[str] = []
        self._stream = stream

    def start(self, *steps: dict[str, Any]) -> Attempt:
        event = json.dumps({"play": steps}).encode()
        attempt = self.function.invoke(Invocation("id", 0, "arn", event=event), self)
        assert attempt is not None
        attempt.outcome.add_done_callback(lambda outcome: self.order.append("outcome"))
        return attempt

    def on_start(self, media_type: str) -> None:
        self.order.append(media_type)

    def on_data(self, data: bytes) -> None:
        self.data += data
        self.order.append("data")

    @property
    def log(self) -> str:
        return self._stream.getvalue()

    async def outcome(self, attempt: Attempt) -> Outcome:
        async with asyncio.timeout(WAIT_S):
            return await attempt.outcome

    async def hear(self, text: bytes) -> None:
        await wait_until(lambda: self.data == text)


@asynccontextmanager
async def story(path: Path, **settings: Any) -> AsyncIterator[Story]:
    stream, clock = io.StringIO(), ManualClock()
    function = EmulatedFunction(
        playing(path=path, **settings),
        EnvironmentSettings(EmulatorLog(stream), os.environ, lambda: ("localhost",), clock=clock),
        emulator=EmulatorConfig(),
        find=lambda name: None,
    )
    try:
        yield Story(function, stream, clock)
    finally:
        pids = function.pids()
        await function.stop()
    assert [pid for pid in pids if is_running(pid)] == []
    await wait_until(lambda: len(asyncio.all_tasks()) == 1)


def test_a_process_that_dies_in_mid_stream(tmp_path: Path) -> None:
    async def run() -> None:
        async with story(tmp_path) as caller:
            chunks = [{"chunk": str(n)} for n in range(10)]
            outcome = await caller.outcome(caller.start({"stream": TEXT}, *chunks, {"exit": 3}))

            assert caller.data == b"0123456789"
            assert caller.order[0] == TEXT
            assert caller.order[-1] == "outcome"
            assert (outcome.error_type, outcome.is_reported) == ("Runtime.ExitError", False)
            assert json.loads(outcome.payload)["errorMessage"] == (
                "RequestId: id Error: Runtime exited with error: exit status 3"
            )

    uvloop.run(run())


def test_what_a_dead_process_had_sent_waits_for_a_listener_that_pauses(tmp_path: Path) -> None:
    async def run() -> None:
        async with story(tmp_path) as caller:
            chunks = [{"chunk": "x" * 1000} for _ in range(100)]
            attempt = caller.start({"stream": TEXT}, *chunks, {"exit": 3})
            attempt.pause("client")
            await wait_until(caller.function.pids)
            (pid,) = caller.function.pids()
            await wait_until(lambda: not is_running(pid))
            await wait_until(lambda: attempt.is_held)  # its head has been read
            caller.clock.advance(2 * limits.OUTPUT_TIMEOUT_S)  # longer than anything else waits
            assert not attempt.outcome.done()
            attempt.resume("client")
            outcome = await caller.outcome(attempt)

            assert caller.data == b"x" * 100_000
            assert caller.order[-1] == "outcome"
            assert outcome.error_type == "Runtime.ExitError"

    uvloop.run(run())


def test_a_whole_response_counts_though_the_process_died_before_it_was_taken(
    tmp_path: Path,
) -> None:
    async def run() -> None:
        async with story(tmp_path) as caller:
            attempt = caller.start({"stream": TEXT}, {"chunk": "all"}, {"end_and_exit": 3})
            attempt.pause("client")
            await wait_until(caller.function.pids)
            (pid,) = caller.function.pids()
            await wait_until(lambda: not is_running(pid))
            attempt.resume("client")
            outcome = await caller.outcome(attempt)

            assert caller.data == b"all"
            assert outcome == Outcome(b"", media_type=TEXT, is_streamed=True)
            await wait_until(lambda: caller.function.pids() == [])

    uvloop.run(run())


def test_a_listener_that_never_goes_on_does_not_keep_a_dead_environment(tmp_path: Path) -> None:
    async def run() -> None:
        async with story(tmp_path, timeout_s=30) as caller:
            attempt = caller.start({"stream": TEXT}, {"chunk": "lost"}, {"exit": 3})
            attempt.pause("client")
            await wait_until(caller.function.pids)
            (pid,) = caller.function.pids()
            await wait_until(lambda: not is_running(pid))
            while not attempt.outcome.done():  # each look at what is left is a turn of the loop
                caller.clock.advance(1.0)
                await asyncio.sleep(0)
            outcome = await caller.outcome(attempt)

            assert outcome.error_type == "Runtime.ExitError"
            await wait_until(lambda: caller.function.statistics().busy == 0)

    uvloop.run(run())


def test_a_stream_that_never_ends_meets_the_time_out(tmp_path: Path) -> None:
    async def run() -> None:
        async with story(tmp_path, timeout_s=30) as caller:
            attempt = caller.start({"stream": TEXT}, {"chunk": "some"}, {"wait": "/nowhere"})
            await caller.hear(b"some")
            caller.clock.advance(30.0)
            outcome = await caller.outcome(attempt)

            assert (outcome.error_type, outcome.is_reported) == ("Sandbox.Timedout", False)
            assert "Task timed out after 30.00 seconds" in caller.log
            await wait_until(lambda: caller.function.pids() == [])

    uvloop.run(run())


def test_the_time_out_of_a_stream_that_is_held_back(tmp_path: Path) -> None:
    """A caller that reads slowly spends the function's time, as on Lambda."""

    async def run() -> None:
        async with story(tmp_path, timeout_s=30) as caller:
            chunks = [{"chunk": "x" * 100_000} for _ in range(100)]
            attempt = caller.start({"stream": TEXT}, {"chunk": "first"}, *chunks, {"end": None})
            attempt.pause("client")
            await wait_until(lambda: caller.order)  # it has begun to stream
            caller.clock.advance(30.0)
            outcome = await caller.outcome(attempt)

            assert outcome.error_type == "Sandbox.Timedout"
            assert len(caller.data) <= limits.READ_BYTES_MAX
            await wait_until(lambda: caller.function.statistics().busy == 0)

    uvloop.run(run())


def test_a_cut_is_a_truncated_response_though_the_function_works_on(tmp_path: Path) -> None:
    async def run() -> None:
        go = tmp_path / "go"
        async with story(tmp_path) as caller:
            steps = [{"stream": TEXT}, {"chunk": "some"}, {"cut": None}, {"wait": str(go)}]
            attempt = caller.start(*steps)
            # The function's time-out, and the time that its process has to end after the cut.
            await wait_until(lambda: caller.clock.waiting_count == 2)
            caller.clock.advance(limits.OUTPUT_TIMEOUT_S)
            outcome = await caller.outcome(attempt)

            assert caller.data == b"some"
            assert outcome.error_type == "Runtime.TruncatedResponse"
            assert caller.function.statistics().busy == 1
            go.touch()
            await wait_until(lambda: caller.function.statistics().idle == 1)
            assert (
                "ERROR RequestId: id failed: Runtime.TruncatedResponse: "
                "The runtime broke its response off."
            ) in caller.log

    uvloop.run(run())


def test_a_cut_and_an_exit_is_an_exit(tmp_path: Path) -> None:
    """aws-lambda-ric does so when a handler destroys its stream."""

    async def run() -> None:
        async with story(tmp_path) as caller:
            steps = [{"stream": TEXT}, {"chunk": "some"}, {"cut": None}, {"exit": 1}]
            outcome = await caller.outcome(caller.start(*steps))

            assert caller.data == b"some"
            assert outcome.error_type == "Runtime.ExitError"

    uvloop.run(run())


def test_the_error_of_a_stream_is_in_the_log_once(tmp_path: Path) -> None:
    """Some runtimes print it, some do not; a Function URL's client sees nothing of it."""

    async def run() -> None:
        fail = [{"stream": TEXT}, {"chunk": "some"}, {"fail": ERROR}]
        async with story(tmp_path) as caller:
            silent = caller.start(*fail)
            outcome = await caller.outcome(silent)
            await silent.ended
            assert (outcome.error_type, outcome.is_reported) == ("TypeError", True)
            line = 'the streamed response failed: TypeError: bóom: 1 < "2"'
            assert caller.log.count(line) == 1
            assert line in (await silent.ended).decode()
            await wait_until(lambda: caller.function.statistics().idle == 1)
            for text in (ERROR["errorMessage"], json.dumps(ERROR, ensure_ascii=False)):
                printing = caller.start({"print": f"ERROR\t{text}"}, *fail)
                await printing.ended
                await wait_until(lambda: caller.function.statistics().idle == 1)

            assert caller.log.count(line) == 1
            assert caller.log.count("bóom: 1 <") == 3

    uvloop.run(run())
