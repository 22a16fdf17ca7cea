"""Loops over the steps of a page."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator

from tests.html.hosts.asgi_server import AsgiClient
from tests.html.hosts.test_asgi import serve

from tailrace.html import Html, Page, page
from tailrace.html.endpoint import Endpoint


def publish_for(client: AsgiClient) -> Endpoint:
    """Each step ends when its client has seen that it goes on."""

    @page
    async def publish(page: Page) -> AsyncIterator[object]:
        yield Html("<h1>publish</h1>")
        async for step in page.steps(["Fetch", "Check"]):
            await client.wait_text(f'aria-current="step">{step}')

    return publish


@page
def publish_in_a_thread(page: Page) -> Iterator[object]:
    """The same, without async."""
    yield Html("<h1>publish</h1>")
    for step in page.steps(["Fetch", "Check"]):
        yield f"[{step}]"


@page
async def blocks_the_loop(page: Page) -> AsyncIterator[object]:
    """The wrong loop."""
    yield Html("<h1>publish</h1>")
    for step in page.steps(["Fetch"]):
        yield step


def states(text: str) -> list[tuple[str, str]]:
    """The class and name of each step, at each time it was sent."""
    return re.findall(r'<li class="tailrace-(\w+)"[^>]*>(\w+)', text)


def test_each_step_is_seen_while_it_goes_on() -> None:
    client = AsgiClient()

    serve(client, publish_for(client))

    assert states(client.text)[:2] == [("current", "Fetch"), ("pending", "Check")]
    assert states(client.text)[-2:] == [("done", "Fetch"), ("done", "Check")]


def test_a_plain_loop_goes_through_the_steps() -> None:
    client = serve(AsgiClient(), publish_in_a_thread)

    assert client.is_complete
    assert states(client.text)[-2:] == [("done", "Fetch"), ("done", "Check")]
    assert client.text.index("[Fetch]") < client.text.index("[Check]")


def test_a_loop_that_would_block_the_others_is_refused() -> None:
    error: str = ""
    try:
        serve(AsgiClient(), blocks_the_loop)
    except RuntimeError as found:
        error = str(found)

    assert error == "this loop would block all others; write: async for … in page.steps"
