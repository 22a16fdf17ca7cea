"""A page that a test reads piece by piece, while its clock stands still."""

from __future__ import annotations

import asyncio
import functools
import re
from collections.abc import Callable, Coroutine
from typing import Any, Self

from tests.clock import ManualClock

from tailrace.function.request import Request
from tailrace.function.way import ResponseWay
from tailrace.html.pages import Page
from tailrace.html.render import render

EVENT = {
    "version": "2.0",
    "rawPath": "/",
    "rawQueryString": "",
    "headers": {},
    "requestContext": {"http": {"method": "GET", "path": "/"}},
}
STREAMED = ResponseWay()
BUFFERED = ResponseWay(streams=False, stops_on_leave=False)
HELD_BACK = ResponseWay(stops_on_leave=False, holds_back=True)

_MARK = re.compile(r'<\?start name="(?P<start>[^"]+)">|(?P<end><\?end>)')
_FILL = re.compile(r'<template for="([^"]+)">(.*?)</template>(?:<!---->)?', re.DOTALL)
_STYLE = re.compile(r"<(style|script) nonce=.*?</\1>", re.DOTALL)


def in_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a test in an event loop of its own."""

    @functools.wraps(test)
    def run(**arguments: Any) -> None:
        asyncio.run(test(**arguments))

    return run


class Reading:
    """Reads a page. What has come is `text`; what a browser shows of that is `shown`."""

    def __init__(
        self, function: Callable[..., Any], way: ResponseWay = STREAMED, **options: Any
    ) -> None:
        self.clock = ManualClock()
        self.page = Page(Request(EVENT), way, **options)
        self.page.clock = self.clock
        self.text = ""
        self._items: Any = render(function, self.page)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._items.aclose()

    def work(self, seconds: float) -> None:
        """Let time pass in code that does not await: no timer fires meanwhile."""
        self.clock._now_s += seconds

    async def until(self, text: str) -> str:
        """Read until a text has come; return what has come with it."""
        start = len(self.text)
        while text not in self.text[start:]:
            item = await anext(self._items)
            self.text += item if isinstance(item, str) else ""
        return self.text[start:]

    async def rest(self) -> str:
        """Read the rest."""
        start = len(self.text)
        async for item in self._items:
            self.text += item if isinstance(item, str) else ""
        return self.text[start:]

    @property
    def shown(self) -> str:
        """The page so far, with what has been filled, without style and script."""
        return shown(self.text)


async def page_of(function: Callable[..., Any], *args: Any, **options: Any) -> str:
    """What a browser shows of a page in the end."""
    async with Reading(function, *args, **options) as reading:
        await reading.rest()
        return reading.shown


def shown(text: str) -> str:
    """Fill the places of a page, one fill after the other."""
    text = _STYLE.sub("", text)
    while found := _FILL.search(text):
        before, name, content = text[: found.start()], found[1], found[2]
        place = _place(before, name)
        assert place is not None, f"no place {name} in {before}"
        text = before[: place[0]] + content + before[place[1] :] + text[found.end() :]
    return _MARK.sub("", text)


def _place(text: str, name: str) -> tuple[int, int] | None:
    """From where to where a place is, with its marks."""
    start = text.find(f'<?start name="{name}">')
    depth = 0
    for mark in _MARK.finditer(text, start) if start >= 0 else ():
        depth += 1 if mark["start"] else -1
        if not depth:
            return start, mark.end()
    return None
