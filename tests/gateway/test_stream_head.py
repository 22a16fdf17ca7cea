"""Response streams of unknown form: what they turn out to be, however they are cut up."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.errors import HeadError, PreludeError, ResponseFormatError, ResultError
from tailrace.gateway.transports.stream_head import HeadFinder, StreamForm
from tailrace.limits import BUFFERED_RESPONSE_BYTES_MAX, PRELUDE_BYTES_MAX
from tailrace.net.json_text import response_from_envelope
from tailrace.wire.integration import DELIMITER, Head, encode_prelude

OCTETS = Head(200, {"content-type": "application/octet-stream"})
JSON = Head(200, {"content-type": "application/json"})
CREATED = Head(201, {"content-type": "text/plain"}, ("a=1",))
LONG = b'{"a":"%b"}' % (b"x" * PRELUDE_BYTES_MAX)
ENVELOPE = {"statusCode": 404, "headers": {"x-a": "1"}, "cookies": ["a=1"], "body": "gone"}


def read(pieces: list[bytes]) -> tuple[Head, bytes, bool]:
    """What a stream means: its head, its body, and whether it was a buffered result."""
    body = HeadFinder(response_from_envelope)
    for index, piece in enumerate(pieces):
        head = body.feed(piece)
        if head is not None:
            return head, body.rest + b"".join(pieces[index + 1 :]), body.form is StreamForm.RESULT
    return body.finish(), body.rest, body.form is StreamForm.RESULT


MEANINGS = {
    "a prelude": (encode_prelude(CREATED) + b"body", CREATED, b"body", False),
    "a prelude without a body": (encode_prelude(CREATED), CREATED, b"", False),
    "a body of NUL bytes": (encode_prelude(CREATED) + bytes(20), CREATED, bytes(20), False),
    "spaces before a prelude": (b" \r\n\t" + encode_prelude(CREATED) + b"x", CREATED, b"x", False),
    "text": (b"hello", OCTETS, b"hello", False),
    "text behind spaces": (b"\n\n hello", OCTETS, b"\n\n hello", False),
    "spaces only": (b" \n", OCTETS, b" \n", False),
    "a NUL byte": (b"\0", OCTETS, b"\0", False),
    "a delimiter without a prelude": (DELIMITER + b"x", OCTETS, DELIMITER + b"x", False),
    "an array": (b'[{"statusCode":201}]', OCTETS, b'[{"statusCode":201}]', False),
    "a text result": (b'"hello"', OCTETS, b'"hello"', False),
    "an envelope": (
        json.dumps(ENVELOPE).encode(),
        Head(404, {"x-a": "1", "content-type": "application/json"}, ("a=1",)),
        b"gone",
        True,
    ),
    "an envelope behind spaces": (b'\n {"statusCode":204}', Head(204), b"", True),
    "an object": (b'{"a":  1.50}', JSON, b'{"a":  1.50}', True),
    "an object and a line feed": (b'{"a":  1.50}\n', OCTETS, b'{"a":  1.50}\n', False),
    "lines": (b'{"a":1}\n{"a":2}\n', OCTETS, b'{"a":1}\n{"a":2}\n', False),
    "lines with a status": (
        b'{"statusCode":1}\n{"a":2}',
        OCTETS,
        b'{"statusCode":1}\n{"a":2}',
        False,
    ),
    "objects in a row": (b'{"a":"}"}{"a":2}', OCTETS, b'{"a":"}"}{"a":2}', False),
    "an object behind a prelude's": (b"{}{}" + DELIMITER, OCTETS, b"{}{}" + DELIMITER, False),
    "an envelope and a line feed": (b'{"statusCode":204}\n', Head(204), b"", True),
    "spaces behind a prelude": (
        b'{"statusCode":201} \n' + DELIMITER + b"x",
        Head(201),
        b"x",
        False,
    ),
    "an object with a member of no result": (
        b'{"statusCode":404,"message":"Not Found"}',
        JSON,
        b'{"statusCode":404,"message":"Not Found"}',
        True,
    ),
    "an envelope with a member too many": (
        b'{"id":7,"statusCode":404,"headers":{"content-type":"a/b"},"body":"no"}',
        Head(404, {"content-type": "a/b"}),
        b"no",
        True,
    ),
    "escapes": (b'{"a\\"}{":"\\\\"}\n', OCTETS, b'{"a\\"}{":"\\\\"}\n', False),
    "a brace": (b"{", OCTETS, b"{", False),
    "a style sheet": (b"{ color: red }", OCTETS, b"{ color: red }", False),
    "an object that is not UTF-8": (b'{"a":"\xff"}', OCTETS, b'{"a":"\xff"}', False),
    "objects without end": (b'{"a":' * 5_000, JSON, b'{"a":' * 5_000, False),
    "a long object": (LONG, JSON, LONG, False),
    "a long text in braces": (b"{ red } " * 3_000, OCTETS, b"{ red } " * 3_000, False),
    "a long template": (b"{% if %}" * 3_000, OCTETS, b"{% if %}" * 3_000, False),
}


@pytest.mark.parametrize("name", MEANINGS)
def test_a_stream_means_the_same_at_every_split(name: str) -> None:
    data, head, body, is_buffered = MEANINGS[name]
    expected = head, body, is_buffered

    assert read([data]) == expected
    assert read([data[i : i + 1] for i in range(len(data))]) == expected
    for at in range(min(len(data), 200) + 1):
        assert read([data[:at], data[at:]]) == expected


@given(st.sampled_from(sorted(MEANINGS)), st.lists(st.integers(0, 200), max_size=8))
def test_a_stream_means_the_same_however_it_is_cut(name: str, cuts: list[int]) -> None:
    data, head, body, is_buffered = MEANINGS[name]
    places = sorted({0, *(cut for cut in cuts if cut < len(data)), len(data)})

    pieces = [data[a:b] for a, b in pairwise(places)]

    assert read(pieces) == (head, body, is_buffered)


MALFORMED: dict[str, tuple[bytes, type[ResponseFormatError]]] = {
    "nothing": (b"", PreludeError),
    "a prelude that is cut": (b'{"statusCode":200}\0\0\0', PreludeError),
    "a NUL byte inside": (b'{"a":"\0"}', PreludeError),
    "a prelude that is no JSON": (b"{nothing}" + DELIMITER, PreludeError),
    "an illegal status": (b'{"statusCode":99}' + DELIMITER, HeadError),
    "frames of another version": (b'{"headers":{"tailrace-frames":"2"}}' + DELIMITER, PreludeError),
    "an illegal status in an envelope": (b'{"statusCode":99}', ResultError),
    "a body that is no text": (b'{"statusCode":200,"body":1}', ResultError),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_what_is_malformed_is_refused_at_every_split(name: str) -> None:
    data, kind = MALFORMED[name]

    for at in range(len(data) + 1):
        with pytest.raises(kind):
            read([data[:at], data[at:]])


FRAMED = b'{"headers":{"Tailrace-Frames":"1"}%b}'


@pytest.mark.parametrize(
    ("data", "is_framed"),
    [
        (FRAMED % b"" + DELIMITER, True),
        (FRAMED % b"" + DELIMITER + b"E", True),
        (encode_prelude(CREATED) + b"D\0\0\0\1x", False),
        (FRAMED % b', "body": "x"', False),
        (FRAMED % b"", False),
        (b"D\0\0\0\1x", False),
    ],
)
def test_only_a_prelude_says_that_frames_follow(data: bytes, is_framed: bool) -> None:
    for at in range(len(data) + 1):
        body = HeadFinder(response_from_envelope)
        if body.feed(data[:at]) is None and body.feed(data[at:]) is None:
            body.finish()
        assert body.is_framed is is_framed


def test_text_is_known_at_once() -> None:
    body = HeadFinder(response_from_envelope)

    assert body.feed(b"h") == OCTETS
    assert body.rest == b"h"


def test_the_longest_prelude_is_one_and_a_longer_one_is_refused() -> None:
    room = PRELUDE_BYTES_MAX - len('{"headers":{"a":""}}') - len(DELIMITER)
    longest = b'{"headers":{"a":"%b"}}' % (b"v" * room) + DELIMITER
    longer = b'{"headers":{"a":"%b"}}' % (b"v" * (room + 1)) + DELIMITER

    assert len(longest) == PRELUDE_BYTES_MAX
    assert read([longest, b"x"]) == (Head(200, {"a": "v" * room}), b"x", False)
    with pytest.raises(PreludeError, match="16384 are allowed"):
        read([longer])


def test_an_envelope_may_be_longer_than_a_prelude() -> None:
    text = "x" * (2 * PRELUDE_BYTES_MAX)
    data = json.dumps({"statusCode": 200, "headers": {"content-type": "a/b"}, "body": text})

    head, body, is_buffered = read([data.encode()])

    assert (head, body, is_buffered) == (Head(200, {"content-type": "a/b"}), text.encode(), True)


def test_more_than_a_buffered_response_can_be_is_a_plain_stream() -> None:
    body = HeadFinder(response_from_envelope)
    longest = b'{"body":"' + b"x" * (BUFFERED_RESPONSE_BYTES_MAX - 9)

    assert body.feed(longest) is None
    assert body.feed(b"y") == OCTETS
    assert body.rest == longest + b"y"
    assert body.form is not StreamForm.RESULT


def test_spaces_are_collected_to_a_limit() -> None:
    body = HeadFinder(response_from_envelope)

    assert body.feed(b" " * PRELUDE_BYTES_MAX) is None
    assert body.feed(b" ") == OCTETS
    assert len(body.rest) == PRELUDE_BYTES_MAX + 1


def test_a_line_is_known_before_the_next_one() -> None:
    body = HeadFinder(response_from_envelope)

    assert body.feed(b'{"i":1}') is None
    assert body.feed(b"\n") == OCTETS
    assert (body.rest, body.form) == (b'{"i":1}\n', StreamForm.PLAIN)


def test_an_object_that_is_written_slowly_is_known_when_it_can_be_no_prelude() -> None:
    body = HeadFinder(response_from_envelope)

    assert body.feed(LONG[:PRELUDE_BYTES_MAX]) is None
    assert body.held_bytes == PRELUDE_BYTES_MAX
    assert body.feed(b"x") == JSON
    assert body.rest == LONG[:PRELUDE_BYTES_MAX] + b"x"
    assert body.held_bytes == 0
