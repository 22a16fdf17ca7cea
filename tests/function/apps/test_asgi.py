"""ASGI apps: the protocol, and one outcome for each way in which an app misbehaves."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.background import BackgroundTask
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import StreamingResponse
from tests.peers import SECRET, WAIT_S, Callback, Peer, Running
from tests.runtime_api import RuntimeLoop, error_in

from tailrace import limits
from tailrace.errors import AsgiDisconnected, HeadError
from tailrace.function import FlushPolicy, asgi
from tailrace.function.apps.exchange import AsgiExchange
from tailrace.function.event_loop import run_in_loop
from tailrace.function.handler import START

CONTEXT = SimpleNamespace(aws_request_id="request-1")
INTERNAL = b'{"message":"Internal Server Error"}'
OK: dict[str, Any] = {"type": "http.response.start", "status": 200}
EMPTY_END = {"type": "http.response.body"}

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]


def body(data: bytes, *, more: bool = True) -> dict[str, Any]:
    return {"type": "http.response.body", "body": data, "more_body": more}


def http_only(serve: Callable[[Any, Receive, Send], Awaitable[None]]) -> Any:
    """An app without a lifespan."""

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise ValueError(f"no {scope['type']} here")
        await serve(scope, receive, send)

    return app


def called_back(peer: Peer, app: Any, **options: Any) -> tuple[Running, Callback]:
    """Call an app's handler with an event of a gateway, and let it run."""
    event = peer.event(**options.pop("event", {}))
    call = Running(asgi(app, **options), event, CONTEXT)
    callback = peer.accept_callback()
    callback.go_on()
    return call, callback


def returned(app: Any, **options: Any) -> Any:
    """The result of an app's handler for a Function URL."""
    event = {"version": "2.0", "requestContext": {"http": {"method": "GET", "path": "/"}}}
    event |= options.pop("event", {})
    return asgi(app, **options)(event, CONTEXT)


def test_each_part_is_sent_before_the_app_makes_the_next(peer: Peer) -> None:
    gate = threading.Semaphore(0)

    @http_only
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await send(OK | {"headers": [(b"content-type", b"text/plain")]})
        for number in range(3):
            await asyncio.to_thread(gate.acquire)
            await send(body(b"%d" % number))
        await send(EMPTY_END)

    call, callback = called_back(peer, app)
    head = callback.read_response_head()  # alone: the first part is not made yet
    assert head.get("content-type") == "text/plain"
    for number in range(3):
        gate.release()
        assert callback.read_piece() == b"%d" % number
    assert callback.serve_rest() == b""
    assert call.result() is None


def test_head_and_body_that_come_together_are_sent_together(peer: Peer) -> None:
    @http_only
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await send(OK)
        await send(body(b"all", more=False))

    call, callback = called_back(peer, app)
    assert callback.read_chunk().endswith(b"\0" * 8 + b"all")
    assert callback.serve_rest() == b""
    call.result()


def test_the_request_is_received_once_and_then_the_end_is_awaited(peer: Peer) -> None:
    messages: list[Any] = []

    @http_only
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        messages.append(await receive())
        watch = asyncio.create_task(receive())
        for _ in range(5):
            await asyncio.sleep(0)
        assert not watch.done()
        await send(OK)
        await send(EMPTY_END)
        messages.append(await watch)
        messages.append(await receive())

    call, callback = called_back(peer, app, event={"body": "aGk=", "isBase64Encoded": True})
    callback.serve()
    call.result()
    gone = {"type": "http.disconnect"}
    assert messages == [{"type": "http.request", "body": b"hi", "more_body": False}, gone, gone]


def test_the_clients_response_ends_before_the_app_returns(peer: Peer) -> None:
    gate, done = threading.Event(), []

    @http_only
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await send(OK)
        await send(body(b"all", more=False))
        await asyncio.to_thread(gate.wait, 10)
        done.append(True)

    call, callback = called_back(peer, app)
    assert callback.serve() == (callback.head, b"all")
    assert not done and call.is_running
    gate.set()
    call.result()
    assert done


