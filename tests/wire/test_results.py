import json
import math
from decimal import Decimal
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailrace.errors import ResultError
from tailrace.wire.integration import Head
from tailrace.wire.results import lost_names, response_from_result, result_from_response

JSON = (("content-type", "application/json"),)

few = settings(max_examples=40, deadline=None)

# --- results as responses ------------------------------------------------------------------------


def test_a_whole_result() -> None:
    result = {
        "statusCode": 201,
        "headers": {"Content-Type": "text/plain", "X-A": "1", "Content-Length": 3},
        "multiValueHeaders": {"X-B": ["ignored"]},
        "cookies": ["a=1; Path=/", "b=2"],
        "body": "hé",
        "isBase64Encoded": False,
        "statusDescription": "ignored",
    }

    assert response_from_result(result) == (
        Head(
            201,
            {"Content-Type": "text/plain", "X-A": "1", "Content-Length": "3"},
            ["a=1; Path=/", "b=2"],
        ),
        b"h\xc3\xa9",
    )


@pytest.mark.parametrize(
    ("result", "head", "body"),
    [
        ({"statusCode": 204}, Head(204), b""),
        ({"statusCode": "418"}, Head(418), b""),
        ({"statusCode": 200, "body": None, "isBase64Encoded": None}, Head(200), b""),
        ({"statusCode": 200, "headers": None, "cookies": None, "body": ""}, Head(200), b""),
        ({"statusCode": 200, "body": "hi"}, Head(200, JSON), b"hi"),
        ({"statusCode": "302", "body": {}}, Head(302, JSON), b"{}"),
        ({"statusCode": 200, "body": {"a": [1, "é"]}}, Head(200, JSON), '{"a":[1,"é"]}'.encode()),
        ({"statusCode": 200, "body": []}, Head(200, JSON), b"[]"),
        (
            {"statusCode": 200, "headers": {"CONTENT-TYPE": "a/b"}, "body": "hi"},
            Head(200, {"CONTENT-TYPE": "a/b"}),
            b"hi",
        ),
        (
            {"statusCode": 200, "body": "AAH/", "isBase64Encoded": True},
            Head(200, JSON),
            b"\0\1\xff",
        ),
        ({"statusCode": 200, "body": "aGVs\r\nbG8=\n", "isBase64Encoded": True}, None, b"hello"),
        ({"statusCode": 200, "body": "", "isBase64Encoded": True}, Head(200), b""),
        (
            {"statusCode": 200, "headers": {"Set-Cookie": "a=1"}, "cookies": ["b=2"]},
            Head(200, cookies=["a=1", "b=2"]),
            b"",
        ),
    ],
)
def test_results_with_a_status_are_responses(
    result: dict[str, Any], head: Head | None, body: bytes
) -> None:
    assert response_from_result(result) == (head or Head(200, JSON), body)


@pytest.mark.parametrize(
    ("result", "body"),
    [
        ("hello", b"hello"),
        ("", b""),
        ('"quoted"', b'"quoted"'),
        (None, b"null"),
        (True, b"true"),
        (42, b"42"),
        (1.5, b"1.5"),
        ([1, "a", None], b'[1,"a",null]'),
        ((1, 2), b"[1,2]"),
        ({"message": "wörld", "n": [1, 2]}, '{"message":"wörld","n":[1,2]}'.encode()),
        ({}, b"{}"),
        ({"statuscode": 500, "body": "x"}, b'{"statuscode":500,"body":"x"}'),
        ([{"statusCode": 500}], b'[{"statusCode":500}]'),
    ],
)
def test_results_without_a_status_are_json(result: object, body: bytes) -> None:
    assert response_from_result(result) == (Head(200, JSON), body)


@pytest.mark.parametrize("result", [b"\0\xff", bytearray(b"\0\xff"), memoryview(b"\0\xff")])
def test_bytes_are_an_octet_stream(result: object) -> None:
    assert response_from_result(result) == (
        Head(200, {"content-type": "application/octet-stream"}),
        b"\0\xff",
    )


