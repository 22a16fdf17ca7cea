"""Host names: what is loopback, what is an address, what a list allows."""

from __future__ import annotations

import pytest

from tailrace.wire.host_name import HostPort, is_address, is_listed, is_loopback, parse_host


@pytest.mark.parametrize(
    ("authority", "parsed"),
    [
        ("localhost", ("localhost", None)),
        ("LocalHost.:8080", ("localhost", 8080)),
        ("127.0.0.1:80", ("127.0.0.1", 80)),
        ("[::1]:9000", ("[::1]", 9000)),
        ("[fe80::1%eth0]", ("[fe80::1%eth0]", None)),
        ("a.example:", ("a.example", None)),
        ("", ("", None)),
        ("::1", None),
        ("a.example:8080:1", None),
        ("a.example:http", None),
        ("a.example:123456", None),
        ("user@127.0.0.1", None),
        ("127.0.0.1/", None),
        ("[::1", None),
        ("[::1]x", None),
    ],
)
def test_host_and_port(authority: str, parsed: tuple[str, int | None] | None) -> None:
    assert parse_host(authority) == (None if parsed is None else HostPort(*parsed))


@pytest.mark.parametrize(
    "host",
    ["localhost", "a.localhost", "a.b.localhost", "127.0.0.1", "127.255.0.9", "[::1]", "0.0.0.0"],
)
def test_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    [
        "localhost.evil.example",
        "notlocalhost",
        "127.0.0.1.evil.example",
        "127.0.0.1.nip.io",
        "127.0.0.256",
        "127.1",
        "0177.0.0.1",
        "2130706433",
        "10.0.0.1",
        "[::2]",
        "",
    ],
)
def test_no_loopback(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize("host", ["10.0.0.1", "255.255.255.255", "[fe80::1]", "[::ffff:7f00:1]"])
def test_addresses(host: str) -> None:
    assert is_address(host)


@pytest.mark.parametrize(
    "host", ["10.0.0", "10.0.0.1.evil.example", "1.2.3.4.5", "0x7f.0.0.1", "[evil]", "", "a"]
)
def test_no_addresses(host: str) -> None:
    assert not is_address(host)


@pytest.mark.parametrize(
    ("host", "entry", "is_allowed"),
    [
        ("gateway.internal:8081", "gateway.internal", True),
        ("gateway.internal:8081", "Gateway.Internal:8081", True),
        ("gateway.internal:8082", "gateway.internal:8081", False),
        ("evil.example:8081", "gateway.internal:8081", False),
        ("gateway.internal.evil.example", "gateway.internal", False),
        ("a.b.example.com", ".example.com", True),
        ("example.com", ".example.com", True),
        ("badexample.com", ".example.com", False),
        ("127.0.0.2:1", "localhost", True),
        ("[::1]:8081", "localhost:8081", True),
        ("[::1]:8082", "localhost:8081", False),
        ("10.0.0.1", "localhost", False),
        ("[fe80::1]:80", "[fe80::1]", True),
        ("", ".example.com", False),
        ("anything", "", False),
        ("anything", ":80", False),
        ("anything", ".", False),
        ("anything", "::", False),
    ],
)
def test_a_list(host: str, entry: str, is_allowed: bool) -> None:
    parsed = parse_host(host)
    assert parsed is not None
    assert is_listed(parsed, ["other.example", entry]) is is_allowed
