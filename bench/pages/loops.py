"""What a turn of a loop costs: progress beside the loop alone, and events beside a response that is
written by hand."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, Final

from bench.pages import ways
from bench.report import Row
from tailrace.html import Page, events, page

ASYNC: Final = "async for over page.progress"
SYNC: Final = "for over page.progress, in a thread"
BY_HAND: Final = "f-strings, each sent at once"
EVENTS: Final = "tailrace, @events"
_ALONE: Final = "the loop alone"
_EVENT: Final = {"token": "streamed", "index": 7}
_HEADERS: Final = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-store")]


def new_rows() -> list[Row]:
    """A row for each measurement."""
    return [
        Row("turn", "CPU of a turn of a loop that does nothing", "ns"),
        Row("progress", "  what progress adds", "ns"),
        Row("sent", "  bytes of the page", "KB"),
        Row("event", "CPU of an event under ASGI", "µs"),
    ]


async def measure_progress(rows: Mapping[str, Row], turns: int) -> None:
    """One run: each loop, in a page of its own."""
    started_s = time.process_time()
    for _ in range(turns):
        pass
    alone_ns = (time.process_time() - started_s) / turns * 1e9
    rows["turn"].add(_ALONE, alone_ns)
    used_s = 0.0

    async def counted_async(page: Page) -> AsyncIterator[str]:
        nonlocal used_s
        started_s = time.process_time()
        async for _ in page.progress(range(turns)):
            pass
        used_s = time.process_time() - started_s
        yield ""

    def counted(page: Page) -> Iterator[str]:
        nonlocal used_s
        started_s = time.process_time()
        for _ in page.progress(range(turns)):
            pass
        used_s = time.process_time() - started_s
        yield ""

    for name, function in ((ASYNC, counted_async), (SYNC, counted)):
        response = await ways.response_of(page(function))
        each_ns = used_s / turns * 1e9
        rows["turn"].add(name, each_ns)
        rows["progress"].add(name, each_ns - alone_ns)
        rows["sent"].add(name, len(response) / 1e3)


async def measure_events(row: Row, count: int) -> None:
    """One run: responses of so many events."""

    @events
    async def by_tailrace(stream: Any) -> AsyncIterator[Any]:
        for _ in range(count):
            yield _EVENT

    async def by_hand(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        for _ in range(count):
            body = f"data: {json.dumps(_EVENT)}\n\n".encode()
            await send({"type": "http.response.body", "body": body, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    for name, app in ((EVENTS, by_tailrace), (BY_HAND, by_hand)):
        started_s = time.process_time()
        await ways.response_of(app)
        row.add(name, (time.process_time() - started_s) / count * 1e6)
