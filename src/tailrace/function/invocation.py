"""One invocation of a streaming handler: its sink is chosen, it is run, its response is finished.

How a callback goes. It is opened before the handler runs; when the gateway refuses it (unknown,
taken, client gone) or is not there, the handler does not run: so a repeated invocation has no
second effect. From then on the invocation succeeds in Lambda's eyes, because a retry would serve a
client that has its answer already: an exception is logged, and becomes a complete 500, or breaks
the callback off once the head has gone out.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tailrace.errors import CallbackRefusedError, ClientDisconnected
from tailrace.function.failure import describe, print_failure
from tailrace.function.mode import NativeResponse, open_native
from tailrace.function.request import Mode, Request, warn_of_lost_head
from tailrace.function.response import ResponseStream
from tailrace.function.sink import BufferedSink, Sink
from tailrace.function.stream import Stream
from tailrace.function.upload_sink import CallbackSink, NativeSink, UploadSink
from tailrace.limits import FINISH_MARGIN_S, FINISH_TIMEOUT_S

if TYPE_CHECKING:
    from tailrace.function.flush.policy import FlushPolicy

logger = logging.getLogger("tailrace.function")


class Handler(NamedTuple):
    """A handler and how it wants to be called."""

    function: Callable[..., Any]
    takes_response: bool
    """It is `async def handler(event, response, context)`."""
    raises: bool
    """Its exceptions end the invocation, too, after they have ended the response."""
    mode: Mode | None
    """How its response goes when there is no callback; None leaves it to the runtime."""
    flush_policy: FlushPolicy | None = None
    """When its response is flushed; None leaves it to who hands the event on."""


class _Call(NamedTuple):
    """One call of a handler that is not handed on to."""

    handler: Handler
    request: Request
    context: Any


class _Outer(NamedTuple):
    """A handler that runs, and may hand its event on to another."""

    event: Any
    context: Any
    stream: Stream
    sink: Sink


_outer: Final[ContextVar[_Outer | None]] = ContextVar("tailrace_outer", default=None)


def invoke(handler: Handler, event: Any, context: Any) -> Any:
    """Run a handler; return what the function returns."""
    outer = _outer.get()
    if outer is not None and _is_handed_on(event, context, outer):
        if handler.flush_policy is not None:
            outer.stream.set_flush_policy(handler.flush_policy)
        drive(handler, event, context, outer.stream, outer.sink)
        outer.stream.end()
        return None
    request = Request(event)
    call = _Call(handler, request, context)
    _name_exchange(context, request.exchange_id)
    if request.callback is not None:
        return _call_back(call, request.callback)
    native = open_native(context, handler.mode, is_wanted=request.wants_stream)
    if native is not None:
        return _stream_natively(call, native)
    return _return_response(call)


def _name_exchange(context: Any, exchange_id: str | None) -> None:
    """Let the handler's log lines name what the gateway's log names."""
    if context is not None:
        try:
            context.tailrace_exchange_id = exchange_id
        except (AttributeError, TypeError, ValueError):
            pass  # a context of the handler's tests that takes no attributes


def _is_handed_on(event: Any, context: Any, outer: _Outer) -> bool:
    """Whether a handler that is streamed has called another, whose response is the response."""
    is_same = event is outer.event or (context is not None and context is outer.context)
    stream = outer.stream
    has_begun = stream.head is not None or stream.is_ended
    return is_same and isinstance(outer.sink, UploadSink) and not has_begun


def _return_response(call: _Call) -> Any:
    sink = BufferedSink(is_http=call.request.is_http)
    # The reader of the result drops the body of a HEAD, and takes the content-length from it.
    stream = Stream(sink, is_head_request=False)
    try:
        drive(call.handler, call.request.event, call.context, stream, sink)
        stream.end()
    finally:
        stream.close()
    if stream.head is not None:
        warn_of_lost_head(call.request)
    return sink.result(is_text=stream.is_text)


def _stream_natively(call: _Call, native: NativeResponse) -> Any:
    sink = _native_sink(call, native)
    stream = Stream(sink, is_head_request=call.request.method == "HEAD")
    try:
        drive(call.handler, call.request.event, call.context, stream, sink)
        stream.end()
    except Exception as error:
        if not sink.has_begun or sink.loss is None or not _is_departure(error):
            if sink.has_begun:
                sink.fail(describe(error))  # now: whoever calls us may catch it
            raise  # the runtime logs and reports it
    except BaseException:
        sink.abort()
        raise
    finally:
        stream.close()
        _log_flushes(sink)
        if stream.head is not None:
            warn_of_lost_head(call.request)
    return sink.result


def _log_flushes(sink: NativeSink) -> None:
    flushes, deferred, padded_bytes = sink.flush_counts
    if padded_bytes:
        logger.info(
            "flushed: flushes=%d deferred=%d padded_bytes=%d", flushes, deferred, padded_bytes
        )


def _native_sink(call: _Call, native: NativeResponse) -> NativeSink:
    policy = call.handler.flush_policy
    if not call.request.wants_frames:
        return NativeSink(native, is_http=call.request.is_http, policy=policy)
    from tailrace.function.framed_sink import FramedSink

    return FramedSink(native, policy=policy)


def _call_back(call: _Call, url: str) -> None:
    try:
        sink = CallbackSink.open(url)
    except CallbackRefusedError as error:
        exchange_id = call.request.exchange_id
        logger.warning("the handler was not run: %s; exchange=%s", error, exchange_id)
        return
    try:
        _call_back_by(sink, call)
    except BaseException:
        sink.abort()
        raise


def _call_back_by(sink: CallbackSink, call: _Call) -> None:
    stream = Stream(sink, is_head_request=call.request.method == "HEAD")
    failure: Exception | None = None
    try:
        try:
            drive(call.handler, call.request.event, call.context, stream, sink)
            stream.end()
        except Exception as error:
            if sink.loss is None or not _is_departure(error):
                failure = error
                print_failure(describe(error), getattr(call.context, "aws_request_id", None))
                stream.fail()
    except ClientDisconnected:
        pass  # there is nobody to tell of the failure; the sink has logged it
    finally:
        stream.close()
    sink.finish(_finish_timeout_s(call.context))
    if failure is not None and call.handler.raises:
        raise failure


def _finish_timeout_s(context: Any) -> float:
    """As long as the invocation may last: a slow client is the gateway's to wait for or give up."""
    remaining_ms = getattr(context, "get_remaining_time_in_millis", None)
    if remaining_ms is None:
        return FINISH_TIMEOUT_S
    return max(0.0, float(remaining_ms()) / 1000 - FINISH_MARGIN_S)


