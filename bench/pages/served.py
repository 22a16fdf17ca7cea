"""The page for the browser: its parts get done at the times of a plan.

`python -m bench.pages.served` serves it with uvicorn, and prints the port.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import time
from collections.abc import AsyncIterator
from typing import Any, Final

import uvicorn

from tailrace.html import Html, Page, page

PLAN_VARIABLE: Final = "TAILRACE_BENCH_PLAN"
FIRST_MS: Final = 100.0
"""When the first part is done, from the request."""
_CELL: Final = Html("<td>{}</td>")
_ROW: Final = Html("<tr>{}</tr>")
_TABLE: Final = Html(
    '<table data-ready="{}"><caption elementtiming="t{}">{}</caption><tbody>{}</tbody></table>'
)
_HEAD: Final = (
    '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"/><title>Sales</title>'
    '<link rel="icon" href="data:,"/><style>{style}</style><script>{script}</script></head><body>'
    "<main>"
)

plan: Final[dict[str, Any]] = json.loads(os.environ.get(PLAN_VARIABLE, "{}"))


@page
async def app(page: Page) -> AsyncIterator[Html]:
    """Serve the page; `parts` and `apart_ms` are in the query."""
    yield Html(_HEAD.replace("{style}", plan["style"]).replace("{script}", plan["script"]))
    ready = _released(int(page.query["parts"]), float(page.query["apart_ms"]))
    for number, future in ready.items():
        yield page.part(_table(number, future), placeholder=Html("<p>…</p>"))
    yield Html("</main></body></html>")


async def _table(number: int, ready: asyncio.Future[float]) -> Html:
    ready_ms = await ready
    table = plan["tables"][number]
    rows = [_ROW.format(Html("").join(map(_CELL.format, row))) for row in table["rows"]]
    return _TABLE.format(f"{ready_ms:.3f}", number, table["title"], Html("").join(rows))


def _released(parts: int, apart_ms: float) -> dict[int, asyncio.Future[float]]:
    """Futures of the first parts, which get done in the order of the plan."""
    loop = asyncio.get_running_loop()
    ready: dict[int, asyncio.Future[float]] = {n: loop.create_future() for n in range(parts)}
    order = [number for number in plan["order"] if number < parts]
    for turn, number in enumerate(order):
        loop.call_later((FIRST_MS + turn * apart_ms) / 1e3, _set_done, ready[number])
    return ready


def _set_done(future: asyncio.Future[float]) -> None:
    if not future.done():
        future.set_result(time.time() * 1e3)


def main() -> None:
    """Serve until the process is killed."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
        server.run([listener])


if __name__ == "__main__":
    main()
