"""Heads of HTTP/1.1 messages: what is refused of a request, how a response head is written."""

from __future__ import annotations

import pytest

from tailrace.errors import HttpError
from tailrace.wire.http_head import (
    Headers,
    RequestHead,
    check_request,
    encode_response_head,
    has_body,
)

HOST = (b"host", b"example.test")


def head(
    *headers: tuple[bytes, bytes],
    method: str = "POST",
    target: str = "/",
    version: str = "1.1",
    host: bytes | None = b"example.test",
) -> RequestHead:
    fields: Headers = [] if host is None else [(b"host", host)]
    return RequestHead(method, target, version, [*fields, *headers])


def checked(*headers: tuple[bytes, bytes], **more: str) -> RequestHead:
    request = head(*headers, **more)  # type: ignore[arg-type]
    check_request(request)
    return request


def refusal(request: RequestHead) -> tuple[int, str]:
    with pytest.raises(HttpError) as caught:
        check_request(request)
    return caught.value.status, str(caught.value)


# --- what a head says ----------------------------------------------------------------------------


def test_a_target_is_path_and_query() -> None:
    request = checked(target="/a%20b/?x=1?&y")

    assert (request.path, request.query) == ("/a%20b/", "x=1?&y")
    assert request.target == "/a%20b/?x=1?&y"


def test_fields_that_every_listener_asks_for_are_attributes() -> None:
    request = checked((b"accept", b"text/html"), (b"accept", b"*/*"))
    bare = head(host=None, version="1.0")
    check_request(bare)

    assert (request.host, request.accept) == ("example.test", b"text/html")
    assert (bare.host, bare.accept) == ("", None)


def test_a_header_is_found_by_its_first_value() -> None:
    request = checked((b"a", b"1"), (b"a", b"2"))

    assert request.get(b"a") == b"1"
    assert request.get(b"b") is None


@pytest.mark.parametrize(
    ("field", "length", "has_body"),
    [
        ((b"x", b"y"), None, False),
        ((b"content-length", b"0"), 0, True),
        ((b"content-length", b"0012"), 12, True),
        ((b"content-length", b"18446744073709551615"), 2**64 - 1, True),
        ((b"transfer-encoding", b"chunked"), None, True),
        ((b"transfer-encoding", b"Chunked"), None, True),
    ],
)
def test_a_body_is_announced(
    field: tuple[bytes, bytes], length: int | None, has_body: bool
) -> None:
    request = checked(field)

    assert (request.content_length, request.has_body) == (length, has_body)


@pytest.mark.parametrize(
    ("field", "version", "expects"),
    [
        ((b"expect", b"100-continue"), "1.1", True),
        ((b"expect", b"100-Continue"), "1.1", True),
        ((b"expect", b"100-continue"), "1.0", False),  # RFC 9110 §10.1.1: to be ignored
        ((b"x", b"y"), "1.1", False),
    ],
)
def test_a_sender_waits_for_100(field: tuple[bytes, bytes], version: str, expects: bool) -> None:
    assert checked(field, version=version).expects_continue is expects


# --- what is refused -----------------------------------------------------------------------------

TE = (b"transfer-encoding", b"chunked")
CL = (b"content-length", b"3")

REFUSED: list[tuple[RequestHead, int, str]] = [
    (head(version="0.9"), 505, "version 0.9"),
    (head(version="2.0"), 505, "version 2.0"),
    (head(version="1.2"), 505, "version 1.2"),
    (head(method="CONNECT", target="a:1"), 405, "CONNECT"),
    (head((b"", b"x")), 400, "no name"),
    (head(HOST), 400, "more than one host"),
    (head(CL, CL), 400, "more than one content-length"),
    (head(TE, TE), 400, "more than one transfer-encoding"),
    (head(CL, TE), 400, "content-length and transfer-encoding"),
    (head((b"content-length", b"0" * 5_000 + b"3")), 400, "content-length"),
    (head((b"content-length", b"+3")), 400, "content-length"),
    (head((b"content-length", b"")), 400, "content-length"),
    (head((b"content-length", b"3_0")), 400, "content-length"),
    (head((b"content-length", "３".encode())), 400, "content-length"),
    (head(TE, version="1.0"), 400, "HTTP/1.0"),
    (head((b"transfer-encoding", b"gzip, chunked")), 501, "transfer coding"),
    (head((b"transfer-encoding", b"identity")), 501, "transfer coding"),
    (head(host=None), 400, "no host"),
    (head(host=b"a b"), 400, "not a host"),
    (head(host=b"a/b"), 400, "not a host"),
    (head(host=b"user@a"), 400, "not a host"),
    (head(host=b"\xff"), 400, "not a host"),
    (head(host=b"a:port"), 400, "not a host"),
    (head(host=b"a:80:80"), 400, "not a host"),
    (head(host=b"a:100000"), 400, "not a host"),
    (head(host=b"[::1"), 400, "not a host"),
    (head(host=b"[::1]a"), 400, "not a host"),
    (head(host=b"::1"), 400, "not a host"),
    (head(target="/a#b"), 400, "fragment"),
    (head(target="*", method="OPTIONS"), 400, "neither a path nor a URL"),
    (head(target="a"), 400, "neither a path nor a URL"),
    (head(target="ftp://a/"), 400, "neither a path nor a URL"),
    (head(target="http:/a"), 400, "neither a path nor a URL"),
    (head(target="http://"), 400, "no host"),
    (head(target="http:///a"), 400, "no host"),
    (head(target="http://?a"), 400, "no host"),
    (head(target="http://user@a/"), 400, "no host"),
    (head((b"expect", b"200-ok")), 417, "100-continue"),
    (head((b"expect", b"")), 417, "100-continue"),
    (head((b"expect", b"100-continue, x")), 417, "100-continue"),
    (head((b"expect", b"100-continue"), (b"expect", b"x")), 417, "100-continue"),
]


