"""The notice of a page whose stream has broken: who starts its time again, and what ends it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.html.progress.reading import BUFFERED, Reading, in_loop

from tailrace.html import Html, Page
from tailrace.html.limits import HEARTBEAT_INTERVAL_S

Content = AsyncIterator[Any]


def names(text: str) -> list[str]:
    """The animations that a text starts, one after the other."""
    return re.findall(r"animation-name:(?:tailrace-)?(\w+)", text)


@in_loop
async def test_a_page_that_waits_for_nothing_has_no_notice() -> None:
    async def function(page: Page) -> Content:
        yield Html("<p>x</p>")
        page.progress(total=1, label="never begun")

    async with Reading(function) as reading:
        text = await reading.rest()

    assert names(text) == []


@pytest.mark.parametrize("is_in_order", [False, True])
@in_loop
async def test_what_comes_starts_the_time_again_and_the_end_of_the_page_ends_it(
    is_in_order: bool,
) -> None:
    async def part(gate: asyncio.Event) -> str:
        await gate.wait()
        return "content"

    async def function(page: Page) -> Content:
        yield Html("<h1>{}{}</h1></body>").format(*(page.part(part(gate)) for gate in gates))

    gates = asyncio.Event(), asyncio.Event()
    async with Reading(function, is_in_order=is_in_order) as reading:
        assert names(await reading.until("animation-name")) == ["a"]
        reading.clock.advance(HEARTBEAT_INTERVAL_S)
        gates[0].set()
        assert names(await reading.until("content")) == ["b"]
        gates[1].set()
        text = await reading.rest()

    assert names(text) == ["none"]
    assert reading.text.endswith("</style>" if is_in_order else "</style></body>")


@in_loop
async def test_a_bar_starts_it_and_updates_start_the_time_again() -> None:
    async def function(page: Page) -> Content:
        yield Html("<h1>x</h1>")
        async for _ in page.progress(range(100)):
            reading.work(0.5)

    async with Reading(function) as reading:
        text = await reading.rest()

    assert [*names(text)[:4], names(text)[-1]] == ["a", "b", "a", "b", "none"]
    assert len(names(text)) == pytest.approx(50 / HEARTBEAT_INTERVAL_S, abs=3)


@in_loop
async def test_a_finished_page_has_no_notice() -> None:
    async def function(page: Page) -> Content:
        yield page.part(asyncio.sleep(0, "x"))
        async for _ in page.progress(range(2)):
            pass

    async with Reading(function, BUFFERED) as reading:
        assert names(await reading.rest()) == []


@in_loop
async def test_nothing_is_put_in_the_middle_of_a_tag() -> None:
    """Template engines yield there, and wait for the value of an attribute."""

    async def function(page: Page) -> Content:
        with page.progress(total=1) as bar:
            for piece in (Html('<a href="'), "x", "y", Html('">'), Html("<p>")):
                reading.work(HEARTBEAT_INTERVAL_S)
                yield piece
                for _ in range(10):  # the piece is taken
                    await asyncio.sleep(0)
            bar.advance(1)

    async with Reading(function) as reading:
        text = await reading.rest()

    assert '<a href="xy">' in text
    assert len(names(text)) > 2


@in_loop
async def test_the_style_may_stand_in_the_head() -> None:
    async def function(page: Page) -> Content:
        yield Html("<head>{}</head>").format(page.style)
        async for _ in page.progress(range(2)):
            pass

    async with Reading(function) as reading:
        text = await reading.rest()

    assert text.startswith(f'<head><style nonce="{reading.page.nonce}">.tailrace-progress')
    assert text.count(".tailrace-progress{") == 1
    assert " style=" not in text


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("<script>const rows = ", "[1, 2]; '<title>'</script>"),
        ("<SCR", "IPT>const rows = [1]</SCRIPT >"),
        ("<style>b", "{}</style>"),
        ("<textarea >", "text</text area></textarea>"),
        ("<title>", "text</title>"),
        ("<!-- <b>", "text</b> -->"),
        ("<p class=", "b>"),
    ],
)
@in_loop
async def test_nothing_is_put_into_a_script_or_another_element_that_has_no_tags(
    start: str, end: str
) -> None:
    async def function(page: Page) -> Content:
        yield Html("<script>1</script><title>x</title>")
        async for _ in page.progress(range(1)):
            yield Html(start)
            for _ in range(3):
                reading.clock.advance(HEARTBEAT_INTERVAL_S)
                await asyncio.sleep(0)
            await gate.wait()
            yield Html(end)
        yield Html("<p>")

    gate = asyncio.Event()
    async with Reading(function) as reading:
        await reading.until(start)
        waiting = asyncio.ensure_future(reading.rest())
        for _ in range(10):
            await asyncio.sleep(0)
        gate.set()
        text = await waiting

    assert f"{start}{end}" in reading.text
    assert "animation-name" in text, "it goes on behind the end"
