"""Each kind of content gives its markup, as a whole and in pieces, however it is nested."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from typing import Any

import htpy
import markupsafe
import pytest
from django.utils.safestring import mark_safe as django_safe

from tailrace.function.stream import FLUSH
from tailrace.html import Html
from tailrace.html.content import Collected, pour, text_now, text_of
from tailrace.wire.integration import Head


class Shout(str):
    pass


def generator() -> Iterator[object]:
    yield "<1>"
    yield [Html("<2>"), None, 3]


async def async_generator() -> AsyncIterator[object]:
    yield "<1>"
    yield generator()
    yield coroutine("<4>")


async def coroutine(content: object) -> Any:
    await asyncio.sleep(0)
    return content


KINDS = [
    (lambda: None, ""),
    (lambda: "<a>", "&lt;a&gt;"),
    (lambda: Shout("<a>"), "&lt;a&gt;"),
    (lambda: 1.5, "1.5"),
    (lambda: Html("<a>"), "<a>"),
    (lambda: markupsafe.Markup("<a>"), "<a>"),
    (lambda: htpy.p[coroutine("<"), "&"], "<p>&lt;&amp;</p>"),
    (lambda: generator(), "&lt;1&gt;<2>3"),
    (lambda: ["<", [htpy.br, ["&"]]], "&lt;<br>&amp;"),
    (lambda: async_generator(), "&lt;1&gt;&lt;1&gt;<2>3&lt;4&gt;"),
    (lambda: coroutine(coroutine(async_generator())), "&lt;1&gt;&lt;1&gt;<2>3&lt;4&gt;"),
    (lambda: coroutine(htpy.p["<"]), "<p>&lt;</p>"),
    (lambda: htpy.fragment["<", htpy.br], "&lt;<br>"),
    (lambda: htpy.ul[(htpy.li[coroutine(n)] for n in range(2))], "<ul><li>0</li><li>1</li></ul>"),
    (lambda: django_safe("<a>"), "<a>"),
    (lambda: Decimal("1.50"), "1.50"),
    (lambda: (), ""),
    (lambda: htpy.p["\ud800"], "<p>\ufffd</p>"),
]


@pytest.mark.parametrize(("make", "markup"), KINDS)
def test_a_content_gives_its_markup(make: Any, markup: str) -> None:
    async def joined(content: object) -> str:
        collected = Collected()
        await pour(content, collected)
        return "".join(collected)

    assert asyncio.run(text_of(make())) == markup
    assert asyncio.run(joined(make())) == markup
    assert asyncio.run(joined([make(), [make()]])) == markup * 2


@pytest.mark.parametrize("content", [b"a", bytearray(b"a"), memoryview(b"a")])
def test_bytes_are_refused(content: object) -> None:
    for nested in (content, [content], coroutine(content)):
        with pytest.raises(TypeError, match="decode it"):
            asyncio.run(text_of(nested))


REFUSED = [
    ({"a": 1}, "not dict; choose what it shows"),
    (coroutine, "not the function"),
    (len, "call it"),
    (FLUSH, "a page is flushed by itself"),
    (Head(404), "page.cookies are its head"),
]


@pytest.mark.parametrize(("content", "words"), REFUSED)
def test_what_shows_nothing_useful_is_refused(content: object, words: str) -> None:
    for nested in (content, [content], coroutine(content)):
        with pytest.raises(TypeError, match=words):
            asyncio.run(text_of(nested))


@pytest.mark.parametrize("kind", ["async generator", "generator"])
def test_iterators_are_closed_where_they_are_left(kind: str) -> None:
    closed = []

    async def asynchronous() -> AsyncIterator[object]:
        try:
            yield "first"
            yield b"bytes"
        finally:
            closed.append(kind)

    def plain() -> Iterator[object]:
        try:
            yield "first"
            yield b"bytes"
        finally:
            closed.append(kind)

    async def main() -> None:
        with pytest.raises(TypeError) as caught:
            await text_of([plain() if kind == "generator" else asynchronous()])
        assert closed == [kind], "before anything is collected"
        del caught

    asyncio.run(main(), debug=True)


def test_a_content_that_waits_for_nothing_is_text_at_once() -> None:
    async def main() -> None:
        assert text_now(["<", [htpy.b["x"]], generator()]) == "&lt;<b>x</b>&lt;1&gt;<2>3"
        with pytest.raises(TypeError, match="has to be awaited"):
            text_now(asyncio.Event().wait())

    asyncio.run(main(), debug=True)
