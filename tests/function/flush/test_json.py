"""JSON: the document means the same with spaces at each place."""

from __future__ import annotations

import json
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.function.flush.places import (
    assert_same_for_any_chunks,
    assert_sizes,
    marked,
    padded,
    padded_everywhere,
    places,
    scanner,
)

JSON = "application/json"

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
pieces = st.lists(st.sampled_from([*'{}[],:" \n\\/a0-.etn\t', '"x"', "true", "é", "\\u00e9", "("]))


def test_places_are_between_tokens() -> None:
    document = '{"a\\"b": [1, -2.5e3,true], "c":null}\r\n'

    assert marked(JSON, document) == ('{|"a\\"b"|:| |[|1,| |-2.5e3,|true]|,| |"c"|:|null}|\r|\n|')


def test_there_is_none_after_a_byte_that_is_no_json() -> None:
    assert places(JSON, b")]}',\n{} ") == []
    assert places(JSON, '\ufeff{"a": 1} '.encode()) == []
    assert places(JSON, '{"a": 1}'.encode("utf-16-le")) == [1]  # a code unit is never cut
    assert places(JSON, '{"a": 1}'.encode("utf-16-be")) == []
    assert places(JSON, b'{"a": 1} // "b" ')[-1] == 9


@settings(deadline=None)
@given(value=values, indent=st.sampled_from([None, 1]), is_ascii=st.booleans())
def test_values_are_the_same(value: Any, indent: int | None, is_ascii: bool) -> None:
    document = json.dumps(value, indent=indent, ensure_ascii=is_ascii).encode()

    assert json.loads(padded_everywhere(JSON, document)) == value
    for place in places(JSON, document)[:20]:
        assert json.loads(padded(document, [place], b"  ")) == value


@given(document=pieces.map("".join), random=st.integers(0, 2**32).map(Random))
def test_chunks_make_no_difference(document: str, random: Random) -> None:
    assert_same_for_any_chunks(JSON, document.encode(), random)


def test_sizes() -> None:
    assert_sizes(JSON, 0)
    assert scanner(JSON).padding(3) == b"   "
