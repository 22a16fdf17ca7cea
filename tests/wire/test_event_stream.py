import base64
import json
import struct
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any
from zlib import crc32

import botocore.session
import pytest
from botocore.eventstream import EventStreamBuffer
from botocore.parsers import EventStreamJSONParser
from hypothesis import given, settings
from hypothesis import strategies as st

from tailrace.errors import EventStreamError
from tailrace.limits import (
    EVENT_STREAM_HEADERS_BYTES_MAX,
    EVENT_STREAM_PAYLOAD_BYTES_MAX,
    HEADER_COUNT_MAX,
)
from tailrace.wire.event_stream import (
    Message,
    MessageDecoder,
    encode_chunk,
    encode_complete,
    encode_message,
)

# Made with the layout of the specification and decoded by botocore 1.44.5, 2026-11.
CHUNK_HI = bytes.fromhex(
    "0000006c 0000005a b25efdcf"
    "0b3a6576656e742d74797065 07000c 5061796c6f61644368756e6b"
    "0d3a636f6e74656e742d74797065 070018 6170706c69636174696f6e2f6f637465742d73747265616d"
    "0d3a6d6573736167652d74797065 070005 6576656e74"
    "6869 1162e469"
)
CHUNK_HEADERS = {
    ":event-type": "PayloadChunk",
    ":content-type": "application/octet-stream",
    ":message-type": "event",
}
COMPLETE_HEADERS = {
    ":event-type": "InvokeComplete",
    ":content-type": "application/json",
    ":message-type": "event",
}
COMPLETE = encode_complete()
FAILED = encode_complete("Unhandled", '{"errorType":"E","errorMessage":"é"}', "bG9n")

ALL_BYTES = bytes(range(256))

few = settings(max_examples=60, deadline=None)


def decode(pieces: Iterable[bytes]) -> list[Message]:
    decoder = MessageDecoder()
    messages = [message for piece in pieces for message in decoder.feed(piece)]
    decoder.finish()
    return messages


def framed(header_bytes: bytes, payload: bytes = b"") -> bytes:
    """A message with any headers and right checksums."""
    lengths = struct.pack(">II", 16 + len(header_bytes) + len(payload), len(header_bytes))
    message = lengths + struct.pack(">I", crc32(lengths)) + header_bytes + payload
    return message + struct.pack(">I", crc32(message))


def prelude(total: int, header_bytes: int) -> bytes:
    lengths = struct.pack(">II", total, header_bytes)
    return lengths + struct.pack(">I", crc32(lengths))


# --- what we make, as others see it -----------------------------------------------------------


def test_a_chunk_byte_for_byte() -> None:
    assert encode_chunk(b"hi") == CHUNK_HI


def test_the_end_byte_for_byte() -> None:
    assert len(COMPLETE) == 102
    assert COMPLETE.startswith(bytes.fromhex("00000066 00000054 1f56c869"))
    assert COMPLETE.endswith(b"{}" + bytes.fromhex("7006d467"))


@cache
def event_shape() -> Any:
    model = botocore.session.get_session().get_service_model("lambda")
    return model.operation_model("InvokeWithResponseStream").output_shape.members["EventStream"]


def by_botocore(data: bytes) -> list[dict[str, object]]:
    """The events that boto3's users get."""
    parser = EventStreamJSONParser()
    buffer = EventStreamBuffer()
    buffer.add_data(data)
    return [parser.parse(message.to_response_dict(), event_shape()) for message in buffer]


@pytest.mark.parametrize(
    ("message", "event"),
    [
        (CHUNK_HI, {"PayloadChunk": {"Payload": b"hi"}}),
        (encode_chunk(b""), {"PayloadChunk": {"Payload": b""}}),
        (encode_chunk(ALL_BYTES * 999), {"PayloadChunk": {"Payload": ALL_BYTES * 999}}),
        (COMPLETE, {"InvokeComplete": {}}),
        (encode_complete("Unhandled"), {"InvokeComplete": {"ErrorCode": "Unhandled"}}),
        (
            FAILED,
            {
                "InvokeComplete": {
                    "ErrorCode": "Unhandled",
                    "ErrorDetails": '{"errorType":"E","errorMessage":"é"}',
                    "LogResult": "bG9n",
                }
            },
        ),
    ],
)  # fmt: skip
def test_botocore_reads_what_we_make(message: bytes, event: dict[str, object]) -> None:
    assert by_botocore(message) == [event]


@given(st.lists(st.binary(max_size=300), max_size=5), st.text(max_size=50), st.text(max_size=300))
@few
def test_botocore_reads_any_stream_of_ours(
    chunks: list[bytes], error_code: str, details: str
) -> None:
    stream = [*map(encode_chunk, chunks), encode_complete(error_code, details)]

    assert by_botocore(b"".join(stream)) == [
        *({"PayloadChunk": {"Payload": chunk}} for chunk in chunks),
        {"InvokeComplete": {"ErrorCode": error_code, "ErrorDetails": details}},
    ]


