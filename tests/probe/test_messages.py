"""Units of a body are found however the body is cut into pieces."""

from __future__ import annotations

import gzip
import itertools
import json
import tracemalloc
import zlib
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailrace.probe.messages import (
    Cut,
    Cutter,
    EventCutter,
    LineCutter,
    MarkCutter,
    ReadCutter,
    cutter_for,
    decoder_for,
)
from tailrace.probe.protocol import FORMS, mark

few = settings(max_examples=60, deadline=None)


def fed(cutter: Cutter, pieces: list[bytes]) -> list[Cut]:
    cuts = [cut for piece in pieces for cut in cutter.feed(piece)]
    return cuts + cutter.finish()


def units(cutter: Cutter, body: bytes, pieces: list[bytes] | None = None) -> list[bytes]:
    """The body, cut at the ends that were found."""
    ends = [cut.end for cut in fed(cutter, [body] if pieces is None else pieces)]
    return [body[a:b] for a, b in itertools.pairwise([0, *ends])]


def bytewise(body: bytes) -> list[bytes]:
    return [body[i : i + 1] for i in range(len(body))]


def pieces_of(body: bytes, places: list[int]) -> list[bytes]:
    ends = sorted({0, len(body), *(place % (len(body) + 1) for place in places)})
    return [body[a:b] for a, b in itertools.pairwise(ends)]


# --- which -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content_type", "is_companion", "unit"),
    [
        ("text/event-stream", False, "event"),
        ("Text/Event-Stream; charset=utf-8", False, "event"),
        ("application/x-ndjson", False, "line"),
        ("application/jsonl", False, "line"),
        ("application/json-seq", False, "line"),
        ("text/plain", False, "read"),
        ("application/json", False, "read"),
        (None, False, "read"),
        ("", True, "read"),
        ("text/plain; charset=utf-8", True, "chunk"),
        ("text/event-stream", True, "chunk"),
        ("image/png", True, "read"),
    ],
)
def test_the_content_type_says_what_the_units_are(
    content_type: str | None, is_companion: bool, unit: str
) -> None:
    assert cutter_for(content_type, is_companion=is_companion).unit == unit


def test_without_units_each_read_is_one() -> None:
    assert units(ReadCutter(), b"abcdef", [b"ab", b"c", b"def"]) == [b"ab", b"c", b"def"]


# --- events ----------------------------------------------------------------------------------

EVENTS = {
    "one": (b"data: x\n\n", [b"data: x\n\n"]),
    "two": (b"data: x\n\ndata: y\n\n", [b"data: x\n\n", b"data: y\n\n"]),
    "fields": (
        b"id: 1\nevent: e\ndata: x\ndata: y\n\n",
        [b"id: 1\nevent: e\ndata: x\ndata: y\n\n"],
    ),
    "data alone": (b"data\n\n", [b"data\n\n"]),
    "no data": (b"event: x\nid: 2\n\n", []),
    "another field": (b"datax: x\n\ndata x\n\n", []),
    "a comment": (b": hello\n\n", []),
    "padding goes with the next": (b": pad\n\ndata: x\n\n", [b": pad\n\ndata: x\n\n"]),
    "cut off": (b"data: x\n\ndata: y\n", [b"data: x\n\n"]),
    "cr": (b"data: x\r\rdata: y\r\r", [b"data: x\r\r", b"data: y\r\r"]),
    "a mark before": (b"\xef\xbb\xbfdata: x\n\n", [b"\xef\xbb\xbfdata: x\n\n"]),
    "blank lines": (b"\n\n\ndata: x\n\n\n\n", [b"\n\n\ndata: x\n\n"]),
    "long": (b"data: " + b"x" * 9_999 + b"\n\n", [b"data: " + b"x" * 9_999 + b"\n\n"]),
    "an empty body": (b"", []),
}


@pytest.mark.parametrize(("body", "expected"), EVENTS.values(), ids=EVENTS)
def test_events_are_cut_as_browsers_do(body: bytes, expected: list[bytes]) -> None:
    assert units(EventCutter(), body) == expected
    assert units(EventCutter(), body, bytewise(body)) == expected


def test_lines_that_end_with_both_end_once() -> None:
    body = b"data: x\r\n\r\ndata: y\r\n\r\n"

    assert units(EventCutter(), body) == [b"data: x\r\n\r\n", b"data: y\r\n\r\n"]
    # The event is there with its CR; the LF, which comes later, belongs to no line.
    assert units(EventCutter(), body, bytewise(body)) == [b"data: x\r\n\r", b"\ndata: y\r\n\r"]


@few
@given(
    st.lists(st.sampled_from([b"data: a", b"data", b": c", b"id: 1", b"", b"\n", b"\r\n", b"\r"])),
    st.lists(st.integers(0, 10_000), max_size=8),
)
def test_events_are_as_many_however_the_body_is_cut(lines: list[bytes], places: list[int]) -> None:
    body = b"".join(lines)

    assert len(fed(EventCutter(), [body])) == len(fed(EventCutter(), pieces_of(body, places)))


# --- lines -----------------------------------------------------------------------------------

