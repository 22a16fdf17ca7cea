"""Messages of Lambda's Runtime API, version 2018-06-01: names, paths, headers, error bodies.

Source: Lambda Developer Guide "runtimes-api" (read 2026-11); headers added since, and the error
bodies, from AWS's runtime clients and emulator. Header names are spelled in lower case.
"""

from __future__ import annotations

import json

from tailrace.errors import RuntimeApiError
from tailrace.records import NamedTuple

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Final, Literal

NEXT_PATH: Final = "/2018-06-01/runtime/invocation/next"
INIT_ERROR_PATH: Final = "/2018-06-01/runtime/init/error"
RESTORE_NEXT_PATH: Final = "/2018-06-01/runtime/restore/next"
"""With SnapStart: answered when the environment has been restored from its snapshot."""
RESTORE_ERROR_PATH: Final = "/2018-06-01/runtime/restore/error"
PING_PATH: Final = "/2018-06-01/ping"
INVOCATION_PREFIX: Final = "/2018-06-01/runtime/invocation/"

MEDIA_TYPE: Final = "application/json"
"""Of an event, spelled exactly so: without it AWS's clients for Node.js and Python crash, and the
latter hands an event of any other type on as bytes."""

REQUEST_ID: Final = "lambda-runtime-aws-request-id"
DEADLINE_MS: Final = "lambda-runtime-deadline-ms"
FUNCTION_ARN: Final = "lambda-runtime-invoked-function-arn"
TRACE_ID: Final = "lambda-runtime-trace-id"
CLIENT_CONTEXT: Final = "lambda-runtime-client-context"
COGNITO_IDENTITY: Final = "lambda-runtime-cognito-identity"
TENANT_ID: Final = "lambda-runtime-aws-tenant-id"
INVOCATION_ID: Final = "lambda-runtime-invocation-id"
"""Of one attempt; a runtime sends it back with its response or error."""

FUNCTION_ERROR_TYPE: Final = "lambda-runtime-function-error-type"
"""Header of an error report, and trailer of a streamed response that failed."""
FUNCTION_ERROR_BODY: Final = "lambda-runtime-function-error-body"
"""Trailer of a streamed response that failed: the error body in base64."""
RESPONSE_MODE: Final = "lambda-runtime-function-response-mode"

ACCEPTED_BODY: Final = b'{"status":"OK"}\n'
"""Of the 202 that answers a response or an error."""


class Invocation(NamedTuple):
    """One event for a runtime, and its headers; None for a header that is not sent."""

    request_id: str
    deadline_ms: int
    """Wall clock, milliseconds since 1970."""
    function_arn: str
    trace_id: str | None = None
    client_context: str | None = None
    """JSON text, decoded from the caller's base64."""
    cognito_identity: str | None = None
    """JSON text."""
    tenant_id: str | None = None
    invocation_id: str | None = None
    event: bytes = b"{}"


def next_headers(invocation: Invocation) -> list[tuple[str, str]]:
    """Return the headers of a `next` response, content type included.

    In values every character is one byte, as HTTP sends it: JSON beyond ASCII is UTF-8, and its
    line breaks, which are only layout, become spaces.
    """
    headers = [
        ("content-type", MEDIA_TYPE),
        (REQUEST_ID, invocation.request_id),
        (DEADLINE_MS, str(invocation.deadline_ms)),
        (FUNCTION_ARN, invocation.function_arn),
    ]
    optional = (
        (TRACE_ID, invocation.trace_id),
        (CLIENT_CONTEXT, invocation.client_context),
        (COGNITO_IDENTITY, invocation.cognito_identity),
        (TENANT_ID, invocation.tenant_id),
        (INVOCATION_ID, invocation.invocation_id),
    )
    headers += [(name, _field_text(value)) for name, value in optional if value is not None]
    return headers


def parse_next(headers: Mapping[str, str], body: bytes) -> Invocation:
    """Read a `next` response; names in lower case, values decoded as Latin-1.

    Raises:
        RuntimeApiError: the request id or the deadline is missing or malformed.
    """
    request_id = headers.get(REQUEST_ID, "")
    if not request_id:
        raise RuntimeApiError(f"the Runtime API sent no {REQUEST_ID}")
    deadline = headers.get(DEADLINE_MS, "")
    if not (deadline.isascii() and deadline.isdigit() and len(deadline) <= 18):
        raise RuntimeApiError(f"the Runtime API sent no legal {DEADLINE_MS}: {deadline[:40]!r}")
    return Invocation(
        request_id=request_id,
        deadline_ms=int(deadline),
        function_arn=headers.get(FUNCTION_ARN, ""),
        trace_id=headers.get(TRACE_ID),
        client_context=_json_text(headers.get(CLIENT_CONTEXT)),
        cognito_identity=_json_text(headers.get(COGNITO_IDENTITY)),
        tenant_id=headers.get(TENANT_ID),
        invocation_id=headers.get(INVOCATION_ID),
        event=body,
    )


def response_path(request_id: str) -> str:
    """Return the path that takes the response of an invocation."""
    return f"{INVOCATION_PREFIX}{request_id}/response"


def error_path(request_id: str) -> str:
    """Return the path that takes the error of an invocation."""
    return f"{INVOCATION_PREFIX}{request_id}/error"


def parse_answer_path(path: str) -> tuple[str, Literal["response", "error"]] | None:
    """Return request id and kind of a response or error path, None for any other path."""
    if not path.startswith(INVOCATION_PREFIX):
        return None
    request_id, _, kind = path.removeprefix(INVOCATION_PREFIX).partition("/")
    if not request_id:
        return None
    if kind == "response":
        return request_id, "response"
    if kind == "error":
        return request_id, "error"
    return None


def error_body(
    error_type: str,
    message: str,
    stack_trace: Iterable[str] | None,
    request_id: str | None = None,
    *,
    is_ascii: bool = True,
) -> bytes:
    """Return an error as AWS's Python runtime reports it; Lambda passes it on unchanged.

    With `is_ascii` text beyond ASCII is escaped; otherwise it is UTF-8, except lone surrogates.

    An error of the init phase has an empty request id. The errors of Lambda itself
    (`Runtime.ExitError`, `Sandbox.Timedout`) have neither stack trace nor id: None leaves them out.
    """
    error: dict[str, object] = {"errorMessage": message, "errorType": error_type}
    if request_id is not None:
        error["requestId"] = request_id
    if stack_trace is not None:
        error["stackTrace"] = list(stack_trace)
    try:
        return json.dumps(error, ensure_ascii=is_ascii).encode("utf-8")
    except UnicodeEncodeError:
        return json.dumps(error).encode("ascii")


def api_error_body(error_type: str, message: str) -> bytes:
    """Return the body of a refusal by the Runtime API itself."""
    return json.dumps({"errorMessage": message, "errorType": error_type}).encode("ascii") + b"\n"


def _field_text(value: str) -> str:
    text = "".join(" " if ord(char) < 0x20 or char == "\x7f" else char for char in value)
    return text.strip(" ").encode("utf-8", "replace").decode("latin-1")


def _json_text(value: str | None) -> str | None:
    return None if value is None else value.encode("latin-1", "replace").decode("utf-8", "replace")
