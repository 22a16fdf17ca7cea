"""A function that fails after its first bytes: who can tell, and that nobody is shown the error.

Each time the client has the head and the first bytes before the function may fail. On Lambda the
client of a Function URL cannot tell; wherever tailrace has a hand in it, it can.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.e2e.chain import Chain, serving, until
from tests.e2e.gate import SOURCE, WAIT_S, Gate
from tests.fakes import Broken
from tests.kits.paths import sdk_of
from tests.kits.preludes import NULS, TYPE
from tests.kits.seen import BROKEN, COMPLETE

SECRET = "the secret words of an error"
APP = f'''
from gate import Gate, query
from tailrace.function import Head, streamify_response


def handler(event, context):
    return HANDLERS[query(event)["script"]](event, context)


@streamify_response
def generator(event, context):
    with Gate(event) as gate:
        yield Head(201, {{"content-type": "text/plain"}})
        yield "half"
        gate.wait()
        raise ValueError("{SECRET}")


@streamify_response
async def writer(event, response, context):
    with Gate(event) as gate:
        response.set_head(Head(201, {{"content-type": "text/plain"}}))
        await response.write("half")
        await gate.wait_async()
        raise ValueError("{SECRET}")


HANDLERS = {{"generator": generator, "writer": writer}}
'''
CONFIGURATION = """
[emulator]
retry_delay_scale = 0

[functions.sdk]
handler = "app.handler"
[functions.sdk.url]
invoke_mode = "RESPONSE_STREAM"

[functions.sdk-abort]
handler = "app.handler"
[functions.sdk-abort.url]
invoke_mode = "RESPONSE_STREAM"
abort_on_error = true

[functions.raw]
command = @RAW@
timeout_s = 2
[functions.raw.url]
invoke_mode = "RESPONSE_STREAM"

[functions.raw-abort]
command = @RAW@
timeout_s = 2
[functions.raw-abort.url]
invoke_mode = "RESPONSE_STREAM"
abort_on_error = true

[functions.sdk-buffered]
handler = "app.handler"
[functions.sdk-buffered.url]
invoke_mode = "BUFFERED"

[functions.raw-buffered]
command = @RAW@
timeout_s = 2
[functions.raw-buffered.url]
invoke_mode = "BUFFERED"

