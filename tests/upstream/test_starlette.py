"""Starlette's own tests, with a client that drives our adapter (`adapter_client`).

A request becomes an event, `asgi(app)` is invoked with it, and the response comes back read by
read: over a callback, and natively, for a Function URL and for a REST API.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any, Final

import pytest
from tests.upstream.sources import run_tests

PASSING: Final = {
    "tests/test_responses.py": 67,
    "tests/test_requests.py": 33,
    "tests/test_background.py": 4,
    "tests/middleware/test_base.py": 19,
    "tests/middleware/test_body_limit.py": 12,
    "tests/middleware/test_cors.py": 18,
    "tests/middleware/test_errors.py": 5,
    "tests/middleware/test_gzip.py": 28,
    "tests/middleware/test_https_redirect.py": 2,
    "tests/middleware/test_middleware.py": 3,
    "tests/middleware/test_opentelemetry.py": 23,
    "tests/middleware/test_session.py": 14,
    "tests/middleware/test_trusted_host.py": 26,
    "tests/middleware/test_wsgi.py": 4,
    "tests/test_applications.py": 15,
    "tests/test_authentication.py": 4,
    "tests/test_convertors.py": 8,
    "tests/test_endpoints.py": 6,
    "tests/test_exceptions.py": 9,
    "tests/test_formparsers.py": 57,
    "tests/test_routing.py": 30,
    "tests/test_staticfiles.py": 35,
}
"""Files of Starlette 1.10.0, and how many of their tests make a request and pass.

Tests that make none, because they call the app themselves, run as well and are not counted.
"""

LEFT_OUT: Final = {
    "tests/test_requests.py::test_request_headers": "compares what codings the client accepts,"
    " which depends on what is installed beside it",
    "tests/test_staticfiles.py::test_staticfiles_with_invalid_dir_permissions_returns_401": "fails"
    " with Starlette's own client, too, if it is root who runs it",
}

DIFFERENT: Final = {
    "functions get no WebSocket": (
        "tests/middleware/test_base.py::test_custom_middleware",
        "tests/middleware/test_opentelemetry.py::test_non_http_scopes_are_not_traced",
        "tests/test_applications.py::test_app_add_websocket_route",
        "tests/test_applications.py::test_websocket_raise_custom_exception",
        "tests/test_applications.py::test_websocket_raise_http_exception",
        "tests/test_applications.py::test_websocket_raise_websocket_exception",
        "tests/test_applications.py::test_websocket_route",
        "tests/test_applications.py::test_websocket_state",
        "tests/test_authentication.py::test_websocket_authentication_required",
        "tests/test_endpoints.py::test_websocket_endpoint_on_connect",
        "tests/test_endpoints.py::test_websocket_endpoint_on_default",
        "tests/test_endpoints.py::test_websocket_endpoint_on_default_with_empty_text",
        "tests/test_endpoints.py::test_websocket_endpoint_on_disconnect",
        "tests/test_endpoints.py::test_websocket_endpoint_on_receive_bytes",
        "tests/test_endpoints.py::test_websocket_endpoint_on_receive_json",
        "tests/test_endpoints.py::test_websocket_endpoint_on_receive_json_binary",
        "tests/test_endpoints.py::test_websocket_endpoint_on_receive_text",
        "tests/test_routing.py::test_partial_async_ws_endpoint",
        "tests/test_routing.py::test_protocol_switch",
        "tests/test_routing.py::test_router_add_websocket_route",
        "tests/test_routing.py::test_standalone_ws_route_does_not_match",
        "tests/test_routing.py::test_standalone_ws_route_matches",
        "tests/test_routing.py::test_websocket_route_middleware",
        "tests/test_staticfiles.py::test_staticfiles_websocket",
    ),
    "an HTTP integration response has a status of 200 to 599, and no reason phrase": (
        "tests/test_responses.py::test_response_phrase",
    ),
    "the app sends an extension that the scope does not offer; uvicorn raises the same": (
        "tests/test_requests.py::test_request_send_push_promise",  # HTTP/2 push
        "tests/middleware/test_gzip.py::test_gzip_trailers",
        "tests/middleware/test_gzip.py::test_gzip_excluded_content_type_trailers",
    ),
    "a failed app is answered with a body; Starlette's client makes an empty one": (
        "tests/test_exceptions.py::test_force_500_response",
    ),
    "the scope's server is that of the Host field, which a front end has checked; here it is bad": (
        "tests/middleware/test_https_redirect.py::test_https_redirect_middleware",
    ),
}
"""Tests that fail with our adapter, by the reason."""


@pytest.mark.parametrize(
    ("path", "shape"),
    [("callback", "function-url"), ("native", "function-url"), ("native", "rest")],
)
def test_starlette_passes_its_own_tests(path: str, shape: str, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    output = run_tests(
        "starlette",
        "adapter_client",
        *PASSING,
        *(part for test in LEFT_OUT for part in ("--deselect", test)),
        UPSTREAM_PATH=path,
        UPSTREAM_SHAPE=shape,
        UPSTREAM_REPORT=str(report),
    )

    assert report.exists(), output
    tests: dict[str, dict[str, Any]] = json.loads(report.read_text())
    failed = {test.partition("[")[0] for test, row in tests.items() if row["outcome"] == "failed"}
    assert failed == {test for group in DIFFERENT.values() for test in group}, output
    passed = Counter(
        test.partition("::")[0]
        for test, row in tests.items()
        if row["outcome"] == "passed" and row["requests"]
    )
    assert passed == PASSING
    assert sum(passed.values()) == 422
