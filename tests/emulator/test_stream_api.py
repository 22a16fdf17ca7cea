"""InvokeWithResponseStream, event by event."""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop
from tests.e2e.gate import Gate
from tests.emulator.caller import Caller, calling
from tests.emulator.harness import Harness, playing, running, stalled_at, wait_until

from tailrace import limits
from tailrace.config import FunctionConfig

ERROR = {"errorType": "TypeError", "errorMessage": "bóom", "trace": ["TypeError: bóom"]}
TEXT = "text/plain"


def play(story: Callable[[Harness, Path], Awaitable[None]], path: Path, **settings: Any) -> None:
    async def run() -> None:
        async with running(playing(path=path, **settings)) as emulator:
            await story(emulator, path)

    uvloop.run(run())


def wait_at(path: Path) -> dict[str, str]:
    return {"wait": str(path)}


# --- on time ----------------------------------------------------------------------------------


def test_chunks_come_as_the_function_writes_them(tmp_path: Path) -> None:
    """The function may write the next one only when this one is here."""

    async def story(emulator: Harness, path: Path) -> None:
        steps: list[dict[str, Any]] = [{"stream": TEXT}]
        for number in range(5):
            steps += [wait_at(path / f"go{number}"), {"chunk": f"chunk {number}"}]
        async with calling(emulator, *steps, wait_at(path / "end"), {"end": None}) as caller:
            assert await caller.head() == 200  # before the first byte
            for number in range(5):
                (path / f"go{number}").touch()
                assert await caller.chunk() == f"chunk {number}".encode()
            (path / "end").touch()

            assert await caller.rest() == (b"", {})

    play(story, tmp_path)


def test_the_head_of_a_stream(tmp_path: Path) -> None:
    async def story(emulator: Harness, path: Path) -> None:
        async with calling(emulator, {"stream": TEXT}, {"end": None}) as caller:
            await caller.head()

            assert caller.headers["content-type"] == "application/vnd.amazon.eventstream"
            assert caller.headers["transfer-encoding"] == "chunked"
            assert caller.headers["x-amz-executed-version"] == "$LATEST"
            assert caller.headers["x-amzn-trace-id"].startswith("root=1-")
            assert f"START RequestId: {caller.headers['x-amzn-requestid']}" in emulator.log
            assert await caller.rest() == (b"", {})

    play(story, tmp_path)


def test_the_connection_serves_further_calls(tmp_path: Path) -> None:
    async def story(emulator: Harness, path: Path) -> None:
        steps = [{"stream": TEXT}, {"chunk": "a"}, {"end": None}]
        async with calling(emulator, *steps) as caller:
            for _ in range(3):
                await caller.head()
                assert await caller.rest() == (b"a", {})
                caller.writer.write(request_of(steps))
            await caller.head()
            await caller.rest()

    play(story, tmp_path)


def request_of(steps: list[dict[str, Any]]) -> bytes:
    body = json.dumps({"play": steps}).encode()
    path = "/2021-11-15/functions/f/response-streaming-invocations"
    return (
        f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(body)}\r\n\r\n".encode()
        + body
    )


def test_a_prelude_is_left_in_the_stream(tmp_path: Path) -> None:
    async def story(emulator: Harness, path: Path) -> None:
        prelude = '{"statusCode":201}' + "\0" * 8
        media_type = "application/vnd.awslambda.http-integration-response"
        steps = [{"stream": media_type}, {"chunk": prelude}, {"chunk": "body"}, {"end": None}]
        async with calling(emulator, *steps) as caller:
            await caller.head()

            assert caller.headers["content-type"] == "application/vnd.amazon.eventstream"
            assert await caller.rest() == (prelude.encode() + b"body", {})

    play(story, tmp_path)


# --- buffered results -------------------------------------------------------------------------


