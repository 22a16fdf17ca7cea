"""API Gateway's HTTP APIs: their events in both payload formats, and their results."""

from __future__ import annotations

from typing import Any

import pytest
from tests.event_shapes import DOCUMENTED, Sent, http_api_1, http_api_2

from tailrace.wire.events.fields import context_of
from tailrace.wire.events.http_api import HTTP_API, HTTP_API_1, HttpApi1Reader, HttpApiReader
from tailrace.wire.integration import Head


def reader_of(fields: dict[str, Any]) -> HttpApiReader:
    return HttpApiReader(fields, context_of(fields))


def reader_1_of(fields: dict[str, Any]) -> HttpApi1Reader:
    return HttpApi1Reader(fields, context_of(fields))


def test_the_guides_example_of_format_2_is_read() -> None:
    read = reader_of(DOCUMENTED["http-api-2"])

    assert (read.method, read.raw_path, read.root_path) == ("POST", "/my/path", "")
    assert read.query == "parameter1=value1&parameter1=value2&parameter2=value"
    assert read.header_pairs == [
        *(("header1", "value1"), ("header2", "value1,value2"), ("cookie", "cookie1; cookie2")),
    ]
    assert (read.body, read.source_ip) == (b"Hello from Lambda", "192.0.2.1")
    assert (read.protocol, read.request_id) == ("HTTP/1.1", "id")


def test_the_guides_example_of_format_1_is_read() -> None:
    read = reader_1_of(DOCUMENTED["http-api-1"])

    assert (read.method, read.raw_path, read.root_path) == ("GET", "/my/path", "")
    assert read.query == "parameter1=value1&parameter1=value2&parameter2=value"
    assert read.header_pairs == [
        *(("header1", "value1"), ("header2", "value1"), ("header2", "value2")),
    ]
    assert (read.body, read.source_ip) == (b"Hello from Lambda!", "192.0.2.1")
    assert (read.protocol, read.request_id) == ("HTTP/1.1", "id=")


@pytest.mark.parametrize(
    ("path", "raw_path"),
    [
        ("/a%20b", "/a%20b"),
        ("/100%25", "/100%25"),
        ("/a%2520b", "/a%2520b"),
        ("/%C3%A9%23%3F", "/%C3%A9%23%3F"),
        ("/a%2Fb", "/a/b"),  # cannot be known: the event has a slash
    ],
)
def test_a_decoded_path_is_encoded_again(path: str, raw_path: str) -> None:
    assert reader_of(http_api_2(Sent(path=path))).raw_path == raw_path
    assert reader_1_of(http_api_1(Sent(path=path))).raw_path == raw_path


@pytest.mark.parametrize(
    ("stage", "path", "root_path"),
    [
        ("$default", "/a", ""),
        ("dev", "/a", "/dev"),
        ("dev", "", "/dev"),
        ("dev", "/", "/dev"),
    ],
)
def test_a_named_stage_is_the_root_path(stage: str, path: str, root_path: str) -> None:
    sent = Sent(path=path)

    for read in (reader_of(http_api_2(sent, stage)), reader_1_of(http_api_1(sent, stage))):
        assert (read.raw_path, read.root_path) == (root_path + path, root_path)


@pytest.mark.parametrize("path", ["/device/a", "/a/dev", "dev"])
def test_a_path_that_only_begins_like_the_stage_has_no_root(path: str) -> None:
    fields = {"rawPath": path, "path": path, "requestContext": {"stage": "dev"}}

    assert (reader_of(fields).root_path, reader_1_of(fields).root_path) == ("", "")


def test_results_are_those_of_the_formats() -> None:
    head = Head(200, [("x-a", "1"), ("x-a", "2")], ["a=1"])

    assert HTTP_API.result(head, b"x") == {
        "statusCode": 200,
        "headers": {"x-a": "1, 2"},
        "cookies": ["a=1"],
        "body": "x",
        "isBase64Encoded": False,
    }
    assert HTTP_API_1.result(head, b"x") == {
        "statusCode": 200,
        "headers": {},
        "multiValueHeaders": {"x-a": ["1", "2"], "set-cookie": ["a=1"]},
        "body": "x",
        "isBase64Encoded": False,
    }


def test_http_apis_read_no_streams() -> None:
    assert (HTTP_API.prelude, HTTP_API_1.prelude) == (None, None)
