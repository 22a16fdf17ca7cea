"""Records of asynchronous invocations: what they say, where they go, what cannot go wrong."""

from __future__ import annotations

import io
import json
import os
import resource
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import uvloop
from tests.emulator.harness import Harness, config, playing, running, wait_until

from tailrace import limits
from tailrace.config import DestinationsConfig, FunctionConfig
from tailrace.emulator.destinations import Condition, Destinations, EndedEvent, encode_record
from tailrace.emulator.invocation import Outcome
from tailrace.emulator.log import EmulatorLog
from tailrace.wire.runtime_api import Invocation

ARN = "arn:aws:lambda:us-east-1:000000000000:function:f"
ERROR = b'{"errorType": "E", "errorMessage": "m"}'


def records(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def ended(
    event: bytes = b"{}", outcome: Outcome | None = None, arn: str = ARN, **parts: Any
) -> EndedEvent:
    values: dict[str, Any] = {"condition": Condition.SUCCESS, "attempts": 1, "hops": 0}
    invocation = Invocation("id", 0, arn, event=event)
    return EndedEvent(invocation=invocation, outcome=outcome, **{**values, **parts})


def test_the_record_of_a_success() -> None:
    event = ended(b'{"a":\n 1}', Outcome(b'"done"'))
    record = encode_record(event, 1_795_283_233.5)

    assert b"\n" not in record
    assert json.loads(record) == {
        "version": "1.0",
        "timestamp": "2026-11-21T17:47:13.500Z",
        "requestContext": {
            "requestId": "id",
            "functionArn": f"{ARN}:$LATEST",
            "condition": "Success",
            "approximateInvokeCount": 1,
        },
        "requestPayload": {"a": 1},
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST"},
        "responsePayload": "done",
    }


def test_the_record_of_a_failure_and_of_no_attempt() -> None:
    failure = Outcome(ERROR, "E", is_reported=True)
    parts: dict[str, Any] = {"condition": Condition.RETRIES_EXHAUSTED, "attempts": 3}
    failed = json.loads(encode_record(ended(outcome=failure, arn=f"{ARN}:live", **parts), 0))
    parts = {"condition": Condition.EVENT_AGE_EXCEEDED, "attempts": 0}
    untried = json.loads(encode_record(ended(**parts), 0))

    assert failed["requestContext"]["functionArn"] == f"{ARN}:live"
    assert failed["requestContext"]["condition"] == "RetriesExhausted"
    assert failed["requestContext"]["approximateInvokeCount"] == 3
    assert failed["responseContext"]["functionError"] == "Unhandled"
    assert failed["responsePayload"] == {"errorType": "E", "errorMessage": "m"}
    assert untried["requestContext"]["condition"] == "EventAgeExceeded"
    assert untried["responseContext"] is untried["responsePayload"] is None


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        (b"not JSON", '"not JSON"'),
        (b"", '""'),
        (b'{"statusCode":200}' + bytes(8), json.dumps('{"statusCode":200}' + "\0" * 8)),
        (b"\xff", '"\\ufffd"'),
        (b"NaN", '"NaN"'),
        (b"[" * 100_000, json.dumps("[" * 100_000)),
        (b"123456789012345678901234567890.10", "123456789012345678901234567890.10"),
        ('{\r\n"ü": 1}'.encode(), '{  "ü": 1}'),
    ],
)
def test_payloads_are_left_as_they_are(payload: bytes, text: str) -> None:
    record = encode_record(ended(outcome=Outcome(payload)), 0).decode()

    assert record.endswith(f'"responsePayload": {text}}}')
    assert json.loads(record)["requestPayload"] == {}


