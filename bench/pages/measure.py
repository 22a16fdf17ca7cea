"""CPU time and memory of the ways, in turn in one process, and the time of imports."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import time
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

from bench.function import PYTHON_VARIABLES
from bench.load import BenchError
from bench.pages import content, ways
from bench.report import Row
from tailrace.html import Html, Page, page

ROWS: Final = 10_000
TURNS: Final = 20
"""Turns of the event loop that a slow client takes for each write: the page goes on meanwhile."""
IMPORTS: Final = {
    "asyncio alone": "import asyncio",
    "a streamed handler of tailrace.function": "import asyncio, tailrace.function.handler",
    "a page of tailrace.html": "from tailrace.html import Html, page",
    "jinja2": "import jinja2",
    "starlette.responses": "import starlette.responses",
}
_IMPORT: Final = """\
import time
started_s = time.process_time()
{}
print((time.process_time() - started_s) * 1e3)
"""


async def check() -> None:
    """Raise if a way makes another page than Jinja2."""
    expected = ways.filled(await ways.generate_async())
    for name, way in ways.WAYS.items():
        if ways.filled(await way()) != expected:
            raise BenchError(f"{name}: not the page that Jinja2 makes")


async def cpu(row: Row, pages: int) -> None:
    """One run: milliseconds of a page, each way."""
    for name, way in ways.WAYS.items():
        gc.collect()
        started_s = time.process_time()
        for _ in range(pages):
            await way()
        row.add(name, (time.process_time() - started_s) / pages * 1e3)


async def memory(row: Row) -> None:
    """One run: the most memory that a response takes while it is made, in KB."""
    for name, respond in LONG.items():
        gc.collect()
        tracemalloc.start()
        await respond()
        row.add(name, tracemalloc.get_traced_memory()[1] / 1e3)
        tracemalloc.stop()


def imports(row: Row) -> None:
    """One run: milliseconds of CPU time of each import, in a fresh process."""
    for name, code in IMPORTS.items():
        _import_ms(code)  # compiles what is imported
        row.add(name, _import_ms(code))


def _import_ms(code: str) -> float:
    words = [sys.executable, "-c", _IMPORT.format(code)]
    variables = {"PATH": os.environ["PATH"]} | PYTHON_VARIABLES
    return float(subprocess.run(words, env=variables, capture_output=True, check=True).stdout)


@page
async def rows(page: Page) -> AsyncIterator[Html]:
    yield content.HEAD
    for number in range(ROWS):
        yield _row(number)
    yield content.FOOT


@page
async def parts(page: Page) -> AsyncIterator[Html]:
    yield content.HEAD
    for number in range(ROWS // content.ROWS):
        yield page.part(content.by_format(number % content.PARTS))
    yield content.FOOT


async def _slowly(app: ways.App) -> None:
    async def read(chunk: bytes) -> None:
        for _ in range(TURNS):
            await asyncio.sleep(0)

    await ways.respond(app, read)


async def _joined() -> None:
    pieces = [content.HEAD, *map(_row, range(ROWS)), content.FOOT]
    "".join(pieces).encode()


def _row(number: int) -> Html:
    sale = content.TABLES[number % content.PARTS].rows[number % content.ROWS]
    return content.ROW.format(number, sale.name, sale.city, sale.amount)


LONG: Final[dict[str, Callable[[], Awaitable[None]]]] = {
    f"{ROWS:,} rows, a slow client": lambda: _slowly(rows),
    f"{ROWS // content.ROWS} parts of {content.ROWS} rows, a slow client": lambda: _slowly(parts),
    f"{ROWS:,} rows as one text": _joined,
}
