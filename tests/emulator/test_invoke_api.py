"""The Invoke API as boto3 and plain HTTP see it."""

from __future__ import annotations

import asyncio
import base64
import functools
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
import uvloop
from botocore.config import Config
from botocore.exceptions import ClientError
from tests.emulator.harness import Harness, playing, request, running, wait_until

from tailrace import limits

ARN = "arn:aws:lambda:us-east-1:123456789012:function:f"


@functools.cache
def session() -> boto3.Session:
    return boto3.Session(
        aws_access_key_id="key", aws_secret_access_key="secret", region_name="us-east-1"
    )


class Client:
    """boto3's client, called in a thread."""

    def __init__(self, emulator: Harness) -> None:
        self.raw = session().client(
            "lambda",
            endpoint_url=emulator.service.url,
            config=Config(retries={"total_max_attempts": 1}, read_timeout=20),
        )

    async def invoke(self, event: object = None, **arguments: Any) -> dict[str, Any]:
        """The response, its payload read."""
        parameters = {"FunctionName": "f", **arguments}
        if event is not None:
            parameters["Payload"] = event if isinstance(event, bytes) else json.dumps(event)

        def call() -> dict[str, Any]:
            response: dict[str, Any] = self.raw.invoke(**parameters)
            response["Payload"] = response["Payload"].read()
            return response

        return await asyncio.to_thread(call)

    async def error(self, event: object = None, **arguments: Any) -> ClientError:
        """The error that the call raises."""
        with pytest.raises(ClientError) as caught:
            await self.invoke(event, **arguments)
        return caught.value

    def close(self) -> None:
        self.raw.close()


def with_client(tmp_path: Path, story: Callable[[Harness, Client], Any], **settings: Any) -> None:
    async def run() -> None:
        async with running(playing(path=tmp_path, **settings)) as emulator:
            client = Client(emulator)
            try:
                await story(emulator, client)
            finally:
                client.close()

    uvloop.run(run())


def headers_of(response: dict[str, Any]) -> dict[str, str]:
    headers: dict[str, str] = response["ResponseMetadata"]["HTTPHeaders"]
    return headers


def test_boto3_gets_a_result(tmp_path: Path) -> None:
    async def story(emulator: Harness, client: Client) -> None:
        response = await client.invoke({"text": "wörld"})

        assert response["StatusCode"] == 200
        assert response["ExecutedVersion"] == "$LATEST"
        assert "FunctionError" not in response
        assert json.loads(response["Payload"]) == {"text": "wörld"}
        headers = headers_of(response)
        assert headers["content-type"] == "application/json"
        assert headers["x-amzn-remapped-content-length"] == "0"
        assert re.fullmatch(
            r"root=1-[0-9a-f]{8}-[0-9a-f]{24};sampled=0", headers["x-amzn-trace-id"]
        )
        request_id = response["ResponseMetadata"]["RequestId"]
        assert f"START RequestId: {request_id}" in emulator.log

    with_client(tmp_path, story)


def test_boto3_gets_a_function_error(tmp_path: Path) -> None:
    async def story(emulator: Harness, client: Client) -> None:
        error = {"errorMessage": "m", "errorType": "E", "requestId": "", "stackTrace": []}
        response = await client.invoke({"play": [{"raise": error}]})

        assert (response["StatusCode"], response["FunctionError"]) == (200, "Unhandled")
        assert json.loads(response["Payload"]) == error

    with_client(tmp_path, story)


def test_boto3_sends_an_event(tmp_path: Path) -> None:
    async def story(emulator: Harness, client: Client) -> None:
        done = tmp_path / "done"
        steps = [{"append": [str(done), "ran"]}, {"return": 1}]
        response = await client.invoke({"play": steps}, InvocationType="Event")

        assert (response["StatusCode"], response["Payload"]) == (202, b"")
        await wait_until(done.exists)

    with_client(tmp_path, story)


def test_boto3_tries_dry(tmp_path: Path) -> None:
    async def story(emulator: Harness, client: Client) -> None:
        response = await client.invoke({}, InvocationType="DryRun")

        assert (response["StatusCode"], response["Payload"]) == (204, b"")
        assert emulator.service.pids() == []

    with_client(tmp_path, story)


def test_boto3_names_the_function_by_arn(tmp_path: Path) -> None:
    async def story(emulator: Harness, client: Client) -> None:
        seen = tmp_path / "headers"
        for name, suffix in (
            (ARN, ""),
            (f"{ARN}:prod", ":prod"),
            ("123456789012:f", ""),
            ("f:prod", ":prod"),
        ):
            steps = [{"headers": str(seen)}, {"return": 1}]
            response = await client.invoke({"play": steps}, FunctionName=name)
            assert response["StatusCode"] == 200
            told = json.loads(seen.read_text())["lambda-runtime-invoked-function-arn"]
            assert told == f"arn:aws:lambda:us-east-1:000000000000:function:f{suffix}"
        response = await client.invoke({}, Qualifier="prod")
        assert response["ExecutedVersion"] == "$LATEST"

    with_client(tmp_path, story)


