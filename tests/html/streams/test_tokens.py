"""`tokens` with the SDKs of OpenAI, Anthropic and AWS, over real sockets."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.html.streams.model_apis import APIS, ModelApi
from tests.html.streams.played_model import PlayedModel

from tailrace.errors import ModelStreamError
from tailrace.html.streams.tokens import tokens

each_api = pytest.mark.parametrize("api", APIS, ids=lambda api: api.name)


def in_loop(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Run a test in a loop, and check that neither a task nor a thread is left."""

    async def whole(**arguments: Any) -> None:
        await test(**arguments)
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            assert "athrow" in repr(task), "the SDK's own dropped generators are closed by the loop"
            await asyncio.wait([task])

    @functools.wraps(test)
    def run(**arguments: Any) -> None:
        before = set(threading.enumerate())
        asyncio.run(whole(**arguments))
        for thread in set(threading.enumerate()) - before:
            thread.join()

    return run


@asynccontextmanager
async def begun(
    api: ModelApi, **options: Any
) -> AsyncIterator[tuple[PlayedModel, AsyncGenerator[str, None]]]:
    """A model that has sent its first text, and the texts behind that."""
    async with PlayedModel() as model:
        client = api.client(model.url)
        pieces = tokens(api.open(client), **options)
        first = asyncio.ensure_future(anext(pieces))
        await model.request()
        await model.begin(api.content_type)
        await model.send(api.begin, api.text("one"))
        assert await first == "one"
        yield model, pieces
        if (closing := client.close()) is not None:
            await closing


@each_api
@in_loop
async def test_each_text_arrives_before_the_next_one_is_sent(api: ModelApi) -> None:
    async with begun(api) as (model, pieces):
        for text in (" two", "\n\n<three>", " ü🙂"):
            await model.send(api.text(text))
            assert await anext(pieces) == text
        await model.send(*api.ends)
        await model.end()

        assert [piece async for piece in pieces] == []


@each_api
@in_loop
async def test_leaving_in_a_silence_ends_the_connection(api: ModelApi) -> None:
    async with begun(api) as (model, pieces):
        waiting = asyncio.ensure_future(anext(pieces))
        await asyncio.sleep(0)

        waiting.cancel()

        await model.client_left()
        with pytest.raises(asyncio.CancelledError):
            await waiting


@each_api
@in_loop
async def test_leaving_between_texts_ends_the_connection(api: ModelApi) -> None:
    """The model has sent more than is read, and would go on."""
    async with begun(api) as (model, pieces):
        await model.send(*[api.text(f" {number}") for number in range(200)])
        assert await anext(pieces) == " 0"

        await pieces.aclose()

        await model.client_left()


@each_api
@in_loop
async def test_an_end_without_a_reason_is_an_error(api: ModelApi) -> None:
    async with begun(api) as (model, pieces):
        await model.end()

        with pytest.raises(ModelStreamError, match="ended without a reason to finish"):
            await anext(pieces)
