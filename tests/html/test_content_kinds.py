"""Each kind of content gives its markup, as a whole and in pieces, however it is nested."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import htpy
import markupsafe
import pytest

from tailrace.html import Html
from tailrace.html.content import Collected, pour, text_of


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
