"""Response heads that cross the gateway, and what must not cross with them."""

import pytest
from tests.fakes import HOP_BY_HOP

from tailrace.errors import HeadError
from tailrace.gateway.response_head import fields_from_callback, response_fields
from tailrace.wire.http_head import Headers, RequestHead
from tailrace.wire.integration import Head

# --- responses -----------------------------------------------------------------------------------


def test_a_response_keeps_its_fields_in_lower_case_and_its_cookies() -> None:
    head = Head(200, [("Content-Type", "text/plain"), ("X", "é"), ("x", "2")], ["a=1", "b=2"])

    assert response_fields(head) == (
        200,
        [
            (b"content-type", b"text/plain"),
            (b"x", b"\xe9"),
            (b"x", b"2"),
            (b"set-cookie", b"a=1"),
            (b"set-cookie", b"b=2"),
        ],
        None,
    )


@pytest.mark.parametrize("name", [name.decode().title() for name in HOP_BY_HOP])
def test_what_belongs_to_the_callback_does_not_reach_the_client(name: str) -> None:
    assert response_fields(Head(200, [(name, "chunked")])) == (200, [], None)


def test_what_connection_names_does_not_reach_the_client() -> None:
    head = Head(200, [("Connection", "x-one"), ("X-One", "1"), ("X-Two", "2")])

    assert response_fields(head) == (200, [(b"x-two", b"2")], None)


@pytest.mark.parametrize(("text", "length"), [("0", 0), ("12", 12), ("0012", 12)])
def test_an_announced_length_is_told_apart(text: str, length: int) -> None:
    assert response_fields(Head(200, {"Content-Length": text})) == (200, [], length)


@pytest.mark.parametrize(
    "text", ["", "-1", "+1", "1.5", "0x1", "1,1", "²", "1_0", "9" * 20, "9" * 5000]
)
def test_an_announced_length_must_be_one(text: str) -> None:
    """Far too many digits included: Python refuses to count beyond 4,300 of them."""
    with pytest.raises(HeadError, match="content-length"):
        response_fields(Head(200, {"content-length": text}))


def test_two_lengths_are_refused() -> None:
    with pytest.raises(HeadError, match="content-length"):
        response_fields(Head(200, [("content-length", "1"), ("Content-Length", "1")]))


# --- callbacks without the integration type ------------------------------------------------------


def callback(*headers: tuple[bytes, bytes]) -> Headers:
    own: Headers = [(b"host", b"gateway"), (b"user-agent", b"undici"), (b"accept", b"*/*")]
    return [*own, *headers]


def test_a_plain_callback_states_its_head_in_its_headers() -> None:
    head = RequestHead(
        "POST",
        "/",
        "1.1",
        callback(
            (b"x-status-code", b"404"),
            (b"content-type", b"text/plain"),
            (b"set-cookie", b"a=1"),
            (b"x-request-id", b"7"),
            (b"transfer-encoding", b"chunked"),
            (b"www-authenticate", b"Basic"),
            (b"www-authenticate", b"Bearer"),
            (b"access-control-allow-origin", b"*"),
        ),
    )

    assert fields_from_callback(head) == (
        404,
        [
            (b"content-type", b"text/plain"),
            (b"x-request-id", b"7"),
            (b"www-authenticate", b"Basic"),
            (b"www-authenticate", b"Bearer"),
            (b"access-control-allow-origin", b"*"),
            (b"set-cookie", b"a=1"),
        ],
        None,
    )


CLIENTS = {
    "undici": "host connection accept accept-language sec-fetch-mode user-agent accept-encoding",
    "java": "connection http2-settings host transfer-encoding upgrade user-agent expect te",
    "requests": "host user-agent accept-encoding accept connection transfer-encoding",
    "a proxy": "via forwarded x-forwarded-for x-forwarded-proto x-forwarded-host max-forwards",
    "a tracer": "traceparent tracestate baggage x-amzn-trace-id b3 x-b3-traceid x-datadog-trace-id",
    "credentials": "authorization cookie proxy-authorization",
}


@pytest.mark.parametrize("client", CLIENTS)
def test_what_a_client_sends_of_itself_is_not_the_responses(client: str) -> None:
    headers = [(name.encode(), b"x") for name in CLIENTS[client].split()]

    response = fields_from_callback(RequestHead("POST", "/", "1.1", headers))

    assert response == (200, [], None)


@pytest.mark.parametrize(
    "name", ["x-a", "www-authenticate", "etag", "alt-svc", "server", "x-frame-options"]
)
def test_a_header_means_the_same_in_a_callback_and_in_a_prelude(name: str) -> None:
    """Also one that a Connection header names."""
    headers = [(name, "1"), ("connection", "x-a, close"), (name, "2")]
    raw = [(key.encode(), value.encode()) for key, value in headers]

    from_callback = fields_from_callback(RequestHead("POST", "/", "1.1", callback(*raw)))

    assert from_callback == response_fields(Head(200, headers))


def test_a_plain_callback_is_a_200_unless_it_says_otherwise() -> None:
    assert fields_from_callback(RequestHead("POST", "/", "1.1", callback())) == (200, [], None)


@pytest.mark.parametrize("status", [b"20", b"2000", b"abc", b"-12", b"", "２００".encode(), b"2 0"])
def test_a_plain_callbacks_status_must_be_three_digits(status: bytes) -> None:
    head = RequestHead("POST", "/", "1.1", callback((b"x-status-code", status)))

    if status == b"":
        assert fields_from_callback(head).status == 200
        return
    with pytest.raises(HeadError, match="x-status-code"):
        fields_from_callback(head)


@pytest.mark.parametrize("status", [b"101", b"600", b"000"])
def test_a_plain_callbacks_status_must_be_final(status: bytes) -> None:
    with pytest.raises(HeadError, match="status"):
        fields_from_callback(RequestHead("POST", "/", "1.1", callback((b"x-status-code", status))))


def test_connection_takes_no_cookie_away() -> None:
    """As from a function's own head, which has its cookies in a list."""
    fields = [(b"connection", b"set-cookie, x-a"), (b"set-cookie", b"a=1"), (b"x-a", b"1")]

    found = fields_from_callback(RequestHead("POST", "/", "1.1", fields))

    assert found == (200, [(b"set-cookie", b"a=1")], None)


def test_the_first_status_counts() -> None:
    fields = [(b"x-status-code", b""), (b"x-status-code", b"404")]

    assert fields_from_callback(RequestHead("POST", "/", "1.1", fields)).status == 200
