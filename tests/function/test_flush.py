"""Flushing a response: what is padded on the native path, where, and what cannot be."""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from tests.function.handlers import KINDS, SMALL, Handler, handler_of
from tests.peers import Peer, Running
from tests.runtime_api import HTTP_EVENT, RuntimeLoop, StreamPost, error_in

from tailrace.function import (
    FLUSH,
    FlushCounts,
    FlushError,
    FlushPolicy,
    Head,
    ResponseStream,
    streamify_response,
)

SSE = Head(headers={"content-type": "text/event-stream"})
JSON = Head(headers={"content-type": "application/json"})
PNG = Head(headers={"content-type": "image/png"})


def pieces(stream: StreamPost) -> list[bytes]:
    """The pieces of a body, behind its head, to its end."""
    stream.read_response_head()
    found = []
    while piece := stream.read_piece():
        found.append(piece)
    assert stream.read_trailers() == {}
    stream.accept_response()
    return found


def sent(peer: Peer, handler: Handler, event: Any = HTTP_EVENT) -> list[bytes]:
    with RuntimeLoop(peer, handler) as runtime:
        return pieces(runtime.stream(event))


@pytest.fixture
def log() -> Iterator[list[str]]:
    """What the SDK logs."""
    lines: list[str] = []

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(f"{record.levelname} {record.getMessage()}")

    logger, handler = logging.getLogger("tailrace.function"), Lines()
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield lines
    logger.setLevel(logging.NOTSET)
    logger.removeHandler(handler)


