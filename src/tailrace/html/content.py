"""What a page may be made of: text, markup, and whatever yields them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, Protocol

from tailrace.function.generators import throw_into
from tailrace.function.stream import Flush
from tailrace.html.safe import Html, encodable, markup
from tailrace.html.template import TemplateContent
from tailrace.wire.integration import Head

_BYTES: Final = (bytes, bytearray, memoryview)
_ASYNC: Final = ("__await__", "__aiter__", "aiter_chunks")
_ITERATORS: Final[tuple[type, ...]] = (type(iter([])), type(iter(())))


class Sink(Protocol):
    """Where markup goes."""

    @property
    def is_full(self) -> bool:
        """Whether `wait_room` is called before more is put."""

    def put(self, piece: str, /) -> None:
        """Add a piece."""

    async def wait_room(self) -> None:
        """Wait until it is not full."""


class Collected(list[str]):
    """A sink that keeps all."""

    is_full = False
    put = list.append

    async def wait_room(self) -> None:
        """Return."""


async def pour(content: Any, sink: Sink) -> None:
    """Put the markup of a content into a sink, piece by piece, as it becomes available.

    Content is None, a text, which is escaped, something with `__html__`, or an iterable, an async
    iterable or an awaitable of contents. Iterators are closed in every case, and coroutines, too.

    Raises:
        TypeError: it is bytes, which have no charset, a mapping, or a function.
    """
    while hasattr(type(content), "__await__"):
        content = await content
    text = _text_at_hand(content)
    if text is not None:
        sink.put(text)
        if sink.is_full:
            await sink.wait_room()
    elif hasattr(type(content), "aiter_chunks"):  # an element of htpy: its chunks are markup
        await _pour_each(content.aiter_chunks(), sink, is_markup=True)
    elif hasattr(type(content), "__aiter__"):
        await _pour_each(content, sink, is_markup=False)
    else:
        items = iter(content)
        try:
            for item in items:
                text = _text_at_hand(item)
                if text is None:
                    await pour(item, sink)
                    continue
                sink.put(text)
                if sink.is_full:
                    await sink.wait_room()
        finally:
            drop(items)


async def text_of(content: Any) -> str:
    """Return the markup of a content as a whole."""
    while hasattr(type(content), "__await__"):
        content = await content
    text = _text_at_hand(content)
    if text is not None:
        return text
    collected = Collected()
    await pour(content, collected)
    return "".join(collected)


def text_now(content: Any) -> str:
    """Return the markup of a content that waits for nothing.

    Raises:
        TypeError: it is to be awaited.
    """
    at_hand = _text_at_hand(content)
    if at_hand is not None:
        return at_hand
    pouring = text_of(content)
    try:
        pouring.send(None)
    except StopIteration as done:
        text: str = done.value
        return text
    pouring.close()
    raise TypeError("a placeholder is shown at once, and this one has to be awaited")


def drop(content: Any) -> None:
    """Close a content that is not going to be used: coroutines, generators, and lists of them."""
    if inspect.iscoroutine(content) or inspect.isgenerator(content):
        content.close()
    elif isinstance(content, list | tuple) or type(content) in _ITERATORS:
        for item in content:
            drop(item)


def pieces_in_thread(function: Callable[[], Any]) -> Iterator[Any]:
    """Call a function, and yield the markup of its content, piece by piece; it may block.

    Contents that are async are yielded as they are, for `pour`.
    """
    yield from _pieces(function())


def _pieces(content: Any) -> Iterator[Any]:
    text = _text_at_hand(content)
    if text is not None:
        yield Html(text)
    elif isinstance(content, TemplateContent) and not content.is_async:
        yield from map(Html, content.iter_chunks())
    elif any(hasattr(type(content), name) for name in _ASYNC):
        yield content
    else:
        items = iter(content)
        try:
            for item in items:
                yield from _pieces(item)
        finally:
            drop(items)


async def _pour_each(contents: Any, sink: Sink, *, is_markup: bool) -> None:
    items = aiter(contents)
    try:
        async for item in items:
            text = encodable(item) if is_markup else _text_at_hand(item)
            if text is None:
                await pour(item, sink)
                continue
            sink.put(text)
            if sink.is_full:
                await sink.wait_room()
    except BaseException as error:
        await throw_into(items, error)
        raise
    finally:
        if hasattr(items, "aclose"):
            await items.aclose()


def _text_at_hand(content: Any) -> str | None:
    """The markup of a content that is not made of others, which takes no generator; else None."""
    kind = type(content)
    if kind is Html or kind is str:
        return markup(content)
    if hasattr(kind, "__await__") or hasattr(kind, "aiter_chunks"):
        return None
    if hasattr(kind, "__html__") or issubclass(kind, str):
        return markup(content)
    if issubclass(kind, _BYTES):
        raise TypeError(f"content is text or markup, not {kind.__name__}; decode it")
    if hasattr(kind, "__aiter__"):
        return None
    if issubclass(kind, Mapping):
        raise TypeError(f"content is text or markup, not {kind.__name__}; choose what it shows")
    if issubclass(kind, Iterable):
        return None
    if callable(content):
        raise TypeError(f"content is text or markup, not the function {content!r}; call it")
    if isinstance(content, Flush | Head):
        raise TypeError(
            f"content is text or markup, not {kind.__name__}; a page is flushed by itself, and"
            " page.status, page.headers and page.cookies are its head"
        )
    return markup(content)
