"""The invocation loop: gets an event, calls the handler, reports the outcome."""

from __future__ import annotations

import logging
import os
import time
from functools import lru_cache

from tailrace.errors import AnsweredEarlyError, PeerError, RuntimeApiError
from tailrace.limits import ANSWER_TIMEOUT_S, NEXT_RETRY_DELAYS_S
from tailrace.net.blocking.keep_alive import KeepAliveClient
from tailrace.runtime.context import FunctionFacts, LambdaContext
from tailrace.runtime.logs import RuntimeLog, flush_output
from tailrace.runtime.marshal import escapes_non_ascii, event_from_json
from tailrace.runtime.report import (
    failure_of,
    failure_report,
    init_failure_report,
    result_report,
)
from tailrace.wire.runtime_api import NEXT_PATH, Invocation, parse_next, response_path

logger = logging.getLogger("tailrace.runtime")

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, Final, NoReturn

    from tailrace.runtime.native_stream import NativeStream
    from tailrace.runtime.report import RuntimeReport

    HandlerFunction = Callable[[Any, Any], Any]

_TRACE_ID: Final = "_X_AMZN_TRACE_ID"
_GENERATORS: Final = ("generator", "async_generator")
_NOT_DECORATED: Final = (
    "the handler is a generator, which is no result: decorate it with @streamify_response"
    " (from tailrace.function import streamify_response)"
)
_STALE: Final = 410
_TOO_LARGE: Final = 413


class InvocationLoop:
    """Serves the events of one Runtime API.

    `is_worker`: it is one of several in the environment. A refusal by the Runtime API is then
    logged, and the loop continues, because other invocations run beside it.
    """

    def __init__(
        self,
        api: KeepAliveClient,
        log: RuntimeLog,
        environment: Mapping[str, str],
        *,
        is_worker: bool = False,
    ) -> None:
        self._api = api
        self._log = log
        self._environment = environment
        self._is_worker = is_worker
        self._is_ascii = escapes_non_ascii(environment)

    def run(self, handler: HandlerFunction) -> NoReturn:
        """Serve events until an exception ends the process.

        Raises:
            RuntimeApiError: the Runtime API's answer is not one of those that it documents.
            PeerError: the Runtime API cannot be reached.
            SystemExit: raised by a handler or by a signal.
        """
        function = FunctionFacts(self._environment)
        while True:
            invocation = self._next_patiently() if self._is_worker else self._next()
            try:
                self._serve(handler, function, invocation)
            except (PeerError, RuntimeApiError) as error:
                if not self._is_worker:
                    raise
                logger.warning("%s", error)

    def _next(self) -> Invocation:
        answer = self._api.request("GET", NEXT_PATH, timeout_s=None)
        if answer.status != 200:
            raise _refusal(NEXT_PATH, answer.status, answer.body)
        return parse_next(answer.headers, answer.body)

    def _next_patiently(self) -> Invocation:
        for delay_s in NEXT_RETRY_DELAYS_S:
            try:
                return self._next()
            except (PeerError, RuntimeApiError) as error:
                logger.warning("%s", error)
                time.sleep(delay_s)
        return self._next()

    def report_init_error(self, error: BaseException) -> None:
        """Log and report that the handler cannot be loaded."""
        from tailrace.runtime.unloadable import shown_failure

        failure = failure_of(error)
        self._log.write_failure(shown_failure(getattr(error, "shown", failure)))
        path, headers, body = init_failure_report(failure, is_ascii=self._is_ascii)
        self._api.request("POST", path, headers, body, timeout_s=ANSWER_TIMEOUT_S)

    def _serve(
        self, handler: HandlerFunction, function: FunctionFacts, invocation: Invocation
    ) -> None:
        self._log.begin(invocation)
        _set_trace_id(invocation.trace_id)
        slot = _StreamSlot(self._api, invocation)
        try:
            report = self._run(handler, function, invocation, slot)
            flush_output()
            if report is None and slot.stream is not None:
                _finish(slot.stream, invocation)
        finally:
            slot.close()
        if report is not None:
            self._send(report)

    def _run(
        self,
        handler: HandlerFunction,
        function: FunctionFacts,
        invocation: Invocation,
        slot: _StreamSlot,
    ) -> RuntimeReport | None:
        """Run the handler; return the report of its outcome, None if the response is a stream."""
        try:
            context = LambdaContext(invocation, function, slot.open, self._log.write)
            result = _call(handler, event_from_json(invocation.event), context)
            if slot.begun is None:
                if type(result).__name__ in _GENERATORS:
                    logger.warning(_NOT_DECORATED)
                return result_report(invocation, result, is_ascii=self._is_ascii)
            if result is not None:
                logger.warning("the handler's result is not sent: its response was streamed")
        except Exception as error:
            failure = failure_of(error)
            self._log.write_failure(failure)
            if slot.begun is None:
                return failure_report(invocation, failure, is_ascii=self._is_ascii)
            slot.begun.fail(failure)
        return None

    def _send(self, report: RuntimeReport) -> None:
        path, headers, body = report
        answer = self._api.request("POST", path, headers, body, timeout_s=ANSWER_TIMEOUT_S)
        _check(path, answer.status, answer.body)


