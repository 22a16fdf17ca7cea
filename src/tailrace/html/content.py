"""What a page may be made of: text, markup, and whatever yields them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Any

from tailrace.html.safe import Html, markup

_BYTES = (bytes, bytearray, memoryview)


async def pieces_of(content: Any) -> AsyncIterator[str]:
    """Yield the markup of a content, piece by piece, as it becomes available.

    Content is None, a text, which is escaped, something with `__html__`, or an iterable, an async
    iterable or an awaitable of contents.

    Raises:
        TypeError: it is bytes, which have no charset.
    """
    if hasattr(type(content), "__await__"):
        content = await content
    text = _text_at_hand(content)
    if text is not None:
        yield text
    elif hasattr(type(content), "aiter_chunks"):  # an element of htpy: its chunks are markup
        async for chunk in content.aiter_chunks():
            yield chunk
    elif hasattr(type(content), "__await__"):
        async for piece in pieces_of(content):
            yield piece
    else:
        async for item in content if hasattr(type(content), "__aiter__") else _each(content):
            text = _text_at_hand(item)
            if text is not None:
                yield text
                continue
            async for piece in pieces_of(item):
                yield piece


async def text_of(content: Any) -> str:
    """Return the markup of a content as a whole."""
    if hasattr(type(content), "__await__"):
        content = await content
    text = _text_at_hand(content)
    return "".join([piece async for piece in pieces_of(content)]) if text is None else text


def pieces_in_thread(function: Callable[[], Any]) -> Iterator[Any]:
    """Call a function, and yield the markup of its content, piece by piece; it may block.

    Contents that are async are yielded as they are, for `pieces_of`.
    """
    yield from _pieces(function())


def _pieces(content: Any) -> Iterator[Any]:
    text = _text_at_hand(content)
    if text is not None:
        yield Html(text)
    elif any(hasattr(type(content), name) for name in ("__await__", "__aiter__", "aiter_chunks")):
        yield content
    else:
        try:
            for item in content:
                yield from _pieces(item)
        finally:
            if hasattr(content, "close"):
                content.close()


def _text_at_hand(content: Any) -> str | None:
    """The markup of a content that is not made of others, which takes no generator; else None."""
    kind = type(content)
    if kind is not Html and kind is not str:
        if hasattr(kind, "__await__") or hasattr(kind, "aiter_chunks"):
            return None
        if not hasattr(kind, "__html__"):
            if issubclass(kind, _BYTES):
                raise TypeError(f"content is text or markup, not {kind.__name__}: decode it")
            if hasattr(kind, "__aiter__"):
                return None
            if issubclass(kind, Iterable) and not issubclass(kind, str):
                return None
    return markup(content)


async def _each(items: Iterable[Any]) -> AsyncIterator[Any]:
    for item in items:
        yield item
