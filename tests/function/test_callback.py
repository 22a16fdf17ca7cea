"""Calling back: opened before the handler runs, one outcome for each failure."""

from __future__ import annotations

import asyncio
import contextvars
import fcntl
import json
import logging
import select
import socket
import struct
import termios
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from tests.peers import SECRET, WAIT_S, Callback, Peer, Running, until

from tailrace.function import ClientDisconnected, Head, ResponseStream, streamify_response

CONTEXT = SimpleNamespace(aws_request_id="request-1")
ONE_CHUNK = Head(200, {"content-type": "text/plain; charset=utf-8"})
INTERNAL = b'{"message":"Internal Server Error"}'


def opened(
    peer: Peer, handler: Callable[[Any, Any], Any], **event: Any
) -> tuple[Running, Callback]:
    """Call a handler, and let it run."""
    call = Running(handler, peer.event(**event), CONTEXT)
    callback = peer.accept_callback()
    callback.go_on()
    return call, callback


def gated(
    kind: str, chunks: list[Any], gate: threading.Semaphore, log: list[str]
) -> Callable[[Any, Any], Any]:
    """A handler that makes each chunk only when the test lets it."""

    def wait() -> None:
        assert gate.acquire(timeout=10)

    async def wait_async() -> None:
        await asyncio.get_running_loop().run_in_executor(None, wait)

    def generate(event: Any, context: Any) -> Iterator[Any]:
        try:
            for chunk in chunks:
                wait()
                yield chunk
        except GeneratorExit:
            log.append("closed")
            raise
        finally:
            log.append("finally")

    async def generate_async(event: Any, context: Any) -> AsyncIterator[Any]:
        try:
            for chunk in chunks:
                await wait_async()
                yield chunk
        except (asyncio.CancelledError, GeneratorExit) as error:
            log.append(type(error).__name__)
            raise
        finally:
            log.append("finally")

    async def write(event: Any, response: ResponseStream, context: Any) -> None:
        try:
            for chunk in chunks:
                await wait_async()
                if isinstance(chunk, Head):
                    response.set_head(chunk)
                    await response.flush()
                else:
                    await response.write(chunk)
        except (asyncio.CancelledError, ClientDisconnected) as error:
            log.append(type(error).__name__)
            raise
        finally:
            log.append("finally")

    functions: dict[str, Any] = {
        "generator": generate,
        "async generator": generate_async,
        "writer": write,
    }
    return streamify_response(functions[kind])


KINDS = ["generator", "async generator", "writer"]


# --- the way it goes well ------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [1, 1_000_000])
def test_chunk_n_arrives_before_chunk_n_plus_1_is_made(peer: Peer, kind: str, size: int) -> None:
    gate = threading.Semaphore(0)
    chunks = [bytes([65 + n]) * size for n in range(5)]
    call, callback = opened(peer, gated(kind, [Head(201), *chunks], gate, []))

    gate.release()
    assert callback.read_response_head() == Head(201)
    for chunk in chunks:
        gate.release()
        assert callback.read_piece() == chunk

    assert callback.read_piece() == b""
    callback.finish(b"".join(chunks))
    assert call.result() is None


def test_the_callback_is_a_post_of_the_integration_type(peer: Peer) -> None:
    call, callback = opened(peer, streamify_response(lambda event, context: iter(["x"])))

    assert callback.line == f"POST {peer.url[peer.url.index('/', 8) :]} HTTP/1.1"
    assert dict(callback.headers)["content-type"] == (
        "application/vnd.awslambda.http-integration-response"
    )
    assert callback.read_response_head() == ONE_CHUNK
    assert callback.read_body() == b"x"
    callback.finish(b"x")
    call.result()


def test_the_callback_is_open_before_the_handler_runs(peer: Peer) -> None:
    ran = threading.Event()

    @streamify_response
    def handler(event: Any, context: Any) -> dict[str, Any]:
        ran.set()
        return {"statusCode": 200, "body": "x"}

    call = Running(handler, peer.event(), CONTEXT)
    callback = peer.accept_callback()
    assert not ran.is_set()
    callback.serve()

    call.result()
    assert ran.is_set()


@pytest.mark.parametrize("kind", KINDS)
def test_head_and_first_chunk_without_a_head_leave_together(peer: Peer, kind: str) -> None:
    gate = threading.Semaphore(9)
    call, callback = opened(peer, gated(kind, ["", b"", "zwölf"], gate, []))

    chunk = callback.read_chunk()
    assert chunk == (
        b'{"statusCode":200,"headers":{"content-type":"text/plain; charset=utf-8"}}'
        + bytes(8)
        + "zwölf".encode()
    )
    assert callback.read_chunk() == b""
    callback.finish(b"zw..lf")
    call.result()


