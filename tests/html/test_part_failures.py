"""One part's failure touches nothing else; what is not needed any more ends."""

from __future__ import annotations

import asyncio
import functools
import gc
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest
from tests.html.page_play import PATIENCE_S, Play, filled, new_page, play

from tailrace.html import Html, Page, limits
from tailrace.html.limits import PART_FALLBACK_TIMEOUT_S
from tailrace.html.pages import MISSING

ORDERS = pytest.mark.parametrize("is_in_order", [False, True])


def in_debug_mode(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a test in a loop that finds coroutines and exceptions that nobody took."""

    @functools.wraps(test)
    def run(**arguments: Any) -> None:
        asyncio.run(test(**arguments), debug=True)
        gc.collect()  # what was not awaited warns, and warnings are errors

    return run


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "tailrace.html"]


async def forever() -> None:
    await asyncio.Event().wait()


async def failing() -> str:
    raise KeyError("no figures")


@ORDERS
def test_a_part_that_raises_shows_its_fallback(
    is_in_order: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def report(page: Page) -> Html:
        return Html("{}|{}|{}|{}").format(
            page.part("before"),
            page.part(failing()),
            page.part(failing, fallback=lambda error: f"<{error.args[0]}>"),
            page.part("behind"),
        )

    text = play(report, new_page(is_in_order=is_in_order)).text

    assert filled(text) == f"before|{MISSING}|&lt;no figures&gt;|behind"
    assert lines(caplog) == [
        "part p2 (failing) failed; its fallback is shown",
        "part p3 (failing) failed; its fallback is shown",
    ]
    assert caplog.records[0].exc_info is not None


@ORDERS
def test_a_part_that_is_late_shows_its_fallback(
    is_in_order: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Also if it ignores that it is cancelled."""

    async def report(page: Page) -> Html:
        shown = asyncio.Event()

        async def stubborn() -> str:
            try:
                await forever()
            except asyncio.CancelledError:
                await shown.wait()
            return "too late"

        def fallback(error: Exception) -> str:
            shown.set()
            return f"{error}"

        return Html("{}|{}").format(
            page.part(forever, timeout_s=0.01, fallback="late"),
            page.part(stubborn, timeout_s=0.01, fallback=fallback),
        )

    text = play(report, new_page(is_in_order=is_in_order)).text

    assert filled(text) == "late|part p2 (stubborn) took longer than 0.01 s"
    assert lines(caplog) == [
        "part p1 (forever) took longer than 0.01 s; its fallback is shown",
        "part p2 (stubborn) took longer than 0.01 s; its fallback is shown",
    ]


def test_a_part_that_waits_for_others_too_long_is_late(caplog: pytest.LogCaptureFixture) -> None:
    async def report(page: Page) -> Html:
        done = asyncio.Event()

        def fallback(error: Exception) -> str:
            done.set()
            return "late"

        return Html("{}|{}").format(
            page.part(done.wait),
            page.part(failing(), timeout_s=0.01, fallback=fallback),
        )

    text = play(report, new_page(parts_at_once=1)).text

    assert filled(text) == "True|late"
    assert lines(caplog) == ["part p2 (failing) did not begin within 0.01 s; its fallback is shown"]


def test_a_part_that_cancels_itself_has_failed(caplog: pytest.LogCaptureFixture) -> None:
    async def cancelled() -> str:
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        future.cancel()
        return await future

    async def report(page: Page) -> list[Html]:
        return [
            page.part(cancelled(), fallback="cancelled"),
            page.part(cancelled(), fallback=lambda _: cancelled()),
        ]

    assert filled(play(report).text) == "cancelled"
    assert lines(caplog) == [
        "part p1 (cancelled) failed; its fallback is shown",
        "part p2 (cancelled) failed; its fallback is shown",
        "the fallback of part p2 (cancelled) failed; its place is empty",
    ]


def cancel_own_task(*_: object) -> Any:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    return forever()


@pytest.mark.parametrize("source", [cancel_own_task, failing, forever])
def test_a_part_whose_code_cancels_its_task_does_not_stop_the_page(source: Any) -> None:
    async def run() -> Any:
        return await source()

    async def report(page: Page) -> Html:
        part = page.part(run(), fallback=cancel_own_task, timeout_s=0.01)
        return Html("{}|{}").format(part, page.part("behind"))

    assert filled(play(report).text) == "|behind"


@pytest.mark.parametrize("fallback", [failing, Html("<b"), [b"bytes"]])
def test_a_fallback_that_fails_leaves_the_place_empty(
    fallback: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def report(page: Page) -> Html:
        content = (lambda _: failing()) if callable(fallback) else fallback
        return Html("({})").format(page.part(failing(), fallback=content))

    assert filled(play(report).text) == "()"
    assert lines(caplog)[1:] == ["the fallback of part p1 (failing) failed; its place is empty"]


def test_a_fallback_has_a_time_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    assert limits.PART_FALLBACK_TIMEOUT_S == PART_FALLBACK_TIMEOUT_S
    monkeypatch.setattr("tailrace.html.part_set.PART_FALLBACK_TIMEOUT_S", 0.01)

    async def report(page: Page) -> Html:
        return Html("({})").format(page.part(failing(), fallback=lambda _: forever()))

    assert filled(play(report).text) == "()"


@ORDERS
@in_debug_mode
async def test_the_parts_of_a_part_that_fails_end_with_it(is_in_order: bool) -> None:
    ended = []

    async def leaf(name: str) -> None:
        try:
            await forever()
        finally:
            ended.append(name)

    async def child(page: Page, name: str) -> Html:
        return page.part(leaf, name)

    async def parent(page: Page) -> str:
        page.part(child, page, "grandchild")
        page.part(leaf, "child")
        for _ in range(5):
            await asyncio.sleep(0)  # they begin
        page.part(leaf("has not begun"))
        raise KeyError("parent")

    async def report(page: Page) -> Html:
        return Html("{}|{}").format(page.part(parent, page, fallback="failed"), page.part("other"))

    text = await Play(report, new_page(is_in_order=is_in_order)).finish()

    assert filled(text) == "failed|other"
    assert sorted(ended) == ["child", "grandchild"]


@in_debug_mode
async def test_a_part_without_a_place_is_named_and_ends_with_the_page(
    caplog: pytest.LogCaptureFixture,
) -> None:
    ended = []

    async def lost() -> None:
        try:
            await forever()
        finally:
            ended.append("lost")

    async def report(page: Page) -> str:
        page.part(lost)
        await asyncio.sleep(0)
        return "page"

    for is_in_order in (False, True):
        assert await Play(report, new_page(is_in_order=is_in_order)).finish() == "page"

    assert ended == ["lost", "lost"]
    words = "part p1 (lost) is not shown: what page.part returned is not in the page"
    assert lines(caplog) == [words, words]


@ORDERS
def test_a_part_is_shown_in_one_place(is_in_order: bool, caplog: pytest.LogCaptureFixture) -> None:
    """Also if it contains itself."""
    places: list[Html] = []

    async def itself() -> Html:
        return Html("({})").format(places[0])

    async def report(page: Page) -> Html:
        places.append(page.part(itself))
        return Html("{}").format(places[0])

    assert filled(play(report, new_page(is_in_order=is_in_order)).text) in (
        "()",
        '(<?start name="p1"><?end>)',
    )
    assert lines(caplog) == ["part p1 (itself) has two places; call page.part for each of them"]


MALFORMED = [
    ("</template>", "</template> ends what it has not begun"),
    ("<template><p>", "<template> is not closed"),
    ("<p><!-- note", "this is not closed: '<!-- note'"),
    ('<a href="x>link</a>', "this is not closed: '<a href=\"x>link</a>'"),
    ("<script>let a = 1", "this is not closed: '<script>let a = 1'"),
    ("<textarea>text", "this is not closed: '<textarea>text'"),
    ("text <b", "this is not closed: '<b'"),
]


@ORDERS
@pytest.mark.parametrize(("markup", "fault"), MALFORMED)
def test_markup_that_would_take_in_the_rest_of_the_page_is_a_failure_of_its_part(
    markup: str, fault: str, is_in_order: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def report(page: Page) -> Html:
        return Html("{}|{}").format(page.part(Html(markup), fallback="bad"), page.part("other"))

    text = play(report, new_page(is_in_order=is_in_order)).text

    assert filled(text) == "bad|other"
    assert lines(caplog) == ["part p1 (Html) failed; its fallback is shown"]
    assert fault in caplog.text


@pytest.mark.parametrize("kind", ["coroutine", "generator"])
@in_debug_mode
async def test_who_leaves_cancels_the_page_and_all_parts(kind: str) -> None:
    ended = []

    async def part(name: str) -> None:
        try:
            await forever()
        finally:
            await asyncio.sleep(0)  # clean-up that awaits
            ended.append(name)

    async def parts(page: Page) -> AsyncIterator[Html]:
        try:
            yield page.part(part("begun"))
            yield Html("<p>")
            await forever()
        finally:
            ended.append("page")

    async def joined(page: Page) -> Any:
        if kind == "generator":
            return parts(page)
        return [piece async for piece in parts(page)]

    page = new_page(parts_at_once=1)
    played = Play(parts if kind == "generator" else joined, page)
    if kind == "generator":
        await played.take_until("<p>")
        page.part(part("has not begun"))
    else:
        taking = asyncio.create_task(played.take())
        for _ in range(5):
            await asyncio.sleep(0)
        taking.cancel()
        await asyncio.wait([taking])
    await played.leave()

    assert sorted(ended) == ["begun", "page"]
    with pytest.raises(RuntimeError, match=r"the page has ended; part p. \(.*part\) is not made"):
        page.part(part("too late"))


@in_debug_mode
async def test_a_task_group_around_a_yield_ends_with_its_page(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is cancelled where it yields; closing its generator would be a failure of the group."""
    ended = []

    async def part() -> None:
        try:
            await forever()
        finally:
            ended.append("part")

    async def report(page: Page) -> AsyncIterator[str]:
        async with asyncio.TaskGroup() as group, asyncio.timeout(PATIENCE_S):
            group.create_task(part())
            while True:
                yield "x" * 1_000

    played = Play(report)
    await played.take()
    for _ in range(5):
        await asyncio.sleep(0)
    await played.leave()

    assert ended == ["part"]
    assert caplog.records == []


@in_debug_mode
async def test_a_generator_learns_why_its_content_is_refused() -> None:
    seen = []

    async def report(page: Page) -> AsyncIterator[Any]:
        try:
            yield b"bytes"
        except TypeError as error:
            seen.append(f"{error}")
            raise

    with pytest.raises(TypeError):
        await Play(report).finish()

    assert seen == ["content is text or markup, not bytes; decode it"]


@in_debug_mode
async def test_a_page_that_is_left_before_it_began_runs_nothing() -> None:
    async def report(page: Page) -> str:
        raise AssertionError("not called")

    await Play(report).leave()


@in_debug_mode
async def test_contents_that_are_not_reached_are_closed() -> None:
    async def report(page: Page) -> Any:
        return ["first", forever(), failing(), [failing()]]

    played = Play(report)
    await played.take_until("first")
    await played.leave()


@in_debug_mode
async def test_a_part_that_ignores_its_cancellation_is_left(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("tailrace.html.part_set.PART_CANCEL_TIMEOUT_S", 0.01)
    let_go = asyncio.Event()
    tasks = []

    async def stubborn() -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.append(task)
        while not let_go.is_set():
            try:
                await let_go.wait()
            except asyncio.CancelledError:
                pass

    async def report(page: Page) -> AsyncIterator[Html]:
        yield page.part(stubborn)
        yield Html("<p>")

    played = Play(report)
    await played.take_until("<p>")
    await played.items.aclose()

    assert lines(caplog) == [
        "1 tasks and 0 threads of a page go on after its end; they ignore that they are cancelled"
    ]
    let_go.set()
    await asyncio.wait(tasks)


def test_a_failure_before_the_first_output_is_raised_before_the_head() -> None:
    async def main() -> None:
        async def report(page: Page) -> AsyncIterator[Html]:
            yield page.part(forever)
            raise KeyError("page")

        played = Play(report)
        with pytest.raises(KeyError):
            await played.finish()
        assert played.head is None

    asyncio.run(main(), debug=True)


def test_a_failure_after_the_first_output_breaks_the_page() -> None:
    async def main() -> None:
        go_on = asyncio.Event()

        async def report(page: Page) -> AsyncIterator[Html]:
            yield Html("<body>{}</body>").format(page.part(forever))
            await go_on.wait()
            raise KeyError("page")

        played = Play(report)
        await played.take_until("<body>")
        go_on.set()
        with pytest.raises(KeyError):
            await played.finish()
        assert "</body>" not in played.text

    asyncio.run(main(), debug=True)


def test_a_page_function_that_cancels_itself_has_failed() -> None:
    async def report(page: Page) -> str:
        raise asyncio.CancelledError

    with pytest.raises(RuntimeError, match="the page function was cancelled by its own code"):
        play(report)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"timeout_s": 0}, "timeout_s is more than 0"),
        ({"timeout_s": float("nan")}, "timeout_s is more than 0"),
        ({"placeholder": Html('<?start name="p1"><?end>')}, "a placeholder has no parts"),
        ({"placeholder": Html("<!-- open")}, "a placeholder would take in what follows it"),
    ],
)
@in_debug_mode
async def test_options_that_no_part_can_have_are_refused(
    options: dict[str, Any], words: str
) -> None:
    async def report(page: Page) -> Html:
        return page.part(failing(), **options)

    with pytest.raises(ValueError, match=words):
        await Play(report).finish()


@in_debug_mode
async def test_a_placeholder_and_a_fallback_wait_for_nothing() -> None:
    async def placeholder(page: Page) -> Html:
        return page.part(failing(), placeholder=forever())

    async def fallback(page: Page) -> Html:
        return page.part(failing(), fallback=failing())

    with pytest.raises(TypeError, match="this one has to be awaited"):
        await Play(placeholder).finish()
    with pytest.raises(TypeError, match="not a coroutine"):
        await Play(fallback).finish()


def test_a_part_begins_in_the_loop_of_its_page_or_in_a_thread_of_it() -> None:
    async def report(page: Page) -> str:
        with pytest.raises(RuntimeError, match="does not begin in this thread"):
            await asyncio.to_thread(page.part, forever())
        return "done"

    assert play(report).text == "done"


@in_debug_mode
async def test_a_part_that_is_done_begins_no_parts() -> None:
    begun: list[asyncio.Task[Html]] = []
    is_done = asyncio.Event()

    async def late(page: Page) -> Html:
        await is_done.wait()
        return page.part(forever())

    async def early(page: Page) -> str:
        begun.append(asyncio.create_task(late(page)))
        return "done"

    async def report(page: Page) -> AsyncIterator[Html]:
        yield page.part(early, page)
        while not begun:
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        is_done.set()
        with pytest.raises(RuntimeError, match=r"part p1 \(.*early\) has ended; its part p2"):
            await begun[0]

    assert filled(await Play(report).finish()) == "done"


@in_debug_mode
async def test_arguments_are_for_functions() -> None:
    async def report(page: Page) -> Html:
        return page.part(forever(), "north")

    with pytest.raises(TypeError, match="only a function gets arguments, and coroutine is none"):
        await Play(report).finish()


def test_a_page_has_parts_while_it_is_served() -> None:
    with pytest.raises(RuntimeError, match="while its endpoint serves it"):
        new_page().part("text")


@in_debug_mode
async def test_progress_of_the_client_paces_the_page() -> None:
    """A client that reads nothing stops the page function, and parts that are done."""
    yielded = 0

    async def report(page: Page) -> AsyncIterator[str]:
        nonlocal yielded
        while True:
            yielded += 1
            yield "x" * 1_000

    played = Play(report)
    await played.take()
    for _ in range(100):
        await asyncio.sleep(0)
    before = yielded
    for _ in range(100):
        await asyncio.sleep(0)

    assert yielded == before
    assert before * 1_000 < 3 * limits.PAGE_WAITING_CHARS_MAX
    await played.leave()


@in_debug_mode
async def test_parts_that_are_done_wait_for_their_client() -> None:
    made = 0

    async def large() -> str:
        nonlocal made
        made += 1
        return "x" * limits.PAGE_WAITING_CHARS_MAX

    async def report(page: Page) -> list[Html]:
        return [page.part(large) for _ in range(20)]

    played = Play(report, new_page(parts_at_once=2))
    await played.take()
    for _ in range(200):
        await asyncio.sleep(0)

    assert made <= 4
    text = await played.finish()
    assert made == 20
    assert len(text) > 20 * limits.PAGE_WAITING_CHARS_MAX


def test_log_lines_have_no_content(caplog: pytest.LogCaptureFixture) -> None:
    """Not even of a part that is a text."""
    caplog.set_level(logging.DEBUG)

    async def report(page: Page) -> Html:
        return page.part(["secret", b"bytes"], fallback="no")

    assert filled(play(report).text) == "no"
    assert "secret" not in caplog.text
