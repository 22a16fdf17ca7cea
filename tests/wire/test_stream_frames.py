from __future__ import annotations

import tracemalloc
from itertools import pairwise
from struct import Struct

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tailrace.errors import FrameError
from tailrace.limits import (
    FLUSH_PAD_BYTES_MAX,
    FRAME_BYTES_MAX,
    FRAME_ERROR_BYTES_MAX,
    FRAMES_PER_TURN_MAX,
)
from tailrace.wire.stream_frames import (
    FrameDecoder,
    data_header,
    encode_data,
    encode_end,
    encode_error,
    encode_padding,
)

HEADER = Struct(">cI")
ERROR = b'{"errorType":"E"}'

few = settings(max_examples=60, deadline=None)
some_bytes = st.binary(max_size=40)
bodies = st.lists(st.tuples(st.sampled_from("DP"), some_bytes), max_size=8)


def encode(body: list[tuple[str, bytes]]) -> tuple[bytes, bytes, int]:
    """The frames of a body; the data in it and how much padding."""
    data = b"".join(payload for kind, payload in body if kind == "D")
    padded_bytes = sum(len(payload) for kind, payload in body if kind == "P")
    encoders = {"D": encode_data, "P": encode_padding}
    wire = b"".join(encoders[kind](payload) for kind, payload in body)
    return wire + encode_end(len(data)), data, padded_bytes


def decode(*pieces: bytes) -> bytes:
    """The data of frames that end as they should. Raises FrameError."""
    decoder = FrameDecoder()
    data = b"".join(map(decoder.feed, pieces))
    decoder.finish()
    return data


def header_places(wire: bytes) -> list[int]:
    """Where the bytes of frame headers are, and those of the end's count."""
    places, at = [], 0
    while at < len(wire):
        kind, size = HEADER.unpack_from(wire, at)
        places += range(at, at + HEADER.size + (size if kind == b"E" else 0))
        at += HEADER.size + size
    return places


# --- what is on the wire -------------------------------------------------------------------------


def test_the_bytes_of_each_frame() -> None:
    assert encode_data(b"hello") == b"D\0\0\0\5hello"
    assert encode_padding(bytes(3)) == b"P\0\0\0\3\0\0\0"
    assert encode_error(ERROR) == b"X\0\0\0\x11" + ERROR
    assert encode_end(258) == b"E\0\0\0\x08\0\0\0\0\0\0\1\2"


