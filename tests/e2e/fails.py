"""Functions that fail: their source, as it is deployed, and how to look at what came of it.

`effect` is what must happen once only; `Gate` is where a function waits for the test.
"""

from __future__ import annotations

import asyncio
import dataclasses
import http.client
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.e2e.chain import Chain, Client, until
from tests.fakes import Broken

STREAMING = '''
import asyncio
import json
import os
import signal
import threading
import time
from pathlib import Path

from gate import Gate, query
from tailrace.function import Head, streamify_response


def effect(event):
    """What must not happen twice: it counts the request's path, and keeps the event."""
    name = event["rawPath"].strip("/").replace("/", "-")
    with open(name + ".effects", "a") as effects:
        effects.write("once\\n")
    Path(name + ".event").write_text(json.dumps(event))


def begin(event):
    """The head and a first chunk, if the request wants the failure in mid-body."""
    if query(event).get("at") == "body":
        yield Head(headers={"content-type": "text/plain"})
        yield "half"


@streamify_response
def throws(event, context):
    effect(event)
    yield from begin(event)
    raise ValueError("no luck")


@streamify_response
async def throws_async(event, context):
    for chunk in begin(event):
        yield chunk
    raise ValueError("no luck")


@streamify_response
async def throws_writing(event, response, context):
    response.set_head(Head(headers={"content-type": "text/plain"}))
    if query(event).get("at") == "body":
        await response.write("half")
    raise ValueError("no luck")


@streamify_response
def wrong_chunk(event, context):
    yield from begin(event)
    yield 42


@streamify_response
def illegal_head(event, context):
    yield Head(headers={"x": "1\\r\\nset-cookie: evil=1"})


@streamify_response
def short(event, context):
    yield Head(headers={"content-length": "9"})
    yield "half"


@streamify_response
def long(event, context):
    yield Head(headers={"content-length": "4"})
    yield "half"
    yield "more"


@streamify_response
def killed(event, context):
    effect(event)
    with Gate(event) as gate:
        yield from begin(event)
        gate.wait()
        os.kill(os.getpid(), signal.SIGKILL)


@streamify_response
def exits(event, context):
    effect(event)
    yield from begin(event)
    os._exit(3)


@streamify_response
def waits_for_ever(event, context):
    effect(event)
    yield from begin(event)
    threading.Event().wait()


@streamify_response
def waits(event, context):
    """Sync: learns at its next yield that nobody is there."""
    effect(event)
    with Gate(event) as gate:
        yield from begin(event)
        gate.tell("waiting")
        gate.wait()
        try:
            yield "more"
        except GeneratorExit:
            gate.tell("closed at its yield")
            raise
        gate.tell("went on")


@streamify_response
async def waits_async(event, context):
    """Async: cancelled where it waits."""
    with Gate(event) as gate:
        for chunk in begin(event):
            yield chunk
        gate.tell("waiting")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            gate.tell("cancelled")
            raise


@streamify_response
async def waits_writing(event, response, context):
    with Gate(event) as gate:
        if query(event).get("at") == "body":
            await response.write("half")
        gate.tell("waiting")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            gate.tell("cancelled")
            raise


@streamify_response
def floods(event, context):
    """Writes until it is told to stop."""
    with Gate(event) as gate:
        yield Head(headers={"content-type": "application/octet-stream"})
        try:
            while True:
                yield bytes(100_000)
        except GeneratorExit:
            gate.tell("closed at its yield")
            raise


@streamify_response
def answers(event, context):
    effect(event)
    yield "answer"


@streamify_response
def answers_gated(event, context):
    effect(event)
    with Gate(event) as gate:
        yield "half"
        gate.wait()
        yield "whole"
'''

PLAIN = '''
import http.client
import os
import signal
from pathlib import Path
from urllib.parse import urlsplit

from gate import Gate
from streaming import answers, effect


def never(event, context):
    """Returns its response, as if there were somebody to take it."""
    return {"statusCode": 200, "body": "nobody hears this"}


def late(event, context):
    with Gate(event) as gate:
        gate.wait()
        gate.tell(f"returned {answers(event, context)}")


def twice(event, context):
    with Gate(event) as gate:
        answers(event, context)
        gate.tell("once")
        gate.wait()
        gate.tell(f"returned {answers(event, context)}")


def wrong_secret(event, context):
    good = event["tailrace"]["callback"]
    event["tailrace"]["callback"] = good.rpartition("/")[0] + "/" + "0" * 32
    answers(event, context)
    event["tailrace"]["callback"] = good
    answers(event, context)


def raw(event, context):
    """Sends the query's `body` as its whole callback, and tells what it was answered."""
    from urllib.parse import parse_qsl

    asked = dict(parse_qsl(event["rawQueryString"]))
    url = urlsplit(event["origin"])
    connection = http.client.HTTPConnection(url.hostname, url.port)
    body = asked["body"].replace("NULS", "\\0" * 8).encode()
    media_type = "application/vnd.awslambda.http-integration-response"
    connection.request("POST", url.path, body, {"content-type": media_type})
    with Gate(event) as gate:
        gate.tell(str(connection.getresponse().status))


def dies_first(event, context):
    """Is killed in its first attempt, before it has called back."""
    died = Path("died")
    if not died.exists():
        died.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    answers(event, context)
'''

FILES: Mapping[str, str] = {
    "streaming.py": STREAMING,
    "plain.py": PLAIN,
    "broken.py": 'raise RuntimeError("no start")\n',
}


def handlers(*names: str) -> dict[str, str]:
    """Functions by the names of their handlers."""
    return {name: f"{_module(name)}.{name}" for name in names}


def _module(name: str) -> str:
    if name == "broken":
        return "broken"
    return "plain" if f"def {name}(" in PLAIN else "streaming"


def effects(chain: Chain, path: str) -> int:
    """How often the effect of a path has happened."""
    name = path.strip("/").replace("/", "-")
    file = chain.config.path.parent / f"{name}.effects"
    return len(file.read_text().splitlines()) if file.exists() else 0


def event_of(chain: Chain, path: str) -> bytes:
    """The event that a function got last for a path."""
    name = path.strip("/").replace("/", "-")
    return (chain.config.path.parent / f"{name}.event").read_bytes()


def broken_off(client: Client) -> Broken:
    """How a response was broken off whose head has come."""
    assert client.head().status == 200
    with pytest.raises(Broken) as broken:
        client.rest()
    return broken.value


def ended(chain: Chain, path: str, outcomes: list[str]) -> None:
    """Wait until the exchanges of a path have ended, and look how."""
    until(lambda: len(chain.outcomes(path)) >= len(outcomes), f"{path} to end")
    assert chain.outcomes(path) == outcomes


def change(chain: Chain, name: str, **changes: Any) -> None:
    """Serve a function with other settings from now on."""
    functions = dict(chain.config.functions)
    functions[name] = dataclasses.replace(functions[name], **changes)
    chain.config = dataclasses.replace(chain.config, functions=functions)
    reloading = chain._emulator.reload(chain.config, set())
    asyncio.run_coroutine_threadsafe(reloading, chain._loop).result()


def invoke(chain: Chain, name: str, event: bytes) -> bytes:
    """Invoke a function directly, and wait for its result."""
    parts = urlsplit(chain.emulator_url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port)
    try:
        connection.request("POST", f"/2015-03-31/functions/{name}/invocations", event)
        return connection.getresponse().read()
    finally:
        connection.close()