def test_a_log_that_is_base64_keeps_its_bytes() -> None:
    log = base64.b64encode(b"START\n\xff").decode()

    (message,) = decode([encode_complete(log_result=log)])

    assert json.loads(message.payload) == {"LogResult": log}


# --- what we read -----------------------------------------------------------------------------

STREAM = CHUNK_HI + encode_chunk(b"") + FAILED
MESSAGES = [
    Message(CHUNK_HEADERS, b"hi"),
    Message(CHUNK_HEADERS, b""),
    Message(
        COMPLETE_HEADERS,
        b'{"ErrorCode":"Unhandled",'
        b'"ErrorDetails":"{\\"errorType\\":\\"E\\",\\"errorMessage\\":\\"\xc3\xa9\\"}",'
        b'"LogResult":"bG9n"}',
    ),
]


def test_messages_are_read() -> None:
    assert decode([STREAM]) == MESSAGES


def test_messages_are_read_byte_by_byte() -> None:
    assert decode(bytes([byte]) for byte in STREAM) == MESSAGES


def test_messages_are_read_whatever_the_cut() -> None:
    for place in range(len(STREAM) + 1):
        assert decode([STREAM[:place], STREAM[place:]]) == MESSAGES


def test_a_message_is_given_with_its_last_byte() -> None:
    decoder = MessageDecoder()

    assert decoder.feed(CHUNK_HI[:-1]) == []
    assert decoder.feed(CHUNK_HI[-1:]) == MESSAGES[:1]


def test_every_message_has_headers_of_its_own() -> None:
    decoder = MessageDecoder()
    stream = [{"a": "1"}, {"a": "1"}, {"a": "2"}, {}, {"a": "2"}]
    seen = []
    for headers in stream:
        (message,) = decoder.feed(encode_message(headers, b""))
        seen.append(dict(message.headers))
        message.headers["a"] = "changed"

    assert seen == stream


def test_a_stream_without_bytes_is_complete() -> None:
    assert decode([]) == decode([b""]) == []


@pytest.mark.parametrize("message", [CHUNK_HI, COMPLETE, FAILED], ids=["chunk", "end", "failed"])
def test_any_flipped_bit_is_refused(message: bytes) -> None:
    for place in range(len(message)):
        for bit in range(8):
            flipped = bytearray(message)
            flipped[place] ^= 1 << bit
            with pytest.raises(EventStreamError):
                decode([bytes(flipped)])


@pytest.mark.parametrize("message", [CHUNK_HI, COMPLETE], ids=["chunk", "end"])
def test_any_changed_byte_is_refused(message: bytes) -> None:
    for place in range(len(message)):
        for byte in set(range(256)) - {message[place]}:
            changed = message[:place] + bytes([byte]) + message[place + 1 :]
            with pytest.raises(EventStreamError):
                decode([changed])


def test_a_wrong_length_is_refused_before_it_is_waited_for() -> None:
    """The prelude has a checksum of its own: a length of 2 GB must not be believed."""
    decoder = MessageDecoder()

    with pytest.raises(EventStreamError, match="checksum of a prelude"):
        decoder.feed(b"\x7f" + CHUNK_HI[1:12])


def test_a_stream_that_is_cut_is_refused() -> None:
    for place in range(1, len(CHUNK_HI)):
        with pytest.raises(EventStreamError, match=f"ends {place} bytes into a message"):
            decode([COMPLETE + CHUNK_HI[:place]])


def test_after_an_error_nothing_is_taken() -> None:
    decoder = MessageDecoder()
    with pytest.raises(EventStreamError):
        decoder.feed(b"\xff" * 12)

    with pytest.raises(EventStreamError, match="checksum"):
        decoder.feed(CHUNK_HI)
    with pytest.raises(EventStreamError, match="checksum"):
        decoder.finish()


def test_header_types_that_lambda_does_not_send_are_passed_over() -> None:
    header_bytes = (
        b"\x01a\x00" b"\x01b\x01" b"\x01c\x02\x07" b"\x01d\x03\x00\x07" b"\x01e\x04" + bytes(4)
        + b"\x01f\x05" + bytes(8) + b"\x01g\x06\x00\x02\xff\xfe" + b"\x01h\x07\x00\x03yes"
        + b"\x01i\x08" + bytes(8) + b"\x01j\x09" + bytes(16)
    )  # fmt: skip

    assert decode([framed(header_bytes, b"x")]) == [Message({"h": "yes"}, b"x")]