@pytest.mark.parametrize(
    ("chunk", "media_type"),
    [
        ("x", "text/plain; charset=utf-8"),
        (b"x", "application/octet-stream"),
        (bytearray(b"x"), "application/octet-stream"),
        (memoryview(b"x"), "application/octet-stream"),
    ],
)
def test_the_first_chunk_decides_the_default_content_type(
    peer: Peer, chunk: object, media_type: str
) -> None:
    call, callback = opened(peer, streamify_response(lambda event, context: iter([chunk])))

    assert callback.serve() == (Head(200, {"content-type": media_type}), b"x")
    call.result()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("chunks", "head"),
    [([], Head(200)), ([Head(302, {"location": "/x"})], Head(302, {"location": "/x"}))],
)
def test_an_empty_body_has_its_prelude_and_ends(
    peer: Peer, kind: str, chunks: list[Any], head: Head
) -> None:
    call, callback = opened(peer, gated(kind, chunks, threading.Semaphore(9), []))

    assert callback.serve() == (head, b"")
    call.result()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("method", "head"), [("HEAD", Head(200, {"x": "y"})), ("GET", Head(204)), ("GET", Head(304))]
)
def test_a_response_without_a_body_ends_with_its_head(
    peer: Peer, kind: str, method: str, head: Head
) -> None:
    """A generator is closed there; a writer goes on, and what it writes is dropped."""
    log: list[str] = []
    gate = threading.Semaphore(1)
    call, callback = opened(peer, gated(kind, [head, "x", "y"], gate, log), method=method)

    assert callback.read_response_head() == head
    assert callback.read_piece() == b""
    callback.finish(b"")
    for _ in range(2):
        gate.release()

    assert call.result() is None
    expected = {
        "generator": ["closed", "finally"],
        "async generator": ["GeneratorExit", "finally"],
        "writer": ["finally"],
    }
    assert log == expected[kind]


def test_a_head_request_without_a_head_is_answered_by_the_default_one(peer: Peer) -> None:
    call, callback = opened(
        peer, streamify_response(lambda event, context: iter(["x", "y"])), method="HEAD"
    )

    assert callback.serve() == (ONE_CHUNK, b"")
    call.result()


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize(
    ("result", "head", "body"),
    [
        (
            {"statusCode": 418, "headers": {"a": "b"}, "cookies": ["c=1"], "body": "tea"},
            Head(418, [("a", "b"), ("content-type", "application/json")], ["c=1"]),
            b"tea",
        ),
        ({"a": 1}, Head(200, {"content-type": "application/json"}), b'{"a":1}'),
        (None, Head(200, {"content-type": "application/json"}), b"null"),
        ({"statusCode": 204}, Head(204), b""),
    ],
)
def test_a_plain_result_becomes_a_response(
    peer: Peer, is_async: bool, result: object, head: Head, body: bytes
) -> None:
    async def answer_async(event: Any, context: Any) -> object:
        await asyncio.sleep(0)
        return result

    handler = answer_async if is_async else lambda event, context: result
    call, callback = opened(peer, streamify_response(handler))

    assert callback.serve() == (head, body)
    call.result()


async def _letters() -> AsyncIterator[str]:
    yield "a"
    await asyncio.sleep(0)
    yield "b"


async def _returns_async_generator(event: Any, context: Any) -> AsyncIterator[str]:
    return _letters()


async def _returns_iterator(event: Any, context: Any) -> Iterator[str]:
    return iter("ab")


@pytest.mark.parametrize(
    "function",
    [
        lambda event, context: (letter for letter in "ab"),
        lambda event, context: _letters(),
        _returns_async_generator,
        _returns_iterator,
    ],
)
def test_a_function_may_return_an_iterator(peer: Peer, function: Callable[..., Any]) -> None:
    call, callback = opened(peer, streamify_response(function))

    assert callback.serve() == (ONE_CHUNK, b"ab")
    call.result()


def test_writers_in_several_tasks_keep_their_chunks_whole(peer: Peer) -> None:
    @streamify_response
    async def handler(event: Any, response: ResponseStream, context: Any) -> None:
        async with asyncio.TaskGroup() as tasks:
            for letter in b"abcd":
                tasks.create_task(response.write(bytes([letter]) * 700_000))

    call, callback = opened(peer, handler)
    callback.read_response_head()
    pieces = [callback.read_piece() for _ in range(4)]
    assert callback.read_piece() == b""
    callback.finish(b"".join(pieces))
    call.result()

    assert sorted(pieces) == [bytes([letter]) * 700_000 for letter in b"abcd"]


def test_a_cancelled_write_leaves_its_chunk_whole(peer: Peer) -> None:
    @streamify_response
    async def handler(event: Any, response: ResponseStream, context: Any) -> None:
        try:
            await asyncio.wait_for(response.write(b"a" * 20_000_000), 0.01)
        except TimeoutError:
            await response.write(b"b")

    call, callback = opened(peer, handler)
    callback.read_response_head()
    assert callback.read_piece() == b"a" * (20_000_000)
    assert callback.read_piece() == b"b"
    assert callback.read_piece() == b""
    callback.finish(b"a" * 20_000_000 + b"b")
    call.result()