def test_what_is_too_large_is_left_out() -> None:
    half = b'"%b"' % (b"x" * (limits.DESTINATION_RECORD_BYTES_MAX // 2))
    whole = b'"%b"' % (b"x" * (limits.DESTINATION_RECORD_BYTES_MAX - 2))
    kept = json.loads(encode_record(ended(half, Outcome(half)), 0))
    none = json.loads(encode_record(ended(whole, Outcome(whole)), 0))

    assert kept["requestPayload"] is not None
    assert kept["responsePayload"] is None
    assert none["requestPayload"] is none["responsePayload"] is None
    assert none["requestContext"]["requestId"] == "id"


def sending(path: str) -> tuple[FunctionConfig, Destinations, io.StringIO]:
    function = playing(path=Path("/"), destinations=DestinationsConfig(on_success=path))
    stream = io.StringIO()
    return function, Destinations(lambda name: None, EmulatorLog(stream)), stream


def test_the_secret_of_a_callback_does_not_get_to_the_disk(tmp_path: Path) -> None:
    url = "http://127.0.0.1:1/8f5b6a0e-5d0e-4f1c-9a53-0e3a2b6f1c11/" + "5ec0" * 8
    path = tmp_path / "records"
    function, destinations, _ = sending(f"file:{path}")
    destinations.send(function, ended(json.dumps({"callback": url}).encode(), Outcome(b"1")))

    assert records(path)[0]["requestPayload"]["callback"].endswith("0e3a2b6f1c11/…")
    assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("name", ["missing/records", ".", "pipe"])
def test_a_file_that_cannot_be_written_is_logged(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / "pipe")  # nobody reads it: opening it must not wait
    function, destinations, stream = sending(f"file:{tmp_path / name}")
    destinations.send(function, ended(outcome=Outcome(b"1")))

    assert "EVENT RequestId: id its record is lost" in stream.getvalue()


def test_a_full_disk_is_logged(tmp_path: Path) -> None:
    function, destinations, stream = sending("file:/dev/full")
    destinations.send(function, ended(outcome=Outcome(b"1")))

    assert "/dev/full: No space left on device" in stream.getvalue()


def test_a_line_that_finds_no_room_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "records"
    function, destinations, stream = sending(f"file:{path}")
    destinations.send(function, ended(outcome=Outcome(b"1")))
    size = path.stat().st_size
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 10, hard))
    try:
        destinations.send(function, ended(outcome=Outcome(b"2")))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    destinations.send(function, ended(outcome=Outcome(b"3")))

    assert "File too large" in stream.getvalue()
    assert [record["responsePayload"] for record in records(path)] == [1, 3]


class FullTarget:
    """A function whose queue is full."""

    def enqueue(self, invocation: Invocation, *, hops: int) -> bool:
        return False


def test_a_queue_that_is_full_is_logged() -> None:
    function, _, stream = sending("function:next")
    destinations = Destinations(lambda name: FullTarget(), EmulatorLog(stream))
    destinations.send(function, ended(outcome=Outcome(b"1")))

    assert "its record is lost: the queue of 'next' is full" in stream.getvalue()


def recording(path: Path, name: str = "f", **settings: Any) -> FunctionConfig:
    places = DestinationsConfig(on_success=f"file:{path}/ok", on_failure=f"file:{path}/failed")
    return playing(name, path=path, destinations=places, **settings)


def test_events_are_recorded_when_they_have_come_to_their_end(tmp_path: Path) -> None:
    async def run() -> None:
        ok, failed = tmp_path / "ok", tmp_path / "failed"
        async with running(recording(tmp_path)) as emulator:
            first = await emulator.play({"return": {"n": 1}}, kind="Event")
            await wait_until(lambda: records(ok))
            await emulator.play({"return": 2}, kind="Event")
            await wait_until(lambda: len(records(ok)) == 2)
            assert not failed.exists()
            await emulator.play({"raise": {"errorType": "E", "errorMessage": "m"}}, kind="Event")
            await wait_until(lambda: records(failed))
            await emulator.play({"return": 3})  # somebody waits for this one

        assert [record["responsePayload"] for record in records(ok)] == [{"n": 1}, 2]
        context = records(ok)[0]["requestContext"]
        assert context["requestId"] == first.headers["x-amzn-requestid"]
        assert records(ok)[0]["requestPayload"] == {"play": [{"return": {"n": 1}}]}
        (record,) = records(failed)
        assert record["requestContext"]["condition"] == "RetriesExhausted"
        assert record["requestContext"]["approximateInvokeCount"] == 3
        assert record["responsePayload"] == {"errorType": "E", "errorMessage": "m"}

    uvloop.run(run())


