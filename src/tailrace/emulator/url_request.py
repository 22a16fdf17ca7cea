"""Requests to a Function URL: access, refusals, and the events of accepted requests."""

from __future__ import annotations

import base64
import hashlib
import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from tailrace import limits
from tailrace.config import UrlConfig
from tailrace.emulator import trace
from tailrace.emulator.api_request import Refused
from tailrace.emulator.function_urls import cors
from tailrace.emulator.function_urls.cors import CorsPolicy
from tailrace.emulator.functions import EmulatedFunction
from tailrace.emulator.names import ACCOUNT, FunctionName
from tailrace.emulator.service_error import ServiceError
from tailrace.emulator.signature import SignatureFault
from tailrace.emulator.url_response import BufferedAnswer, UrlAnswer, UrlCall
from tailrace.emulator.url_stream import StreamedAnswer
from tailrace.errors import HttpError
from tailrace.net.server.listener import IGNORE, Connection, Headers, Receiver, RequestHead
from tailrace.net.server.refusals import WebGuard
from tailrace.wire.events.function_url import event_from_request
from tailrace.wire.forwarded import forwarded_fields
from tailrace.wire.runtime_api import Invocation

FindFault: TypeAlias = Callable[[RequestHead, bytes], SignatureFault | None]

_MAX: Final = limits.SYNC_INVOKE_BYTES_MAX
_READ_BYTES_MAX: Final = 8 * _MAX
_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


@dataclass(frozen=True, slots=True)
class UrlService:
    """What a Function URL serves. A reload makes a new one; requests keep theirs to the end."""

    function: EmulatedFunction
    config: UrlConfig
    port: int
    """Where it listens."""
    access_key_id: str
    """Of the key pair that AWS_IAM accepts."""
    guard: WebGuard
    find_fault: FindFault | None = None
    """Returns what is wrong with a request's signature; None if requests need none."""
    cors: CorsPolicy | None = None

    @property
    def arn(self) -> str:
        """Of the function."""
        return FunctionName(self.function.config.name, None).arn

    def trace_text(self, root: str) -> str:
        """The trace of a request, for the runtime and for the client."""
        return trace.with_lineage(root, self.arn)

    def __call__(self, head: RequestHead, connection: Connection) -> Receiver:
        """Serve a request."""
        if head.method not in _METHODS:
            raise HttpError(405, f"{head.method} is not served here")
        refusal = self.guard.find_refusal(head)
        if refusal is not None:
            return Refused(connection, ServiceError(403, "AccessDeniedException", str(refusal)))
        if self.cors is not None and cors.is_preflight(head):
            own = trace.answer_fields(str(uuid.uuid4()), self.trace_text(trace.root_of(head)))
            fields = [*cors.preflight_fields(self.cors, head), *own]
            connection.respond(200, fields)
            return IGNORE
        return _UrlRequest(self, head, connection)


