"""next → handler → response or error, until the process ends."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn

from tailrace.errors import RuntimeApiError
from tailrace.function.failure import Failure, log_failure
from tailrace.limits import ANSWER_TIMEOUT_S
from tailrace.net.http_answer import Answer
from tailrace.net.http_keep_alive import KeepAliveClient
from tailrace.runtime.context import LambdaContext
from tailrace.runtime.fault import failure_of
from tailrace.runtime.logs import RequestIdFilter, flush_output
from tailrace.runtime.marshal import JSON, body_from_result, event_from_json
from tailrace.wire.runtime_api import (
    FUNCTION_ERROR_TYPE,
    INIT_ERROR_PATH,
    INVOCATION_ID,
    NEXT_PATH,
    Invocation,
    error_body,
    error_path,
    parse_next,
    response_path,
)

HandlerFunction = Callable[[Any, Any], Any]

_TRACE_ID: Final = "_X_AMZN_TRACE_ID"
_STALE: Final = 410
_TOO_LARGE: Final = 413


class InvocationLoop:
    """Asks one Runtime API for events and reports what becomes of them."""

    def __init__(
        self, api: KeepAliveClient, request_ids: RequestIdFilter, environment: Mapping[str, str]
    ) -> None:
        self._api = api
        self._request_ids = request_ids
        self._environment = environment

    def run(self, handler: HandlerFunction) -> NoReturn:
        """Serve for ever.

        Raises:
            RuntimeApiError: the Runtime API answered what it must not.
            PeerError: it is gone.
            SystemExit: a handler's own, or that of a signal.
        """
        while True:
            answer = self._api.request("GET", NEXT_PATH, timeout_s=None)
            if answer.status != 200:
                raise _refusal(NEXT_PATH, answer)
            self._serve(handler, parse_next(answer.headers, answer.body))

    def report_init_error(self, error: BaseException) -> None:
        """Log why the handler cannot be loaded, and tell the Runtime API."""
        failure = failure_of(error)
        log_failure(failure, None)
        self._api.request(
            "POST",
            INIT_ERROR_PATH,
            _error_headers(failure),
            error_body(failure.error_type, failure.message, failure.stack_trace, ""),
            timeout_s=ANSWER_TIMEOUT_S,
        )

    def _serve(self, handler: HandlerFunction, invocation: Invocation) -> None:
        self._request_ids.request_id = invocation.request_id
        _set_trace_id(invocation.trace_id)
        try:
            context = LambdaContext(invocation, self._environment)
            result = _call(handler, event_from_json(invocation.event), context)
            body, media_type = body_from_result(result)
        except Exception as error:
            failure = failure_of(error)
            log_failure(failure, invocation.request_id)
            headers = _error_headers(failure)
            path = error_path(invocation.request_id)
            body = error_body(
                failure.error_type, failure.message, failure.stack_trace, invocation.request_id
            )
        else:
            headers = [("content-type", media_type)]
            path = response_path(invocation.request_id)
        flush_output()
        self._report(path, headers, body, invocation.invocation_id)

    def _report(
        self, path: str, headers: list[tuple[str, str]], body: bytes, invocation_id: str | None
    ) -> None:
        if invocation_id is not None:
            headers = [*headers, (INVOCATION_ID, invocation_id)]
        answer = self._api.request("POST", path, headers, body, timeout_s=ANSWER_TIMEOUT_S)
        # 410: this attempt is stale, its result is not wanted. 413: the caller has been told.
        if answer.status // 100 != 2 and answer.status not in (_STALE, _TOO_LARGE):
            raise _refusal(path, answer)


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


def _error_headers(failure: Failure) -> list[tuple[str, str]]:
    name = failure.error_type
    if not name.startswith("Runtime."):
        name = f"Function.{name}" if name.isascii() and name.isidentifier() else "Function.Unknown"
    return [("content-type", JSON), (FUNCTION_ERROR_TYPE, name)]


def _refusal(path: str, answer: Answer) -> RuntimeApiError:
    text = answer.body[:200].decode("utf-8", "replace").strip()
    return RuntimeApiError(f"the Runtime API answered {path} with {answer.status}: {text}")
