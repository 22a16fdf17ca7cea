"""Clients that we have not written get exactly the events that were sent."""

from __future__ import annotations

import asyncio
import base64
import json
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import httpx_sse
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.html.streams.exchange import body_of
from tests.html.streams.fuzz import EVENTS, Received, same
from tests.walk import NODE_MODULES

from tailrace.html import ServerEvent, events

SCRIPT = Path(__file__).parents[2] / "node" / "event_parser.mjs"


def feed_of(made: list[ServerEvent], **options: Any) -> Any:
    @events(**options)
    async def feed(stream: Any) -> AsyncIterator[ServerEvent]:
        for event in made:
            yield event

    return feed


@given(st.lists(EVENTS, max_size=8))
def test_httpx_sse(made: list[ServerEvent]) -> None:
    async def ask() -> list[httpx_sse.ServerSentEvent]:
        transport = httpx.ASGITransport(feed_of(made, retry_ms=5))
        async with (
            httpx.AsyncClient(transport=transport, base_url="http://test") as client,
            httpx_sse.aconnect_sse(client, "GET", "/") as source,
        ):
            return [event async for event in source.aiter_sse()]

    received = asyncio.run(ask())

    assert received[0].retry == 5
    same([Received(each.event, each.data, each.id) for each in received], made)


def test_httpx_sse_takes_no_heartbeat_for_an_event() -> None:
    """Behind an id, it dispatches an event at every blank line."""

    async def ask() -> list[str]:
        opened, beats = asyncio.Event(), 0

        @events(heartbeat_s=0.001)
        async def feed(stream: Any) -> AsyncIterator[ServerEvent]:
            yield ServerEvent("one", id=1)
            await opened.wait()
            yield ServerEvent("two", id=2)

        async def app(scope: Any, receive: Any, send: Any) -> None:
            async def counted(message: Any) -> None:
                nonlocal beats
                beats += message.get("body") == b":\n"
                if beats == 3:
                    opened.set()
                await send(message)

            await feed(scope, receive, counted)

        transport = httpx.ASGITransport(app)
        async with (
            httpx.AsyncClient(transport=transport, base_url="http://test") as client,
            httpx_sse.aconnect_sse(client, "GET", "/") as source,
        ):
            return [event.data async for event in source.aiter_sse()]

    assert asyncio.run(ask()) == ["one", "two", "{}"]


@pytest.fixture(scope="module")
def parser() -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        ["node", SCRIPT, NODE_MODULES / "node_modules"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


@given(st.lists(EVENTS, max_size=8), st.integers(1, 50))
def test_eventsource_parser(
    parser: subprocess.Popen[str], made: list[ServerEvent], size: int
) -> None:
    body = body_of(feed_of(made, retry_ms=5)).encode()
    size = max(size, len(body) // 1000)
    pieces = [base64.b64encode(body[i : i + size]).decode() for i in range(0, len(body), size)]
    assert parser.stdin is not None
    assert parser.stdout is not None
    parser.stdin.write(json.dumps(pieces) + "\n")
    parser.stdin.flush()

    told = json.loads(parser.stdout.readline())

    assert (told["wrong"], told["retries"]) == (None, [5])
    last_id, received = "", []
    for each in told["events"]:  # it leaves the last id to its caller
        last_id = last_id if each["id"] is None else each["id"]
        received.append(Received(each["event"] or "message", each["data"], last_id))
    same(received, made)
