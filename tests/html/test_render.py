"""Pages whose parts get done in any order: what is sent, and when."""

from __future__ import annotations

import asyncio
import html
import random
from collections.abc import AsyncIterator
from typing import Any, cast

import htpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.html.page_play import Play, filled, new_page, play

from tailrace.errors import HeadError
from tailrace.html import Html, Page
from tailrace.html import page as endpoint
from tailrace.html import page as page_endpoint


def test_the_page_is_sent_before_its_parts_and_parts_as_they_get_done() -> None:
    async def main() -> None:
        gates = [asyncio.Event() for _ in range(3)]

        async def slow(number: int) -> Html:
            await gates[number].wait()
            return Html("<p>{}</p>").format(number)

        async def report(page: Page) -> Html:
            return Html("<h1>Hi</h1>{}{}{}</body></html>").format(
                *(page.part(slow(number), placeholder="…") for number in range(3))
            )

        played = Play(report)
        await played.take()
        assert '<?start name="p3">…<?end>' in played.text

        for number in (1, 2, 0):
            assert f"<p>{number}</p>" not in played.text
            gates[number].set()
            await played.take_until(f"<p>{number}</p>")

        await played.finish()
        assert played.order == ["p2", "p3", "p1"]
        assert filled(played.text) == "<h1>Hi</h1><p>0</p><p>1</p><p>2</p></body></html>"

    asyncio.run(main(), debug=True)


def test_a_part_is_sent_after_its_place() -> None:
    """Browsers look for the place when they read the fill."""

    async def main() -> None:
        gate = asyncio.Event()

        async def outer(page: Page) -> Html:
            place = page.part(inner())
            await gate.wait()
            return Html("({})").format(place)

        async def inner() -> str:
            asyncio.get_running_loop().call_soon(gate.set)
            return "inner"

        async def report(page: Page) -> Html:
            return page.part(outer(page))

        played = Play(report)
        await played.finish()
        assert played.order == ["p1", "p2"]
        assert filled(played.text) == "(inner)"

    asyncio.run(main(), debug=True)


def test_a_part_may_be_placed_in_another_one_that_is_not_its_parent() -> None:
    async def card(content: Html) -> Html:
        await asyncio.sleep(0)
        return Html("[{}]").format(content)

    async def report(page: Page) -> Html:
        return page.part(card(page.part("text")))

    assert filled(play(report).text) == "[text]"
    assert filled(play(report, new_page(is_in_order=True)).text) == "[text]"


@pytest.mark.parametrize(
    "ends", [["</body></html>"], ["</BODY >\n", "</html >\n"], ["</body>", "\n", "</html>"], [""]]
)
def test_the_end_tags_of_the_page_stay_at_its_end(ends: list[str]) -> None:
    async def report(page: Page) -> AsyncIterator[Html]:
        yield page.part("text")
        for end in ends:
            yield Html(end)

    text, end = play(report).text, "".join(ends)

    assert text.endswith(end)
    assert text.index("</template>") < len(text) - len(end)
    assert filled(text) == f"text{end}"


TREES = st.recursive(st.just([]), lambda trees: st.lists(trees, max_size=4), max_leaves=12)


@given(tree=TREES, seed=st.integers(0, 2**32), at_once=st.integers(1, 4), is_in_order=st.booleans())
def test_any_order_of_completion_gives_the_page_in_order(
    tree: list[Any], seed: int, at_once: int, is_in_order: bool
) -> None:

    def whole(tree: list[Any]) -> str:
        return "".join(f"<b>{whole(child)}</b>" for child in tree)

    chance = random.Random(seed)

    async def main() -> str:
        waiting: list[asyncio.Event] = []

        async def pause() -> None:
            waiting.append(asyncio.Event())
            await waiting[-1].wait()

        def parts(page: Page, tree: list[Any]) -> list[Html]:
            return [Html("<b>{}</b>").format(page.part(make, page, child)) for child in tree]

        async def make(page: Page, tree: list[Any]) -> list[Html]:
            for _ in range(chance.randrange(3)):
                await pause()
            places = parts(page, tree)
            await pause()
            return places

        async def report(page: Page) -> AsyncIterator[Html]:
            for place in parts(page, tree):
                yield place
                await pause()

        async def release() -> None:
            while True:
                await asyncio.sleep(0)
                if waiting:
                    waiting.pop(chance.randrange(len(waiting))).set()

        releasing = asyncio.create_task(release())
        page = new_page(is_in_order=is_in_order, parts_at_once=at_once)
        played = Play(report, page)
        while await played.take() is not None:
            pass
        releasing.cancel()
        await asyncio.gather(releasing, return_exceptions=True)
        await played.leave()
        return played.text

    text = asyncio.run(main())

    assert filled(text) == whole(tree)


