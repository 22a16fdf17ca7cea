"""Streamed pages and events: with nothing but the browser, on every path.

    from tailrace.html import Html, page

    @page
    async def report(page):
        return Html("<!doctype html><title>Report</title><h1>Sales</h1>{}").format(
            page.part(sales(), placeholder="adding up …")
        )

    handler = report.handler  # on Lambda; `report` itself is an ASGI app

Standard library only, but for `hosts.starlette`. The module of a public name is imported with the
name: a function that has a page and no events starts without theirs.
"""

from __future__ import annotations

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from typing import Any, Final

    from tailrace.html.page_endpoint import page
    from tailrace.html.pages import Page
    from tailrace.html.progress.bar import Progress
    from tailrace.html.safe import Html
    from tailrace.html.streams.event_stream import EventStream
    from tailrace.html.streams.events import events
    from tailrace.html.streams.json_array import json_array
    from tailrace.html.streams.ndjson import ndjson
    from tailrace.html.streams.server_event import ServerEvent
    from tailrace.html.streams.tokens import tokens

__all__ = [
    "EventStream",
    "Html",
    "Page",
    "Progress",
    "ServerEvent",
    "events",
    "json_array",
    "ndjson",
    "page",
    "tokens",
]

_HOMES: Final = {
    "EventStream": "tailrace.html.streams.event_stream",
    "Html": "tailrace.html.safe",
    "Page": "tailrace.html.pages",
    "Progress": "tailrace.html.progress.bar",
    "ServerEvent": "tailrace.html.streams.server_event",
    "events": "tailrace.html.streams.events",
    "json_array": "tailrace.html.streams.json_array",
    "ndjson": "tailrace.html.streams.ndjson",
    "page": "tailrace.html.page_endpoint",
    "tokens": "tailrace.html.streams.tokens",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(__import__(home, fromlist=[name]), name)
    globals()[name] = value
    return value
