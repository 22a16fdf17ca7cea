"""Lambda's Invoke operation (2015-03-31), and the older InvokeAsync (2014-11-13).

Source: Lambda API reference, "Invoke", and botocore 1.44's model, read 2026-11.
"""

from __future__ import annotations

import base64
from typing import Final

from tailrace.emulator.api_request import JSON, ApiRequest
from tailrace.emulator.call import EXECUTED_VERSION, Call, CallRequest, read_call
from tailrace.emulator.directory import Directory
from tailrace.emulator.disagreement import Disagreement
from tailrace.emulator.invocation import REFUSED, Attempt
from tailrace.emulator.service_error import busy, too_many_requests
from tailrace.net.server.listener import Connection, RequestHead
from tailrace.wire.integration import is_integration
from tailrace.wire.runtime_api import Invocation

_INVOKE_TYPES: Final = ("RequestResponse", "Event", "DryRun")
_INVOKE_ASYNC_BYTES_MAX: Final = 262_144  # Lambda API reference, "InvokeAsync"
_REMAPPED: Final = (b"x-amzn-Remapped-Content-Length", b"0")


def invoke(
    directory: Directory, head: RequestHead, segment: str, connection: Connection
) -> ApiRequest:
    """`POST /2015-03-31/functions/{FunctionName}/invocations`"""
    return _Invoke(connection, read_call(directory, head, segment, _INVOKE_TYPES))


def invoke_async(
    directory: Directory, head: RequestHead, segment: str, connection: Connection
) -> ApiRequest:
    """`POST /2014-11-13/functions/{FunctionName}/invoke-async/`, which is deprecated."""
    call = read_call(directory, head, segment, ("Event",), _INVOKE_ASYNC_BYTES_MAX)
    return _Invoke(connection, call, b'{"Status":202}')


class _Invoke(CallRequest):
    """Answers with the whole result, or without it when it is an Event."""

    __slots__ = ("_queued_body",)

    def __init__(self, connection: Connection, call: Call, queued_body: bytes = b"") -> None:
        super().__init__(connection, call)
        self._queued_body = queued_body

    def run(self, invocation: Invocation) -> None:
        """Queue an event; otherwise run the function and answer when it has."""
        function = self.call.function
        if self.call.is_event:
            if not function.enqueue(invocation):
                raise too_many_requests("FunctionInvocationRateLimitExceeded")
            self.connection.respond(202, [*self.headers(), _REMAPPED], self._queued_body)
            return
        attempt = function.invoke(invocation)
        if attempt is None:
            raise busy()
        if self.call.has_log_tail:  # the log is complete a little later than the outcome
            attempt.ended.add_done_callback(
                lambda tail: self._conclude_call(attempt, tail.result())
            )
        else:
            attempt.outcome.add_done_callback(lambda _: self._conclude_call(attempt))

    def _conclude_call(self, attempt: Attempt, log_tail: bytes | None = None) -> None:
        if self.is_gone:
            return
        outcome = attempt.outcome.result()
        if outcome is REFUSED:
            self.refuse(busy())
            return
        if outcome.is_streamed and is_integration(outcome.media_type):
            self.call.function.warn(Disagreement.PRELUDE_IN_BODY)
        headers = [JSON, *self.headers(), _REMAPPED, EXECUTED_VERSION]
        if outcome.error_type is not None:
            headers.append((b"X-Amz-Function-Error", b"Unhandled"))
        if log_tail is not None:
            headers.append((b"X-Amz-Log-Result", base64.b64encode(log_tail)))
        self.connection.respond(200, headers, outcome.payload)
