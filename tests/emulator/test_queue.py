"""Asynchronous invocations: order, retries, waiting, age, bounds."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import uvloop
from tests.clock import ManualClock
from tests.emulator.harness import Harness, config, playing, running, wait_until

from tailrace import limits
from tailrace.config import DestinationsConfig
from tailrace.emulator import queue
from tailrace.emulator.functions import FunctionStatistics
from tailrace.emulator.invocation import Attempt, Outcome
from tailrace.emulator.log import EmulatorLog
from tailrace.wire.runtime_api import Invocation


def counts(emulator: Harness) -> FunctionStatistics:
    return emulator.service.statistics().functions["f"]


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def test_an_event_is_accepted_before_it_runs(tmp_path: Path) -> None:
    async def run() -> None:
        go, done = tmp_path / "go", tmp_path / "done"
        async with running(playing(path=tmp_path)) as emulator:
            steps = [{"wait": str(go)}, {"append": [str(done), "ran"]}, {"return": 1}]
            answer = await emulator.play(*steps, kind="Event")

            assert (answer.status, answer.body) == (202, b"")
            assert "x-amz-executed-version" not in answer.headers
            assert not done.exists()
            go.touch()
            await wait_until(lambda: lines(done) == ["ran"])
            assert answer.headers["x-amzn-requestid"] in emulator.log

    uvloop.run(run())


def test_events_run_in_their_order_when_the_function_is_busy(tmp_path: Path) -> None:
    async def run() -> None:
        go, done = tmp_path / "go", tmp_path / "done"
        async with running(playing(path=tmp_path, concurrency=1)) as emulator:
            await emulator.play({"wait": str(go)}, {"return": 1}, kind="Event")
            for n in range(5):
                await emulator.play({"append": [str(done), str(n)]}, {"return": 1}, kind="Event")
            assert counts(emulator).queued == 5
            refused = await emulator.invoke()
            go.touch()

            await wait_until(lambda: len(lines(done)) == 5)
            assert lines(done) == ["0", "1", "2", "3", "4"]
            assert refused.status == 429
            await wait_until(lambda: counts(emulator).idle == 1)

    uvloop.run(run())


def test_a_failing_event_is_tried_three_times_with_one_request_id(tmp_path: Path) -> None:
    async def run() -> None:
        tries = tmp_path / "tries"
        failures: dict[str, dict[str, Any]] = {
            "error": {"raise": {"errorType": "E", "errorMessage": "m"}},
            "exit": {"exit": 1},
            "time-out": {"wait": "/nowhere"},
        }
        function = playing(path=tmp_path, timeout_s=30)
        async with running(function, clock=ManualClock()) as emulator:
            for name, failure in failures.items():
                tries.unlink(missing_ok=True)
                answer = await emulator.play({"append": [str(tries), name]}, failure, kind="Event")
                request_id = answer.headers["x-amzn-requestid"]
                for count in range(1, 4 if name == "time-out" else 1):
                    await wait_until(
                        lambda count=count: tries.exists() and len(lines(tries)) == count
                    )
                    emulator.advance(30.0)
                await wait_until(lambda id_=request_id: f"{id_} failed 3 times" in emulator.log)

                assert lines(tries) == [name] * 3
                assert emulator.log.count(f"START RequestId: {request_id}") == 3
            assert counts(emulator).queued == counts(emulator).retrying == 0

    uvloop.run(run())


def test_a_retry_that_succeeds_is_the_last(tmp_path: Path) -> None:
    async def run() -> None:
        tries, fixed = tmp_path / "tries", tmp_path / "fixed"
        # The process of the first attempt makes the file and dies; the second one finds it.
        steps = json.dumps([{"append": [str(tries), "start"]}, {"once": str(fixed)}])
        function = playing(path=tmp_path, environment={"PLAY_INIT": steps})
        async with running(function) as emulator:
            await emulator.invoke({}, kind="Event")

            await wait_until(lambda: counts(emulator).idle == 1)
            assert lines(tries) == ["start", "start"]
            assert "next attempt in 0 s" in emulator.log
            assert "dropped" not in emulator.log

    uvloop.run(run())


def test_retries_can_be_fewer(tmp_path: Path) -> None:
    async def run() -> None:
        async with running(playing(path=tmp_path, retries=0)) as emulator:
            await emulator.play({"exit": 1}, kind="Event")

            await wait_until(lambda: "failed once: Runtime.ExitError" in emulator.log)
            assert emulator.log.count("START") == 1

    uvloop.run(run())


def test_retries_wait_as_long_as_lambda_does(tmp_path: Path) -> None:
    async def run() -> None:
        async with running(playing(path=tmp_path), retry_delay_scale=1.0) as emulator:
            await emulator.play({"exit": 1}, kind="Event")

            await wait_until(lambda: "next attempt in 60 s" in emulator.log)
            assert counts(emulator).retrying == 1

    uvloop.run(run())


def test_what_failed_in_a_past_version_does_not_come_back(tmp_path: Path) -> None:
    """Neither an event that waits for its retry, nor one that fails after the change."""

    async def run() -> None:
        gate, records = tmp_path / "gate", tmp_path / "records"
        function = playing(
            path=tmp_path, destinations=DestinationsConfig(on_failure=f"file:{records}")
        )
        async with running(function, retry_delay_scale=1.0) as emulator:
            first = await emulator.play({"exit": 1}, kind="Event")
            await wait_until(lambda: counts(emulator).retrying == 1)
            await wait_until(lambda: counts(emulator).busy == 0)
            second = await emulator.play({"wait": str(gate)}, {"exit": 1}, kind="Event")
            await wait_until(lambda: counts(emulator).busy == 1)

            await emulator.service.reload(config(function, retry_delay_scale=1.0))

            assert counts(emulator).retrying == 0
            gate.touch()
            for answer in (first, second):
                id_ = answer.headers["x-amzn-requestid"]
                text = "failed once: Runtime.ExitError, before the function changed; it is dropped"
                await wait_until(lambda id_=id_, text=text: f"{id_} {text}" in emulator.log)
            await wait_until(lambda: records.exists() and len(lines(records)) == 2)
            record = json.loads(lines(records)[0])
            assert record["requestContext"]["condition"] == "RetriesExhausted"
            assert record["responsePayload"]["errorType"] == "Runtime.ExitError"
            assert counts(emulator).queued == counts(emulator).retrying == 0

    uvloop.run(run())


def test_what_has_not_been_tried_runs_in_the_next_version(tmp_path: Path) -> None:
    async def run() -> None:
        gate, done = tmp_path / "gate", tmp_path / "done"
        function = playing(path=tmp_path, concurrency=1)
        async with running(function) as emulator:
            await emulator.play({"wait": str(gate)}, {"return": 1}, kind="Event")
            await wait_until(lambda: counts(emulator).busy == 1)
            await emulator.play({"append": [str(done), "ran"]}, {"return": 1}, kind="Event")
            assert counts(emulator).queued == 1

            await emulator.service.reload(config(function))

            await wait_until(lambda: done.exists() and lines(done) == ["ran"])
            gate.touch()

    uvloop.run(run())


def test_an_event_over_its_age_is_not_tried(tmp_path: Path) -> None:
    async def run() -> None:
        done = tmp_path / "done"
        function = playing(path=tmp_path, concurrency=1, event_age_s=10, timeout_s=30)
        async with running(function, clock=ManualClock()) as emulator:
            await emulator.play({"wait": "/nowhere"}, kind="Event")
            await emulator.play({"append": [str(done), "ran"]}, kind="Event")
            await wait_until(lambda: counts(emulator).busy == 1)

            emulator.advance(30.0)

            await wait_until(lambda: emulator.log.count("is over its maximum age") == 2)
            assert not done.exists()

    uvloop.run(run())


def test_a_concurrency_of_zero_drops_events_at_once(tmp_path: Path) -> None:
    async def run() -> None:
        async with running(playing(path=tmp_path, concurrency=0)) as emulator:
            assert (await emulator.invoke({}, kind="Event")).status == 202
            assert "the concurrency is 0; it is dropped" in emulator.log
            assert (await emulator.invoke({})).status == 429

    uvloop.run(run())


def test_the_end_of_each_attempt_can_be_learned(tmp_path: Path) -> None:
    ended: list[tuple[Any, str | None]] = []

    async def run() -> None:
        functions = (
            playing(path=tmp_path, retries=1),
            playing("never", path=tmp_path, concurrency=0),
        )
        async with running(
            *functions, on_event_ended=lambda event, error: ended.append((json.loads(event), error))
        ) as emulator:
            await emulator.play({"return": 1}, kind="Event")
            await wait_until(lambda: len(ended) == 1)
            await emulator.play({"exit": 1}, kind="Event")
            await wait_until(lambda: "failed 2 times" in emulator.log)
            await emulator.invoke({}, name="never", kind="Event")
            await emulator.play({"return": 1})  # somebody waits for this one: it is not told

    uvloop.run(run())
    assert ended == [
        ({"play": [{"return": 1}]}, None),
        ({"play": [{"exit": 1}]}, "Runtime.ExitError"),
        ({"play": [{"exit": 1}]}, "Runtime.ExitError"),
        ({}, "cannot run: the concurrency is 0"),
    ]


class BusyFunction:
    """Takes attempts only while it is free; remembers them."""

    def __init__(self) -> None:
        self.is_free = False
        self.attempts: list[Attempt] = []

    def start(self, attempt: Attempt) -> bool:
        if self.is_free:
            self.attempts.append(attempt)
        return self.is_free


def a_queue(path: Path, function: BusyFunction) -> queue.EventQueue:
    return queue.EventQueue(
        playing(path=path),
        function.start,
        EmulatorLog(io.StringIO()),
        clock=ManualClock(),
        retry_delay_scale=0.0,
    )


def event(number: int, size: int = 2) -> Invocation:
    return Invocation(str(number), 0, "arn", event=b"x" * size)


def test_the_queue_is_bounded_in_events(tmp_path: Path) -> None:
    async def run() -> None:
        function = BusyFunction()
        events = a_queue(tmp_path, function)

        taken = [events.put(event(n)) for n in range(limits.EVENT_QUEUE_MAX + 1)]
        assert taken.count(True) == limits.EVENT_QUEUE_MAX
        assert not taken[-1]
        function.is_free = True
        events.dispatch()
        assert len(function.attempts) == limits.EVENT_QUEUE_MAX
        assert not events.put(event(-1))  # they may all have to be tried again
        for attempt in function.attempts:
            attempt.answer(Outcome(b"1"))
        await wait_until(lambda: events.put(event(-1)))

    uvloop.run(run())


def test_the_queue_is_bounded_in_bytes(tmp_path: Path) -> None:
    async def run() -> None:
        function = BusyFunction()
        events = a_queue(tmp_path, function)
        count = limits.EVENT_QUEUE_BYTES_MAX // limits.EVENT_INVOKE_BYTES_MAX

        payload = Invocation("n", 0, "arn", event=b"x" * limits.EVENT_INVOKE_BYTES_MAX)
        taken = [events.put(payload) for _ in range(count + 1)]
        assert taken == [True] * count + [False]

    uvloop.run(run())
