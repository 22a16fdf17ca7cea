"""What a Function URL says to browsers of other origins."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tailrace.config import CorsConfig
from tailrace.emulator.function_urls.cors import is_preflight, preflight_fields, response_fields
from tailrace.wire.http_head import RequestHead

ORIGIN = b"https://example.com"
VARY = (b"vary", b"Origin")
POLICY = CorsConfig(
    allow_origins=("https://example.com", "http://localhost:3000"),
    allow_methods=("GET", "POST"),
    allow_headers=("content-type", "x-a"),
    expose_headers=("x-b", "x-c"),
    max_age_s=600,
)
ALL = CorsConfig(allow_origins=("*",), allow_methods=("*",), allow_headers=("*",))


def request(method: str = "GET", **headers: bytes) -> RequestHead:
    fields = [(name.replace("_", "-").encode(), value) for name, value in headers.items()]
    return RequestHead(method, "/", "1.1", fields)


def preflight(origin: bytes = ORIGIN, method: bytes = b"PUT", **headers: bytes) -> RequestHead:
    return request("OPTIONS", origin=origin, access_control_request_method=method, **headers)


def test_what_a_preflight_is() -> None:
    assert is_preflight(preflight())
    assert not is_preflight(request("OPTIONS", origin=ORIGIN))
    assert not is_preflight(request("OPTIONS", access_control_request_method=b"GET"))
    assert not is_preflight(request("GET", origin=ORIGIN, access_control_request_method=b"GET"))


def test_a_preflight_is_told_what_is_allowed() -> None:
    assert preflight_fields(POLICY, preflight()) == [
        VARY,
        (b"access-control-allow-origin", ORIGIN),
        (b"access-control-allow-methods", b"GET,POST"),
        (b"access-control-allow-headers", b"content-type,x-a"),
        (b"access-control-max-age", b"600"),
    ]


@pytest.mark.parametrize(
    "origin",
    [b"https://example.com.evil.test", b"http://example.com", b"HTTPS://EXAMPLE.COM", b"null"],
)
def test_another_origin_is_told_nothing(origin: bytes) -> None:
    assert preflight_fields(POLICY, preflight(origin)) == [VARY]
    assert response_fields(POLICY, request(origin=origin)) == [VARY]


def test_wildcards_allow_what_was_asked_for() -> None:
    asked = preflight(access_control_request_headers=b"x-one,x-two")

    assert preflight_fields(ALL, asked) == [
        VARY,
        (b"access-control-allow-origin", ORIGIN),
        (b"access-control-allow-methods", b"PUT"),
        (b"access-control-allow-headers", b"x-one,x-two"),
    ]
    assert preflight_fields(ALL, preflight()) == [
        VARY,
        (b"access-control-allow-origin", ORIGIN),
        (b"access-control-allow-methods", b"PUT"),
    ]


def test_with_credentials_the_origin_is_named() -> None:
    """A browser takes no wildcard then."""
    named = [
        VARY,
        (b"access-control-allow-origin", ORIGIN),
        (b"access-control-allow-credentials", b"true"),
    ]

    assert response_fields(replace(ALL, allow_credentials=True), request(origin=ORIGIN)) == named
    assert response_fields(replace(POLICY, allow_credentials=True), request(origin=ORIGIN)) == [
        *named,
        (b"access-control-expose-headers", b"x-b,x-c"),
    ]


def test_a_response_names_origin_and_exposed_headers() -> None:
    assert response_fields(POLICY, request(origin=ORIGIN)) == [
        VARY,
        (b"access-control-allow-origin", ORIGIN),
        (b"access-control-expose-headers", b"x-b,x-c"),
    ]
    assert response_fields(ALL, request(origin=ORIGIN)) == [
        VARY,
        (b"access-control-allow-origin", ORIGIN),
    ]


def test_without_an_origin_only_caches_are_told() -> None:
    assert response_fields(POLICY, request()) == [VARY]


def test_what_is_not_configured_is_not_said() -> None:
    bare = CorsConfig(allow_origins=("*",))

    assert preflight_fields(bare, preflight()) == [VARY, (b"access-control-allow-origin", ORIGIN)]


def test_header_names_are_sent_in_lower_case() -> None:
    """Lambda keeps them so (cdk-real-drift, issue 874 of July 2026)."""
    policy = replace(POLICY, allow_headers=("Content-Type",), expose_headers=("X-Request-Id",))

    assert (b"access-control-allow-headers", b"content-type") in preflight_fields(
        policy, preflight()
    )
    assert response_fields(policy, request(origin=ORIGIN))[-1] == (
        b"access-control-expose-headers",
        b"x-request-id",
    )


def test_an_empty_policy_allows_nothing() -> None:
    assert response_fields(CorsConfig(), request(origin=ORIGIN)) == [VARY]
