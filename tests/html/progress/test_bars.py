"""What a reader sees of a bar."""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
from tests.html.progress.reading import HELD_BACK, Reading, in_loop, page_of

from tailrace.html import Html, Page
from tailrace.html.limits import LOG_LINE_CHARS_MAX, LOG_LINES_MAX, PAGE_WAITING_CHARS_MAX

Content = AsyncIterator[Any]


@in_loop
async def test_a_loop_counts_and_the_bar_says_how_long_it_took() -> None:
    async def function(page: Page) -> Content:
        yield Html("<h1>Report</h1>")
        async for _ in page.progress(range(2000), label="Rows & more"):
            reading.work(0.002)
        yield Html("<p>Done.")

    async with Reading(function) as reading:
        await reading.rest()

    assert reading.shown == (
        '<h1>Report</h1><div class="tailrace-progress">'
        '<label><b>Rows &amp; more</b> <progress value="1"></progress></label>'
        ' <span class="tailrace-numbers">2,000 of 2,000 · took 4.0 s</span>'
        '<p class="tailrace-status" role="status">Rows &amp; more: 2,000 of 2,000, took 4.0 s</p>'
        "</div><p>Done."
    )


@in_loop
async def test_updates_are_limited_by_time_and_the_interval_grows() -> None:
    async def function(page: Page) -> Content:
        yield "x"
        async for _ in page.progress(range(1000)):
            reading.work(1 / 16)

    async with Reading(function) as reading:
        text = await reading.rest()

    at_s = [int(count) / 16 for count in re.findall('<template for="b1t">.*?>([0-9]+) of', text)]
    intervals = [b - a for a, b in itertools.pairwise(at_s[:-1])]
    assert min(intervals) == 0.125, "the first time that is 0.1 s later"
    assert max(intervals) == pytest.approx(2.0, abs=1 / 16)
    assert sorted(intervals) == intervals


@in_loop
async def test_a_loop_without_a_single_await_sends_while_it_runs() -> None:
    """It ends because its client has seen an update of it."""
    has_seen = False

    async def function(page: Page) -> Content:
        yield "x"
        async for row in page.progress(itertools.count()):
            reading.work(0.01)
            if has_seen:
                break
            assert row < 100_000

    async with Reading(function) as reading:
        await reading.until("<template for=")
        has_seen = True
        await reading.rest()

    assert "stopped at" in reading.shown


@in_loop
async def test_a_million_iterations_send_less_than_100_kb() -> None:
    async def function(page: Page) -> Content:
        yield "x"
        async for row in page.progress(range(1_000_000), label="Rows"):
            if row % 1000 == 0:
                reading.work(0.1)  # 100 µs each

    async with Reading(function) as reading:
        text = await reading.rest()

    assert text.count("<template") > 100
    assert len(text.encode()) < 100_000


@in_loop
async def test_a_client_that_does_not_read_neither_slows_the_job_nor_grows_memory() -> None:
    ended = asyncio.Event()

    async def function(page: Page) -> Content:
        yield "x"
        async for _ in page.progress(range(2_000), label="Rows"):
            reading.work(1)
        ended.set()
        await asyncio.Event().wait()

    async with Reading(function) as reading:
        await reading.until("0 of 2,000")
        await ended.wait()
        text = await reading.until("<template")
        reading.clock.advance(2)
        text += await reading.until("took")

    assert len(text) < 20_000 < PAGE_WAITING_CHARS_MAX


@in_loop
async def test_on_ways_that_hold_back_a_second_passes_between_updates() -> None:
    async def function(page: Page) -> Content:
        yield "x"
        async for _ in page.progress(range(100)):
            reading.work(0.1)

    async with Reading(function, HELD_BACK) as reading:
        text = await reading.rest()

    assert 8 <= text.count('<?start name="b1">') <= 12