class KeepsTasks:
    """An app that keeps its tasks as Quart does, one of them since its start."""

    def __init__(self, gate: threading.Event) -> None:
        self.background_tasks: set[asyncio.Task[None]] = set()
        self.done: list[str] = []
        self._gate = gate

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await receive()
            self.background_tasks.add(asyncio.create_task(asyncio.Event().wait()))
            await send({"type": "lifespan.startup.complete"})
            await receive()
            return
        self.background_tasks.add(asyncio.create_task(self._work()))
        await send(OK)
        await send(body(b"all", more=False))

    async def _work(self) -> None:
        await asyncio.to_thread(self._gate.wait, 10)
        self.done.append("the first")
        self.background_tasks.add(asyncio.create_task(self._work_more()))

    async def _work_more(self) -> None:
        self.done.append("another")


def test_the_tasks_of_a_request_end_within_its_invocation(peer: Peer) -> None:
    """One that was started before the request is not waited for."""
    gate = threading.Event()
    app = KeepsTasks(gate)

    call, callback = called_back(peer, app)
    assert callback.serve() == (callback.head, b"all")
    assert not app.done and call.is_running
    gate.set()
    call.result()

    assert app.done == ["the first", "another"]


def test_what_follows_the_end_is_ignored(peer: Peer) -> None:
    @http_only
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await send(OK)
        await send(body(b"all", more=False))
        await send(body(b"more"))

    call, callback = called_back(peer, app)
    assert callback.serve()[1] == b"all"
    call.result()


@pytest.mark.parametrize("mode", ["result", "callback"])
@pytest.mark.parametrize(
    "method, status", [("HEAD", 200), ("GET", 204), ("GET", 304)], ids=["HEAD", "204", "304"]
)
def test_a_response_without_a_body(mode: str, method: str, status: int, peer: Peer) -> None:
    ends: list[Any] = []

    @http_only
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await receive()
        await send(OK | {"status": status, "headers": [(b"content-length", b"1000")]})
        if mode == "callback":
            ends.append(await receive())  # an endless body is not waited for
        else:
            await send(body(b"x" * 1000, more=False))

    context = {"http": {"method": method, "path": "/"}}
    if mode == "result":
        result = asgi(app)({"version": "2.0", "requestContext": context}, CONTEXT)
        assert result["statusCode"] == status
        return
    call, callback = called_back(peer, app, event={"requestContext": context})
    head, data = callback.serve()
    call.result()
    assert (head.status, head.get("content-length"), data) == (status, "1000", b"")
    assert ends == [{"type": "http.disconnect"}]


@pytest.mark.parametrize("mode", ["result", "callback"])
@pytest.mark.parametrize("method, status", [("HEAD", 200), ("GET", 204)], ids=["HEAD", "204"])
def test_a_head_is_all_of_a_response_without_a_body(
    mode: str, method: str, status: int, peer: Peer
) -> None:
    """Also if the app returns before its last message, or before the head was sent alone."""

    @http_only
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await send(OK | {"status": status})

    event = {"requestContext": {"http": {"method": method, "path": "/"}}}
    if mode == "result":
        result = returned(app, event=event)
        assert (result["statusCode"], result["body"]) == (status, "")
        return
    call, callback = called_back(peer, app, event=event)
    head, data = callback.serve()
    call.result()
    assert (head.status, data) == (status, b"")


def test_a_head_keeps_cookies_apart_and_leaves_out_fields_of_a_connection() -> None:
    @http_only
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        fields = [
            (b"Set-Cookie", b"a=1"),
            (b"set-cookie", b"b=2"),
            (b"Transfer-Encoding", b"chunked"),
            (b"Connection", b"keep-alive"),
            (b"x-name", "é".encode("latin-1")),
        ]
        await send(OK | {"headers": fields})
        await send(EMPTY_END)

    result = returned(app)
    assert result["cookies"] == ["a=1", "b=2"]
    assert result["headers"] == {"x-name": "é"}


# --- the client leaves ------------------------------------------------------------------------


