"""Function URLs with invoke_mode RESPONSE_STREAM: what the client gets, and when."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
import uvloop
from tests.clock import ManualClock
from tests.e2e.gate import Gate
from tests.emulator.harness import Harness, config, playing, running, stalled_at, wait_until
from tests.emulator.url_client import INTEGRATION, STREAM, ask, asking, prelude, serve
from tests.fakes import Broken

from tailrace import limits
from tailrace.config import FunctionConfig, UrlConfig

ERROR = {"errorType": "TypeError", "errorMessage": "boom", "trace": ["TypeError: boom"]}
BEGIN = {"stream": INTEGRATION}
END: dict[str, Any] = {"end": None}
FAIL = {"fail": ERROR}


def wait_at(path: Path) -> dict[str, str]:
    return {"wait": str(path)}


async def until_ended(emulator: Harness, count: int = 1) -> None:
    """Wait for the end of invocations, in the log."""
    await wait_until(lambda: emulator.log.count("REPORT RequestId") == count)


# --- on time ----------------------------------------------------------------------------------


def test_the_head_comes_before_the_body_and_each_chunk_before_the_next(tmp_path: Path) -> None:
    """The function may write the next thing only when this one is here."""

    async def story(emulator: Harness) -> None:
        head = prelude(201, headers={"Content-Type": "text/event-stream"}, cookies=["a=1", "b=2"])
        steps: list[dict[str, Any]] = [BEGIN, head]
        for number in range(4):
            steps += [wait_at(tmp_path / f"go{number}"), {"chunk": f"chunk {number}"}]
        async with asking(emulator, *steps, wait_at(tmp_path / "end"), END) as client:
            answer = await client.read_head()
            assert answer.status == 201
            assert answer.get("content-type") == "text/event-stream"
            assert answer.all("set-cookie") == ["a=1", "b=2"]
            assert answer.get("transfer-encoding") == "chunked"
            for number in range(4):
                (tmp_path / f"go{number}").touch()
                assert await client.read_chunk() == f"chunk {number}".encode()
            (tmp_path / "end").touch()
            assert await client.read_chunk() == b""

    serve(story, tmp_path, STREAM)


def test_without_a_prelude_the_type_is_the_runtimes(tmp_path: Path) -> None:
    async def story(emulator: Harness) -> None:
        go = tmp_path / "go"
        steps = [{"stream": "text/csv"}, {"chunk": "a,"}, wait_at(go), {"chunk": "b"}, END]
        async with asking(emulator, *steps) as client:
            answer = await client.read_head()
            assert (answer.status, answer.get("content-type")) == (200, "text/csv")
            assert await client.read_chunk() == b"a,"
            go.touch()
            assert await client.read_body(answer) == b"b"
        plain = await ask(emulator, {"stream": None}, {"chunk": "x"}, END)
        assert plain.get("content-type") == "application/octet-stream"

    serve(story, tmp_path, STREAM)


def test_a_head_without_a_prelude_waits_for_the_first_byte(tmp_path: Path) -> None:
    """Until then a failure can still be told."""

    async def story(emulator: Harness) -> None:
        go = tmp_path / "go"
        async with asking(emulator, {"stream": "text/csv"}, wait_at(go), END) as client:
            await wait_until(lambda: "START RequestId" in emulator.log)
            assert await client.is_silent()
            go.touch()
            answer = await client.read_response()
            assert (answer.status, answer.body) == (200, b"")

    serve(story, tmp_path, STREAM)


def test_a_prelude_may_be_cut_anywhere(tmp_path: Path) -> None:
    async def story(emulator: Harness) -> None:
        text = prelude(202, headers={"x-a": "1"})["chunk"] + "body"
        for cut in (1, len(text) - 12, len(text) - 8, len(text) - 4, len(text) - 1):
            steps = [BEGIN, {"chunk": text[:cut]}, {"chunk": text[cut:]}, END]
            answer = await ask(emulator, *steps)
            assert (answer.status, answer.get("x-a"), answer.body) == (202, "1", b"body")
        answer = await ask(emulator, BEGIN, {"chunk": text}, END)
        assert (answer.status, answer.body) == (202, b"body")

    serve(story, tmp_path, STREAM)


@pytest.mark.parametrize("status", [204, 304])
def test_statuses_without_a_body_have_none(tmp_path: Path, status: int) -> None:
    async def story(emulator: Harness) -> None:
        async with asking(emulator, BEGIN, prelude(status), {"chunk": "not here"}, END) as client:
            answer = await client.read_response()
            assert answer.status == status
            assert answer.get("transfer-encoding") is None
            await client.request(
                "POST", "/", [("content-type", "application/json")], b'{"play":[{"return":1}]}'
            )
            assert (await client.read_response()).body == b"1"  # nothing stood in between

    serve(story, tmp_path, STREAM)


def test_head_requests_get_no_body(tmp_path: Path) -> None:
    async def story(emulator: Harness) -> None:
        for steps in (
            [BEGIN, prelude(200), {"chunk": "x"}, END],
            [{"stream": "text/plain"}, {"chunk": "x"}, END],
            [{"stream": "text/plain"}, END],
            [{"return": {"a": 1}}],
        ):
            answer = await ask(emulator, *steps, method="HEAD")
            assert (answer.status, answer.body) == (200, b"")

    serve(story, tmp_path, STREAM)


def test_what_has_no_body_is_complete_with_its_head(tmp_path: Path) -> None:
    """Whatever the function does then, and however long."""

    async def story(emulator: Harness) -> None:
        steps = [BEGIN, prelude(204), wait_at(tmp_path / "go"), {"chunk": "x"}, {"exit": 1}]
        async with asking(emulator, *steps) as client:
            assert (await client.read_response()).status == 204
            again = b'{"play":[{"return":1}]}'
            await client.request("POST", "/", [("content-type", "application/json")], again)
            assert (await client.read_response()).body == b"1"
            (tmp_path / "go").touch()
        await until_ended(emulator, 2)

    serve(story, tmp_path, STREAM)


HANDLER = """
import os, time
import tailrace.function