def _is_departure(error: Exception) -> bool:
    """Whether an exception says only that the client has left; a task group wraps it up."""
    if isinstance(error, ExceptionGroup):
        return error.split(ClientDisconnected)[1] is None
    return isinstance(error, ClientDisconnected)


def drive(handler: Handler, event: Any, context: Any, stream: Stream, sink: Sink) -> None:
    """Run a handler and send what it makes; the end of the response is the caller's to send."""
    if handler.takes_response:
        response = ResponseStream(stream)
        _drive_async(handler.function(event, response, context), stream, sink, response)
        return
    mark = _outer.set(_Outer(event, context, stream, sink))
    try:
        result = handler.function(event, context)
        if hasattr(type(result), "__await__"):
            _drive_async(result, stream, sink)
            return
    finally:
        _outer.reset(mark)
    if hasattr(type(result), "__anext__"):
        _drive_async(result, stream, sink)
    elif hasattr(type(result), "__next__"):
        _pump(result, stream, sink)
    else:
        stream.put_result(result)


def _drive_async(
    result: Any, stream: Stream, sink: Sink, response: ResponseStream | None = None
) -> None:
    from tailrace.function.async_drive import drive_async

    drive_async(result, stream, sink, response)


def _pump(chunks: Any, stream: Stream, sink: Sink) -> None:
    """Send what a generator, or another iterator, yields; it is closed in any case."""
    if isinstance(sink, NativeSink) and sink.is_adaptive:
        _pump_watched(chunks, stream, sink)
        return
    try:
        for item in chunks:
            stream.take_from(chunks, item)
            stream.drain()
            if stream.is_ended:
                break
    finally:
        if hasattr(chunks, "close"):
            chunks.close()


def _pump_watched(chunks: Any, stream: Stream, sink: NativeSink) -> None:
    """As `_pump`, with a thread that lets out what is held while the iterator works."""
    from tailrace.function.quiet_thread import QuietThread

    watch = QuietThread(sink)
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
