"""What `tokens` takes and yields: joined texts, any iterable, its end, inside pages and events."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from tests.html.streams.exchange import Exchange, body_of
from tests.html.streams.model_apis import APIS, ModelApi
from tests.html.streams.played_model import PlayedModel, in_loop

from tailrace.errors import ModelStreamError
from tailrace.html import events, page, tokens
from tailrace.html.limits import COALESCED_CHARS_MAX, MODEL_EVENTS_WAITING_MAX

FOR_EVER_S = 3600.0


class PlayedTexts:
    """Texts that the test yields one by one; None is the end, an exception is raised."""

    def __init__(self) -> None:
        self._texts: asyncio.Queue[Any] = asyncio.Queue()
        self.taken = 0
        self.is_closed = False
        self.put = self._texts.put_nowait

    async def __aiter__(self) -> AsyncIterator[str]:
        try:
            while (text := await self._texts.get()) is not None:
                if isinstance(text, Exception):
                    raise text
                self.taken += 1
                yield text
        finally:
            self.is_closed = True


async def settle() -> None:
    """Let the tasks go on until each of them waits."""
    for _ in range(20):
        await asyncio.sleep(0)


# --- joined texts --------------------------------------------------------------------------------


@in_loop
async def test_without_coalescing_each_text_is_a_piece() -> None:
    assert [piece async for piece in tokens(["one", " two", "", " three"])] == [
        "one",
        " two",
        " three",
    ]


@in_loop
async def test_the_first_text_does_not_wait_and_neither_does_the_end() -> None:
    source = PlayedTexts()
    pieces = tokens(source, coalesce_s=FOR_EVER_S)

    source.put("one")
    assert await anext(pieces) == "one"
    source.put(" two")
    source.put(" three")
    rest = asyncio.ensure_future(anext(pieces))
    await settle()
    assert source.taken == 3
    assert not rest.done()
    source.put(None)

    assert await rest == " two three"
    assert [piece async for piece in pieces] == []


@in_loop
async def test_texts_wait_no_longer_than_the_time() -> None:
    """The source is silent from here on."""
    source = PlayedTexts()
    pieces = tokens(source, coalesce_s=0.01)

    source.put("one")
    assert await anext(pieces) == "one"
    source.put(" two")

    assert await anext(pieces) == " two"
    await pieces.aclose()


@in_loop
async def test_an_error_comes_behind_the_text_that_waits() -> None:
    for failure in (RuntimeError("no luck"), {"type": "error"}):
        source = PlayedTexts()
        pieces = tokens(source, coalesce_s=FOR_EVER_S)
        for each in ("one", " two", failure):
            source.put(each)

        assert await anext(pieces) == "one"
        assert await anext(pieces) == " two"
        with pytest.raises((RuntimeError, ModelStreamError), match=r"no luck|it gives no reason"):
            await anext(pieces)
        assert source.is_closed


@in_loop
async def test_joined_texts_are_bounded() -> None:
    source = PlayedTexts()
    pieces = tokens(source, coalesce_s=FOR_EVER_S)

    source.put("one")
    assert await anext(pieces) == "one"
    for _ in range(3):
        source.put("x" * (COALESCED_CHARS_MAX // 2))

    assert len(await anext(pieces)) == COALESCED_CHARS_MAX
    await pieces.aclose()


@pytest.mark.parametrize("coalesce_s", [-1, float("nan")])
def test_a_time_that_is_none_is_refused(coalesce_s: float) -> None:
    with pytest.raises(ValueError, match=r"coalesce_s is .*: pass seconds, or None"):
        tokens(["one"], coalesce_s=coalesce_s)


# --- sources -------------------------------------------------------------------------------------


@in_loop
async def test_a_source_is_a_bounded_way_ahead() -> None:
    source = PlayedTexts()
    for number in range(200):
        source.put(f"{number} ")
    pieces = tokens(source)

    assert await anext(pieces) == "0 "
    await settle()

    assert source.taken <= MODEL_EVENTS_WAITING_MAX + 2
    await pieces.aclose()
    assert source.is_closed


def words() -> Iterator[str]:
    yield from ("one", " two")


async def async_words() -> AsyncIterator[str]:
    for word in words():
        yield word


async def later() -> AsyncIterator[str]:
    return async_words()


class Manager:
    """A context manager, async or not, around a stream; it notes what is done."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self.log: list[str] = []

    def enter(self) -> Any:
        self.log.append("entered")
        return self.stream

    def leave(self, *exception: object) -> None:
        self.log.append("left")


class SyncManager(Manager):
    __enter__ = Manager.enter
    __exit__ = Manager.leave


class AsyncManager(Manager):
    async def __aenter__(self) -> Any:
        return self.enter()

    async def __aexit__(self, *exception: object) -> None:
        self.leave()


@pytest.mark.parametrize(
    "make",
    [
        words,
        async_words,
        later,
        lambda: ["one", " two"],
        lambda: words,
        lambda: {"stream": words(), "ResponseMetadata": {}},
        lambda: lambda: {"body": words(), "contentType": "application/json"},
        lambda: SyncManager(words()),
        lambda: AsyncManager(async_words()),
        lambda: lambda: SyncManager(words()),
        lambda: async_words,
        lambda: later,
    ],
)
def test_every_kind_of_source(make: Callable[[], Any]) -> None:
    async def story() -> list[str]:
        return [piece async for piece in tokens(make())]

    assert asyncio.run(story()) == ["one", " two"]


