"""Streamed pages and events: with nothing but the browser, on every path.

    from tailrace.html import Html, page

    @page
    async def report(page):
        return Html("<!doctype html><title>Report</title><h1>Sales</h1>{}").format(
            page.part(sales(), placeholder="adding up …")
        )

    handler = report.handler  # on Lambda; `report` itself is an ASGI app

Standard library only, but for `hosts.starlette`.
"""

from __future__ import annotations

from tailrace.html.page_endpoint import page
from tailrace.html.pages import Page
from tailrace.html.progress.bar import Progress
from tailrace.html.safe import Html
from tailrace.html.streams.events import events
from tailrace.html.streams.json_array import json_array
from tailrace.html.streams.ndjson import ndjson
from tailrace.html.streams.server_event import ServerEvent
from tailrace.html.streams.tokens import tokens

__all__ = [
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
