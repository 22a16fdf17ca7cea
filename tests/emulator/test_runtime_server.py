"""The Runtime API of one environment: what it answers in which state."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvloop
from tests.emulator.harness import Answer, Notes, request, wait_until

from tailrace import limits
from tailrace.emulator import extensions
from tailrace.emulator.invocation import Attempt, Outcome
from tailrace.emulator.runtime_answer import Answer as AnswerKind
from tailrace.emulator.runtime_answer import AnswerBody, clean_name
from tailrace.emulator.runtime_server import RuntimeServer, State
from tailrace.wire.http_head import RequestHead
from tailrace.wire.integration import MEDIA_TYPE
from tailrace.wire.runtime_api import Invocation

NEXT = "/2018-06-01/runtime/invocation/next"
INIT_ERROR = "/2018-06-01/runtime/init/error"
ID = "8f5b6a0e-5d0e-4f1c-9a53-0e3a2b6f1c11"
ARN = "arn:aws:lambda:us-east-1:000000000000:function:f"
DEADLINE_MS = 1_795_283_233_000
OK = b'{"status":"OK"}\n'


def path_of(kind: str, request_id: str = ID) -> str:
    return f"/2018-06-01/runtime/invocation/{request_id}/{kind}"


class Environment:
    """What stands around the server in the emulator."""

    def __init__(self) -> None:
        self.notes = Notes()
        self.server = RuntimeServer("f", "app.handler", self.notes)
        self.polls: list[asyncio.Task[Answer]] = []

    @property
    def ready_count(self) -> int:
        return self.notes.ready_count

    @property
    def init_outcomes(self) -> list[Outcome]:
        return self.notes.init_outcomes

    @property
    def port(self) -> int:
        return int(self.server.address.rpartition(":")[2])

    async def get(self, path: str = NEXT) -> Answer:
        return await request(self.port, "GET", path)

    async def post(
        self, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> Answer:
        return await request(self.port, "POST", path, body, headers)

    def deliver(self, **parts: Any) -> Attempt:
        values: dict[str, Any] = {"request_id": ID, "deadline_ms": 0, "function_arn": ARN}
        attempt = Attempt(Invocation(**{**values, **parts}))
        self.server.deliver(attempt, DEADLINE_MS)
        return attempt

    async def ready(self) -> asyncio.Task[Answer]:
        """A runtime that waits for an event."""
        poll = asyncio.create_task(self.get())
        self.polls.append(poll)
        await wait_until(lambda: self.server.state is State.READY)
        return poll

    async def running(self, **parts: Any) -> Attempt:
        """A runtime that has got an event."""
        poll = await self.ready()
        attempt = self.deliver(**parts)
        await poll
        return attempt


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
    assert answer.headers["content-type"] == "application/json"
    assert set(answer.json()) == {"errorMessage", "errorType"}
    return answer.status, answer.json()["errorType"]


def test_ping() -> None:
    async def run() -> None:
        async with environment() as around:
            answer = await around.get("/2018-06-01/ping")
            assert (answer.status, answer.body) == (200, b"pong")

    uvloop.run(run())


def test_next_waits_and_carries_the_event_and_its_headers() -> None:
    async def run() -> None:
        async with environment() as around:
            poll = await around.ready()
            assert around.ready_count == 1
            around.deliver(
                event=b'{"a": 42}',
                trace_id="Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=0",
                client_context='{"custom":{"k":"wörld"}}',
                tenant_id="blue",
            )
            answer = await poll

            assert (answer.status, answer.body) == (200, b'{"a": 42}')
            assert answer.headers["content-type"] == "application/json"
            assert answer.headers["lambda-runtime-aws-request-id"] == ID
            assert answer.headers["lambda-runtime-deadline-ms"] == str(DEADLINE_MS)
            assert answer.headers["lambda-runtime-invoked-function-arn"] == ARN
            assert answer.headers["lambda-runtime-trace-id"].startswith("Root=1-5bef4de7")
            assert answer.headers["lambda-runtime-aws-tenant-id"] == "blue"
            context = answer.headers["lambda-runtime-client-context"].encode("latin-1")
            assert json.loads(context) == {"custom": {"k": "wörld"}}
            assert "lambda-runtime-cognito-identity" not in answer.headers

    uvloop.run(run())


def test_a_response_is_the_outcome_and_makes_ready_for_the_next() -> None:
    async def run() -> None:
        async with environment() as around:
            attempt = await around.running()
            answer = await around.post(path_of("response"), b'"done"')

            assert (answer.status, answer.body) == (202, OK)
            assert answer.headers["content-type"] == "application/json"
            assert attempt.outcome.result() == Outcome(b'"done"')
            assert around.ready_count == 1
            poll = await around.ready()
            assert around.ready_count == 2
            around.deliver(event=b"2")
            assert (await poll).body == b"2"

    uvloop.run(run())


def test_an_error_is_relayed_as_it_is() -> None:
    async def run() -> None:
        body = b'{"errorType":"Custom","errorMessage":"m","trace":["a"]}'
        async with environment() as around:
            attempt = await around.running()
            answer = await around.post(path_of("error"), body)

            assert (answer.status, answer.body) == (202, OK)
            assert attempt.outcome.result() == Outcome(body, "Custom", is_reported=True)

    uvloop.run(run())


@pytest.mark.parametrize(
    ("body", "headers", "name"),
    [
        (b"not JSON", {}, "Runtime.Unknown"),
        (b"[1]", {}, "Runtime.Unknown"),
        (b'{"errorType": 1}', {}, "Runtime.Unknown"),
        (b"", {"lambda-runtime-function-error-type": "Function.Odd"}, "Function.Odd"),
    ],
)
def test_an_error_has_a_name_in_any_case(body: bytes, headers: dict[str, str], name: str) -> None:
    async def run() -> None:
        async with environment() as around:
            attempt = await around.running()
            assert (await around.post(path_of("error"), body, headers)).status == 202
            assert attempt.outcome.result() == Outcome(body, name, is_reported=True)

    uvloop.run(run())


def test_a_runtime_that_asks_again_gets_the_same_event_again() -> None:
    """A thawed runtime whose connection was lost does so."""

    async def run() -> None:
        async with environment() as around:
            attempt = await around.running(event=b'{"n":1}')
            again = await around.get()

            assert again.headers["lambda-runtime-aws-request-id"] == ID
            assert again.body == b'{"n":1}'
            assert around.ready_count == 1
            await around.post(path_of("response"), b"1")
            assert attempt.outcome.done()

    uvloop.run(run())


def test_an_event_that_found_nobody_waits_for_the_next_request() -> None:
    async def run() -> None:
        async with environment() as around:
            poll = await around.ready()
            poll.cancel()
            await wait_until(lambda: around.server.connection_count == 0)
            around.deliver(event=b'"kept"')

            assert (await around.get()).body == b'"kept"'

    uvloop.run(run())


def test_of_several_waiting_connections_one_gets_the_event() -> None:
    async def run() -> None:
        async with environment() as around:
            polls = [await around.ready()]
            polls += [asyncio.create_task(around.get()) for _ in range(3)]
            await wait_until(lambda: around.server.connection_count == 4)
            await around.get("/2018-06-01/ping")  # all four requests are read before this one
            around.deliver(event=b"1")
            done, pending = await asyncio.wait(polls, return_when=asyncio.FIRST_COMPLETED)
            assert [task.result().body for task in done] == [b"1"]
            await around.post(path_of("response"), b"1")
            await around.ready()
            for task in pending:
                task.cancel()
            await wait_until(lambda: around.server.connection_count == 1)

    uvloop.run(run())


def test_a_wrong_or_old_request_id_is_refused() -> None:
    async def run() -> None:
        async with environment() as around:
            before = await around.post(path_of("response"), b"1")
            attempt = await around.running()
            wrong = await around.post(path_of("error", "another-id"), b"1")

            assert error_of(before) == error_of(wrong) == (400, "InvalidRequestID")
            assert wrong.json()["errorMessage"] == "Invalid request ID"
            assert not attempt.outcome.done()
            await around.post(path_of("response"), b"1")
            await around.ready()
            around.deliver(request_id="new")
            old = await around.post(path_of("response"), b"1")
            assert error_of(old) == (400, "InvalidRequestID")

    uvloop.run(run())


def test_what_is_out_of_turn_is_refused() -> None:
    async def run() -> None:
        async with environment() as around:
            attempt = await around.running()
            init_error = await around.post(INIT_ERROR, b"{}")
            await around.post(path_of("response"), b'"first"')
            second = await around.post(path_of("response"), b'"second"')
            error = await around.post(path_of("error"), b"{}")

            for answer in (init_error, second, error):
                assert error_of(answer) == (403, "InvalidStateTransition")
            assert second.json()["errorMessage"].startswith(
                "State transition from RuntimeResponseSentState to InvocationResponse failed"
            )
            assert attempt.outcome.result() == Outcome(b'"first"')

    uvloop.run(run())


def test_an_error_while_the_response_is_on_its_way_is_refused() -> None:
    async def run() -> None:
        async with environment() as around:
            attempt = await around.running()
            reader, writer = await asyncio.open_connection("127.0.0.1", around.port)
            fields = "Host: 127.0.0.1\r\nContent-Length: 4"
            head = f"POST {path_of('response')} HTTP/1.1\r\n{fields}\r\n\r\n"
            writer.write(head.encode() + b"12")
            await wait_until(lambda: around.server.state is State.RESPONDING)
            error = await around.post(path_of("error"), b"{}")
            asked = await around.get()
            writer.write(b"34")
            assert (await reader.readline()).startswith(b"HTTP/1.1 202")
            writer.close()

            assert error_of(error) == error_of(asked) == (403, "InvalidStateTransition")
            assert attempt.outcome.result() == Outcome(b"1234")

    uvloop.run(run())


def test_init_errors() -> None:
    async def run() -> None:
        async with environment() as around:
            body = b'{"errorType":"Runtime.ImportModuleError","errorMessage":"m"}'
            answer = await around.post(INIT_ERROR, body)
            asked = await around.get()

            assert (answer.status, answer.body) == (202, OK)
            assert around.init_outcomes == [
                Outcome(body, "Runtime.ImportModuleError", is_reported=True)
            ]
            assert error_of(asked) == (403, "InvalidStateTransition")

    uvloop.run(run())


def test_a_response_over_the_limit_is_refused_and_the_caller_learns_why() -> None:
    async def run() -> None:
        most = limits.BUFFERED_RESPONSE_BYTES_MAX
        async with environment() as around:
            attempt = await around.running()
            answer = await around.post(path_of("response"), b"x" * (most + 1))

            assert error_of(answer) == (413, "RequestEntityTooLarge")
            assert answer.json()["errorMessage"] == (
                "Exceeded maximum allowed payload size (6291556 bytes)."
            )
            outcome = attempt.outcome.result()
            assert outcome.error_type == "Function.ResponseSizeTooLarge"
            assert json.loads(outcome.payload) == {
                "errorMessage": "Response payload size exceeded maximum allowed payload size "
                "(6291556 bytes).",
                "errorType": "Function.ResponseSizeTooLarge",
            }

    uvloop.run(run())


def test_a_response_of_exactly_the_limit_is_taken() -> None:
    async def run() -> None:
        most = limits.BUFFERED_RESPONSE_BYTES_MAX
        async with environment() as around:
            attempt = await around.running()
            assert (await around.post(path_of("response"), b"x" * most)).status == 202
            assert len(attempt.outcome.result().payload) == most

    uvloop.run(run())


def test_a_wrong_response_mode_is_refused() -> None:
    async def run() -> None:
        async with environment() as around:
            attempt = await around.running()
            mode = {"lambda-runtime-function-response-mode": "Streaming"}
            answer = await around.post(path_of("response"), b"1", mode)

            assert error_of(answer) == (400, "InvalidFunctionResponseMode")
            assert attempt.outcome.result().error_type == "Runtime.InvalidResponseModeHeader"
            await around.ready()

    uvloop.run(run())


def test_an_empty_response_mode_is_none() -> None:
    """As in AWS's own server."""

    async def run() -> None:
        async with environment() as around:
            attempt = await around.running()
            mode = {"lambda-runtime-function-response-mode": ""}
            answer = await around.post(path_of("response"), b"1", mode)

            assert answer.status == 202
            assert attempt.outcome.result().payload == b"1"

    uvloop.run(run())


