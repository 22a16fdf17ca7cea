"""The names of Node.js's `awslambda`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tailrace.errors import HeadError
from tailrace.function import Head, HttpResponseStream, ResponseStream, streamify_response

HTTP = {"requestContext": {"http": {"method": "GET"}}}


def result_of(begin: Callable[[ResponseStream], object], event: Any = HTTP) -> Any:
    """What a handler returns that begins its response so."""

    @streamify_response
    async def handler(event: Any, response: ResponseStream, context: Any) -> None:
        begin(response)
        await response.write("x")

    return handler(event)


def test_from_sets_the_head_and_returns_the_response() -> None:
    metadata = {
        "statusCode": 201,
        "headers": {"Content-Type": "text/x", "A": "single", "b": "single"},
        "multiValueHeaders": {"a": ["1", "2"]},
        "cookies": ["c=1", "d=2; Path=/"],
    }
    returned = []
    result = result_of(
        lambda response: returned.append(HttpResponseStream.from_(response, metadata))
    )

    assert isinstance(returned[0], ResponseStream)
    assert result == {
        "statusCode": 201,
        "headers": {"Content-Type": "text/x", "b": "single", "a": "1, 2"},
        "cookies": ["c=1", "d=2; Path=/"],
        "body": "x",
        "isBase64Encoded": False,
    }


def test_a_cookie_in_two_keys_is_one_cookie() -> None:
    metadata = {"multiValueHeaders": {"Set-Cookie": ["a=1", "b=2"]}, "cookies": ["a=1"]}
    result = result_of(lambda response: HttpResponseStream.from_(response, metadata))

    assert result["cookies"] == ["b=2", "a=1"]


@pytest.mark.parametrize("metadata", [{}, None, {"headers": None, "cookies": None}])
def test_metadata_may_say_nothing(metadata: Any) -> None:
    result = result_of(lambda response: HttpResponseStream.from_(response, metadata))

    assert (result["statusCode"], result["headers"]) == (200, {})


@pytest.mark.parametrize(
    ("metadata", "error"),
    [
        ({"status": 200}, TypeError),
        ({"statusCode": 99}, HeadError),
        ({"statusCode": "ok"}, HeadError),
        ({"headers": {"a": "b\r\nc: d"}}, HeadError),
        ({"headers": {1: "b"}}, HeadError),
        ({"cookies": "a=1"}, HeadError),
    ],
)
def test_metadata_that_is_wrong_is_refused_where_it_is_said(
    metadata: Any, error: type[Exception]
) -> None:
    with pytest.raises(error):
        result_of(lambda response: HttpResponseStream.from_(response, metadata))


def test_a_content_type_alone_is_a_head() -> None:
    result = result_of(lambda response: response.set_content_type("text/csv"))

    assert (result["statusCode"], result["headers"]) == (200, {"content-type": "text/csv"})


def test_a_content_type_replaces_the_one_before_and_nothing_else() -> None:
    def begin(response: ResponseStream) -> None:
        response.set_head(Head(202, {"Content-Type": "text/x", "a": "b"}, ["c=1"]))
        response.set_content_type("text/csv")

    result = result_of(begin)

    assert result["statusCode"] == 202
    assert result["headers"] == {"a": "b", "content-type": "text/csv"}
    assert result["cookies"] == ["c=1"]


def test_a_content_type_that_comes_late_or_is_illegal_is_an_error() -> None:
    @streamify_response
    async def late(event: Any, response: ResponseStream, context: Any) -> None:
        await response.write("x")
        response.set_content_type("text/csv")

    with pytest.raises(RuntimeError, match="has gone out"):
        late(HTTP)
    with pytest.raises(HeadError):
        result_of(lambda response: response.set_content_type("text/x\r\na: b"))
