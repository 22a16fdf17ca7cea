"""WSGI apps as PEP 3333 has them, over every way that a response takes."""

from __future__ import annotations

import fcntl
import logging
import struct
import termios
import threading
from collections.abc import Callable, Iterable, Iterator
from types import SimpleNamespace
from typing import Any
from wsgiref.validate import validator

import pytest
from tests.function.event_forms import request_event
from tests.peers import Callback, Peer, Running, until
from tests.runtime_api import HTTP_EVENT, RuntimeLoop, StreamPost, error_in

from tailrace.errors import ResponseTooLargeError
from tailrace.function import ClientDisconnected, FlushPolicy, Head, streamify_response, wsgi
from tailrace.limits import BUFFERED_RESPONSE_BYTES_MAX
from tailrace.wire.stream_frames import FrameDecoder

CONTEXT = SimpleNamespace(aws_request_id="request-1")
PLAIN = [("Content-Type", "text/plain")]
INTERNAL = b'{"message":"Internal Server Error"}'
FAILED = Head(500, {"content-type": "application/json"})

App = Callable[[dict[str, Any], Any], Iterable[bytes]]


class Body:
    """An iterable that is not its own iterator, and that counts how often it is closed."""

    def __init__(self, *items: Any, at_close: Callable[[], object] = lambda: None) -> None:
        self._items = items
        self._at_close = at_close
        self.closed = 0
        self.pulled = 0

    def __iter__(self) -> Iterator[Any]:
        for item in self._items:
            self.pulled += 1
            if callable(item):
                item = item()
            if isinstance(item, BaseException):
                raise item
            yield item

    def close(self) -> None:
        self.closed += 1
        self._at_close()


def app_of(body: Iterable[Any], status: str = "200 OK", headers: Any = PLAIN) -> App:
    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response(status, headers)
        return body

    return app


def opened(peer: Peer, app: App, method: str = "GET", **options: Any) -> tuple[Running, Callback]:
    """Call a handler of an app with an event that has a callback, and let it run."""
    call = Running(wsgi(app, **options), peer.event(method), CONTEXT)
    callback = peer.accept_callback()
    callback.go_on()
    return call, callback


def served(peer: Peer, app: App, method: str = "GET", **options: Any) -> tuple[Head, bytes]:
    """The whole of a complete response, by callback."""
    call, callback = opened(peer, app, method, **options)
    response = callback.serve()
    assert call.result() is None
    return response


def returned(app: App, **options: Any) -> Any:
    """The result for an event without a callback."""
    return wsgi(app, **options)(request_event(), CONTEXT)