def test_a_buffered_result_is_a_stream_as_well(tmp_path: Path) -> None:
    async def story(emulator: Harness, path: Path) -> None:
        async with calling(emulator, {"return": {"a": 1}}) as caller:
            await caller.head()

            assert await caller.chunk() == b'{"a": 1}'
            assert await caller.rest() == (b"", {})

    play(story, tmp_path)


def test_no_chunk_is_longer_than_its_limit(tmp_path: Path) -> None:
    async def story(emulator: Harness, path: Path) -> None:
        size = limits.BUFFERED_RESPONSE_BYTES_MAX
        async with calling(emulator, {"return_bytes": size}) as caller:
            await caller.head()
            sizes = []
            while sum(sizes) < size:
                sizes.append(len(await caller.chunk()))

            assert set(sizes[:-1]) == {limits.STREAM_CHUNK_BYTES_MAX}
            assert sum(sizes) == size
            assert await caller.rest() == (b"", {})

    play(story, tmp_path)


# --- functions that fail ----------------------------------------------------------------------


async def result_of(
    emulator: Harness, *steps: dict[str, Any], **headers: str
) -> tuple[bytes, dict[str, Any]]:
    async with calling(emulator, *steps, **headers) as caller:
        assert await caller.head() == 200
        return await caller.rest()


@pytest.mark.parametrize(
    ("steps", "body"),
    [
        ([{"raise": ERROR}], b""),
        ([{"stream": TEXT}, {"fail": ERROR}], b""),
        ([{"stream": TEXT}, {"chunk": "half"}, {"fail": ERROR}], b"half"),
    ],
    ids=["buffered", "before the first byte", "after it"],
)
def test_a_reported_error_is_in_the_last_event(
    tmp_path: Path, steps: list[dict[str, Any]], body: bytes
) -> None:
    async def story(emulator: Harness, path: Path) -> None:
        sent, complete = await result_of(emulator, *steps)

        assert sent == body
        assert set(complete) == {"ErrorCode", "ErrorDetails"}
        assert complete["ErrorCode"] == "Unhandled"
        assert json.loads(complete["ErrorDetails"]) == ERROR

    play(story, tmp_path)


@pytest.mark.parametrize(
    ("steps", "body", "code", "message"),
    [
        ([{"exit": 3}], b"", "Runtime.ExitError", "exit status 3"),
        (
            [{"stream": TEXT}, {"chunk": "half"}, {"exit": 3}],
            b"half",
            "Runtime.ExitError",
            "exit status 3",
        ),
        (
            [{"stream": TEXT}, {"chunk": "half"}, {"wait": "/never"}],
            b"half",
            "Sandbox.Timedout",
            "Task timed out after 2.00 seconds",
        ),
        (
            [{"return_bytes": limits.BUFFERED_RESPONSE_BYTES_MAX + 1}],
            b"",
            "Function.ResponseSizeTooLarge",
            "exceeded maximum allowed payload size",
        ),
    ],
    ids=["exits", "exits in mid-stream", "never ends", "too large"],
)
def test_what_lambda_finds_itself_has_its_own_name(
    tmp_path: Path, steps: list[dict[str, Any]], body: bytes, code: str, message: str
) -> None:
    async def story(emulator: Harness, path: Path) -> None:
        sent, complete = await result_of(emulator, *steps)

        assert sent == body
        assert complete["ErrorCode"] == code
        details = json.loads(complete["ErrorDetails"])
        assert details["errorType"] == code
        assert message in details["errorMessage"]

    play(story, tmp_path, timeout_s=2.0)


def test_a_stream_that_is_cut(tmp_path: Path) -> None:
    async def story(emulator: Harness, path: Path) -> None:
        steps = [{"stream": TEXT}, {"chunk": "half"}, {"cut": None}]
        sent, complete = await result_of(emulator, *steps)

        assert (sent, complete["ErrorCode"]) == (b"half", "Runtime.TruncatedResponse")

    play(story, tmp_path)


