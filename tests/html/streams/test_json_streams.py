"""Lines of JSON and one JSON array: valid if complete, and only then."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.html.streams.exchange import Exchange, body_of, broken_response_of, response_of

from tailrace.html import events, json_array, ndjson

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters()),
    lambda each: st.lists(each) | st.dictionaries(st.text(st.characters()), each),
    max_leaves=8,
)


def endpoint_of(values: list[Any], make: Any, **options: Any) -> Any:
    @make(**options)
    async def endpoint(reply: Any) -> AsyncIterator[Any]:
        for value in values:
            yield value

    return endpoint


@given(st.lists(VALUES))
def test_each_value_is_a_line(values: list[Any]) -> None:
    """Also for readers that split as Python does, at U+2028 and others."""
    text = body_of(endpoint_of(values, ndjson))

    assert [json.loads(line) for line in text.splitlines()] == values
    assert text.count("\n") == len(values)


@given(st.lists(VALUES))
def test_the_values_are_one_array(values: list[Any]) -> None:
    text = body_of(endpoint_of(values, json_array))

    assert json.loads(text) == values


@pytest.mark.parametrize(
    ("make", "content_type"),
    [(ndjson, "application/x-ndjson"), (json_array, "application/json")],
)
def test_nothing_on_the_way_may_keep_or_change_it(make: Any, content_type: str) -> None:
    async def ask() -> dict[str, str]:
        async with Exchange(endpoint_of([1], make)) as exchange:
            await exchange.text()
            return exchange.headers

    headers = asyncio.run(ask())
    assert headers["content-type"] == content_type
    assert headers["cache-control"] == "no-store, no-transform"


@pytest.mark.parametrize(
    ("make", "text"), [(ndjson, '1\n{"failed":true'), (json_array, "[1\n,2\n")]
)
def test_a_failed_stream_is_aborted_and_does_not_parse(make: Any, text: str) -> None:
    """Lambda ends a failed native stream as it ends a complete one."""

    @make
    async def endpoint(reply: Any) -> AsyncIterator[Any]:
        yield 1
        if make is json_array:
            yield 2
        raise ZeroDivisionError

    _, sent, error = broken_response_of(endpoint)

    assert (sent, type(error)) == (text, ZeroDivisionError)
    with pytest.raises(json.JSONDecodeError):
        json.loads(sent.splitlines()[-1] if make is ndjson else sent)


@pytest.mark.parametrize("make", [ndjson, json_array])
def test_a_failure_before_the_first_value_is_the_servers_500(make: Any) -> None:
    @make
    async def endpoint(reply: Any) -> AsyncIterator[Any]:
        raise ZeroDivisionError
        yield

    status, sent, error = broken_response_of(endpoint)

    assert (status, sent, type(error)) == (0, "", ZeroDivisionError)


@pytest.mark.parametrize(("make", "text"), [(ndjson, ""), (json_array, "[]\n")])
def test_no_values_are_a_complete_response(make: Any, text: str) -> None:
    assert response_of(endpoint_of([], make)) == (200, text)


@pytest.mark.parametrize(
    ("make", "beat", "text"), [(ndjson, " ", "1\n"), (json_array, "[ ", "1\n]\n")]
)
def test_heartbeats_are_whitespace(make: Any, beat: str, text: str) -> None:
    async def ask() -> tuple[str | None, str]:
        opened = asyncio.Event()

        @make(heartbeat_s=0.001)
        async def endpoint(reply: Any) -> AsyncIterator[Any]:
            await opened.wait()
            yield 1

        async with Exchange(endpoint) as exchange:
            first = await exchange.piece()
            opened.set()
            return first, await exchange.text()

    first, rest = asyncio.run(ask())
    assert first == beat
    assert rest.lstrip(" ") == text


@pytest.mark.parametrize("make", [events, ndjson, json_array])
def test_what_json_has_not_is_converted_on_request(make: Any) -> None:
    assert '"2026-11-30"' in body_of(endpoint_of([date(2026, 11, 30)], make, default=str))


@pytest.mark.parametrize("make", [events, ndjson, json_array])
@pytest.mark.parametrize(
    ("value", "words"),
    [
        (float("inf"), "the value is not JSON"),
        (date(2026, 11, 30), "date is not JSON serializable; convert it, or give default="),
    ],
)
def test_what_json_has_not_is_a_clear_error(make: Any, value: Any, words: str) -> None:
    _, _, error = broken_response_of(endpoint_of([value], make))

    assert words in str(error)


@pytest.mark.parametrize("make", [events, ndjson, json_array])
@pytest.mark.parametrize(("wrong", "error"), [(0, ValueError), (-1, ValueError), ("1", TypeError)])
def test_an_impossible_heartbeat_is_refused(make: Any, wrong: Any, error: Any) -> None:
    with pytest.raises(error, match="heartbeat_s is"):
        make(heartbeat_s=wrong)
