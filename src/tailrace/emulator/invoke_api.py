"""Lambda's Invoke API (2015-03-31): requests of real clients to attempts and queued events.

Signatures are not verified. Concurrency law: everything is a callback of one event loop; a caller
that leaves does not stop the function, as on Lambda.
"""

from __future__ import annotations

import base64
import json
import re
import secrets
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs

from tailrace import limits
from tailrace.emulator.functions import EmulatedFunction
from tailrace.emulator.invocation import REFUSED, Attempt
from tailrace.emulator.names import VERSION, FunctionName, parse_name
from tailrace.emulator.service_error import ServiceError, function_not_found, too_many_requests
from tailrace.net.http_server import Connection, Headers, Receiver, RequestHead
from tailrace.wire.runtime_api import Invocation

_PATH: Final = re.compile(r"/2015-03-31/functions/([^/]+)/invocations")
_JSON: Final = (b"content-type", b"application/json")
_TYPES: Final = ("RequestResponse", "Event", "DryRun")
_LOG_TYPES: Final = ("None", "Tail")
_CLIENT_CONTEXT_CHARS_MAX: Final = 3_583
_READ_BYTES_MAX: Final = 8 * limits.SYNC_INVOKE_BYTES_MAX
_TRACE_ROOT: Final = re.compile(r"\bRoot=(1-[0-9a-f]{8}-[0-9a-f]{24})", re.IGNORECASE)
_TENANT: Final = re.compile(r"[a-zA-Z0-9._:/=+\-@ ]{1,256}")


@dataclass(frozen=True, slots=True)
class _Call:
    """The head of one Invoke request, understood."""

    function: EmulatedFunction
    name: FunctionName
    request_id: str
    invocation_type: str
    has_log_tail: bool
    client_context: str | None
    tenant_id: str | None
    trace_id: str
    bytes_max: int

    def headers(self) -> Headers:
        """The headers of every answer to this call."""
        root = self.trace_id.partition(";")[0].removeprefix("Root=")
        return [
            (b"x-amzn-RequestId", self.request_id.encode()),
            (b"x-amzn-Remapped-Content-Length", b"0"),
            (b"X-Amzn-Trace-Id", f"root={root};sampled=0".encode()),
        ]

    def invocation(self, payload: bytes) -> Invocation:
        """What the runtime will be given. Lambda gives no client context to an Event."""
        is_event = self.invocation_type == "Event"
        return Invocation(
            request_id=self.request_id,
            deadline_ms=0,  # known when an environment takes it
            function_arn=self.name.arn,
            trace_id=self.trace_id,
            client_context=None if is_event else self.client_context,
            tenant_id=self.tenant_id,
            event=payload or b"{}",  # runtimes die of an event that is not JSON
        )


class InvokeApi:
    """The application of the emulator's HTTP server."""

    def __init__(self, functions: Mapping[str, EmulatedFunction]) -> None:
        self._functions = functions

    def __call__(self, head: RequestHead, connection: Connection) -> Receiver:
        """Serve a request."""
        request_id = str(uuid.uuid4())
        try:
            match = _PATH.fullmatch(head.path)
            if match is not None and head.method == "POST":
                return _Request(connection, self._read_call(head, match[1], request_id))
            if head.path == "/" and head.method in ("GET", "HEAD"):
                return _Request(connection, self._listing(head))
            raise ServiceError(
                404, "UnknownOperationException", f"not emulated: {head.method} {head.path[:200]}"
            )
        except ServiceError as error:
            return _Request(connection, error)

    def _read_call(self, head: RequestHead, segment: str, request_id: str) -> _Call:
        qualifiers = parse_qs(head.query, keep_blank_values=True).get("Qualifier", [None])
        name = parse_name(segment, qualifiers[0])
        function = self._functions.get(name.name)
        if function is None:
            qualifier = name.qualifier or VERSION
            raise function_not_found(FunctionName(name.name, qualifier).arn)
        invocation_type = _choice(head, b"x-amz-invocation-type", _TYPES)
        is_event = invocation_type == "Event"
        return _Call(
            function=function,
            name=name,
            request_id=request_id,
            invocation_type=invocation_type,
            has_log_tail=_choice(head, b"x-amz-log-type", _LOG_TYPES) == "Tail" and not is_event,
            client_context=_client_context(head),
            tenant_id=_tenant_id(head),
            trace_id=_trace_id(head),
            bytes_max=limits.EVENT_INVOKE_BYTES_MAX if is_event else limits.SYNC_INVOKE_BYTES_MAX,
        )

    def _listing(self, head: RequestHead) -> bytes:
        base = "http://" + (head.get(b"host") or b"127.0.0.1").decode("latin-1")
        listing = {
            "service": "tailrace emulator",
            "functions": {
                name: f"{base}/2015-03-31/functions/{name}/invocations" for name in self._functions
            },
            "try": f"aws lambda invoke --endpoint-url {base} --function-name NAME /dev/stdout",
        }
        return json.dumps(listing, indent=2).encode() + b"\n"