class _UrlRequest:
    """Collects a request's body, then has it answered.

    The body of a request that is too long is read as well: few clients read an answer while they
    send.
    """

    __slots__ = ("_answer", "_body", "_connection", "_head", "_is_full", "_service", "_size")

    def __init__(self, service: UrlService, head: RequestHead, connection: Connection) -> None:
        self._service = service
        self._head = head
        self._connection = connection
        self._body = bytearray()
        self._size = 0
        self._answer: UrlAnswer | None = None
        self._is_full = False  # of the response before, and of our `100 Continue`
        if head.expects_continue and (head.content_length or 0) > _MAX:
            self._size = head.content_length or 0
            self._run()

    def on_body(self, data: bytes) -> None:
        """Collect what is within the limit."""
        self._size += len(data)
        if self._size <= _MAX:
            self._body += data
        else:
            self._body.clear()
        if self._size > _READ_BYTES_MAX and self._answer is None:  # enough
            self._run()  # the connection ends with the answer

    def on_end(self, trailers: Headers) -> None:
        """The request is complete."""
        self._run()

    def on_gone(self) -> None:
        """The client has left."""
        if self._answer is not None:
            self._answer.on_gone()

    def on_pause(self) -> None:
        """The client reads slowly."""
        self._is_full = True
        if self._answer is not None:
            self._answer.on_pause()

    def on_resume(self) -> None:
        """The client has caught up."""
        self._is_full = False
        if self._answer is not None:
            self._answer.on_resume()

    def _run(self) -> None:
        body, self._body = bytes(self._body), bytearray()
        service, head = self._service, self._head
        request_id, trace_root = str(uuid.uuid4()), trace.root_of(head)
        event = _event(service, head, self._connection.peer, body, request_id, trace_root)
        payload = json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode()
        call = _call(service, head, request_id, trace_root, payload)
        make = StreamedAnswer if service.config.invoke_mode == "RESPONSE_STREAM" else BufferedAnswer
        answer = self._answer = make(self._connection, call)
        if max(self._size, len(payload)) > _MAX:
            answer.refuse(_too_large())
        elif service.find_fault is not None and (fault := service.find_fault(head, body)):
            call.note(f"403: {fault.reason}")
            answer.refuse(fault.answer)
        else:
            answer.run()
            if self._is_full:
                answer.on_pause()


def _call(
    service: UrlService, head: RequestHead, request_id: str, trace_root: str, payload: bytes
) -> UrlCall:
    trace_text = service.trace_text(trace_root)
    fields = trace.answer_fields(request_id, trace_text)
    if service.cors is not None:
        fields += cors.response_fields(service.cors, head)
    return UrlCall(
        function=service.function,
        config=service.config,
        invocation=Invocation(
            request_id=request_id,
            deadline_ms=0,  # set when an environment takes the invocation
            function_arn=service.arn,
            trace_id=trace_text,
            event=payload,
        ),
        method=head.method,
        headers=fields,
        has_cors=service.cors is not None,
    )


def _event(
    service: UrlService,
    head: RequestHead,
    peer: str,
    body: bytes,
    request_id: str,
    trace_root: str,
) -> dict[str, Any]:
    """The event of a request.

    The emulator serves plain HTTP, so it adds no x-amzn-tls-* headers. With AWS_IAM there is one
    account, and all names of its caller are derived from the access key.
    """
    headers, _ = forwarded_fields(head, peer, trace=f"Root={trace_root}", port=str(service.port))
    headers[-4:] = sorted(headers[-4:])  # those that were added: the trace comes first
    event = event_from_request(
        method=head.method,
        path=head.path,
        query=head.query,
        headers=headers,
        body=body,
        source_ip=peer,
        request_id=request_id,
        time_epoch_ms=int(time.time() * 1000),
        host=(head.get(b"host") or b"").decode("latin-1"),
        protocol=f"HTTP/{head.version}",
        account_id="anonymous" if service.find_fault is None else ACCOUNT,
    )
    context = event["requestContext"]
    context["apiId"] = context["domainPrefix"] = url_id(service.function.config.name)
    if service.find_fault is not None:
        context["authorizer"] = {"iam": _identity(service.access_key_id)}
    return event


def url_id(name: str) -> str:
    """Return the label before `.lambda-url.` on AWS: 32 letters and digits, fixed for a name."""
    digest = hashlib.sha256(name.encode()).digest()
    return base64.b32encode(digest).decode().lower()[:32]


def _identity(access_key_id: str) -> dict[str, str | None]:
    return {
        "accessKey": access_key_id,
        "accountId": ACCOUNT,
        "callerId": access_key_id,
        "cognitoIdentity": None,
        "principalOrgId": None,
        "userArn": f"arn:aws:iam::{ACCOUNT}:user/{access_key_id}",
        "userId": access_key_id,
    }


def _too_large() -> ServiceError:
    """Return the error of the Invoke API; the one of a Function URL is not recorded."""
    message = f"Request must be smaller than {_MAX} bytes for the InvokeFunction operation"
    return ServiceError(413, "RequestEntityTooLargeException", message)
