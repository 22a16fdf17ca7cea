"""What a Function URL makes of a function's headers."""

from __future__ import annotations

import pytest

from tailrace.emulator.function_urls.response_head import (
    FORBIDDEN,
    PREFIX,
    RENAMED,
    STRIPPED,
    response_fields,
)
from tailrace.errors import HeadError
from tailrace.wire.integration import Head


def test_headers_are_passed_on_in_lower_case_and_in_order() -> None:
    head = Head(200, {"X-B": "2", "Content-Type": "text/plain", "x-a": "1"})

    assert response_fields(head) == [
        (b"x-b", b"2"),
        (b"content-type", b"text/plain"),
        (b"x-a", b"1"),
    ]


def test_repeats_are_joined_whatever_their_case() -> None:
    head = Head(200, [("Vary", "Origin"), ("X-A", "1"), ("vary", "Accept")])

    assert response_fields(head) == [(b"vary", b"Origin, Accept"), (b"x-a", b"1")]


def test_each_cookie_is_a_field() -> None:
    head = Head(200, {"set-cookie": "a=1; Path=/, x"}, ["b=2", "a=1"])

    assert response_fields(head) == [
        (b"set-cookie", b"a=1; Path=/, x"),
        (b"set-cookie", b"b=2"),
        (b"set-cookie", b"a=1"),
    ]


@pytest.mark.parametrize("name", sorted(RENAMED))
def test_what_speaks_of_the_connection_is_renamed(name: str) -> None:
    assert response_fields(Head(200, {name.title(): "x"})) == [((PREFIX + name).encode(), b"x")]


@pytest.mark.parametrize("name", sorted(STRIPPED))
def test_what_belongs_to_a_connection_is_stripped(name: str) -> None:
    assert response_fields(Head(200, {name.title(): "x", "x-a": "1"})) == [(b"x-a", b"1")]


def test_the_table_is_the_reported_one() -> None:
    names = ["connection", "content-length", "date", "server", "www-authenticate"]
    assert sorted(RENAMED) == names


@pytest.mark.parametrize("name", sorted(FORBIDDEN))
def test_lambdas_own_names_are_an_error(name: str) -> None:
    with pytest.raises(HeadError, match=name) as raised:
        response_fields(Head(200, {name: "1"}))
    assert raised.value.status == 500


def test_other_remapped_names_are_passed_on() -> None:
    assert response_fields(Head(200, {"x-amzn-remapped-date": "x"})) == [
        (b"x-amzn-remapped-date", b"x")
    ]


def test_what_the_url_changes_itself_is_dropped() -> None:
    head = Head(200, {"Content-Encoding": "gzip", "x-a": "1"})

    assert response_fields(head, dropped=frozenset({"content-encoding"})) == [(b"x-a", b"1")]


def test_values_stay_bytes() -> None:
    assert response_fields(Head(200, {"x-a": "caf\xe9"}, ["c=\xe9"])) == [
        (b"x-a", b"caf\xe9"),
        (b"set-cookie", b"c=\xe9"),
    ]
