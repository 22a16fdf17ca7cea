"""The scope of an event; `tests/upstream` compares it with Mangum's."""

from __future__ import annotations

from typing import Any

import pytest

from tailrace.function import Request
from tailrace.function.apps.scope import add_length, scope_of


def scope_from(event: dict[str, Any]) -> dict[str, Any]:
    """Return the scope of an event of a Function URL."""
    http = {"method": "GET", "path": "/", **event.pop("http", {})}
    return scope_of(
        Request({"version": "2.0", "rawPath": "/", "requestContext": {"http": http}, **event}),
        None,
        None,
        {},
    )


@pytest.mark.parametrize(
    ("headers", "server"),
    [
        ({"host": "example.com"}, ("example.com", 443)),
        ({"host": "example.com:8443"}, ("example.com", 8443)),
        ({"host": "example.com", "x-forwarded-proto": "http"}, ("example.com", 80)),
        ({}, None),
    ],
)
def test_server_is_the_host_that_was_asked(headers: Any, server: Any) -> None:
    """Without one it is None, and not an empty name, which would be part of the app's URLs."""
    assert scope_from({"headers": headers})["server"] == server


@pytest.mark.parametrize(("address", "client"), [("203.0.113.9", ("203.0.113.9", 0)), ("", None)])
def test_client_has_no_port(address: str, client: Any) -> None:
    assert scope_from({"http": {"sourceIp": address}})["client"] == client


@pytest.mark.parametrize(
    ("given", "size", "length"), [((), 5, b"5"), ((), 0, None), ((b"7",), 5, b"7")]
)
def test_a_body_has_its_length(given: tuple[bytes, ...], size: int, length: bytes | None) -> None:
    headers = [(b"content-length", value) for value in given]

    add_length(headers, size)

    assert dict(headers).get(b"content-length") == length
