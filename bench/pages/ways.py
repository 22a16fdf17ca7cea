"""The ways to make the page, each as a coroutine function that returns all bytes of a response.

Jinja2 renders it in one template, and nothing sends it. Ours are whole ASGI apps, whose events are
taken as a server takes them.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final, TypeAlias

from bench.pages import content
from tailrace.html import Html, Page, page

Way: TypeAlias = Callable[[], Awaitable[bytes]]
App: TypeAlias = Callable[[Any, Any, Any], Awaitable[None]]
"""An ASGI app."""
MakePart: TypeAlias = Callable[[int], Awaitable[Any]]

SCOPE: Final = {
    "type": "http",
    "http_version": "1.1",
    "method": "GET",
    "scheme": "http",
    "path": "/",
    "raw_path": b"/",
    "query_string": b"",
    "headers": [(b"host", b"example.com"), (b"user-agent", b"bench"), (b"accept", b"*/*")],
    "client": ("127.0.0.1", 1),
}
_FILL: Final = re.compile('<template for="(p[0-9]+)">(.*?)</template><!---->', re.DOTALL)
_PLACE: Final = re.compile(r'<\?start name="(p[0-9]+)">.*?<\?end>', re.DOTALL)
_OWN: Final = re.compile(
    r'<\?start name="tailrace">.*?</script>|<style nonce="[^"]*">.*?</style>', re.DOTALL
)
"""The script, and the styles that say when no news come."""


async def generate_async() -> bytes:
    """One template, piece by piece."""
    pieces = content.WHOLE.generate_async(load=content.load, numbers=range(content.PARTS))
    return "".join([piece async for piece in pieces]).encode()


async def each_piece(scope: Any, receive: Any, send: Any) -> None:
    """One template as an ASGI app that sends each piece, as Starlette's StreamingResponse does."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    pieces = content.WHOLE.generate_async(load=content.load, numbers=range(content.PARTS))
    async for piece in pieces:
        await send({"type": "http.response.body", "body": piece.encode(), "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def render_async() -> bytes:
    """One template, as a whole."""
    whole = content.WHOLE.render_async(load=content.load, numbers=range(content.PARTS))
    return (await whole).encode()


async def htpy_alone() -> bytes:
    """htpy's own chunks, part after part."""
    pieces: list[str] = [content.HEAD]
    for number in range(content.PARTS):
        element = await content.by_htpy(number)
        pieces += [chunk async for chunk in element.aiter_chunks()]
    return "".join([*pieces, content.FOOT]).encode()


def in_parts(make_part: MakePart, *, in_order: bool = False) -> Way:
    """A page of parts."""

    @page(in_order=in_order)
    async def sales(page: Page) -> AsyncIterator[Html]:
        yield content.HEAD
        for number in range(content.PARTS):
            yield page.part(make_part(number))
        yield content.FOOT

    return lambda: response_of(sales)


async def response_of(app: App) -> bytes:
    """Return the body of an app's response."""
    chunks: list[bytes] = []

    async def read(chunk: bytes) -> None:
        chunks.append(chunk)

    await respond(app, read)
    return b"".join(chunks)


async def respond(app: App, read: Callable[[bytes], Awaitable[None]]) -> None:
    """Send a request to an ASGI app; each chunk of the body is read before the next is taken."""
    messages = iter([{"type": "http.request", "body": b"", "more_body": False}])
    has_left = asyncio.Event()

    async def receive() -> dict[str, Any]:
        for message in messages:
            return message
        await has_left.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.body":
            await read(message["body"])

    await app(SCOPE, receive, send)


def filled(response: bytes) -> str:
    """Return the page that a browser has at the end: each part in its place."""
    text = response.decode()
    fills = dict(_FILL.findall(text))
    text = _OWN.sub("", _FILL.sub("", text))
    return _PLACE.sub(lambda place: fills[place[1]], text)


GENERATE: Final = "Jinja2, generate_async"
JINJA2: Final = "tailrace, parts by Jinja2"
HTPY_ALONE: Final = "htpy, aiter_chunks"
HTPY: Final = "tailrace, parts by htpy"
WAYS: Final[dict[str, Way]] = {
    GENERATE: generate_async,
    "  each piece sent, under ASGI": lambda: response_of(each_piece),
    "Jinja2, render_async": render_async,
    JINJA2: in_parts(content.by_jinja2),
    f"{JINJA2}, in order": in_parts(content.by_jinja2, in_order=True),
    "tailrace, parts by Html.format": in_parts(content.by_format),
    HTPY_ALONE: htpy_alone,
    HTPY: in_parts(content.by_htpy),
}
