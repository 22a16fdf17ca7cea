"""Flushing a response: what is padded on the native path, where, and what cannot be."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from tests.peers import Peer
from tests.runtime_api import RuntimeLoop, StreamPost

from tailrace.function import (
    FLUSH,
    FlushPolicy,
    Head,
    ResponseStream,
    streamify_response,
)

KINDS = ["generator", "async generator", "writer"]
SSE = Head(headers={"content-type": "text/event-stream"})
JSON = Head(headers={"content-type": "application/json"})
PNG = Head(headers={"content-type": "image/png"})
SMALL = FlushPolicy(pad_bytes=100)
Handler = Callable[[Any, Any], Any]


def handler_of(kind: str, items: list[Any], flush: Any = SMALL) -> Handler:
    """A handler of a kind that sends items, FLUSH among them."""

    def generate(event: Any, context: Any) -> Iterator[Any]:
        yield from items

    async def generate_async(event: Any, context: Any) -> AsyncIterator[Any]:
        for item in items:
            yield item

    async def write(event: Any, response: ResponseStream, context: Any) -> None:
        for item in items:
            if isinstance(item, Head):
                response.set_head(item)
            elif item is FLUSH:
                await response.flush()
            else:
                await response.write(item)

    functions: dict[str, Any] = {
        "generator": generate,
        "async generator": generate_async,
        "writer": write,
    }
    return streamify_response(functions[kind], flush=flush)


def pieces(stream: StreamPost) -> list[bytes]:
    """The pieces of a body, behind its head, to its end."""
    stream.read_response_head()
    found = []
    while piece := stream.read_piece():
        found.append(piece)
    assert stream.read_trailers() == {}
    stream.accept_response()
    return found


def sent(peer: Peer, handler: Handler, event: Any = None) -> list[bytes]:
    with RuntimeLoop(peer, handler) as runtime:
        stream = runtime.stream(event) if event else runtime.stream()
        return pieces(stream)


# --- explicit ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_flush_sends_padding_behind_what_was_written(peer: Peer, kind: str) -> None:
    items = [SSE, "data: 1\n\n", FLUSH, FLUSH, "data: 2\n\n", "data: 3\n\n", FLUSH, "data: 4\n\n"]

    body = sent(peer, handler_of(kind, items))

    assert [len(piece) for piece in body] == [9, 100, 9, 9, 100, 9]
    assert [piece for piece in body if len(piece) == 9] == [
        b"data: %d\n\n" % number for number in (1, 2, 3, 4)
    ]