@pytest.mark.parametrize(
    "header_bytes",
    [
        b"\x01",
        b"\x05a",
        b"\x01a",
        b"\x01a\x0a",
        b"\x01a\x07",
        b"\x01a\x07\x00",
        b"\x01a\x07\x00\x02x",
        b"\x01a\x07\x00\x01\xff",
        b"\x01\xff\x07\x00\x01x",
        b"\x01a\x04\x00",
    ],
)
def test_malformed_headers_are_refused(header_bytes: bytes) -> None:
    with pytest.raises(EventStreamError, match="headers of a message are malformed"):
        decode([framed(header_bytes)])


def test_a_repeated_header_is_refused() -> None:
    with pytest.raises(EventStreamError, match="'a' twice"):
        decode([framed(b"\x01a\x07\x00\x01x\x01a\x00")])


@pytest.mark.parametrize(
    ("total", "header_bytes", "reason"),
    [
        (0, 0, "0 bytes has 0 bytes of headers"),
        (15, 0, "15 bytes has 0"),
        (16, 1, "16 bytes has 1"),
        ((1 << 17) + 17, (1 << 17) + 1, "limit of 131072"),
        ((24 << 20) + 17, 0, "limit of 25165824"),
        ((1 << 32) - 1, 0, "limit of 25165824"),
    ],
)  # fmt: skip
def test_bounds_are_checked_with_the_prelude(total: int, header_bytes: int, reason: str) -> None:
    decoder = MessageDecoder()

    with pytest.raises(EventStreamError, match=reason):
        decoder.feed(prelude(total, header_bytes))


def test_messages_at_the_bounds_are_taken() -> None:
    names = [f"{place:03}" for place in range(3)]
    size = EVENT_STREAM_HEADERS_BYTES_MAX - 3 * (1 + 3 + 1 + 2)
    values = ["x" * 65_000, "y" * 65_000, "z" * (size - 130_000)]
    headers = dict(zip(names, values, strict=True))
    payload = bytes(EVENT_STREAM_PAYLOAD_BYTES_MAX)
    message = encode_message(headers, payload)

    assert decode([message]) == [Message(headers, payload)]
    buffer = EventStreamBuffer()
    buffer.add_data(message)
    assert next(buffer).headers == headers


@pytest.mark.parametrize(
    "make",
    [
        lambda: encode_message({"": "x"}, b""),
        lambda: encode_message({"x" * 256: "x"}, b""),
        lambda: encode_message({"x": "x" * 65_536}, b""),
        lambda: encode_message({"a": "x" * 65_535, "b": "x" * 65_535}, b""),
        lambda: encode_chunk(bytes(EVENT_STREAM_PAYLOAD_BYTES_MAX + 1)),
    ],
)
def test_what_nobody_reads_is_not_made(make: Callable[[], bytes]) -> None:
    with pytest.raises(AssertionError):
        make()


def test_a_long_message_in_small_pieces_is_not_copied_again_and_again() -> None:
    """The decoder keeps no more than the message: 2,000 pieces would else be 8 GB of copying."""
    payload = bytes(8_000_000)
    message = encode_chunk(payload)

    assert decode(message[i : i + 4_000] for i in range(0, len(message), 4_000)) == [
        Message(CHUNK_HEADERS, payload)
    ]


names = st.text(min_size=1, max_size=20).filter(lambda name: len(name.encode()) < 256)
messages = st.tuples(
    st.dictionaries(names, st.text(max_size=40), max_size=4), st.binary(max_size=200)
)


@given(st.lists(messages, max_size=5), st.data())
@few
def test_what_is_made_is_read(
    made: list[tuple[dict[str, str], bytes]], data: st.DataObject
) -> None:
    stream = b"".join(encode_message(*message) for message in made)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]

    assert decode(pieces) == [Message(*message) for message in made]


@given(st.binary(max_size=200))
@few
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        decode([data])
    except EventStreamError:
        pass


@given(st.binary(max_size=60), st.binary(max_size=20))
@few
def test_any_headers_are_read_or_refused(header_bytes: bytes, payload: bytes) -> None:
    try:
        (message,) = decode([framed(header_bytes, payload)])
    except EventStreamError:
        return
    assert message.payload == payload


def test_what_follows_the_last_message_that_counts_is_not_read() -> None:
    """Sixteen thousand messages of 16 bytes fit into a read."""
    decoder = MessageDecoder()
    messages = decoder.read(CHUNK_HI + b"rubbish in place of a message")

    assert next(messages).payload == b"hi"
    with pytest.raises(EventStreamError, match="checksum of a prelude"):
        next(messages)


def test_a_message_has_no_more_headers_than_a_head() -> None:
    """Thirty thousand would fit into the bound on their bytes."""
    headers = [b"\x02%c%c\x00" % (ord("a") + at // 26, ord("a") + at % 26) for at in range(200)]

    assert decode([framed(b"".join(headers[:HEADER_COUNT_MAX]))]) == [Message({}, b"")]
    with pytest.raises(EventStreamError, match="more than 128 headers"):
        decode([framed(b"".join(headers))])
