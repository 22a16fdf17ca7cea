"""The request in an ASGI scope, as the one in an event of a Function URL."""

from __future__ import annotations

import base64
from functools import cached_property
from typing import Any
from urllib.parse import quote

from tailrace.function.request import Request


class AsgiRequest(Request):
    """The HTTP request of an ASGI scope; `body` None: the app has read it, or may read it."""

    def __init__(self, scope: Any, body: bytes | None) -> None:
        super().__init__(_event_of(scope, body or b""))
        self._scope = scope
        self._has_body = body is not None

    @property
    def root_path(self) -> str:
        """The path at which the app is mounted, or empty."""
        return str(self._scope.get("root_path", ""))

    @property
    def scheme(self) -> str:
        """`http` or `https`, as the server knows it."""
        return str(self._scope.get("scheme", "http"))

    @cached_property
    def body(self) -> bytes:
        """The body.

        Raises:
            RuntimeError: the app has it.
        """
        if not self._has_body:
            raise RuntimeError(
                "the app has the request's body: read it in the app, and pass it to response(…)"
            )
        return super().body


def _event_of(scope: Any, body: bytes) -> dict[str, Any]:
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        name, value = name.decode("latin-1").lower(), value.decode("latin-1")
        if name in headers:
            # HTTP/2 splits cookies (RFC 9113, section 8.2.3).
            headers[name] += ("; " if name == "cookie" else ",") + value
        else:
            headers[name] = value
    return {
        "version": "2.0",
        "rawPath": _raw_path(scope),
        "rawQueryString": scope["query_string"].decode("latin-1"),
        "headers": headers,
        "requestContext": {
            "domainName": headers.get("host", ""),
            "http": {
                "method": scope["method"],
                "path": scope["path"],
                "protocol": f"HTTP/{scope.get('http_version', '1.1')}",
                "sourceIp": (scope.get("client") or ("",))[0],
                "userAgent": headers.get("user-agent", ""),
            },
        },
        "body": base64.b64encode(body).decode(),
        "isBase64Encoded": True,
    }


def _raw_path(scope: Any) -> str:
    raw_path: bytes | None = scope.get("raw_path")
    if raw_path is None:  # it is optional
        return quote(scope["path"])
    return raw_path.partition(b"?")[0].decode("latin-1")  # some servers add the query