def test_the_runtime_is_told_client_context_and_trace(tmp_path: Path) -> None:
    async def story(emulator: Harness, client: Client) -> None:
        seen = tmp_path / "headers"
        context = {"client": {"app_title": "ä"}, "custom": {"k": "v"}}
        encoded = base64.b64encode(json.dumps(context).encode()).decode()
        steps = [{"headers": str(seen)}, {"return": 1}]
        response = await client.invoke({"play": steps}, ClientContext=encoded)

        told = json.loads(seen.read_text())
        assert json.loads(told["lambda-runtime-client-context"]) == context
        root = headers_of(response)["x-amzn-trace-id"].removeprefix("root=").split(";")[0]
        assert told["lambda-runtime-trace-id"].startswith(f"Root={root};Parent=")
        own = "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1"
        await emulator.play(*steps, headers={"x-amzn-trace-id": own})
        told = json.loads(seen.read_text())
        assert "1-5bef4de7-ad49b0e87f6ef6c87fc2e700" in told["lambda-runtime-trace-id"]

    with_client(tmp_path, story)


def test_an_event_has_no_client_context(tmp_path: Path) -> None:
    async def story(emulator: Harness, client: Client) -> None:
        seen, done = tmp_path / "headers", tmp_path / "done"
        steps = [{"headers": str(seen)}, {"append": [str(done), ""]}, {"return": 1}]
        await client.invoke({"play": steps}, InvocationType="Event", ClientContext="e30=")
        await wait_until(done.exists)

        assert "lambda-runtime-client-context" not in json.loads(seen.read_text())

    with_client(tmp_path, story)


def test_the_runtime_is_told_the_tenant(tmp_path: Path) -> None:
    async def story(emulator: Harness, client: Client) -> None:
        seen = tmp_path / "headers"
        await client.invoke({"play": [{"headers": str(seen)}, {"return": 1}]}, TenantId="blue: 1")

        assert json.loads(seen.read_text())["lambda-runtime-aws-tenant-id"] == "blue: 1"

    with_client(tmp_path, story)


def test_the_end_of_the_log_is_returned_when_asked_for(tmp_path: Path) -> None:
    async def story(emulator: Harness, client: Client) -> None:
        steps = [{"print": "hello"}, {"return": 1}]
        response = await client.invoke({"play": steps}, LogType="Tail")

        start, *middle, end, report = base64.b64decode(response["LogResult"]).decode().splitlines()
        assert start.startswith("START RequestId: ")
        assert middle == ["hello"]
        assert end.startswith("END RequestId: ")
        assert report.startswith("REPORT RequestId: ")
        assert "LogResult" not in await client.invoke({})

    with_client(tmp_path, story)


def test_a_missing_function(tmp_path: Path) -> None:
    async def story(emulator: Harness, client: Client) -> None:
        error = await client.error({}, FunctionName="nope")

        assert error.response["Error"]["Code"] == "ResourceNotFoundException"
        assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 404
        answer = await emulator.invoke({}, name="nope")
        assert answer.headers["x-amzn-errortype"] == "ResourceNotFoundException"
        assert answer.json() == {
            "Type": "User",
            "Message": "Function not found: "
            "arn:aws:lambda:us-east-1:000000000000:function:nope:$LATEST",
        }

    with_client(tmp_path, story)