@pytest.mark.parametrize("manager", [SyncManager(words()), AsyncManager(async_words())])
@in_loop
async def test_a_context_manager_is_entered_and_left(manager: Manager) -> None:
    pieces = tokens(manager)

    assert await anext(pieces) == "one"
    await pieces.aclose()

    assert manager.log == ["entered", "left"]


@in_loop
async def test_what_blocks_runs_in_another_thread() -> None:
    """Also the function that sends the request."""
    threads = []

    def ask() -> Iterator[str]:
        threads.append(threading.current_thread())
        return words()

    assert [piece async for piece in tokens(ask)] == ["one", " two"]
    assert threads != [threading.current_thread()]


class Traced:
    """A proxy, as instrumentation makes them: it has the methods of both kinds."""

    def __init__(self, wrapped: Any) -> None:
        self.__wrapped__ = wrapped

    def __iter__(self) -> Any:
        return iter(self.__wrapped__)

    async def __aiter__(self) -> Any:
        async for item in self.__wrapped__:
            yield item

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__wrapped__, name)


@pytest.mark.parametrize("make", [words, async_words], ids=["blocking", "async"])
def test_a_proxy_is_what_it_stands_for(make: Callable[[], Any]) -> None:
    async def story() -> list[str]:
        return [piece async for piece in tokens(Traced(make()))]

    assert asyncio.run(story()) == ["one", " two"]


class Answer:
    """A complete answer, as of pydantic: iterating over it yields its fields."""

    model_fields: ClassVar[Any] = {"choices": None}

    def __iter__(self) -> Any:
        yield "choices", []


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("one text", "one text is no stream; pass an iterable of texts"),
        (None, "NoneType is no stream; ask the SDK for a stream"),
        (Answer(), "Answer is no stream; ask the SDK for a stream (stream=True)"),
        ({"output": {"message": {}}}, "dict is no stream; ask the SDK for a stream"),
    ],
    ids=["text", "none", "answer", "converse"],
)
def test_what_is_no_stream_is_refused_at_once(source: Any, words: str) -> None:
    with pytest.raises(TypeError) as raised:
        tokens(source)

    assert words in str(raised.value)


@in_loop
async def test_what_turns_out_to_be_no_stream_is_refused() -> None:
    async def ask() -> Any:
        return Answer()

    for source in (ask(), ask, lambda: Answer()):
        with pytest.raises(TypeError, match="Answer is no stream"):
            await anext(tokens(source))
    with pytest.raises(TypeError, match="async_generator cannot be read in a thread; pass what"):
        await anext(tokens(lambda: async_words()))


@in_loop
async def test_an_error_of_the_callback_closes_the_stream() -> None:
    source = PlayedTexts()
    source.put("one")

    with pytest.raises(ZeroDivisionError):
        await anext(tokens(source, on_event=lambda event: 1 / 0))

    assert source.is_closed


# --- in events and pages -------------------------------------------------------------------------


def test_tokens_are_events() -> None:
    @events
    async def chat(stream: Any) -> AsyncIterator[Any]:
        async for piece in tokens(["one", "\ntwo"]):
            yield {"token": piece}

    assert body_of(chat).startswith('data: {"token":"one"}\n\ndata: {"token":"\\ntwo"}\n\n')


def test_tokens_are_a_content_of_pages_and_escaped() -> None:
    @page
    async def chat(page: Any) -> AsyncIterator[Any]:
        yield "so: "
        yield tokens(["1 <", " 2"])

    assert body_of(chat) == "so: 1 &lt; 2"


def test_an_error_of_the_model_is_a_failed_event(caplog: pytest.LogCaptureFixture) -> None:
    @events
    async def chat(stream: Any) -> AsyncIterator[Any]:
        async for piece in tokens(["one", SimpleNamespace(type="error", message="no luck")]):
            yield {"token": piece}

    assert body_of(chat).endswith("event: failed\ndata: {}\n\n")
    assert "the model failed: no luck" in caplog.text


def event_chat(source: Callable[[], Any]) -> Any:
    @events
    async def chat(stream: Any) -> AsyncIterator[Any]:
        async for piece in tokens(source()):
            yield piece

    return chat


def page_chat(source: Callable[[], Any]) -> Any:
    @page
    async def chat(page: Any) -> AsyncIterator[Any]:
        yield tokens(source())

    return chat


def part_chat(source: Callable[[], Any]) -> Any:
    @page
    async def chat(page: Any) -> Any:
        return page.part(tokens(source()))

    return chat


@pytest.mark.parametrize("app", [event_chat, page_chat, part_chat])
@pytest.mark.parametrize(
    "api",
    [api for api in APIS if api.name in ("chat", "anthropic helper async", "converse")],
    ids=lambda api: api.name,
)
@in_loop
async def test_a_visitor_who_leaves_ends_the_models_connection(
    api: ModelApi, app: Callable[..., Any]
) -> None:
    async with PlayedModel() as model:
        client = api.client(model.url)
        async with Exchange(app(lambda: api.open(client))) as visitor:
            await model.request()
            await model.begin(api.content_type)
            await model.send(api.begin, api.text("one"))
            if app is not part_chat:
                assert "one" in ((await visitor.piece()) or "")

            visitor.leave()

            await model.client_left()
        if (closing := client.close()) is not None:
            await closing
