"""Handlers of frameworks that stream through AWS's own runtimes for Node.js, as they are.

Each is written as its framework documents it (tests/node/hono.mjs, lambda-stream.cjs,
express.mjs), with a gate where an application would wait for a model or a database.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.e2e.chain import Chain
from tests.e2e.client import Client
from tests.e2e.gate import Gate
from tests.fakes import Response
from tests.node.events import connected, invoked
from tests.node.runtimes import Kind, name_of, serving_kinds

from tailrace.wire.events.function_url import event_from_request

FRAMEWORKS = ("hono", "lambda-stream", "express")
KINDS = {name: Kind(f"{name}.handler") for name in FRAMEWORKS}
PATHS = ("url", "gateway")
TYPES = {"url": "text/plain; charset=utf-8", "gateway": "application/octet-stream"}
"""Without from() a content type stays with Function URLs: no event of the API carries it."""
JSON = (("content-type", "application/json"), ("user-agent", "tests"))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    with serving_kinds(tmp_path_factory.mktemp("node"), KINDS) as chain:
        yield chain


@pytest.fixture(scope="module")
def api(served: Chain) -> Iterator[Any]:
    with connected(served) as client:
        yield client


def event_of_request(query: str) -> bytes:
    """What a Function URL would make of a request."""
    event = event_from_request(
        method="GET",
        path="/",
        query=query,
        headers=[("host", "localhost")],
        body=b"",
        source_ip="127.0.0.1",
        request_id="r",
        time_epoch_ms=0,
        host="localhost",
    )
    return json.dumps(event).encode()


def client_of(chain: Chain, path: str, name: str) -> tuple[Client, str]:
    """A client on one of the paths, and the target to ask for."""
    if path == "url":
        return chain.client(chain.function_url(name)), "/deep/er"
    return chain.client(), f"/{name}/deep/er"


def read_streaming(client: Client, gate: Gate) -> Response:
    """The head; each part has been read before the next could be written."""
    gate.open()
    head = client.head()
    for number, part in enumerate((b"one,", b"two,", b"three")):
        if number:
            gate.open()
        assert client.body(len(part)) == part
        assert not client.has_more
    gate.open()
    assert client.rest() == b""
    return head


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("framework", ["hono", "express"])
def test_a_framework_streams_with_its_status_and_cookies(
    chain: Chain, runtime: str, framework: str, path: str
) -> None:
    gate = chain.gate()
    client, target = client_of(chain, path, name_of(framework, runtime))
    client.ask(f"{target}?gate={gate.port}")
    head = read_streaming(client, gate)
    assert (head.status, head.get("content-type")) == (201, "text/plain; charset=utf-8")
    assert head.all("set-cookie") == ["a=1; Path=/", "b=2; Path=/"]


@pytest.mark.parametrize("path", PATHS)
def test_lambda_stream_streams(chain: Chain, runtime: str, path: str) -> None:
    gate = chain.gate()
    client, target = client_of(chain, path, name_of("lambda-stream", runtime))
    client.ask(f"{target}?gate={gate.port}")
    head = read_streaming(client, gate)
    assert (head.status, head.get("content-type")) == (200, TYPES[path])


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("framework", ["hono", "express"])
def test_a_framework_reads_the_request(
    chain: Chain, runtime: str, framework: str, path: str
) -> None:
    client, target = client_of(chain, path, name_of(framework, runtime))
    answer = client.ask(target, "POST", JSON, b'{"text": "h\xc3\xa9"}').answer()
    assert answer.json() == {"echo": {"text": "hé"}, "ua": "tests"}
    assert (answer.get("content-type") or "").startswith("application/json")


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_api_streams_what_a_framework_writes(
    chain: Chain, api: Any, runtime: str, framework: str
) -> None:
    gate = chain.gate()
    asked = event_of_request(f"gate={gate.port}")
    with invoked(api, name_of(framework, runtime), asked, gate) as events:
        if framework != "lambda-stream":
            prelude = json.loads(events.until(bytes(8)))
            assert (prelude["statusCode"], len(prelude["cookies"])) == (201, 2)
        assert events.body(4) == b"one,"
        gate.open()
        assert events.body(4) == b"two,"
        gate.open()
        assert events.body(5) == b"three"
        gate.open()
        assert (events.rest(), events.complete) == (b"", {})


@pytest.mark.parametrize("path", PATHS)
def test_a_response_without_a_body_ends(chain: Chain, runtime: str, path: str) -> None:
    """Hono writes an empty chunk for it: otherwise the client would send no prelude."""
    client, target = client_of(chain, path, name_of("hono", runtime))
    answer = client.ask(target, "DELETE").answer()
    assert (answer.status, answer.body) == (204, b"")
