"""The function of a stream: of any kind, never in the way of the loop, closed in every case."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from tests.html.streams.exchange import Exchange, body_of, broken_response_of

from tailrace.html import ndjson


class Values:
    """An async iterable that is no generator, as clients of models return it."""

    def __init__(self) -> None:
        self.is_closed = False

    def __aiter__(self) -> Values:
        self._left = [1, 2]
        return self

    async def __anext__(self) -> int:
        if not self._left:
            raise StopAsyncIteration
        return self._left.pop(0)

    async def aclose(self) -> None:
        self.is_closed = True


async def of_an_async_generator(reply: Any) -> AsyncIterator[int]:
    yield 1
    yield 2


def of_a_generator(reply: Any) -> Iterator[int]:
    yield 1
    yield 2


async def of_a_coroutine(reply: Any) -> list[int]:
    return [1, 2]


async def of_a_coroutine_with_an_iterator(reply: Any) -> Values:
    return Values()


def of_a_function_with_an_iterator(reply: Any) -> Values:
    return Values()


def of_a_function_with_a_coroutine(reply: Any) -> Any:
    return of_a_coroutine(reply)


def of_a_function(reply: Any) -> tuple[int, ...]:
    return (1, 2)


async def with_more_arguments(reply: Any, *, other: int) -> AsyncIterator[int]:
    yield 1
    yield other


class OfAnObject:
    async def __call__(self, reply: Any) -> Values:
        return Values()


@pytest.mark.parametrize(
    "function",
    [
        of_an_async_generator,
        of_a_generator,
        of_a_coroutine,
        of_a_coroutine_with_an_iterator,
        of_a_function_with_an_iterator,
        of_a_function_with_a_coroutine,
        of_a_function,
        functools.partial(with_more_arguments, other=2),
        OfAnObject(),
        lambda reply: iter([1, 2]),
    ],
)
def test_any_function_makes_a_stream(function: Any) -> None:
    assert body_of(ndjson(function)) == "1\n2\n"


@pytest.mark.parametrize("wrong", [7, "text", {"a": 1}])
def test_a_result_that_is_no_stream_is_refused(wrong: Any) -> None:
    """A text would be a stream of characters."""

    @ndjson
    async def endpoint(reply: Any) -> Any:
        return wrong

    _, _, error = broken_response_of(endpoint)

    assert isinstance(error, TypeError)
    assert "the function yields values, or returns some; not" in str(error)


def test_an_iterator_is_closed_at_its_end() -> None:
    values = Values()

    @ndjson
    async def endpoint(reply: Any) -> Values:
        return values

    assert body_of(endpoint) == "1\n2\n"
    assert values.is_closed


def test_a_generator_is_closed_before_its_bad_value_aborts_the_response() -> None:
    closed = []

    @ndjson
    async def endpoint(reply: Any) -> AsyncIterator[Any]:
        try:
            yield 1
            yield object()
        finally:
            closed.append(True)

    async def ask() -> None:
        async with Exchange(endpoint) as exchange:
            await exchange.broken_text()
            assert closed == [True]

    asyncio.run(ask())


def test_sync_code_runs_in_one_thread_and_is_closed_when_the_client_leaves() -> None:
    threads = []
    go_on = threading.Event()

    @ndjson
    def endpoint(reply: Any) -> Iterator[int]:
        threads.append(threading.get_ident())
        try:
            yield 1
            go_on.wait()
            yield 2
            raise AssertionError("not closed")
        finally:
            threads.append(threading.get_ident())

    async def ask() -> None:
        async with Exchange(endpoint) as exchange:
            assert await exchange.piece() == "1\n"
            exchange.leave()
            go_on.set()
        assert len(threads) == 2, "the app has ended before its thread"

    asyncio.run(ask())

    assert len(set(threads)) == 1
    assert threads[0] != threading.get_ident()


def test_the_function_waits_for_a_slow_client() -> None:
    """It is no more than a bounded number of values ahead."""
    made = 0

    @ndjson
    async def endpoint(reply: Any) -> AsyncIterator[str]:
        nonlocal made
        while True:
            made += 1
            yield "x" * 1000

    async def ask() -> None:
        async with Exchange(endpoint, is_slow=True) as exchange:
            await exchange.piece()
            before = -1
            while made != before:
                before = made
                await asyncio.sleep(0)

    asyncio.run(ask())

    assert made <= 4 * 66  # taken, waiting for the client twice, waiting to be sent