LINES = {
    "two": (b'{"a": 1}\n{"b": 2}\n', [b'{"a": 1}\n', b'{"b": 2}\n']),
    "crlf": (b"1\r\n2\r\n", [b"1\r\n", b"2\r\n"]),
    "blank ones are padding": (b"1\n  \n\r\n2\n", [b"1\n", b"  \n\r\n2\n"]),
    "the last without an end": (b"1\n2", [b"1\n", b"2"]),
    "a blank end": (b"1\n  ", [b"1\n"]),
    "an empty body": (b"", []),
}


@pytest.mark.parametrize(("body", "expected"), LINES.values(), ids=LINES)
def test_lines_are_cut(body: bytes, expected: list[bytes]) -> None:
    assert units(LineCutter(), body) == expected
    assert units(LineCutter(), body, bytewise(body)) == expected


# --- the companion's chunks ------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_chunks_end_with_their_marks(form: object) -> None:
    assert isinstance(form, type(FORMS["text/plain"]))
    texts = [form.opening + "x" * i + mark(i, 10**18 + i) + form.closing for i in range(4)]
    body = "".join(texts).encode()

    for pieces in ([body], bytewise(body)):
        cuts = fed(MarkCutter(form.closing.encode()), pieces)

        assert [cut.index for cut in cuts] == [0, 1, 2, 3]
        assert [cut.written_ns for cut in cuts] == [10**18 + i for i in range(4)]
        assert [cut.end for cut in cuts] == list(itertools.accumulate(map(len, texts)))


@few
@given(st.lists(st.integers(0, 10_000), max_size=8), st.binary(max_size=60))
def test_marks_are_found_in_any_pieces(places: list[int], noise: bytes) -> None:
    body = noise + b"".join(b"[%d:%d]\n" % (i, 7 * i) + noise for i in range(5))

    found = fed(MarkCutter(b"\n"), pieces_of(body, places))

    assert found == fed(MarkCutter(b"\n"), [body])


@pytest.mark.parametrize(
    "cutter", [EventCutter(), LineCutter(), MarkCutter(b"\n"), ReadCutter()], ids=lambda c: c.unit
)
def test_endless_units_take_no_memory(cutter: Cutter) -> None:
    piece = b"[1:" + b"5" * 65_533
    cutter.feed(piece)

    tracemalloc.start()
    for _ in range(200):
        cutter.feed(piece)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert kept < 300_000


# --- compression -----------------------------------------------------------------------------


def coded(body: bytes, coding: str) -> bytes:
    if coding == "gzip":
        return gzip.compress(body)
    if coding == "deflate":
        return zlib.compress(body)
    if coding == "raw deflate":
        packer = zlib.compressobj(wbits=-15)
        return packer.compress(body) + packer.flush()
    return gzip.compress(body[:7]) + gzip.compress(body[7:])  # two members


@pytest.mark.parametrize("coding", ["gzip", "deflate", "raw deflate", "gzip, twice"])
def test_compressed_bodies_can_be_read_as_they_come(coding: str) -> None:
    body = json.dumps(list(range(3_000))).encode()
    data = coded(body, coding)

    for pieces in ([data], bytewise(data), [data[i : i + 100] for i in range(0, len(data), 100)]):
        decoder = decoder_for("deflate" if "deflate" in coding else "gzip")
        assert decoder is not None
        assert b"".join(out for piece in pieces for out in decoder.feed(piece)) == body


def test_what_was_flushed_can_be_read_at_once() -> None:
    packer = zlib.compressobj(wbits=31)
    decoder = decoder_for("GZIP ")
    assert decoder is not None

    for word in (b"one", b"two", b"three"):
        data = packer.compress(word) + packer.flush(zlib.Z_SYNC_FLUSH)
        assert b"".join(decoder.feed(data)) == word


def test_a_bomb_comes_in_pieces() -> None:
    decoder = decoder_for("gzip")
    assert decoder is not None

    def sizes() -> Iterator[int]:
        assert decoder is not None
        yield from (len(piece) for piece in decoder.feed(gzip.compress(bytes(8_000_000))))

    found = list(sizes())

    assert sum(found) == 8_000_000
    assert max(found) <= 65_536


def test_what_is_not_compressed_is_no_gzip() -> None:
    decoder = decoder_for("gzip")
    assert decoder is not None

    with pytest.raises(ValueError, match="while decompressing"):
        list(decoder.feed(b"hello, this is text"))


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, br"])
def test_other_codings_cannot_be_undone(coding: str) -> None:
    assert decoder_for(coding) is None


@pytest.mark.parametrize("coding", [None, "identity"])
def test_without_a_coding_nothing_is_done(coding: str | None) -> None:
    decoder = decoder_for(coding)
    assert decoder is not None

    assert list(decoder.feed(b"abc")) == [b"abc"]


def test_members_without_a_byte_yield_to_their_reader() -> None:
    """Who takes the pieces looks at the time; 250 KB of such members took 80 ms without one."""
    data = gzip.compress(b"") * 12_500

    pieces = list(decoder_for("gzip").feed(data))  # type: ignore[union-attr] # it is known

    assert set(pieces) == {b""}
    assert len(pieces) >= len(data) // 4096