def test_a_client_that_leaves_is_a_disconnect_first(
    peer: Peer, capfd: pytest.CaptureFixture[str]
) -> None:
    messages, errors = [], []

    @http_only
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await receive()
        await send(OK)
        await send(body(b"1"))
        messages.append(await receive())
        for _ in range(2):
            try:
                await send(body(b"2"))
            except OSError as error:
                errors.append(error)
        raise errors[0]

    call, callback = called_back(peer, app)
    callback.read_response_head()
    callback.read_piece()
    callback.answer(410, b"the client has left")
    assert call.result() is None
    assert messages == [{"type": "http.disconnect"}]
    assert [type(error) for error in errors] == [AsgiDisconnected]  # once
    assert capfd.readouterr() == ("", "")  # nothing is logged as an error


def test_an_app_that_does_not_end_is_cancelled_after_the_grace(
    peer: Peer, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tailrace.function.async_drive.DISCONNECT_GRACE_S", 0.05)
    log: list[str] = []

    @http_only
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await send(OK)
        await send(body(b"1"))
        try:
            await asyncio.Event().wait()
        finally:
            log.append("finally")

    call, callback = called_back(peer, app)
    callback.read_response_head()
    callback.answer(410)
    assert call.result() is None
    assert log == ["finally"]
    assert capfd.readouterr() == ("", "")


def test_an_app_that_does_nothing_but_send_is_cancelled_after_the_grace(
    peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tailrace.function.async_drive.DISCONNECT_GRACE_S", 0.05)
    log: list[str] = []

    @http_only
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await send(OK)
        end_s = time.monotonic() + WAIT_S  # so that a test that fails ends
        try:
            while time.monotonic() < end_s:
                with contextlib.suppress(OSError):
                    await send(body(b"1"))
        except asyncio.CancelledError:
            log.append("cancelled")
            raise

    call, callback = called_back(peer, app)
    callback.read_response_head()
    callback.answer(410, b"gone")
    call.result()
    assert log == ["cancelled"]


def test_an_app_that_does_nothing_but_send_can_notice_the_end(peer: Peer) -> None:
    """A response to HEAD is complete with its head, whatever the app sends."""
    noticed: list[Any] = []

    @http_only
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await receive()
        end = asyncio.create_task(receive())
        await send(OK)
        end_s = time.monotonic() + WAIT_S
        while not end.done():
            assert time.monotonic() < end_s
            await send(body(b"1"))
        noticed.append(end.result())

    context = {"http": {"method": "HEAD", "path": "/"}}
    call, callback = called_back(peer, app, event={"requestContext": context})
    assert callback.serve()[1] == b""
    call.result()
    assert noticed == [{"type": "http.disconnect"}]


def test_an_app_that_ends_within_the_grace_is_not_cancelled(peer: Peer) -> None:
    log: list[str] = []

    @http_only
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await receive()
        await send(OK)
        await send(body(b"1"))
        await receive()
        await asyncio.to_thread(log.append, "cleaned up")

    call, callback = called_back(peer, app)
    callback.read_response_head()
    callback.answer(410)
    call.result()
    assert log == ["cleaned up"]
    assert limits.DISCONNECT_GRACE_S > 0.02


def test_a_client_that_leaves_while_the_app_is_blocked_by_back_pressure(peer: Peer) -> None:
    errors: list[BaseException] = []

    @http_only
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await send(OK)
        try:
            while True:
                await send(body(b"x" * 2**20))
        except OSError as error:
            errors.append(error)

    call, callback = called_back(peer, app)
    callback.read_response_head()
    callback.answer(410)
    call.result()
    assert [type(error) for error in errors] == [AsgiDisconnected]


def test_a_generator_that_is_dropped_when_the_client_leaves_is_closed_in_its_invocation(
    peer: Peer,
) -> None:
    """As frameworks drop it, by the exception of `send`: no other invocation may follow."""
    ends: list[str] = []

    async def parts() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"x"
        finally:
            await asyncio.to_thread(ends.append, "closed")  # as a connection takes to close

    @http_only
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await send(OK)
        made = parts()
        try:
            async for part in made:
                await send(body(part))
                await asyncio.sleep(0)
        except OSError as error:
            kept = error  # as a task group keeps it: by its frame, which the exception refers to
            raise kept from None

    call, callback = called_back(peer, app)
    callback.read_response_head()
    callback.answer(410, b"gone")
    call.result()
    assert ends == ["closed"]


def test_another_error_after_the_client_has_left_is_logged(
    peer: Peer, capfd: pytest.CaptureFixture[str]
) -> None:
    @http_only
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await receive()
        await send(OK)
        await send(body(b"1"))
        await receive()
        raise ValueError("a fault of the clean-up")

    call, callback = called_back(peer, app)
    callback.read_response_head()
    callback.answer(410)
    call.result()
    assert "[ERROR] ValueError: a fault of the clean-up" in capfd.readouterr().out


# --- apps that misbehave ----------------------------------------------------------------------


async def without_a_head(scope: Any, receive: Receive, send: Send) -> None:
    await receive()


async def fails_at_once(scope: Any, receive: Receive, send: Send) -> None:
    raise KeyError("before")


async def fails_behind_the_start(scope: Any, receive: Receive, send: Send) -> None:
    await send(OK)
    raise KeyError("before")  # the head has not been sent yet


async def sends_a_body_first(scope: Any, receive: Receive, send: Send) -> None:
    await send(body(b"x"))


async def sends_an_illegal_head(scope: Any, receive: Receive, send: Send) -> None:
    await send(OK | {"headers": [(b"x", b"a\r\nb: c")]})


async def sends_headers_of_text(scope: Any, receive: Receive, send: Send) -> None:
    await send(OK | {"headers": [("x", "y")]})


async def sends_text_as_length(scope: Any, receive: Receive, send: Send) -> None:
    await send(OK | {"headers": [(b"content-length", b"one")]})


async def sends_two_lengths(scope: Any, receive: Receive, send: Send) -> None:
    await send(OK | {"headers": [(b"content-length", b"1"), (b"Content-Length", b"2")]})


async def sends_text(scope: Any, receive: Receive, send: Send) -> None:
    await send(OK)
    await send(EMPTY_END | {"body": "text"})


async def leaks_a_cancellation(scope: Any, receive: Receive, send: Send) -> None:
    task = asyncio.create_task(asyncio.Event().wait())
    task.cancel()
    await task


async def sends_a_head_that_is_too_long(scope: Any, receive: Receive, send: Send) -> None:
    await send(OK | {"headers": [(b"x", b"a" * 2**21)]})
    await asyncio.sleep(0)
    await asyncio.sleep(0)  # it is to be sent alone


BEFORE_THE_HEAD = {
    "returns without a head": (without_a_head, "returned without a response"),
    "fails": (fails_at_once, "KeyError"),
    "fails before the head is sent": (fails_behind_the_start, "KeyError"),
    "sends a body first": (sends_a_body_first, "'http.response.start' is expected"),
    "illegal head": (sends_an_illegal_head, "HeadError"),
    "headers of text": (sends_headers_of_text, "name and value, both of them bytes"),
    "text as length": (sends_text_as_length, "illegal Content-Length 'one'"),
    "two lengths": (sends_two_lengths, "Content-Length is 1 and 2"),
    "text as body": (sends_text, "is bytes, not str"),
    "lets a cancellation out": (leaks_a_cancellation, "has awaited what was cancelled"),
    "too long a head": (sends_a_head_that_is_too_long, "PreludeError"),
}


@pytest.mark.parametrize("mode", ["callback", "native", "result"])
@pytest.mark.parametrize("name", BEFORE_THE_HEAD)
def test_an_app_that_fails_before_its_head_is_a_complete_500(
    name: str, mode: str, peer: Peer, capfd: pytest.CaptureFixture[str]
) -> None:
    app, words = BEFORE_THE_HEAD[name]
    if mode == "callback":
        call, callback = called_back(peer, http_only(app))
        head, data = callback.serve()
        call.result()
        assert (head.status, data) == (500, INTERNAL)
    elif mode == "native":
        with RuntimeLoop(peer, asgi(http_only(app))) as runtime:
            stream = runtime.stream()
            assert stream.read_response_head().status == 500
            assert stream.read_body() == (INTERNAL, {})
            stream.accept_response()
    elif name == "too long a head":
        return  # a result has no prelude
    else:
        assert returned(http_only(app))["statusCode"] == 500
    assert words in capfd.readouterr().out


def test_the_length_of_a_head_that_was_refused_does_not_count() -> None:
    @http_only
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        fields = [(b"content-length", b"1"), (b"x", b"a\nb")]
        with pytest.raises(HeadError):
            await send(OK | {"headers": fields})
        await send(OK | {"status": 503})
        await send(body(b"longer", more=False))

    result = returned(app)
    assert (result["statusCode"], result["body"]) == (503, "longer")


@pytest.mark.parametrize("name", ["fails", "returns", "another head", "too long", "too short"])
@pytest.mark.parametrize("mode", ["callback", "native", "result"])
def test_an_app_that_fails_after_its_head_breaks_the_response(
    name: str, mode: str, peer: Peer
) -> None:
    length = {"too long": b"2", "too short": b"9"}.get(name)

    @http_only
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        fields = [] if length is None else [(b"content-length", length)]
        await send(OK | {"headers": fields})
        await send(body(b"1"))
        await asyncio.sleep(0)
        if name == "fails":
            raise KeyError("after")
        if name == "another head":
            await send(OK)
        if length is not None:
            await send(body(b"23", more=False))

    if mode == "callback":
        call, callback = called_back(peer, app)
        callback.read_response_head()
        assert callback.read_piece() == b"1"
        assert callback.ends_with() is ConnectionResetError
        call.result()
    elif mode == "native":
        with RuntimeLoop(peer, asgi(app)) as runtime:
            stream = runtime.stream()
            stream.read_response_head()
            assert stream.read_piece() == b"1"
            data, trailers = stream.read_body()
            assert not data and error_in(trailers)
            stream.accept_response()
    else:
        with pytest.raises(KeyError if name == "fails" else RuntimeError):
            returned(app)


@pytest.mark.parametrize("mode", ["callback", "native", "result"])
def test_an_exception_after_the_end_is_logged_and_the_response_stays_complete(
    mode: str, peer: Peer, capfd: pytest.CaptureFixture[str]
) -> None:
    @http_only
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await send(OK | {"status": 500})
        await send(body(b"oops", more=False))
        raise KeyError("as frameworks raise again what they have answered")

    if mode == "callback":
        call, callback = called_back(peer, app)
        head, data = callback.serve()
        call.result()
        assert (head.status, data) == (500, b"oops")
    elif mode == "native":
        with RuntimeLoop(peer, asgi(app)) as runtime:
            stream = runtime.stream()
            assert stream.read_response_head().status == 500
            assert stream.read_body() == (b"oops", {})
            stream.accept_response()
    else:
        result = returned(app)
        assert (result["statusCode"], result["body"]) == (500, "oops")
    assert "[ERROR] KeyError" in capfd.readouterr().out


def test_a_cancellation_behind_the_end_leaves_the_response_complete(
    capfd: pytest.CaptureFixture[str],
) -> None:
    @http_only
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await send(OK)
        await send(body(b"all", more=False))
        await leaks_a_cancellation(scope, receive, send)

    assert returned(app)["body"] == "all"
    assert "has awaited what was cancelled" in capfd.readouterr().out


@pytest.mark.parametrize("mode", ["callback", "result"])
def test_on_error_raise_fails_the_invocation_as_well(mode: str, peer: Peer) -> None:
    app = http_only(fails_at_once)
    if mode == "result":
        with pytest.raises(KeyError):
            returned(app, on_error="raise")
        return
    call, callback = called_back(peer, app, on_error="raise")
    assert callback.serve()[0].status == 500
    with pytest.raises(KeyError):
        call.result()


# --- the lifespan -----------------------------------------------------------------------------


class Started:
    """An app with a lifespan, which counts its starts and keeps what it was given."""

    def __init__(self, *, reason: str | None = None, error: Exception | None = None) -> None:
        self.starts = 0
        self.states: list[Any] = []
        self.loops: list[Any] = []
        self.reason = reason
        self.error = error

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        self.loops.append(asyncio.get_running_loop())
        if scope["type"] == "http":
            self.states.append(scope["state"])
            scope["state"]["own"] = True
            await send(OK)
            await send(EMPTY_END)
            return
        assert await receive() == {"type": "lifespan.startup"}
        self.starts += 1
        if self.reason is not None:
            await send({"type": "lifespan.startup.failed", "message": self.reason})
        if self.error is not None:
            raise self.error
        if self.reason is None:
            scope["state"]["pool"] = "a pool"
            await send({"type": "lifespan.startup.complete"})
            await receive()


def test_an_app_starts_once_and_its_state_is_copied_for_each_request() -> None:
    app = Started()
    handler = asgi(app)
    event = {"version": "2.0", "requestContext": {"http": {"method": "GET", "path": "/"}}}
    getattr(handler, START)()
    assert app.starts == 1
    for _ in range(3):
        handler(event, CONTEXT)
    assert app.starts == 1
    assert app.states == [{"pool": "a pool", "own": True}] * 3
    assert len({id(state) for state in app.states}) == 3
    assert len(set(app.loops)) == 1


def test_without_an_init_phase_the_first_invocation_starts_the_app() -> None:
    app = Started()
    handler = asgi(app)
    event = {"version": "2.0", "requestContext": {"http": {"method": "GET", "path": "/"}}}
    handler(event, CONTEXT)
    handler(event, CONTEXT)
    assert app.starts == 1


def test_a_failed_start_raises_what_the_app_raises() -> None:
    failing = asgi(Started(reason="a traceback", error=LookupError("no database")))
    with pytest.raises(LookupError, match="no database"):
        getattr(failing, START)()


def test_a_failed_start_without_an_exception_has_the_apps_words() -> None:
    with pytest.raises(Exception, match=r"^no database$"):
        getattr(asgi(Started(reason="no database")), START)()


def test_an_app_without_a_lifespan_is_served(caplog: pytest.LogCaptureFixture) -> None:
    handler = asgi(http_only(lambda scope, receive, send: send_all(send)))
    getattr(handler, START)()
    assert not caplog.records  # it has refused the scope: that is how an app has no lifespan
    event = {"version": "2.0", "requestContext": {"http": {"method": "GET", "path": "/"}}}
    assert handler(event, CONTEXT)["statusCode"] == 200


async def send_all(send: Send) -> None:
    await send(OK)
    await send(EMPTY_END)


def test_auto_says_what_an_app_raised_in_its_start(caplog: pytest.LogCaptureFixture) -> None:
    getattr(asgi(Started(error=LookupError("no database"))), START)()
    assert "lifespan is left out" in caplog.text and "no database" in caplog.text


@pytest.mark.parametrize("mode", ["auto", "on"])
def test_a_cancellation_in_a_start_is_a_failure_like_others(
    mode: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        assert await receive() == {"type": "lifespan.startup"}
        await leaks_a_cancellation(scope, receive, send)

    start = getattr(asgi(app, lifespan=mode), START)
    if mode == "auto":
        start()
        assert "lifespan is left out" in caplog.text
        assert "lifespan has awaited what was cancelled" in caplog.text
    else:
        with pytest.raises(RuntimeError, match="lifespan has awaited what was cancelled"):
            start()


def test_on_requires_a_lifespan() -> None:
    with pytest.raises(ValueError, match="no lifespan here"):
        getattr(asgi(http_only(without_a_head), lifespan="on"), START)()


def test_off_starts_nothing() -> None:
    app = Started()
    handler = asgi(app, lifespan="off")
    getattr(handler, START)()
    event = {"version": "2.0", "requestContext": {"http": {"method": "GET", "path": "/"}}}
    handler(event, CONTEXT)
    assert app.starts == 0


# --- what is no app, and no request -----------------------------------------------------------


def test_an_event_that_is_no_http_request_is_refused() -> None:
    with pytest.raises(TypeError, match="no HTTP request"):
        asgi(http_only(without_a_head))({"Records": []}, CONTEXT)


def test_a_body_that_is_not_base64_is_a_500(capfd: pytest.CaptureFixture[str]) -> None:
    result = returned(http_only(without_a_head), event={"body": "%", "isBase64Encoded": True})
    assert result["statusCode"] == 500
    assert "[ERROR] ValueError: the event's body cannot be read" in capfd.readouterr().out


def test_a_websocket_event_is_refused() -> None:
    event = {"requestContext": {"connectionId": "c", "eventType": "CONNECT"}}
    with pytest.raises(TypeError, match="WebSocket"):
        asgi(http_only(without_a_head))(event, CONTEXT)


def test_a_wrong_option_is_refused() -> None:
    app = http_only(without_a_head)
    with pytest.raises(TypeError, match="lifespan"):
        asgi(app, lifespan="sometimes")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="root_path begins with a slash"):
        asgi(app, root_path="api")


# --- BaseHTTPMiddleware -----------------------------------------------------------------------


class Passing(BaseHTTPMiddleware):
    async def dispatch(self, request: Any, call_next: Any) -> Any:
        return await call_next(request)


def behind_middleware(app: Any, depth: int) -> Any:
    for _ in range(depth):
        app = Passing(app)
    return app


def test_nothing_of_a_request_behind_middleware_is_left_in_the_loop(peer: Peer) -> None:
    """A call that is left would run, turn by turn, in the next request's time."""

    @http_only
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await send(OK)
        await send(body(b"all"))
        await send(EMPTY_END)

    def exchanges() -> list[AsgiExchange]:
        gc.collect()
        return [each for each in gc.get_objects() if type(each) is AsgiExchange]

    earlier = exchanges()  # of other tests, whose failures are still shown
    call, callback = called_back(peer, behind_middleware(app, 1))
    assert callback.serve()[1] == b"all"
    call.result()
    assert not [each for each in exchanges() if all(each is not other for other in earlier)]


@pytest.mark.parametrize("has_streamed", [True, False])
@pytest.mark.parametrize("depth", [1, 2, 10])
def test_an_app_that_fails_behind_middleware_never_looks_complete(
    depth: int, has_streamed: bool, peer: Peer, capfd: pytest.CaptureFixture[str]
) -> None:
    """The middleware sends a last message for it."""

    @http_only
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await send(OK)
        if has_streamed:
            await send(body(b"1"))
        raise KeyError("of the app inside")

    call, callback = called_back(peer, behind_middleware(app, depth))
    if has_streamed:
        assert callback.ends_with() is ConnectionResetError
    else:
        callback.read_response_head()
        assert callback.ends_with() is ConnectionResetError
    call.result()
    assert "[ERROR] KeyError: 'of the app inside'" in capfd.readouterr().out


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_a_background_task_that_fails_leaves_the_response_complete(
    depth: int, peer: Peer, capfd: pytest.CaptureFixture[str]
) -> None:
    async def fail() -> None:
        raise KeyError("of the task")

    async def parts() -> AsyncIterator[bytes]:
        yield b"1"
        yield b"2"

    response = StreamingResponse(parts(), background=BackgroundTask(fail))
    call, callback = called_back(peer, behind_middleware(http_only(response), depth))
    assert callback.serve()[1] == b"12"
    call.result()
    assert "[ERROR] KeyError: 'of the task'" in capfd.readouterr().out


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_the_client_does_not_wait_for_a_background_task(depth: int, peer: Peer) -> None:
    gate = threading.Event()

    async def parts() -> AsyncIterator[bytes]:
        yield b"1"

    response = StreamingResponse(parts(), background=BackgroundTask(gate.wait, 10))
    call, callback = called_back(peer, behind_middleware(http_only(response), depth))
    assert callback.serve()[1] == b"1"
    assert call.is_running
    gate.set()
    call.result()


@pytest.mark.parametrize(
    ("method", "status", "headers", "parts"),
    [
        ("GET", 204, [], []),
        ("GET", 304, [], []),
        ("HEAD", 200, [], []),
        ("GET", 200, [(b"content-length", b"0")], []),
        ("GET", 200, [(b"content-length", b"2")], [b"1", b"2"]),
    ],
)
def test_an_exception_behind_all_of_the_body_changes_nothing(
    method: str, status: int, headers: Any, parts: list[bytes], peer: Peer
) -> None:
    """A background task's, for example."""

    @http_only
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": status, "headers": headers})
        for part in parts:
            await send(body(part))
        await send(EMPTY_END)
        raise KeyError("of a task behind the response")

    call, callback = called_back(peer, app, event={"method": method})
    head, data = callback.serve()
    call.result()
    assert (head.status, data) == (status, b"".join(parts))


def test_a_streamed_response_ends_though_the_app_goes_on(peer: Peer) -> None:
    gate = threading.Event()

    @http_only
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await send(OK)
        await send(body(b"1"))
        await send(EMPTY_END)
        assert await receive() and await receive() == {"type": "http.disconnect"}
        await asyncio.to_thread(gate.wait, 10)

    call, callback = called_back(peer, app)
    assert callback.serve()[1] == b"1"
    assert call.is_running
    gate.set()
    call.result()


def environ_app(environ: Any, start_response: Any) -> Any: ...


@pytest.mark.parametrize(
    "value, words",
    [
        (environ_app, "it is a WSGI app, for wsgi()"),
        (7, "of type int, which cannot be called"),
        (Started, "it is a class: name an instance of it, such as app = Started()"),
        (asgi(http_only(without_a_head)), "it is a handler already"),
    ],
    ids=["wsgi", "no callable", "class", "handler"],
)
def test_what_is_no_asgi_app_is_refused(value: Any, words: str) -> None:
    with pytest.raises(TypeError) as raised:
        asgi(value)
    assert words in str(raised.value)


def test_an_adaptive_flush_lets_out_what_lambda_holds_while_the_app_waits(peer: Peer) -> None:
    gate = threading.Event()

    @http_only
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await send(OK | {"headers": [(b"content-type", b"text/event-stream")]})
        await send(body(b"data: 1\n\n"))
        await asyncio.to_thread(gate.wait, 10)
        await send(EMPTY_END)

    policy = FlushPolicy("adaptive", pad_bytes=100, quiet_s=0.001)
    with RuntimeLoop(peer, asgi(app, flush=policy)) as runtime:
        stream = runtime.stream()
        stream.read_response_head()
        assert stream.read_piece() == b"data: 1\n\n"
        assert len(stream.read_piece()) == 100
        gate.set()
        assert stream.read_body() == (b"", {})
        stream.accept_response()


def test_no_task_waits_for_the_request_of_an_app_that_has_returned(peer: Peer) -> None:
    left: list[asyncio.Task[Any]] = []

    @http_only
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await receive()
        left.append(asyncio.create_task(receive()))
        await asyncio.sleep(0)
        raise KeyError("before the head")

    handler = asgi(app)
    event = {"version": "2.0", "requestContext": {"http": {"method": "GET", "path": "/"}}}
    assert handler(event, CONTEXT)["statusCode"] == 500
    run_in_loop(asyncio.wait(left, timeout=10))
    assert left[0].result() == {"type": "http.disconnect"}


def test_an_app_is_not_given_the_secret_of_the_callback(peer: Peer) -> None:
    seen: list[Any] = []

    @http_only
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        seen.append(scope["aws.event"])
        await send_all(send)

    more = {"rawPath": "/a", "origin": peer.url, "url": "/a", "requestId": "1"}
    call, callback = called_back(peer, app, event=more)
    callback.serve()
    call.result()
    assert seen[0]["rawPath"] == "/a"
    assert SECRET not in json.dumps(seen)
