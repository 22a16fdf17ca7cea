"""The events of one response: beginning, values, end, failures, resuming, leaving."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextvars import ContextVar
from typing import Any

import anyio
import pytest
from fastapi import FastAPI, HTTPException
from tests.html.streams.exchange import Exchange, body_of, broken_response_of, response_of

from tailrace.function.way import ResponseWay
from tailrace.html import ServerEvent, events
from tailrace.html.streams.event_stream import EventStream

DONE = "id: ~done\nevent: done\ndata: {}\n\n"
FAILED = "id: ~failed\nevent: failed\ndata: {}\n\n"


def test_what_is_yielded_is_sent_and_the_end_is_an_event() -> None:
    @events
    async def feed(stream: EventStream) -> AsyncIterator[Any]:
        yield "one\ntwo"
        yield None
        yield {"three": 3}
        yield ServerEvent("four", name="tick", id=4)

    assert body_of(feed) == (
        'data: one\ndata: two\n\ndata: {"three":3}\n\nid: 4\nevent: tick\ndata: four\n\n' + DONE
    )


def test_nothing_on_the_way_may_keep_or_change_a_stream() -> None:
    @events
    async def feed(stream: EventStream) -> AsyncIterator[Any]:
        yield "one"

    async def ask() -> dict[str, str]:
        async with Exchange(feed) as exchange:
            await exchange.text()
            return exchange.headers

    assert asyncio.run(ask()) == {
        "content-type": "text/event-stream",
        "cache-control": "no-store, no-transform",
        "x-accel-buffering": "no",
        "incremental": "?1",
    }


def of_a_generator(stream: EventStream) -> Iterator[Any]:
    yield from ["one", "two"]


async def of_a_coroutine(stream: EventStream) -> list[str]:
    return ["one", "two"]


def of_a_function(stream: EventStream) -> tuple[str, ...]:
    return ("one", "two")


@pytest.mark.parametrize("function", [of_a_generator, of_a_coroutine, of_a_function])
def test_any_function_makes_events(function: Any) -> None:
    assert body_of(events(function)) == "data: one\n\ndata: two\n\n" + DONE


def test_a_client_that_resumes_gets_its_id_first() -> None:
    """A response that is lost before its first id does not lose the place."""

    @events(retry_ms=500)
    async def feed(stream: EventStream) -> AsyncIterator[Any]:
        yield f"after {stream.last_event_id}"

    fresh, resumed = "retry: 500\ndata: after None\n\n", "retry: 500\nid: 7\n\ndata: after 7\n\n"
    assert body_of(feed) == fresh + DONE
    assert body_of(feed, headers={"last-event-id": "7"}) == resumed + DONE
    assert body_of(feed, query="lastEventId=7") == resumed + DONE
    both = {"headers": {"last-event-id": "7"}, "query": "lastEventId=1"}
    assert body_of(feed, **both) == resumed + DONE
    assert body_of(feed, query="lastEventId=7%0Adata:%20injected") == fresh + DONE


@pytest.mark.parametrize("ended", ["~done", "~failed"])
def test_a_client_that_has_the_last_event_gets_204(ended: str) -> None:
    @events
    async def feed(stream: EventStream) -> AsyncIterator[Any]:
        raise AssertionError("not called")
        yield

    assert response_of(feed, headers={"last-event-id": ended}) == (204, "")


def test_the_function_chooses_the_last_event() -> None:
    @events
    async def feed(stream: EventStream) -> AsyncIterator[Any]:
        stream.final = ServerEvent("busy", name="failed")
        yield 1

    assert body_of(feed) == "data: 1\n\nid: ~done\nevent: failed\ndata: busy\n\n"


def test_without_a_last_event_the_client_comes_back() -> None:
    @events
    async def feed(stream: EventStream) -> AsyncIterator[Any]:
        stream.final = None
        yield ServerEvent(1, id=1)

    assert body_of(feed) == "id: 1\ndata: 1\n\n"


def test_a_refusal_has_no_events() -> None:
    @events(retry_ms=5)
    async def feed(stream: EventStream) -> None:
        stream.status = 403

    assert response_of(feed) == (403, "")


def test_a_failure_before_the_first_event_is_the_servers_500() -> None:
    @events
    async def feed(stream: EventStream) -> AsyncIterator[Any]:
        raise ZeroDivisionError
        yield

    status, text, error = broken_response_of(feed)

    assert (status, text, type(error)) == (0, "", ZeroDivisionError)


def failing(*ids: int) -> Any:
    @events
    async def feed(stream: EventStream) -> AsyncIterator[Any]:
        yield "one"
        for each in ids:
            yield ServerEvent("more", id=each)
        raise ZeroDivisionError("a secret")

    return feed


def logged(caplog: pytest.LogCaptureFixture) -> list[type[BaseException]]:
    """The exceptions in the log."""
    return [
        record.exc_info[0] for record in caplog.records if record.exc_info and record.exc_info[0]
    ]


def test_a_failure_that_cannot_be_resumed_is_the_last_event(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Not aborted behind it: then Chromium may drop the event, and ask again."""
    assert body_of(failing()) == "data: one\n\n" + FAILED
    assert logged(caplog) == [ZeroDivisionError]


def test_a_failure_behind_an_id_breaks_off_so_that_the_client_resumes() -> None:
    _, text, error = broken_response_of(failing(4))

    assert text == "data: one\n\nid: 4\ndata: more\n\n"
    assert type(error) is ZeroDivisionError


