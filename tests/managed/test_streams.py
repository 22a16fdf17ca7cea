"""In AWS's managed runtime: with the layer a response streams natively, without it is whole."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.chain import Chain
from tests.managed.served import WRAPPER, ManagedFunction, serving_managed

GENERATOR = """
from gate import Gate
from tailrace.function import streamify_response

@streamify_response
def handler(event, context):
    with Gate(event) as gate:
        yield "one\\n"
        gate.wait()
        yield "two\\n"
        gate.tell("two is out")
        gate.wait()
        yield "six\\n"
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, layer: Path) -> Iterator[Chain]:
    files = {"app.py": GENERATOR}
    functions = {
        "generator": ManagedFunction(files, layer, WRAPPER),
        "generator-whole": ManagedFunction(files, layer, invoke_mode="BUFFERED"),
    }
    with serving_managed(tmp_path_factory.mktemp("streams"), functions) as chain:
        yield chain


@pytest.mark.parametrize("name", ["generator"])
def test_a_chunk_is_at_the_client_before_the_next_is_made(served: Chain, name: str) -> None:
    gate = served.gate()
    client = served.client(served.function_url(name)).ask(f"/?gate={gate.port}")

    assert client.head().status == 200
    assert client.body(4) == b"one\n"
    assert not client.has_more
    gate.open()
    assert client.body(4) == b"two\n"
    gate.open()
    assert client.rest() == b"six\n"


@pytest.mark.parametrize("name", ["generator-whole"])
def test_without_the_wrapper_the_response_is_whole(served: Chain, name: str) -> None:
    """Under AWS's own runtime client, with the SDK of the same layer."""
    gate = served.gate()
    client = served.client(served.function_url(name)).ask(f"/?gate={gate.port}")

    gate.open()
    assert gate.line() == "two is out"
    assert not client.has_more
    gate.open()
    answer = client.answer()
    assert (answer.status, answer.body) == (200, b"one\ntwo\nsix\n")
