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
from functools import lru_cache

from tailrace.errors import CallbackRefusedError, ClientDisconnected
from tailrace.function.drive import current_handler, drive, is_departure
from tailrace.function.failure import describe, print_failure
from tailrace.function.input import Input, warn_of_lost_head
from tailrace.function.output import Output
from tailrace.function.output.callback import finish_callback, open_callback
from tailrace.function.output.encoder import PRELUDE, RAW
from tailrace.function.stream import Stream
from tailrace.limits import FINISH_MARGIN_S, FINISH_TIMEOUT_S

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from typing import Any

    from tailrace.function.drive import Handler, RunningHandler
    from tailrace.function.output.upload import UploadTransport

logger = logging.getLogger("tailrace.function")


def invoke(handler: Handler, event: Any, context: Any) -> Any:
    """Run a handler; return the function's result."""
    outer = current_handler.get()
    if outer is not None and _is_handed_on(event, context, outer):
        if handler.flush_policy is not None:
            outer.stream.set_flush_policy(handler.flush_policy)
        drive(handler, event, context, outer.stream)
        outer.stream.end()
        return None
    incoming = Input(event)
    _name_exchange(incoming, context)
    if incoming.callback is not None:
        return _call_back(handler, incoming, context, incoming.callback)
    run_natively = _native_invocation()(handler, incoming, context)
    if run_natively is not None:
        return run_natively()
    return _return_response(handler, incoming, context)


@lru_cache(maxsize=1)  # an import statement that finds everything imported takes longer than a call
def _native_invocation() -> Callable[[Handler, Input, Any], Callable[[], Any] | None]:
    # Imported late: on AWS's own runtime every response is a callback or a result.
    from tailrace.function.native_invocation import open_natively

    return open_natively


def _name_exchange(incoming: Input, context: Any) -> None:
    """Give the context the exchange's id, for the handler's log lines."""
    if context is not None:
        try:
            context.tailrace_exchange_id = incoming.exchange_id
        except (AttributeError, TypeError, ValueError):
            pass  # a test's context that takes no attributes


def _is_handed_on(event: Any, context: Any, outer: RunningHandler) -> bool:
    """Whether a running handler has called another one, which is to write the same response."""
    is_same = event is outer.event or (context is not None and context is outer.context)
    stream = outer.stream
    has_started = stream.head is not None or stream.is_ended
    return is_same and stream.output.transport.peer is not None and not has_started


def _return_response(handler: Handler, incoming: Input, context: Any) -> Any:
    from tailrace.function.output.result import ResultTransport

    transport = ResultTransport(incoming.codec)
    # The caller removes the body of a HEAD, and takes the content-length from it.
    stream = Stream(Output(transport, RAW), is_head_request=False)
    try:
        drive(handler, incoming.event, context, stream)
        stream.end()
    finally:
        stream.close()
    if stream.head is not None:
        warn_of_lost_head(incoming)
    return transport.result(is_text=stream.is_text)


def _call_back(handler: Handler, incoming: Input, context: Any, url: str) -> None:
    try:
        transport = open_callback(url)
    except CallbackRefusedError as error:
        logger.warning("the handler was not run: %s; exchange=%s", error, incoming.exchange_id)
        return
    try:
        _call_back_by(transport, handler, incoming, context)
    except BaseException:
        transport.abort()
        raise


def _call_back_by(
    transport: UploadTransport, handler: Handler, incoming: Input, context: Any
) -> None:
    output = Output(transport, PRELUDE)
    stream = Stream(output, is_head_request=incoming.method == "HEAD")
    failure: Exception | None = None
    try:
        try:
            drive(handler, incoming.event, context, stream)
            stream.end()
        except Exception as error:
            if transport.loss is None or not is_departure(error):
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
