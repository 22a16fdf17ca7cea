"""The values that a function makes, whatever kind of function it is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

_END: Final = object()


async def values_of(function: Callable[..., Any], *args: Any) -> AsyncIterator[Any]:
    """Yield what a function yields, or what the iterable has that it returns; it may be async.

    An iterator that is not async runs in a thread. It is closed in every case.
    """
    values = function(*args)
    if hasattr(type(values), "__await__"):
        values = await values
    if hasattr(type(values), "__aiter__"):
        iterator = aiter(values)
        try:
            async for value in iterator:
                yield value
        finally:
            if hasattr(iterator, "aclose"):
                await iterator.aclose()
        return
    if values is None:
        return
    iterator = iter(values)
    try:
        while (value := await asyncio.to_thread(next, iterator, _END)) is not _END:
            yield value
    finally:
        if hasattr(iterator, "close"):
            iterator.close()
