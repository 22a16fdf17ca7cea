"""How many parts are made at the same time: many that wait, and fewer that have a thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator

from tests.html.hosts.asgi_server import AsgiClient

from tailrace.html import Html, Page, page
from tailrace.html.limits import PART_THREADS_MAX, PARTS_AT_ONCE_MAX

TURNS = 100
"""Of the event loop: in each of them another part could begin."""


async def pass_turns() -> None:
    for _ in range(TURNS):
        await asyncio.sleep(0)


def test_the_last_of_many_parts_is_shown_first() -> None:
    """A part that is ready does not wait for those before it."""

    async def run() -> None:
        gates = [asyncio.Event() for _ in range(PARTS_AT_ONCE_MAX + 2)]
        begun: list[int] = []

        async def part(number: int) -> str:
            begun.append(number)
            await gates[number].wait()
            return f"part {number};"

        async def parts(page: Page) -> AsyncIterator[Html]:
            for number in range(len(gates)):
                yield page.part(part, number)

        client = AsgiClient()
        serving = asyncio.create_task(page(parts)(client.scope, client.receive, client.send))
        last = PARTS_AT_ONCE_MAX - 1
        gates[last].set()
        await client.wait_text(f"part {last};")
        await pass_turns()
        assert client.text.count("part ") == 1
        assert begun == [*range(PARTS_AT_ONCE_MAX + 1)]  # one of them in the place of the last
        for gate in gates:
            gate.set()
        await serving
        assert client.text.count("part ") == len(gates)

    asyncio.run(run())


def test_parts_that_are_not_async_have_so_many_threads() -> None:
    async def run() -> None:
        loop = asyncio.get_running_loop()
        gate, all_threads = threading.Event(), asyncio.Event()
        begun: list[int] = []

        def note(number: int) -> None:
            begun.append(number)
            if len(begun) == PART_THREADS_MAX:
                all_threads.set()

        def blocking(number: int) -> str:
            loop.call_soon_threadsafe(note, number)
            gate.wait(30)
            return f"thread {number};"

        async def other() -> str:
            await all_threads.wait()
            return "beside them;"

        async def parts(page: Page) -> AsyncIterator[Html]:
            for number in range(PART_THREADS_MAX + 3):
                yield page.part(blocking, number)
            yield page.part(other())

        client = AsgiClient()
        serving = asyncio.create_task(page(parts)(client.scope, client.receive, client.send))
        try:
            await client.wait_text("beside them;")
            await pass_turns()
            assert begun == [*range(PART_THREADS_MAX)]
        finally:
            gate.set()
        await serving
        assert client.text.count("thread ") == PART_THREADS_MAX + 3

    asyncio.run(run())