def logged(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The errors in the log, without their tracebacks."""
    return [line for line in capsys.readouterr().out.splitlines() if line.startswith("[ERROR]")]


# --- the way it goes well ------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 1_000_000])
def test_chunk_n_arrives_before_chunk_n_plus_1_is_made(peer: Peer, size: int) -> None:
    gate = threading.Semaphore(0)
    chunks = [bytes([65 + n]) * size for n in range(5)]

    def body() -> Iterator[bytes]:
        for chunk in chunks:
            assert gate.acquire(timeout=10)
            yield chunk

    call, callback = opened(peer, app_of(body()))
    gate.release()
    assert callback.read_response_head() == Head(200, PLAIN)
    for number, chunk in enumerate(chunks):
        if number:
            gate.release()
        assert callback.read_piece() == chunk
    assert callback.read_piece() == b""
    callback.finish(b"".join(chunks))
    assert call.result() is None


def test_the_same_by_the_native_stream(peer: Peer) -> None:
    gate = threading.Semaphore(0)

    def body() -> Iterator[bytes]:
        for letter in (b"a", b"b", b"c"):
            assert gate.acquire(timeout=10)
            yield letter

    with RuntimeLoop(peer, wsgi(app_of(body()))) as runtime:
        runtime.give()
        stream = runtime.accept_stream()
        gate.release()
        assert stream.begin().read_response_head() == Head(200, PLAIN)
        for letter in (b"a", b"b", b"c"):
            assert stream.read_piece() == letter
            gate.release()
        assert stream.read_body() == (b"", {})
        stream.accept_response()
        runtime.expect_next()


def test_without_a_stream_it_is_a_result() -> None:
    body = Body(b"a", b"", "ü".encode())
    headers = [*PLAIN, ("Set-Cookie", "a=1"), ("X", "1"), ("Set-Cookie", "b=2"), ("x", "2")]

    assert returned(app_of(body, "201 Created", headers)) == {
        "statusCode": 201,
        "headers": {"Content-Type": "text/plain", "X": "1, 2"},
        "cookies": ["a=1", "b=2"],
        "body": "aü",
        "isBase64Encoded": False,
    }
    assert body.closed == 1


def test_head_and_first_chunk_leave_together(peer: Peer) -> None:
    call, callback = opened(peer, app_of([b"", b"", b"one", b"two"]))

    assert callback.read_chunk() == (
        b'{"statusCode":200,"headers":{"Content-Type":"text/plain"}}' + bytes(8) + b"one"
    )
    assert callback.read_chunk() == b"two"
    assert callback.read_chunk() == b""
    callback.finish(b"onetwo")
    call.result()


@pytest.mark.parametrize("items", [[], [b""], [b"", b""]])
def test_an_empty_body_has_its_head(peer: Peer, items: list[bytes]) -> None:
    body = Body(*items)

    assert served(peer, app_of(body, "302 Found", [("Location", "/x")])) == (
        Head(302, [("Location", "/x")]),
        b"",
    )
    assert body.closed == 1


def test_a_generator_starts_its_response_when_it_is_first_pulled(peer: Peer) -> None:
    """As `wsgi-intercept` once did not allow."""

    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", PLAIN)
        yield b"x"

    assert served(peer, app) == (Head(200, PLAIN), b"x")


def test_an_app_may_be_a_class(peer: Peer) -> None:
    class App:
        def __init__(self, environ: dict[str, Any], start_response: Any) -> None:
            self.start_response = start_response

        def __iter__(self) -> Iterator[bytes]:
            self.start_response("200 OK", PLAIN)
            yield b"x"

    assert served(peer, App) == (Head(200, PLAIN), b"x")


def test_the_body_may_be_a_sequence_that_is_only_indexed(peer: Peer) -> None:
    """As the file wrapper that PEP 3333 has as its example."""

    class Indexed:
        def __getitem__(self, index: int) -> bytes:
            return [b"a", b"b"][index]

    body: Any = Indexed()

    assert served(peer, app_of(body)) == (Head(200, PLAIN), b"ab")


@pytest.mark.parametrize(
    ("method", "status", "sent"), [("HEAD", "200 OK", 1), ("GET", "204 X", 1), ("GET", "304 X", 1)]
)
def test_a_response_without_a_body_ends_with_its_head(
    peer: Peer, method: str, status: str, sent: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its Content-Length is that of the response to GET, and no bytes are missing."""
    body = Body(b"x", b"y")
    headers = [("Content-Length", "100")]

    head, data = served(peer, app_of(body, status, headers), method)

    assert (head, data) == (Head(int(status[:3]), headers), b"")
    assert (body.pulled, body.closed) == (sent, 1)
    assert logged(capsys) == []


def test_head_is_answered_without_a_body_by_the_app_as_well(peer: Peer) -> None:
    headers = [("Content-Length", "100")]

    assert served(peer, app_of([], "200 OK", headers), "HEAD") == (Head(200, headers), b"")


def test_fields_of_one_connection_are_not_sent(peer: Peer) -> None:
    """An app that passes on the response of another server passes them on, too."""
    headers = [("Transfer-Encoding", "chunked"), ("Connection", "keep-alive"), ("X", "y")]

    assert served(peer, app_of([b"x"], "200 OK", headers)) == (Head(200, {"X": "y"}), b"x")


# --- start_response and write --------------------------------------------------------------------


def test_write_sends_before_the_app_has_returned(peer: Peer) -> None:
    gate = threading.Semaphore(0)

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        write = start_response("200 OK", PLAIN)
        write(b"")
        write(b"one")
        assert gate.acquire(timeout=10)
        write(b"two")
        assert gate.acquire(timeout=10)
        return [b"three"]

    call, callback = opened(peer, app)
    assert callback.read_response_head() == Head(200, PLAIN)
    assert callback.read_piece() == b"one"
    gate.release()
    assert callback.read_piece() == b"two"
    gate.release()
    assert callback.serve_rest() == b"three"
    call.result()


def test_a_second_head_needs_exc_info(peer: Peer, capsys: pytest.CaptureFixture[str]) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", PLAIN)
        start_response("201 Created", PLAIN)
        return [b"x"]

    assert served(peer, app) == (FAILED, INTERNAL)
    assert logged(capsys) == [
        "[ERROR] RuntimeError: start_response was called before: once more needs exc_info"
    ]


def test_with_exc_info_the_last_head_before_the_first_bytes_counts(peer: Peer) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [("Content-Length", "9")])
        yield b""
        try:
            raise ValueError("boom")
        except ValueError as error:
            start_response("503 Busy", PLAIN, (ValueError, error, error.__traceback__))
        yield b"busy"

    assert served(peer, app) == (Head(503, PLAIN), b"busy")


