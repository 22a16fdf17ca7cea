"""Plays pages without a server, and does with a page what a browser does with its fills."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any

from tailrace.function.request import Request
from tailrace.function.stream import FLUSH
from tailrace.function.way import ResponseWay
from tailrace.html import Page
from tailrace.html.render import render
from tailrace.wire.integration import Head

EVENT = {
    "version": "2.0",
    "rawPath": "/",
    "rawQueryString": "",
    "headers": {"host": "localhost"},
    "requestContext": {"http": {"method": "GET", "path": "/"}},
}
PATIENCE_S = 20.0
OWN = re.compile(r"<(script|style) nonce.*?</\1>", re.DOTALL)
FILL = re.compile(r'<template for="(p[0-9]+)">(.*?)</template>', re.DOTALL)


def new_page(way: ResponseWay = ResponseWay(), **options: Any) -> Page:  # noqa: B008 - a tuple
    return Page(Request(EVENT), way, **options)


class Play:
    """One page that is rendered: its head and the text so far."""

    def __init__(self, function: Callable[..., Any], page: Page | None = None) -> None:
        self.page = page or new_page()
        self.items: Any = render(function, self.page)
        self.head: Head | None = None
        self.pieces: list[str] = []
        self.flushes = 0

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    @property
    def order(self) -> list[str]:
        """The parts that have been filled, in order."""
        return [name for name, _ in FILL.findall(self.text)]

    async def take(self) -> str | None:
        """The next text; None at the end."""
        async with asyncio.timeout(PATIENCE_S):
            async for item in self.items:
                if isinstance(item, Head):
                    assert self.head is None
                    self.head = item
                elif item is FLUSH:
                    self.flushes += 1
                else:
                    self.pieces.append(item)
                    return str(item)
        return None

    async def take_until(self, words: str) -> None:
        """Take until the text has these words."""
        while words not in self.text:
            assert await self.take() is not None, self.text

    async def finish(self) -> str:
        """Take all, and see that nothing is left."""
        try:
            while await self.take() is not None:
                pass
        finally:
            await self.leave()
        return self.text

    async def leave(self) -> None:
        """Do as a host whose client leaves; nothing is left then."""
        await self.items.aclose()
        assert asyncio.all_tasks() == {asyncio.current_task()}


def play(function: Callable[..., Any], page: Page | None = None) -> Play:
    """Render a whole page, in asyncio's debug mode."""

    async def main() -> Play:
        played = Play(function, page)
        await played.finish()
        return played

    return asyncio.run(main(), debug=True)


def filled(text: str) -> str:
    """The page when all fills have been applied, in order, as a browser does."""
    text = OWN.sub("", text).replace("<!---->", "")
    text = text.replace('<?start name="tailrace"><?end>', "")
    text = text.replace('<template for="tailrace"></template>', "")
    while fill := FILL.search(text):
        before, behind = text[: fill.start()], text[fill.end() :]
        start = f'<?start name="{fill[1]}">'
        at = before.find(start)
        if at < 0:
            text = before + behind  # it stays a template
            continue
        end = before.index("<?end>", at)
        text = before[:at] + fill[2] + before[end + len("<?end>") :] + behind
    return text
