"""AWS's own runtimes for Node.js behind the gateway, on both transports.

With `transport = "response-stream"` the handlers are those of a Function URL; with callbacks, the
handler calls the gateway back itself. What an event stream tells of a failure reaches the client:
a response that is not complete is broken off, where a Function URL would end it cleanly.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.e2e.chain import Chain
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
    "buffered": Kind("shapes.buffered"),
    "hasty": Kind("shapes.stream", timeout_s=1.0),
    "callback": Kind("callback.handler", transport="callback"),
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    with serving_kinds(tmp_path_factory.mktemp("node"), KINDS) as chain:
        chain.failures_expected = True
        yield chain


def ask(chain: Chain, kind: str, runtime: str, shape: str, **asked: object) -> Client:
    """A client of the gateway that has sent a request."""
    return chain.ask(f"/{name_of(kind, runtime)}/?{query(shape, **asked)}")


def assert_prelude(head: Response) -> None:
    """The head is what the handler gave to HttpResponseStream.from()."""
    assert (head.status, head.get("x-shape")) == (201, "yes")
    assert head.all("content-type") == ["text/plain; charset=utf-8"]
    assert head.all("set-cookie") == ["a=1; Path=/", "b=2; HttpOnly"]


def assert_502(answer: Response) -> None:
    """A complete answer of the gateway, which says nothing of the reason."""
    assert answer.status == 502
    assert b"secret" not in answer.body


@pytest.mark.parametrize(("size", "count"), [(1, 20), (1_000_000, 4)], ids=["1-byte", "1-MB"])
@pytest.mark.parametrize("kind", ["stream", "callback"])
def test_a_route_streams_each_chunk_before_the_next(
    chain: Chain, runtime: str, kind: str, size: int, count: int
) -> None:
    gate = chain.gate()
    client = ask(chain, kind, runtime, "chunks", gate=gate.port, size=size, count=count)
    gate.open()
    head = client.head()
    assert head.status == 201
    if kind == "stream":
        assert_prelude(head)
    for number in range(count):
        if number:
            gate.open()
        assert client.body(size) == bytes([65 + number]) * size
        assert not client.has_more
    gate.open()
    assert client.rest() == b""


def test_json_lines_without_a_prelude_arrive_one_by_one(chain: Chain, runtime: str) -> None:
    """Each is written only when its client has the one before; a warning says what is missing."""
    gate = chain.gate()
    client = ask(chain, "stream", runtime, "lines", gate=gate.port)

    for number in range(4):
        gate.open()
        if not number:
            head = client.head()
            assert (head.status, head.get("content-type")) == (200, "application/octet-stream")
        line = b'{"i":%d}\n' % number
        assert client.body(len(line)) == line
        assert not client.has_more
    gate.open()
    assert client.rest() == b""

    warning = f"function={name_of('stream', runtime)} no_prelude=1: the stream has no prelude"
    assert warning in chain.log.text()


def test_a_client_that_does_not_read_slows_the_function(chain: Chain, runtime: str) -> None:
    gate = chain.gate()
    client, name = chain.client(receive_bytes=65_536), name_of("stream", runtime)
    client.ask(f"/{name}/?{query('blocks', gate=gate.port)}")
    assert_slows_its_function(chain, name, client, gate)


def test_a_stream_without_a_prelude_is_bytes(chain: Chain, runtime: str) -> None:
    """Its content type is not in the events of InvokeWithResponseStream."""
    gate = chain.gate()
    client = ask(chain, "stream", runtime, "typed", gate=gate.port)
    head = client.head()
    assert (head.status, head.get("content-type")) == (200, "application/octet-stream")
    assert client.body(9) == b"data: 1\n\n"
    gate.open()
    assert client.rest() == b"data: 2\n\n"


@pytest.mark.parametrize(
    ("shape", "content_type", "body"),
    [
        ("untyped", "application/octet-stream", b"bytes"),
        ("object", "application/json", b'{"n":1}'),
        ("from_end_with_text", "application/octet-stream", b"no prelude"),
    ],
)
def test_a_stream_without_a_prelude_is_a_whole_result(
    chain: Chain, runtime: str, shape: str, content_type: str, body: bytes
) -> None:
    answer = ask(chain, "stream", runtime, shape).answer()
    assert (answer.status, answer.get("content-type")) == (200, content_type)
    assert answer.body == body


def test_a_route_answers_what_a_handler_returns_whole(chain: Chain, runtime: str) -> None:
    answer = ask(chain, "buffered", runtime, "any").answer()
    assert_prelude(answer)
    assert answer.body == b"one,two"


def test_from_and_an_empty_write_is_an_empty_body(chain: Chain, runtime: str) -> None:
    client = ask(chain, "stream", runtime, "from_write_nothing_end")
    assert_prelude(client.head())
    assert client.rest() == b""


@pytest.mark.parametrize(
    ("kind", "shape"),
    [
        ("stream", "throws_first"),
        ("stream", "throws_after_from"),
        ("buffered", "throws_first"),
        ("hasty", "never_writes"),
        ("stream", "from_end"),
    ],
)
def test_what_fails_before_its_first_write_is_502(
    chain: Chain, runtime: str, kind: str, shape: str
) -> None:
    assert_502(ask(chain, kind, runtime, shape).answer())


@pytest.mark.parametrize("shape", ["throws_after_write", "destroys"])
def test_what_fails_after_its_first_write_is_broken_off(
    chain: Chain, runtime: str, shape: str
) -> None:
    gate = chain.gate()
    client = ask(chain, "stream", runtime, shape, gate=gate.port)
    assert_prelude(client.head())
    assert client.body(4) == b"one,"
    gate.open()
    with pytest.raises(Broken) as broken:
        client.rest()
    assert broken.value.received == b""


def test_a_handler_that_never_ends_is_broken_off_at_the_time_out(
    chain: Chain, runtime: str
) -> None:
    client = ask(chain, "hasty", runtime, "never_ends")
    assert_prelude(client.head())
    assert client.body(4) == b"one,"
    with pytest.raises(Broken):
        client.rest()