[[routes]]
path = "/callback/sdk"
function = "sdk"
[[routes]]
path = "/callback/raw"
function = "raw"
[[routes]]
path = "/response-stream/sdk"
function = "sdk"
transport = "response-stream"
[[routes]]
path = "/response-stream/raw"
function = "raw"
transport = "response-stream"
"""
RAW_RUNTIME = Path(__file__).parents[1] / "kits" / "raw_runtime.py"


@pytest.fixture(scope="module")
def serving_all(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    directory = tmp_path_factory.mktemp("late")
    half = ['{"statusCode":201,"headers":{"content-type":"text/plain"}}' + NULS.decode(), "half"]
    scripts = {end: {"type": TYPE, "pieces": half, "end": end} for end in OF_RUNTIMES}
    command = json.dumps([sys.executable, "-I", "-S", "raw_runtime.py"])
    files = {
        "app.py": APP,
        "gate.py": SOURCE,
        "raw_runtime.py": RAW_RUNTIME.read_text(),
        "scripts.json": json.dumps(scripts),
        "tailrace.toml": CONFIGURATION.replace("@RAW@", command),
    }
    for name, text in files.items():
        (directory / name).write_text(text)
    with serving(directory / "tailrace.toml") as chain:
        chain.failures_expected = True
        yield chain


@pytest.fixture
def chain(serving_all: Chain) -> Iterator[Chain]:
    """The chain, which has come to rest when the test ends."""
    yield serving_all
    serving_all.settle()


class Heard(NamedTuple):
    """What a caller has heard in the end."""

    body: bytes
    ending: str
    error_code: str | None = None
    """Of the whole: `ErrorCode`, `FunctionError`, or the header in which Lambda names it."""
    error: str | None = None
    """The `errorType`; the caller then has the message, too."""


def heard_over_http(chain: Chain, url: str, target: str, gate: Gate) -> Heard:
    client = chain.client(url).ask(target)
    head = client.head()
    assert (head.status, head.get("content-type")) == (201, "text/plain")
    assert SECRET not in repr(head)
    body = client.body(4)
    gate.open()
    try:
        body, ending = body + client.rest(), COMPLETE
    except Broken as broken:
        body, ending = body + broken.received, BROKEN
    return Heard(body, ending)


def url(chain: Chain, function: str, query: str, gate: Gate) -> Heard:
    return heard_over_http(chain, chain.function_url(function), f"/?{query}", gate)


def url_that_aborts(chain: Chain, function: str, query: str, gate: Gate) -> Heard:
    return url(chain, f"{function}-abort", query, gate)


def callback(chain: Chain, function: str, query: str, gate: Gate) -> Heard:
    return heard_over_http(chain, chain.url, f"/callback/{function}?{query}", gate)


def response_stream(chain: Chain, function: str, query: str, gate: Gate) -> Heard:
    return heard_over_http(chain, chain.url, f"/response-stream/{function}?{query}", gate)


def sdk(chain: Chain, function: str, query: str, gate: Gate) -> Heard:
    """boto3's InvokeWithResponseStream."""
    event = {"rawQueryString": query, "requestContext": {"http": {"method": "GET"}}}
    with closing(sdk_of(chain)) as client:
        answer = client.invoke_with_response_stream(
            FunctionName=function, Payload=json.dumps(event).encode()
        )
        return heard_of_events(iter(answer["EventStream"]), gate)


def heard_of_events(events: Iterator[dict[str, Any]], gate: Gate) -> Heard:
    stream = b""
    while not stream.endswith(b"half"):
        stream += next(events)["PayloadChunk"]["Payload"]
    gate.open()
    *chunks, last = events
    stream += b"".join(event["PayloadChunk"]["Payload"] for event in chunks)
    assert SECRET.encode() not in stream
    complete = last["InvokeComplete"]
    if "ErrorCode" not in complete:
        return Heard(stream.partition(NULS)[2], COMPLETE)
    details = json.loads(complete["ErrorDetails"])
    assert details["errorMessage"]
    return Heard(stream.partition(NULS)[2], COMPLETE, complete["ErrorCode"], details["errorType"])


def url_that_collects(chain: Chain, function: str, query: str, gate: Gate) -> Heard:
    """A Function URL with invoke_mode BUFFERED; the function streams all the same."""
    client = chain.client(chain.function_url(f"{function}-buffered")).ask(f"/?{query}")
    gate.open()
    answer = client.answer()
    return Heard(answer.body, COMPLETE, answer.get("x-amzn-errortype"))


def invoke(chain: Chain, function: str, query: str, gate: Gate) -> Heard:
    """boto3's Invoke."""
    event = {"rawQueryString": query, "requestContext": {"http": {"method": "GET"}}}
    with closing(sdk_of(chain)) as client, ThreadPoolExecutor(1) as thread:
        invoking = thread.submit(client.invoke, FunctionName=function, Payload=json.dumps(event))
        gate.open()
        answer = invoking.result(WAIT_S)
        with closing(answer["Payload"]) as payload:
            error = json.loads(payload.read())
    assert error["errorMessage"]
    return Heard(b"", COMPLETE, answer["FunctionError"], error["errorType"])


WHOLE = Heard(b"half", COMPLETE)
CUT_OFF = Heard(b"half", BROKEN)
BAD_GATEWAY = Heard(b"Internal Server Error", COMPLETE, "InternalServerErrorException")


def unhandled(error: str) -> Heard:
    return Heard(b"half", COMPLETE, "Unhandled", error)


