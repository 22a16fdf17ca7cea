"""SSE, newline-delimited JSON and plain text: places are the starts of lines."""

from __future__ import annotations

import json
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.function.flush.places import (
    assert_same_for_any_chunks,
    assert_sizes,
    marked,
    padded_everywhere,
    scanner,
)

SSE, NDJSON, TEXT = "text/event-stream", "application/x-ndjson", "text/plain"


@pytest.mark.parametrize("content_type", [SSE, NDJSON, TEXT])
def test_places_are_line_starts(content_type: str) -> None:
    assert marked(content_type, "a\nb\r\n\nc\r:\r") == "|a\n|b\r\n|\n|c\r:\r"


@pytest.mark.parametrize("content_type", [SSE, NDJSON, TEXT])
@given(document=st.text('a:\r\n "é'), random=st.integers(0, 2**32).map(Random))
def test_chunks_make_no_difference(content_type: str, document: str, random: Random) -> None:
    assert_same_for_any_chunks(content_type, document.encode(), random)


def test_sizes() -> None:
    assert_sizes(SSE, 2)
    assert_sizes(NDJSON, 0)
    assert_sizes(TEXT, 1)


@pytest.mark.parametrize("size", [2, 3, 4095, 4096, 4097, 4098, 8192, 8193, 100_000])
def test_sse_padding_is_comment_lines_that_readers_with_bounded_lines_take(size: int) -> None:
    lines = scanner(SSE).padding(size).split(b"\n")

    assert lines.pop() == b""
    assert all(line[:1] == b":" and not line[1:].strip(b" ") for line in lines)
    assert max(map(len, lines)) < 4096


def test_an_event_goes_on_behind_padding() -> None:
    event = b"event: x\ndata: 1\ndata: 2\n\n"

    lines = padded_everywhere(SSE, event).split(b"\n")

    assert [line for line in lines if not line.startswith(b":")] == event.split(b"\n")


def test_ndjson_padding_adds_no_line() -> None:
    documents = [{"a": 1}, [1, "\n"], None]
    body = "".join(f"{json.dumps(document)}\n" for document in documents).encode()

    lines = padded_everywhere(NDJSON, body).splitlines()

    assert [json.loads(line) for line in lines[:3]] == documents
    assert [line.strip() for line in lines[3:]] == [b""]  # where a flush came last
    assert padded_everywhere(NDJSON, body).count(b"\n") == 3


def test_text_padding_is_a_line_of_spaces() -> None:
    assert scanner(TEXT).padding(5) == b"    \n"