@pytest.mark.parametrize("way", ["break", "except", "with", "source", "uncaught"])
@in_loop
async def test_a_bar_shows_how_its_loop_was_left(way: str) -> None:
    def rows() -> Any:
        yield 1
        if way == "source":
            raise KeyError
        yield 2

    async def work(bar: Any) -> None:
        async for row in bar:
            if row == 2:
                if way == "break":
                    break
                raise KeyError

    async def function(page: Page) -> Content:
        bar = page.progress(rows(), total=9)
        if way == "uncaught":
            await work(bar)
        try:
            if way == "with":
                with bar:
                    await work(bar)
            await work(bar)
        except (KeyError, TypeError):
            pass
        yield Html("<p>more")

    async with Reading(function) as reading:
        if way == "uncaught":
            with pytest.raises(KeyError):
                await reading.rest()
        else:
            await reading.rest()

    word = "stopped" if way in ("break", "except") else "failed"
    assert f"{word} at 1 of 9 · took" in reading.shown
    assert "0 of 9 ·" not in reading.shown
    rest = '<p role="alert"' if way == "uncaught" else "<p>more"
    assert f"</div>{rest}" in reading.shown


@in_loop
async def test_a_job_that_is_cancelled_leaves_nothing_behind() -> None:
    ended = asyncio.Event()

    async def function(page: Page) -> Content:
        yield "x"
        page.progress(total=5, label="left running").advance(1)
        try:
            async for _ in page.progress(range(10)):
                await asyncio.Event().wait()
        finally:
            ended.set()

    async with Reading(function) as reading:
        await reading.until("0 of 10")

    assert ended.is_set()
    assert reading.clock.waiting_count == 0
    assert len(asyncio.all_tasks()) == 1


@in_loop
async def test_a_total_that_is_not_known_has_a_count() -> None:
    async def function(page: Page) -> Content:
        yield "x"
        async for _ in page.progress((row for row in range(1234)), label="Rows"):
            reading.work(0.001)

    async with Reading(function) as reading:
        await reading.until('<template for="b1t">')
        moving = reading.shown
        text = await reading.rest()

    assert "<progress></progress>" in moving
    assert "%" not in moving
    assert "1,234 · took 1.2 s" in reading.shown
    assert text.count('<template for="b1">') == 1, "a moving bar is not made anew with each count"


@pytest.mark.parametrize(("total", "count", "numbers"), [(0, 0, "0 of 0"), (2, 3, "3")])
@in_loop
async def test_a_total_that_is_wrong_is_not_shown_as_more_than_all(
    total: int, count: int, numbers: str
) -> None:
    async def function(page: Page) -> Content:
        yield "x"
        with page.progress(total=total) as bar:
            bar.advance(count)

    assert f">{numbers} · took" in await page_of(function)


@pytest.mark.parametrize(
    ("total", "amount", "times", "numbers"),
    [(1.0, 0.1, 10, "1 of 1"), (3.3, 1.1, 3, "3.3 of 3.3")],
)
@in_loop
async def test_a_sum_of_floats_is_all_of_the_total(
    total: float, amount: float, times: int, numbers: str
) -> None:
    async def function(page: Page) -> Content:
        yield "x"
        bar = page.progress(total=total)
        bar.start()
        bar.count = sum(itertools.repeat(amount, times))
        await gate.wait()

    gate = asyncio.Event()
    async with Reading(function) as reading:
        await reading.until("100 %")
        gate.set()
        await reading.rest()

    assert f">{numbers} · took" in reading.shown
    assert "stopped" not in reading.shown


@pytest.mark.parametrize("total", [float("nan"), float("inf"), -4, "/a path"])
@in_loop
async def test_updates_go_on_whatever_a_total_is_set_to(total: Any) -> None:
    async def function(page: Page) -> Content:
        yield "x"
        bar: Any = page.progress(range(20))
        async for row in bar:
            reading.work(1)
            if row == 3:
                bar.total, bar.label = (20, total) if isinstance(total, str) else (total, "")
            if row == 9:
                await gate.wait()

    gate = asyncio.Event()
    async with Reading(function) as reading:
        await reading.until(">7")
        gate.set()
        await reading.rest()

    assert "20" in reading.shown