# --- back-pressure -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_gateway_that_does_not_read_holds_the_handler(peer: Peer, kind: str) -> None:
    made = 0
    size = 100_000

    def count() -> bytes:
        nonlocal made
        made += 1
        return b"x" * size

    def generate(event: Any, context: Any) -> Iterator[bytes]:
        for _ in range(300):
            yield count()

    async def generate_async(event: Any, context: Any) -> AsyncIterator[bytes]:
        for _ in range(300):
            yield count()

    async def write(event: Any, response: ResponseStream, context: Any) -> None:
        for _ in range(300):
            await response.write(count())

    functions: dict[str, Any] = {
        "generator": generate,
        "async generator": generate_async,
        "writer": write,
    }
    call, callback = opened(peer, streamify_response(functions[kind]))

    seen = -1

    def has_stalled() -> bool:
        nonlocal seen
        is_same, seen = seen == made, made
        return is_same and made > 0 and _is_full(callback)

    until(has_stalled, "the handler is blocked")
    assert made < 300
    assert call.is_running
    callback.read_response_head()
    body = callback.serve_rest()
    assert len(body) == 300 * size
    assert made == 300
    call.result()


def _is_full(callback: Callback) -> bool:
    """Whether the receive buffer has not grown since the last look."""
    raw = fcntl.ioctl(callback.socket.fileno(), termios.FIONREAD, struct.pack("i", 0))
    size = struct.unpack("i", raw)[0]
    before, callback.filled = getattr(callback, "filled", -1), size
    return size == before and size > 100_000