@pytest.mark.parametrize(("request_head", "status", "reason"), REFUSED)
def test_what_must_not_be_served_is_refused(
    request_head: RequestHead, status: int, reason: str
) -> None:
    refused_status, message = refusal(request_head)

    assert refused_status == status
    assert reason in message


@pytest.mark.parametrize(
    "host", [b"", b"a", b"a:", b"a.b:80", b"[::1]:80", b"[fe80::1%25eth0]", b"a%20b", b"A_b~"]
)
def test_a_host_may_be(host: bytes) -> None:
    check_request(head(host=host))


def test_http_1_0_needs_no_host() -> None:
    check_request(head(host=None, version="1.0"))


# --- absolute-form targets -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "host", "path", "query"),
    [
        ("http://other.test/a?b=1", b"other.test", "/a", "b=1"),
        ("HTTPS://other.test:8443/", b"other.test:8443", "/", ""),
        ("http://other.test", b"other.test", "/", ""),
        ("http://other.test?b=1", b"other.test", "/", "b=1"),
        ("http://other.test?b=/c", b"other.test", "/", "b=/c"),
        ("http://other.test//c", b"other.test", "//c", ""),
    ],
)
def test_the_authority_of_a_target_wins_over_the_host_header(
    target: str, host: bytes, path: str, query: str
) -> None:
    """RFC 9112 §3.2.2; otherwise two proxies could see two hosts in one request."""
    request = checked((b"a", b"1"), target=target)

    assert request.headers == [(b"host", host), (b"a", b"1")]
    assert request.host == host.decode()
    assert (request.path, request.query) == (path, query)


# --- upgrades ------------------------------------------------------------------------------------

UPGRADE = (b"connection", b"Upgrade")


@pytest.mark.parametrize(
    "fields",
    [
        [(b"upgrade", b"h2c"), UPGRADE],
        [(b"upgrade", b"h2c"), (b"connection", b"keep-alive, upgrade"), (b"http2-settings", b"x")],
        [(b"upgrade", b"websocket")],  # without Connection it is not asked for
        [(b"upgrade", b"websocket"), CL],
        [UPGRADE, CL],
    ],
)
def test_an_upgrade_is_ignored(fields: Headers) -> None:
    check_request(head(*fields))


UPGRADES_REFUSED = [
    ([(b"upgrade", b"WebSocket"), UPGRADE], 501),
    ([(b"upgrade", b"h2c"), (b"upgrade", b"websocket"), UPGRADE], 501),
    ([(b"upgrade", b"h2c"), UPGRADE, CL], 400),
    ([(b"upgrade", b"h2c"), UPGRADE, TE], 400),
    ([(b"upgrade", b"websocket"), UPGRADE, CL], 400),
    # The parser looks at every Connection header, and so must we.
    ([(b"upgrade", b"h2c"), (b"connection", b"keep-alive"), UPGRADE, CL], 400),
    ([(b"upgrade", b"websocket"), (b"connection", b"keep-alive"), UPGRADE], 501),
]


@pytest.mark.parametrize(("fields", "status"), UPGRADES_REFUSED)
def test_an_upgrade_is_refused(fields: Headers, status: int) -> None:
    assert refusal(head(*fields))[0] == status


# --- responses -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "status", "may_have"),
    [
        ("GET", 200, True),
        ("GET", 404, True),
        ("HEAD", 200, False),
        ("HEAD", 404, False),
        ("GET", 204, False),
        ("GET", 304, False),
        ("POST", 205, True),
    ],
)
def test_a_response_may_have_a_body(method: str, status: int, may_have: bool) -> None:
    assert has_body(method, status) is may_have


def test_a_response_head_is_bytes() -> None:
    assert (
        encode_response_head(200, [(b"a", b"1"), (b"b", b"\xe9")])
        == b"HTTP/1.1 200 OK\r\na: 1\r\nb: \xe9\r\n\r\n"
    )


def test_a_status_without_a_name_has_an_empty_one() -> None:
    """The space before it is not optional (RFC 9112 §4)."""
    assert encode_response_head(299, []) == b"HTTP/1.1 299 \r\n\r\n"
