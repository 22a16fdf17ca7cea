"""The types of a handler's arguments, for annotations. Nothing here runs."""

from __future__ import annotations

from typing import Any, NotRequired, Protocol, TypeAlias, TypedDict


class EventHttp(TypedDict):
    """The request line and the client, in an event."""

    method: str
    path: str
    protocol: str
    sourceIp: str
    userAgent: str


class EventContext(TypedDict):
    """The `requestContext` of an event."""

    accountId: str
    apiId: str
    domainName: str
    domainPrefix: str
    http: EventHttp
    requestId: str
    routeKey: str
    stage: str
    time: str
    timeEpoch: int
    authentication: NotRequired[Any]
    authorizer: NotRequired[Any]


class EventMark(TypedDict):
    """The gateway's mark."""

    v: int
    callback: NotRequired[str]
    transport: NotRequired[str]
    frames: NotRequired[int]


class HttpEvent(TypedDict):
    """An event of payload format 2.0: of a Function URL, an HTTP API, or the gateway."""

    version: str
    routeKey: str
    rawPath: str
    rawQueryString: str
    headers: dict[str, str]
    requestContext: EventContext
    isBase64Encoded: bool
    cookies: NotRequired[list[str]]
    queryStringParameters: NotRequired[dict[str, str]]
    pathParameters: NotRequired[dict[str, str] | None]
    stageVariables: NotRequired[dict[str, str] | None]
    body: NotRequired[str]
    tailrace: NotRequired[EventMark]
    origin: NotRequired[str]
    url: NotRequired[str]
    requestId: NotRequired[str]


class InvocationContext(Protocol):
    """What every runtime for Python gives a handler as its context, as AWS documents it."""

    @property
    def aws_request_id(self) -> str: ...

    @property
    def invoked_function_arn(self) -> str: ...

    @property
    def function_name(self) -> Any: ...

    @property
    def function_version(self) -> Any: ...

    @property
    def memory_limit_in_mb(self) -> Any: ...

    @property
    def log_group_name(self) -> Any: ...

    @property
    def log_stream_name(self) -> Any: ...

    @property
    def identity(self) -> Any: ...

    @property
    def client_context(self) -> Any: ...

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds left until Lambda ends the invocation."""


Event: TypeAlias = HttpEvent
"""An event of payload format 2.0. For those of other front ends see `Request`."""
Context: TypeAlias = InvocationContext
"""The context of an invocation."""
