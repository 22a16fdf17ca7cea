"""AWS's own runtimes for Node.js behind Function URLs of both modes.

The handlers are in tests/node/shapes.mjs; what is expected is what Lambda documents, or what others
have recorded of it.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.e2e.chain import Chain, until
from tests.e2e.client import Client
from tests.fakes import Broken, Response
from tests.node.runtimes import (
    Kind,
    assert_slows_its_function,
    name_of,
    query,
    serving_kinds,
)

KINDS = {
    "stream": Kind("shapes.stream"),
    "collected": Kind("shapes.stream", invoke_mode="BUFFERED"),
    "buffered": Kind("shapes.buffered", invoke_mode="BUFFERED"),
    "envelope": Kind("shapes.buffered"),
    "hasty": Kind("shapes.stream", timeout_s=1.0),
    "missing": Kind("shapes.missing"),
    "in-js": Kind(
        "shapes.stream", environment={"AWS_LAMBDA_NODEJS_USE_ALTERNATIVE_CLIENT_1": "true"}
    ),
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    with serving_kinds(tmp_path_factory.mktemp("node"), KINDS) as chain:
        chain.failures_expected = True
        yield chain


def ask(chain: Chain, kind: str, runtime: str, shape: str, **asked: object) -> Client:
    """A client that has sent a request to a function's URL."""
    client = chain.client(chain.function_url(name_of(kind, runtime)))
    return client.ask(f"/?{query(shape, **asked)}")


def assert_prelude(head: Response) -> None:
    """The head is what the handler gave to HttpResponseStream.from()."""
    assert head.status == 201
    assert head.all("content-type") == ["text/plain; charset=utf-8"]
    assert head.get("x-shape") == "yes"
    assert head.all("set-cookie") == ["a=1; Path=/", "b=2; HttpOnly"]


def assert_502(answer: Response) -> None:
    """Lambda's own answer, complete, which says nothing of the reason."""
    assert (answer.status, answer.body) == (502, b"Internal Server Error")
    assert answer.get("x-amzn-errortype") == "InternalServerErrorException"


# --- RESPONSE_STREAM ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "size", "count"),
    [("stream", 1, 20), ("stream", 1_000_000, 4), ("in-js", 1, 3)],
    ids=["1-byte", "1-MB", "nodes-own-http"],
)
def test_a_url_streams_each_chunk_before_the_next(
    chain: Chain, runtime: str, kind: str, size: int, count: int
) -> None:
    gate = chain.gate()
    client = ask(chain, kind, runtime, "chunks", gate=gate.port, size=size, count=count)
    gate.open()
    assert_prelude(client.head())  # with the first chunk: the official client sends them together
    for number in range(count):
        if number:
            gate.open()
        assert client.body(size) == bytes([65 + number]) * size
        assert not client.has_more
    gate.open()
    assert client.rest() == b""


def test_a_client_that_does_not_read_slows_the_function(chain: Chain, runtime: str) -> None:
    gate = chain.gate()
    name = name_of("stream", runtime)
    client = chain.client(chain.function_url(name), receive_bytes=65_536)
    client.ask(f"/?{query('blocks', gate=gate.port)}")
    assert_slows_its_function(chain, name, client, gate)


def test_a_url_streams_what_has_a_content_type_only(chain: Chain, runtime: str) -> None:
    gate = chain.gate()
    client = ask(chain, "stream", runtime, "typed", gate=gate.port)
    head = client.head()
    assert (head.status, head.get("content-type")) == (200, "text/event-stream")
    assert client.body(9) == b"data: 1\n\n"
    gate.open()
    assert client.rest() == b"data: 2\n\n"


def test_a_url_streams_json_lines_one_by_one(chain: Chain, runtime: str) -> None:
    """With their content type: a Function URL sees it, and does not look into the bytes."""
    gate = chain.gate()
    client = ask(chain, "stream", runtime, "lines", gate=gate.port)
    for number in range(4):
        gate.open()
        if not number:
            head = client.head()
            assert (head.status, head.get("content-type")) == (200, "application/x-ndjson")
        line = b'{"i":%d}\n' % number
        assert client.body(len(line)) == line
        assert not client.has_more
    gate.open()
    assert client.rest() == b""


@pytest.mark.parametrize(("shape", "body"), [("untyped", b"bytes"), ("object", b'{"n":1}')])
def test_a_url_takes_a_stream_without_a_type_for_bytes(
    chain: Chain, runtime: str, shape: str, body: bytes
) -> None:
    answer = ask(chain, "stream", runtime, shape).answer()
    assert (answer.status, answer.get("content-type")) == (200, "application/octet-stream")
    assert answer.body == body