def test_a_response_that_breaks_off_is_truncated_once_the_runtime_works_on() -> None:
    async def run() -> None:
        async with environment() as around:
            attempt = await around.running()
            _, writer = await asyncio.open_connection("127.0.0.1", around.port)
            fields = "Host: 127.0.0.1\r\nContent-Length: 4"
            head = f"POST {path_of('response')} HTTP/1.1\r\n{fields}\r\n\r\n"
            writer.write(head.encode() + b"12")
            await wait_until(lambda: around.server.state is State.RESPONDING)
            writer.close()
            await wait_until(lambda: around.server.state is State.ANSWERED)
            assert not attempt.outcome.done()
            poll = await around.ready()

            assert not poll.done()
            assert attempt.outcome.result().error_type == "Runtime.TruncatedResponse"

    uvloop.run(run())


def streamed(*chunks: bytes, trailers: dict[str, str] | None = None) -> bytes:
    """A streaming response as aws-lambda-ric 4.0.2 sends it."""
    head = (
        f"POST {path_of('response')} HTTP/1.1\r\n"
        "Lambda-Runtime-Function-Response-Mode: streaming\r\n"
        "Trailer: Lambda-Runtime-Function-Error-Type\r\n"
        "Trailer: Lambda-Runtime-Function-Error-Body\r\n"
        "Content-Type: application/vnd.awslambda.http-integration-response\r\n"
        "Transfer-Encoding: chunked\r\n"
        "Host: 127.0.0.1\r\n"
        "Connection: keep-alive\r\n\r\n"
    )
    body = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    fields = "".join(f"{name}: {value}\r\n" for name, value in (trailers or {}).items())
    return head.encode() + body + b"0\r\n" + fields.encode() + b"\r\n"