# --- explicit ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_flush_sends_padding_behind_what_was_written(peer: Peer, kind: str) -> None:
    items = [SSE, "data: 1\n\n", FLUSH, FLUSH, "data: 2\n\n", "data: 3\n\n", FLUSH, "data: 4\n\n"]

    body = sent(peer, handler_of(kind, items))

    assert [len(piece) for piece in body] == [9, 100, 9, 9, 100, 9]
    assert [piece for piece in body if len(piece) == 9] == [
        b"data: %d\n\n" % number for number in (1, 2, 3, 4)
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_a_head_is_held_as_well(peer: Peer, kind: str) -> None:
    body = sent(peer, handler_of(kind, [SSE, FLUSH, FLUSH, "data: 1\n\n"]))

    assert [len(piece) for piece in body] == [100, 9]


@pytest.mark.parametrize("kind", KINDS)
def test_a_flush_waits_for_a_place_also_in_the_middle_of_a_write(
    peer: Peer, kind: str, log: list[str]
) -> None:
    items = [JSON, '["a', FLUSH, "b", FLUSH, 'c", 1', ", 2]"]

    body = sent(peer, handler_of(kind, items))

    assert body == [b'["a', b"b", b'c"', b" " * 100, b", 1", b", 2]"]
    assert log == ["INFO flushed: flushes=2 deferred=2 padded_bytes=100"]


def test_counts_are_there_for_who_writes(peer: Peer) -> None:
    seen: list[FlushCounts] = []

    @streamify_response(flush=SMALL)
    async def handler(event: Any, response: ResponseStream, context: Any) -> None:
        response.set_head(JSON)
        seen.append(response.flush_counts)
        for text in ('["a', "b", '"'):
            await response.write(text)
            await response.flush()
            seen.append(response.flush_counts)
        await response.write("]")
        await response.end()
        await response.flush()
        seen.append(response.flush_counts)

    sent(peer, handler)

    assert seen == [(0, 0, 0), (1, 1, 0), (2, 2, 0), (2, 2, 100), (2, 2, 100)]
    assert seen[-1].padded_bytes == 100


def test_the_default_pads_what_was_measured(peer: Peer) -> None:
    body = sent(peer, handler_of("generator", [SSE, "data: 1\n\n", FLUSH], None))

    assert sum(map(len, body)) == 9 + 100_000


def test_an_event_that_is_no_http_request_is_padded_in_the_format_of_its_body(peer: Peer) -> None:
    items = [Head(headers={"content-type": "application/x-ndjson"}), "{}\n", FLUSH, "{}\n"]

    with RuntimeLoop(peer, handler_of("generator", items)) as runtime:
        stream = runtime.stream({"prompt": "x"})
        body, _ = stream.read_body()
        stream.accept_response()

    assert len(body) == 106
    assert body.split() == [b"{}", b"{}"]


# --- what cannot be flushed ----------------------------------------------------------------------

UNFLUSHABLE = [
    ({"content-type": "image/png"}, "image/png has no padding; through the gateway any type can"),
    ({"content-type": "text/css"}, "text/css has no padding; .* by callback or in frames"),
    ({"content-type": "text/javascript; charset=utf-8"}, "text/javascript; .* has no padding; thr"),
    ({"content-type": "text/plain"}, r"text/plain has .*; FlushPolicy\(pads_text=True\) pads it"),
    ({"x": "y"}, "it has no content type; set one"),
    ({"content-type": "text/html", "Content-Length": "2"}, "its Content-Length promises what"),
    ({"content-type": "text/html", "content-encoding": "gzip"}, "its content-encoding promises"),
    ({"content-type": "text/html", "repr-digest": "x=:y:"}, "its repr-digest promises what its"),
]


@pytest.mark.parametrize(("headers", "message"), UNFLUSHABLE)
@pytest.mark.parametrize("kind", KINDS)
def test_where_nothing_may_be_added_a_flush_raises_and_nothing_is_lost(
    peer: Peer, kind: str, headers: dict[str, str], message: str
) -> None:
    """A handler that catches the error goes on; a generator may yield in answer to it."""
    errors: list[str] = []
    head = Head(headers=headers)

    def generate(event: Any, context: Any) -> Iterator[Any]:
        yield head
        yield "1"
        for chunk in ("2", "3"):
            try:
                yield FLUSH
            except FlushError as error:
                errors.append(str(error))
                yield chunk

    async def generate_async(event: Any, context: Any) -> AsyncIterator[Any]:
        yield head
        yield "1"
        for chunk in ("2", "3"):
            try:
                yield FLUSH
            except FlushError as error:
                errors.append(str(error))
                yield chunk

    async def write(event: Any, response: ResponseStream, context: Any) -> None:
        response.set_head(head)
        await response.flush()  # the head alone: as far as it goes
        await response.write("1")
        for chunk in ("2", "3"):
            try:
                await response.flush()
            except FlushError as error:
                errors.append(str(error))
            await response.write(chunk)

    functions: dict[str, Any] = {
        "generator": generate,
        "async generator": generate_async,
        "writer": write,
    }

    body = sent(peer, streamify_response(functions[kind], flush=SMALL))

    assert body == [b"1", b"2", b"3"]
    assert len(errors) == 2
    for error in errors:
        assert re.search(message, error)
        assert error.startswith("the response cannot be flushed on Lambda's native streaming")


@pytest.mark.parametrize("kind", KINDS)
def test_a_flush_error_that_nobody_catches_fails_the_response(
    peer: Peer, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with RuntimeLoop(peer, handler_of(kind, [PNG, b"1", FLUSH, b"2"])) as runtime:
        stream = runtime.stream()
        stream.read_response_head()
        body, trailers = stream.read_body()
        stream.accept_response()

    assert body == b"1"
    error_type, error = error_in(trailers)
    assert error_type == "Function.FlushError"
    assert "image/png has no padding; through the gateway" in error["errorMessage"]
    # At the line that asked for it.
    assert "yield" in error["stackTrace"][-1] or "response.flush()" in error["stackTrace"][-1]


@pytest.mark.parametrize("kind", ["generator", "async generator"])
def test_a_generator_may_end_for_a_flush_error(peer: Peer, kind: str) -> None:
    def generate(event: Any, context: Any) -> Iterator[Any]:
        yield PNG
        yield b"1"
        try:
            yield FLUSH
        except FlushError:
            return

    async def generate_async(event: Any, context: Any) -> AsyncIterator[Any]:
        yield PNG
        yield b"1"
        try:
            yield FLUSH
        except FlushError:
            return

    function: Any = generate if kind == "generator" else generate_async

    assert sent(peer, streamify_response(function)) == [b"1"]


def test_an_iterator_that_cannot_be_told_fails(
    peer: Peer, capsys: pytest.CaptureFixture[str]
) -> None:
    handler = streamify_response(lambda event, context: iter([PNG, b"1", FLUSH]))
    with RuntimeLoop(peer, handler) as runtime:
        stream = runtime.stream()
        stream.read_response_head()
        assert error_in(stream.read_body()[1])[0] == "Function.FlushError"
        stream.accept_response()


@pytest.mark.parametrize("when", ["every-write", "adaptive"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_policy_that_can_do_nothing_warns_once(
    peer: Peer, kind: str, when: Any, log: list[str]
) -> None:
    body = sent(peer, handler_of(kind, [PNG, b"1", b"2"], when))

    assert body == [b"1", b"2"]
    (line,) = log
    assert line.startswith(f'WARNING no "{when}" flush: the response cannot be flushed on Lambda')


def test_identity_is_no_content_coding(peer: Peer) -> None:
    head = Head(headers={"content-type": "text/event-stream", "content-encoding": "Identity"})

    body = sent(peer, handler_of("generator", [head, "data: 1\n\n", FLUSH]))

    assert [len(piece) for piece in body] == [9, 100]


def test_text_is_padded_when_its_policy_says_so(peer: Peer) -> None:
    text = Head(headers={"content-type": "text/plain"})
    policy = FlushPolicy(pad_bytes=100, pads_text=True)

    body = sent(peer, handler_of("generator", [text, "1\n", FLUSH, "2\n"], policy))

    assert [len(piece) for piece in body] == [2, 100, 2]
    assert b"".join(body).split() == [b"1", b"2"]


# --- every write ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_every_write_is_padded(peer: Peer, kind: str) -> None:
    policy = FlushPolicy("every-write", pad_bytes=100)
    items = [SSE, FLUSH, "data: 1\n\n", "data: 2\n\n", FLUSH]

    body = sent(peer, handler_of(kind, items, policy))

    assert [len(piece) for piece in body] == [100, 9, 100, 9, 100]


@pytest.mark.parametrize("when", ["every-write", "adaptive"])
def test_a_plain_result_is_not_padded(peer: Peer, when: Any, log: list[str]) -> None:
    """Its end lets it out."""
    handler = streamify_response(lambda event, context: {"a": 1}, flush=when)

    assert sent(peer, handler) == [b'{"a":1}']
    assert log == []


# --- nothing to do -------------------------------------------------------------------------------


@pytest.mark.parametrize("when", ["explicit", "every-write", "adaptive"])
@pytest.mark.parametrize(
    ("event", "head"),
    [
        ({"requestContext": {"http": {"method": "HEAD"}}}, SSE),
        (HTTP_EVENT, Head(204)),
        (HTTP_EVENT, Head(304, {"content-type": "text/html"})),
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_a_response_without_a_body_has_none(
    peer: Peer, kind: str, event: Any, head: Head, when: Any, log: list[str]
) -> None:
    assert sent(peer, handler_of(kind, [head, FLUSH, "dropped", FLUSH], when), event) == []
    assert log == []


@pytest.mark.parametrize("flush", ["explicit", "every-write", FlushPolicy("adaptive", 1, 1e-9)])
@pytest.mark.parametrize("kind", KINDS)
def test_a_callback_is_never_padded(peer: Peer, kind: str, flush: Any) -> None:
    items = [PNG, FLUSH, b"1", FLUSH, FLUSH, b"2", FLUSH]
    call = Running(handler_of(kind, items, flush), peer.event(), None)

    assert peer.accept_callback().serve() == (PNG, b"12")
    call.result()


@pytest.mark.parametrize("flush", ["explicit", "every-write", "adaptive"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_returned_response_is_never_padded(kind: str, flush: Any) -> None:
    handler = handler_of(kind, [SSE, FLUSH, "data: 1\n\n", FLUSH], flush)

    assert handler(HTTP_EVENT, None)["body"] == "data: 1\n\n"


# --- whose policy it is --------------------------------------------------------------------------


def test_a_writer_sets_the_policy_of_one_response(peer: Peer) -> None:
    errors: list[str] = []

    @streamify_response
    async def handler(event: Any, response: ResponseStream, context: Any) -> None:
        with pytest.raises(TypeError, match="or a FlushPolicy, not 1"):
            response.set_flush_policy(1)  # type: ignore[arg-type]
        response.set_flush_policy("adaptive")
        response.set_flush_policy(FlushPolicy("every-write", pad_bytes=100))
        response.set_head(SSE)
        await response.write("data: 1\n\n")
        try:
            response.set_flush_policy("explicit")
        except RuntimeError as error:
            errors.append(str(error))
        await response.write("data: 2\n\n")

    body = sent(peer, handler)

    assert [len(piece) for piece in body] == [9, 100, 9, 100]
    assert errors == [
        "the head (status 200) has gone out: it can be set only before the first chunk, flush"
        " or end"
    ]


@pytest.mark.parametrize(
    ("outer", "inner", "is_padded"),
    [
        (None, FlushPolicy("every-write", 100), True),
        (FlushPolicy("every-write", 100), None, True),
        ("explicit", FlushPolicy("every-write", 100), True),
        (FlushPolicy("every-write", 100), "explicit", False),
    ],
)
def test_who_takes_an_event_on_brings_its_policy_if_it_has_one(
    peer: Peer, outer: Any, inner: Any, is_padded: bool
) -> None:
    taking = handler_of("generator", [SSE, "data: 1\n\n"], inner)
    routing = streamify_response(lambda event, context: taking(event, context), flush=outer)

    body = sent(peer, routing)

    assert [len(piece) for piece in body] == ([100, 9, 100] if is_padded else [9])


@pytest.mark.parametrize("flush", ["often", 1, True])
def test_a_policy_that_is_none_is_refused_when_the_handler_is_decorated(flush: Any) -> None:
    with pytest.raises(TypeError, match=r"flush is .* or a FlushPolicy, not"):
        streamify_response(flush=flush)
