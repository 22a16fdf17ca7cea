"""`tokens` with the SDKs of OpenAI, Anthropic and AWS, over real sockets."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anthropic
import botocore.exceptions
import httpx2
import openai
import pytest
import urllib3.exceptions
from tests.html.streams.model_apis import (
    APIS,
    RESPONSE,
    ModelApi,
    frame,
    model_chunk,
    response_event,
    sse,
)
from tests.html.streams.played_model import PlayedModel, in_loop

from tailrace.errors import ModelStreamError
from tailrace.html.streams.tokens import tokens

CERTIFICATE = Path(__file__).parents[2] / "net/tls/localhost.pem"  # self-signed, for loopback
each_api = pytest.mark.parametrize("api", APIS, ids=lambda api: api.name)


@asynccontextmanager
async def begun(
    api: ModelApi, tls: ssl.SSLContext | None = None, **options: Any
) -> AsyncIterator[tuple[PlayedModel, AsyncGenerator[str, None]]]:
    """A model that has sent its first text, and the texts behind that."""
    async with PlayedModel(tls) as model:
        client = api.client(model.url)
        pieces = tokens(api.open(client), **options)
        first = asyncio.ensure_future(anext(pieces))
        await model.request()
        await model.begin(api.content_type)
        await model.send(api.begin, api.text("one"))
        assert await first == "one"
        yield model, pieces
        await close(client)


async def close(client: Any) -> None:
    if (closing := client.close()) is not None:
        await closing


async def joined(pieces: AsyncIterator[str]) -> str:
    return "".join([piece async for piece in pieces])


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
async def test_leaving_in_a_silence_ends_a_connection_with_tls(
    api: ModelApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    monkeypatch.setenv("AWS_CA_BUNDLE", str(CERTIFICATE))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(CERTIFICATE)
    async with begun(api, tls) as (model, pieces):
        await pieces.aclose()

        await model.client_left()


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


@pytest.mark.parametrize(
    "api",
    [api for api in APIS if "async" in api.name or api.name in ("chat", "converse")],
    ids=lambda api: api.name,
)
@in_loop
async def test_leaving_before_the_answer_begins(api: ModelApi) -> None:
    """A thread that waits for the head cannot be interrupted; it closes what then arrives."""
    async with PlayedModel() as model:
        client = api.client(model.url)
        pieces = tokens(api.open(client))
        first = asyncio.ensure_future(anext(pieces))
        await model.request()

        first.cancel()

        with pytest.raises(asyncio.CancelledError):
            await first
        if "async" not in api.name:
            await model.begin(api.content_type)
        await model.client_left()
        await close(client)


@pytest.mark.parametrize(
    "api", [api for api in APIS if api.name.startswith("chat")], ids=lambda api: api.name
)
@in_loop
async def test_a_stream_that_was_read_to_its_end_leaves_its_place_in_the_pool(
    api: ModelApi,
) -> None:
    """Of a client that may have one connection."""
    limits = {"limits": httpx2.Limits(max_connections=1), "timeout": 30}
    is_async = "async" in api.name
    transport: Any = httpx2.AsyncClient if is_async else httpx2.Client
    async with PlayedModel() as model:
        client = api.client(model.url).with_options(http_client=transport(**limits))
        for text in ("one", "two"):
            whole = asyncio.ensure_future(joined(tokens(api.open(client))))
            if text == "one" or not is_async:
                await model.request()
            else:
                await model.next_request()  # the connection is used once more
            await model.begin(api.content_type)
            await model.send(api.begin, api.text(text), *api.ends)
            await model.end()
            assert await whole == text
        await close(client)


BUSY = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
FAILED = {"status": "failed", "error": {"code": "server_error", "message": "no luck"}}
ERRORS: dict[str, tuple[bytes, type[Exception], str]] = {
    "chat": (
        sse({"error": {"message": "no luck", "type": "server_error"}}),
        openai.APIError,
        "no luck",
    ),
    "responses": (
        response_event("response.failed", response=RESPONSE | FAILED),
        ModelStreamError,
        "the model failed: server_error: no luck",
    ),
    "anthropic": (sse(BUSY, "error"), anthropic.APIStatusError, "Overloaded"),
    "converse": (
        frame("modelStreamErrorException", {"message": "no luck"}, "exception"),
        botocore.exceptions.EventStreamError,
        "no luck",
    ),
    "invoke": (
        model_chunk(BUSY),
        ModelStreamError,
        "the model failed: overloaded_error: Overloaded",
    ),
}
LOST: dict[str, type[Exception]] = {
    "chat": openai.APIConnectionError,
    "responses": openai.APIConnectionError,
    "anthropic": httpx2.RemoteProtocolError,
    "converse": urllib3.exceptions.ProtocolError,
    "invoke": urllib3.exceptions.ProtocolError,
}
REFUSED: dict[str, type[Exception]] = {
    "chat": openai.RateLimitError,
    "responses": openai.RateLimitError,
    "anthropic": anthropic.RateLimitError,
    "converse": botocore.exceptions.ClientError,
    "invoke": botocore.exceptions.ClientError,
}


@each_api
@in_loop
async def test_an_error_in_the_stream_is_raised_and_ends_the_connection(api: ModelApi) -> None:
    data, kind, words = ERRORS[api.name.partition(" ")[0]]
    async with begun(api) as (model, pieces):
        await model.send(api.text(" two"), data)

        assert await anext(pieces) == " two"
        with pytest.raises(kind, match=words):
            await anext(pieces)
        await model.client_left()


@each_api
@in_loop
async def test_a_lost_connection_is_the_error_of_the_sdk(api: ModelApi) -> None:
    async with begun(api) as (model, pieces):
        model.lose()

        with pytest.raises(LOST[api.name.partition(" ")[0]]):
            await anext(pieces)


@each_api
@in_loop
async def test_a_refused_request_is_the_error_of_the_sdk(api: ModelApi) -> None:
    async with PlayedModel() as model:
        client = api.client(model.url)
        first = asyncio.ensure_future(anext(tokens(api.open(client))))
        await model.request()
        await model.begin("application/json", "429 Too Many Requests")
        await model.send(json.dumps({"error": {"message": "slow down"}}).encode())
        await model.end()

        with pytest.raises(REFUSED[api.name.partition(" ")[0]]):
            await first
        await close(client)


@each_api
@in_loop
async def test_each_event_is_shown_before_its_text(api: ModelApi) -> None:
    seen: list[Any] = []
    async with begun(api, on_event=seen.append) as (model, pieces):
        count = len(seen)
        assert count > 1  # what the stream begins with, which is no text
        await model.send(*api.ends)
        await model.end()

        assert [piece async for piece in pieces] == []
        assert len(seen) > count
        assert str(seen).count("one") >= 1
