"""Flushes, where Lambda holds back what is small: in pauses, and now and then without one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

from tailrace.errors import FlushError
from tailrace.function.request import Request
from tailrace.function.stream import FLUSH
from tailrace.function.way import ResponseWay
from tailrace.html.reply import Reply
from tailrace.html.streams.json_text import json_encoder
from tailrace.html.streams.ndjson import LineFormat
from tailrace.html.streams.sending import send

HELD = ResponseWay(streams=True, stops_on_leave=False, holds_back=True)
EVENT = {
    "version": "2.0",
    "rawPath": "/",
    "rawQueryString": "",
    "headers": {},
    "requestContext": {"http": {"method": "GET", "path": "/", "protocol": "HTTP/1.1"}},
}


def items_of(function: Any, way: ResponseWay = HELD, heartbeat_s: float | None = None) -> Any:
    reply = Reply(Request(EVENT), way, "application/x-ndjson")
    return send(function, reply, LineFormat(json_encoder()), heartbeat_s)


def test_values_are_flushed_in_a_pause() -> None:
    async def main() -> None:
        go_on = asyncio.Event()

        async def values(reply: Any) -> AsyncIterator[int]:
            yield 1
            yield 2
            await go_on.wait()
            yield 3

        items = items_of(values)
        await anext(items)
        got = [await anext(items)]
        while got[-1] is not FLUSH:
            got.append(await anext(items))
        assert "".join(got[:-1]) == "1\n2\n"
        go_on.set()
        assert [item async for item in items] == ["3\n"]  # the end flushes

    asyncio.run(main())


def test_a_heartbeat_is_flushed() -> None:
    async def main() -> None:
        async def values(reply: Any) -> AsyncIterator[int]:
            await asyncio.Event().wait()
            yield 1

        items = items_of(values, heartbeat_s=0.001)
        got = [await anext(items) for _ in range(5)]
        assert got[1:] == [" ", FLUSH, " ", FLUSH]
        await items.aclose()

    asyncio.run(main())


def test_a_way_that_cannot_be_flushed_is_not_asked_again() -> None:
    async def main() -> None:
        async def values(reply: Any) -> AsyncIterator[int]:
            await asyncio.Event().wait()
            yield 1

        items = items_of(values, heartbeat_s=0.001)
        assert [await anext(items) for _ in range(3)][1:] == [" ", FLUSH]
        assert await items.athrow(FlushError("no padding")) == " "
        assert [await anext(items) for _ in range(3)] == [" ", " ", " "]
        await items.aclose()

    asyncio.run(main())


def test_a_way_that_holds_nothing_back_is_not_flushed() -> None:
    def values(reply: Any) -> Iterator[int]:
        yield from range(3)

    async def main() -> list[Any]:
        return [item async for item in items_of(values, ResponseWay())]

    assert FLUSH not in asyncio.run(main())