def test_a_failure_that_got_no_further_than_before_is_not_resumed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Or else a stream that always fails at the same place would never end."""
    text = body_of(failing(4), headers={"last-event-id": "4"})

    assert text == "id: 4\n\ndata: one\n\nid: 4\ndata: more\n\n" + FAILED
    assert logged(caplog) == [ZeroDivisionError]


def test_a_failure_on_a_buffered_way_keeps_the_events(caplog: pytest.LogCaptureFixture) -> None:
    text = body_of(failing(4), way=ResponseWay(streams=False))

    assert text == "data: one\n\nid: 4\ndata: more\n\n" + FAILED
    assert logged(caplog) == [ZeroDivisionError]


@pytest.mark.parametrize("value", [float("nan"), object(), b"bytes", {1: {2, 3}}])
def test_a_value_that_is_not_json_fails_before_it_is_sent(
    value: Any, caplog: pytest.LogCaptureFixture
) -> None:
    @events
    async def feed(stream: EventStream) -> AsyncIterator[Any]:
        yield "one"
        yield value

    assert body_of(feed) == "data: one\n\n" + FAILED
    assert logged(caplog)[0] in (TypeError, ValueError)


@pytest.mark.parametrize("first", [[], ["one"]])
def test_a_function_that_is_cancelled_by_itself_has_failed(first: list[str]) -> None:
    """Awaiting a cancelled task raises CancelledError; the end must not look like a good one."""

    @events
    async def feed(stream: EventStream) -> AsyncIterator[Any]:
        for each in first:
            yield ServerEvent(each, id=1)
        raise asyncio.CancelledError

    _, text, error = broken_response_of(feed)

    assert text == "".join("id: 1\ndata: one\n\n" for _ in first)
    assert isinstance(error, RuntimeError)


def test_heartbeats_do_not_disturb_the_source() -> None:
    """The source waits for something, once, however many heartbeats are sent meanwhile."""

    async def ask() -> list[str | None]:
        opened = asyncio.Event()
        waits = 0

        @events(heartbeat_s=0.001)
        async def feed(stream: EventStream) -> AsyncIterator[Any]:
            nonlocal waits
            waits += 1
            await opened.wait()
            yield "one"

        async with Exchange(feed) as exchange:
            pieces = [await exchange.piece() for _ in range(3)]
            opened.set()
            while (piece := await exchange.piece()) == ":\n":
                pass
            assert waits == 1
            return [*pieces, piece, await exchange.piece()]

    *beats, one, done = asyncio.run(ask())
    assert beats == [":\n"] * 3
    assert [one, done] in (["data: one\n\n", DONE], ["data: one\n\n" + DONE, None])


def test_a_client_that_leaves_stops_the_function() -> None:
    async def ask() -> list[str]:
        seen = []

        @events
        async def feed(stream: EventStream) -> AsyncIterator[Any]:
            try:
                yield "one"
                await asyncio.Event().wait()
            finally:
                seen.append("stopped")

        async with Exchange(feed) as exchange:
            assert await exchange.piece() == "data: one\n\n"
        return seen

    assert asyncio.run(ask()) == ["stopped"]


def test_a_buffered_way_has_all_events_and_no_heartbeat() -> None:
    """It is as silent as a way that streams, which gets heartbeats meanwhile."""

    async def ask() -> str:
        opened = asyncio.Event()

        @events(heartbeat_s=0.001)
        async def feed(stream: EventStream) -> AsyncIterator[Any]:
            yield "one"
            await opened.wait()
            yield "two"

        async with Exchange(feed, way=ResponseWay(streams=False)) as buffered:
            async with Exchange(feed) as streamed:
                assert await streamed.piece() == "data: one\n\n"
                for _ in range(3):
                    assert await streamed.piece() == ":\n"
            opened.set()
            return await buffered.text()

    assert asyncio.run(ask()) == "data: one\n\ndata: two\n\n" + DONE


def test_an_exception_of_the_web_app_before_the_first_event_has_its_status() -> None:
    """The head waits for the first event, so that the app's handler can still answer."""

    @events
    async def feed(stream: EventStream) -> AsyncIterator[Any]:
        raise HTTPException(403, "not for you")
        yield

    app = FastAPI()
    app.get("/")(lambda: feed.response())

    assert response_of(app) == (403, '{"detail":"not for you"}')


def test_the_function_runs_in_one_task_with_its_context() -> None:
    """Or else scopes of anyio, which clients of models use, break when they are left."""
    user: ContextVar[str] = ContextVar("user")

    async def ask() -> list[str]:
        seen = []

        @events(heartbeat_s=0.001)
        async def feed(stream: EventStream) -> AsyncIterator[Any]:
            token = user.set("somebody")
            try:
                async with anyio.create_task_group() as group:
                    group.start_soon(anyio.sleep_forever)
                    yield "one"
                    yield user.get()
                    await asyncio.Event().wait()
            finally:
                user.reset(token)
                seen.append("left")

        async with Exchange(feed) as exchange:
            text = ""
            while not text.endswith(":\n:\n"):
                text += await exchange.piece() or ""
            assert text.startswith("data: one\n\ndata: somebody\n\n")
        return seen

    assert asyncio.run(ask()) == ["left"]