async def send(around: Environment, message: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", around.port)
    writer.write(message)
    line = await reader.readline()
    writer.close()
    await writer.wait_closed()
    return line


def test_a_streamed_response_is_collected_with_its_prelude() -> None:
    async def run() -> None:
        async with environment() as around:
            attempt = await around.running()
            prelude = b'{"statusCode":201}' + bytes(8)
            line = await send(around, streamed(prelude, b"one", b"two"))

            assert line.startswith(b"HTTP/1.1 202")
            assert attempt.outcome.result() == Outcome(
                prelude + b"onetwo", media_type=MEDIA_TYPE, is_streamed=True
            )

    uvloop.run(run())


def test_trailers_of_a_streamed_response_are_a_function_error() -> None:
    async def run() -> None:
        async with environment() as around:
            attempt = await around.running()
            error = b'{"errorType":"TypeError","errorMessage":"boom","trace":["' + b"x" * 50_000
            error += b'"]}'
            trailers = {
                "Lambda-Runtime-Function-Error-Type": "TypeError",
                "Lambda-Runtime-Function-Error-Body": base64.b64encode(error).decode(),
            }
            line = await send(around, streamed(b"some", trailers=trailers))

            assert line.startswith(b"HTTP/1.1 202")
            assert attempt.outcome.result() == Outcome(
                error, "TypeError", is_streamed=True, is_reported=True
            )

    uvloop.run(run())


@pytest.mark.parametrize("names", [("Type",), ("Body",), ("Type", "Body")])
def test_empty_trailers_are_no_error(names: tuple[str, ...]) -> None:
    async def run() -> None:
        async with environment() as around:
            attempt = await around.running()
            trailers = {f"Lambda-Runtime-Function-Error-{name}": "" for name in names}
            await send(around, streamed(b"some", trailers=trailers))

            outcome = attempt.outcome.result()
            assert (outcome.payload, outcome.error_type) == (b"some", None)

    uvloop.run(run())


def test_an_error_body_alone_is_an_error() -> None:
    async def run() -> None:
        async with environment() as around:
            attempt = await around.running()
            error = b'{"errorType":"TypeError","errorMessage":"boom"}'
            trailers = {"Lambda-Runtime-Function-Error-Body": base64.b64encode(error).decode()}
            await send(around, streamed(b"some", trailers=trailers))

            outcome = attempt.outcome.result()
            assert (outcome.payload, outcome.error_type) == (error, "TypeError")

    uvloop.run(run())


def test_trailers_that_are_no_base64_still_tell_the_error() -> None:
    async def run() -> None:
        async with environment() as around:
            attempt = await around.running()
            trailers = {
                "Lambda-Runtime-Function-Error-Type": "TypeError",
                "Lambda-Runtime-Function-Error-Body": "***",
            }
            await send(around, streamed(trailers=trailers))

            outcome = attempt.outcome.result()
            assert outcome.error_type == "TypeError"
            assert json.loads(outcome.payload)["errorType"] == "TypeError"

    uvloop.run(run())


def test_a_header_line_of_a_megabyte_is_accepted() -> None:
    """AWS's Python runtime sends the X-Ray cause of an error in one."""

    async def run() -> None:
        async with environment() as around:
            attempt = await around.running()
            cause = {"lambda-runtime-function-xray-error-cause": "x" * (limits.MIB - 1)}
            answer = await around.post(path_of("error"), b'{"errorType":"E"}', cause)

            assert answer.status == 202
            assert attempt.outcome.result().error_type == "E"

    uvloop.run(run())


def test_wrong_paths_and_methods() -> None:
    async def run() -> None:
        async with environment() as around:
            assert (await around.get("/2018-06-01/other")).status == 404
            assert (await around.get(path_of("other"))).status == 404
            assert (await around.post(NEXT)).status == 405
            assert (await around.get(path_of("response"))).status == 405
            assert (await around.get(INIT_ERROR)).status == 405

    uvloop.run(run())


def invocation_id(answer: Answer) -> str:
    return answer.headers["lambda-runtime-invocation-id"]


def test_each_attempt_has_an_id_of_its_own() -> None:
    async def run() -> None:
        async with environment() as around:
            poll = await around.ready()
            around.deliver()
            first, again = await poll, await around.get()
            echo = {"lambda-runtime-invocation-id": invocation_id(first)}
            answer = await around.post(path_of("response"), b"1", echo)
            poll = await around.ready()
            attempt = around.deliver()  # the same request id: a retry
            second = await poll
            stale = [
                await around.post(path_of(kind), b"{}", echo) for kind in ("response", "error")
            ]

            assert invocation_id(first) == invocation_id(again) != invocation_id(second)
            assert answer.status == 202
            assert [error_of(refused) for refused in stale] == [(410, "InvokeTimeout")] * 2
            assert not attempt.outcome.done()
            echo = {"lambda-runtime-invocation-id": invocation_id(second)}
            assert (await around.post(path_of("error"), b"{}", echo)).status == 202
            await around.ready()
            around.deliver()
            assert (await around.post(path_of("response"), b"1")).status == 202  # it names none

    uvloop.run(run())


def test_a_stale_streamed_response_is_refused() -> None:
    async def run() -> None:
        async with environment() as around:
            attempt = await around.running()
            message = streamed(b"some").replace(
                b"Host:", b"Lambda-Runtime-Invocation-Id: x\r\nHost:"
            )

            assert (await send(around, message)).startswith(b"HTTP/1.1 410")
            assert not attempt.outcome.done()

    uvloop.run(run())


def test_a_runtime_rotates_over_four_connections() -> None:
    """aws-lambda-ric polls on one connection per thread, and answers on a fifth."""

    async def run() -> None:
        async with environment() as around:
            connections = [await asyncio.open_connection("127.0.0.1", around.port) for _ in "1234"]
            for number in range(8):
                reader, writer = connections[number % 4]
                writer.write(
                    f"GET {NEXT} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: */*\r\n\r\n".encode()
                )
                await wait_until(lambda: around.server.state is State.READY)
                attempt = around.deliver(event=b"%d" % number)
                assert (await reader.readline()).startswith(b"HTTP/1.1 200")
                head = await reader.readuntil(b"\r\n\r\n")
                assert b"content-length: 1\r\n" in head.lower()
                assert await reader.readexactly(1) == b"%d" % number
                await around.post(path_of("response"), b"1")
                assert attempt.outcome.done()
            for _, writer in connections:
                writer.close()

    uvloop.run(run())


CAUSE = "application/vnd.aws.lambda.error.cause+json"


@pytest.mark.parametrize(
    ("body", "payload"),
    [
        (
            b'{"errorType": "E", "errorMessage": "m", "stackTrace": ["a"], "errorCause": {"x": 1}}',
            b'{"errorMessage": "m", "errorType": "E", "stackTrace": ["a"]}',
        ),
        (b'{"errorType": "E", "errorCause": {}}', b'{"errorMessage": "", "errorType": "E"}'),
        (b'{"errorType": 1}', b'"Invalid error body"'),
        (b'{"errorType": "E", "stackTrace": "a"}', b'"Invalid error body"'),
        (b"[]", b'"Invalid error body"'),
        (b"", b'"Invalid error body"'),
    ],
)
def test_an_error_is_told_without_its_cause(body: bytes, payload: bytes) -> None:
    async def run() -> None:
        async with environment() as around:
            attempt = await around.running()
            answer = await around.post(path_of("error"), body, {"content-type": CAUSE})

            assert answer.status == 202
            assert attempt.outcome.result().payload == payload

    uvloop.run(run())


def test_an_answer_in_dribs_takes_no_more_memory_than_its_bytes() -> None:
    head = RequestHead("POST", "/", "1.1", [])
    outcomes: list[Outcome] = []
    body = AnswerBody(
        head,
        None,  # type: ignore[arg-type] # it is only answered at the end
        AnswerKind.RESPONSE,
        on_outcome=outcomes.append,
        on_end=lambda: None,
        on_cut=lambda: None,
    )
    tracemalloc.start()
    try:
        for number in range(100_000):
            body.on_body(bytes((number % 251, 0)))
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    body.on_gone()

    assert peak_bytes < 4 * 200_000
    assert outcomes == []


def test_an_errors_name_of_megabytes_is_not_walked_through() -> None:
    """Character by character it took the event loop half a second."""
    walked = 0

    class Counted(str):
        def __iter__(self) -> Iterator[str]:
            nonlocal walked
            for char in super().__iter__():
                walked += 1
                yield char

        def lstrip(self, chars: str | None = None, /) -> str:
            return Counted(super().lstrip(chars))

        def __getitem__(self, key: Any) -> str:
            return Counted(super().__getitem__(key))

    assert clean_name(Counted("  E\n" + "x" * 10_000)) == "E " + "x" * 126
    assert walked <= 128


def test_an_errors_name_is_one_short_line() -> None:
    async def run() -> None:
        async with environment() as around:
            attempt = await around.running()
            body = json.dumps({"errorType": "A\nf | START\x1b[31m" + "x" * 500}).encode()
            await around.post(path_of("error"), body)

            name = attempt.outcome.result().error_type
            assert name is not None
            assert name.startswith("A f | START [31mxxx")
            assert len(name) == 128
            assert attempt.outcome.result().payload == body

    uvloop.run(run())


def test_an_init_error_is_taken_once_and_only_before_the_first_event() -> None:
    async def run() -> None:
        async with environment() as around:
            await around.post(INIT_ERROR, b'{"errorType":"E"}')
            second = await around.post(INIT_ERROR, b"{}")
            assert error_of(second) == (403, "InvalidStateTransition")
            assert second.json()["errorMessage"] == (
                "State transition from InitError to InitError failed for runtime. "
                "Error: State transition is not allowed"
            )
            assert len(around.init_outcomes) == 1
        async with environment() as around:
            await around.ready()
            late = await around.post(INIT_ERROR, b"{}")
            assert error_of(late) == (403, "InvalidStateTransition")
            assert around.init_outcomes == []

    uvloop.run(run())


def test_an_init_error_may_have_no_body() -> None:
    async def run() -> None:
        async with environment() as around:
            name = {"lambda-runtime-function-error-type": "Runtime.NoSuchHandler"}
            assert (await around.post(INIT_ERROR, b"", name)).status == 202
            (outcome,) = around.init_outcomes
            assert outcome == Outcome(b"", "Runtime.NoSuchHandler", is_reported=True)

    uvloop.run(run())


def test_what_is_not_emulated() -> None:
    async def run() -> None:
        async with environment() as around:
            for path in ("/2018-06-01/runtime/restore/next", "/2021-04-23/credentials", "/"):
                assert error_of(await around.get(path)) == (404, "NotFound")
            for path, name in (
                ("/2020-08-15/logs", "Logs"),
                ("/2022-07-01/telemetry", "Telemetry"),
            ):
                answer = await request(around.port, "PUT", path, b"{}")
                assert error_of(answer) == (202, f"{name}.NotSupported")
                assert (await around.post(path)).headers["allow"] == "PUT"
            assert (await request(around.port, "HEAD", NEXT)).headers["allow"] == "GET"
            assert (await around.get(path_of("error"))).headers["allow"] == "POST"

    uvloop.run(run())


def test_an_observer_is_told_of_a_cut() -> None:
    async def run() -> None:
        async with environment() as around:
            attempt = await around.running()
            _, writer = await asyncio.open_connection("127.0.0.1", around.port)
            writer.write(f"POST {path_of('error')} HTTP/1.1\r\nHost: 127.0.0.1\r\n".encode())
            writer.write(b"Content-Length: 4\r\n\r\n12")
            await wait_until(lambda: around.server.state is State.FAILING)
            writer.close()

            await wait_until(lambda: around.notes.cuts == [attempt])
            assert not attempt.outcome.done()

    uvloop.run(run())


def test_the_documentation_has_every_path_and_every_name_of_an_error() -> None:
    root = Path(__file__).parents[2]
    page = (root / "docs/reference/runtime-api.md").read_text()
    source = (root / "src/tailrace/emulator/runtime_server.py").read_text()
    source += (root / "src/tailrace/emulator/runtime_answer.py").read_text()
    paths = (NEXT, INIT_ERROR, "/2018-06-01/ping", *extensions.PATHS)
    names = re.findall(r'refuse\(\s*(?:self\._)?connection, \d+, "(\w+)"', source)

    assert len(names) == 8
    assert [name for name in (*paths, *names) if f"{name}`" not in page] == []