# --- the gateway refuses -------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("status", [404, 409, 410])
def test_a_refused_callback_does_not_run_the_handler(
    peer: Peer, kind: str, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    log: list[str] = []
    call = Running(gated(kind, ["x"], threading.Semaphore(9), log), peer.event(), CONTEXT)
    peer.accept_callback().answer(status, b'{"message":"not yours"}')

    assert call.result() is None
    assert log == []
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "the handler was not run: the peer answered" in record.getMessage()
    assert str(status) in record.getMessage()


def test_a_plain_function_has_no_effect_when_refused(peer: Peer) -> None:
    effects = 0

    @streamify_response
    def handler(event: Any, context: Any) -> str:
        nonlocal effects
        effects += 1
        return "x"

    for status in (409, 410, 404):
        call = Running(handler, peer.event(), CONTEXT)
        peer.accept_callback().answer(status)
        assert call.result() is None

    assert effects == 0


def test_no_gateway_is_one_warning_without_the_secret(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with Peer() as peer:
        event = peer.event()

    assert streamify_response(lambda event, context: 1 / 0)(event, CONTEXT) is None
    (record,) = caplog.records
    assert "Connection refused" in record.getMessage()
    assert SECRET not in record.getMessage()
    assert SECRET[:4] not in caplog.text


@pytest.mark.parametrize(
    "field",
    ["", "via: 1.1 proxy\r\n", "tailrace-exchange: 00000000-0000-0000-0000-000000000000\r\n"],
)
def test_a_100_that_is_not_the_gateways_runs_nothing(
    peer: Peer, field: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A proxy in between says it for every exchange, also for one that is gone."""
    call = Running(streamify_response(lambda event, context: 1 / 0), peer.event(), CONTEXT)
    callback = peer.accept_callback()
    callback.send(f"HTTP/1.1 100 Continue\r\n{field}\r\n".encode())

    assert callback.ends_with() is ConnectionResetError
    assert call.result() is None
    (record,) = caplog.records
    assert "the handler was not run: something between here and the gateway" in record.getMessage()
    assert SECRET not in record.getMessage()


def test_a_callback_that_is_no_url_is_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    event = {"tailrace": {"v": 1, "callback": "gopher://x/y/z"}}

    assert streamify_response(lambda event, context: 1 / 0)(event, CONTEXT) is None
    assert "not the URL of an HTTP server" in caplog.text


# --- the gateway's last word ---------------------------------------------------------------------


def test_the_last_word_is_waited_for_until_shortly_before_the_invocations_deadline(
    peer: Peer, caplog: pytest.LogCaptureFixture
) -> None:
    context = SimpleNamespace(get_remaining_time_in_millis=lambda: 520)
    handler = streamify_response(lambda event, context: iter(["x"]))
    call = Running(handler, peer.event(), context)
    callback = peer.accept_callback()
    callback.go_on()
    callback.read_response_head()
    assert callback.read_body() == b"x"

    assert call.result() is None
    assert "may not have arrived whole: the peer did not answer within" in caplog.text


def test_a_last_word_that_has_come_is_heard_though_no_time_is_left(
    peer: Peer, caplog: pytest.LogCaptureFixture
) -> None:
    ended, said = threading.Event(), threading.Event()

    def remaining_ms() -> int:
        ended.set()
        assert said.wait(10)
        return 1

    context = SimpleNamespace(get_remaining_time_in_millis=remaining_ms)
    call = Running(streamify_response(lambda event, context: iter(["x"])), peer.event(), context)
    callback = peer.accept_callback()
    callback.serve()
    assert ended.wait(10)
    said.set()

    assert call.result() is None
    assert caplog.text == ""


# --- the handler fails ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [*KINDS, "function", "async function"])
def test_a_failure_before_the_head_is_a_complete_500(
    peer: Peer, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(event: Any, context: Any) -> None:
        raise ValueError("boom")

    def generate(event: Any, context: Any) -> Iterator[str]:
        raise ValueError("boom")
        yield ""

    async def generate_async(event: Any, context: Any) -> AsyncIterator[str]:
        raise ValueError("boom")
        yield ""

    async def write(event: Any, response: ResponseStream, context: Any) -> None:
        response.set_head(Head(201))
        raise ValueError("boom")

    async def fail_async(event: Any, context: Any) -> None:
        raise ValueError("boom")

    functions: dict[str, Any] = {
        "generator": generate,
        "async generator": generate_async,
        "writer": write,
        "function": fail,
        "async function": fail_async,
    }
    call, callback = opened(peer, streamify_response(functions[kind]))

    head, body = callback.serve()

    assert (head.status, body) == (500, INTERNAL)
    assert head.get("content-type") == "application/json"
    assert call.result() is None
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["[ERROR] ValueError: boom", "Traceback (most recent call last):"]
    assert lines[2].startswith(f'  File "{__file__}", line ')
    assert lines[3:] == ['    raise ValueError("boom")']


@pytest.mark.parametrize("kind", KINDS)
def test_a_failure_after_the_head_breaks_the_callback(
    peer: Peer, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    class Explosive:
        """Not a chunk: the handler fails at the second one."""

        def __repr__(self) -> str:
            return "Explosive()"

    gate = threading.Semaphore(9)
    call, callback = opened(peer, gated(kind, ["x", Explosive(), "y"], gate, []))

    assert callback.read_response_head() == ONE_CHUNK
    assert callback.read_piece() == b"x"

    assert callback.ends_with() is ConnectionResetError
    assert callback.unread == b"", "no last chunk"
    assert call.result() is None
    out = capsys.readouterr().out
    assert (
        "[ERROR] TypeError: a chunk is str, bytes, bytearray or memoryview,"
        " not Explosive: Explosive()" in out
    )
    assert "yield chunk" in out or "await response.write(chunk)" in out, "the user's line is shown"


@pytest.mark.parametrize("kind", ["generator", "async generator"])
def test_a_head_that_comes_late_is_an_error_that_names_it(
    peer: Peer, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    gate = threading.Semaphore(9)
    call, callback = opened(peer, gated(kind, ["x", Head(404)], gate, []))

    callback.read_response_head()
    assert callback.ends_with() is ConnectionResetError
    call.result()
    out = capsys.readouterr().out
    assert "Head(404, (), cookies=0) was yielded after the head (status 200) had gone out" in out


@pytest.mark.parametrize("is_async", [False, True])
def test_a_generator_that_swallows_the_error_has_failed_all_the_same(
    peer: Peer, is_async: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    def generate(event: Any, context: Any) -> Iterator[Any]:
        try:
            yield 7
        except TypeError:
            pass

    async def generate_async(event: Any, context: Any) -> AsyncIterator[Any]:
        try:
            yield 7
        except TypeError:
            yield "more"

    handler: Any = generate_async if is_async else generate
    call, callback = opened(peer, streamify_response(handler))

    assert callback.serve()[0].status == 500
    call.result()
    assert "not int: 7" in capsys.readouterr().out


def test_a_result_that_is_no_response_is_a_500(
    peer: Peer, capsys: pytest.CaptureFixture[str]
) -> None:
    call, callback = opened(peer, streamify_response(lambda event, context: {"statusCode": 99}))

    assert callback.serve()[0].status == 500
    call.result()
    assert "[ERROR] ResultError: illegal status 99" in capsys.readouterr().out


@pytest.mark.parametrize("kind", KINDS)
def test_on_error_raise_ends_the_response_and_then_the_invocation(
    peer: Peer, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    plain: Any = gated(kind, [7], threading.Semaphore(9), [])
    call, callback = opened(peer, streamify_response(plain.__wrapped__, on_error="raise"))

    assert callback.serve()[0].status == 500
    with pytest.raises(TypeError, match="not int: 7"):
        call.result()


def test_the_log_keeps_together_on_managed_runtimes(
    peer: Peer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """CloudWatch makes an event of each line: carriage returns and no-break spaces, as AWS does."""
    monkeypatch.setenv("AWS_EXECUTION_ENV", "AWS_Lambda_python3.11")
    call, callback = opened(peer, streamify_response(lambda event, context: 1 / 0))
    callback.serve()
    call.result()

    out = capsys.readouterr().out
    assert out.startswith("[ERROR] ZeroDivisionError: division by zero\rTraceback (most recent")
    assert out.count("\n") == 1
    assert '\r\u00a0\u00a0File "' in out


def test_the_log_is_json_where_lambda_is_told_so(
    peer: Peer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_LAMBDA_LOG_FORMAT", "JSON")
    call, callback = opened(peer, streamify_response(lambda event, context: 1 / 0))
    callback.serve()
    call.result()

    entry = json.loads(capsys.readouterr().out)
    assert entry["level"] == "ERROR"
    assert entry["errorType"] == "ZeroDivisionError"
    assert entry["errorMessage"] == "division by zero"
    assert entry["requestId"] == "request-1"
    assert len(entry["stackTrace"]) == 1


def test_the_log_has_no_secret(peer: Peer, capsys: pytest.CaptureFixture[str]) -> None:
    def handler(event: Any, context: Any) -> None:
        raise ValueError(f"cannot work with {event}")

    call, callback = opened(peer, streamify_response(handler))
    callback.serve()
    call.result()

    out = capsys.readouterr().out
    assert "0a1b2c3d" in out, "the event is shown"
    assert SECRET not in out


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
@pytest.mark.parametrize("is_async", [False, True])
def test_an_exit_passes_through_and_breaks_the_callback(
    peer: Peer, kind: type[BaseException], is_async: bool
) -> None:
    def generate(event: Any, context: Any) -> Iterator[str]:
        yield "x"
        raise kind(3)

    async def generate_async(event: Any, context: Any) -> AsyncIterator[str]:
        yield "x"
        raise kind(3)

    handler: Any = generate_async if is_async else generate
    call, callback = opened(peer, streamify_response(handler))

    assert callback.ends_with() is ConnectionResetError
    with pytest.raises(kind):
        call.result()


def test_a_cancellation_of_its_own_is_a_failure(
    peer: Peer, capsys: pytest.CaptureFixture[str]
) -> None:
    @streamify_response
    async def handler(event: Any, response: ResponseStream, context: Any) -> None:
        raise asyncio.CancelledError

    call, callback = opened(peer, handler)

    assert callback.serve()[0].status == 500
    call.result()
    assert "[ERROR] RuntimeError: the handler was cancelled by its own code" in (
        capsys.readouterr().out
    )


# --- the client leaves ---------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["410", "reset"])
@pytest.mark.parametrize("chunks", [[], ["x"]])
@pytest.mark.parametrize("kind", ["async generator", "writer"])
def test_a_client_that_leaves_cancels_an_async_handler_that_waits(
    peer: Peer, kind: str, chunks: list[str], how: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Also one that has written nothing yet."""
    log: list[str] = []
    waits = threading.Event()

    async def generate(event: Any, context: Any) -> AsyncIterator[str]:
        try:
            for chunk in chunks:
                yield chunk
            waits.set()
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            log.append("cancelled")
            raise
        finally:
            await asyncio.sleep(0)
            log.append("cleaned up")

    async def write(event: Any, response: ResponseStream, context: Any) -> None:
        try:
            for chunk in chunks:
                await response.write(chunk)
            waits.set()
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            log.append("cancelled")
            raise
        finally:
            await asyncio.sleep(0)
            log.append("cleaned up")

    functions: dict[str, Any] = {"async generator": generate, "writer": write}
    call, callback = opened(peer, streamify_response(functions[kind]))
    assert waits.wait(10)
    _leave(callback, how)

    assert call.result() is None
    assert log == ["cancelled", "cleaned up"]
    warnings = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(warnings) == (how == "reset"), "a lost gateway is worth a warning, a client is not"


def _leave(callback: Callback, how: str) -> None:
    if how == "410":
        callback.answer(410, b'{"message":"the client has left"}')
    else:
        callback.reset()


@pytest.mark.parametrize("how", ["410", "reset"])
def test_a_client_that_leaves_closes_a_generator_at_its_next_yield(peer: Peer, how: str) -> None:
    gate = threading.Semaphore(0)
    log: list[str] = []
    call, callback = opened(peer, gated("generator", ["x"] * 100, gate, log))
    gate.release()
    assert callback.read_response_head() == ONE_CHUNK
    _leave(callback, how)
    until(lambda: how == "reset" or _is_seen(callback))
    assert log == []

    gate.release(50)

    assert call.result() is None
    assert log == ["closed", "finally"]


@pytest.mark.parametrize("is_async", [False, True])
def test_an_empty_chunk_or_the_end_notices_it_too(peer: Peer, is_async: bool) -> None:
    log: list[str] = []
    gate = threading.Semaphore(0)

    def wait() -> None:
        assert gate.acquire(timeout=10)

    def generate(event: Any, context: Any) -> Iterator[str]:
        yield "x"
        wait()
        try:
            yield ""
        finally:
            log.append("closed")

    async def write(event: Any, response: ResponseStream, context: Any) -> None:
        await response.write("x")
        wait()  # the loop stands still, and then the handler returns
        log.append("closed")

    handler: Any = write if is_async else generate
    call, callback = opened(peer, streamify_response(handler))
    callback.read_response_head()
    callback.answer(410)
    until(lambda: _is_seen(callback))
    gate.release()

    assert call.result() is None
    assert log == ["closed"]
    assert callback.ends_with() == b"", "no last chunk was sent"


class Letters:
    """An iterator of either kind that knows nothing of closing or throwing."""

    def __init__(self, items: list[Any]) -> None:
        self._items = iter(items)

    def __iter__(self) -> Letters:
        return self

    def __next__(self) -> Any:
        return next(self._items)


class AsyncLetters:
    def __init__(self, items: list[Any]) -> None:
        self._items = iter(items)

    def __aiter__(self) -> AsyncLetters:
        return self

    async def __anext__(self) -> Any:
        for item in self._items:
            return item
        raise StopAsyncIteration


async def _later(value: object) -> object:
    return value


@pytest.mark.parametrize("kind", ["sync", "async", "sync from async", "async from async"])
def test_iterators_need_not_be_generators(
    peer: Peer, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    makers: dict[str, Callable[[list[Any]], Any]] = {
        "sync": Letters,
        "async": AsyncLetters,
        "sync from async": lambda items: _later(Letters(items)),
        "async from async": lambda items: _later(AsyncLetters(items)),
    }
    make = makers[kind]
    handler = streamify_response(lambda event, context: make(event["items"]))
    for items, head, body in (
        (["a", "b"], ONE_CHUNK, b"ab"),
        ([Head(204), "b"], Head(204), b""),
        ([7], Head(500, {"content-type": "application/json"}), INTERNAL),
    ):
        call, callback = opened(peer, handler, items=items)
        assert callback.serve() == (head, body)
        call.result()
    assert "not int: 7" in capsys.readouterr().out


def _is_seen(callback: Callback) -> bool:
    """Whether the answer has reached the other side's kernel."""
    raw = fcntl.ioctl(callback.socket.fileno(), termios.TIOCOUTQ, struct.pack("i", 0))
    return bool(struct.unpack("i", raw)[0] == 0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_client_that_leaves_ends_a_handler_that_is_blocked_in_sending(
    peer: Peer, kind: str
) -> None:
    log: list[str] = []
    gate = threading.Semaphore(99)
    call, callback = opened(peer, gated(kind, [b"x" * 20_000_000] * 9, gate, log))
    until(lambda: _is_full(callback))

    callback.answer(410, b'{"message":"the client has left"}')

    assert call.result() is None
    assert log == {
        "generator": ["closed", "finally"],
        "async generator": ["CancelledError", "finally"],
        "writer": ["ClientDisconnected", "finally"],
    }.get(kind)


def test_a_task_group_around_a_yield_ends_with_the_client(peer: Peer) -> None:
    """Closing a generator raises GeneratorExit at its yield, with which a task group fails."""
    log: list[str] = []

    async def background() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            log.append("background ended")

    @streamify_response
    async def handler(event: Any, context: Any) -> AsyncIterator[bytes]:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(background())
            while True:
                yield b"x" * 20_000_000

    call, callback = opened(peer, handler)
    until(lambda: _is_full(callback))

    callback.answer(410, b'{"message":"the client has left"}')

    assert call.result() is None
    assert log == ["background ended"]


def test_a_writer_is_told_by_its_write(peer: Peer) -> None:
    told: list[str] = []

    @streamify_response
    async def handler(event: Any, response: ResponseStream, context: Any) -> None:
        await response.write("x")
        callback.answer(410, b'{"message":"the client has left"}')
        until(lambda: _is_seen(callback))
        for _ in range(2):
            try:
                await response.write("y")  # finds the answer itself: the loop has not turned
            except ClientDisconnected as error:
                told.append(str(error))
        await asyncio.sleep(0)  # told once, and not cancelled besides
        told.append("went on")

    call = Running(handler, peer.event(), CONTEXT)
    callback = peer.accept_callback()
    callback.go_on()

    assert call.result() is None
    assert [text.count("the client has left") for text in told] == [1, 1, 0]
    assert told[2] == "went on"


def test_a_write_of_another_task_that_finds_the_client_gone_cancels_the_handler(
    peer: Peer,
) -> None:
    log: list[str] = []

    @streamify_response
    async def handler(event: Any, response: ResponseStream, context: Any) -> None:
        async def write() -> None:
            await response.write("x")
            callback.answer(410)
            until(lambda: _is_seen(callback))
            try:
                await response.write("y")
            except ClientDisconnected:
                log.append("told")

        task = asyncio.get_running_loop().create_task(write())
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            log.append("cancelled")
            await task
            raise

    call = Running(handler, peer.event(), CONTEXT)
    callback = peer.accept_callback()
    callback.go_on()

    assert call.result() is None
    assert log == ["told", "cancelled"]


@pytest.mark.parametrize("fails", [False, True])
def test_a_task_group_that_is_told_is_no_failure_unless_it_has_another(
    peer: Peer, fails: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    @streamify_response
    async def handler(event: Any, response: ResponseStream, context: Any) -> None:
        async def write() -> None:
            await response.write("x")
            callback.answer(410)
            until(lambda: _is_seen(callback))
            await response.write("y")

        async def clean_up() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                if fails:
                    raise ValueError("no clean-up")

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(clean_up())
            tasks.create_task(write())

    call = Running(handler, peer.event(), CONTEXT)
    callback = peer.accept_callback()
    callback.go_on()

    assert call.result() is None
    assert ("[ERROR] ExceptionGroup" in capsys.readouterr().out) == fails


def test_an_exit_after_the_end_takes_nothing_from_the_response(peer: Peer) -> None:
    @streamify_response
    async def handler(event: Any, response: ResponseStream, context: Any) -> None:
        await response.write("x")
        await response.end()
        raise SystemExit(3)

    call, callback = opened(peer, handler)

    with pytest.raises(SystemExit):
        call.result()
    assert callback.read_response_head() == ONE_CHUNK
    assert callback.read_body() == b"x"
    assert callback.ends_with() == b""


def test_a_handler_that_does_not_listen_learns_it_from_every_write(peer: Peer) -> None:
    told: list[str] = []
    runs = threading.Event()

    @streamify_response
    async def handler(event: Any, response: ResponseStream, context: Any) -> None:
        runs.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            told.append("cancelled")
        for _ in range(2):
            with pytest.raises(ClientDisconnected, match="the client has left"):
                await response.write("x")
            told.append("told")

    call, callback = opened(peer, handler)
    assert runs.wait(10)
    callback.answer(410, b'{"message":"the client has left"}')

    assert call.result() is None
    assert told == ["cancelled", "told", "told"]


def test_a_failing_clean_up_is_logged(peer: Peer, capsys: pytest.CaptureFixture[str]) -> None:
    @streamify_response
    def handler(event: Any, context: Any) -> Iterator[bytes]:
        try:
            while True:
                yield b"x" * 100_000
        finally:
            raise ValueError("no clean-up")

    call, callback = opened(peer, handler)
    callback.read_response_head()
    callback.answer(410)

    assert call.result() is None
    assert "[ERROR] ValueError: no clean-up" in capsys.readouterr().out


def test_a_malformed_response_is_worth_a_warning(
    peer: Peer, caplog: pytest.LogCaptureFixture
) -> None:
    """The gateway refuses what the handler has made: its developer must hear of it."""

    @streamify_response
    def handler(event: Any, context: Any) -> Iterator[bytes]:
        while True:
            yield b"x" * 100_000

    call, callback = opened(peer, handler)
    callback.read_response_head()
    callback.answer(400, b'{"message":"longer than its content-length"}')

    assert call.result() is None
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "400" in record.getMessage()
    assert "longer than its content-length" in record.getMessage()


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (502, b"no", "the gateway did not take the response: 502 no"),
        (200, b'{"bytes": 2}', "the gateway took 2 of 3 bytes"),
        (200, b'{"bytes": 3}', ""),
        (200, b"thanks", ""),
        (410, b"left", ""),
    ],
)
def test_the_last_word_is_checked(
    peer: Peer, status: int, body: bytes, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    call, callback = opened(peer, streamify_response(lambda event, context: iter(["xyz"])))
    callback.read_response_head()
    callback.read_body()
    callback.answer(status, body)

    assert call.result() is None
    assert (message in caplog.text) if message else not caplog.text


def test_a_missing_last_word_is_worth_a_warning(
    peer: Peer, caplog: pytest.LogCaptureFixture
) -> None:
    call, callback = opened(peer, streamify_response(lambda event, context: iter(["xyz"])))
    callback.read_response_head()
    callback.read_body()
    callback.close()

    assert call.result() is None
    assert "the response may not have arrived whole" in caplog.text


# --- the end before the handler's end ------------------------------------------------------------


def test_end_completes_the_response_while_the_handler_works_on(peer: Peer) -> None:
    go = threading.Event()
    done: list[str] = []

    @streamify_response
    async def handler(event: Any, response: ResponseStream, context: Any) -> None:
        await response.write("x")
        await response.end()
        await response.end()
        await asyncio.get_running_loop().run_in_executor(None, go.wait, 10)
        done.append("worked on")
        with pytest.raises(RuntimeError, match="the response has ended"):
            await response.write("y")

    call, callback = opened(peer, handler)
    callback.read_response_head()
    assert callback.read_body() == b"x"
    assert call.is_running
    callback.finish(b"x")
    go.set()

    assert call.result() is None
    assert done == ["worked on"]


@pytest.mark.parametrize("how", ["410", "reset"])
def test_after_end_a_leaving_client_matters_no_more(peer: Peer, how: str) -> None:
    go = threading.Event()
    done: list[str] = []

    @streamify_response
    async def handler(event: Any, response: ResponseStream, context: Any) -> None:
        await response.end()
        await asyncio.get_running_loop().run_in_executor(None, go.wait, 10)
        for _ in range(5):
            await asyncio.sleep(0)
        done.append("worked on")

    call, callback = opened(peer, handler)
    callback.read_response_head()
    assert callback.read_body() == b""
    _leave(callback, how)
    go.set()

    assert call.result() is None
    assert done == ["worked on"]


def test_a_failure_after_end_is_only_logged(peer: Peer, capsys: pytest.CaptureFixture[str]) -> None:
    @streamify_response
    async def handler(event: Any, response: ResponseStream, context: Any) -> None:
        await response.write("x")
        await response.end()
        raise ValueError("too late to matter")

    call, callback = opened(peer, handler)

    assert callback.serve() == (ONE_CHUNK, b"x")
    assert call.result() is None
    assert "[ERROR] ValueError: too late to matter" in capsys.readouterr().out


# --- heads of a writer ---------------------------------------------------------------------------


def test_a_head_can_be_replaced_until_it_goes_out_with_flush(peer: Peer) -> None:
    late: list[str] = []

    @streamify_response
    async def handler(event: Any, response: ResponseStream, context: Any) -> None:
        await response.flush()  # nothing said, nothing sent
        response.set_head(Head(200))
        response.set_head(Head(201, cookies=["a=1"]))
        await response.flush()
        try:
            response.set_head(Head(404))
        except RuntimeError as error:
            late.append(str(error))

    call, callback = opened(peer, handler)

    assert callback.serve() == (Head(201, cookies=["a=1"]), b"")
    call.result()
    assert late == [
        "the head (status 201) has gone out: it can be set only before the first chunk, flush"
        " or end"
    ]


def test_flush_sends_the_head_before_there_is_a_chunk(peer: Peer) -> None:
    gate = threading.Semaphore(1)
    call, callback = opened(peer, gated("writer", [Head(202), "x"], gate, []))

    assert callback.read_response_head() == Head(202)
    assert call.is_running
    gate.release()
    assert callback.read_body() == b"x"
    callback.finish(b"x")
    call.result()


def test_a_response_cannot_be_written_after_its_invocation(peer: Peer) -> None:
    kept: list[ResponseStream] = []

    @streamify_response
    async def handler(event: Any, response: ResponseStream, context: Any) -> None:
        kept.append(response)

    call, callback = opened(peer, handler)
    callback.serve()
    call.result()

    with pytest.raises(RuntimeError, match="has ended"):
        asyncio.run(kept[0].write("x"))


# --- the environment's loop ----------------------------------------------------------------------


def test_one_loop_serves_all_invocations(peer: Peer) -> None:
    """Module-level clients are bound to it; what they left running goes on."""
    loops: list[asyncio.AbstractEventLoop] = []
    queue: list[asyncio.Queue[str]] = []
    echoes: list[str] = []

    async def serve_for_ever() -> None:
        while True:
            echoes.append(await queue[0].get())

    @streamify_response
    async def handler(event: Any, context: Any) -> AsyncIterator[str]:
        loops.append(asyncio.get_running_loop())
        if not queue:
            queue.append(asyncio.Queue())
            tasks.append(loops[0].create_task(serve_for_ever()))
        queue[0].put_nowait(event["name"])
        while event["name"] not in echoes:
            await asyncio.sleep(0)
        yield event["name"]

    tasks: list[asyncio.Task[None]] = []
    for name in ("one", "two"):
        call, callback = opened(peer, handler, name=name)
        assert callback.serve() == (ONE_CHUNK, name.encode())
        call.result()

    assert loops[0] is loops[1]
    assert not loops[0].is_closed()
    assert echoes == ["one", "two"]
    tasks[0].cancel()
    loops[0].run_until_complete(asyncio.wait(tasks))


@pytest.mark.parametrize("kind", KINDS)
def test_context_variables_of_the_caller_are_seen(peer: Peer, kind: str) -> None:
    variable = contextvars.ContextVar("variable", default="unset")

    def generate(event: Any, context: Any) -> Iterator[str]:
        yield variable.get()

    async def generate_async(event: Any, context: Any) -> AsyncIterator[str]:
        yield variable.get()

    async def write(event: Any, response: ResponseStream, context: Any) -> None:
        await response.write(variable.get())

    functions: dict[str, Any] = {
        "generator": generate,
        "async generator": generate_async,
        "writer": write,
    }

    def call_with_value() -> Any:
        variable.set("set")
        return streamify_response(functions[kind])(peer.event(), CONTEXT)

    call = Running(call_with_value)
    assert peer.accept_callback().serve()[1] == b"set"
    call.result()


def test_a_running_loop_is_a_clear_error(peer: Peer, capsys: pytest.CaptureFixture[str]) -> None:
    @streamify_response
    async def handler(event: Any, context: Any) -> AsyncIterator[str]:
        yield "x"

    async def call_inside() -> Any:
        return handler(peer.event(), CONTEXT)

    call = Running(lambda: asyncio.run(call_inside()))
    assert peer.accept_callback().serve()[0].status == 500
    call.result()
    assert "call it from sync code, or await its __wrapped__" in capsys.readouterr().out

    @streamify_response
    async def plain(event: Any, context: Any) -> str:
        return "x"

    async def call_plain() -> Any:
        return plain({}, CONTEXT)

    with pytest.raises(RuntimeError, match="inside a running event loop"):
        asyncio.run(call_plain())


def test_an_async_handler_while_another_thread_runs_one_is_an_error_that_says_so() -> None:
    entered, gate = threading.Event(), threading.Event()

    @streamify_response
    async def handler(event: Any, context: Any) -> str:
        entered.set()
        await asyncio.to_thread(gate.wait, WAIT_S)
        return "x"

    first = Running(handler, {}, CONTEXT)
    try:
        assert entered.wait(WAIT_S)
        with pytest.raises(RuntimeError, match="another thread runs an async handler"):
            handler({}, CONTEXT)
    finally:
        gate.set()
    assert first.result() == "x"


# --- versions of the event -----------------------------------------------------------------------


def test_an_unknown_version_with_a_callback_is_served_with_a_warning(
    peer: Peer, caplog: pytest.LogCaptureFixture
) -> None:
    handler = streamify_response(lambda event, context: iter(["x"]))
    event = peer.event(tailrace={"v": 2, "callback": peer.url, "new": True})
    call = Running(handler, event, CONTEXT)

    assert peer.accept_callback().serve() == (ONE_CHUNK, b"x")
    call.result()
    assert "the event's tailrace version is 2, this SDK knows 1" in caplog.text


def test_a_socket_that_only_listens_is_a_refusal(caplog: pytest.LogCaptureFixture) -> None:
    """A gateway that hangs: the wait is bounded. Here its listener goes away in the middle."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        event = {
            "tailrace": {"v": 1, "callback": f"http://127.0.0.1:{server.getsockname()[1]}/a/b"}
        }
        call = Running(streamify_response(lambda event, context: 1 / 0), event, CONTEXT)
        until(lambda: _has_connection(server))

    assert call.result() is None
    assert "the handler was not run" in caplog.text


def _has_connection(server: socket.socket) -> bool:
    return bool(select.select([server], [], [], 0)[0])