def test_a_function_that_cannot_start(tmp_path: Path) -> None:
    async def run() -> None:
        function = FunctionConfig(name="f", handler="app.handler", path=tmp_path)
        (tmp_path / "app.py").write_text("import no_such_module\n")
        async with running(function) as emulator:
            body, complete = await result_of(emulator)

            assert (body, complete["ErrorCode"]) == (b"", "Unhandled")
            assert "no_such_module" in complete["ErrorDetails"]

    uvloop.run(run())


def test_an_error_that_is_no_text_and_endless(tmp_path: Path) -> None:
    """What a runtime reports goes into one event, whatever it is."""
    script = tmp_path / "function.py"
    script.write_text(
        "import http.client, os\n"
        "api = http.client.HTTPConnection(os.environ['AWS_LAMBDA_RUNTIME_API'])\n"
        "base = '/2018-06-01/runtime/invocation/'\n"
        "while True:\n"
        "    api.request('GET', base + 'next')\n"
        "    answer = api.getresponse()\n"
        "    answer.read()\n"
        "    request_id = answer.headers['Lambda-Runtime-Aws-Request-Id']\n"
        "    api.request('POST', base + request_id + '/error', b'\\xff\\x01' * 3_000_000)\n"
        "    api.getresponse().read()\n"
    )

    async def run() -> None:
        command = (sys.executable, "-I", "-S", str(script))
        function = FunctionConfig(name="f", command=command, path=tmp_path)
        async with running(function) as emulator:
            _, complete = await result_of(emulator)

            assert complete["ErrorDetails"] == "�\x01" * (limits.ERROR_DETAILS_CHARS_MAX // 2)

    uvloop.run(run())


# --- the log ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("steps", "code"),
    [
        ([{"stream": TEXT}, {"chunk": "a"}, {"end": None}, {"print": "late"}], None),
        ([{"stream": TEXT}, {"chunk": "a"}, {"print": "late"}, {"fail": ERROR}], "Unhandled"),
        ([{"print": "late"}, {"return": 1}], None),
        ([{"print": "late"}, {"exit": 1}], "Runtime.ExitError"),
    ],
    ids=["streamed", "failed", "buffered", "exited"],
)
def test_the_end_of_the_log_comes_with_the_last_event(
    tmp_path: Path, steps: list[dict[str, Any]], code: str | None
) -> None:
    async def story(emulator: Harness, path: Path) -> None:
        _, complete = await result_of(emulator, *steps, x_amz_log_type="Tail")

        log = base64.b64decode(complete["LogResult"]).decode()
        assert log.startswith("START RequestId: ")
        assert "\nlate\n" in log
        assert "\nREPORT RequestId: " in log
        assert complete.get("ErrorCode") == code

    play(story, tmp_path)


def test_the_chunks_do_not_wait_for_the_log(tmp_path: Path) -> None:
    async def story(emulator: Harness, path: Path) -> None:
        for steps in ([{"stream": TEXT}, {"chunk": "1"}, {"end": None}], [{"return": 1}]):
            go = path / f"go{len(steps)}"
            async with calling(emulator, *steps, wait_at(go), x_amz_log_type="Tail") as caller:
                await caller.head()
                assert await caller.chunk() == b"1"
                go.touch()
                _, complete = await caller.rest()

                assert set(complete) == {"LogResult"}

    play(story, tmp_path)


# --- refusals ---------------------------------------------------------------------------------


async def refusal_of(
    emulator: Harness, *, name: str = "f", body: bytes = b"{}", **headers: str
) -> tuple[int, str, dict[str, Any]]:
    async with calling(emulator, name=name, body=body, **headers) as caller:
        status = await caller.head()
        assert caller.headers["content-type"] == "application/json"
        assert caller.headers["x-amzn-requestid"]
        return status, caller.headers["x-amzn-errortype"], await caller.json()


