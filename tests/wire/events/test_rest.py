"""API Gateway's REST APIs: their events, their results, and their streamed responses."""

from __future__ import annotations

from typing import Any

import pytest
from tests.event_shapes import DOCUMENTED, Sent, rest

from tailrace.errors import PreludeError
from tailrace.limits import PRELUDE_BYTES_MAX
from tailrace.wire.events.fields import context_of
from tailrace.wire.events.rest import REST, RestReader, prelude, result
from tailrace.wire.integration import Head, PreludeParser

HEAD = Head(
    201,
    [("Content-Type", "text/plain"), ("vary", "a"), ("x-a", "1"), ("Vary", "b")],
    ["a=1", "b=2; HttpOnly"],
)


def reader_of(fields: dict[str, Any]) -> RestReader:
    return RestReader(fields, context_of(fields))


def test_the_guides_example_is_read() -> None:
    read = reader_of(DOCUMENTED["rest"])

    assert (read.method, read.raw_path, read.root_path) == ("GET", "/my/path", "")
    assert read.query == "parameter1=value1&parameter1=value2&parameter2=value"
    assert read.header_pairs == [
        *(("header1", "value1"), ("header2", "value1"), ("header2", "value2")),
    ]
    assert (read.body, read.source_ip) == (b"Hello from Lambda!", "192.0.2.1")
    assert (read.protocol, read.request_id) == ("HTTP/1.1", "id=")


def test_what_an_event_lacks_is_empty() -> None:
    read = reader_of({"httpMethod": "GET", "requestContext": None, "multiValueHeaders": [1]})

    assert (read.raw_path, read.root_path, read.query, read.header_pairs) == ("", "", "", [])
    assert (read.body, read.source_ip, read.protocol, read.request_id) == (b"", "", "", "")


PROXY = {"resource": "/{proxy+}", "pathParameters": {"proxy": "a/b"}}
GENERATED = {"domainName": "id.execute-api.us-east-1.amazonaws.com"}
CUSTOM = {"domainName": "api.example.com"}


@pytest.mark.parametrize(
    ("path", "context", "resource", "raw_path", "root_path"),
    [
        # The domain that API Gateway has generated: the stage is in front.
        ("/a/b", {"path": "/live/a/b", "stage": "live", **GENERATED}, PROXY, "/live/a/b", "/live"),
        ("/", {"path": "/live/", "stage": "live", **GENERATED}, {}, "/live/", "/live"),
        # A custom domain, without a base path, for one stage: nothing is in front.
        ("/a/b", {"path": "/a/b", "stage": "live", **CUSTOM}, PROXY, "/a/b", ""),
        # With a base path; for all stages; and with both.
        ("/base/a/b", {"path": "/base/a/b", "stage": "s", **CUSTOM}, PROXY, "/base/a/b", "/base"),
        ("/s/a/b", {"path": "/s/a/b", "stage": "s", **CUSTOM}, PROXY, "/s/a/b", "/s"),
        ("/x/s/a/b", {"path": "/x/s/a/b", "stage": "s", **CUSTOM}, PROXY, "/x/s/a/b", "/x/s"),
        # The API's own resource is found, whatever its parameters.
        (
            *("/base/u/7/files/a%2Fb/", {"path": "/base/u/7/files/a%2Fb/", **CUSTOM}),
            {
                "resource": "/u/{id}/files/{proxy+}",
                "pathParameters": {"id": "7", "proxy": "a%2Fb"},
            },
            *("/base/u/7/files/a%2Fb/", "/base"),
        ),
        ("/base", {"path": "/base", **CUSTOM}, {"resource": "/"}, "/base", "/base"),
        # What cannot be: then nothing is in front.
        ("/base/c", {"path": "/base/c", **CUSTOM}, PROXY, "/base/c", ""),
        ("/base/c", {"path": "/base/c", **CUSTOM}, {"resource": "/{proxy+}"}, "/base/c", ""),
        ("/base/c", {"path": "/base/c", **CUSTOM}, {}, "/base/c", ""),
        ("/foo", {"path": "/foo", **GENERATED}, {"resource": "/"}, "/foo", ""),
        ("/foo", {}, PROXY, "/foo", ""),
    ],
)
def test_what_is_in_front_of_the_resources_is_the_root_path(
    path: str, context: dict[str, Any], resource: dict[str, Any], raw_path: str, root_path: str
) -> None:
    read = reader_of({"path": path, "requestContext": context, **resource})

    assert (read.raw_path, read.root_path) == (raw_path, root_path)


