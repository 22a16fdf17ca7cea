"""Requests to a Function URL: who may ask, what is refused, and the event that the rest become."""

from __future__ import annotations

import json
import re
import secrets
import time
import uuid
from dataclasses import dataclass
from typing import Final

from tailrace import limits
from tailrace.config import UrlConfig
from tailrace.emulator.functions import EmulatedFunction
from tailrace.emulator.names import FunctionName
from tailrace.emulator.service_error import ServiceError
from tailrace.emulator.url_response import BufferedAnswer, StreamedAnswer, UrlAnswer, UrlCall
from tailrace.errors import HttpError
from tailrace.net.http_server import IGNORE, Connection, Headers, Receiver, RequestHead
from tailrace.wire import cors
from tailrace.wire.cors import CorsPolicy
from tailrace.wire.http_event import RequestParts, event_from_request
from tailrace.wire.relay_head import request_headers
from tailrace.wire.runtime_api import Invocation

_MAX: Final = limits.SYNC_INVOKE_BYTES_MAX
_READ_BYTES_MAX: Final = 8 * _MAX
_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_TRACE_ROOT: Final = re.compile(r"\bRoot=(1-[0-9a-f]{8}-[0-9a-f]{24})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class UrlService:
    """What a Function URL serves; a request keeps to it to its end, whatever a reload changes."""

    function: EmulatedFunction
    config: UrlConfig
    port: int
    """Where it listens."""
    cors: CorsPolicy | None = None

    def __call__(self, head: RequestHead, connection: Connection) -> Receiver:
        """Serve a request."""
        if head.method not in _METHODS:
            raise HttpError(405, f"{head.method} is not served here")
        if self.cors is not None and cors.is_preflight(head):
            fields = [*cors.preflight_fields(self.cors, head), *_own_fields(str(uuid.uuid4()))]
            connection.respond(200, fields)
            return IGNORE
        return _UrlRequest(self, head, connection)


class _UrlRequest:
    """Collects a request's body, then has it answered.

    Also of a request that is too long the body is read: few clients look for an answer while
    they send.
    """

    __slots__ = ("_answer", "_body", "_connection", "_head", "_is_full", "_service", "_size")

    def __init__(self, service: UrlService, head: RequestHead, connection: Connection) -> None:
        self._service = service
        self._head = head
        self._connection = connection
        self._body = bytearray()
        self._size = 0
        self._is_full = False
        self._answer: UrlAnswer | None = None
        if head.expects_continue and (head.content_length or 0) > _MAX:
            raise HttpError(413, "too long")

    def on_body(self, data: bytes) -> None:
        """Collect what is within the limit."""
        self._size += len(data)
        if self._size <= _MAX:
            self._body += data
        else:
            self._body.clear()
        if self._size > _READ_BYTES_MAX and self._answer is None:  # enough
            self._run()

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
        trace_root = _trace_root(head)
        request_id = str(uuid.uuid4())
        event = _event(service, head, self._connection.peer, body, request_id, trace_root)
        payload = json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode()
        fields = _own_fields(request_id, trace_root)
        if service.cors is not None:
            fields += cors.response_fields(service.cors, head)
        call = UrlCall(
            function=service.function,
            config=service.config,
            invocation=Invocation(
                request_id=request_id,
                deadline_ms=0,  # known when an environment takes it
                function_arn=FunctionName(service.function.config.name, None).arn,
                trace_id=f"Root={trace_root};Parent={secrets.token_hex(8)};Sampled=0",
                event=payload,
            ),
            method=head.method,
            headers=fields,
            dropped=frozenset() if service.cors is None else cors.OWN_FIELDS,
        )
        is_streamed = service.config.invoke_mode == "RESPONSE_STREAM"
        make = StreamedAnswer if is_streamed else BufferedAnswer
        answer = self._answer = make(self._connection, call)
        if max(self._size, len(payload)) > _MAX:
            answer.refuse(_too_large())
            return
        if self._is_full:
            answer.on_pause()
        answer.run()


def _event(
    service: UrlService,
    head: RequestHead,
    peer: str,
    body: bytes,
    request_id: str,
    trace_root: str,
) -> dict[str, object]:
    """The event of a request.

    The emulator speaks plain HTTP and says so: it adds no x-amzn-tls-* headers.
    """
    host = (head.get(b"host") or b"").decode("latin-1")
    name, _, port = host.rpartition(":")
    given = request_headers(head)
    hops = [value for key, value in given if key == "x-forwarded-for"]
    added = {
        "x-amzn-trace-id": f"Root={trace_root}",
        "x-forwarded-for": ", ".join((*hops, peer)),
        "x-forwarded-port": str(service.port),
        "x-forwarded-proto": "http",
    }
    return event_from_request(
        RequestParts(
            method=head.method,
            path=head.path,
            query=head.query,
            headers=[field for field in given if field[0] not in added] + list(added.items()),
            body=body,
            source_ip=peer,
            request_id=request_id,
            time_epoch_ms=int(time.time() * 1000),
            domain_name=name if port.isdigit() else host,
            protocol=f"HTTP/{head.version}",
        )
    )


def _own_fields(request_id: str, trace_root: str | None = None) -> Headers:
    """What Lambda adds to every answer."""
    root = trace_root or _new_root()
    return [
        (b"x-amzn-RequestId", request_id.encode()),
        (b"X-Amzn-Trace-Id", f"root={root};sampled=0".encode()),
    ]


def _trace_root(head: RequestHead) -> str:
    """The root of the client's X-Ray trace, or a new one."""
    match = _TRACE_ROOT.search((head.get(b"x-amzn-trace-id") or b"").decode("latin-1"))
    return match[1] if match else _new_root()


def _new_root() -> str:
    return f"1-{int(time.time()):08x}-{secrets.token_hex(12)}"


def _too_large() -> ServiceError:
    """As the Invoke API words it: what a URL says is not recorded."""
    message = f"Request must be smaller than {_MAX} bytes for the InvokeFunction operation"
    return ServiceError(413, "RequestEntityTooLargeException", message)
