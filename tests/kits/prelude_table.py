"""Sends the rows of `preludes.py` and `results.py` over every way, and says what came of them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path as Directory
from typing import Any, Final, NamedTuple

from tests.e2e.chain import Chain, serving
from tests.fakes import Broken, Response
from tests.kits.paths import sdk_of
from tests.kits.preludes import HELLO, ROWS, Row
from tests.kits.results import RESULTS, Result
from tests.kits.seen import BROKEN, COMPLETE

COLUMNS: Final = ("URL, stream", "URL, buffered", "boto3", "gateway, stream", "callback")
RESULT_COLUMNS: Final = ("URL, buffered", "URL, stream", "gateway, stream", "callback", "native")

_CONFIGURATION: Final = """
[emulator]
retry_delay_scale = 0
[functions.stream]
command = {command}
[functions.stream.url]
invoke_mode = "RESPONSE_STREAM"
[functions.buffer]
command = {command}
[functions.buffer.url]
invoke_mode = "BUFFERED"
[functions.sdk]
handler = "returns.handler"
environment = {{ TAILRACE_RESPONSE_MODE = "stream" }}
[functions.sdk.url]
invoke_mode = "RESPONSE_STREAM"
[[routes]]
path = "/response-stream/*"
function = "stream"
transport = "response-stream"
[[routes]]
path = "/callback/*"
function = "stream"
[[routes]]
path = "/sdk/*"
function = "sdk"
"""

_RETURNS: Final = """
import json
from tailrace.function import streamify_response
with open("scripts.json") as file:
    SCRIPTS = json.load(file)

@streamify_response
def handler(event, context):
    return json.loads(SCRIPTS[event["queryStringParameters"]["script"]]["pieces"][0])
"""


class World(NamedTuple):
    """What serves the rows, and a client of it."""

    chain: Chain
    sdk: Any


@contextmanager
def serving_rows(directory: Directory) -> Iterator[World]:
    """Serve all rows on every way."""
    scripts = {
        f"{index}-{variant}": {
            "type": row.media_type,
            "pieces": [piece.decode("latin-1") for piece in pieces],
            "end": "clean",
        }
        for index, row in enumerate(ROWS)
        for variant, pieces in enumerate(row.variants)
    }
    for index, result in enumerate(RESULTS):
        pieces = [result.sent.decode("latin-1")]
        script = {"type": "application/json", "pieces": pieces, "end": "clean", "whole": True}
        scripts[f"result-{index}"] = script
    (directory / "returns.py").write_text(_RETURNS)
    source = Directory(__file__).with_name("raw_runtime.py")
    (directory / "scripts.json").write_text(json.dumps(scripts))
    (directory / "raw_runtime.py").write_text(source.read_text())
    command = json.dumps([sys.executable, "-I", "-S", "raw_runtime.py"])
    (directory / "tailrace.toml").write_text(_CONFIGURATION.format(command=command))
    with serving(directory / "tailrace.toml") as chain, closing(sdk_of(chain)) as sdk:
        yield World(chain, sdk)


def cells_of(world: World, row: Row) -> list[str]:
    """What comes of a row, column by column; all its variants must give the same."""
    index = ROWS.index(row)
    (cells,) = {
        tuple(_cells(world, row, f"script={index}-{variant}"))
        for variant in range(len(row.variants))
    }
    return list(cells)


def _cells(world: World, row: Row, query: str) -> Iterator[str]:
    chain = world.chain
    for url, target in (
        (chain.function_url("stream"), f"/x?{query}"),
        (chain.function_url("buffer"), f"/x?{query}"),
        (None, query),
        (chain.url, f"/response-stream/x?{query}"),
        (chain.url, f"/callback/x?{query}"),
    ):
        if url is None:
            yield _invoked(world.sdk, row, query)
        else:
            yield _asked(chain, url, target, row)
        chain.settle()


def result_cells_of(world: World, result: Result) -> list[str]:
    """What comes of a result, column by column; the SDK is given it as a value of Python."""
    chain = world.chain
    chain.failures_expected = True  # the SDK logs the error of a handler's result
    query = f"script=result-{RESULTS.index(result)}"
    cells = []
    for url, target in (
        (chain.function_url("buffer"), f"/x?{query}"),
        (chain.function_url("stream"), f"/x?{query}"),
        (chain.url, f"/response-stream/x?{query}"),
        (chain.url, f"/sdk/x?{query}"),
        (chain.function_url("sdk"), f"/x?{query}"),
    ):
        is_given = result.sent != HELLO or len(cells) < 3  # it is no value of Python
        cells.append(_asked(chain, url, target, result) if is_given else "—")
        chain.settle()
    return cells


def _asked(chain: Chain, url: str, target: str, row: Row | Result) -> str:
    """What an HTTP client sees."""
    client = chain.client(url).ask(target, row.method)
    head = client.head()
    try:
        body, ending = client.rest(), COMPLETE
    except Broken as broken:
        body, ending = broken.received, BROKEN
    if head.get("x-amzn-errortype") or head.get("content-type") == "application/problem+json":
        return f"`{head.status}`"
    words = [f"`{head.status}`"]
    for name in row.shows:
        words += _shown(head, name, row)
    if ending is BROKEN:
        words.append("broken off")
    elif body == row.sent and row.sent != HELLO:
        words.append("all of it as the body")
    else:
        words.append(f"`{body.decode('latin-1')}`".replace("\0", "␀") if body else "no body")
    return ", ".join(words)


def _shown(head: Response, name: str, row: Row | Result) -> Iterator[str]:
    """A header in words: it, its renamed form, or that it is not there."""
    sent = json.loads(row.sent.partition(b"\0")[0] or b"{}") if b"\0" in row.sent else {}
    own = {key.lower(): value for key, value in (sent.get("headers") or {}).items()}
    renamed = f"x-amzn-remapped-{name}"
    for each in (name, renamed):
        for value in head.all(each):
            is_other = name in own and name in _SAID_BY_SERVERS and value != own[name]
            yield f"another `{each}`" if is_other else f"`{each}: {value}`"
    if not head.all(name) and not head.all(renamed):
        yield f"no `{name}`"


_SAID_BY_SERVERS: Final = ("date", "x-amzn-requestid")


def _invoked(sdk: Any, row: Row, query: str) -> str:
    """What AWS's SDK sees of InvokeWithResponseStream."""
    event = {
        "rawQueryString": query,
        "requestContext": {"http": {"method": row.method}},
    }
    answer = sdk.invoke_with_response_stream(
        FunctionName="stream", Payload=json.dumps(event).encode()
    )
    events = list(answer["EventStream"])
    assert events[-1] == {"InvokeComplete": {}}, events[-1]
    body = b"".join(event["PayloadChunk"]["Payload"] for event in events[:-1])
    return "as sent" if body == row.sent else f"`{body!r}`"
