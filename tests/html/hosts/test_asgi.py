"""A page as an ASGI app: its messages, and what happens when the client leaves."""

from __future__ import annotations

import asyncio
import gc
import logging
from contextvars import ContextVar
from typing import Any

import pytest
from tests.html.hosts.asgi_server import AsgiClient

from tailrace.errors import ClientDisconnected, FlushError
from tailrace.function.way import EXTENSION, FLUSH_EXTENSION, ResponseWay
from tailrace.html import Html, Page, page
from tailrace.html.limits import REQUEST_BODY_BYTES_MAX


@page
async def hello(page: Page) -> Html:
    page.cookies.append("a=1")
    return Html("<p>{} {}</p>").format(page.query.get("name", "nobody"), page.request.text())


class Job:
    """A page whose part waits for ever, and what became of it."""

    def __init__(self, shell: str = "<p>shell") -> None:
        self.begun = asyncio.Event()
        self.ended = asyncio.Event()

        async def part() -> str:
            self.begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0)  # cleaning up may wait
                self.ended.set()
            return ""

        @page
        async def waits(page: Page) -> Any:
            place = page.part(part())
            if not shell:
                await asyncio.Event().wait()
            yield Html(shell) + place

        self.page = waits


def serve(client: AsgiClient, app: Any = hello) -> AsgiClient:
    """Serve a request to its end."""

    async def main() -> None:
        await app(client.scope, client.receive, client.send)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())
    return client


def test_a_page_is_a_response_in_messages() -> None:
    client = serve(AsgiClient("/?name=%3Cb%3E", body=(b"with ", b"body")))

    assert client.status == 200
    assert client.header(b"content-type") == [b"text/html; charset=utf-8"]
    assert client.header(b"set-cookie") == [b"a=1"]
    assert client.text == "<p>&lt;b&gt; with body</p>"
    assert client.is_complete


def test_the_head_goes_out_before_the_page_is_complete() -> None:
    async def main() -> None:
        job, client = Job(), AsgiClient()
        serving = asyncio.ensure_future(job.page(client.scope, client.receive, client.send))
        await client.wait_text("shell")
        assert client.messages[0]["type"] == "http.response.start"
        assert not client.is_complete
        client.leave()
        await serving

    asyncio.run(main())


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("status", [204, 304])
def test_a_response_without_a_body_has_none(method: str, status: int) -> None:
    @page
    async def bodiless(page: Page) -> str:
        page.status = status
        return "text"

    client = serve(AsgiClient(method=method), bodiless)

    assert client.status == status
    assert client.text == ""
    assert client.is_complete


def test_the_answer_to_head_is_the_head() -> None:
    client = serve(AsgiClient(method="HEAD"))

    assert client.header(b"content-type") == [b"text/html; charset=utf-8"]
    assert client.text == ""
    assert client.is_complete


@pytest.mark.parametrize("shell", ["", "<p>shell"])
def test_who_leaves_stops_the_page_and_its_parts(shell: str) -> None:
    async def main() -> None:
        job, client = Job(shell), AsgiClient()
        serving = asyncio.ensure_future(job.page(client.scope, client.receive, client.send))
        await job.begun.wait()
        if shell:
            await client.wait_text(shell)
        client.leave()
        await serving
        assert job.ended.is_set()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        # Middleware wants a response, even if nobody is there to read it.
        assert client.status == (200 if shell else 499)

    asyncio.run(main())


def test_who_has_left_before_the_page_starts_leaves_nothing() -> None:
    """Not a coroutine that was never awaited either: warnings are errors."""
    job, client = Job(), AsgiClient()
    client.leave()

    serve(client, job.page)

    assert not client.is_complete or client.status == 499


def test_a_page_without_awaits_is_stopped() -> None:
    async def main() -> None:
        client = AsgiClient()
        ended = asyncio.Event()

        @page
        async def endless(page: Page) -> Any:
            try:
                while True:
                    yield "row"
            finally:
                ended.set()

        serving = asyncio.ensure_future(endless(client.scope, client.receive, client.send))
        await client.wait_text("row")
        client.leave()
        await serving
        await ended.wait()

    asyncio.run(main())


def test_cleaning_up_runs_in_the_context_of_the_page() -> None:
    """A token of a context variable is good in its own context only."""
    variable: ContextVar[str] = ContextVar("variable")
    failures: list[Any] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, what: failures.append(what))
        client = AsgiClient()

        @page
        async def endless(page: Page) -> Any:
            token = variable.set("value")
            try:
                while True:
                    yield "row" * 1000
            finally:
                variable.reset(token)

        serving = asyncio.ensure_future(endless(client.scope, client.receive, client.send))
        await client.wait_text("row")
        client.leave()
        await serving
        await asyncio.sleep(0)
        gc.collect()
        while len(asyncio.all_tasks()) > 1:
            await asyncio.sleep(0)

    asyncio.run(main())

    assert failures == []


def test_who_leaves_while_sending_the_body_has_asked_for_nothing() -> None:
    async def main() -> None:
        client = AsgiClient(body=(b"half", b""))
        client._incoming.get_nowait()
        client._incoming.get_nowait()
        client._incoming.put_nowait({"type": "http.request", "body": b"half", "more_body": True})
        client.leave()
        await hello(client.scope, client.receive, client.send)
        assert client.status == 499
        assert client.text == ""

    asyncio.run(main())


