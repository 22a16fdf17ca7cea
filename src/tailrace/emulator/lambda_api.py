"""The Lambda API: which operation a request means.

Signatures are not verified.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Final

from tailrace.config import CorsConfig
from tailrace.emulator import functions_api, invoke_api, stream_api
from tailrace.emulator.api_request import ApiRequest, DocumentRequest, Refused
from tailrace.emulator.directory import Directory
from tailrace.emulator.function_urls import cors
from tailrace.emulator.functions import EmulatedFunction
from tailrace.emulator.service_error import ServiceError
from tailrace.net.server.listener import IGNORE, Connection, Headers, Receiver, RequestHead
from tailrace.net.server.refusals import WebGuard

Operation = Callable[[Directory, RequestHead, str, Connection], ApiRequest]
"""What serves a request: it is given the path's segment that names a function, if there is one."""

_FUNCTION: Final = r"/functions/([^/]+)"

_OPERATIONS: Final[tuple[tuple[str, str, Operation], ...]] = (
    ("POST", f"/2015-03-31{_FUNCTION}/invocations", invoke_api.invoke),
    (
        "POST",
        f"/2021-11-15{_FUNCTION}/response-streaming-invocations",
        stream_api.invoke_with_response_stream,
    ),
    ("POST", f"/2014-11-13{_FUNCTION}/invoke-async", invoke_api.invoke_async),
    ("GET", r"/2015-03-31/functions()", functions_api.list_functions),
    ("GET", f"/2015-03-31{_FUNCTION}", functions_api.get_function),
    ("GET", f"/2015-03-31{_FUNCTION}/configuration", functions_api.get_function_configuration),
    ("GET", f"/2021-10-31{_FUNCTION}/url", functions_api.get_function_url_config),
    ("GET", f"/2021-10-31{_FUNCTION}/urls", functions_api.list_function_url_configs),
)
"""Method, path and operation; some clients put a slash behind the path."""

_TABLE: Final = tuple(
    (method, re.compile(f"{path}/?"), operation) for method, path, operation in _OPERATIONS
)


_READABLE: Final = (
    "x-amz-executed-version",
    "x-amz-function-error",
    "x-amz-log-result",
    "x-amzn-errortype",
    "x-amzn-remapped-content-length",
    "x-amzn-requestid",
)
"""Headers of answers that SDKs in browsers need."""


class LambdaApi:
    """The application of the emulator's HTTP server.

    `url_of` tells the address of a function's URL, if it has one. Pages that `guard` allows by
    name, SDKs in browsers, get CORS headers.
    """

    def __init__(
        self,
        functions: Mapping[str, EmulatedFunction],
        url_of: Callable[[str], str | None],
        guard: WebGuard,
    ) -> None:
        self.guard = guard
        self._directory = Directory(functions, url_of)

    def __call__(self, head: RequestHead, connection: Connection) -> Receiver:
        """Serve a request."""
        refusal = self.guard.find_refusal(head)
        if refusal is not None:
            return Refused(connection, ServiceError(403, "AccessDeniedException", str(refusal)))
        origins = self.guard.access.origins
        if not origins:
            return self._serve(head, connection)
        policy = CorsConfig(
            allow_origins=origins,
            allow_methods=("*",),
            allow_headers=("*",),
            expose_headers=_READABLE,
        )
        if cors.is_preflight(head):
            connection.respond(204, cors.preflight_fields(policy, head))
            return IGNORE
        return self._serve(head, connection, cors.response_fields(policy, head))

    def _serve(
        self, head: RequestHead, connection: Connection, fields: Headers | None = None
    ) -> Receiver:
        request = self._request(head, connection)
        if fields:
            request.cors_fields = fields
        return request

    def _request(self, head: RequestHead, connection: Connection) -> ApiRequest:
        try:
            for method, pattern, operation in _TABLE:
                if method == head.method and (match := pattern.fullmatch(head.path)):
                    return operation(self._directory, head, match[1], connection)
            if head.path == "/" and head.method in ("GET", "HEAD"):
                return DocumentRequest(connection, self._listing(head))
            raise ServiceError(
                404, "UnknownOperationException", f"not emulated: {head.method} {head.path[:200]}"
            )
        except ServiceError as error:
            return Refused(connection, error)

    def _listing(self, head: RequestHead) -> bytes:
        """What a person finds who opens the endpoint in a browser."""
        base = "http://" + (head.get(b"host") or b"127.0.0.1").decode("latin-1")
        names = list(self._directory.functions)
        urls = {name: self._directory.url_of(name) for name in names}
        listing = {
            "service": "tailrace emulator",
            "functions": {
                name: f"{base}/2015-03-31/functions/{name}/invocations" for name in names
            },
            "function_urls": {name: url for name, url in urls.items() if url is not None},
            "try": f"aws lambda invoke --endpoint-url {base} --function-name NAME /dev/stdout",
        }
        return json.dumps(listing, indent=2).encode() + b"\n"
