"""The front door: HTML that is on its way to the browser while it is being made.

front.html is cut at its `<!-- part -->` comments. Each part leaves with the time at which it
was written; trace.js compares that with the time at which it arrived.
"""

import asyncio
import html
import os
import shutil
import string
import time

from look import HERE, begin

from tailrace.html import Html, page

PARTS = [string.Template(part) for part in (HERE / "front.html").read_text().split("<!-- part -->")]
PAUSE_S = 0.2


@page
async def front(page):
    title = "tailrace: the response, while it is being made"
    yield begin(page, title, "trace.css", "front.css", "trace.js", "front.js")
    values = page_values(page.request)
    for number, part in enumerate(PARTS, start=1):
        yield Html(part.substitute(values, written=f"{time.time() * 1000:.2f}"))
        if number < len(PARTS):
            await asyncio.sleep(PAUSE_S)


def page_values(request):
    text = {
        "origin": f"{request.scheme}://{request.headers.get('host', request.host)}",
        "exchange": request.event["requestContext"]["requestId"],
        "process": str(os.getpid()),
        "parts": str(len(PARTS)),
    }
    return {name: html.escape(value) for name, value in text.items()} | SOURCES | {"node": NODE}


def source_of(path):
    """An example's code, to be shown beside its stream; deployed alone, the page has none."""
    file = HERE.parent / path
    return html.escape(file.read_text().rstrip()) if file.exists() else f"see examples/{path}"


SOURCES = {
    "lines_code": source_of("lines/app.py"),
    "tokens_code": source_of("tokens/app.py"),
    "fails_code": source_of("fails/app.py"),
    "node_code": source_of("node/app.mjs"),
}
NODE = "" if shutil.which("node") else "missing"