def wait_at(path):
    while not os.path.exists(path):
        time.sleep(0.005)

@tailrace.function.streamify_response
def handler(event, context):
    yield tailrace.function.Head(201, {"content-type": "text/event-stream"}, cookies=["a=1"])
    for number in range(3):
        wait_at(f"go{number}")
        yield f"data: {number}\\n\\n"
    wait_at("fail")
    raise ValueError("late")
"""


def test_a_handler_of_ours_streams_natively(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(HANDLER)
    function = FunctionConfig(
        name="f",
        handler="app.handler",
        path=tmp_path,
        environment={"TAILRACE_RESPONSE_MODE": "stream"},
        url=STREAM,
    )

    async def run() -> None:
        async with running(function) as emulator, asking(emulator) as client:
            head = await client.read_head()
            assert (head.status, head.get("set-cookie")) == (201, "a=1")
            for number in range(3):
                (tmp_path / f"go{number}").touch()
                assert await client.read_chunk() == f"data: {number}\n\n".encode()
            (tmp_path / "fail").touch()
            assert await client.read_chunk() == b""
            await until_ended(emulator)
            assert "(Function.ValueError); as on Lambda, its client cannot tell" in emulator.log

    uvloop.run(run())


# --- mode and URL disagree --------------------------------------------------------------------


def test_a_whole_answer_is_passed_on_raw_with_one_warning(tmp_path: Path) -> None:
    async def story(emulator: Harness) -> None:
        for _ in range(2):
            answer = await ask(emulator, {"return": {"statusCode": 418, "body": "x"}})
            assert answer.status == 200
            assert answer.get("content-type") == "application/json"
            assert answer.json() == {"statusCode": 418, "body": "x"}
        (line,) = [line for line in emulator.log.splitlines() if "WARNING" in line]
        for word in ("RESPONSE_STREAM", "streamifyResponse", "TAILRACE_RESPONSE_MODE", "BUFFERED"):
            assert word in line

    serve(story, tmp_path, STREAM)


# --- failures ---------------------------------------------------------------------------------


def assert_is_internal_error(answer: Any, status: int = 502) -> None:
    assert answer.status == status
    assert answer.body == b"Internal Server Error"
    assert answer.get("x-amzn-errortype") == "InternalServerErrorException"
    assert answer.get("x-amzn-requestid")


@pytest.mark.parametrize(
    "steps",
    [
        [BEGIN, END],  # the official Node.js client forgets the prelude of an empty body
        [BEGIN, {"chunk": "no prelude"}, END],
        [BEGIN, {"chunk": '{"statusCode":200}'}, END],
        [BEGIN, {"chunk": '{"statusCode":200'}, FAIL],
        [BEGIN, {"chunk": '{"statusCode":99}' + "\0" * 8}, END],
        [BEGIN, {"chunk": "[1]" + "\0" * 8 + "x"}, END],
        [BEGIN, FAIL],
        [{"stream": "text/plain"}, FAIL],
        [{"raise": ERROR}],
        [{"exit": 1}],
        [{"stream": "text/plain"}, {"exit": 1}],
    ],
)
def test_what_fails_before_the_head_is_a_502(tmp_path: Path, steps: list[Any]) -> None:
    async def story(emulator: Harness) -> None:
        assert_is_internal_error(await ask(emulator, *steps))

    serve(story, tmp_path, STREAM)


def test_a_prelude_that_is_none_is_answered_at_once(tmp_path: Path) -> None:
    """And the function runs on; what it writes is discarded."""

    async def story(emulator: Harness) -> None:
        go = tmp_path / "go"
        steps = [BEGIN, {"chunk": "<html>"}, wait_at(go), {"chunk": "</html>"}, END]
        assert_is_internal_error(await ask(emulator, *steps))
        assert "502: malformed prelude: it begins with '<html>'" in emulator.log
        go.touch()
        await until_ended(emulator)

    serve(story, tmp_path, STREAM)


def test_a_timeout_before_the_head_is_a_502(tmp_path: Path) -> None:
    async def story(emulator: Harness) -> None:
        begun = tmp_path / "begun"
        steps = [BEGIN, {"append": [str(begun), "begun"]}, wait_at(tmp_path / "never")]
        pending = asyncio.create_task(ask(emulator, *steps))
        await wait_until(begun.exists)
        emulator.advance(30.0)
        assert_is_internal_error(await pending)

    serve(story, tmp_path, STREAM, timeout_s=30, clock=ManualClock())


def test_a_failure_after_the_first_byte_is_a_clean_end_and_a_line_in_the_log(
    tmp_path: Path,
) -> None:
    """As recorded on Lambda: the client cannot tell."""

    async def story(emulator: Harness) -> None:
        answer = await ask(emulator, BEGIN, prelude(200), {"chunk": "short"}, FAIL)
        assert (answer.status, answer.body) == (200, b"short")
        (line,) = [line for line in emulator.log.splitlines() if "abort_on_error" in line]
        assert "failed after its first byte (TypeError)" in line
        answer = await ask(emulator, {"stream": "text/plain"}, {"chunk": "short"}, FAIL)
        assert (answer.status, answer.body) == (200, b"short")

    serve(story, tmp_path, STREAM)


def test_with_the_switch_it_is_broken_off(tmp_path: Path) -> None:
    async def story(emulator: Harness) -> None:
        with pytest.raises(Broken) as broken:
            await ask(emulator, BEGIN, prelude(200), {"chunk": "short"}, FAIL)
        assert broken.value.received == b"short"
        assert "it was broken off" in emulator.log

    serve(story, tmp_path, UrlConfig(invoke_mode="RESPONSE_STREAM", abort_on_error=True))


@pytest.mark.parametrize("step", [{"exit": 1}, {"cut": None}, {"wait": "/never"}])
def test_what_ends_a_stream_without_a_report_breaks_it_off(
    tmp_path: Path, step: dict[str, Any]
) -> None:
    """The process ends, its connection breaks, its time is over."""

    async def story(emulator: Harness) -> None:
        steps = [BEGIN, prelude(200), {"chunk": "short"}, step, {"wait": "/never"}]
        async with asking(emulator, *steps) as client:
            head = await client.read_head()
            assert await client.read_chunk() == b"short"
            if "exit" not in step:
                emulator.advance(30.0)
            with pytest.raises(Broken):
                await client.read_body(head)

    serve(story, tmp_path, STREAM, timeout_s=30, clock=ManualClock())


def test_a_reload_lets_a_disagreement_be_said_again(tmp_path: Path) -> None:
    """Whoever has changed something learns whether it has helped."""

    async def story(emulator: Harness) -> None:
        function = playing(path=tmp_path, url=STREAM)
        for count in (1, 2):
            await ask(emulator, {"return": 1})
            assert emulator.log.count("WARNING") == count
            await emulator.service.reload(config(function))

    serve(story, tmp_path, STREAM)


# --- bounds -----------------------------------------------------------------------------------


def test_a_slow_client_holds_the_function_back(tmp_path: Path) -> None:
    """And it gets everything, in order. A chunk is 64 KiB; the function says what it has sent."""

    async def story(emulator: Harness) -> None:
        gate, count = Gate(), 400
        steps = [{"gate": gate.port}, BEGIN, prelude(), {"flood": count}, END]
        async with asking(emulator, *steps, receive_bytes=65_536) as client:
            head = await client.read_head()
            written = await stalled_at(emulator, gate)
            assert written < count - 100  # kernel buffers and our water mark take a few MB
            body = await client.read_body(head)
            assert body == b"".join(n.to_bytes(4, "big") * 16_384 for n in range(count))
        gate.close()

    serve(story, tmp_path, STREAM)


def test_a_client_that_reads_nothing_is_cut_off(tmp_path: Path) -> None:
    """The function runs on, and is not held for its whole time-out."""

    async def run() -> None:
        gate, done = Gate(), tmp_path / "done"
        steps = [{"gate": gate.port}, BEGIN, prelude(), {"flood": 300}, END]
        steps.append({"append": [str(done), "done"]})
        function = playing(path=tmp_path, url=STREAM, timeout_s=900)
        async with running(function, client_stall_timeout_s=0.2) as emulator:
            async with asking(emulator, *steps, receive_bytes=65_536):
                await wait_until(done.exists)
                await wait_until(lambda: emulator.service.statistics().connections == 0)
            await until_ended(emulator)
            assert "its client reads nothing; it was cut off" in emulator.log
            assert "Status: error" not in emulator.log
        gate.close()

    uvloop.run(run())


def test_a_client_that_leaves_does_not_stop_the_function(tmp_path: Path) -> None:
    """As on Lambda: what it still writes, however much, is discarded."""

    async def story(emulator: Harness) -> None:
        gate, done = Gate(), tmp_path / "done"
        steps = [{"gate": gate.port}, BEGIN, prelude(), {"flood": 300}, END]
        steps.append({"append": [str(done), "done"]})
        async with asking(emulator, *steps, receive_bytes=65_536) as client:
            await client.read_head()
            await stalled_at(emulator, gate)  # it is held back
        await wait_until(done.exists)
        await until_ended(emulator)
        assert "Status: error" not in emulator.log
        gate.close()

    serve(story, tmp_path, STREAM)


def test_a_client_that_leaves_before_the_answer_changes_nothing(tmp_path: Path) -> None:
    async def story(emulator: Harness) -> None:
        go = tmp_path / "go"
        steps = [{"wait": str(go)}, BEGIN, {"chunk": "no prelude"}, END]
        async with asking(emulator, *steps):
            await wait_until(lambda: "START" in emulator.log)
        await wait_until(lambda: emulator.service.statistics().connections == 0)
        go.touch()
        await until_ended(emulator)

    serve(story, tmp_path, STREAM)


def test_over_two_hundred_megabytes_a_stream_is_broken_off(tmp_path: Path) -> None:
    async def story(emulator: Harness) -> None:
        gate = Gate()
        over = limits.STREAM_RESPONSE_BYTES_MAX // 65_536 + 1
        steps = [{"gate": gate.port}, BEGIN, prelude(), {"flood": over}, END]
        async with asking(emulator, *steps) as client:
            await client.read_head()
            size = 0
            with pytest.raises(Broken):
                while data := await client.read_some():
                    size += len(data)
                    gate.latest()
                raise Broken(b"", "end")
            assert limits.STREAM_RESPONSE_BYTES_MAX * 0.9 < size < over * 65_600
        await until_ended(emulator)
        assert "Function.ResponseSizeTooLarge" in emulator.log
        gate.close()

    serve(story, tmp_path, STREAM)


# --- switches ---------------------------------------------------------------------------------


HANGING = UrlConfig(invoke_mode="RESPONSE_STREAM", empty_body_hang=True)


@pytest.mark.parametrize("steps", [[BEGIN, prelude(200), END], [{"stream": "text/plain"}, END]])
def test_an_empty_response_hangs_when_asked(tmp_path: Path, steps: list[Any]) -> None:
    async def story(emulator: Harness) -> None:
        async with asking(emulator, *steps) as client:
            head = await client.read_head()
            assert head.status == 200
            await wait_until(lambda: "empty_body_hang" in emulator.log)
            emulator.advance(30.0)
            with pytest.raises(Broken):
                await client.read_body(head)
        assert "hung until the function's time-out; it was broken off" in emulator.log

    serve(story, tmp_path, HANGING, timeout_s=30, clock=ManualClock())


def test_a_response_that_hangs_lets_its_client_leave(tmp_path: Path) -> None:
    async def story(emulator: Harness) -> None:
        async with asking(emulator, BEGIN, prelude(200), END) as client:
            await client.read_head()
            await until_ended(emulator)
        await wait_until(lambda: emulator.service.statistics().connections == 0)

    serve(story, tmp_path, HANGING)


@pytest.mark.parametrize(("status", "method"), [(204, "POST"), (304, "POST"), (200, "HEAD")])
def test_what_has_no_body_does_not_hang(tmp_path: Path, status: int, method: str) -> None:
    async def story(emulator: Harness) -> None:
        answer = await ask(emulator, BEGIN, prelude(status), END, method=method)
        assert answer.status == status

    serve(story, tmp_path, HANGING)


def test_a_body_of_one_byte_does_not_hang(tmp_path: Path) -> None:
    async def story(emulator: Harness) -> None:
        assert (await ask(emulator, BEGIN, prelude(200), {"chunk": "x"}, END)).body == b"x"

    serve(story, tmp_path, HANGING)
