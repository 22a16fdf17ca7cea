"""JSON of peers: what it means, and that nobody's text is built for nothing."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace import limits
from tailrace.errors import ResultError
from tailrace.net.json_text import Members, check, find_text, response_from_json
from tailrace.wire.integration import Head
from tailrace.wire.results import response_from_result

JSON = Head(200, {"content-type": "application/json"})
SIZE = limits.BUFFERED_RESPONSE_BYTES_MAX - 1_000
LISTS = b"[" + b"[]," * (SIZE // 3) + b"0]"

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(values)
def test_what_json_writes_is_json(value: object) -> None:
    check(json.dumps(value).encode())
    check(json.dumps(value, indent=2, ensure_ascii=False).encode("utf-8", "replace"))


@pytest.mark.parametrize(
    "text", [b"", b"{", b"nul", b"1 2", b"[1,]", b'{"a":NaN}', b'"\xff"', b'"\\ud8"', b'"\x01"']
)
def test_what_is_no_json_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError):
        check(text)


def test_what_is_nested_too_deeply_is_refused() -> None:
    deep = b"[" * 100_000
    with pytest.raises(ValueError, match="too deeply nested"):
        check(deep)
    with pytest.raises(ValueError, match="too deeply nested"):
        Members("a").find(b'{"a":' + deep)
    for text in (deep, b'{"a":' + deep, b'{"statusCode":200,"a":' + deep):
        with pytest.raises(ResultError, match="not JSON: too deeply nested"):
            response_from_json(text)


@pytest.mark.parametrize(
    "text", [b'"\\ud800"', b'["\\uDFFF\\ud83d\\ude00"]', b"1" * 5_000, b"1e999"]
)
def test_json_that_python_cannot_hold_is_json_all_the_same(text: bytes) -> None:
    """A lone surrogate is what JavaScript writes; a number has no longest form."""
    check(text)


def test_members_are_found_as_they_are_written() -> None:
    find = Members("a", "b", "c").find

    assert find(b' {"x":[1,{"a":2}], "a" : [1.50, 2] ,"b":"\\u00e9"} ') == {
        "a": b"[1.50, 2]",
        "b": b'"\\u00e9"',
    }
    assert find(b'{"a":1,"a":2}') == {"a": b"2"}
    assert find(b"{}") == {}


@pytest.mark.parametrize(
    "text", [b"[]", b'"a"', b"1", b"", b'{"a":1', b'{"a":"\xff"}', b'{"x":nil}']
)
def test_members_of_what_is_no_object(text: bytes) -> None:
    with pytest.raises(ValueError):
        Members("a").find(text)


def test_members_beside_a_lone_surrogate() -> None:
    find = Members("a", "b").find

    assert find(b'{"x":"\\ud800","a":"1"}') == {"a": b'"1"'}
    with pytest.raises(ValueError, match="not an object"):
        find(b'["\\ud800"]')
    with pytest.raises(ValueError):
        find(b'{"x":"\\ud800","a":"%b"}' % (b"x" * limits.JSON_BUILT_BYTES_MAX))


def test_a_text_is_one_or_nothing() -> None:
    members = Members("a", "b").find(b'{"a":"\\u00e9\\ud800","b":1}')

    assert find_text(members, "a") == "é\ud800"
    assert find_text(members, "b") == ""
    assert find_text(members, "c") == ""


ENVELOPE = st.fixed_dictionaries(
    {"statusCode": st.sampled_from([200, "404", 99, None, [], {}, "x"])},
    optional={
        "headers": st.none() | st.dictionaries(st.sampled_from("abc"), st.text(max_size=3)),
        "cookies": st.none() | st.lists(st.sampled_from(["a=1", "\n"])) | st.just("a=1"),
        "body": st.none() | st.text() | st.sampled_from([[1], {"a": 1}, 7, True, "YQ=="]),
        "isBase64Encoded": st.none() | st.booleans() | st.just(1),
        "other": values,
    },
)


@given(ENVELOPE | values)
def test_a_text_means_what_its_value_means(value: object) -> None:
    """Scanned or built, a result is the same response, or none."""

    def outcome(respond: Callable[[], tuple[Head, bytes]]) -> tuple[Head, bytes] | type[Exception]:
        try:
            return respond()
        except ResultError:
            return ResultError

    text = json.dumps(value).encode()

    assert outcome(lambda: response_from_json(text)[:2]) == outcome(
        lambda: response_from_result(value)
    )


@pytest.mark.parametrize(
    ("member", "value"),
    [
        (b"{}", {}),
        (b"null", None),
        (b'{"a":["1"]}', {"a": ["1"]}),
        (b'{"a":"%b"}' % (b"x" * limits.HEAD_BYTES_MAX), True),
    ],
)
def test_a_member_that_is_not_read_is_told(member: bytes, value: object) -> None:
    assert response_from_json(b'{"statusCode":200,"multiValueHeaders":%b}' % member)[2] == value
    assert response_from_json(b'{"multiValueHeaders":%b}' % member)[2] is None


def test_a_long_result_keeps_its_spelling_and_loses_its_layout() -> None:
    filler = b"x" * limits.JSON_BUILT_BYTES_MAX

    assert response_from_json(b'{ "a": 1.50,\n "b" : "\\u00e9%b" }' % filler)[:2] == (
        JSON,
        b'{"a":1.50,"b":"\\u00e9%b"}' % filler,
    )
    assert response_from_json(b' "\\u00e9%b" ' % filler)[:2] == (JSON, "é".encode() + filler)


@pytest.mark.parametrize(
    "head",
    [
        b'"headers":{"a":[%b0]}' % (b"1," * (SIZE // 2)),
        b'"headers":{"a":"%b"}' % (b"x" * SIZE),
        b'"cookies":[%b""]' % (b'"",' * (SIZE // 3)),
    ],
)
def test_a_head_of_megabytes_is_refused_unread(head: bytes) -> None:
    with pytest.raises(ResultError, match=r"headers and cookies of 62\d+ bytes: 65536 are allowed"):
        response_from_json(b'{"statusCode":200,%b}' % head)


@pytest.mark.parametrize(
    "read",
    [
        pytest.param(lambda: check(LISTS), id="check"),
        pytest.param(lambda: Members("a").find(b'{"x":%b,"a":1}' % LISTS), id="members"),
        pytest.param(lambda: response_from_json(LISTS), id="a list"),
        pytest.param(lambda: response_from_json(b'{"x":%b}' % LISTS), id="an object"),
        pytest.param(
            lambda: response_from_json(b'{"statusCode":200,"x":%b}' % LISTS), id="an envelope"
        ),
    ],
)
def test_two_million_lists_are_not_built(read: Callable[[], object]) -> None:
    """Built, they take 150 MB, and the event loop most of a second."""
    tracemalloc.start()
    try:
        read()
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak_bytes < 5 * SIZE


def test_a_body_that_is_a_list_is_not_built_either() -> None:
    tracemalloc.start()
    try:
        head, body, _ = response_from_json(b'{"statusCode":200,"body":%b}' % LISTS)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert (head, body) == (JSON, LISTS)
    assert peak_bytes < 5 * SIZE