def only_error(error: str) -> Heard:
    return Heard(b"", COMPLETE, "Unhandled", error)


def of_lambda(error: str) -> Heard:
    return Heard(b"half", COMPLETE, error, error)


Ask = Callable[[Chain, str, str, Gate], Heard]
HANDLER_RAISES: list[tuple[Ask, Heard]] = [
    (url, WHOLE),
    (url_that_aborts, CUT_OFF),
    (callback, CUT_OFF),
    (response_stream, CUT_OFF),
    (sdk, unhandled("ValueError")),
    (url_that_collects, BAD_GATEWAY),
    (invoke, only_error("ValueError")),
]
OF_RUNTIMES = {
    "error": "RawError",
    "cut": "Runtime.TruncatedResponse",
    "exits": "Runtime.ExitError",
    "hangs": "Sandbox.Timedout",
}
"""How a runtime may end a stream, and the `errorType` that an SDK then gets."""
RUNTIME_FAILS: list[tuple[str, Ask, Heard]] = [
    ("error", url, WHOLE),
    *((end, url, CUT_OFF) for end in ("cut", "exits", "hangs")),
    *((end, callback, CUT_OFF) for end in ("cut", "exits", "hangs")),
    *((end, url_that_aborts, CUT_OFF) for end in OF_RUNTIMES),
    *((end, response_stream, CUT_OFF) for end in OF_RUNTIMES),
    *((end, url_that_collects, BAD_GATEWAY) for end in OF_RUNTIMES),
    *((end, invoke, only_error(error)) for end, error in OF_RUNTIMES.items()),
    ("error", sdk, unhandled("RawError")),
    *((end, sdk, of_lambda(OF_RUNTIMES[end])) for end in ("cut", "exits", "hangs")),
]


def name_of(value: object) -> str | None:
    return getattr(value, "__name__", None) if callable(value) else None


@pytest.mark.parametrize("kind", ["generator", "writer"])
@pytest.mark.parametrize(("ask", "heard"), HANDLER_RAISES, ids=name_of)
def test_a_handler_that_raises_after_its_first_bytes(
    chain: Chain, kind: str, ask: Ask, heard: Heard
) -> None:
    earlier = len(chain.output)
    gate = chain.gate()

    assert ask(chain, "sdk", f"script={kind}&gate={gate.port}", gate) == heard

    until(lambda: "[ERROR] ValueError" in chain.output[earlier:], "the traceback")
    assert SECRET in chain.output[earlier:]


@pytest.mark.parametrize(("end", "ask", "heard"), RUNTIME_FAILS, ids=name_of)
def test_a_runtime_that_fails_after_its_first_bytes(
    chain: Chain, end: str, ask: Ask, heard: Heard
) -> None:
    gate = chain.gate()

    assert ask(chain, "raw", f"script={end}&gate={gate.port}", gate) == heard


def test_the_log_says_what_the_client_of_a_function_url_cannot_tell(chain: Chain) -> None:
    earlier, gate = len(chain.output), chain.gate()

    url(chain, "sdk", f"script=generator&gate={gate.port}", gate)

    chain.settle()
    (line,) = [text for text in chain.output[earlier:].splitlines() if "Function URL" in text]
    assert "failed after its first byte" in line
    assert "its client cannot tell" in line
    assert "url.abort_on_error = true" in line


def test_the_log_of_the_gateway_has_the_error(chain: Chain) -> None:
    """The function's own log is elsewhere, in the cloud."""
    earlier, gate = len(chain.log.records), chain.gate()

    response_stream(chain, "sdk", f"script=generator&gate={gate.port}", gate)

    chain.settle()
    (record,) = [each for each in chain.log.records[earlier:] if SECRET in each.getMessage()]
    assert (record.name, record.levelname) == (
        "tailrace.gateway.transports.response_stream",
        "WARNING",
    )
