"""A client that does not read: what waits for it is bounded, and nothing of the page is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

from tests.html.hosts.asgi_server import AsgiClient

from tailrace.html import Html, Page, page
from tailrace.html.limits import PAGE_WAITING_CHARS_MAX, PARTS_AT_ONCE_MAX

TURNS = 5_000
"""Of the event loop: far more than there are rows or parts that may be made meanwhile."""
ROW = "<tr>" + "x" * 96
PART = "y" * 16_384


class StoppedClient(AsgiClient):
    """Takes one chunk, and the others when it goes on."""

    def __init__(self) -> None:
        super().__init__()
        self.goes_on = asyncio.Event()

    async def send(self, message: dict[str, Any]) -> None:
        await super().send(message)
        await self.goes_on.wait()


async def made_meanwhile(
    function: Callable[[Page], Any], count: Callable[[], int]
) -> tuple[int, str]:
    """How much a page makes while its client does not read, and all that the client gets then."""
    client = StoppedClient()
    serving = asyncio.create_task(page(function)(client.scope, client.receive, client.send))
    for _ in range(TURNS):
        await asyncio.sleep(0)
    made = count()
    client.goes_on.set()
    await serving
    return made, client.text


def test_a_page_waits_for_its_client() -> None:
    yielded = 0

    async def rows(page: Page) -> AsyncIterator[Html]:
        nonlocal yielded
        for _ in range(10_000):
            yielded += 1
            yield Html(ROW)
            await asyncio.sleep(0)

    made, text = asyncio.run(made_meanwhile(rows, lambda: yielded))

    assert made * len(ROW) <= 2 * PAGE_WAITING_CHARS_MAX
    assert text.count(ROW) == 10_000


def test_parts_wait_for_their_client() -> None:
    """Each waits in its place, so no more of them are begun."""
    made = 0
    total = 4 * PARTS_AT_ONCE_MAX

    async def part() -> Html:
        nonlocal made
        made += 1
        return Html(PART)

    async def parts(page: Page) -> AsyncIterator[Html]:
        for _ in range(total):
            yield page.part(part)

    made_then, text = asyncio.run(made_meanwhile(parts, lambda: made))

    assert made_then <= PARTS_AT_ONCE_MAX + PAGE_WAITING_CHARS_MAX // len(PART) + 1
    assert text.count(PART) == total
