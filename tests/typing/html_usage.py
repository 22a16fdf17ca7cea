"""Pages and events as users write them, as mypy --strict must accept them. Nothing here is run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any, assert_type

from starlette.requests import Request
from starlette.responses import Response

from tailrace.function import StreamifiedHandler
from tailrace.html import (
    EventStream,
    Html,
    Page,
    Progress,
    events,
    json_array,
    ndjson,
    page,
    tokens,
)


@page
async def rows(page: Page, region: str) -> AsyncIterator[object]:
    """A loop gives what its rows are."""
    async for number in page.progress([1, 2], label="Rows"):
        assert_type(number, int)
    async for name in page.steps(["Fetch", "Check"]):
        assert_type(name, str)
    bar = page.progress(total=9)
    with bar as entered:
        assert_type(entered, Progress[Any])
    with page.steps(["Fetch"]) as steps:
        steps.next()
    yield Html("<p>{}</p>").format(region)
    yield page.part(region, placeholder="…", fallback=None)


@page(in_order=True)
def plain(page: Page) -> Html:
    """A function that is not async."""
    for name in page.progress(["a"]):
        assert_type(name, str)
    return Html("<p>")


@page
async def untyped(page):  # type: ignore[no-untyped-def]
    """What has no types may be anything."""


@events
async def chat(stream: EventStream) -> AsyncIterator[object]:
    """A text, piece by piece."""
    async for piece in tokens(["a"], coalesce_s=0.1):
        assert_type(piece, str)
        yield {"token": piece}


@events(heartbeat_s=5, default=str)
async def feed(stream: EventStream, topic: str) -> AsyncIterator[object]:
    """An endpoint with an argument."""
    yield topic


@ndjson
def lines(reply: Any, begin: int) -> Iterator[object]:
    """Lines of JSON."""
    yield begin


@json_array(default=str)
async def array(reply: Any) -> AsyncIterator[object]:
    """One array."""
    yield 1


async def routes(request: Request) -> Response:
    """Arguments of `response` are those of the function."""
    untyped.response()
    plain.response()
    array.response()
    chat.response()
    feed.response(topic="a")
    lines.response(1)
    rows.response(1)  # type: ignore[arg-type]
    rows.response()  # type: ignore[call-arg]
    return rows.response("north")


@page  # type: ignore[arg-type]
async def wrong(stream: EventStream) -> None:
    """A page function takes a page."""


assert_type(rows.handler, StreamifiedHandler[Any])