def test_a_send_that_raises_is_a_client_that_has_left() -> None:
    """From ASGI 2.4 on servers tell it so, and `receive` may not return."""

    async def main() -> None:
        job, client = Job(), AsgiClient()
        client.send_error = OSError("the client has left")
        await job.page(client.scope, client.receive, client.send)
        assert job.ended.is_set()

    asyncio.run(main())


def test_an_oserror_of_the_page_is_a_failure() -> None:
    @page
    async def reads(page: Page) -> str:
        raise FileNotFoundError("no such template")

    with pytest.raises(FileNotFoundError):
        serve(AsgiClient(), reads)


def test_a_failure_before_the_head_is_the_servers_500() -> None:
    @page
    async def fails(page: Page) -> str:
        raise KeyError("name")

    client = AsgiClient()
    with pytest.raises(KeyError):
        serve(client, fails)

    assert client.messages == []


def test_a_failure_after_the_head_leaves_the_response_incomplete() -> None:
    @page
    async def fails(page: Page) -> Any:
        yield Html("<p>half")
        await asyncio.sleep(0)
        raise KeyError("name")

    client = AsgiClient()
    with pytest.raises(KeyError):
        serve(client, fails)

    assert client.text.startswith('<p>half<p role="alert"')
    assert not client.is_complete


def test_a_server_that_cancels_is_obeyed_once_all_is_cleaned_up() -> None:
    """Also one that cancels again in each turn of the loop, as the cancel scopes of anyio do."""

    async def main() -> None:
        job, client = Job(), AsgiClient()
        serving = asyncio.ensure_future(job.page(client.scope, client.receive, client.send))
        await job.begun.wait()
        while not serving.done():
            serving.cancel()
            await asyncio.sleep(0)
        assert serving.cancelled()
        assert job.ended.is_set()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())


def test_leaving_and_a_cancellation_at_once_are_a_cancellation() -> None:
    async def main() -> None:
        job, client = Job(), AsgiClient()
        serving = asyncio.ensure_future(job.page(client.scope, client.receive, client.send))
        await job.begun.wait()
        client.leave()
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving
        assert job.ended.is_set()

    asyncio.run(main())


def test_a_receive_that_fails_does_not_end_the_page(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> AsgiClient:
        client = AsgiClient()
        calls = 0

        async def receive() -> dict[str, Any]:
            nonlocal calls
            calls += 1
            if calls > 1:
                raise RuntimeError("unexpected message")
            return await client.receive()

        await hello(client.scope, receive, client.send)
        return client

    with caplog.at_level(logging.ERROR):
        assert asyncio.run(main()).is_complete
    assert "unexpected message" in caplog.text


@pytest.mark.parametrize("is_announced", [True, False])
def test_a_body_that_is_too_long_is_refused_with_words(is_announced: bool) -> None:
    length = b"%d" % (REQUEST_BODY_BYTES_MAX + 1)
    headers = [(b"content-length", length)] if is_announced else []
    body = [b"x" * REQUEST_BODY_BYTES_MAX, b"y", b""]

    client = serve(AsgiClient(method="POST", headers=headers, body=body))

    assert client.status == 413
    assert client.text == "the request body is longer than 6291456 bytes; send less\n"
    assert client.header(b"connection") == [b"close"]


def test_http_2_has_no_header_connection() -> None:
    headers = [(b"content-length", b"9999999")]

    client = serve(AsgiClient(method="POST", headers=headers, http_version="2"))

    assert client.status == 413
    assert client.header(b"connection") == []


def test_a_websocket_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    client = AsgiClient("/live", type="websocket")
    client._incoming.get_nowait()
    client._incoming.put_nowait({"type": "websocket.connect"})

    serve(client)

    assert [message["type"] for message in client.messages] == ["websocket.close"]
    assert "a WebSocket to /live was refused" in caplog.text


def test_other_scopes_are_an_error() -> None:
    with pytest.raises(ValueError, match="'mail'"):
        serve(AsgiClient(type="mail"))


def test_the_lifespan_is_confirmed() -> None:
    client = AsgiClient(type="lifespan")
    client._incoming.get_nowait()
    for phase in ("startup", "shutdown"):
        client._incoming.put_nowait({"type": f"lifespan.{phase}"})

    serve(client)

    assert [m["type"] for m in client.messages] == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]


@pytest.mark.parametrize("error", [None, FlushError("no"), ClientDisconnected("gone")])
def test_where_small_writes_are_held_back_the_response_is_flushed(error: Exception | None) -> None:
    flushed: list[str] = []
    held_back = ResponseWay(stops_on_leave=False, holds_back=True)

    async def main() -> AsgiClient:
        @page
        async def two(page: Page) -> Any:
            yield "one"
            while len(flushed) == 0:
                await asyncio.sleep(0)
            yield "two"

        async def flush() -> None:
            flushed.append(client.text)
            if error is not None:
                raise error

        client = AsgiClient(extensions={EXTENSION: held_back, FLUSH_EXTENSION: flush})
        await two(client.scope, client.receive, client.send)
        return client

    client = asyncio.run(main())

    assert flushed[0] == "one"
    assert client.text == "onetwo"
    assert client.is_complete