@pytest.mark.parametrize("amount", [float("nan"), float("inf")])
@in_loop
async def test_what_is_no_amount_is_refused_where_it_is_added(amount: float) -> None:
    async def function(page: Page) -> Content:
        yield "x"
        with page.progress(total=9) as bar:
            bar.advance(amount)

    with pytest.raises(ValueError, match="amount is"):
        await page_of(function)


@in_loop
async def test_what_cannot_be_iterated_over_is_one_error() -> None:
    async def function(page: Page) -> Content:
        yield "x"
        async for _ in page.progress(5):  # type: ignore[call-overload]
            pass

    with pytest.raises(TypeError, match="not iterable"):
        await page_of(function)


class Unsized(list[int]):
    def __len__(self) -> int:
        raise TypeError("len() of unsized object")


@pytest.mark.parametrize("total", [None, float("inf"), float("nan")])
@in_loop
async def test_rows_without_a_length_and_a_total_without_end_are_not_known(
    total: float | None,
) -> None:
    async def function(page: Page) -> Content:
        yield "x"
        async for _ in page.progress(Unsized([1, 2]), total=total):
            pass

    assert ">2 · took" in await page_of(function)


@in_loop
async def test_a_range_that_is_longer_than_len_can_say_is_not_known() -> None:
    async def function(page: Page) -> Content:
        yield "x"
        async for _ in page.progress(range(10**20)):
            break

    assert "stopped at 0" in await page_of(function)


@in_loop
async def test_a_job_goes_on_where_another_was_stopped() -> None:
    async def function(page: Page) -> Content:
        yield "x"
        bar = page.progress(range(3), total=10)
        bar.count = 7
        async for _ in bar:
            pass

    assert "10 of 10 · took" in await page_of(function)


@in_loop
async def test_a_negative_total_is_refused() -> None:
    async def function(page: Page) -> Content:
        yield "x"
        page.progress(total=-1)

    with pytest.raises(ValueError, match="total is -1"):
        await page_of(function)


@in_loop
async def test_work_that_is_no_loop_advances_a_bar() -> None:
    async def function(page: Page) -> Content:
        yield "x"
        async with page.progress(total=10, label="Files") as bar:
            bar.advance(2.5)
            bar.label = "Pages"
            await seen.wait()
            bar.advance(7.5)

    seen = asyncio.Event()
    async with Reading(function) as reading:
        await reading.until("2.5 of 10 · 25 %")
        seen.set()
        await reading.rest()

    assert "<b>Pages</b>" in reading.shown
    assert "10 of 10 · took" in reading.shown


@in_loop
async def test_a_bar_that_is_never_ended_ends_with_the_page() -> None:
    async def function(page: Page) -> Content:
        yield "x"
        page.progress(total=2, label="complete").advance(2)
        page.progress(total=2, label="not complete").advance(1)
        yield page.progress(range(2), label="never begun")

    text = await page_of(function)

    assert "2 of 2 · took" in text
    assert "stopped at 1 of 2 · took" in text
    assert "stopped at 0 of 2 · took" in text


@in_loop
async def test_the_last_lines_of_a_log_are_shown() -> None:
    async def function(page: Page) -> Content:
        yield "x"
        with page.progress(total=1) as bar:
            for number in range(LOG_LINES_MAX + 5):
                bar.log(f"<{number}>")
            bar.log("y" * (LOG_LINE_CHARS_MAX + 1))

    text = await page_of(function)

    assert text.count("<li>") == LOG_LINES_MAX
    assert "<li>&lt;6&gt;<li>" in text
    assert f"<li>{'y' * LOG_LINE_CHARS_MAX}</ul>" in text