def test_with_exc_info_after_the_head_the_exception_is_raised_again(
    peer: Peer, capsys: pytest.CaptureFixture[str]
) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", PLAIN)
        yield b"x"
        try:
            raise ValueError("boom")
        except ValueError as error:
            start_response("503 Busy", PLAIN, (ValueError, error, error.__traceback__))
        yield b"never sent"

    call, callback = opened(peer, app)
    assert callback.read_response_head() == Head(200, PLAIN)
    assert callback.read_piece() == b"x"
    assert callback.ends_with() is ConnectionResetError
    call.result()
    assert logged(capsys) == ["[ERROR] ValueError: boom"]


BAD_HEADS: list[tuple[Any, Any, str]] = [
    ("OK", PLAIN, "HeadError: illegal status 'OK': three digits and a reason are wanted"),
    (
        "200 OK\r\nx: y",
        PLAIN,
        "HeadError: illegal status '200 OK\\r\\nx: y': three digits and a reason are wanted",
    ),
    (200, PLAIN, "HeadError: illegal status 200: three digits and a reason are wanted"),
    (b"200 OK", PLAIN, "HeadError: illegal status b'200 OK': three digits and a reason are wanted"),
    ("100 Continue", PLAIN, "HeadError: illegal status 100: allowed is 200 to 599"),
    ("200 OK", {"a": "b"}, "TypeError: headers are a list of (name, value), not dict"),
    ("200 OK", [("a", 1)], "TypeError: the header 'a' and its value are not both str"),
    ("200 OK", [(b"a", b"b")], "TypeError: the header b'a' and its value are not both str"),
    ("200 OK", [("a b", "c")], "HeadError: illegal header name 'a b'"),
    ("200 OK", [("a", "b\nc")], "HeadError: a: illegal character U+000A at 1 of 'b\\nc'"),
    (
        "200 OK",
        [("Content-Length", "-1")],
        "HeadError: illegal Content-Length '-1': one number is wanted",
    ),
    (
        "200 OK",
        [("Content-Length", "²")],
        "HeadError: illegal Content-Length '²': one number is wanted",
    ),
    (
        "200 OK",
        [("Content-Length", "1"), ("content-length", "2")],
        "HeadError: Content-Length is 1 and 2: send one of them",
    ),
]


