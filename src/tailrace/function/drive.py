"""Runs a handler, and sends what it writes."""

from __future__ import annotations

from contextvars import ContextVar
from functools import lru_cache

from tailrace.errors import ClientDisconnected
from tailrace.records import NamedTuple

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final

    from tailrace.function.flush.policy import FlushPolicy
    from tailrace.function.input import Mode
    from tailrace.function.output.flushes import Flushes
    from tailrace.function.response import ResponseStream
    from tailrace.function.stream import Stream


class Handler(NamedTuple):
    """A handler and its options."""

    function: Callable[..., Any]
    takes_response: bool
    """It is `async def handler(event, response, context)`."""
    raises: bool
    """Its exceptions also fail the invocation, after they have ended the response."""
    mode: Mode | None
    """How its response is sent without a callback; None: the runtime decides."""
    flush_policy: FlushPolicy | None = None
    """When its response is flushed; None: the policy of a handler that passes its event on."""


class RunningHandler:
    """A handler that runs, and may pass its event on to another."""

    __slots__ = ("context", "event", "stream")

    def __init__(self, event: Any, context: Any, stream: Stream) -> None:
        self.event = event
        self.context = context
        self.stream = stream


current_handler: Final[ContextVar[RunningHandler | None]] = ContextVar(
    "tailrace_outer", default=None
)


def drive(handler: Handler, event: Any, context: Any, stream: Stream) -> None:
    """Run a handler and send what it writes; the caller ends the response."""
    if handler.takes_response:
        response = _response_type()(stream)
        _drive_async(handler.function(event, response, context), stream, response)
        return
    mark = current_handler.set(RunningHandler(event, context, stream))
    try:
        result = handler.function(event, context)
        if hasattr(type(result), "__await__"):
            _drive_async(result, stream)
            return
    finally:
        current_handler.reset(mark)
    if hasattr(type(result), "__anext__"):
        _drive_async(result, stream)
    elif hasattr(type(result), "__next__"):
        _pump(result, stream)
    else:
        stream.write_result(result)


def _drive_async(result: Any, stream: Stream, response: ResponseStream | None = None) -> None:
    _async_driver()(result, stream, response)


# Imported late, because a sync handler needs no asyncio; and once, because an import statement that
# finds everything imported takes longer than a call.


@lru_cache(maxsize=1)
def _response_type() -> type[ResponseStream]:
    from tailrace.function.response import ResponseStream

    return ResponseStream


@lru_cache(maxsize=1)
def _async_driver() -> Callable[[Any, Stream, ResponseStream | None], None]:
    from tailrace.function.async_drive import drive_async

    return drive_async


def _pump(chunks: Any, stream: Stream) -> None:
    """Send what a generator or another iterator yields, and close it."""
    flushes = stream.output.flushes
    if flushes is not None and flushes.is_adaptive:
        _pump_watched(chunks, stream, flushes)
        return
    drain = stream.output.drain
    try:
        for item in chunks:
            stream.take_from(chunks, item)
            if stream.is_ended:
                break
            drain()
    finally:
        if hasattr(chunks, "close"):
            chunks.close()


def _pump_watched(chunks: Any, stream: Stream, flushes: Flushes) -> None:
    """As `_pump`, with a thread that flushes what is held while the iterator works."""
    from tailrace.function.output.quiet import QuietThread

    watch = QuietThread(stream.output, flushes)
    try:
        for item in chunks:
            with watch.turn:
                stream.take_from(chunks, item)
                stream.drain()
            if stream.is_ended:
                break
    finally:
        watch.close()
        if hasattr(chunks, "close"):
            chunks.close()


def is_departure(error: Exception) -> bool:
    """Whether an exception, or all of a group, is a ClientDisconnected."""
    return ExceptionGroup("", [error]).split(ClientDisconnected)[1] is None
