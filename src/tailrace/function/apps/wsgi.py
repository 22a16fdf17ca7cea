"""`wsgi`: a WSGI app as a function that Lambda can call, and that streams.

Source: PEP 3333 (read 2026-11). What it leaves open is done as gunicorn does it, because apps are
deployed behind that.

Concurrency law: an app runs in the invocation's thread alone. Adaptive flushes have a thread of
their own, and only the holder of `turn` uses the output.
"""

from __future__ import annotations

import logging
import re
from _thread import allocate_lock

from tailrace.errors import ClientDisconnected, HeadError
from tailrace.function.apps.environ import environ_of
from tailrace.function.apps.failed import fail, log_error
from tailrace.function.apps.framing import unframed
from tailrace.function.apps.options import check_app, mount_point
from tailrace.function.drive import current_handler
from tailrace.function.handler import streamify_response
from tailrace.function.request import Request
from tailrace.wire.integration import Head

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType
    from typing import Any, Final, TypeAlias

    from tailrace.function.handler import FlushOption, OnError
    from tailrace.function.output.quiet import QuietThread
    from tailrace.function.stream import Stream
    from tailrace.function.streamified import StreamifiedHandler

    App: TypeAlias = Callable[[dict[str, Any], Any], Iterable[bytes]]
    ExcInfo: TypeAlias = tuple[type[BaseException], BaseException, TracebackType | None]

logger = logging.getLogger("tailrace.function")

_STATUS: Final = re.compile(r"([0-9]{3})(?: [\t\x20-\x7e\x80-\xff]*)?").fullmatch
_WITHOUT_BODY: Final = (204, 304)


def wsgi(
    app: App,
    /,
    *,
    root_path: str | None = None,
    flush: FlushOption = None,
    on_error: OnError = "log",
) -> StreamifiedHandler[Any]:
    """Make a handler of a WSGI app: Flask, Django, Bottle, Falcon, Pyramid and others.

    It sends each part of a response when the app yields or writes it: to the gateway's callback,
    natively if the runtime can stream, else as a result in the form of the event's front end.

    `root_path` is the mount point of the app, if the event does not show it: the base path of a
    custom domain. Where the URL has API Gateway's stage, that is the mount point; "" removes it.

    `flush` and `on_error` are as for `streamify_response`. With "log", an app that raises before
    its head is answered with a complete 500 on every path.

    If the client leaves, the app's iterable is closed at its next part. Its `close` is called after
    the end of the response, and what it raises does not change the response.

    Raises:
        TypeError: `app` is no WSGI app, or an option has a value that it cannot have.
    """
    check_app(app, "wsgi")
    served = WsgiApp(app, root_path, raises=on_error == "raise")
    return streamify_response(served.handle, flush=flush, on_error=on_error)


class WsgiApp:
    """An app and its options."""

    __slots__ = ("_app", "_raises", "_root_path")

    def __init__(self, app: App, root_path: str | None, *, raises: bool) -> None:
        self._app = app
        self._root_path = mount_point(root_path)
        self._raises = raises

    def handle(self, event: Any, context: Any) -> None:
        """Serve one event."""
        request = Request(event)
        running = current_handler.get()
        assert running is not None, "it is called by `drive`"
        stream = running.stream
        exchange = WsgiExchange(stream, is_head_request=request.method == "HEAD")
        try:
            environ = environ_of(request, context, self._root_path)
            chunks = exchange.serve(self._app, environ, context)
            _close(chunks)
        except ClientDisconnected:
            raise
        except Exception as error:
            fail(error, stream, context, raises=self._raises)


