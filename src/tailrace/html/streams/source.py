"""The values that a function makes, whatever kind of function it is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from functools import partial
from typing import Any

from tailrace.function.generators import throw_into
from tailrace.html.threads import ThreadSet, is_async


async def values_of(
    function: Callable[..., Any], argument: Any, threads: ThreadSet
) -> AsyncIterator[Any]:
    """Yield what a function yields, or what the iterable has that it returns; it may be async.

    What is not async runs in one thread. Iterators are closed in every case.

    Raises:
        TypeError: it returns what is not iterable.
    """
    if is_async(function):
        result = function(argument)
    else:
        in_thread = threads.iterate(partial(_values_in_thread, function, argument))
        async with aclosing(in_thread) as items:  # type: ignore[type-var]  # an async generator
            async for is_value, result in items:
                if not is_value:
                    break
                yield result
            else:
                return
    if hasattr(type(result), "__await__"):
        result = await result
    if hasattr(type(result), "__aiter__"):
        iterator = aiter(result)
        try:
            async for value in iterator:
                yield value
        except BaseException as error:
            await throw_into(iterator, error)
            raise
        finally:
            if hasattr(iterator, "aclose"):
                await iterator.aclose()
    else:
        async for value in values_of(lambda _: result, argument, threads):
            yield value


def _values_in_thread(function: Callable[..., Any], argument: Any) -> Iterator[tuple[bool, Any]]:
    """Yield the values with True, or the result alone with False if it is async."""
    result = function(argument)
    if result is None:
        return
    if hasattr(type(result), "__await__") or hasattr(type(result), "__aiter__"):
        yield False, result
        return
    if isinstance(result, (str, bytes, dict)) or not hasattr(type(result), "__iter__"):
        raise TypeError(f"the function yields values, or returns some; not {result!r:.80}")
    try:
        for value in result:
            yield True, value
    finally:
        if hasattr(result, "close"):
            result.close()