def test_events_that_were_given_up_are_recorded(tmp_path: Path) -> None:
    async def run() -> None:
        functions = (
            recording(tmp_path, "none", concurrency=0),
            recording(tmp_path, "old", event_age_s=0.2),
        )
        async with running(*functions, retry_delay_scale=1.0) as emulator:
            await emulator.invoke({}, name="none", kind="Event")
            await emulator.play({"exit": 3}, name="old", kind="Event")
            await wait_until(lambda: len(records(tmp_path / "failed")) == 2)

        none, old = records(tmp_path / "failed")
        assert none["requestContext"]["condition"] == "ZeroReservedConcurrency"
        assert none["requestContext"]["approximateInvokeCount"] == 0
        assert old["requestContext"]["condition"] == "EventAgeExceeded"
        assert old["responsePayload"]["errorType"] == "Runtime.ExitError"

    uvloop.run(run())


def starts(emulator: Harness, name: str) -> int:
    return emulator.log.count(f"{name} | START")


def test_a_record_is_another_functions_event(tmp_path: Path) -> None:
    async def run() -> None:
        places = DestinationsConfig(on_success="function:next", on_failure="function:nobody")
        first = playing("first", path=tmp_path, retries=0, destinations=places)
        second = replace(recording(tmp_path), name="next")
        async with running(first, second) as emulator:
            await emulator.play({"return": "done"}, name="first", kind="Event")
            await wait_until(lambda: records(tmp_path / "ok"))
            (record,) = records(tmp_path / "ok")
            await emulator.play({"exit": 1}, name="first", kind="Event")
            await wait_until(lambda: "its record is lost" in emulator.log)

            assert record["requestPayload"]["responsePayload"] == "done"
            assert record["requestContext"]["functionArn"].endswith(":next:$LATEST")
            assert "there is no function 'nobody'" in emulator.log

    uvloop.run(run())


def test_a_function_that_is_its_own_destination_ends(tmp_path: Path) -> None:
    async def run() -> None:
        places = DestinationsConfig(on_success="function:f", on_failure="function:f")
        loop = playing(path=tmp_path, concurrency=1, destinations=places)
        never = replace(loop, name="never", concurrency=0)
        async with running(loop, never) as emulator:
            await emulator.invoke({}, kind="Event")
            await wait_until(lambda: "Lambda stops such a loop" in emulator.log)

            assert starts(emulator, "f    ") == limits.DESTINATION_HOPS_MAX
            counts = emulator.service.statistics().functions["f"]
            assert counts.queued == counts.retrying == 0

    uvloop.run(run())


def test_a_function_that_never_runs_and_is_its_own_destination_ends(tmp_path: Path) -> None:
    async def run() -> None:
        places = DestinationsConfig(on_failure="function:f")
        async with running(playing(path=tmp_path, concurrency=0, destinations=places)) as emulator:
            await emulator.invoke({}, kind="Event")

            assert "Lambda stops such a loop" in emulator.log
            assert emulator.log.count("the concurrency is 0") == limits.DESTINATION_HOPS_MAX

    uvloop.run(run())


def test_a_reload_changes_the_destination(tmp_path: Path) -> None:
    async def run() -> None:
        function = playing(path=tmp_path)
        async with running(function) as emulator:
            await emulator.service.reload(config(recording(tmp_path)))
            await emulator.play({"return": 1}, kind="Event")
            await wait_until(lambda: records(tmp_path / "ok"))

    uvloop.run(run())