@pytest.mark.parametrize(("status", "headers", "message"), BAD_HEADS)
def test_an_illegal_head_is_an_error_where_it_is_made(
    peer: Peer, status: Any, headers: Any, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    body = Body(b"x")

    assert served(peer, app_of(body, status, headers)) == (FAILED, INTERNAL)
    assert logged(capsys) == [f"[ERROR] {message}"]
    assert body.pulled == 0


@pytest.mark.parametrize(
    ("app", "message"),
    [
        (lambda environ, start_response: [b"x"], "has yielded before it called start_response"),
        (lambda environ, start_response: [], "has returned and has not called start_response"),
        (app_of(["text"]), "a WSGI app returns an iterable of bytes, not of str"),
        (app_of([b"", None]), "a WSGI app returns an iterable of bytes, not of NoneType"),
        (app_of(b"bytes"), "a WSGI app returns an iterable of bytes, not of int"),  # type: ignore[arg-type]
        (app_of(None), "a WSGI app returns an iterable of bytes, not None"),  # type: ignore[arg-type]
    ],
)
def test_an_app_that_does_not_keep_to_the_protocol_is_a_500(
    peer: Peer, app: App, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert served(peer, app) == (FAILED, INTERNAL)
    (line,) = logged(capsys)
    assert line.endswith(message)


# --- Content-Length ------------------------------------------------------------------------------


def of_length(body: Iterable[Any], length: int) -> App:
    return app_of(body, "200 OK", [("Content-Length", str(length))])


def test_a_body_that_is_longer_than_announced_is_cut(
    peer: Peer, caplog: pytest.LogCaptureFixture
) -> None:
    body = Body(b"abc", b"defg", b"never pulled")

    assert served(peer, of_length(body, 5)) == (Head(200, {"Content-Length": "5"}), b"abcde")
    assert (body.pulled, body.closed) == (2, 1)
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert "the app's body is cut" in caplog.text


def test_a_body_of_its_announced_length_is_pulled_to_its_end(peer: Peer) -> None:
    ends: list[str] = []

    def body() -> Iterator[bytes]:
        yield b"abc"
        yield b"de"
        ends.append("end")

    assert served(peer, of_length(body(), 5))[1] == b"abcde"
    assert ends == ["end"]


def test_a_body_that_is_shorter_than_announced_is_broken_off(
    peer: Peer, capsys: pytest.CaptureFixture[str]
) -> None:
    body = Body(b"abc")
    call, callback = opened(peer, of_length(body, 5))

    callback.read_response_head()
    assert callback.read_piece() == b"abc"
    assert callback.ends_with() is ConnectionResetError
    call.result()
    assert logged(capsys) == [
        "[ERROR] RuntimeError: the app's body is 2 bytes shorter than its Content-Length announces"
    ]
    assert body.closed == 1


def test_a_body_that_is_missing_is_a_500(peer: Peer) -> None:
    assert served(peer, of_length([], 5)) == (FAILED, INTERNAL)


def test_a_write_of_more_than_announced_fails(peer: Peer) -> None:
    """PEP 3333: "or raise an error if the application tries to write() past that point"."""
    errors: list[RuntimeError] = []

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        write = start_response("200 OK", [("Content-Length", "3")])
        write(b"ab")
        try:
            write(b"cd")
        except RuntimeError as error:
            errors.append(error)
        write(b"c")
        return []

    assert served(peer, app)[1] == b"abc"
    assert len(errors) == 1


# --- the app fails -------------------------------------------------------------------------------


def boom() -> bytes:
    raise ValueError("boom")


def fails_at_once(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    raise ValueError("boom")


def fails_with_a_head(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", PLAIN)
    raise ValueError("boom")


def fails_when_pulled(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", PLAIN)
    return Body(b"", boom)


EARLY = [fails_at_once, fails_with_a_head, fails_when_pulled]


@pytest.mark.parametrize("app", EARLY)
def test_a_failure_before_the_head_is_a_complete_500(
    peer: Peer, app: App, capsys: pytest.CaptureFixture[str]
) -> None:
    assert served(peer, app) == (FAILED, INTERNAL)
    assert logged(capsys) == ["[ERROR] ValueError: boom"]


@pytest.mark.parametrize("app", EARLY)
def test_the_same_by_the_native_stream_and_as_a_result(
    peer: Peer, app: App, capsys: pytest.CaptureFixture[str]
) -> None:
    with RuntimeLoop(peer, wsgi(app)) as runtime:
        stream = runtime.stream()
        assert stream.read_response_head() == FAILED
        assert stream.read_body() == (INTERNAL, {})
        stream.accept_response()
        runtime.expect_next()
    result = returned(app)

    assert (result["statusCode"], result["body"]) == (500, INTERNAL.decode())
    assert logged(capsys) == ["[ERROR] ValueError: boom"] * 2


def test_a_failure_after_the_head_breaks_the_response_off(
    peer: Peer, capsys: pytest.CaptureFixture[str]
) -> None:
    body = Body(b"x", boom)
    call, callback = opened(peer, app_of(body))

    assert callback.read_response_head() == Head(200, PLAIN)
    assert callback.read_piece() == b"x"
    assert callback.ends_with() is ConnectionResetError
    assert call.result() is None
    assert logged(capsys) == ["[ERROR] ValueError: boom"]
    assert body.closed == 1


def test_after_the_head_the_native_stream_ends_with_the_error(peer: Peer) -> None:
    body = Body(b"x", boom)
    with RuntimeLoop(peer, wsgi(app_of(body))) as runtime:
        stream = runtime.stream()
        stream.read_response_head()
        data, trailers = stream.read_body()
        stream.accept_response()
        runtime.expect_next()

    assert (data, error_in(trailers)[0]) == (b"x", "Function.ValueError")
    assert body.closed == 1


def test_after_the_head_a_result_is_a_failed_invocation() -> None:
    body = Body(b"x", boom)

    with pytest.raises(ValueError, match="boom"):
        returned(app_of(body))
    assert body.closed == 1


@pytest.mark.parametrize("app", EARLY)
def test_on_error_raise_fails_the_invocation_as_well(peer: Peer, app: App) -> None:
    call, callback = opened(peer, app, on_error="raise")

    assert callback.serve() == (FAILED, INTERNAL)
    with pytest.raises(ValueError, match="boom"):
        call.result()
    with pytest.raises(ValueError, match="boom"):
        returned(app, on_error="raise")


def test_a_response_over_lambdas_limit_is_a_failed_invocation(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The runtime logs it; no 500 could take the place of what was collected."""
    body = Body(b"x" * (BUFFERED_RESPONSE_BYTES_MAX + 1))

    with pytest.raises(ResponseTooLargeError):
        returned(app_of(body))
    assert body.closed == 1
    assert logged(capsys) == []


def test_an_exit_closes_the_iterable_and_breaks_the_response_off(peer: Peer) -> None:
    body = Body(b"x", SystemExit(3))
    call, callback = opened(peer, app_of(body))

    callback.read_response_head()
    assert callback.read_piece() == b"x"
    assert callback.ends_with() is ConnectionResetError
    with pytest.raises(SystemExit):
        call.result()
    assert body.closed == 1


# --- close ---------------------------------------------------------------------------------------


def test_the_client_has_all_of_its_response_before_close_is_called(peer: Peer) -> None:
    gate = threading.Semaphore(0)

    def wait() -> None:
        assert gate.acquire(timeout=10)

    body = Body(b"x", at_close=wait)
    call, callback = opened(peer, app_of(body))
    callback.read_response_head()
    assert callback.read_body() == b"x"
    assert call.is_running
    gate.release()
    callback.finish(b"x")
    call.result()


def test_what_close_raises_does_not_change_a_complete_response(
    peer: Peer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert served(peer, app_of(Body(b"x", at_close=boom))) == (Head(200, PLAIN), b"x")
    with RuntimeLoop(peer, wsgi(app_of(Body(b"x", at_close=boom)))) as runtime:
        stream = runtime.stream()
        stream.read_response_head()
        assert stream.read_body() == (b"x", {})
        stream.accept_response()
        runtime.expect_next()
    assert returned(app_of(Body(b"x", at_close=boom)))["body"] == "x"

    assert logged(capsys) == ["[ERROR] ValueError: boom"] * 3


def test_on_error_raise_a_failed_close_fails_the_invocation_behind_its_response(
    peer: Peer, capsys: pytest.CaptureFixture[str]
) -> None:
    call, callback = opened(peer, app_of(Body(b"x", at_close=boom)), on_error="raise")

    assert callback.serve() == (Head(200, PLAIN), b"x")
    with pytest.raises(ValueError, match="boom"):
        call.result()
    assert logged(capsys) == ["[ERROR] ValueError: boom"]


def test_of_two_failures_the_first_counts(peer: Peer, capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise KeyError("close")

    with pytest.raises(ValueError, match="boom"):
        returned(app_of(Body(b"x", boom, at_close=fail)))
    assert logged(capsys) == ["[ERROR] KeyError: 'close'"]


# --- the client leaves ---------------------------------------------------------------------------


def test_the_iterable_is_closed_at_its_next_chunk(
    peer: Peer, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    gate = threading.Semaphore(0)
    log: list[str] = []

    def body() -> Iterator[bytes]:
        try:
            yield b"one"
            assert gate.acquire(timeout=10)
            log.append("two")
            yield b"two"
            log.append("three")
        except GeneratorExit:
            log.append("closed")
            raise
        finally:
            log.append("finally")

    call, callback = opened(peer, app_of(body()))
    callback.read_response_head()
    assert callback.read_piece() == b"one"
    callback.answer(410)
    callback.close()
    gate.release()

    assert call.result() is None
    assert log == ["two", "closed", "finally"]
    assert logged(capsys) == []
    assert [record.levelno for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_a_client_that_leaves_before_the_head_is_no_error(
    peer: Peer, capsys: pytest.CaptureFixture[str]
) -> None:
    running, gate = threading.Semaphore(0), threading.Semaphore(0)

    def wait() -> bytes:
        running.release()
        assert gate.acquire(timeout=10)
        return b"x"

    body = Body(wait, b"never pulled")
    call, callback = opened(peer, app_of(body))
    assert running.acquire(timeout=10)
    callback.answer(410)
    callback.close()
    gate.release()

    assert call.result() is None
    assert (body.pulled, body.closed) == (1, 1)
    assert logged(capsys) == []


def test_empty_bytes_show_that_the_client_has_left(peer: Peer) -> None:
    """An app yields them while it waits for something."""
    gate = threading.Semaphore(0)

    def wait() -> bytes:
        assert gate.acquire(timeout=10)
        return b""

    body = Body(b"one", wait, b"never pulled")
    call, callback = opened(peer, app_of(body))
    callback.read_response_head()
    callback.read_piece()
    callback.answer(410)
    callback.close()
    gate.release()

    assert call.result() is None
    assert (body.pulled, body.closed) == (2, 1)


def test_write_raises_when_the_client_has_left(
    peer: Peer, capsys: pytest.CaptureFixture[str]
) -> None:
    gate = threading.Semaphore(0)
    errors: list[type[Exception]] = []

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        write = start_response("200 OK", PLAIN)
        write(b"one")
        assert gate.acquire(timeout=10)
        try:
            write(b"two")
        except ClientDisconnected as error:
            errors.append(type(error))
            raise
        return []

    call, callback = opened(peer, app)
    callback.read_response_head()
    callback.read_piece()
    callback.answer(410)
    callback.close()
    gate.release()

    assert call.result() is None
    assert errors == [ClientDisconnected]
    assert logged(capsys) == []


# --- back-pressure -------------------------------------------------------------------------------


@pytest.mark.parametrize("headers", [PLAIN, [("Content-Length", "30000000")]])
def test_a_gateway_that_does_not_read_holds_the_app(peer: Peer, headers: Any) -> None:
    body = Body(*[b"x" * 100_000] * 300)
    call, callback = opened(peer, app_of(body, "200 OK", headers))
    seen = (-1, -1)

    def has_stalled() -> bool:
        nonlocal seen
        before, seen = seen, (body.pulled, unread_bytes(callback))
        return seen == before and seen[1] > 100_000

    until(has_stalled, "the app is held")
    assert body.pulled < 300
    callback.read_response_head()
    assert len(callback.serve_rest()) == 30_000_000
    call.result()
    assert body.pulled == 300


def unread_bytes(callback: Callback) -> int:
    raw = fcntl.ioctl(callback.socket.fileno(), termios.FIONREAD, struct.pack("i", 0))
    (count,) = struct.unpack("i", raw)
    return int(count)


# --- options -------------------------------------------------------------------------------------

ADAPTIVE = FlushPolicy("adaptive", pad_bytes=100, quiet_s=0.01)
SSE = [("Content-Type", "text/event-stream")]


def test_an_adaptive_flush_sends_padding_while_the_app_works(peer: Peer) -> None:
    """The app goes on only when the padding has arrived, also after a `write`."""
    gate = threading.Semaphore(0)

    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        write = start_response("200 OK", SSE)
        write(b"data: 1\n\n")
        assert gate.acquire(timeout=10)

        def body() -> Iterator[bytes]:
            yield b"data: 2\n\n"
            assert gate.acquire(timeout=10)
            yield b"data: 3\n\n"

        return body()

    with RuntimeLoop(peer, wsgi(app, flush=ADAPTIVE)) as runtime:
        stream = runtime.stream()
        stream.read_response_head()
        for number in (1, 2):
            assert stream.read_piece() == b"data: %d\n\n" % number
            assert len(stream.read_piece()) == 100
            gate.release()
        assert stream.read_body() == (b"data: 3\n\n", {})
        stream.accept_response()
        runtime.expect_next()
    assert [thread for thread in threading.enumerate() if "flush" in thread.name] == []


def test_in_frames_an_empty_chunk_has_none(peer: Peer) -> None:
    event = HTTP_EVENT | {"tailrace": {"v": 1, "transport": "response-stream", "frames": 1}}
    with RuntimeLoop(peer, wsgi(app_of([b"a", b"", b"b"]))) as runtime:
        stream = runtime.stream(event)
        stream.read_response_head()
        frames, _ = stream.read_body()
        stream.accept_response()
        runtime.expect_next()

    assert frames.startswith(b"D\0\0\0\1aD\0\0\0\1b")
    decoder = FrameDecoder()
    assert decoder.feed(frames) == b"ab"
    decoder.finish()


def test_every_write_is_padded(peer: Peer) -> None:
    with RuntimeLoop(
        peer, wsgi(app_of([b"data: 1\n\n"], "200 OK", SSE), flush="every-write")
    ) as runtime:
        stream = runtime.stream()
        stream.read_response_head()
        body, _ = stream.read_body()
        stream.accept_response()
        runtime.expect_next()

    assert body.startswith(b"data: 1\n\n")
    assert len(body) > 9


def test_the_root_path_is_that_of_the_app(peer: Peer) -> None:
    seen: list[tuple[str, str]] = []

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        seen.append((environ["SCRIPT_NAME"], environ["PATH_INFO"]))
        start_response("204 No Content", [])
        return []

    wsgi(app, root_path="/v1/")(request_event(rawPath="/v1/x"), None)

    assert seen == [("/v1", "/x")]


NONE = r"^wsgi\(\) takes a WSGI app, and this is none: "


async def asgi_app(scope: Any, receive: Any, send: Any) -> None: ...


@pytest.mark.parametrize(
    ("value", "options", "message"),
    [
        (asgi_app, {}, f"{NONE}it is an ASGI app, for asgi\\(\\)$"),
        (dict, {}, f"{NONE}it is a class: name an instance of it, such as app = dict\\(\\)$"),
        (None, {}, f"{NONE}it is of type NoneType, which cannot be called$"),
        (wsgi(app_of([])), {}, f"{NONE}it is a handler already$"),
        (app_of([]), {"on_error": "ignore"}, r'^on_error is "log" or "raise"'),
        (app_of([]), {"flush": "sometimes"}, "sometimes"),
        (app_of([]), {"root_path": "v1"}, "^root_path begins with a slash"),
    ],
)
def test_what_is_no_app_or_option_is_refused_at_once(
    value: Any, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(TypeError, match=message):
        wsgi(value, **options)


def test_a_handler_may_hand_its_event_on_to_an_app(peer: Peer) -> None:
    """The app writes the response of the handler, also that it has failed."""
    handlers = {"/a": wsgi(app_of([b"a"])), "/b": wsgi(fails_when_pulled)}

    @streamify_response
    def route(event: Any, context: Any) -> Any:
        return handlers[event["rawPath"]](event, context)

    responses = []
    for path in ("/a", "/b"):
        call = Running(route, peer.event(rawPath=path), CONTEXT)
        responses.append(peer.accept_callback().serve())
        assert call.result() is None

    assert responses == [(Head(200, PLAIN), b"a"), (FAILED, INTERNAL)]


def test_a_body_that_is_not_base64_is_a_500(capsys: pytest.CaptureFixture[str]) -> None:
    event = request_event(body="%", isBase64Encoded=True)

    assert wsgi(app_of([b"x"]))(event, CONTEXT)["statusCode"] == 500
    assert logged(capsys)[0].startswith("[ERROR] ValueError: the event's body cannot be read")


def test_an_event_that_is_no_request_fails_the_invocation() -> None:
    with pytest.raises(TypeError, match=r"^the event is no HTTP request"):
        wsgi(app_of([b"x"]))({"Records": []}, CONTEXT)


# --- PEP 3333's referee --------------------------------------------------------------------------


def echo(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """It reads its input in every way there is, and writes in both ways."""
    first = environ["wsgi.input"].readline()
    some = environ["wsgi.input"].read(3)
    others = environ["wsgi.input"].readlines()
    environ["wsgi.errors"].write("seen\n")
    write = start_response("200 OK", [("Content-Type", "text/plain")])
    write(first)
    write(some)
    return iter(others)


def replaced(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", PLAIN)
    try:
        raise ValueError("boom")
    except ValueError as error:
        start_response("500 X", PLAIN, (ValueError, error, error.__traceback__))
    return [b"x"]


@pytest.mark.parametrize(
    ("app", "response"),
    [
        (echo, (Head(200, PLAIN), b"one\ntwo\nthree\nfour")),
        (replaced, (Head(500, PLAIN), b"x")),
        (app_of([b"a", b"", b"b"]), (Head(200, PLAIN), b"ab")),
        (app_of(Body(b"a", b"b")), (Head(200, PLAIN), b"ab")),
        (app_of([], "204 No Content", []), (Head(204), b"")),
    ],
)
def test_the_validator_of_the_standard_library_finds_nothing(
    peer: Peer, app: Any, response: tuple[Head, bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    """It checks the environ, each call and its order, and that the iterable is closed."""
    more = {
        "rawPath": "/a%20b",
        "body": "one\ntwo\nthree\nfour",
        "headers": {"host": "h", "content-type": "text/plain", "cookie": "a=1"},
    }
    handler = wsgi(validator(app))
    call = Running(handler, peer.event("POST", **more), CONTEXT)
    assert peer.accept_callback().serve() == response
    assert call.result() is None
    with RuntimeLoop(peer, handler) as runtime:
        stream = runtime.stream({**HTTP_EVENT, **more})
        assert (stream.read_response_head(), stream.read_body()[0]) == response
        stream.accept_response()
        runtime.expect_next()
    result = handler({**HTTP_EVENT, **more}, CONTEXT)

    assert (result["statusCode"], result["body"].encode()) == (response[0].status, response[1])
    assert logged(capsys) == []


def test_a_native_stream_without_bytes_has_its_head(peer: Peer) -> None:
    with RuntimeLoop(peer, wsgi(app_of([], "302 Found", [("Location", "/")]))) as runtime:
        stream: StreamPost = runtime.stream()
        assert stream.read_response_head() == Head(302, {"Location": "/"})
        assert stream.read_body() == (b"", {})
        stream.accept_response()
        runtime.expect_next()
