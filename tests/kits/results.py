"""Results of functions that do not stream, as JSON: what is a response, and what of it counts.

Each row is returned on each way; what comes of it stands in docs/reference/prelude.md, row by row.
"""

from __future__ import annotations

import json
from typing import Final, NamedTuple


class Result(NamedTuple):
    """What a function returns."""

    name: str
    """As in the table."""
    sent: bytes
    """The JSON that the runtime sends."""
    shows: tuple[str, ...] = ()
    """Headers of the answer that the table tells."""
    method: str = "GET"


def _result(name: str, value: object, *shows: str) -> Result:
    return Result(name, json.dumps(value, separators=(",", ":")).encode(), shows)


def _envelope(name: str, *shows: str, **keys: object) -> Result:
    """A row of an object with `statusCode`; 200 and a body unless the row says otherwise."""
    return _result(name, {"statusCode": 200, "body": "hello"} | keys, *shows)


RESULTS: Final = (
    # What is a response.
    _result('a text: `"hello"`', "hello", "content-type"),
    _result("a list: `[1,true]`", [1, True], "content-type"),
    _result("`null`", None, "content-type"),
    _result("an object without `statusCode`", {"body": "hello"}, "content-type"),
    _envelope("`statusCode` and `body`", "content-type"),
    Result("not JSON: `hello`", b"hello"),
    # Status.
    _envelope('`statusCode` "418"', statusCode="418"),
    Result("`statusCode` 200.0", b'{"statusCode":200.0,"body":"hello"}'),
    Result("`statusCode` 200.5", b'{"statusCode":200.5,"body":"hello"}'),
    _envelope("`statusCode` null", statusCode=None),
    _envelope("`statusCode` 99", statusCode=99),
    _envelope("`statusCode` 600", statusCode=600),
    _envelope("`statusCode` 204 with a body", "content-type", statusCode=204),
    # Body.
    _result("no `body`", {"statusCode": 200}, "content-type"),
    _envelope("`body` null", "content-type", body=None),
    _envelope("`body` an object", "content-type", body={"a": 1}),
    _envelope("`body` a list", "content-type", body=[1]),
    _envelope("`body` a number", body=7),
    _envelope("`isBase64Encoded` true", body="aGVsbG8=", isBase64Encoded=True),
    _envelope("`isBase64Encoded` true, no base64", body="h\u00e9llo", isBase64Encoded=True),
    _envelope("`isBase64Encoded` null", isBase64Encoded=None),
    _envelope('`isBase64Encoded` a text, "true"', isBase64Encoded="true"),
    # Headers and cookies.
    _envelope("a content type", "content-type", headers={"Content-Type": "text/css"}),
    _envelope("`headers` null", "content-type", headers=None),
    _envelope("`headers` a list", headers=[]),
    _envelope("a value that is a number", "x-a", headers={"x-a": 7}),
    _envelope("a value that is true", "x-a", headers={"x-a": True}),
    _envelope("a value that is null", "x-a", headers={"x-a": None}),
    _envelope("a value that is a list", "x-a", headers={"x-a": ["1", "2"]}),
    _envelope("a value that is an object", headers={"x-a": {"b": 1}}),
    _envelope("`multiValueHeaders`", "x-a", multiValueHeaders={"x-a": ["1", "2"]}),
    _envelope(
        "the same in `multiValueHeaders` and in `cookies`",
        "set-cookie",
        multiValueHeaders={"Set-Cookie": ["a=1", "b=2"]},
        cookies=["a=1", "b=2"],
    ),
    _envelope("two `cookies`", "set-cookie", cookies=["a=1; Path=/", "b=2, 3"]),
    _envelope("`set-cookie` among the headers", "set-cookie", headers={"Set-Cookie": "a=1"}),
    _envelope("`cookies` a text", cookies="a=1"),
    _envelope("unknown keys", statusDescription="200 Fine", more={}),
)
