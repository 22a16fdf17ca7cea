"""AWS's own clients on the emulator: boto3, the SDK for JavaScript, and the `aws` command.

What they are shown stands in files of its own (tests/emulator); here they see it on time.
"""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from tests.command import environ_of
from tests.e2e.chain import Chain, running
from tests.e2e.gate import WAIT_S, Gate
from tests.emulator.harness import PLAY

MODULES = (
    Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    / "tailrace"
    / "npm"
    / "node_modules"
)
KEYS = {"aws_access_key_id": "key", "aws_secret_access_key": "secret", "region_name": "us-east-1"}

# The stories that the playing function plays, told by our own runtime.
PYTHON = '''
from gate import Gate
from tailrace.function import Head, streamify_response

HEAD = Head(headers={"content-type": "text/plain"})


@streamify_response
def chunks(event, context):
    """Writes a chunk whenever it is let go on."""
    with Gate(event) as gate:
        yield HEAD
        for number in range(4):
            gate.wait()
            yield f"chunk {number}"
        gate.wait()


@streamify_response
def fails_first(event, context):
    raise ValueError("bóom")
    yield


@streamify_response
def fails_later(event, context):
    with Gate(event) as gate:
        yield HEAD
        yield "half"
        gate.wait()
        raise ValueError("bóom")


@streamify_response
def prints(event, context):
    print("hello")
    yield HEAD
    yield "printed"
'''
ERROR = {"errorType": "ValueError", "errorMessage": "bóom"}
STEPS: dict[str, list[dict[str, Any]]] = {
    "chunks": [
        {"stream": "text/plain"},
        *(step for n in range(4) for step in ({"pass": None}, {"chunk": f"chunk {n}"})),
        {"pass": None},
        {"end": None},
    ],
    "fails_first": [{"stream": "text/plain"}, {"fail": ERROR}],
    "fails_later": [
        {"stream": "text/plain"},
        {"chunk": "half"},
        {"pass": None},
        {"fail": ERROR},
    ],
    "prints": [{"print": "hello"}, {"stream": "text/plain"}, {"chunk": "printed"}, {"end": None}],
}
"""The same for the playing function, which is a Runtime API client written by hand."""


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    functions: dict[str, Any] = {name: f"app.{name}" for name in STEPS}
    functions["play"] = [sys.executable, "-I", "-S", str(PLAY)]
    with running(tmp_path_factory.mktemp("sdk"), {"app.py": PYTHON}, functions) as chain:
        chain.failures_expected = True
        yield chain


def story(name: str, runtime: str, gate: Gate) -> tuple[str, str]:
    """The function that tells a story, and its event."""
    event: dict[str, Any] = {"rawQueryString": f"gate={gate.port}"}
    if runtime == "ours":
        return name, json.dumps(event)
    event["play"] = [{"gate": gate.port}, *STEPS[name]]
    return "play", json.dumps(event)


# --- the clients ------------------------------------------------------------------------------

Event = tuple[str, Any]
"""What a client is given: ("chunk", bytes), ("complete", …), or nothing more: ("end", None)."""


class StreamClient(Protocol):
    """One call of InvokeWithResponseStream; it has been made."""

    output: dict[str, Any]

    def event(self) -> Event:
        """The next event."""


class Boto3:
    def __init__(self, endpoint: str, **arguments: Any) -> None:
        self._client = boto3.Session(**KEYS).client(
            "lambda",
            endpoint_url=endpoint,
            config=Config(retries={"total_max_attempts": 1}, read_timeout=WAIT_S),
        )
        self.output = self._client.invoke_with_response_stream(**arguments)
        self._events = iter(self.output["EventStream"])

    def event(self) -> Event:
        for event in self._events:
            if "PayloadChunk" in event:
                return "chunk", event["PayloadChunk"]["Payload"]
            return "complete", event["InvokeComplete"]
        return "end", None

    def close(self) -> None:
        self.output["EventStream"].close()
        self._client.close()


