"""Flushing through the emulator's hold-back, by causality.

The function writes a chunk and waits at a gate: what the client reads before the test opens it was
let out by the flush. Without one it is held.
"""

from __future__ import annotations

import gc
import re
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest
from tests.e2e.chain import Chain, serving, until
from tests.e2e.client import Client
from tests.e2e.gate import SOURCE, Gate

from tailrace.emulator.outlet import Outlet

APP = '''
from gate import Gate, query
from tailrace.function import FLUSH, Head, streamify_response


def chunks(event):
    """Two chunks, each flushed and followed by a wait."""
    asked = query(event)
    yield Head(200, {"content-type": asked["type"]})
    for _ in range(2):
        yield asked["chunk"]
        yield FLUSH
        yield None


def asks(event):
    return query(event)["asks"] == "yes"


def generator(policy):
    @streamify_response(flush=policy)
    def handler(event, context):
        with Gate(event) as gate:
            for item in chunks(event):
                if item is None:
                    gate.wait()
                elif item is not FLUSH or asks(event):
                    yield item

    return handler


def async_generator(policy):
    @streamify_response(flush=policy)
    async def handler(event, context):
        with Gate(event) as gate:
            for item in chunks(event):
                if item is None:
                    await gate.wait_async()
                elif item is not FLUSH or asks(event):
                    yield item

    return handler


def writer(policy):
    @streamify_response
    async def handler(event, response, context):
        response.set_flush_policy(policy)
        with Gate(event) as gate:
            for item in chunks(event):
                if item is None:
                    await gate.wait_async()
                elif isinstance(item, Head):
                    response.set_head(item)
                elif item is not FLUSH:
                    await response.write(item)
                elif asks(event):
                    await response.flush()

    return handler


KINDS = {"generator": generator, "async-generator": async_generator, "writer": writer}
HANDLERS = {
    f"{kind}-{policy}": make(policy)
    for kind, make in KINDS.items()
    for policy in ("explicit", "every-write", "adaptive")
}


def handler(event, context):
    asked = query(event)
    return HANDLERS[asked["kind"] + "-" + asked["policy"]](event, context)
'''

CONFIGURATION = """
[functions.held]
handler = "app.handler"
hold_back = "lambda"
timeout_s = 60

[functions.held.url]
invoke_mode = "RESPONSE_STREAM"

[[routes]]
path = "/callback"
function = "held"

[[routes]]
path = "/response-stream"
function = "held"
transport = "response-stream"
"""

KINDS = ("generator", "async-generator", "writer")
FLUSHED = (("explicit", "yes"), ("every-write", "no"), ("adaptive", "no"))
PADDED = {
    "text/event-stream": "data: 1\n\n",
    "application/x-ndjson": "1\n",
    "text/html; charset=utf-8": "<p>1</p>",
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    directory = tmp_path_factory.mktemp("flush")
    (directory / "gate.py").write_text(SOURCE)
    (directory / "app.py").write_text(APP)
    (directory / "tailrace.toml").write_text(CONFIGURATION)
    with serving(directory / "tailrace.toml") as chain:
        yield chain


def ask(chain: Chain, path: str, gate: Gate, **asked: str) -> Client:
    """A client that has asked for chunks, at the function's URL or by a route of the gateway."""
    url = chain.function_url("held") if path == "url" else chain.url
    query = urlencode({"gate": gate.port, "chunk": "1", **asked})
    return chain.client(url).ask(f"/{path}?{query}")


def held_bytes() -> int:
    # From inside: no socket tells what is held.
    return sum(each.held_bytes for each in gc.get_objects() if issubclass(type(each), Outlet))


def read_chunk(client: Client, chunk: str) -> bytes:
    """Read until a chunk has come; what may be behind it is padding."""
    body = b""
    while chunk.encode() not in body:
        piece = client.some()
        assert piece, "the body has ended"
        body += piece
    return body


def without_padding(body: bytes) -> str:
    """What a body says: comments of SSE and HTML, and white space, are nothing here."""
    text = re.sub(r"(?s:<!--.*?-->)|^:.*$", "", body.decode(), flags=re.MULTILINE)
    return "".join(text.split())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("policy", "asks"), FLUSHED)
def test_a_flushed_chunk_is_at_the_client_while_the_function_waits(
    chain: Chain, kind: str, policy: str, asks: str
) -> None:
    for content_type, chunk in PADDED.items():
        gate = chain.gate()
        asked = {"kind": kind, "policy": policy, "asks": asks, "type": content_type}
        client = ask(chain, "url", gate, chunk=chunk, **asked)

        assert client.head().get("content-type") == content_type
        body = read_chunk(client, chunk)
        gate.open()
        body += read_chunk(client, chunk)
        gate.open()
        body += client.rest()

        assert without_padding(body) == without_padding((chunk * 2).encode())


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_flush_it_is_held(chain: Chain, kind: str) -> None:
    gate = chain.gate()
    asked = {"kind": kind, "policy": "explicit", "asks": "no", "type": "text/html"}
    client = ask(chain, "url", gate, **asked)

    until(lambda: chain.look(held_bytes) == 1, "the emulator to hold the first chunk")
    assert not client.has_more  # not even the head
    gate.open()
    until(lambda: chain.look(held_bytes) == 2, "the emulator to hold both chunks")
    assert not client.has_more
    gate.open()
    assert client.answer().body == b"11"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("policy", "asks"), FLUSHED)
@pytest.mark.parametrize("path", ["callback", "response-stream"])
def test_the_gateways_clients_get_every_type_on_time_and_clean(
    chain: Chain, kind: str, policy: str, asks: str, path: str
) -> None:
    gate = chain.gate()
    asked = {"kind": kind, "policy": policy, "asks": asks, "type": "image/png"}
    client = ask(chain, path, gate, **asked)

    assert client.head().status == 200
    for _ in range(2):
        assert client.body(1) == b"1"
        assert not client.has_more
        gate.open()
    assert client.rest() == b""