def test_the_longest_frame_is_one_and_a_longer_one_is_not_made() -> None:
    data = bytes(range(256)) * (FRAME_BYTES_MAX // 256)

    assert encode_data(data)[:5] == data_header(len(data)) == b"D\1\0\0\0"
    assert decode(encode_data(data), encode_data(b"more"), encode_end(len(data) + 4)) == (
        data + b"more"
    )
    with pytest.raises(AssertionError):
        data_header(FRAME_BYTES_MAX + 1)


def test_the_padding_of_any_flush_is_one_frame() -> None:
    assert FLUSH_PAD_BYTES_MAX <= FRAME_BYTES_MAX

    with pytest.raises(AssertionError):
        encode_padding(bytes(FRAME_BYTES_MAX + 1))
    with pytest.raises(AssertionError):
        encode_error(bytes(FRAME_ERROR_BYTES_MAX + 1))


# --- what is read --------------------------------------------------------------------------------


@few
@given(bodies, st.data())
@example([("D", b"P\0\0\0\5E\0\0\0\0"), ("P", b"D\0\0\0\1x")], None)
def test_data_comes_through_however_it_is_cut_up(
    body: list[tuple[str, bytes]], draws: st.DataObject | None
) -> None:
    """Data that looks like frames, too."""
    wire, data, padded_bytes = encode(body)
    cuts = [0, len(wire)]
    if draws is not None:
        cuts = sorted([*cuts, *draws.draw(st.lists(st.integers(0, len(wire)), max_size=6))])
    decoder = FrameDecoder()

    pieces = [decoder.feed(wire[a:b]) for a, b in pairwise(cuts)]
    decoder.finish()

    assert b"".join(pieces) == data
    assert decoder.padded_bytes == padded_bytes
    assert decoder.error is None


def test_data_comes_through_byte_by_byte_and_at_every_split() -> None:
    wire, data, _ = encode([("D", b"one"), ("P", bytes(9)), ("D", b""), ("P", b""), ("D", b"two")])

    assert decode(*(wire[at : at + 1] for at in range(len(wire)))) == data
    for at in range(len(wire) + 1):
        assert decode(wire[:at], wire[at:]) == data


def test_data_is_there_before_its_frame_is_whole() -> None:
    decoder = FrameDecoder()

    assert decoder.feed(HEADER.pack(b"D", FRAME_BYTES_MAX) + b"a") == b"a"
    assert decoder.feed(b"b") == b"b"
    assert decoder.feed(b"") == b""


@pytest.mark.parametrize("size", [0, 1, 64])
def test_a_read_that_is_one_frame_is_no_matter_apart(size: int) -> None:
    """Most reads are."""
    frame, whole, cut = encode_data(bytes(size)), FrameDecoder(), FrameDecoder()

    for decoder, pieces in ((whole, [frame] * 3), (cut, [frame + frame[:3], frame[3:] + frame])):
        assert b"".join(map(decoder.feed, pieces)) == bytes(size) * 3
        decoder.feed(encode_end(3 * size))
        decoder.finish()
        with pytest.raises(FrameError, match="bytes follow the end"):
            decoder.feed(frame)


@pytest.mark.parametrize("kind", "DP")
def test_tiny_frames_take_no_more_memory_than_their_bytes(kind: str) -> None:
    """A function may send a million of them at a time: writes of one byte each."""
    wire, data, _ = encode([(kind, b"x")] * FRAMES_PER_TURN_MAX)
    decoder = FrameDecoder()

    tracemalloc.start()
    try:
        assert decoder.feed(wire) == data
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak_bytes < len(wire)


@pytest.mark.parametrize("size", [0, 1, 2])
def test_one_call_reads_no_more_frames_than_a_turn_has(size: int) -> None:
    """Six megabytes of frames without data took 0.9 s, in which no other stream moved."""
    count = 3 * FRAMES_PER_TURN_MAX + 1
    wire = encode_data(b"x" * size) * count + encode_end(size * count)
    decoder = FrameDecoder()

    data = [decoder.feed(wire)]
    while decoder.rest:
        data.append(decoder.feed_rest())

    decoder.finish()
    assert [len(piece) for piece in data] == [size * FRAMES_PER_TURN_MAX] * 3 + [size]


def test_a_call_counts_every_kind_of_frame() -> None:
    """Also those that are cut, and are not read in the short way."""
    wire = (encode_padding(b"p") + encode_data(b"d")) * FRAMES_PER_TURN_MAX
    decoder = FrameDecoder()
    decoder.feed(wire[:3])

    data = decoder.feed(wire[3:])

    assert decoder.padded_bytes + len(data) == FRAMES_PER_TURN_MAX
    assert decoder.rest


def test_padding_counts_as_it_comes() -> None:
    decoder = FrameDecoder()

    assert decoder.feed(b"P\0\0\0\x05ab") == b""
    assert decoder.padded_bytes == 2


def test_an_error_ends_the_frames_and_what_came_before_it_counts() -> None:
    decoder = FrameDecoder()

    assert decoder.feed(encode_data(b"half") + encode_error(ERROR) + b"rubbish") == b"half"
    assert decoder.error == ERROR
    assert decoder.feed(encode_data(b"more")) == b""
    with pytest.raises(FrameError, match="without an end frame"):
        decoder.finish()


def test_an_error_may_be_empty_and_come_in_pieces() -> None:
    wire = encode_error(b"")
    decoder = FrameDecoder()

    assert decoder.feed(wire[:3]) == b""
    assert decoder.error is None
    assert decoder.feed(wire[3:]) == b""
    assert decoder.error == b""


# --- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wire", "said"),
    [
        (b"\0", "byte 0x00 begins no frame"),
        (b"d", "byte 0x64 begins no frame"),
        (HEADER.pack(b"D", FRAME_BYTES_MAX + 1), "a frame D of 16777217 bytes"),
        (HEADER.pack(b"P", FRAME_BYTES_MAX + 1), "a frame P of 16777217 bytes"),
        (HEADER.pack(b"X", FRAME_ERROR_BYTES_MAX + 1), "a frame X of 4097 bytes"),
        (HEADER.pack(b"E", 7), "a frame E of 7 bytes"),
        (HEADER.pack(b"E", 9), "a frame E of 9 bytes"),
        (encode_data(b"one") + encode_end(2), "the end says 2 bytes of data, 3 have come"),
        (encode_data(b"one") + encode_end(4), "the end says 4 bytes of data, 3 have come"),
        (encode_end(0) + b"D", "bytes follow the end frame"),
        (encode_end(0) + b"E", "bytes follow the end frame"),
    ],
)
def test_what_breaks_the_rules_is_refused_at_its_first_bytes(wire: bytes, said: str) -> None:
    for at in range(len(wire)):
        with pytest.raises(FrameError, match=f"^malformed frames: {said}$"):
            decode(wire[:at], wire[at:])
    decoder = FrameDecoder()
    decoder.feed(wire[:-1])
    with pytest.raises(FrameError):
        decoder.feed(wire[-1:])


@few
@given(bodies)
def test_frames_that_are_cut_anywhere_are_never_complete(body: list[tuple[str, bytes]]) -> None:
    wire, _, _ = encode(body)

    for at in range(len(wire)):
        with pytest.raises(FrameError, match="without an end frame"):
            decode(wire[:at])


@few
@given(bodies, st.data())
def test_a_flipped_byte_in_a_header_is_never_a_clean_end_of_another_length(
    body: list[tuple[str, bytes]], draws: st.DataObject
) -> None:
    """What ends the bytes is the end that was sent, and it says how long the data is."""
    wire, data, _ = encode(body)
    at = draws.draw(st.sampled_from(header_places(wire)))
    flipped = bytearray(wire)
    flipped[at] ^= draws.draw(st.integers(1, 255))

    try:
        received = decode(bytes(flipped))
    except FrameError:
        return

    assert len(received) == len(data)


def test_every_flipped_bit_in_a_header_is_refused() -> None:
    wire, _, _ = encode([("D", b"one"), ("P", bytes(9)), ("D", b"two, D and P"), ("P", bytes(20))])

    for at in header_places(wire):
        for bit in range(8):
            flipped = bytearray(wire)
            flipped[at] ^= 1 << bit
            with pytest.raises(FrameError):
                decode(bytes(flipped))


def test_no_length_makes_the_count_wrong() -> None:
    """Data that was made to look like frames when a length is flipped: it lacks their headers."""
    wire, _, _ = encode([("D", b"1234" + encode_data(b"x"))])

    with pytest.raises(FrameError, match="the end says 10 bytes of data, 5 have come"):
        decode(wire.replace(b"D\0\0\0\x0a", b"D\0\0\0\x04", 1))