class _Request:
    """Receives the payload of a request, and answers behind it: a call, a refusal, or a page.

    Also of a request that is refused the payload is read to its end: SDKs do not look for an
    answer while they send.
    """

    __slots__ = ("_connection", "_is_gone", "_pieces", "_plan", "_size")

    def __init__(self, connection: Connection, plan: _Call | ServiceError | bytes) -> None:
        self._connection = connection
        self._plan = plan
        self._is_gone = False
        self._pieces: list[bytes] = []
        self._size = 0

    def on_body(self, data: bytes) -> None:
        """Collect what is within the limit."""
        self._size += len(data)
        plan = self._plan
        if isinstance(plan, _Call) and self._size <= plan.bytes_max:
            self._pieces.append(data)
        else:
            self._pieces.clear()
        if self._size > _READ_BYTES_MAX:  # enough: the connection ends with the answer
            self._conclude()

    def on_end(self, trailers: Headers) -> None:
        """The payload is complete."""
        self._conclude()

    def on_gone(self) -> None:
        """The caller has left; what runs goes on."""
        self._is_gone = True

    def on_pause(self) -> None:
        """Answers are written whole."""

    def on_resume(self) -> None:
        """See `on_pause`."""

    def _conclude(self) -> None:
        plan = self._plan
        try:
            match plan:
                case _Call():
                    self._invoke(plan)
                case ServiceError():
                    raise plan
                case _:
                    self._connection.respond(200, [_JSON], plan)
        except ServiceError as error:
            self._refuse(error)

    def _invoke(self, call: _Call) -> None:
        if self._size > call.bytes_max:
            raise _too_large(call, self._size)
        payload, self._pieces = b"".join(self._pieces), []
        _check_json(payload)
        invocation = call.invocation(payload)
        match call.invocation_type:
            case "DryRun":
                self._connection.respond(204, call.headers())
            case "Event":
                if not call.function.enqueue(invocation):
                    raise too_many_requests("FunctionInvocationRateLimitExceeded")
                self._connection.respond(202, call.headers())
            case _:
                attempt = call.function.invoke(invocation)
                if attempt is None:
                    raise _busy()
                # The log is complete a little later than the outcome.
                if call.has_log_tail:
                    attempt.ended.add_done_callback(
                        lambda tail: self._answer(attempt, tail.result())
                    )
                else:
                    attempt.outcome.add_done_callback(lambda _: self._answer(attempt))

    def _answer(self, attempt: Attempt, log_tail: bytes | None = None) -> None:
        if self._is_gone:
            return
        assert isinstance(self._plan, _Call)
        outcome = attempt.outcome.result()
        if outcome is REFUSED:
            self._refuse(_busy())
            return
        headers = [_JSON, *self._plan.headers(), (b"X-Amz-Executed-Version", VERSION.encode())]
        if outcome.error_type is not None:
            headers.append((b"X-Amz-Function-Error", b"Unhandled"))
        if log_tail is not None:
            headers.append((b"X-Amz-Log-Result", base64.b64encode(log_tail)))
        self._connection.respond(200, headers, outcome.payload)

    def _refuse(self, error: ServiceError) -> None:
        headers = error.headers()
        if isinstance(self._plan, _Call):
            headers += self._plan.headers()
        self._connection.respond(error.status, headers, error.body())


def _busy() -> ServiceError:
    return too_many_requests("ReservedFunctionConcurrentInvocationLimitExceeded")


def _too_large(call: _Call, size: int) -> ServiceError:
    if call.invocation_type == "Event":
        message = (
            f"{size} byte payload is too large for the Event invocation type "
            f"(limit {call.bytes_max} bytes)"
        )
    else:
        message = (
            f"Request must be smaller than {call.bytes_max} bytes for the InvokeFunction operation"
        )
    return ServiceError(413, "RequestEntityTooLargeException", message)


def _check_json(payload: bytes) -> None:
    """Refuse what is not JSON; numbers are not converted, whatever their length."""
    if not payload:
        return
    try:
        json.loads(
            payload.decode("utf-8"),
            parse_int=str,
            parse_float=str,
            parse_constant=_refuse_constant,
        )
    except (ValueError, RecursionError) as error:
        raise ServiceError(
            400,
            "InvalidRequestContentException",
            "Could not parse request body into json: Could not parse payload into json: "
            f"{error or 'too deeply nested'}",
            extra={"Type": "User"},
        ) from None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"Unexpected token {name}")


def _choice(head: RequestHead, name: bytes, allowed: tuple[str, ...]) -> str:
    """A header with a fixed set of values; the first one is meant when it is absent."""
    value = head.get(name)
    if value is None:
        return allowed[0]
    text = value.decode("latin-1")
    if text not in allowed:
        raise _invalid(name, text, f"Member must satisfy enum value set: [{', '.join(allowed)}]")
    return text


def _client_context(head: RequestHead) -> str | None:
    """The caller's client context: JSON text out of its base64."""
    value = head.get(b"x-amz-client-context")
    if not value:
        return None
    try:
        if len(value) > _CLIENT_CONTEXT_CHARS_MAX:
            raise ValueError("too long")
        text = base64.b64decode(value, validate=True).decode("utf-8")
        json.loads(text)
    except (ValueError, RecursionError):
        raise ServiceError(
            400,
            "InvalidRequestContentException",
            "Client context must be a valid Base64-encoded JSON object.",
            extra={"Type": "User"},
        ) from None
    return text


def _tenant_id(head: RequestHead) -> str | None:
    value = head.get(b"x-amz-tenant-id")
    if value is None:
        return None
    text = value.decode("latin-1")
    if not _TENANT.fullmatch(text):
        pattern = f"Member must satisfy regular expression pattern: {_TENANT.pattern}"
        raise _invalid(b"x-amz-tenant-id", text, pattern)
    return text


def _invalid(name: bytes, value: str, constraint: str) -> ServiceError:
    return ServiceError(
        400,
        "ValidationException",
        f"1 validation error detected: Value '{value[:100]}' at '{name.decode()}' "
        f"failed to satisfy constraint: {constraint}",
    )


def _trace_id(head: RequestHead) -> str:
    """An X-Ray trace header: the caller's root, if there is one, and a parent of our own."""
    match = _TRACE_ROOT.search((head.get(b"x-amzn-trace-id") or b"").decode("latin-1"))
    root = match[1] if match else f"1-{int(time.time()):08x}-{secrets.token_hex(12)}"
    return f"Root={root};Parent={secrets.token_hex(8)};Sampled=0"
