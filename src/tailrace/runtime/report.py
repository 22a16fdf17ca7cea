"""What the Runtime API is told of an invocation's end, as AWS's Python runtime tells it."""

from __future__ import annotations

from tailrace.function.failure import Failure
from tailrace.records import NamedTuple
from tailrace.runtime.marshal import JSON, body_from_result
from tailrace.wire.runtime_api import (
    FUNCTION_ERROR_TYPE,
    INIT_ERROR_PATH,
    INVOCATION_ID,
    Invocation,
    error_body,
    error_path,
    response_path,
)


class Report(NamedTuple):
    """One POST, whole."""

    path: str
    headers: list[tuple[str, str]]
    body: bytes


def result_report(invocation: Invocation, result: object, *, is_ascii: bool) -> Report:
    """Return how a handler's result is reported.

    Raises:
        Fault: it is not JSON.
    """
    body, media_type = body_from_result(result, is_ascii=is_ascii)
    headers = [("content-type", media_type), *_attempt(invocation)]
    return Report(response_path(invocation.request_id), headers, body)


def failure_report(invocation: Invocation, failure: Failure, *, is_ascii: bool) -> Report:
    """Return how a failed invocation is reported."""
    headers = [*_error_headers(failure), *_attempt(invocation)]
    path = error_path(invocation.request_id)
    return Report(path, headers, _error_body(failure, invocation.request_id, is_ascii))


def init_failure_report(failure: Failure, *, is_ascii: bool) -> Report:
    """Return how a handler that cannot be loaded is reported."""
    return Report(INIT_ERROR_PATH, _error_headers(failure), _error_body(failure, "", is_ascii))


def error_type_of(failure: Failure) -> str:
    """Return the category and reason of a failure, as Lambda wants them beside the body."""
    name = failure.error_type
    if name.startswith("Runtime."):
        return name
    is_simple = name.isascii() and name.isidentifier() and len(name) <= 100
    return f"Function.{name}" if is_simple else "Function.Unknown"


def _error_headers(failure: Failure) -> list[tuple[str, str]]:
    return [("content-type", JSON), (FUNCTION_ERROR_TYPE, error_type_of(failure))]


def _error_body(failure: Failure, request_id: str, is_ascii: bool) -> bytes:
    error_type, message, frames = failure
    return error_body(error_type, message, frames, request_id, is_ascii=is_ascii)


def _attempt(invocation: Invocation) -> list[tuple[str, str]]:
    """Echo the attempt's id, if and only if there was one."""
    if invocation.invocation_id is None:
        return []
    return [(INVOCATION_ID, invocation.invocation_id)]
