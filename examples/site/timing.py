"""Twenty chunks, 200 ms apart. Each has the time at which it was written; the browser compares it
with the time at which it arrived. A line that falls straight down was on time."""

import asyncio
import time
from datetime import UTC, datetime

from look import begin_demo

from tailrace.html import Html, page

CHUNK = Html('<li>{:%H:%M:%S.%f}<page-part written="{:.2f}"></page-part></li>\n')


@page
async def timing(page):
    yield begin_demo(page, "Twenty chunks", "trace.css", "trace.js")
    yield Html("<page-stream parts=20></page-stream>")
    yield Html("<noscript><p>arrival times need a script</p></noscript>")
    yield Html("<h2>Written at</h2><ol class=chunks>")
    for _ in range(20):
        yield CHUNK.format(datetime.now(UTC), time.time() * 1000)
        await asyncio.sleep(0.2)
    yield Html("</ol>")
