"""Gzip bodies, decompressed as they come."""

from __future__ import annotations

import gzip
import os
import tracemalloc

import pytest

from tailrace import limits
from tailrace.emulator.gzip_decoder import GzipDecoder
from tailrace.errors import ResultError


@pytest.mark.parametrize("step", [1, 7, 1000, 1_000_000])
def test_a_body_may_be_cut_anywhere(step: int) -> None:
    body = os.urandom(1000) + bytes(1_000_000)
    data = gzip.compress(body)
    decoder = GzipDecoder()

    decoded = b"".join(
        piece
        for start in range(0, len(data), step)
        for piece in decoder.feed(data[start : start + step])
    )

    assert decoded == body


def test_bytes_come_as_soon_as_they_can() -> None:
    import zlib

    compressor = zlib.compressobj(wbits=31)
    data = compressor.compress(b"first") + compressor.flush(zlib.Z_SYNC_FLUSH)

    assert list(GzipDecoder().feed(data)) == [b"first"]


def test_what_follows_is_dropped() -> None:
    decoder = GzipDecoder()

    assert b"".join(decoder.feed(gzip.compress(b"body") + b"junk")) == b"body"
    assert list(decoder.feed(b"more")) == []


@pytest.mark.parametrize("step", [1, 7, 1000])
def test_a_body_may_have_several_members(step: int) -> None:
    """As of a function that compresses each of its writes."""
    data = gzip.compress(b"one ") + gzip.compress(b"two ") + gzip.compress(b"") + b"junk\x1f\x8b"
    decoder = GzipDecoder()

    decoded = b"".join(
        piece
        for start in range(0, len(data), step)
        for piece in decoder.feed(data[start : start + step])
    )

    decoder.finish()
    assert decoded == b"one two "


def test_an_end_inside_the_data_is_an_error() -> None:
    data = gzip.compress(b"body")
    for size in range(1, len(data)):
        decoder = GzipDecoder()
        list(decoder.feed(data[:size]))
        with pytest.raises(ResultError, match="the body ends inside its gzip data"):
            decoder.finish()


def test_an_empty_body_is_no_error() -> None:
    decoder = GzipDecoder()

    assert list(decoder.feed(b"")) == []
    decoder.finish()


def test_what_is_no_gzip_is_an_error() -> None:
    with pytest.raises(ResultError, match="the body is not gzip"):
        list(GzipDecoder().feed(b"plain text"))


def test_a_bomb_is_bounded() -> None:
    """In what it becomes, and in what of it is in memory at a time."""
    data = gzip.compress(bytes(limits.STREAM_RESPONSE_BYTES_MAX + 1), 1)

    tracemalloc.start()
    with pytest.raises(ResultError, match="over 209715200 bytes, decompressed"):
        for piece in GzipDecoder().feed(data):
            assert len(piece) <= limits.READ_BYTES_MAX
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 * limits.MIB