class Unknown:
    pass


class BadRecord:
    def _asdict(self) -> list[int]:
        return []


loop: list[object] = []
loop.append(loop)
deep: list[object] = []
for _ in range(100_000):
    deep = [deep]


class Envelope(NamedTuple):
    statusCode: Any = Decimal(201)
    headers: Any = None
    cookies: Any = ("a=1",)
    body: Any = b"\xc3\xa4"


ENVELOPE = Envelope(headers={"x-price": Decimal("1.50"), "content-type": b"text/css"})


@pytest.mark.parametrize("result", [ENVELOPE, ENVELOPE._asdict()])
def test_members_of_a_response_are_what_their_json_is(result: Any) -> None:
    """As a function behind a Function URL may return them on AWS, whose runtime makes JSON."""
    head = Head(201, {"x-price": "1.5", "content-type": "text/css"}, ["a=1"])

    assert response_from_result(result) == (head, "ä".encode())


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"a": Decimal("1.50")}, b'{"a":1.50}'),
        ([b"x", (1,)], b'["x",[1]]'),
        (
            ENVELOPE._replace(headers=None),
            b'{"statusCode":201,"headers":null,"cookies":["a=1"],"body":"\xc3\xa4"}',
        ),
    ],
)
def test_a_body_that_is_no_text_is_its_json(body: Any, text: bytes) -> None:
    assert response_from_result({"statusCode": 200, "body": body})[1] == text


def test_a_named_tuple_without_a_status_is_an_object() -> None:
    class Point(NamedTuple):
        x: Any = Decimal("1.50")
        y: Any = b"b"

    assert response_from_result(Point())[1] == b'{"x":1.50,"y":"b"}'
    assert response_from_result([Point()])[1] == b'[{"x":1.50,"y":"b"}]'


@pytest.mark.parametrize(
    ("result", "message"),
    [
        ({"statusCode": None}, "illegal status None: allowed is 200 to 599"),
        ({"statusCode": 99}, "illegal status 99: allowed is 200 to 599"),
        ({"statusCode": "abc"}, "illegal status 'abc': allowed is 200 to 599"),
        ({"statusCode": 200, "headers": "a"}, "headers: an object of names and values is wanted"),
        ({"statusCode": 200, "headers": []}, "headers: an object of names and values is wanted"),
        ({"statusCode": 200, "headers": {"a": "b\nc"}}, "a: illegal character U+000A at 1 of"),
        ({"statusCode": 200, "headers": {"a": {}}}, "a: text is wanted, not dict"),
        ({"statusCode": 200, "cookies": "a=1"}, "cookies: a list of Set-Cookie values is wanted"),
        ({"statusCode": 200, "body": 7}, "body: text is wanted, not int"),
        ({"statusCode": 200, "body": {"a": {1}}}, "the result is not JSON"),
        ({"statusCode": 200, "body": {}, "isBase64Encoded": True}, "body: isBase64Encoded is true"),
        ({"statusCode": 200, "body": b"\xff"}, "body: text is wanted, not bytes"),
        ({"statusCode": 200, "body": "\ud800"}, "body: a lone surrogate at 0 cannot be sent"),
        (
            {"statusCode": 200, "body": "x", "isBase64Encoded": "true"},
            "isBase64Encoded: a boolean is wanted, not str",
        ),
        ("a\udfff", "the result: a lone surrogate at 1 cannot be sent"),
        (Unknown(), "the result is not JSON: Object of type Unknown is not JSON serializable"),
        (BadRecord(), "the result is not JSON: _asdict() must return a dict, not list"),
        ({"a": {1, 2}}, "the result is not JSON: Object of type set is not JSON serializable"),
        ({(1, 2): 3}, "the result is not JSON: keys must be"),
        (math.nan, "the result is not JSON: Out of range float values"),
        (loop, "the result is not JSON: Circular reference detected"),
        (deep, "the result is not JSON: maximum recursion depth exceeded"),
    ],
)
def test_results_that_are_no_response(result: object, message: str) -> None:
    with pytest.raises(ResultError) as caught:
        response_from_result(result)

    assert str(caught.value).startswith(message)
    assert caught.value.status == 502