@in_loop
async def test_several_bars_run_at_a_time() -> None:
    async def work(bar: Any, gate: asyncio.Event) -> None:
        async for _ in bar:
            await gate.wait()

    async def function(page: Page) -> Content:
        yield "x"
        async with asyncio.TaskGroup() as group:
            group.create_task(work(page.progress(range(1), label="a"), gates[0]))
            group.create_task(work(page.progress(range(1), label="b"), gates[1]))
        yield Html("<p>")

    gates = asyncio.Event(), asyncio.Event()
    async with Reading(function) as reading:
        await reading.until("<b>b</b>")
        gates[1].set()
        await reading.until("1 of 1")
        assert reading.shown.index("0 of 1") < reading.shown.index("1 of 1 · took")
        gates[0].set()
        await reading.rest()

    assert reading.shown.count("1 of 1 · took") == 2
    assert reading.shown.index("<b>a</b>") < reading.shown.index("<b>b</b>")


@in_loop
async def test_a_bar_stands_where_its_markup_is() -> None:
    async def function(page: Page) -> Content:
        bar = page.progress(range(3), label="Rows")
        yield Html("<header>{}</header><main>").format(bar)
        async for _ in bar:
            pass
        yield Html("<p>In the end: {}</p></main>").format(bar)

    text = await page_of(function)

    head, _, rest = text.partition("</header>")
    assert "3 of 3 · took" in head
    assert "3 of 3 · took" in rest, "the second time, it shows how far it was"


@in_loop
async def test_the_link_to_cancel_is_there_if_that_stops_the_job() -> None:
    async def function(page: Page) -> Content:
        yield "x"
        async for _ in page.progress(range(1), cancel='/stopped?a=1&b="'):
            await gate.wait()

    gate = asyncio.Event()
    async with Reading(function) as reading:
        await reading.until("0 of 1")
        assert '<p><a href="/stopped?a=1&amp;b=&#34;">Cancel</a></p>' in reading.shown
        gate.set()
        await reading.rest()
    assert "Cancel" not in reading.shown

    gate.set()
    async with Reading(function, HELD_BACK) as reading:
        assert "Cancel" not in await reading.rest()


@in_loop
async def test_words_can_be_of_another_language() -> None:
    async def function(page: Page) -> Content:
        page.words |= {"of": "{count} von {total}", "took": "in {time}", "group": "."}
        page.words |= {"no-news": "Seit {time} nichts Neues"}
        yield "x"
        async for _ in page.progress(range(1000)):
            pass

    async with Reading(function) as reading:
        await reading.rest()

    assert "1.000 von 1.000 · in 0.0 s" in reading.shown
    assert 'content:"Seit 15 s nichts Neues"' in reading.text


@in_loop
async def test_what_a_screen_reader_reads_changes_once_a_second_at_most() -> None:
    async def function(page: Page) -> Content:
        yield "x"
        async for _ in page.progress(range(1000), label="Rows"):
            reading.work(0.005)

    async with Reading(function) as reading:
        text = await reading.rest()

    assert 3 <= text.count('<?start name="b1s">') <= 7
    assert "Rows: 20 %<" in text


@in_loop
async def test_rows_are_taken_once() -> None:
    async def function(page: Page) -> Content:
        yield "x"
        bar = page.progress([1])
        async for _ in bar:
            pass
        async for _ in bar:
            pass

    with pytest.raises(TypeError, match="nothing to iterate over"):
        await page_of(function)


@in_loop
async def test_addresses_that_run_a_script_are_no_address_to_cancel() -> None:
    async def function(page: Page) -> str:
        for address in (
            "/",
            "",
            "?a:b",
            "../x",
            "https://a.example/",
            "HTTP://a.example/",
            "a/b:c",
        ):
            page.progress(cancel=address)
        for address in ("javascript:x", " JavaScript:x", "java\nscript:x", "\x01data:,x"):
            with pytest.raises(ValueError, match="cancel is the address of a page"):
                page.progress(cancel=address)
        return "done"

    assert await page_of(function) == "done"


@in_loop
async def test_labels_and_steps_are_any_values() -> None:
    async def function(page: Page) -> Content:
        with page.progress(total=1, label=cast(Any, 5)) as bar:
            bar.label = cast(Any, None)
        yield page.steps(cast(Any, [2026, "<b>"]))

    shown = await page_of(function)

    assert "2026" in shown
    assert "&lt;b&gt;" in shown
