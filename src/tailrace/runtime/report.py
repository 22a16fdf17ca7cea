"""Requests that report an invocation's outcome to the Runtime API, as AWS's runtime does."""

from __future__ import annotations

from tailrace.function.failure import Failure, Fault, describe
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

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from typing import TypeAlias

    RuntimeReport: TypeAlias = tuple[str, list[tuple[str, str]], bytes]
    """One POST request: path, headers and body."""


def failure_of(error: BaseException) -> Failure:
    """Return the failure that is reported for an exception."""
    return error.failure if isinstance(error, Fault) else describe(error)


def result_report(invocation: Invocation, result: object, *, is_ascii: bool) -> RuntimeReport:
    """Return the report of a handler's result.

    Raises:
        Fault: it is not JSON.
    """
    body, media_type = body_from_result(result, is_ascii=is_ascii)
    headers = [("content-type", media_type), *_attempt(invocation)]
    return response_path(invocation.request_id), headers, body


def failure_report(invocation: Invocation, failure: Failure, *, is_ascii: bool) -> RuntimeReport:
    """Return the report of a failed invocation."""
    headers = [*_error_headers(failure), *_attempt(invocation)]
    path = error_path(invocation.request_id)
    return path, headers, _error_body(failure, invocation.request_id, is_ascii)


def init_failure_report(failure: Failure, *, is_ascii: bool) -> RuntimeReport:
    """Return the report of a handler that cannot be loaded."""
    return INIT_ERROR_PATH, _error_headers(failure), _error_body(failure, "", is_ascii)


def snapshot_failure_report(
    path: str, error_type: str, failure: Failure, *, is_ascii: bool
) -> RuntimeReport:
    """Return the report of a hook that failed; the header has another type than the body."""
    headers = [("content-type", JSON), (FUNCTION_ERROR_TYPE, error_type)]
    return path, headers, _error_body(failure, "", is_ascii)


def error_type_of(failure: Failure) -> str:
    """Return the category and reason of a failure, for the header beside the error's body."""
    name = failure.error_type
    if name.startswith("Runtime."):
        return name
    is_simple = name.isascii() and name.isidentifier() and len(name) <= 100
    return f"Function.{name}" if is_simple else "Function.Unknown"


def _error_headers(failure: Failure) -> list[tuple[str, str]]:
    return [("content-type", JSON), (FUNCTION_ERROR_TYPE, error_type_of(failure))]


def _error_body(failure: Failure, request_id: str, is_ascii: bool) -> bytes:
    error_type, message, frames = failure[:3]
    return error_body(error_type, message, frames, request_id, is_ascii=is_ascii)


def _attempt(invocation: Invocation) -> list[tuple[str, str]]:
    """Return the header that echoes the attempt's id, if the event had one."""
    if invocation.invocation_id is None:
        return []
    return [(INVOCATION_ID, invocation.invocation_id)]