class JavaScript:
    """A process that tells by lines. Its SDK gives the head of a stream with the first event."""

    def __init__(self, endpoint: str, operation: str, **arguments: Any) -> None:
        script = Path(__file__).with_name("sdk_client.mjs")
        self._process = subprocess.Popen(
            ["node", script, MODULES, endpoint, operation, json.dumps(arguments)],
            stdout=subprocess.PIPE,
            env=environ_of({"NODE_NO_WARNINGS": "1"}),
        )
        self._head: dict[str, Any] | None = None

    @property
    def output(self) -> dict[str, Any]:
        head = self._read_head()
        assert "error" not in head, head
        output: dict[str, Any] = head["output"]
        return output

    @property
    def error(self) -> dict[str, Any]:
        error: dict[str, Any] = self._read_head()["error"]
        return error

    def event(self) -> Event:
        self._read_head()
        said = self._line()
        if not said:
            return "end", None
        ((kind, value),) = said.items()
        return kind, base64.b64decode(value) if kind == "chunk" else value

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _read_head(self) -> dict[str, Any]:
        if self._head is None:
            self._head = self._line()
        return self._head

    def _line(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        said: dict[str, Any] = json.loads(line) if line else {}
        return said


@contextmanager
def streaming(client: str, chain: Chain, function: str, event: str, **more: Any) -> Iterator[Any]:
    arguments = {"FunctionName": function, "Payload": event, **more}
    call: Boto3 | JavaScript
    if client == "boto3":
        call = Boto3(chain.emulator_url, **arguments)
    else:
        call = JavaScript(chain.emulator_url, "InvokeWithResponseStream", **arguments)
    try:
        yield call
    finally:
        call.close()


def read_to(call: StreamClient, text: str) -> bytes:
    """What comes, until it ends with a text."""
    body = b""
    while not body.endswith(text.encode()):
        kind, data = call.event()
        assert kind == "chunk", (kind, data)
        body += data
    return body


def complete_of(call: StreamClient) -> dict[str, Any]:
    """The event that ends the stream; nothing follows."""
    kind, complete = call.event()
    assert kind == "complete"
    assert call.event() == ("end", None)
    said: dict[str, Any] = complete
    return said


every_client = pytest.mark.parametrize("client", ["boto3", "javascript"])
every_runtime = pytest.mark.parametrize("runtime", ["ours", "by hand"])

# --- streams ----------------------------------------------------------------------------------


@every_runtime
@every_client
def test_chunks_are_received_as_they_are_written(client: str, runtime: str, chain: Chain) -> None:
    """The function may write the next one only when this one is at the client."""
    gate = chain.gate()
    with streaming(client, chain, *story("chunks", runtime, gate)) as call:
        for number in range(4):
            gate.open()
            body = read_to(call, f"chunk {number}")
            assert number == 0 or body == f"chunk {number}".encode()
        gate.open()

        assert complete_of(call) == {}


@every_client
def test_what_stands_in_the_head(client: str, chain: Chain) -> None:
    with streaming(client, chain, "play", '{"play": [{"return": 1}]}') as call:
        assert call.output["ExecutedVersion"] == "$LATEST"
        assert call.output["ResponseStreamContentType"] == "application/vnd.amazon.eventstream"
        assert call.output["StatusCode" if client == "boto3" else "status"] == 200
        assert call.event() == ("chunk", b"1")
        assert complete_of(call) == {}


@every_runtime
@every_client
def test_an_error_before_the_first_byte(client: str, runtime: str, chain: Chain) -> None:
    with streaming(client, chain, *story("fails_first", runtime, chain.gate())) as call:
        complete = complete_of(call)

    assert complete["ErrorCode"] == "Unhandled"
    details = json.loads(complete["ErrorDetails"])
    assert {key: details[key] for key in ERROR} == ERROR


@every_runtime
@every_client
def test_an_error_after_the_first_byte(client: str, runtime: str, chain: Chain) -> None:
    gate = chain.gate()
    with streaming(client, chain, *story("fails_later", runtime, gate)) as call:
        read_to(call, "half")
        gate.open()
        complete = complete_of(call)

    assert complete["ErrorCode"] == "Unhandled"
    details = json.loads(complete["ErrorDetails"])
    assert {key: details[key] for key in ERROR} == ERROR


@every_client
def test_what_lambda_itself_reports(client: str, chain: Chain) -> None:
    gate = chain.gate()
    steps = [{"gate": gate.port}, {"stream": ""}, {"chunk": "half"}, {"pass": None}, {"exit": 3}]
    with streaming(client, chain, "play", json.dumps({"play": steps})) as call:
        assert read_to(call, "half") == b"half"
        gate.open()

        complete = complete_of(call)
        assert complete["ErrorCode"] == "Runtime.ExitError"
        assert json.loads(complete["ErrorDetails"])["errorType"] == "Runtime.ExitError"


@every_runtime
@every_client
def test_the_end_of_the_log(client: str, runtime: str, chain: Chain) -> None:
    function, event = story("prints", runtime, chain.gate())
    with streaming(client, chain, function, event, LogType="Tail") as call:
        read_to(call, "printed")
        complete = complete_of(call)

    assert set(complete) == {"LogResult"}
    log = base64.b64decode(complete["LogResult"]).decode()
    assert re.match(r"START RequestId: .*\n(.*\n)*hello\n(.*\n)*END .*\nREPORT .*\n", log)


REFUSALS = {
    "no function": ({"FunctionName": "nope"}, 404, "ResourceNotFoundException"),
    "no JSON": ({"Payload": "{"}, 400, "InvalidRequestContentException"),
    "too large": ({"Payload": f'"{"x" * 6_291_456}"'}, 413, "RequestEntityTooLargeException"),
}


@pytest.mark.parametrize("reason", REFUSALS)
def test_boto3_raises_refusals(reason: str, chain: Chain) -> None:
    changes, status, name = REFUSALS[reason]
    arguments: dict[str, Any] = {"FunctionName": "play", "Payload": "{}", **changes}
    with pytest.raises(ClientError) as caught:
        Boto3(chain.emulator_url, **arguments)

    response = caught.value.response
    assert response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert response["Error"]["Code"] == name
    assert response["Error"]["Message"]


@pytest.mark.parametrize("reason", [name for name in REFUSALS if name != "too large"])
def test_javascript_throws_refusals(reason: str, chain: Chain) -> None:
    changes, status, name = REFUSALS[reason]
    arguments: dict[str, Any] = {"FunctionName": "play", "Payload": "{}", **changes}
    call = JavaScript(chain.emulator_url, "InvokeWithResponseStream", **arguments)
    error = call.error
    call.close()

    assert (error["name"], error["status"]) == (name, status)
    assert error["message"]


@every_client
def test_a_dry_run_of_a_stream(client: str, chain: Chain) -> None:
    with streaming(client, chain, "play", "{}", InvocationType="DryRun") as call:
        assert call.output["StatusCode" if client == "boto3" else "status"] == 204


# --- results, and what is told of functions ---------------------------------------------------


def javascript(chain: Chain, operation: str, **arguments: Any) -> dict[str, Any]:
    """The output of an operation of the SDK for JavaScript."""
    call = JavaScript(chain.emulator_url, operation, **arguments)
    try:
        output = call.output
        assert call.event() == ("end", None)
        return output
    finally:
        call.close()


def test_javascript_invokes(chain: Chain) -> None:
    steps = [{"print": "hello"}, {"raise": ERROR}]
    output = javascript(
        chain,
        "Invoke",
        FunctionName="arn:aws:lambda:eu-west-1:123456789012:function:play:prod",
        Payload=json.dumps({"play": steps}),
        LogType="Tail",
    )

    assert (output["StatusCode"], output["FunctionError"]) == (200, "Unhandled")
    assert output["ExecutedVersion"] == "$LATEST"
    assert json.loads(output["Payload"]) == ERROR
    assert "\nhello\n" in base64.b64decode(output["LogResult"]).decode()


def test_javascript_reads_functions(chain: Chain) -> None:
    output = javascript(chain, "ListFunctions", MaxItems=2)
    assert [function["FunctionName"] for function in output["Functions"]] == [
        "chunks",
        "fails_first",
    ]
    output = javascript(chain, "ListFunctions", Marker=output["NextMarker"])
    assert [function["FunctionName"] for function in output["Functions"]] == [
        "fails_later",
        "play",
        "prints",
    ]
    output = javascript(chain, "GetFunction", FunctionName="play")
    assert output["Configuration"]["Runtime"] == "provided.al2023"


def aws(chain: Chain, *arguments: str, status: int = 0) -> str:
    """What the command prints: its output, or its error when it fails as it should."""
    keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
    where = ("--endpoint-url", chain.emulator_url, "--region", "us-east-1")
    done = subprocess.run(
        [sys.executable, "-m", "awscli", "lambda", *arguments, *where],
        capture_output=True,
        text=True,
        timeout=2 * WAIT_S,
        check=False,
        env=environ_of({**keys, "AWS_MAX_ATTEMPTS": "1", "AWS_PAGER": ""}),
    )
    assert done.returncode == status, done.stderr
    return done.stderr if status else done.stdout


def test_the_command_invokes(chain: Chain, tmp_path: Path) -> None:
    arguments = ("invoke", "--function-name", "play", "--payload")
    said = json.loads(aws(chain, *arguments, '{"text": "wörld"}', str(tmp_path / "out")))

    assert said == {"StatusCode": 200, "ExecutedVersion": "$LATEST"}
    assert json.loads((tmp_path / "out").read_text()) == {"text": "wörld"}
    failing = json.dumps({"play": [{"raise": ERROR}]})
    said = json.loads(aws(chain, *arguments, failing, str(tmp_path / "out")))
    assert said["FunctionError"] == "Unhandled"
    assert json.loads((tmp_path / "out").read_text()) == ERROR


def test_the_command_shows_the_end_of_the_log(chain: Chain) -> None:
    event = json.dumps({"play": [{"print": "hello"}, {"return": 1}]})
    said = aws(
        chain, "invoke", "--function-name", "play", "--payload", event, "--log-type", "Tail",
        "--query", "LogResult", "--output", "text", os.devnull,
    )  # fmt: skip

    log = base64.b64decode(said).decode()
    assert re.fullmatch(r"START RequestId: .*\nhello\nEND .*\nREPORT .*\n", log)


def test_the_command_lists_functions(chain: Chain) -> None:
    shown = ("--query", "Functions[].FunctionName", "--output", "text")
    said = aws(chain, "list-functions", "--page-size", "2", *shown)

    assert said.split() == ["chunks", "fails_first", "fails_later", "play", "prints"]
    said = aws(chain, "get-function", "--function-name", "play", "--output", "text")
    assert "function:play" in said
    aws(chain, "wait", "function-active-v2", "--function-name", "play")


def test_the_command_tells_errors(chain: Chain) -> None:
    said = aws(chain, "invoke", "--function-name", "nope", os.devnull, status=255)

    assert "(ResourceNotFoundException) when calling the Invoke operation" in said
    assert "Function not found: arn:aws:lambda:us-east-1:000000000000:function:nope" in said
