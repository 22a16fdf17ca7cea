"""Handlers of every kind that send what a test says."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from tailrace.function import FLUSH, FlushPolicy, Head, ResponseStream, streamify_response

KINDS = ["generator", "async generator", "writer"]
SMALL = FlushPolicy(pad_bytes=100)
Handler = Callable[[Any, Any], Any]


def handler_of(kind: str, items: list[Any], flush: Any = SMALL, before: Any = None) -> Handler:
    """A handler of a kind that sends items, FLUSH among them; an exception is raised.

    `before` is called before each.
    """

    def item_of(item: Any) -> Any:
        if before is not None:
            before()
        if isinstance(item, BaseException):
            raise item
        return item

    def generate(event: Any, context: Any) -> Iterator[Any]:
        for item in items:
            yield item_of(item)

    async def generate_async(event: Any, context: Any) -> AsyncIterator[Any]:
        for item in items:
            yield item_of(item)

    async def write(event: Any, response: ResponseStream, context: Any) -> None:
        for item in items:
            if isinstance(item_of(item), Head):
                response.set_head(item)
            elif item is FLUSH:
                await response.flush()
            else:
                await response.write(item)

    functions: dict[str, Any] = {
        "generator": generate,
        "async generator": generate_async,
        "writer": write,
    }
    return streamify_response(functions[kind], flush=flush)
