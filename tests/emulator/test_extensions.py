"""The Extensions API: registration, events, refusals, and how extensions make a phase longer."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvloop
from tests.clock import ManualClock
from tests.emulator.harness import Answer, Notes, playing, request, running, wait_until

from tailrace import limits
from tailrace.config import FunctionConfig
from tailrace.emulator.invocation import Attempt
from tailrace.emulator.runtime_server import RuntimeServer, State
from tailrace.wire.runtime_api import Invocation

BASE = "/2020-01-01/extension"
RUNTIME = "/2018-06-01/runtime"
BOTH = ("INVOKE", "SHUTDOWN")
ID = "lambda-extension-identifier"
ERROR_TYPE = "lambda-extension-function-error-type"


class Environment:
    """An environment whose processes the test plays."""

    def __init__(self) -> None:
        self.notes = Notes()
        self.server = RuntimeServer("f", "app.handler", self.notes)
        self.polls: list[asyncio.Task[Answer]] = []

    @property
    def port(self) -> int:
        return int(self.server.address.rpartition(":")[2])

    async def register(
        self, name: str = "e", body: bytes | None = None, *, events: Any = (), **headers: str
    ) -> Answer:
        fields = {"lambda-extension-name": name}
        fields.update((key.replace("_", "-"), value) for key, value in headers.items())
        content = json.dumps({"events": events}).encode() if body is None else body
        return await request(self.port, "POST", f"{BASE}/register", content, fields)

    async def call(self, method: str, path: str, **headers: str) -> Answer:
        fields = {key.replace("_", "-"): value for key, value in headers.items()}
        body = b'{"errorMessage": "gone wrong"}' if method == "POST" else b""
        return await request(self.port, method, BASE + path, body, fields)

    async def poll(self, extension: Answer) -> asyncio.Task[Answer]:
        """An extension that waits for an event, or has got one."""
        task = asyncio.create_task(
            self.call("GET", "/event/next", lambda_extension_identifier=extension.headers[ID])
        )
        self.polls.append(task)
        await wait_until(lambda: self.server.connection_count or task.done())
        await request(self.port, "GET", "/2018-06-01/ping")
        return task

    async def ready(self) -> asyncio.Task[Answer]:
        """A runtime that waits for an event."""
        before = self.server.state
        task = asyncio.create_task(request(self.port, "GET", f"{RUNTIME}/invocation/next"))
        self.polls.append(task)
        await wait_until(lambda: self.server.state is State.READY is not before)
        return task

    def deliver(self) -> Attempt:
        attempt = Attempt(Invocation("id", 0, "arn", trace_id="Root=1-a-b"))
        self.server.deliver(attempt, 123)
        return attempt

    async def respond(self) -> None:
        path = f"{RUNTIME}/invocation/id/response"
        assert (await request(self.port, "POST", path, b"1")).status == 202


@asynccontextmanager
async def environment() -> AsyncIterator[Environment]:
    around = Environment()
    await around.server.start()
    try:
        yield around
    finally:
        for poll in around.polls:
            poll.cancel()
        await asyncio.gather(*around.polls, return_exceptions=True)
        await around.server.stop()


def error_of(answer: Answer) -> tuple[int, str]:
    assert set(answer.json()) == {"errorMessage", "errorType"}
    return answer.status, answer.json()["errorType"]


def test_a_registration_is_answered_with_an_identifier() -> None:
    async def run() -> None:
        async with environment() as around:
            plain = await around.register("lambda-adapter")
            feature = await around.register("b", lambda_extension_accept_feature="x, accountId")
            no_list = await around.register("c", b"{}")

            assert plain.status == feature.status == no_list.status == 200
            assert plain.headers["content-type"] == "application/json"
            assert len(plain.headers[ID]) == 36
            assert plain.headers[ID] != feature.headers[ID]
            function = {"functionName": "f", "functionVersion": "$LATEST", "handler": "app.handler"}
            assert plain.json() == function
            assert feature.json() == {**function, "accountId": "000000000000"}

    uvloop.run(run())


@pytest.mark.parametrize(
    ("name", "body", "error"),
    [
        ("", b'{"events": []}', "Extension.InvalidExtensionName"),
        ("e", b"", "InvalidRequestFormat"),
        ("e", b"[]", "InvalidRequestFormat"),
        ("e", b'{"events": [1]}', "InvalidRequestFormat"),
        ("e", b'{"events": "INVOKE"}', "InvalidRequestFormat"),
        ("e", b'{"events": ["INVOKE", "OTHER"]}', "Extension.InvalidEventType"),
        ("taken", b'{"events": []}', "Extension.InvalidExtensionState"),
    ],
)
def test_a_registration_may_be_refused(name: str, body: bytes, error: str) -> None:
    async def run() -> None:
        async with environment() as around:
            await around.register("taken")
            answer = await around.register(name, body)

            assert error_of(answer) == (403, error)
            assert ID not in answer.headers

    uvloop.run(run())


def test_there_are_at_most_ten() -> None:
    async def run() -> None:
        async with environment() as around:
            for number in range(limits.EXTENSIONS_MAX):
                assert (await around.register(f"e{number}")).status == 200
            answer = await around.register("one more")

            assert error_of(answer) == (403, "Extension.TooManyExtensions")
            assert answer.json()["errorMessage"] == "Extension limit (10) reached"

    uvloop.run(run())


def test_requests_need_an_identifier() -> None:
    async def run() -> None:
        async with environment() as around:
            for method, path in (
                ("GET", "/event/next"),
                ("POST", "/init/error"),
                ("POST", "/exit/error"),
            ):
                missing = await around.call(method, path)
                unknown = await around.call(method, path, lambda_extension_identifier="nobody")
                assert error_of(missing) == (403, "Extension.MissingExtensionIdentifier")
                assert error_of(unknown) == (403, "Extension.UnknownExtensionIdentifier")
                wrong = await around.call("PUT", path)
                assert (wrong.status, wrong.headers["allow"]) == (405, method)

    uvloop.run(run())


def test_the_init_phase_ends_when_all_have_asked_for_an_event() -> None:
    async def run() -> None:
        async with environment() as around:
            first, second = await around.register("a"), await around.register("b")
            await around.poll(first)
            await around.ready()
            assert around.notes.ready_count == 0
            await around.poll(second)
            await wait_until(lambda: around.notes.ready_count == 1)
            late = await around.register("late")

            assert error_of(late) == (403, "Extension.RegistrationClosed")

    uvloop.run(run())


def test_an_invocation_ends_when_all_have_asked_again() -> None:
    async def run() -> None:
        async with environment() as around:
            told = await around.register("told", events=["INVOKE"])
            adapter = await around.register("adapter")
            poll, silent = await around.poll(told), await around.poll(adapter)
            await around.ready()
            attempt = around.deliver()
            event = await poll

            assert event.headers["content-type"] == "application/json"
            assert len(event.headers["lambda-extension-event-identifier"]) == 36
            assert event.json() == {
                "eventType": "INVOKE",
                "deadlineMs": 123,
                "requestId": "id",
                "invokedFunctionArn": "arn",
                "tracing": {"type": "X-Amzn-Trace-Id", "value": "Root=1-a-b"},
            }
            await around.respond()
            assert attempt.outcome.done()  # the caller need not wait
            await around.ready()
            assert around.notes.ready_count == 1
            await around.poll(told)
            await wait_until(lambda: around.notes.ready_count == 2)
            assert not silent.done()

    uvloop.run(run())


def test_an_event_waits_for_an_extension_that_has_lost_its_connection() -> None:
    async def run() -> None:
        async with environment() as around:
            extension = await around.register(events=["INVOKE"])
            poll = await around.poll(extension)
            await around.ready()
            poll.cancel()
            await wait_until(lambda: around.server.connection_count == 1)
            around.deliver()
            await around.respond()
            await around.ready()
            assert around.notes.ready_count == 1
            again = await around.poll(extension)

            assert (await again).json()["requestId"] == "id"
            assert around.notes.ready_count == 1
            await around.poll(extension)
            await wait_until(lambda: around.notes.ready_count == 2)

    uvloop.run(run())


def test_an_extension_may_report_that_it_cannot_go_on() -> None:
    async def run() -> None:
        async with environment() as around:
            extension = await around.register("a\tb")
            who = {"lambda_extension_identifier": extension.headers[ID]}
            unnamed = await around.call("POST", "/init/error", **who)
            assert error_of(unnamed) == (403, "Extension.MissingHeader")
            who["lambda_extension_function_error_type"] = "Extension.NoLicence"
            answer = await around.call("POST", "/init/error", **who)
            again = await around.call("POST", "/exit/error", **who)
            asked = await around.call("GET", "/event/next", **who)

            assert (answer.status, answer.body) == (202, b'{"status":"OK"}\n')
            assert around.notes.extension_failures == [
                ("Extension.InitError", "extension a b failed: Extension.NoLicence: gone wrong")
            ]
            assert error_of(again) == error_of(asked) == (403, "Extension.InvalidExtensionState")
            assert asked.json()["errorMessage"].startswith(
                "State transition from ExitError to Ready failed for extension"
            )

    uvloop.run(run())


def test_an_init_error_comes_before_the_first_event() -> None:
    async def run() -> None:
        async with environment() as around:
            extension = await around.register()
            await around.poll(extension)
            who = {"lambda_extension_identifier": extension.headers[ID]}
            who["lambda_extension_function_error_type"] = "Extension.X"
            late = await around.call("POST", "/init/error", **who)
            exited = await around.call("POST", "/exit/error", **who)

            assert error_of(late) == (403, "Extension.InvalidExtensionState")
            assert exited.status == 202
            assert [kind for kind, _ in around.notes.extension_failures] == ["Extension.ExitError"]

    uvloop.run(run())


# --- with real processes ------------------------------------------------------------------------


def told(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def extending(path: Path, *extensions: list[Any], **settings: Any) -> Any:
    steps = [{"extend": extension} for extension in extensions]
    return playing(path=path, environment={"PLAY_INIT": json.dumps(steps)}, **settings)


def test_extensions_hear_of_each_invocation_and_of_the_end(tmp_path: Path) -> None:
    async def run() -> None:
        log = tmp_path / "log"
        function = extending(tmp_path, ["internal", BOTH, str(log), ""], ["lwa", [], "x", ""])
        async with running(function) as emulator:
            ids = []
            for number in range(3):
                answer = await emulator.invoke(number)
                ids.append(answer.headers["x-amzn-requestid"])
                await wait_until(lambda: emulator.service.statistics().functions["f"].idle == 1)

        *invokes, shutdown = told(log)
        assert [(event["eventType"], event["requestId"]) for event in invokes] == [
            ("INVOKE", request_id) for request_id in ids
        ]
        assert (shutdown["eventType"], shutdown["shutdownReason"]) == ("SHUTDOWN", "SPINDOWN")

    uvloop.run(run())


def test_an_environment_is_busy_until_its_extensions_have_finished(tmp_path: Path) -> None:
    async def run() -> None:
        log, gate = tmp_path / "log", tmp_path / "gate"
        function = extending(tmp_path, ["slow", ["INVOKE"], str(log), str(gate)], concurrency=1)
        async with running(function) as emulator:
            first = await emulator.invoke("one")
            busy = await emulator.invoke("two")
            assert "END" not in emulator.log
            gate.touch()
            await wait_until(lambda: emulator.service.statistics().functions["f"].idle == 1)

            assert (first.status, busy.status) == (200, 429)
            assert (await emulator.invoke("three")).json() == "three"

    uvloop.run(run())


def test_an_extension_without_end_meets_the_time_out(tmp_path: Path) -> None:
    async def run() -> None:
        log = tmp_path / "log"
        function = extending(tmp_path, ["stuck", ["INVOKE"], str(log), "/nowhere"], timeout_s=30)
        async with running(function, clock=ManualClock()) as emulator:
            answer = await emulator.invoke("one")
            emulator.advance(30.0)
            await wait_until(lambda: emulator.service.pids() == [])

            assert (answer.function_error, answer.json()) == (None, "one")
            assert "\tStatus: timeout" in emulator.log

    uvloop.run(run())


def test_the_runtime_gets_sigterm_behind_the_shutdown_event(tmp_path: Path) -> None:
    async def run() -> None:
        log = tmp_path / "log"
        function = extending(tmp_path, ["last", ["SHUTDOWN"], str(log), ""])
        async with running(function) as emulator:
            await emulator.play({"note_sigterm": [str(log), '"SIGTERM"']}, {"return": 1})
            await wait_until(lambda: emulator.service.statistics().functions["f"].idle == 1)

        shutdown, signalled = told(log)
        assert shutdown["eventType"] == "SHUTDOWN"
        assert signalled == signal.SIGTERM.name

    uvloop.run(run())


def test_a_failing_extension_ends_its_environment(tmp_path: Path) -> None:
    async def run() -> None:
        function = extending(tmp_path, ["fine", [], "x", ""])
        async with running(function) as emulator:
            steps = [{"fail_extension": "Extension.Broken"}, {"wait": "/nowhere"}]
            failed = await emulator.play(*steps)
            await wait_until(lambda: emulator.service.pids() == [])

            request_id = failed.headers["x-amzn-requestid"]
            assert failed.function_error == "Unhandled"
            assert failed.json() == {
                "errorType": "Extension.ExitError",
                "errorMessage": f"RequestId: {request_id} Error: "
                "extension fine failed: Extension.Broken: played",
            }
            assert "Error Type: Extension.ExitError" in emulator.log

    uvloop.run(run())


def test_an_extension_that_cannot_begin_is_an_init_error(tmp_path: Path) -> None:
    async def run() -> None:
        steps = [{"extend": ["fine", [], "x", "/nowhere"]}, {"fail_extension": "Extension.No"}]
        environ = {"PLAY_INIT": json.dumps([*steps, {"wait": "/nowhere"}])}
        async with running(playing(path=tmp_path, environment=environ)) as emulator:
            answer = await emulator.invoke(1)

            assert answer.json()["errorType"] == "Extension.ExitError"
            await wait_until(lambda: emulator.service.pids() == [])

    uvloop.run(run())


def test_an_extension_that_fails_between_two_invocations(tmp_path: Path) -> None:
    async def run() -> None:
        go, log = tmp_path / "go", tmp_path / "log"
        steps = [
            {"extend": ["other", ["SHUTDOWN"], str(log), ""]},
            {"extend": ["failing", [], "x", ""]},
            {"fail_extension_behind": [str(go), "Extension.Late"]},
        ]
        environ = {"PLAY_INIT": json.dumps(steps)}
        async with running(playing(path=tmp_path, environment=environ)) as emulator:
            await emulator.invoke(1)
            await wait_until(lambda: emulator.service.statistics().functions["f"].idle == 1)
            go.touch()
            await wait_until(lambda: emulator.service.pids() == [])

            reason = "extension failing failed: Extension.Late: played, between two invocations"
            assert reason in emulator.log
            assert [event["shutdownReason"] for event in told(log)] == ["FAILURE"]
            go.unlink()
            assert (await emulator.invoke(2)).json() == 2

    uvloop.run(run())


EXTENSION = """
import http.client, json, os, sys, urllib.request

