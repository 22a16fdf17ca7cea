"""Where bars and steps stand: in parts, in order, in finished pages, in sync pages."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from tests.html.progress.reading import BUFFERED, STREAMED, Reading, in_loop, page_of, shown

from tailrace.html import Html, Page
from tailrace.html.fill import closing

Content = AsyncIterator[Any]


@in_loop
async def test_a_bar_of_a_part_stands_in_its_place_until_the_part_is_done() -> None:
    async def part(page: Page) -> str:
        async for _ in page.progress(range(2), label="a"):
            await gate.wait()
        async for _ in page.progress(range(3), label="b"):
            await gate.wait()
        return "content"

    async def function(page: Page) -> Content:
        yield Html("<h1>{}</h1>").format(page.part(part(page), placeholder="wait"))

    gate = asyncio.Event()
    async with Reading(function) as reading:
        await reading.until("0 of 2")
        assert reading.shown.startswith('<h1><div class="tailrace-progress"><label><b>a</b>')
        gate.set()
        await reading.rest()

    assert reading.shown == "<h1>content</h1>"


@in_loop
async def test_a_part_that_goes_on_behind_its_fallback_has_no_bar() -> None:
    async def part(page: Page) -> str:
        try:
            await gate.wait()
        except asyncio.CancelledError:
            await has_fallen_back.wait()
            async for _ in page.progress(range(3), label="late"):
                pass
            is_over.set()
        return "content"

    async def function(page: Page) -> Content:
        yield page.part(part(page), timeout_s=1e-3, fallback="too late")
        yield page.part(is_over.wait())

    gate, has_fallen_back, is_over = asyncio.Event(), asyncio.Event(), asyncio.Event()
    async with Reading(function) as reading:
        await reading.until("too late")
        has_fallen_back.set()
        await reading.rest()

    assert reading.shown == "too lateTrue"
    assert "late</b>" not in reading.text


@in_loop
async def test_a_bar_of_a_part_in_a_part_shows_when_its_place_has_come() -> None:
    async def inner(page: Page) -> str:
        async for _ in page.progress(range(2), label="inner"):
            await gates[1].wait()
        return "content"

    async def outer(page: Page) -> Html:
        place = page.part(inner(page))
        await gates[0].wait()
        return Html("<i>{}</i>").format(place)

    async def function(page: Page) -> Content:
        yield Html("<h1>{}</h1>").format(page.part(outer(page)))

    gates = asyncio.Event(), asyncio.Event()
    async with Reading(function) as reading:
        await reading.until("<h1>")
        gates[0].set()
        text = await reading.until("0 of 2")
        assert text.index("<i>") < text.index("0 of 2")
        gates[1].set()
        await reading.rest()

    assert reading.shown == "<h1><i>content</i></h1>"


@in_loop
async def test_a_bar_in_markup_of_the_page_is_moved_on_by_a_part() -> None:
    async def part(bar: Any) -> str:
        async for _ in bar:
            pass
        return "content"

    async def function(page: Page) -> Content:
        bar = page.progress(range(2))
        yield Html("<h1>{}</h1>{}").format(bar, page.part(part(bar)))

    text = await page_of(function)

    assert "2 of 2 · took" in text.partition("</h1>")[0]
    assert text.endswith("</h1>content")


@in_loop
async def test_a_bar_in_the_markup_of_a_part_goes_on_there() -> None:
    async def part(bar: Any) -> Html:
        return Html("<i>{}</i>").format(bar)

    async def function(page: Page) -> Content:
        bar = page.progress(range(2))
        place = page.part(part(bar))
        yield Html("<h1>{}</h1>{}").format(place, page.part(work(bar)))

    async def work(bar: Any) -> str:
        async for _ in bar:
            await gate.wait()
        return "done"

    gate = asyncio.Event()
    async with Reading(function) as reading:
        await reading.until("0 of 2")
        gate.set()
        await reading.rest()

    assert "2 of 2 · took" in reading.shown.partition("</i>")[0]


@in_loop
async def test_a_finished_page_has_bars_as_they_ended_and_no_places() -> None:
    text = await page_of(_report, BUFFERED)

    assert text == await page_of(_report)
    assert "<template" not in text
    assert text.index("<h1>") < text.index("2 of 2 · took") < text.index("<p>Done.")


@pytest.mark.parametrize("way", [STREAMED, BUFFERED])
@pytest.mark.parametrize("is_in_order", [False, True])
@in_loop
async def test_the_style_stands_once_before_the_first_bar(way: Any, is_in_order: bool) -> None:
    reading = Reading(_report, way, is_in_order=is_in_order)

    async with reading:
        await reading.rest()

    style = reading.text.index(".tailrace-status{")
    assert reading.text.index("<h1>") < style < reading.text.index('class="tailrace-progress"')
    assert reading.text.count(".tailrace-status{") == 1


async def _report(page: Page) -> Content:
    yield Html("<h1>{}</h1>").format(page.part(_part(page)))
    async for _ in page.progress(range(2), label="Rows"):
        pass
    yield Html("<p>Done.</p>")


async def _part(page: Page) -> str:
    async for _ in page.progress(range(2), label="Part"):
        pass
    return "content"


@in_loop
async def test_in_order_blocks_follow_one_another_and_the_last_one_counts() -> None:
    async def function(page: Page) -> Content:
        yield Html("<h1>{}</h1>").format(page.part(part(page)))
        async for row in page.progress(range(30), label="Rows"):
            reading.work(0.2)
            if row == 20:
                yield Html("<p>more</p>")

    async def part(page: Page) -> str:
        async for _ in page.progress(range(2), label="Part"):
            await gate.wait()
        return "content"

    gate = asyncio.Event()
    async with Reading(function, is_in_order=True) as reading:
        await reading.until("0 of 2")
        gate.set()
        await reading.rest()

    text = reading.shown
    assert "<template" not in text
    before, _, behind = text.partition("content")
    assert before.endswith("<div></div></div>"), "the last block of the part is empty"
    first, _, second = behind.partition("<p>more</p>")
    assert first.endswith("<div></div></div>")
    assert second.count("30 of 30 · took") == 1
    assert 3 <= behind.count("<div><div") <= 10


@in_loop
async def test_in_order_the_number_of_blocks_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tailrace.html.progress.board.PROGRESS_BLOCKS_MAX", 3)

    async def function(page: Page) -> Content:
        yield Html("<h1></h1>")
        async for _ in page.progress(range(30)):
            reading.work(1)

    async with Reading(function, is_in_order=True) as reading:
        await reading.rest()

    assert reading.shown.count("<div><div") == 4
    assert "30 of 30 · took" in reading.shown


@pytest.mark.parametrize("way", [STREAMED, BUFFERED])
@pytest.mark.parametrize("is_in_order", [False, True])
@in_loop
async def test_in_a_sync_page_a_bar_stands_behind_what_was_yielded_before(
    way: Any, is_in_order: bool
) -> None:
    def function(page: Page) -> Iterator[Any]:
        for number in range(5):
            yield Html(f"<h{number}>")
        yield from page.progress(["a", "b"], label="Rows")
        yield Html("<p>")
        with page.steps(["one", "two"]) as steps:
            steps.next()
        yield Html("<q>")

    text = await page_of(function, way, is_in_order=is_in_order)

    positions = [text.rindex(part) for part in ("<h4>", "2 of 2 · took", "<p>", "two", "<q>")]
    assert positions == sorted(positions)


@in_loop
async def test_a_sync_job_stops_when_the_page_is_left() -> None:
    ended = threading.Event()

    def function(page: Page) -> Iterator[Any]:
        try:
            for _ in page.progress(iter(int, 1), label="endless"):
                pass
        finally:
            ended.set()
        yield "never"

    async with Reading(function) as reading:
        await reading.until("endless")

    assert ended.is_set()


@in_loop
async def test_a_loop_that_would_block_the_page_is_refused() -> None:
    async def function(page: Page) -> Content:
        yield "x"
        for _ in page.progress([1]):
            pass

    with pytest.raises(RuntimeError, match="write: async for"):
        await page_of(function)


@in_loop
async def test_a_sync_loop_over_async_rows_is_refused() -> None:
    async def rows() -> AsyncIterator[int]:
        yield 1

    def function(page: Page) -> Iterator[Any]:
        for _ in page.progress(rows()):
            yield "x"

    with pytest.raises(TypeError, match="write: async for"):
        await page_of(function)


@in_loop
async def test_a_bar_is_advanced_by_many_threads() -> None:
    async def function(page: Page) -> Content:
        yield "x"
        with page.progress(total=40_000) as bar:
            work = [asyncio.to_thread(advance, bar) for _ in range(4)]
            await asyncio.gather(*work)

    def advance(bar: Any) -> None:
        for _ in range(10_000):
            bar.advance()

    assert "40,000 of 40,000" in await page_of(function)


@in_loop
async def test_steps_are_done_one_after_the_other() -> None:
    async def function(page: Page) -> Content:
        yield "x"
        with page.steps(["Fetch", "Check & sign", "Write"]) as steps:
            await gate.wait()
            steps.next()
            raise KeyError

    gate = asyncio.Event()
    async with Reading(function) as reading:
        await reading.until("Fetch")
        assert (
            '<ol class="tailrace-steps"><li class="tailrace-current" aria-current="step">Fetch'
            ' <small>in progress</small><li class="tailrace-pending">Check &amp; sign'
            '<li class="tailrace-pending">Write</ol>'
        ) in reading.shown
        gate.set()
        with pytest.raises(KeyError):
            await reading.rest()

    assert (
        '<li class="tailrace-done">Fetch <small>done</small>'
        '<li class="tailrace-failed">Check &amp; sign <small>failed</small>'
        '<li class="tailrace-pending">Write</ol>'
    ) in reading.shown


@in_loop
async def test_there_are_no_steps_of_nothing() -> None:
    async def function(page: Page) -> Content:
        yield "x"
        page.steps([])

    with pytest.raises(ValueError, match="no steps"):
        await page_of(function)


@pytest.mark.parametrize(
    ("text", "closed"),
    [
        ("<p>Done.", "</p>"),
        ("<P class=x>Done <b>now</b>", "</p>"),
        ("<p>Done.</p>", ""),
        ("<p>Done.<ul><li>x</ul>", ""),
        ("<pre>x", ""),
        ("Done.", ""),
    ],
)
@in_loop
async def test_a_paragraph_that_is_left_open_is_closed_before_fills(text: str, closed: str) -> None:
    async def part() -> str:
        return "content"

    async def function(page: Page) -> Content:
        yield Html("<h1>{}</h1>").format(page.part(part()))
        yield Html(text)

    assert closing(text) == closed
    assert await page_of(function) == f"<h1>content</h1>{text}{closed}"


def test_the_model_of_a_browser_fills_places() -> None:
    text = '<?start name="a">1<?start name="b">2<?end><?end>'
    text += '<template for="b"><?start name="b">3<?end></template><!---->'
    assert shown(text) == "13"
    assert shown(text + '<template for="a">4</template><!---->') == "4"