def test_a_path_stays_as_it_was_sent() -> None:
    read = reader_of(rest(Sent(path="/a%2Fb%20c/é ?")))

    assert read.raw_path == "/live/a%2Fb%20c/%C3%A9%20%3F"


@pytest.mark.parametrize(
    ("parameters", "query"),
    [
        ({"a": ["1", "2"], "b": [""]}, "a=1&a=2&b="),
        ({"q": ["a b+c&d=é/~"]}, "q=a%20b%2Bc%26d%3D%C3%A9%2F~"),
        ({"é=": ["x"]}, "%C3%A9%3D=x"),
        (None, ""),
        ({}, ""),
    ],
)
def test_parameters_are_encoded_again(parameters: Any, query: str) -> None:
    assert reader_of({"multiValueQueryStringParameters": parameters}).query == query


def test_single_values_count_where_there_are_no_others() -> None:
    """As in events that people write by hand."""
    fields = {
        "headers": {"X-A": "1", "x-b": None},
        "multiValueHeaders": None,
        "queryStringParameters": {"a": "1"},
    }

    read = reader_of(fields)

    assert (read.query, read.header_pairs) == ("a=1", [("x-a", "1")])


def test_single_values_of_other_names_count_beside_lists() -> None:
    """As in an example of the Lambda Developer Guide, which leaves most lists out."""
    fields = {
        "headers": {"Accept": "a/b", "Host": "example.com"},
        "multiValueHeaders": {"accept": ["c/d", "a/b"]},
        "queryStringParameters": {"a": "2", "b": "3"},
        "multiValueQueryStringParameters": {"a": ["1", "2"]},
    }

    read = reader_of(fields)

    assert read.query == "a=1&a=2&b=3"
    assert read.header_pairs == [("accept", "c/d"), ("accept", "a/b"), ("host", "example.com")]


def test_cookies_in_several_fields_are_one() -> None:
    fields = {"multiValueHeaders": {"Cookie": ["a=1", "b=2"], "x": ["1"], "cookie": ["c=3"]}}

    assert reader_of(fields).header_pairs == [("cookie", "a=1; b=2; c=3"), ("x", "1")]


def test_a_result_has_each_value_of_each_header_once() -> None:
    assert result(HEAD, b"hello") == {
        "statusCode": 201,
        "headers": {"Content-Type": "text/plain", "x-a": "1"},
        "multiValueHeaders": {"vary": ["a", "b"], "set-cookie": ["a=1", "b=2; HttpOnly"]},
        "body": "hello",
        "isBase64Encoded": False,
    }


def test_a_result_has_no_other_key() -> None:
    """API Gateway answers one that has with 502."""
    assert result(Head(), b"\xff") == {
        "statusCode": 200,
        "headers": {},
        "body": "/w==",
        "isBase64Encoded": True,
    }


def test_a_streamed_response_begins_with_each_value_of_each_header() -> None:
    encoded = prelude(HEAD)

    assert encoded == (
        b'{"statusCode":201,"headers":{"Content-Type":"text/plain","x-a":"1"},'
        b'"multiValueHeaders":{"vary":["a","b"]},"cookies":["a=1","b=2; HttpOnly"]}' + bytes(8)
    )
    read = PreludeParser().feed(encoded)
    assert read is not None
    assert sorted(read.headers) == sorted(
        [("Content-Type", "text/plain"), ("x-a", "1"), ("vary", "a"), ("vary", "b")]
    )
    assert (read.status, read.cookies) == (201, HEAD.cookies)


def test_a_prelude_has_only_what_there_is() -> None:
    assert prelude(Head(204)) == b'{"statusCode":204}' + bytes(8)


def test_a_prelude_that_api_gateway_would_not_read_is_refused() -> None:
    with pytest.raises(PreludeError, match=f"{PRELUDE_BYTES_MAX} are allowed"):
        prelude(Head(200, {"x": "é" * PRELUDE_BYTES_MAX}))


def test_rest_apis_read_streams() -> None:
    assert REST.prelude is prelude
