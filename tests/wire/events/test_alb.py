"""Application Load Balancers: their events and results, with and without multi-value headers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.event_shapes import DOCUMENTED, Sent, alb, alb_multi_value

from tailrace.errors import ResponseTooLargeError
from tailrace.limits import ALB_RESPONSE_BYTES_MAX
from tailrace.wire.events import EventCodec
from tailrace.wire.events.alb import ALB, ALB_MULTI_VALUE, AlbReader
from tailrace.wire.integration import Head

HEAD = Head(201, [("x-a", "1"), ("X-A", "2"), ("y", "z")], ["a=1", "b=2", "c=3"])


def reader_of(fields: dict[str, Any]) -> AlbReader:
    return AlbReader(fields, {})


def test_the_guides_example_is_read() -> None:
    read = reader_of(DOCUMENTED["alb"])

    assert (read.method, read.raw_path, read.root_path) == ("GET", "/", "")
    assert (read.query, read.body, read.source_ip) == (
        *("name=a%20b", b"request_body", "72.21.198.66"),
    )
    assert ("cookie", "cookies") in read.header_pairs
    assert (read.protocol, read.request_id) == ("", "")


def test_the_guides_example_with_multi_value_headers_is_read() -> None:
    read = reader_of(DOCUMENTED["alb-multi-value"])

    assert (read.query, read.source_ip) == ("myKey=val1&myKey=val2", "72.21.198.66")
    assert read.header_pairs[0] == (
        "cookie",
        "cookie-name=cookie-value;Domain=myweb.com;Secure;HttpOnly;"
        " cookie-name=cookie-value;Expires=May 8, 2019",
    )


@pytest.mark.parametrize(
    ("query", "read"),
    [
        ("q=a%2Bb&r=a+b&s=%C3%A9%26", "q=a%2Bb&r=a+b&s=%C3%A9%26"),
        ("a", "a="),
        ("a=b=c", "a=b=c"),
        ("a=x y&b=é", "a=x%20y&b=%C3%A9"),
        ("", ""),
    ],
)
def test_parameters_are_not_encoded_twice(query: str, read: str) -> None:
    assert reader_of(alb(Sent(query=query))).query == read
    assert reader_of(alb_multi_value(Sent(query=query))).query == read


def test_a_path_stays_as_it_was_sent() -> None:
    assert reader_of(alb(Sent(path="/a%2Fb%20c+%"))).raw_path == "/a%2Fb%20c+%"


@pytest.mark.parametrize(
    ("forwarded", "source_ip"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("10.0.0.1, 203.0.113.9", "203.0.113.9"),
        ("203.0.113.9:4711", "203.0.113.9"),
        ("2001:db8::1", "2001:db8::1"),
        ("10.0.0.1, [2001:db8::1]:4711", "2001:db8::1"),
        ("", ""),
    ],
)
def test_the_client_is_the_peer_of_the_load_balancer(forwarded: str, source_ip: str) -> None:
    """It appends its peer's address, perhaps with a port; what stands in front, anyone may send."""
    assert reader_of(alb(Sent(client=forwarded))).source_ip == source_ip
    assert reader_of({}).source_ip == ""


def test_a_result_with_multi_value_headers_has_no_others() -> None:
    assert ALB_MULTI_VALUE.result(HEAD, b"hello") == {
        "statusCode": 201,
        "statusDescription": "201 Created",
        "multiValueHeaders": {
            "x-a": ["1", "2"],
            "y": ["z"],
            "set-cookie": ["a=1", "b=2", "c=3"],
        },
        "body": "hello",
        "isBase64Encoded": False,
    }


def test_a_result_without_them_has_single_values_and_every_cookie() -> None:
    assert ALB.result(HEAD, b"\xff") == {
        "statusCode": 201,
        "statusDescription": "201 Created",
        "headers": {
            "x-a": "1, 2",
            "y": "z",
            "set-cookie": "a=1",
            "Set-cookie": "b=2",
            "sEt-cookie": "c=3",
        },
        "body": "/w==",
        "isBase64Encoded": True,
    }


def test_as_many_cookies_as_a_head_may_have_keep_their_values() -> None:
    cookies = [f"c{number}=1" for number in range(128)]

    headers = ALB.result(Head(200, (), cookies), b"")["headers"]

    assert list(headers.values()) == cookies
    assert {name.lower() for name in headers} == {"set-cookie"}


def test_a_status_without_a_name_is_its_number() -> None:
    assert ALB.result(Head(599), b"")["statusDescription"] == "599"


@pytest.mark.parametrize("codec", [ALB, ALB_MULTI_VALUE])
def test_a_result_is_as_large_as_a_load_balancer_takes_and_no_larger(codec: EventCodec) -> None:
    head = Head(200, {"x": "ä"})
    spare = ALB_RESPONSE_BYTES_MAX - len(
        json.dumps(codec.result(head, b""), ensure_ascii=False).encode()
    )

    largest = codec.result(head, b"x" * spare)

    assert len(json.dumps(largest, ensure_ascii=False).encode()) == ALB_RESPONSE_BYTES_MAX
    with pytest.raises(ResponseTooLargeError, match="Load Balancer takes at most 1000000"):
        codec.result(head, b"x" * (spare + 1))
    with pytest.raises(ResponseTooLargeError):
        codec.result(head, b"\n" * spare)  # two bytes each


def test_load_balancers_read_no_streams() -> None:
    assert (ALB.prelude, ALB_MULTI_VALUE.prelude) == (None, None)
