"""Gzip bodies, decompressed as they come."""

from __future__ import annotations

import gzip
import os
import tracemalloc

import pytest

from tailrace import limits
from tailrace.emulator.gzip_decoder import GzipDecoder
from tailrace.errors import ResultError


def decoded(decoder: GzipDecoder, data: bytes) -> bytes:
    """What the next bytes mean, after all the steps that they take."""
    decoder.feed(data)
    pieces = []
    while decoder.has_more:
        pieces.append(decoder.step())
    return b"".join(pieces)


@pytest.mark.parametrize("step", [1, 7, 1000, 1_000_000])
def test_a_body_may_be_cut_anywhere(step: int) -> None:
    body = os.urandom(1000) + bytes(1_000_000)
    data = gzip.compress(body)
    decoder = GzipDecoder()

    pieces = [decoded(decoder, data[start : start + step]) for start in range(0, len(data), step)]

    assert b"".join(pieces) == body


def test_bytes_come_as_soon_as_they_can() -> None:
    import zlib

    compressor = zlib.compressobj(wbits=31)
    data = compressor.compress(b"first") + compressor.flush(zlib.Z_SYNC_FLUSH)

    assert decoded(GzipDecoder(), data) == b"first"


def test_what_follows_is_dropped() -> None:
    decoder = GzipDecoder()

    assert decoded(decoder, gzip.compress(b"body") + b"junk") == b"body"
    assert decoded(decoder, b"more") == b""


@pytest.mark.parametrize("step", [1, 7, 1000])
def test_a_body_may_have_several_members(step: int) -> None:
    """As of a function that compresses each of its writes."""
    data = gzip.compress(b"one ") + gzip.compress(b"two ") + gzip.compress(b"") + b"junk\x1f\x8b"
    decoder = GzipDecoder()

    pieces = [decoded(decoder, data[start : start + step]) for start in range(0, len(data), step)]

    decoder.finish()
    assert b"".join(pieces) == b"one two "


def test_an_end_inside_the_data_is_an_error() -> None:
    data = gzip.compress(b"body")
    for size in range(1, len(data)):
        decoder = GzipDecoder()
        decoded(decoder, data[:size])
        with pytest.raises(ResultError, match="the body ends inside its gzip data"):
            decoder.finish()


def test_an_empty_body_is_no_error() -> None:
    decoder = GzipDecoder()

    assert decoded(decoder, b"") == b""
    decoder.finish()


def test_what_is_no_gzip_is_an_error() -> None:
    with pytest.raises(ResultError, match="the body is not gzip"):
        decoded(GzipDecoder(), b"plain text")


def test_a_bomb_is_bounded() -> None:
    """In what it becomes, and in what of it is in memory at a time."""
    data = gzip.compress(bytes(limits.STREAM_RESPONSE_BYTES_MAX + 1), 1)

    decoder = GzipDecoder()
    decoder.feed(data)
    tracemalloc.start()
    with pytest.raises(ResultError, match="over 209715200 bytes, decompressed"):
        while decoder.has_more:
            assert len(decoder.step()) <= limits.READ_BYTES_MAX
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 * limits.MIB


@pytest.mark.parametrize("member", [b"", b"x", b"x" * 100])
def test_a_step_reads_a_little_whatever_is_in_it(member: bytes) -> None:
    """4.5 MB of empty members took 11 s in one call: each was copied with all that followed."""
    one = gzip.compress(member)
    count = 4 * limits.GZIP_STEP_BYTES // len(one) + 1
    decoder = GzipDecoder()

    decoder.feed(one * count)
    pieces = []
    while decoder.has_more:
        pieces.append(decoder.step())

    decoder.finish()
    assert len(pieces) == 5
    assert b"".join(pieces) == member * count
    members_max = limits.GZIP_STEP_BYTES // len(one) + 1
    assert all(len(piece) <= members_max * len(member) for piece in pieces)


def test_a_step_returns_no_more_than_its_bound() -> None:
    decoder = GzipDecoder()

    decoder.feed(gzip.compress(bytes(10_000_000)) * 2)
    sizes = []
    while decoder.has_more:
        sizes.append(len(decoder.step()))

    decoder.finish()
    assert sum(sizes) == 20_000_000
    assert max(sizes) == limits.READ_BYTES_MAX