def test_a_busy_function(tmp_path: Path) -> None:
    async def story(emulator: Harness, client: Client) -> None:
        go = tmp_path / "go"
        held = asyncio.create_task(emulator.play({"wait": str(go)}, {"return": 1}))
        await wait_until(lambda: emulator.service.statistics().functions["f"].busy == 1)
        error = await client.error({})
        go.touch()
        await held

        assert error.response["Error"]["Code"] == "TooManyRequestsException"
        assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 429
        assert error.response["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"

    with_client(tmp_path, story, concurrency=1)


def test_a_function_that_stays_busy_a_little_too_long(tmp_path: Path) -> None:
    """It has answered, so a caller waits for it, in vain."""

    async def story(emulator: Harness, client: Client) -> None:
        go = tmp_path / "go"
        await emulator.play({"return": 1}, {"wait": str(go)})
        error = await client.error({})
        go.touch()

        assert error.response["Error"]["Code"] == "TooManyRequestsException"
        assert (await client.invoke({}))["StatusCode"] == 200

    with_client(tmp_path, story, concurrency=1)


def test_a_caller_that_leaves_stops_nothing(tmp_path: Path) -> None:
    async def story(emulator: Harness, client: Client) -> None:
        go, done = tmp_path / "go", tmp_path / "done"
        steps = [{"wait": str(go)}, {"return": 1}, {"append": [str(done), "ran on"]}]
        leaving = asyncio.create_task(emulator.play(*steps))
        await wait_until(lambda: emulator.service.statistics().functions["f"].busy == 1)
        leaving.cancel()
        await wait_until(lambda: emulator.service.statistics().connections == 0)
        go.touch()
        await wait_until(done.exists)

        assert (await client.invoke({}))["StatusCode"] == 200

    with_client(tmp_path, story, concurrency=1)


def test_a_queue_that_is_full_refuses(tmp_path: Path) -> None:
    async def run() -> None:
        async with running(playing(path=tmp_path, concurrency=1)) as emulator:
            held = asyncio.create_task(emulator.play({"wait": "/never"}))
            await wait_until(lambda: emulator.service.statistics().functions["f"].busy == 1)
            reader, writer = await asyncio.open_connection("127.0.0.1", emulator.port)
            event = (
                b"POST /2015-03-31/functions/f/invocations HTTP/1.1\r\nhost: localhost\r\n"
                b"x-amz-invocation-type: Event\r\ncontent-length: 0\r\n\r\n"
            )
            for _ in range(limits.EVENT_QUEUE_MAX):
                writer.write(event)
                assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 202")
            writer.close()
            await writer.wait_closed()
            refused = await emulator.invoke({}, kind="Event")
            held.cancel()

            assert emulator.service.statistics().functions["f"].queued == limits.EVENT_QUEUE_MAX
            assert (refused.status, refused.json()["Reason"]) == (
                429,
                "FunctionInvocationRateLimitExceeded",
            )
            assert " 429: its queue is full" in emulator.log

    uvloop.run(run())


PRELUDE = '{"statusCode":200}' + "\0" * 8


@pytest.mark.parametrize(
    ("media_type", "warnings"),
    [("application/vnd.awslambda.http-integration-response", 1), ("text/plain", 0)],
)
def test_a_streamed_response_is_collected(tmp_path: Path, media_type: str, warnings: int) -> None:
    """As it is, prelude and all; that is worth one warning."""

    async def story(emulator: Harness, client: Client) -> None:
        steps = [{"stream": media_type}, {"chunk": PRELUDE}, {"chunk": "body"}, {"end": None}]
        for _ in range(2):
            response = await client.invoke({"play": steps})
            assert "FunctionError" not in response
            assert response["Payload"] == PRELUDE.encode() + b"body"
        assert emulator.log.count("WARNING: the function streamed an HTTP response") == warnings

    with_client(tmp_path, story)


def test_a_streamed_response_that_fails(tmp_path: Path) -> None:
    async def story(emulator: Harness, client: Client) -> None:
        error = {"errorMessage": "m", "errorType": "E"}
        steps = [{"stream": "text/plain"}, {"chunk": "half"}, {"fail": error}]
        response = await client.invoke({"play": steps})

        assert response["FunctionError"] == "Unhandled"
        assert json.loads(response["Payload"]) == error

    with_client(tmp_path, story)


@pytest.mark.parametrize(
    "payload",
    [b"{", b"not JSON", b'{"a": NaN}', b'"\x87"', b"[" * 100_000, b"1 2", "{}".encode("utf-16")],
)
@pytest.mark.parametrize("kind", ["RequestResponse", "Event"])
def test_a_payload_that_is_not_json(tmp_path: Path, payload: bytes, kind: str) -> None:
    async def run() -> None:
        async with running(playing(path=tmp_path)) as emulator:
            answer = await emulator.invoke(payload, kind=kind)

            assert answer.status == 400
            assert answer.headers["x-amzn-errortype"] == "InvalidRequestContentException"
            assert answer.json()["message"].startswith("Could not parse request body into json: ")
            assert emulator.service.pids() == []

    uvloop.run(run())


def test_an_empty_payload_becomes_an_empty_object(tmp_path: Path) -> None:
    """Runtimes die of an event without a byte."""

    async def story(emulator: Harness, client: Client) -> None:
        assert json.loads((await client.invoke())["Payload"]) == {}

    with_client(tmp_path, story)


def test_numbers_of_any_length_are_json(tmp_path: Path) -> None:
    async def run() -> None:
        async with running(playing(path=tmp_path)) as emulator:
            assert (await emulator.invoke(b"9" * 5_000, kind="Event")).status == 202

    uvloop.run(run())


def payload_of(size: int) -> bytes:
    return b'"' + b"x" * (size - 2) + b'"'


def test_payloads_over_the_limits(tmp_path: Path) -> None:
    async def story(emulator: Harness, client: Client) -> None:
        for kind, most, text in (
            (
                "RequestResponse",
                limits.SYNC_INVOKE_BYTES_MAX,
                "Request must be smaller than 6291456 bytes for the InvokeFunction operation",
            ),
            (
                "Event",
                limits.EVENT_INVOKE_BYTES_MAX,
                "1048577 byte payload is too large for the Event invocation type "
                "(limit 1048576 bytes)",
            ),
        ):
            error = await client.error(payload_of(most + 1), InvocationType=kind)
            assert error.response["Error"]["Code"] == "RequestEntityTooLargeException"
            assert error.response["Error"]["Message"] == text
            assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 413
        huge = await client.error(payload_of(20_000_000))
        assert huge.response["Error"]["Code"] == "RequestEntityTooLargeException"
        assert emulator.service.pids() == []

    with_client(tmp_path, story)


def test_payloads_at_the_limits(tmp_path: Path) -> None:
    async def run() -> None:
        # Not the playing function, which would look into it.
        async with running(playing(path=tmp_path)) as emulator:
            for kind, most, status in (
                ("DryRun", limits.SYNC_INVOKE_BYTES_MAX, 204),
                ("Event", limits.EVENT_INVOKE_BYTES_MAX, 202),
            ):
                assert (await emulator.invoke(payload_of(most), kind=kind)).status == status

    uvloop.run(run())


def test_a_result_over_the_limit_is_a_function_error(tmp_path: Path) -> None:
    async def story(emulator: Harness, client: Client) -> None:
        size = limits.BUFFERED_RESPONSE_BYTES_MAX + 1
        response = await client.invoke({"play": [{"return_bytes": size}]})

        assert response["FunctionError"] == "Unhandled"
        assert json.loads(response["Payload"])["errorType"] == "Function.ResponseSizeTooLarge"

    with_client(tmp_path, story)


def test_malformed_requests(tmp_path: Path) -> None:
    async def run() -> None:
        async with running(playing(path=tmp_path)) as emulator:
            for headers, error_type in (
                ({"x-amz-invocation-type": "Odd"}, "ValidationException"),
                ({"x-amz-log-type": "Odd"}, "ValidationException"),
                ({"x-amz-tenant-id": "a\tb"}, "ValidationException"),
                ({"x-amz-client-context": "***"}, "InvalidRequestContentException"),
                ({"x-amz-client-context": "e30=" * 1000}, "InvalidRequestContentException"),
            ):
                answer = await emulator.invoke({}, headers=headers)
                assert (answer.status, answer.headers["x-amzn-errortype"]) == (400, error_type)
            path = "/2015-03-31/functions/f%3Aprod/invocations?Qualifier=test"
            answer = await request(emulator.port, "POST", path, b"{}")
            assert answer.headers["x-amzn-errortype"] == "InvalidParameterValueException"

    uvloop.run(run())


def test_every_answer_has_a_request_id(tmp_path: Path) -> None:
    """SDKs show it in their errors."""

    async def run() -> None:
        async with running(playing(path=tmp_path)) as emulator:
            ids = set()
            for method, path in (
                ("GET", "/"),
                ("GET", "/nowhere"),
                ("GET", "/2015-03-31/functions"),
                ("POST", "/2015-03-31/functions/nope/invocations"),
                ("POST", "/2015-03-31/functions/f/invocations"),
            ):
                answer = await request(emulator.port, method, path)
                ids.add(answer.headers["x-amzn-requestid"])
            assert len(ids) == 5

    uvloop.run(run())


def test_boto3_invokes_in_the_old_way(tmp_path: Path) -> None:
    async def story(emulator: Harness, client: Client) -> None:
        done = tmp_path / "done"
        steps = [{"append": [str(done), "ran"]}, {"return": 1}]
        response = await asyncio.to_thread(
            client.raw.invoke_async, FunctionName="f", InvokeArgs=json.dumps({"play": steps})
        )

        assert response["Status"] == 202
        await wait_until(done.exists)
        with pytest.raises(ClientError, match="limit 262144 bytes"):
            await asyncio.to_thread(
                client.raw.invoke_async, FunctionName="f", InvokeArgs=payload_of(262_145)
            )

    with_client(tmp_path, story)


def test_the_old_way_has_a_body(tmp_path: Path) -> None:
    async def run() -> None:
        async with running(playing(path=tmp_path)) as emulator:
            path = "/2014-11-13/functions/f/invoke-async/"
            answer = await request(emulator.port, "POST", path, b"{}")

            assert (answer.status, answer.json()) == (202, {"Status": 202})

    uvloop.run(run())
