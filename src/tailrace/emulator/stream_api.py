"""Lambda's InvokeWithResponseStream (2021-11-15): the response as events, while it is made.

Errors of the service are plain HTTP errors; a function that fails, also before its first byte, is
a 200 whose last event says so. Source: Lambda API reference, "InvokeWithResponseStream", and
botocore 1.44's model, read 2026-11.
"""

from __future__ import annotations

import base64
from asyncio import Future
from typing import Final

from tailrace import limits
from tailrace.emulator.api_request import ApiRequest
from tailrace.emulator.call import EXECUTED_VERSION, Call, CallRequest, read_call
from tailrace.emulator.directory import Directory
from tailrace.emulator.function_urls.hold_back import PreludeEnd
from tailrace.emulator.invocation import REFUSED, Attempt, Outcome
from tailrace.emulator.outlet import Outlet, open_outlet
from tailrace.emulator.service_error import busy
from tailrace.net.server.listener import Connection, RequestHead
from tailrace.wire import event_stream
from tailrace.wire.integration import is_integration
from tailrace.wire.runtime_api import Invocation

_TYPES: Final = ("RequestResponse", "DryRun")
_EVENT_STREAM: Final = (b"content-type", event_stream.MEDIA_TYPE.encode())
_CHUNK_BYTES_MAX: Final = limits.STREAM_CHUNK_BYTES_MAX


def invoke_with_response_stream(
    directory: Directory, head: RequestHead, segment: str, connection: Connection
) -> ApiRequest:
    """`POST /2021-11-15/functions/{FunctionName}/response-streaming-invocations`"""
    return _InvokeStream(connection, read_call(directory, head, segment, _TYPES))


class _InvokeStream(CallRequest):
    """Listens to an attempt and passes on what it hears, one event or a few for each read.

    A caller that reads slowly slows the function; one that has left is no longer waited for.
    """

    __slots__ = ("_attempt", "_has_begun", "_outlet", "_prelude")

    def __init__(self, connection: Connection, call: Call) -> None:
        super().__init__(connection, call)
        self._attempt: Attempt | None = None
        self._has_begun = False
        self._outlet: Outlet | None = None
        self._prelude: PreludeEnd | None = None  # while an outlet waits for its end
        rules = call.function.config.hold_back
        if rules is not None:
            self._outlet = open_outlet(
                rules, send=self._let_out, on_full=self._on_full, clock=call.function.clock
            )

    def run(self, invocation: Invocation) -> None:
        """Run the function and listen."""
        attempt = self._attempt = self.call.function.invoke(invocation, self)
        if attempt is None:
            raise busy()
        attempt.outcome.add_done_callback(self._on_outcome)

    # --- what the attempt tells ---------------------------------------------------------------

    def on_start(self, media_type: str) -> None:
        """The function has begun to stream: the caller learns of it before the first byte."""
        if self.is_gone:
            return
        self._begin()
        if self._outlet is not None and is_integration(media_type):
            self._prelude = PreludeEnd()

    def on_data(self, data: bytes) -> None:
        """Bytes of the response."""
        if self.is_gone:
            return
        if self._outlet is None:
            self._let_out(data)
            return
        if self._prelude is not None:
            prelude = self._prelude.feed(data)
            if prelude is None:
                return
            data, self._prelude = self._prelude.body, None
            if prelude:
                self._outlet.begin(prelude, is_joined=bool(data))
        attempt = self._attempt
        self._outlet.write(data, is_rest=attempt is not None and attempt.is_inside_write)

    def _let_out(self, data: bytes) -> None:
        """Send bytes. No event is larger than a caller may want to hold."""
        for start in range(0, len(data), _CHUNK_BYTES_MAX):
            piece = data[start : start + _CHUNK_BYTES_MAX]
            self.connection.write(event_stream.encode_chunk(piece))

    def _on_outcome(self, outcome: Future[Outcome]) -> None:
        assert self._attempt is not None
        if self.is_gone:
            return
        result = outcome.result()
        if result is REFUSED:
            self.refuse(busy())
            return
        if not self._has_begun:
            self._begin()
        if result.error_type is None:
            self.on_data(result.payload)
        if self.call.has_log_tail:  # the log is complete a little later than the outcome
            self._attempt.ended.add_done_callback(lambda tail: self._end(result, tail.result()))
        else:
            self._end(result)

    def _begin(self) -> None:
        self._has_begun = True
        self.connection.start(200, [_EVENT_STREAM, *self.headers(), EXECUTED_VERSION])

    def _end(self, outcome: Outcome, log_tail: bytes | None = None) -> None:
        if self.is_gone:
            return
        if self._outlet is None:
            self._complete(outcome, log_tail)
            return
        if self._prelude is not None:  # there is none, or not all of it: passed on as it is
            self._outlet.begin(self._prelude.finish())
        self._outlet.end(lambda: self._complete(outcome, log_tail))

    def _complete(self, outcome: Outcome, log_tail: bytes | None) -> None:
        log = None if log_tail is None else base64.b64encode(log_tail).decode()
        code = details = None
        if outcome.error_type is not None:
            # Lambda names what it has found itself; what a runtime reported is "unhandled".
            code = "Unhandled" if outcome.is_reported else outcome.error_type
            details = outcome.payload.decode("utf-8", "replace")[: limits.ERROR_DETAILS_CHARS_MAX]
        self.connection.cork()
        self.connection.write(event_stream.encode_complete(code, details, log))
        self.connection.end()

    # --- what the connection tells ------------------------------------------------------------

    def on_gone(self) -> None:
        """The caller has left, or takes nothing: the function runs on, as on Lambda, at its own
        pace."""
        super().on_gone()
        if self.connection.has_stalled:
            request_id = self.call.request_id
            text = f"RequestId: {request_id} its caller reads nothing; it was cut off"
            self.call.function.note(text)
        if self._outlet is not None:
            self._outlet.close()
        if self._attempt is not None:
            self._attempt.let_go()

    def on_pause(self) -> None:
        """The caller reads slowly: let the function wait."""
        if self._attempt is not None:
            self._attempt.pause("client")

    def on_resume(self) -> None:
        """The caller has caught up."""
        if self._attempt is not None:
            self._attempt.resume("client")

    def _on_full(self, is_full: bool) -> None:
        """What waits for the rate is enough, or so little that the function may go on."""
        if self._attempt is not None:
            (self._attempt.pause if is_full else self._attempt.resume)("rate")