api, base, name, log = os.environ["AWS_LAMBDA_RUNTIME_API"], "/2020-01-01/extension/", *sys.argv[1:]
kept = http.client.HTTPConnection(api)


def call(path, headers, body=None):
    if name == "kept":  # one connection for all, as most clients have it
        kept.request("GET" if body is None else "POST", base + path, body, headers)
        answer = kept.getresponse()
    else:  # one for each, as curl has it
        answer = urllib.request.urlopen(
            urllib.request.Request(f"http://{api}{base}{path}", body, headers)
        )
    return answer.headers, answer.read()


events = ["INVOKE", "SHUTDOWN"] if name == "kept" else ["INVOKE"]
body = json.dumps({"events": events}).encode()
headers, _ = call("register", {"Lambda-Extension-Name": name}, body)
own = {"Lambda-Extension-Identifier": headers["Lambda-Extension-Identifier"]}
open(log + ".registered", "w").close()
while True:
    event = json.loads(call("event/next", own)[1])
    with open(log, "a") as file:
        print(json.dumps(event), file=file)
    if event["eventType"] == "SHUTDOWN":
        break
"""


def test_programs_beside_the_runtime(tmp_path: Path) -> None:
    """What would be in /opt/extensions, started by the function's command."""

    async def run() -> None:
        (tmp_path / "extension.py").write_text(EXTENSION)
        logs = [tmp_path / "kept", tmp_path / "closed"]
        inner = playing(path=tmp_path)
        assert inner.command is not None
        python, *arguments = inner.command
        lines = [f"{python} extension.py {log.name} {log} &" for log in logs]
        lines += [f"while [ ! -e {log}.registered ]; do sleep 0.01; done" for log in logs]
        lines += [f"exec {python} {' '.join(arguments)}"]
        function = FunctionConfig(name="f", command=("sh", "-c", "\n".join(lines)), path=tmp_path)
        async with running(function) as emulator:
            for number in range(3):
                assert (await emulator.invoke(number)).json() == number
                await wait_until(lambda: emulator.service.statistics().functions["f"].idle == 1)

        kinds = [[event["eventType"] for event in told(log)] for log in logs]
        assert kinds == [["INVOKE"] * 3 + ["SHUTDOWN"], ["INVOKE"] * 3]

    uvloop.run(run())
