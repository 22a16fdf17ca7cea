"""What a page may be made of: text, markup, and whatever yields them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Any

from tailrace.html.safe import markup

_TEXTS = (str, bytes, bytearray, memoryview)


async def pieces_of(content: Any) -> AsyncIterator[str]:
    """Yield the markup of a content, piece by piece, as it becomes available.

    Content is None, a text, which is escaped, something with `__html__`, or an iterable, an async
    iterable or an awaitable of contents.

    Raises:
        TypeError: it is bytes, which have no charset.
    """
    if hasattr(type(content), "__await__"):
        content = await content
    if hasattr(type(content), "aiter_chunks"):  # an element of htpy: its chunks are markup
        async for chunk in content.aiter_chunks():
            yield chunk
    elif hasattr(type(content), "__html__"):
        yield markup(content)
    elif hasattr(type(content), "__aiter__"):
        async for item in content:
            async for piece in pieces_of(item):
                yield piece
    elif isinstance(content, _TEXTS) or not isinstance(content, Iterable):
        if isinstance(content, _TEXTS) and not isinstance(content, str):
            raise TypeError(f"content is text or markup, not {type(content).__name__}: decode it")
        yield markup(content)
    else:
        for item in content:
            async for piece in pieces_of(item):
                yield piece


async def text_of(content: Any) -> str:
    """Return the markup of a content as a whole."""
    return "".join([piece async for piece in pieces_of(content)])