def test_refusals_are_plain_errors(tmp_path: Path) -> None:
    async def story(emulator: Harness, path: Path) -> None:
        for arguments, status, error_type in (
            ({"name": "nope"}, 404, "ResourceNotFoundException"),
            ({"name": "f!"}, 400, "ValidationException"),
            ({"body": b"{"}, 400, "InvalidRequestContentException"),
            ({"x_amz_invocation_type": "Event"}, 400, "ValidationException"),
            ({"x_amz_log_type": "All"}, 400, "ValidationException"),
            ({"x_amz_client_context": "***"}, 400, "InvalidRequestContentException"),
            (
                {"body": b'"%b"' % (b"x" * limits.SYNC_INVOKE_BYTES_MAX)},
                413,
                "RequestEntityTooLargeException",
            ),
        ):
            answer = await refusal_of(emulator, **arguments)  # type: ignore[arg-type]
            assert answer[:2] == (status, error_type)
            assert answer[2].get("message") or answer[2]["Message"]
        assert emulator.service.pids() == []

    play(story, tmp_path)


def test_a_busy_function_refuses(tmp_path: Path) -> None:
    async def story(emulator: Harness, path: Path) -> None:
        go = path / "go"
        async with calling(emulator, {"stream": TEXT}, wait_at(go), {"end": None}) as caller:
            await caller.head()
            status, error_type, error = await refusal_of(emulator)
            go.touch()
            await caller.rest()

        assert (status, error_type) == (429, "TooManyRequestsException")
        assert error["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"

    play(story, tmp_path, concurrency=1)


def test_a_function_that_stays_busy_a_little_too_long_refuses(tmp_path: Path) -> None:
    """It has answered, so a caller waits for it, in vain: nothing has been streamed yet."""

    async def story(emulator: Harness, path: Path) -> None:
        go = path / "go"
        async with calling(emulator, {"stream": TEXT}, {"end": None}, wait_at(go)) as caller:
            await caller.head()
            await caller.rest()
            status, error_type, _ = await refusal_of(emulator)
            go.touch()

        assert (status, error_type) == (429, "TooManyRequestsException")
        assert (await result_of(emulator, {"return": 1}))[0] == b"1"

    play(story, tmp_path, concurrency=1)


def test_a_dry_run(tmp_path: Path) -> None:
    async def story(emulator: Harness, path: Path) -> None:
        async with calling(emulator, x_amz_invocation_type="DryRun") as caller:
            assert await caller.head() == 204
        assert emulator.service.pids() == []

    play(story, tmp_path)


# --- callers that are slow, or leave ----------------------------------------------------------

BLOCKS = 1024
"""64 MiB: several times what the kernel keeps on the way."""


def test_a_slow_caller_slows_the_function(tmp_path: Path) -> None:
    async def story(emulator: Harness, path: Path) -> None:
        gate = Gate()
        steps = [{"gate": gate.port}, {"stream": TEXT}, {"flood": BLOCKS}, {"end": None}]
        async with calling(emulator, *steps) as caller:
            assert await stalled_at(emulator, gate) < BLOCKS // 2
            await caller.head()
            body, complete = await caller.rest()

        assert complete == {}
        assert len(body) == BLOCKS * 65_536
        assert body == b"".join(n.to_bytes(4, "big") * 16_384 for n in range(BLOCKS))
        gate.close()

    play(story, tmp_path)


def test_a_caller_that_reads_nothing_is_cut_off(tmp_path: Path) -> None:
    """The function runs on, and is not held for its whole time-out."""

    async def run() -> None:
        gate, done = Gate(), tmp_path / "done"
        steps: list[dict[str, Any]] = [{"gate": gate.port}, {"stream": TEXT}, {"flood": BLOCKS}]
        steps += [{"end": None}, {"append": [str(done), "ran on"]}]
        function = playing(path=tmp_path, timeout_s=900)
        async with running(function, client_stall_timeout_s=0.2) as emulator:
            async with calling(emulator, *steps):
                await wait_until(done.exists)
                await wait_until(lambda: emulator.service.statistics().connections == 0)
            assert "its caller reads nothing; it was cut off" in emulator.log
        gate.close()

    uvloop.run(run())


@pytest.mark.parametrize("is_stalled", [True, False], ids=["stalled", "reading"])
def test_a_caller_that_leaves_stops_nothing(tmp_path: Path, is_stalled: bool) -> None:
    async def story(emulator: Harness, path: Path) -> None:
        gate, done = Gate(), path / "done"
        steps: list[dict[str, Any]] = [{"gate": gate.port}, {"stream": TEXT}]
        steps += [{"flood": BLOCKS if is_stalled else 1}, {"pass": None}, {"chunk": "more"}]
        steps += [{"end": None}, {"append": [str(done), "ran on"]}]
        async with calling(emulator, *steps) as caller:
            if is_stalled:
                assert await stalled_at(emulator, gate) < BLOCKS // 2
            else:
                await caller.head()
                await caller.chunk()
        await wait_until(lambda: emulator.service.statistics().connections == 0)
        gate.open()
        await wait_until(done.exists)

        assert (await result_of(emulator, {"return": 1}))[0] == b"1"
        assert "Error" not in emulator.log
        gate.close()

    play(story, tmp_path, concurrency=1)


def test_a_caller_that_leaves_before_the_stream(tmp_path: Path) -> None:
    async def story(emulator: Harness, path: Path) -> None:
        go, done = path / "go", path / "done"
        for steps in (
            [{"stream": TEXT}, {"chunk": "a"}, {"end": None}],
            [{"return": 1}],
            [{"raise": ERROR}],
        ):
            steps = [wait_at(go), *steps, {"append": [str(done), "ran on"]}]
            async with calling(emulator, *steps, x_amz_log_type="Tail"):
                await wait_until(lambda: emulator.service.statistics().functions["f"].busy)
            await wait_until(lambda: emulator.service.statistics().connections == 0)
            go.touch()
            await wait_until(done.exists)
            go.unlink()
            done.unlink()
            await wait_until(lambda: not emulator.service.statistics().functions["f"].busy)

    play(story, tmp_path, concurrency=1)


def test_a_caller_that_leaves_before_the_log(tmp_path: Path) -> None:
    """The function has answered; only its log is waited for."""

    async def story(emulator: Harness, path: Path) -> None:
        go, done = path / "go", path / "done"
        steps = [{"stream": TEXT}, {"chunk": "a"}, {"end": None}, wait_at(go)]
        steps.append({"append": [str(done), "ran on"]})
        async with calling(emulator, *steps, x_amz_log_type="Tail") as caller:
            await caller.head()
            await caller.chunk()
        await wait_until(lambda: emulator.service.statistics().connections == 0)
        go.touch()
        await wait_until(done.exists)

        assert (await result_of(emulator, {"return": 1}))[0] == b"1"

    play(story, tmp_path, concurrency=1)


def test_a_caller_that_leaves_in_mid_payload(tmp_path: Path) -> None:
    """Nothing is run."""

    async def story(emulator: Harness, path: Path) -> None:
        async with calling(emulator, body=b"{}", content_length="3"):
            await wait_until(lambda: emulator.service.statistics().connections == 1)
        await wait_until(lambda: emulator.service.statistics().connections == 0)

        assert emulator.service.pids() == []

    play(story, tmp_path)


def test_the_emulator_stops_in_mid_stream(tmp_path: Path) -> None:
    """Nothing is left behind: see `running`. The caller sees that the stream is incomplete."""

    async def run() -> None:
        caller: Caller
        async with running(playing(path=tmp_path)) as emulator:
            calls = calling(emulator, {"stream": TEXT}, {"chunk": "a"}, {"wait": "/never"})
            caller = await calls.__aenter__()
            await caller.head()
            await caller.chunk()
            await emulator.service.stop()
            with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
                await caller.message()
            await calls.__aexit__(None, None, None)

    uvloop.run(run())
