"""A function that yields inside a task group, as many do that have background work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from tests.html.streams.exchange import Exchange

from tailrace.html import EventStream, events, ndjson
from tailrace.html.reply import Reply

PIECE = "x" * 100_000
"""More than may wait for the client: the function is left at its yield."""


@pytest.mark.parametrize("decorate", [events, ndjson])
def test_a_task_group_around_a_yield_ends_quietly(
    decorate: object, caplog: pytest.LogCaptureFixture
) -> None:
    at_yield, ended = asyncio.Event(), []

    async def feed(stream: EventStream | Reply) -> AsyncIterator[str]:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(background())
            while True:
                asyncio.get_running_loop().call_soon(at_yield.set)
                yield PIECE

    async def background() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("background")

    async def main() -> None:
        async with Exchange(decorate(feed), is_slow=True) as exchange:  # type: ignore[operator]
            await at_yield.wait()
            exchange.leave()
            await asyncio.wait([exchange.task])
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())

    assert ended == ["background"]
    assert caplog.records == []