def test_a_page_that_a_part_of_another_one_makes_is_not_in_that_part() -> None:
    async def inner(page: Page) -> AsyncIterator[Any]:
        yield Html("<h1>inner</h1>")
        async for _ in page.progress([1], label="rows"):
            yield page.part("leaf")

    async def source() -> str:
        played = Play(inner)
        async for item in played.items:
            played.pieces.append(item if isinstance(item, str) else "")
        return filled(played.text)

    async def outer(page: Page) -> Html:
        return page.part(source())

    text = html.unescape(filled(play(outer).text))

    assert text.startswith('<h1>inner</h1><div class="tailrace-progress">'), "the bar stands here"
    assert "leaf" in text


@pytest.mark.parametrize("is_in_order", [False, True])
def test_parts_are_made_at_the_same_time_wherever_they_stand(is_in_order: bool) -> None:
    """Also in order, where the second one waits for its turn to be sent."""

    async def main() -> None:
        second = asyncio.Event()

        async def report(page: Page) -> AsyncIterator[Html]:
            async def first() -> str:
                await second.wait()
                return "first "

            async def last() -> str:
                second.set()
                return "last"

            yield page.part(first)
            yield Html("<br>")
            yield page.part(last)

        text = await Play(report, new_page(is_in_order=is_in_order)).finish()
        assert filled(text) == "first <br>last"

    asyncio.run(main(), debug=True)


def test_no_more_parts_are_made_at_once_than_allowed() -> None:
    running = most = 0

    async def part() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        for _ in range(3):
            await asyncio.sleep(0)
        running -= 1

    async def report(page: Page) -> list[Html]:
        return [page.part(part) for _ in range(20)]

    play(report, new_page(parts_at_once=3))

    assert most == 3
    with pytest.raises(ValueError, match="parts_at_once is 1 or more, not 0"):
        page_endpoint(parts_at_once=0)


def test_elements_of_htpy_have_parts() -> None:
    async def rows(page: Page) -> htpy.Element:
        return htpy.ul[htpy.li[page.part("<b>")], htpy.li[page.part(htpy.i["i"])]]

    async def report(page: Page) -> htpy.Element:
        return htpy.main[page.part(rows, page), htpy.p["end"]]

    expected = "<main><ul><li>&lt;b&gt;</li><li><i>i</i></li></ul><p>end</p></main>"
    assert filled(play(report).text) == expected


def test_the_head_is_as_it_is_at_the_first_content(caplog: pytest.LogCaptureFixture) -> None:
    async def redirect(page: Page) -> None:
        page.status = 303
        page.headers["location"] = "/login"
        page.cookies.append("a=1")

    async def late(page: Page) -> AsyncIterator[str]:
        page.status = 404
        yield ""
        page.headers["x-late"] = "no"
        yield "not found"
        page.status = 200

    moved, missing = play(redirect), play(late)

    assert moved.text == ""
    assert moved.head is not None and missing.head is not None
    assert (moved.head.status, moved.head.get("location"), moved.head.cookies) == (
        303,
        "/login",
        ("a=1",),
    )
    assert (missing.head.status, missing.head.get("x-late")) == (404, "no")
    assert caplog.messages == [
        "status, headers or cookies of a page were changed after its first content, and were not"
        " sent; change them before"
    ]


def test_the_case_of_a_header_does_not_make_a_second_one(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def report(page: Page) -> str:
        page.headers["Content-Type"] = "text/plain"
        page.headers["X-Report"] = "1"
        return "done"

    head = play(report).head

    assert head is not None
    assert head.get("content-type") == "text/plain"
    assert [name for name, _ in head.headers].count("content-type") == 1
    assert head.get("x-report") == "1"
    assert not caplog.records


def test_an_endpoint_is_made_of_a_function() -> None:
    with pytest.raises(TypeError, match="an endpoint is made of a function, not of 'report'"):
        endpoint(cast(Any, "report"))


def test_a_head_that_http_does_not_allow_is_a_failure_before_it() -> None:
    async def report(page: Page) -> AsyncIterator[str]:
        page.headers["x-name"] = "a\nb"
        yield "text"

    with pytest.raises(HeadError):
        play(report)
