"""A model's stream that blocks the thread in which it is read.

Concurrency law: `events` runs in a thread; `interrupt` is called by another one, at any time.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from typing import Any, Final


class BlockingStream:
    """The stream, its context manager, or a function that returns one of these."""

    def __init__(self, source: Any) -> None:
        self._source: Final = source
        self._opened: Any = None
        self._is_interrupted = False

    def events(self) -> Iterator[Any]:
        """Open the stream, yield its events, and close it."""
        try:
            with ExitStack() as stack:
                stream = self._open(stack)
                stack.callback(self._forget)  # before it is closed: its socket may serve others
                self._opened = stream
                if not self._is_interrupted:  # `interrupt` uses these in the other order
                    yield from stream
        except Exception:
            if not self._is_interrupted:
                raise

    def interrupt(self) -> None:
        """End the stream's connection, so that a read that waits returns."""
        self._is_interrupted = True
        opened = self._opened
        if opened is not None:
            _shut_down(opened)

    def _forget(self) -> None:
        self._opened = None

    def _open(self, stack: ExitStack) -> Any:
        source = self._source
        if is_function(source):
            source = source()
            if not any(hasattr(type(source), name) for name in ("__iter__", "__enter__")):
                raise TypeError(
                    f"{type(source).__name__} cannot be read in a thread; pass what a function"
                    " returns if that is async, or a function that is async itself"
                )
        stream = stream_of(source)
        if hasattr(type(stream), "__enter__"):
            return stack.enter_context(stream)
        if hasattr(stream, "close"):
            stack.callback(stream.close)
        return stream


def is_function(source: Any) -> bool:
    """Whether it is called for a stream. Mocks and chains are callable as well."""
    return callable(source) and not any(hasattr(type(source), name) for name in _STREAM_METHODS)


def stream_of(source: Any) -> Any:
    """Return the stream in what an SDK has returned.

    Raises:
        TypeError: there is none.
    """
    stream = source
    if isinstance(source, Mapping):  # of boto3
        stream = source.get("stream") or source.get("body")
    if hasattr(type(source), "model_fields"):  # of pydantic: it would yield its fields
        stream = None
    if isinstance(source, str | bytes):
        raise TypeError("one text is no stream; pass an iterable of texts")
    if not any(hasattr(type(stream), name) for name in _STREAM_METHODS):
        raise TypeError(
            f"{type(source).__name__} is no stream; ask the SDK for a stream (stream=True), and"
            " pass what it returns, or an iterable of texts"
        )
    return stream


_STREAM_METHODS: Final = ("__aiter__", "__aenter__", "__iter__", "__enter__")


def _shut_down(stream: Any) -> None:
    """Shut the socket of a stream down. A `close` by another thread wakes no read.

    OpenAI and Anthropic have a response of httpx, whose `network_stream` has the socket; botocore
    has one of urllib3.
    """
    raw = getattr(stream, "_raw_stream", stream)
    response = getattr(raw, "response", None)
    with suppress(OSError, RuntimeError, ValueError):  # it has ended just now
        if hasattr(raw, "shutdown"):  # urllib3 2.3
            raw.shutdown()
        elif response is not None and not response.is_closed:
            extensions = response.extensions
            if extensions.get("http_version") in (b"HTTP/1.0", b"HTTP/1.1"):  # it has it for itself
                connection = extensions["network_stream"].get_extra_info("socket")
                connection.shutdown(socket.SHUT_RDWR)