class WsgiExchange:
    """One request of an app: its `start_response` and `write`."""

    __slots__ = ("_is_cut", "_is_head_request", "_is_started", "_left", "_stream", "_turn")

    def __init__(self, stream: Stream, *, is_head_request: bool) -> None:
        self._stream = stream
        self._is_head_request = is_head_request
        self._is_started = False
        self._left: int | None = None  # bytes that the Content-Length announces, and that must come
        self._is_cut = False  # the body is longer
        self._turn = allocate_lock()

    def serve(self, app: App, environ: dict[str, Any], context: Any) -> object:
        """Run the app and send its response, to its end; return the iterable, to be closed.

        If anything fails, the iterable is closed here.
        """
        chunks: Iterable[bytes] | None = None
        watch = self._watch()
        try:
            try:
                chunks = app(environ, self.start_response)
                self._send_each(chunks)
            finally:
                if watch is not None:
                    watch.close()
            self._end()
        except BaseException:
            try:
                _close(chunks)
            except Exception as error:  # the first one counts
                log_error(error, context)
            raise
        return chunks

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: ExcInfo | None = None
    ) -> Callable[[bytes], None]:
        """Set the head, which is sent with the first bytes of the body; return `write`.

        Raises:
            TypeError, HeadError: a part of the head is not allowed.
            RuntimeError: it was called before, and `exc_info` is None.
            BaseException: `exc_info[1]`, if the head was sent.
        """
        if exc_info is not None:
            try:
                if self._stream.head is not None:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None  # it refers to this frame
        elif self._is_started:
            raise RuntimeError("start_response was called before: once more needs exc_info")
        head, length = _head_of(status, headers)
        self._stream.set_head(head)
        self._is_started = True
        is_bodiless = self._is_head_request or head.status in _WITHOUT_BODY
        self._left = None if is_bodiless else length
        return self.write

    def write(self, data: bytes) -> None:
        """Send bytes of the body immediately; an app that can yield them should.

        Raises:
            RuntimeError: they are more than the Content-Length announces; none are sent.
            ClientDisconnected: the client has left.
        """
        if self._left is not None and len(data) > self._left:
            raise RuntimeError("the app writes more than its Content-Length announces")
        self._send(data)

    def _send_each(self, chunks: Iterable[bytes] | None) -> None:
        if chunks is None:  # the commonest mistake, whose traceback would show nothing of the app
            raise TypeError("a WSGI app returns an iterable of bytes, not None")
        stream = self._stream
        turn = self._turn
        write, drain = stream.output.write, stream.output.drain
        is_plain = False  # nothing is to be done for a chunk but to send it
        for chunk in chunks:
            if is_plain and chunk and type(chunk) is bytes:
                with turn:
                    write(chunk)
                    drain()
                continue
            self._send(chunk)
            if stream.is_ended or self._is_cut:
                return
            is_plain = stream.head is not None and self._left is None

    def _send(self, data: bytes) -> None:
        """Send what may be the first bytes; empty ones send nothing."""
        if not isinstance(data, bytes):
            raise TypeError(
                f"a WSGI app returns an iterable of bytes, not of {type(data).__name__}"
            )
        if not self._is_started:
            raise RuntimeError("the app has yielded before it called start_response")
        if self._left is not None:
            data = self._within_length(data, self._left)
        with self._turn:
            self._stream.write(data)
            self._stream.drain()

    def _within_length(self, data: bytes, left: int) -> bytes:
        if len(data) > left:
            self._is_cut = True
            data = data[:left]
            logger.error("the app's body is cut: it is longer than its Content-Length announces")
        self._left = left - len(data)
        return data

    def _end(self) -> None:
        if not self._is_started:
            raise RuntimeError("the app has returned and has not called start_response")
        if self._left:
            raise RuntimeError(
                f"the app's body is {self._left} bytes shorter than its Content-Length announces"
            )
        self._stream.end()

    def _watch(self) -> QuietThread | None:
        """Start adaptive flushes, if the response has them."""
        flushes = self._stream.output.flushes
        if flushes is None or not flushes.is_adaptive:
            return None
        from tailrace.function.output.quiet import QuietThread

        watch = QuietThread(self._stream.output, flushes)
        self._turn = watch.turn
        return watch


def _head_of(status: str, headers: list[tuple[str, str]]) -> tuple[Head, int | None]:
    """Return the head of a response, and the length of its body if that is announced."""
    match = _STATUS(status) if isinstance(status, str) else None
    if match is None:
        raise HeadError(f"illegal status {status!r:.80}: three digits and a reason are wanted")
    if not isinstance(headers, list | tuple):
        raise TypeError(f"headers are a list of (name, value), not {type(headers).__name__}")
    for name, value in headers:
        if not (isinstance(name, str) and isinstance(value, str)):
            raise TypeError(f"the header {name!r:.80} and its value are not both str")
    fields, length = unframed(headers)
    return Head(int(match[1]), fields), length


def _close(chunks: object) -> None:
    if hasattr(chunks, "close"):
        chunks.close()
