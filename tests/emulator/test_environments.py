"""Execution environments: warm and cold, time-outs, crashes, init errors, the log's lines."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
from pathlib import Path

import uvloop
from tests.clock import ManualClock
from tests.emulator.harness import is_running, playing, running, wait_until

from tailrace.config import FunctionConfig


def test_a_result_comes_back_and_the_environment_is_kept(tmp_path: Path) -> None:
    async def run() -> None:
        async with running(playing(path=tmp_path)) as emulator:
            first = await emulator.invoke({"a": 1})
            await wait_until(lambda: emulator.service.statistics().functions["f"].idle == 1)
            pids = emulator.service.pids()
            second = await emulator.invoke({"a": 2})

            assert (first.status, first.json()) == (200, {"a": 1})
            assert second.json() == {"a": 2}
            assert first.function_error is None
            await wait_until(lambda: emulator.service.statistics().functions["f"].idle == 1)
            assert emulator.service.pids() == pids
            assert emulator.log.count("Init Duration") == 1

    uvloop.run(run())


def test_busy_environments_make_new_ones_up_to_the_concurrency(tmp_path: Path) -> None:
    async def run() -> None:
        go = tmp_path / "go"
        async with running(playing(path=tmp_path, concurrency=2)) as emulator:
            held = [
                asyncio.create_task(emulator.play({"wait": str(go)}, {"return": n}))
                for n in range(2)
            ]
            await wait_until(lambda: emulator.service.statistics().functions["f"].busy == 2)
            refused = await emulator.invoke()
            go.touch()
            results = [(await task).json() for task in held]

            assert refused.status == 429
            assert refused.headers["x-amzn-errortype"] == "TooManyRequestsException"
            assert int(refused.headers["retry-after"]) > 0
            assert refused.json() == {
                "Reason": "ReservedFunctionConcurrentInvocationLimitExceeded",
                "Type": "User",
                "message": "Rate Exceeded.",
            }
            assert results == [0, 1]

    uvloop.run(run())


def test_callers_one_after_the_other_are_not_refused(tmp_path: Path) -> None:
    """A runtime needs a moment after its answer before it asks for the next event."""

    async def run() -> None:
        go = tmp_path / "go"
        async with running(playing(path=tmp_path, concurrency=1)) as emulator:
            for n in range(30):
                assert (await emulator.invoke(n)).status == 200
            # One that works on behind its answer is busy all the same.
            steps = [{"return": "early"}, {"wait": str(go)}]
            assert (await emulator.play(*steps)).json() == "early"
            refused = await emulator.invoke()
            go.touch()

            assert refused.status == 429
            assert refused.headers["x-amzn-errortype"] == "TooManyRequestsException"

    uvloop.run(run())


def test_the_most_recently_used_environment_is_taken(tmp_path: Path) -> None:
    async def run() -> None:
        go, pids = tmp_path / "go", tmp_path / "pids"
        async with running(playing(path=tmp_path)) as emulator:

            def idle() -> int:
                return emulator.service.statistics().functions["f"].idle

            held = asyncio.create_task(emulator.play({"wait": str(go)}, {"return": 1}))
            await wait_until(lambda: emulator.service.statistics().functions["f"].busy == 1)
            (slow,) = emulator.service.pids()
            await emulator.play({"return": 2})
            await wait_until(lambda: idle() == 1)
            go.touch()
            await held
            await wait_until(lambda: idle() == 2)
            await emulator.play({"environ": str(pids)}, {"kill": signal.SIGKILL})

            await wait_until(lambda: idle() == 1)
            assert slow not in emulator.service.pids()

    uvloop.run(run())


def test_a_function_that_takes_too_long_is_killed_with_its_process_group(tmp_path: Path) -> None:
    async def run() -> None:
        child = tmp_path / "child"
        function = playing(path=tmp_path, timeout_s=30)
        async with running(function, clock=ManualClock()) as emulator:
            pending = asyncio.create_task(
                emulator.play({"spawn": str(child)}, {"wait": "/nowhere"})
            )
            await wait_until(lambda: child.exists() and child.read_text())
            emulator.advance(29.0)
            assert is_running(int(child.read_text()))
            emulator.advance(1.0)
            answer = await pending

            request_id = answer.headers["x-amzn-requestid"]
            assert (answer.status, answer.function_error) == (200, "Unhandled")
            text = f"RequestId: {request_id} Error: Task timed out after 30.00 seconds"
            assert answer.json() == {"errorType": "Sandbox.Timedout", "errorMessage": text}
            await wait_until(lambda: not is_running(int(child.read_text())))
            await wait_until(lambda: emulator.service.pids() == [])
            assert "Task timed out after 30.00 seconds" in emulator.log
            assert "\tStatus: timeout" in emulator.log
            assert (await emulator.invoke({"a": 1})).json() == {"a": 1}

    uvloop.run(run())


def test_a_crash_in_mid_invocation_is_a_function_error(tmp_path: Path) -> None:
    async def run() -> None:
        async with running(playing(path=tmp_path)) as emulator:
            for steps, reason in (
                ({"exit": 0}, "Runtime exited without providing a reason"),
                ({"exit": 127}, "Runtime exited with error: exit status 127"),
                ({"kill": signal.SIGSEGV}, "Runtime exited with error: signal: segmentation fault"),
                ({"kill": signal.SIGKILL}, "Runtime exited with error: signal: killed"),
            ):
                answer = await emulator.play(steps)
                request_id = answer.headers["x-amzn-requestid"]
                assert (answer.status, answer.function_error) == (200, "Unhandled")
                assert answer.json() == {
                    "errorType": "Runtime.ExitError",
                    "errorMessage": f"RequestId: {request_id} Error: {reason}",
                }
            assert (await emulator.invoke({"a": 1})).json() == {"a": 1}
            assert emulator.log.count("Status: error\tError Type: Runtime.ExitError") == 4

    uvloop.run(run())


def test_an_answer_sent_just_before_the_process_ends_counts(tmp_path: Path) -> None:
    """The end of a process and the last bytes that it sent reach the emulator in any order."""

    async def run() -> None:
        async with running(playing(path=tmp_path)) as emulator:
            for n in range(10):
                answer = await emulator.play({"return_and_exit": "x" * n})
                assert (answer.function_error, answer.json()) == (None, "x" * n)
            large = await emulator.play({"return_and_exit": "x" * 3_000_000})
            assert large.json() == "x" * 3_000_000

    uvloop.run(run())


def test_an_answer_that_breaks_off_is_a_truncated_response(tmp_path: Path) -> None:
    async def run() -> None:
        async with running(playing(path=tmp_path)) as emulator:
            cut = await emulator.play({"break_off": None})
            crashed = await emulator.play({"break_off": None}, {"exit": 1})

            assert cut.function_error == crashed.function_error == "Unhandled"
            assert cut.json()["errorType"] == "Runtime.TruncatedResponse"
            assert crashed.json()["errorType"] == "Runtime.ExitError"

    uvloop.run(run())


def test_the_caller_is_answered_while_the_handler_works_on(tmp_path: Path) -> None:
    async def run() -> None:
        go = tmp_path / "go"
        async with running(playing(path=tmp_path)) as emulator:
            answer = await emulator.play({"return": "early"}, {"wait": str(go)}, {"print": "late"})

            assert answer.json() == "early"
            assert emulator.service.statistics().functions["f"].busy == 1
            assert "END" not in emulator.log
            go.touch()
            await wait_until(lambda: emulator.service.statistics().functions["f"].idle == 1)
            assert emulator.log.index("late") < emulator.log.index("END RequestId")

    uvloop.run(run())


def test_a_process_that_dies_between_invocations_is_replaced(tmp_path: Path) -> None:
    async def run() -> None:
        async with running(playing(path=tmp_path, concurrency=1)) as emulator:
            await emulator.invoke()
            await wait_until(lambda: emulator.service.statistics().functions["f"].idle == 1)
            (pid,) = emulator.service.pids()
            os.kill(pid, signal.SIGKILL)
            while is_running(pid):  # without a turn of the loop: it has not been told yet
                pass
            answer = await emulator.invoke({"a": 1})

            assert (answer.function_error, answer.json()) == (None, {"a": 1})
            await wait_until(lambda: "signal: killed between two invocations" in emulator.log)

    uvloop.run(run())


def test_an_init_error_is_the_answer_to_the_invocation(tmp_path: Path) -> None:
    async def run() -> None:
        error = {"errorMessage": "no such thing", "errorType": "Runtime.ImportModuleError"}
        steps = json.dumps([{"init_error": error}, {"exit": 1}])
        function = playing(path=tmp_path, environment={"PLAY_INIT": steps})
        async with running(function) as emulator:
            answer = await emulator.invoke()

            assert (answer.status, answer.function_error) == (200, "Unhandled")
            assert answer.json() == error
            await wait_until(lambda: emulator.service.pids() == [])
            assert "Error Type: Runtime.ImportModuleError" in emulator.log

    uvloop.run(run())


def test_an_exit_in_the_init_phase_is_a_function_error(tmp_path: Path) -> None:
    async def run() -> None:
        steps = json.dumps([{"print": "cannot go on"}, {"exit": 7}])
        function = playing(path=tmp_path, environment={"PLAY_INIT": steps})
        async with running(function) as emulator:
            answer = await emulator.invoke()

            assert answer.function_error == "Unhandled"
            assert answer.json()["errorType"] == "Runtime.ExitError"
            assert answer.json()["errorMessage"].endswith("exit status 7")
            assert emulator.log.index("cannot go on") < emulator.log.index("exit status 7")

    uvloop.run(run())


def test_a_program_that_cannot_be_started_is_a_function_error(tmp_path: Path) -> None:
    async def run() -> None:
        missing = FunctionConfig(name="missing", command=("/nowhere/program",), path=tmp_path)
        nowhere = playing("nowhere", path=tmp_path / "nowhere")
        async with running(missing, nowhere) as emulator:
            program = await emulator.invoke(name="missing")
            directory = await emulator.invoke(name="nowhere")

            assert program.function_error == directory.function_error == "Unhandled"
            assert program.json()["errorType"] == "Runtime.InvalidEntrypoint"
            assert "/nowhere/program" in program.json()["errorMessage"]
            assert directory.json()["errorType"] == "Runtime.InvalidWorkingDir"

    uvloop.run(run())


def test_an_init_phase_that_is_too_long_begins_again_on_the_invocations_time(
    tmp_path: Path,
) -> None:
    async def run() -> None:
        go = tmp_path / "go"
        steps = json.dumps([{"wait": str(go)}])
        function = playing(path=tmp_path, environment={"PLAY_INIT": steps})
        async with running(function, init_timeout_s=10.0, clock=ManualClock()) as emulator:
            pending = asyncio.create_task(emulator.invoke({"a": 1}))
            await wait_until(emulator.service.pids)
            emulator.advance(10.0)
            await wait_until(lambda: "Phase: init\tStatus: timeout" in emulator.log)
            go.touch()

            assert (await pending).json() == {"a": 1}

    uvloop.run(run())


def test_an_init_phase_without_end_meets_the_functions_time_out(tmp_path: Path) -> None:
    async def run() -> None:
        steps = json.dumps([{"wait": "/nowhere"}])
        function = playing(path=tmp_path, timeout_s=30, environment={"PLAY_INIT": steps})
        async with running(function, init_timeout_s=10.0, clock=ManualClock()) as emulator:
            pending = asyncio.create_task(emulator.invoke())
            await wait_until(emulator.service.pids)
            (first,) = emulator.service.pids()
            emulator.advance(10.0)
            await wait_until(lambda: set(emulator.service.pids()) - {first})
            emulator.advance(29.0)
            assert not pending.done()
            emulator.advance(1.0)
            answer = await pending

            assert answer.json()["errorType"] == "Sandbox.Timedout"
            await wait_until(lambda: emulator.service.pids() == [])

    uvloop.run(run())


def test_the_log_has_lambdas_lines_around_the_functions_own(tmp_path: Path) -> None:
    async def run() -> None:
        async with running(playing(path=tmp_path)) as emulator:
            answer = await emulator.play({"print": "one\ntwo"}, {"write": "rest"}, {"return": 1})
            await wait_until(lambda: "REPORT" in emulator.log)

            request_id = answer.headers["x-amzn-requestid"]
            start, *lines, end, report = emulator.log.splitlines()
            assert start == f"f | START RequestId: {request_id} Version: $LATEST"
            assert lines == ["f | one", "f | two", "f | rest"]
            assert end == f"f | END RequestId: {request_id}"
            assert re.fullmatch(
                rf"f \| REPORT RequestId: {request_id}\tDuration: \d+\.\d\d ms\t"
                r"Billed Duration: \d+ ms\tMemory Size: 128 MB\tMax Memory Used: \d+ MB\t"
                r"Init Duration: \d+\.\d\d ms\t",
                report,
            )

    uvloop.run(run())


def test_a_caller_that_leaves_does_not_stop_the_function(tmp_path: Path) -> None:
    async def run() -> None:
        go, done = tmp_path / "go", tmp_path / "done"
        async with running(playing(path=tmp_path)) as emulator:
            steps = [{"wait": str(go)}, {"append": [str(done), "done"]}, {"return": 1}]
            pending = asyncio.create_task(emulator.play(*steps))
            await wait_until(lambda: emulator.service.statistics().functions["f"].busy == 1)
            pending.cancel()
            await wait_until(lambda: emulator.service.statistics().connections == 0)
            go.touch()

            await wait_until(done.exists)
            await wait_until(lambda: emulator.service.statistics().functions["f"].idle == 1)

    uvloop.run(run())


def test_it_runs_on_asyncios_own_loop_as_well(tmp_path: Path) -> None:
    async def run() -> None:
        async with running(playing(path=tmp_path)) as emulator:
            assert (await emulator.invoke({"a": 1})).json() == {"a": 1}
            assert (await emulator.play({"exit": 1})).function_error == "Unhandled"

    asyncio.run(run())
