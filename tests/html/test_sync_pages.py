"""Page functions and sources that are not async: in threads, as those that are."""

from __future__ import annotations

import asyncio
import itertools
import re
import threading
import traceback
from collections.abc import Iterator
from typing import Any

import pytest
from tests.html.hosts.asgi_server import AsgiClient

from tailrace.html import Html, Page, page
from tailrace.html.endpoint import Endpoint
from tailrace.html.threads import raise_if_stopped

PATIENCE_S = 20.0


def serve(app: Any) -> AsgiClient:
    client = AsgiClient()

    async def main() -> None:
        await app(client.scope, client.receive, client.send)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        for thread in set(threading.enumerate()) - before:
            thread.join(PATIENCE_S)
            assert not thread.is_alive()

    before = set(threading.enumerate())
    asyncio.run(main())
    return client


def text_of(app: Any) -> str:
    client = serve(app)
    assert client.is_complete
    return re.sub("<style.*?</style>", "", client.text)


def test_a_generator_yields_its_page_from_one_thread() -> None:
    seen = set()

    @page
    def rows(page: Page) -> Iterator[Any]:
        for number in range(3):
            seen.add(threading.get_ident())
            yield Html("<p>{}</p>").format(number)
        yield ("<", (str(number) for number in range(2)))

    assert text_of(rows) == "<p>0</p><p>1</p><p>2</p>&lt;01"
    assert len(seen) == 1
    assert threading.get_ident() not in seen


def test_a_function_returns_its_page_from_a_thread() -> None:
    @page
    def small(page: Page) -> str:
        return f"{threading.current_thread() is threading.main_thread()}"

    assert text_of(small) == "False"


def test_what_is_async_in_it_runs_in_the_loop() -> None:
    async def word() -> str:
        await asyncio.sleep(0)
        return f"{threading.current_thread() is threading.main_thread()}"

    @page
    def mixed(page: Page) -> Iterator[Any]:
        yield "1 "
        yield word()
        yield " 2"

    assert text_of(mixed) == "1 True 2"


def test_it_has_parts_which_have_parts() -> None:
    @page(in_order=True)
    def nested(page: Page) -> Iterator[Any]:
        def outer() -> Html:
            return Html("(") + page.part(lambda: "inner") + ")"

        yield page.part(outer)

    assert "(inner)" in text_of(nested)


def test_its_failure_has_its_traceback() -> None:
    @page
    def fails(page: Page) -> Iterator[Any]:
        yield "half"
        raise KeyError("row")

    with pytest.raises(KeyError) as caught:
        serve(fails)

    assert "fails" in [frame.name for frame in traceback.extract_tb(caught.tb)]


def leave_when_begun(app: Endpoint, begun: threading.Event) -> None:
    async def main() -> None:
        client = AsgiClient()
        serving = asyncio.ensure_future(app(client.scope, client.receive, client.send))
        await asyncio.to_thread(begun.wait)
        client.leave()
        await serving
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())


@pytest.mark.parametrize("kind", ["page", "part"])
def test_who_leaves_closes_a_generator_at_its_next_yield(kind: str) -> None:
    begun, ended = threading.Event(), threading.Event()

    def rows() -> Iterator[str]:
        try:
            while True:
                yield "row"
                begun.set()
        finally:
            ended.set()

    @page
    def report(page: Page) -> Any:
        return rows() if kind == "page" else page.part(rows)

    leave_when_begun(report, begun)

    assert ended.is_set()


def test_who_leaves_stops_a_function_that_asks() -> None:
    begun, ended = threading.Event(), threading.Event()

    @page
    def report(page: Page) -> str:
        begun.set()
        try:
            while True:
                raise_if_stopped()
        finally:
            ended.set()

    leave_when_begun(report, begun)

    assert ended.is_set()


def test_who_leaves_stops_a_loop_over_progress() -> None:
    begun, ended = threading.Event(), threading.Event()

    @page
    def report(page: Page) -> str:
        try:
            for _ in page.progress(itertools.count()):
                begun.set()
        finally:
            ended.set()
        return "never"

    leave_when_begun(report, begun)

    assert ended.is_set()


def test_a_part_that_blocks_is_replaced_when_its_time_is_up() -> None:
    let_go = threading.Event()

    @page(in_order=True)
    async def report(page: Page) -> Html:
        def fallback(error: Exception) -> str:
            let_go.set()
            return type(error).__name__

        return page.part(let_go.wait, timeout_s=0.01, fallback=fallback)

    assert "TimeoutError" in text_of(report)
