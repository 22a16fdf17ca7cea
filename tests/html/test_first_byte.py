"""The first byte of a page waits for none of its parts: seen by a raw client, behind a server."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import uvicorn

from tailrace.html import Html, Page, page

PARTS = 100
PATIENCE_S = 30.0


class Held:
    """A page of parts, each of which a test lets go."""

    def __init__(self) -> None:
        self.gates = [asyncio.Event() for _ in range(PARTS)]
        self.made: list[int] = []

    async def part(self, number: int) -> Html:
        await self.gates[number].wait()
        self.made.append(number)
        return Html("<b>part {}</b>").format(number)

    async def __call__(self, page: Page) -> AsyncIterator[Html]:
        yield Html("<!doctype html><body><h1>shell</h1>")
        for number in range(PARTS):
            yield page.part(self.part(number), placeholder=f"place {number};")
        yield Html("<footer>end of the shell</footer></body>")


async def run(held: Held) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        app = page(held)
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
        serving = asyncio.create_task(server.serve([listener]))
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        try:
            writer.write(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
            async with asyncio.timeout(PATIENCE_S):
                await observe(held, reader)
        finally:
            writer.close()
            server.should_exit = True
            await serving


async def observe(held: Held, reader: asyncio.StreamReader) -> None:
    shell = await reader.readuntil(b"end of the shell</footer>")

    assert held.made == []
    assert shell.startswith(b"HTTP/1.1 200 ")
    assert all(f"place {number};".encode() in shell for number in range(PARTS))

    held.gates[PARTS // 4].set()
    more = await reader.readuntil(b"</b>")

    assert held.made == [PARTS // 4]
    assert more.count(b"<b>part ") == 1
    for gate in held.gates:
        gate.set()
    rest = await reader.readuntil(b"\r\n0\r\n\r\n")
    assert rest.count(b"<b>part ") == PARTS - 1


def test_a_client_has_the_whole_shell_while_all_parts_are_held() -> None:
    async def observed() -> None:
        await run(Held())

    asyncio.run(observed())
