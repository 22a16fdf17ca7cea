"""Templates of Jinja2 as pages and parts, in environments of both kinds."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import jinja2
import pytest
from tests.html.page_play import Play, filled, new_page, play

from tailrace.html import Html, Page

SYNC = jinja2.Environment(autoescape=True)
ASYNC = jinja2.Environment(autoescape=True, enable_async=True)
BOTH = pytest.mark.parametrize("environment", [SYNC, ASYNC], ids=["sync", "async"])


async def sales(region: str) -> str:
    await asyncio.sleep(0)
    return f"<{region}>"


@BOTH
@pytest.mark.parametrize("is_in_order", [False, True])
def test_a_template_has_parts_and_escapes(
    environment: jinja2.Environment, is_in_order: bool
) -> None:
    template = environment.from_string(
        "<h1>{{ title }}</h1>{% for region in regions %}"
        "<p>{{ page.part(sales, region, placeholder='…') }}</p>{% endfor %}"
    )

    async def report(page: Page) -> Any:
        return page.template(template, title="<Sales>", regions="ab", sales=sales)

    text = play(report, new_page(is_in_order=is_in_order)).text

    assert filled(text) == "<h1>&lt;Sales&gt;</h1><p>&lt;a&gt;</p><p>&lt;b&gt;</p>"
    assert ("…" in text) is not is_in_order


@BOTH
def test_a_template_is_a_part_that_has_parts(environment: jinja2.Environment) -> None:
    outer = environment.from_string("[{{ page.part(page.template(inner)) }}]")
    inner = environment.from_string("({{ page.part('leaf') }})")

    async def report(page: Page) -> Html:
        return page.part(page.template(outer, inner=inner))

    assert filled(play(report).text) == "[(leaf)]"


@BOTH
def test_what_no_page_may_have_is_replaced(environment: jinja2.Environment) -> None:
    template = environment.from_string("<p>{{ text }}")

    async def report(page: Page) -> Any:
        return page.template(template, text="\ud800é")

    assert play(report).text == "<p>\ufffdé"


def test_a_template_without_async_renders_in_the_thread_of_its_page() -> None:
    template = SYNC.from_string("{% for row in page.progress(rows()) %}<p>{{ row }}{% endfor %}")

    def rows() -> Iterator[bool]:
        yield threading.current_thread() is threading.main_thread()

    def report(page: Page) -> Any:
        return page.template(template, rows=rows)

    text = play(report).text

    assert "<p>False" in text
    assert "tailrace-progress" in text


def test_a_template_is_sent_while_it_renders() -> None:
    async def main() -> None:
        gate = asyncio.Event()

        async def rows() -> AsyncIterator[int]:
            yield 1
            await gate.wait()
            yield 2

        template = ASYNC.from_string("{% for row in rows() %}<li>{{ row }}{% endfor %}")

        async def report(page: Page) -> Any:
            yield Html("<ul>")
            yield page.template(template, rows=rows)

        played = Play(report)
        await played.take_until("<li>1")
        assert "<li>2" not in played.text
        gate.set()
        assert await played.finish() == "<ul><li>1<li>2"

    asyncio.run(main(), debug=True)


def test_a_template_is_closed_when_its_client_leaves() -> None:
    closed = []

    async def rows() -> AsyncIterator[int]:
        try:
            yield 1
            await asyncio.Event().wait()
        finally:
            closed.append("rows")

    template = ASYNC.from_string("{% for row in rows() %}<li>{{ row }}{% endfor %}")

    async def main() -> None:
        async def report(page: Page) -> Any:
            return page.template(template, rows=rows)

        played = Play(report)
        await played.take_until("<li>1")
        await played.leave()

    asyncio.run(main(), debug=True)

    assert closed == ["rows"]


@BOTH
def test_a_template_that_fails_is_a_failed_part(
    environment: jinja2.Environment, caplog: pytest.LogCaptureFixture
) -> None:
    template = environment.from_string("half {{ 1 / 0 }}")

    async def report(page: Page) -> Html:
        return page.part(page.template(template), fallback="no figures")

    assert filled(play(report).text) == "no figures"
    assert "part p1 (TemplateContent) failed" in caplog.text


@pytest.mark.parametrize("autoescape", [False, jinja2.select_autoescape(default_for_string=False)])
def test_a_template_that_does_not_escape_is_refused(autoescape: Any) -> None:
    template = jinja2.Environment(autoescape=autoescape).from_string("{{ name }}")

    async def report(page: Page) -> Any:
        return page.template(template, name="<script>")

    with pytest.raises(ValueError, match="does not escape what it shows; make its environment"):
        play(report)


def test_what_is_no_template_of_jinja2_is_refused() -> None:
    with pytest.raises(TypeError, match="takes a template of Jinja2, not str"):
        new_page().template("report.html")


def test_an_async_template_is_no_text() -> None:
    page = new_page()
    assert Html("{}").format(page.template(SYNC.from_string("<p>"))) == "<p>"
    with pytest.raises(TypeError, match="an async template is no text"):
        Html("{}").format(page.template(ASYNC.from_string("<p>")))
