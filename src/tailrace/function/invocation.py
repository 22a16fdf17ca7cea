"""One invocation of a streaming handler: composes its output, runs it, and ends its response.

A callback is opened before the handler runs. If the gateway refuses it (unknown, answered already,
or its client has left) or cannot be reached, the handler does not run, so a repeated invocation has
no second effect. After that the invocation succeeds for Lambda, because a retry would serve a
client that has its answer already. An exception is logged; the client gets a complete 500, or the
callback is aborted if the head was sent.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextvars import ContextVar

from tailrace.errors import CallbackRefusedError, ClientDisconnected
from tailrace.function.failure import describe, print_failure
from tailrace.function.output import Output
from tailrace.function.output.encoder import PRELUDE, RAW
from tailrace.function.request import Request, warn_of_lost_head
from tailrace.function.stream import Stream
from tailrace.limits import FINISH_MARGIN_S, FINISH_TIMEOUT_S
from tailrace.records import NamedTuple

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from typing import Any, Final

    from tailrace.function.flush.policy import FlushPolicy
    from tailrace.function.output.encoder import Encoder
    from tailrace.function.output.flushes import Flushes
    from tailrace.function.output.native import NativeResponse
    from tailrace.function.output.upload import UploadTransport
    from tailrace.function.request import Mode
    from tailrace.function.response import ResponseStream

logger = logging.getLogger("tailrace.function")


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


class _Outer:
    """A handler that runs, and may pass its event on to another."""

    __slots__ = ("context", "event", "stream")

    def __init__(self, event: Any, context: Any, stream: Stream) -> None:
        self.event = event
        self.context = context
        self.stream = stream


_outer: Final[ContextVar[_Outer | None]] = ContextVar("tailrace_outer", default=None)


def invoke(handler: Handler, event: Any, context: Any) -> Any:
    """Run a handler; return the function's result."""
    outer = _outer.get()
    if outer is not None and _is_handed_on(event, context, outer):
        if handler.flush_policy is not None:
            outer.stream.set_flush_policy(handler.flush_policy)
        drive(handler, event, context, outer.stream)
        outer.stream.end()
        return None
    request = Request(event)
    _name_exchange(request, context)
    if request.callback is not None:
        return _call_back(handler, request, context, request.callback)
    # Imported here: on AWS's own runtime every response is a callback or a result.
    from tailrace.function.output.native import open_native

    native = open_native(context, handler.mode, is_wanted=request.wants_stream)
    if native is not None:
        return _stream_natively(handler, request, context, native)
    return _return_response(handler, request, context)


def _name_exchange(request: Request, context: Any) -> None:
    """Give the context the exchange's id, for the handler's log lines."""
    if context is not None:
        try:
            context.tailrace_exchange_id = request.exchange_id
        except (AttributeError, TypeError, ValueError):
            pass  # a test's context that takes no attributes


def _is_handed_on(event: Any, context: Any, outer: _Outer) -> bool:
    """Whether a running handler has called another one, which is to write the same response."""
    is_same = event is outer.event or (context is not None and context is outer.context)
    stream = outer.stream
    has_started = stream.head is not None or stream.is_ended
    return is_same and stream.output.transport.peer is not None and not has_started


def _return_response(handler: Handler, request: Request, context: Any) -> Any:
    from tailrace.function.output.result import ResultTransport

    transport = ResultTransport(is_http=request.is_http)
    # The caller removes the body of a HEAD, and takes the content-length from it.
    stream = Stream(Output(transport, RAW), is_head_request=False)
    try:
        drive(handler, request.event, context, stream)
        stream.end()
    finally:
        stream.close()
    if stream.head is not None:
        warn_of_lost_head(request)
    return transport.result(is_text=stream.is_text)


