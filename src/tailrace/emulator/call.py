"""What the calls that run a function have in common: their headers, and their payload's checks.

Signatures are not verified. Concurrency law: everything is a callback of one event loop; a caller
that leaves does not stop the function, as on Lambda.
"""

from __future__ import annotations

import base64
import json
import re
import uuid
from dataclasses import dataclass
from typing import Final

from tailrace import limits
from tailrace.emulator import trace
from tailrace.emulator.api_request import ApiRequest
from tailrace.emulator.directory import Directory
from tailrace.emulator.functions import EmulatedFunction
from tailrace.emulator.names import VERSION, FunctionName
from tailrace.emulator.service_error import ServiceError, invalid_value
from tailrace.net import json_text
from tailrace.net.server.listener import Connection, Headers, RequestHead
from tailrace.wire.runtime_api import Invocation

EXECUTED_VERSION: Final = (b"X-Amz-Executed-Version", VERSION.encode())

_LOG_TYPES: Final = ("None", "Tail")
_CLIENT_CONTEXT_CHARS_MAX: Final = 3_583
_TENANT: Final = re.compile(r"[a-zA-Z0-9._:/=+\-@ ]{1,256}")


@dataclass(frozen=True, slots=True)
class Call:
    """The head of a call, understood."""

    function: EmulatedFunction
    name: FunctionName
    request_id: str
    invocation_type: str
    has_log_tail: bool
    client_context: str | None
    tenant_id: str | None
    trace_root: str
    payload_bytes_max: int

    @property
    def is_event(self) -> bool:
        """Whether nobody waits for the result."""
        return self.invocation_type == "Event"

    def headers(self) -> Headers:
        """The headers of every answer to this call."""
        return trace.answer_fields(self.request_id, trace.for_caller(self.trace_root))

    def invocation(self, payload: bytes) -> Invocation:
        """What the runtime will be given. Lambda gives no client context to an Event."""
        return Invocation(
            request_id=self.request_id,
            deadline_ms=0,  # known when an environment takes it
            function_arn=self.name.arn,
            trace_id=trace.for_runtime(self.trace_root),
            client_context=None if self.is_event else self.client_context,
            tenant_id=self.tenant_id,
            event=payload or b"{}",  # runtimes die of an event that is not JSON
        )


def read_call(
    directory: Directory,
    head: RequestHead,
    segment: str,
    types: tuple[str, ...],
    event_bytes_max: int = limits.EVENT_INVOKE_BYTES_MAX,
) -> Call:
    """Understand the head of a call; `types` are the invocation types it takes, default first.

    Raises:
        ServiceError: there is no such function, or a header has no legal value.
    """
    name, function = directory.find(head, segment, version=VERSION)
    invocation_type = _choice(head, b"x-amz-invocation-type", types)
    is_event = invocation_type == "Event"
    return Call(
        function=function,
        name=name,
        request_id=str(uuid.uuid4()),
        invocation_type=invocation_type,
        has_log_tail=_choice(head, b"x-amz-log-type", _LOG_TYPES) == "Tail" and not is_event,
        client_context=_client_context(head),
        tenant_id=_tenant_id(head),
        trace_root=trace.root_of(head),
        payload_bytes_max=event_bytes_max if is_event else limits.SYNC_INVOKE_BYTES_MAX,
    )


class CallRequest(ApiRequest):
    """A request that runs a function with its payload."""

    __slots__ = ("call",)

    def __init__(self, connection: Connection, call: Call) -> None:
        super().__init__(connection, call.payload_bytes_max)
        self.call = call

    def own_headers(self) -> Headers:
        """See `ApiRequest`."""
        return self.call.headers()

    def answer(self, payload: bytes) -> None:
        """Check the payload and go on with what the type says."""
        if self.payload_size > self.call.payload_bytes_max:
            raise _too_large(self.call, self.payload_size)
        _check_json(payload)
        if self.call.invocation_type == "DryRun":
            self.connection.respond(204, self.headers())
        else:
            self.run(self.call.invocation(payload))

    def run(self, invocation: Invocation) -> None:
        """Run the function.

        Raises:
            ServiceError: it cannot be run now.
        """
        raise NotImplementedError


def _too_large(call: Call, size: int) -> ServiceError:
    most = call.payload_bytes_max
    if call.is_event:
        message = (
            f"{size} byte payload is too large for the Event invocation type (limit {most} bytes)"
        )
    else:
        message = f"Request must be smaller than {most} bytes for the InvokeFunction operation"
    return ServiceError(413, "RequestEntityTooLargeException", message)


def _check_json(payload: bytes) -> None:
    """Refuse what is not JSON."""
    if not payload:
        return
    try:
        json_text.check(payload)
    except ValueError as error:
        raise ServiceError(
            400,
            "InvalidRequestContentException",
            f"Could not parse request body into json: Could not parse payload into json: {error}",
            extra={"Type": "User"},
        ) from None


def _choice(head: RequestHead, name: bytes, allowed: tuple[str, ...]) -> str:
    """A header with a fixed set of values; the first one is meant when it is absent."""
    value = head.get(name)
    if value is None:
        return allowed[0]
    text = value.decode("latin-1")
    if text not in allowed:
        constraint = f"Member must satisfy enum value set: [{', '.join(allowed)}]"
        raise invalid_value(name.decode(), text, constraint)
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
        raise invalid_value("x-amz-tenant-id", text, pattern)
    return text
