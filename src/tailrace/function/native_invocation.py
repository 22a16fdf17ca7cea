"""One invocation whose response the runtime streams. Imported only where a runtime can stream."""

from __future__ import annotations

import logging
from functools import partial

from tailrace.function.drive import drive, is_departure
from tailrace.function.failure import describe
from tailrace.function.input import warn_of_lost_head
from tailrace.function.output import Output
from tailrace.function.output.encoder import PRELUDE, RAW, BodyEncoder
from tailrace.function.output.flushes import Flushes
from tailrace.function.output.native import fail_native, open_native
from tailrace.function.output.upload import UploadTransport
from tailrace.function.stream import Stream
from tailrace.wire.events.function_url import FUNCTION_URL

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from tailrace.function.drive import Handler
    from tailrace.function.input import Input
    from tailrace.function.output.encoder import Encoder
    from tailrace.function.output.native import NativeResponse

logger = logging.getLogger("tailrace.function")


def open_natively(handler: Handler, incoming: Input, context: Any) -> Callable[[], Any] | None:
    """Open the native stream if the response takes it; return the call that runs the handler.

    That call returns the function's result. None: the response is returned as a result, because
    the runtime or the front end does not stream, or the mode is `buffer`.

    Raises:
        RuntimeError: the invocation's response is streamed already.
    """
    codec = incoming.codec
    if codec is not None and codec.prelude is None and not incoming.wants_stream:
        return None
    native = open_native(context, handler.mode, is_wanted=incoming.wants_stream)
    return None if native is None else partial(_run, handler, incoming, context, native)


def _run(handler: Handler, incoming: Input, context: Any, native: NativeResponse) -> Any:
    is_foreign = incoming.codec is not FUNCTION_URL
    # The runtime reports it: it is no response, or may be one in the form of a buffering REST API.
    keeps_results = is_foreign and (not incoming.is_http or handler.mode != "stream")
    transport = UploadTransport(native.upload, native.start, keeps_results=keeps_results)
    output = Output(transport, _native_encoder(incoming), Flushes(handler.flush_policy))
    stream = Stream(
        output, is_head_request=incoming.method == "HEAD", reads_several_values=is_foreign
    )
    try:
        drive(handler, incoming.event, context, stream)
        stream.end()
    except Exception as error:
        if not transport.has_started or transport.loss is None or not is_departure(error):
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
            warn_of_lost_head(incoming)
    return transport.result


def _native_encoder(incoming: Input) -> Encoder:
    if incoming.wants_frames:
        from tailrace.function.output.frames import FRAMES

        return FRAMES
    codec = incoming.codec
    if codec is None:
        return RAW
    return PRELUDE if codec is FUNCTION_URL else BodyEncoder(codec.prelude)


def _log_flushes(output: Output) -> None:
    flushes, deferred, padded_bytes = output.flush_counts
    if padded_bytes:
        logger.info(
            "flushed: flushes=%d deferred=%d padded_bytes=%d", flushes, deferred, padded_bytes
        )
