"""Where JSON objects end, however they are cut up."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.wire.object_scan import ObjectScan

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), values, max_size=4), st.binary(max_size=9), st.integers(1, 9))
def test_an_object_ends_where_it_ends(value: dict[str, object], rest: bytes, step: int) -> None:
    text = json.dumps(value).encode()
    data = text + rest
    scan = ObjectScan()

    for until in [*range(0, len(data), step), len(data)]:
        scan.scan(data, until)
        assert (scan.end is None) == (until < len(text))

    assert scan.end == len(text)
    assert scan.names == {json.dumps(name)[1:-1].encode() for name in value}


@pytest.mark.parametrize("text", [b'{"a', b'{"a\\', b'{"a\\"', b'{"a":[{}', b"{", b'{"a":"}'])
def test_an_object_without_end_has_none(text: bytes) -> None:
    scan = ObjectScan()

    for until in range(len(text) + 1):
        scan.scan(text, until)

    assert scan.end is None


def test_names_are_those_of_the_object_itself() -> None:
    scan = ObjectScan()

    text = b'{"a":{"b":["c","d"]},"e":"f","g":["h"],"i'
    scan.scan(text, len(text))

    assert scan.names == {b"a", b"e", b"g"}