def _stream_natively(
    handler: Handler, request: Request, context: Any, native: NativeResponse
) -> Any:
    from tailrace.function.output.flushes import Flushes
    from tailrace.function.output.native import fail_native
    from tailrace.function.output.upload import UploadTransport

    # The runtime reports a plain result of an event that is no HTTP request.
    transport = UploadTransport(native.upload, native.start, keeps_results=not request.is_http)
    output = Output(transport, _native_encoder(request), Flushes(handler.flush_policy))
    stream = Stream(output, is_head_request=request.method == "HEAD")
    try:
        drive(handler, request.event, context, stream)
        stream.end()
    except Exception as error:
        if not transport.has_started or transport.loss is None or not _is_departure(error):
            if transport.has_started:
                fail_native(native, output, describe(error))  # now: our caller may catch it
            raise  # the runtime logs and reports it
    except BaseException:
        output.abort()
        raise
    finally:
        stream.close()
        _log_flushes(output)
        if stream.head is not None:
            warn_of_lost_head(request)
    return transport.result


def _native_encoder(request: Request) -> Encoder:
    if request.wants_frames:
        from tailrace.function.output.frames import FRAMES

        return FRAMES
    return PRELUDE if request.is_http else RAW


def _log_flushes(output: Output) -> None:
    flushes, deferred, padded_bytes = output.flush_counts
    if padded_bytes:
        logger.info(
            "flushed: flushes=%d deferred=%d padded_bytes=%d", flushes, deferred, padded_bytes
        )


def _call_back(handler: Handler, request: Request, context: Any, url: str) -> None:
    from tailrace.function.output.callback import open_callback

    try:
        transport = open_callback(url)
    except CallbackRefusedError as error:
        logger.warning("the handler was not run: %s; exchange=%s", error, request.exchange_id)
        return
    try:
        _call_back_by(transport, handler, request, context)
    except BaseException:
        transport.abort()
        raise


def _call_back_by(
    transport: UploadTransport, handler: Handler, request: Request, context: Any
) -> None:
    from tailrace.function.output.callback import finish_callback

    output = Output(transport, PRELUDE)
    stream = Stream(output, is_head_request=request.method == "HEAD")
    failure: Exception | None = None
    try:
        try:
            drive(handler, request.event, context, stream)
            stream.end()
        except Exception as error:
            if transport.loss is None or not _is_departure(error):
                failure = error
                print_failure(describe(error), getattr(context, "aws_request_id", None))
                stream.fail()
    except ClientDisconnected:
        pass  # the failure has no reader; the transport has logged the loss
    finally:
        stream.close()
    finish_callback(transport, output.body_bytes, _finish_timeout_s(context))
    if failure is not None and handler.raises:
        raise failure


def _finish_timeout_s(context: Any) -> float:
    """Return the time left in the invocation; the gateway bounds how slow a client may be."""
    remaining_ms = getattr(context, "get_remaining_time_in_millis", None)
    if remaining_ms is None:
        return FINISH_TIMEOUT_S
    return max(0.0, float(remaining_ms()) / 1000 - FINISH_MARGIN_S)


def _is_departure(error: Exception) -> bool:
    """Whether an exception, or all of a group, is a ClientDisconnected."""
    return ExceptionGroup("", [error]).split(ClientDisconnected)[1] is None


def drive(handler: Handler, event: Any, context: Any, stream: Stream) -> None:
    """Run a handler and send what it writes; the caller ends the response."""
    if handler.takes_response:
        from tailrace.function.response import ResponseStream

        response = ResponseStream(stream)
        _drive_async(handler.function(event, response, context), stream, response)
        return
    mark = _outer.set(_Outer(event, context, stream))
    try:
        result = handler.function(event, context)
        if hasattr(type(result), "__await__"):
            _drive_async(result, stream)
            return
    finally:
        _outer.reset(mark)
    if hasattr(type(result), "__anext__"):
        _drive_async(result, stream)
    elif hasattr(type(result), "__next__"):
        _pump(result, stream)
    else:
        stream.write_result(result)


def _drive_async(result: Any, stream: Stream, response: ResponseStream | None = None) -> None:
    from tailrace.function.async_drive import drive_async

    drive_async(result, stream, response)


def _pump(chunks: Any, stream: Stream) -> None:
    """Send what a generator or another iterator yields, and close it."""
    flushes = stream.output.flushes
    if flushes is not None and flushes.is_adaptive:
        _pump_watched(chunks, stream, flushes)
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