@pytest.mark.parametrize("body", ["a", "ab", "abc", "!!!!", "a-_=", "aGk", "aGk=aGk=", "é", "= =="])
def test_bad_base64(body: str) -> None:
    with pytest.raises(ResultError, match=r"^body: isBase64Encoded is true, but this is not base"):
        response_from_result({"statusCode": 200, "body": body, "isBase64Encoded": True})


# --- and back ------------------------------------------------------------------------------------


def test_a_response_as_a_result() -> None:
    head = Head(201, [("X-A", "1"), ("Vary", "a"), ("vary", "b")], ["a=1", "b=2"])

    assert result_from_response(head, "hé".encode()) == {
        "statusCode": 201,
        "headers": {"X-A": "1", "Vary": "a, b"},
        "cookies": ["a=1", "b=2"],
        "body": "hé",
        "isBase64Encoded": False,
    }


def test_a_binary_or_empty_response_as_a_result() -> None:
    assert result_from_response(Head(204), b"") == {
        "statusCode": 204,
        "headers": {},
        "body": "",
        "isBase64Encoded": False,
    }
    assert result_from_response(Head(200), b"\0\xff") == {
        "statusCode": 200,
        "headers": {},
        "body": "AP8=",
        "isBase64Encoded": True,
    }


def test_a_body_with_nul_bytes_is_base64() -> None:
    """In JSON each of them is six characters: a large body of them would be over the limit."""
    result = result_from_response(Head(200), b"tar\0")

    assert (result["body"], result["isBase64Encoded"]) == ("dGFyAA==", True)


@given(
    st.integers(200, 599),
    st.dictionaries(st.sampled_from(["x-a", "X-B", "x-c"]), st.text("ab, ;=", max_size=9)),
    st.lists(st.text("ab;=", max_size=9), max_size=3),
    st.binary(max_size=40) | st.text(max_size=40).map(str.encode),
)
@few
def test_a_response_comes_back_from_its_result(
    status: int, headers: dict[str, str], cookies: list[str], body: bytes
) -> None:
    head = Head(status, headers | {"content-type": "text/plain"}, cookies)

    result = json.loads(json.dumps(result_from_response(head, body)))

    assert response_from_result(result) == (head, body)


values = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.binary()


@given(
    values
    | st.fixed_dictionaries(
        {},
        optional={
            "statusCode": values,
            "headers": values | st.dictionaries(st.text(max_size=5), values, max_size=3),
            "cookies": values | st.lists(values, max_size=3),
            "body": values,
            "isBase64Encoded": values,
        },
    )
)
@few
def test_any_result_is_a_response_or_refused(result: object) -> None:
    try:
        response_from_result(result)
    except ResultError as error:
        assert str(error)


BOTH = Head(200, {"Vary": "a, b", "x-a": "1"}, ["c=1", "d=2"])


@pytest.mark.parametrize(
    ("several", "lost"),
    [
        (None, []),
        ({}, []),
        ((), []),
        ({"vary": ["a", "b"], "X-A": ["1"], "Set-Cookie": ["d=2", "c=1"]}, []),
        ((("vary", ["a", "b"]), ("X-A", ["1"])), []),
        ({"x-a": "1", "vary": []}, []),
        (
            {"x-a": ["1", "2"], "set-cookie": ["c=1", "e=3"], "x-b": ["1"]},
            ["x-a", "set-cookie", "x-b"],
        ),
        ({"x-a": [7, None], "x-b": {"c": 1}}, ["x-a", "x-b"]),
        ("a text", ["multiValueHeaders"]),
        (["a list"], ["multiValueHeaders"]),
        (True, ["multiValueHeaders"]),
    ],
)
def test_names_are_lost_whose_values_the_head_lacks(several: object, lost: list[str]) -> None:
    """A function may give each header in both keys: it is not told of any then."""
    assert lost_names(BOTH, several) == lost