@pytest.mark.parametrize("shape", ["throws_first", "throws_after_from"])
def test_a_handler_that_throws_before_its_first_write_is_502(
    chain: Chain, runtime: str, shape: str
) -> None:
    assert_502(ask(chain, "stream", runtime, shape).answer())


def test_a_handler_that_throws_after_its_first_write_ends_cleanly(
    chain: Chain, runtime: str
) -> None:
    """As recorded of Lambda: the client cannot tell. The log can."""
    gate = chain.gate()
    client = ask(chain, "stream", runtime, "throws_after_write", gate=gate.port)
    assert_prelude(client.head())
    assert client.body(4) == b"one,"
    gate.open()
    assert client.rest() == b""
    until(lambda: "the response failed after its first byte" in chain.output, "the log")


def test_a_content_type_that_comes_too_late_ends_the_stream(chain: Chain, runtime: str) -> None:
    answer = ask(chain, "stream", runtime, "types_too_late").answer()
    assert (answer.status, answer.body) == (200, b"one,")
    until(lambda: "Runtime.InvalidStreamingOperation" in chain.output, "the log")


@pytest.mark.parametrize("shape", ["from_end", "from_end_with_text"])
def test_from_without_a_write_has_no_prelude_and_is_502(
    chain: Chain, runtime: str, shape: str
) -> None:
    """The official client sends the prelude with the first write() only."""
    assert_502(ask(chain, "stream", runtime, shape).answer())


def test_from_and_an_empty_write_is_an_empty_body(chain: Chain, runtime: str) -> None:
    client = ask(chain, "stream", runtime, "from_write_nothing_end")
    assert_prelude(client.head())
    assert client.rest() == b""


def test_a_handler_that_never_ends_is_broken_off_at_the_time_out(
    chain: Chain, runtime: str
) -> None:
    client = ask(chain, "hasty", runtime, "never_ends")
    assert_prelude(client.head())
    assert client.body(4) == b"one,"
    with pytest.raises(Broken):
        client.rest()


def test_a_handler_that_never_writes_is_502_at_the_time_out(chain: Chain, runtime: str) -> None:
    assert_502(ask(chain, "hasty", runtime, "never_writes").answer())


def test_a_stream_that_is_destroyed_is_broken_off(chain: Chain, runtime: str) -> None:
    gate = chain.gate()
    client = ask(chain, "stream", runtime, "destroys", gate=gate.port)
    assert_prelude(client.head())
    assert client.body(4) == b"one,"
    gate.open()
    with pytest.raises(Broken):
        client.rest()


def test_a_function_without_its_handler_is_502(chain: Chain, runtime: str) -> None:
    assert_502(ask(chain, "missing", runtime, "any").answer())


def test_a_buffered_handler_behind_a_streaming_url_shows_its_envelope(
    chain: Chain, runtime: str
) -> None:
    answer = ask(chain, "envelope", runtime, "any").answer()
    assert (answer.status, answer.get("content-type")) == (200, "application/json")
    assert answer.json()["statusCode"] == 201
    assert answer.json()["body"] == "one,two"


# --- BUFFERED -------------------------------------------------------------------------------------


def test_a_buffered_url_answers_a_buffered_handler(chain: Chain, runtime: str) -> None:
    answer = ask(chain, "buffered", runtime, "any").answer()
    assert_prelude(answer)
    assert (answer.get("content-length"), answer.body) == ("7", b"one,two")


def test_a_buffered_url_answers_502_for_a_handler_that_throws(chain: Chain, runtime: str) -> None:
    assert_502(ask(chain, "buffered", runtime, "throws_first").answer())


def test_a_buffered_url_collects_a_stream(chain: Chain, runtime: str) -> None:
    answer = ask(chain, "collected", runtime, "chunks", size=2, count=3).answer()
    assert_prelude(answer)
    assert (answer.get("content-length"), answer.body) == ("6", b"AABBCC")


def test_a_buffered_url_collects_what_has_a_content_type_only(chain: Chain, runtime: str) -> None:
    answer = ask(chain, "collected", runtime, "typed").answer()
    assert (answer.status, answer.get("content-type")) == (200, "text/event-stream")
    assert answer.body == b"data: 1\n\ndata: 2\n\n"


@pytest.mark.parametrize("shape", ["throws_first", "throws_after_write", "from_end"])
def test_a_buffered_url_answers_502_for_a_stream_that_fails(
    chain: Chain, runtime: str, shape: str
) -> None:
    assert_502(ask(chain, "collected", runtime, shape).answer())
