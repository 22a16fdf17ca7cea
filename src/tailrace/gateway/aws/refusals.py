"""Refusals of an invocation, as errors: a text for the client, and a note for the operator.

Errors as in botocore's model of Lambda, read 2026-11.
"""

from __future__ import annotations

import json
import re
from typing import Final

from tailrace.errors import (
    EndpointError,
    FunctionUnavailableError,
    InvokeError,
    PayloadTooLargeError,
    PeerError,
    ThrottledError,
)
from tailrace.net.client.request import PoolAnswer
from tailrace.wire.capability import redact

REQUEST_ID: Final = "x-amzn-requestid"
"""The header of an answer that names the invocation."""

_UNAVAILABLE: Final = frozenset((400, 402, 403, 404, 409))
"""The function is missing, not ready, or may not be invoked: another attempt fails as well."""

_SECONDS: Final = re.compile("[0-9]{1,5}").fullmatch


def too_large(payload: bytes, bytes_max: int) -> PayloadTooLargeError:
    """Return the error of an event that is too large for Lambda."""
    return PayloadTooLargeError(
        f"the request makes an event of {len(payload)} bytes; Lambda takes {bytes_max}"
    )


def refusal(answer: PoolAnswer) -> InvokeError:
    """Return Lambda's refusal as an error; texts for clients do not repeat Lambda's own."""
    name, message = error_of(answer)
    error = _refusal(answer, name)
    error.note = f"Lambda answered {answer.status} {name!a}: {message!a}"
    error.request_id = answer.headers.get(REQUEST_ID)
    return error


def error_of(answer: PoolAnswer) -> tuple[str, str]:
    """Return the name of Lambda's error, empty if it has none, and its message, shortened.

    The message may repeat the event, with anything that a client sent; the secret is left out.
    """
    name = answer.headers.get("x-amzn-errortype", "").partition(":")[0]
    return name, redact(_message(answer.body))


def unreachable(whom: str, cause: PeerError) -> EndpointError:
    """Return the error of an invocation whose connection failed to open, or broke."""
    error = EndpointError(f"{whom} cannot be reached")
    error.note = f"invoking failed: {cause}"
    return error


def _refusal(answer: PoolAnswer, name: str) -> InvokeError:
    status = answer.status
    if status == 429:
        return ThrottledError("Lambda is at its limit", retry_after_s(answer))
    if status == 413:
        return PayloadTooLargeError("the request is larger than Lambda carries")
    if status in _UNAVAILABLE and name:
        return FunctionUnavailableError("the function cannot be invoked")
    if status >= 500:
        return EndpointError("Lambda failed to take the invocation")
    return EndpointError("the Lambda endpoint gave an answer that is not Lambda's")


def retry_after_s(answer: PoolAnswer) -> int:
    """Return the time after which a refused request may be sent again; 1 if there is none."""
    seconds = _SECONDS(answer.headers.get("retry-after", ""))
    return int(seconds[0]) if seconds else 1


def _message(body: bytes) -> str:
    """Return the message of an error body, shortened; empty if there is none."""
    try:
        document = json.loads(body)
    except ValueError:
        return ""
    if not isinstance(document, dict):
        return ""
    return str(document.get("message") or document.get("Message") or "")[:200]