class _StreamSlot:
    """Holds an invocation's streamed response, if its handler opens one."""

    __slots__ = ("_api", "_invocation", "stream")

    def __init__(self, api: KeepAliveClient, invocation: Invocation) -> None:
        self._api = api
        self._invocation = invocation
        self.stream: NativeStream | None = None

    @property
    def begun(self) -> NativeStream | None:
        """The stream if it is the response, complete or not."""
        return self.stream if self.stream is not None and self.stream.has_started else None

    def open(self) -> NativeStream:
        """Open the stream, once.

        Raises:
            RuntimeError: it is open already.
            PeerError: the Runtime API cannot be reached.
        """
        if self.stream is not None:
            raise RuntimeError("this invocation's response is streamed already: it has only one")
        self.stream = _native_stream()(self._api, self._invocation)
        return self.stream

    def close(self) -> None:
        """Close the stream's connection."""
        if self.stream is not None:
            self.stream.close()


@lru_cache(maxsize=1)  # an import statement that finds everything imported takes longer than a call
def _native_stream() -> type[NativeStream]:
    # Imported late: plain handlers do not stream.
    from tailrace.runtime.native_stream import NativeStream

    return NativeStream


def _finish(native: NativeStream, invocation: Invocation) -> None:
    remaining_s = invocation.deadline_ms / 1000 - time.time()
    path = response_path(invocation.request_id)
    try:
        answer = native.finish(max(ANSWER_TIMEOUT_S, remaining_s))
    except AnsweredEarlyError as error:
        _check(path, error.status, str(error).encode())
    else:
        _check(path, answer.status, answer.body)


def _check(path: str, status: int, body: bytes) -> None:
    # 410: the attempt is stale. 413: too large; the API reports that to the caller itself.
    if status // 100 != 2 and status not in (_STALE, _TOO_LARGE):
        raise _refusal(path, status, body)


def _call(handler: HandlerFunction, event: Any, context: LambdaContext) -> Any:
    result = handler(event, context)
    if not hasattr(type(result), "__await__"):
        return result
    from tailrace.function.event_loop import run_in_loop

    async def wait() -> Any:
        return await result

    return run_in_loop(wait())


def _set_trace_id(trace_id: str | None) -> None:
    if trace_id is None:
        os.environ.pop(_TRACE_ID, None)
    else:
        os.environ[_TRACE_ID] = trace_id


def _refusal(path: str, status: int, body: bytes) -> RuntimeApiError:
    text = body[:200].decode("utf-8", "replace").strip()
    return RuntimeApiError(f"the Runtime API answered {path} with {status}: {text}")
