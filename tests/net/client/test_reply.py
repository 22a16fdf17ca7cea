"""The parser of answers: fed whole, byte by byte and with trailing data."""

from __future__ import annotations

import gc

import pytest

from tailrace.errors import PeerError
from tailrace.net.client.reply import ReplyParser

HEAD = b"HTTP/1.1 200 OK\r\nX-A: 1\r\nx-a: 2\r\n"
ANSWERS = {
    "a length": (HEAD + b"content-length: 3\r\n\r\nabc", True),
    "chunks": (HEAD + b"transfer-encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", True),
    "the last one": (HEAD + b"connection: close\r\ncontent-length: 3\r\n\r\nabc", False),
    "after a hint": (
        b"HTTP/1.1 103 X\r\nlink: x\r\n\r\n" + HEAD + b"content-length: 3\r\n\r\nabc",
        True,
    ),
}


@pytest.mark.parametrize("size", [1, 2, 7, 1_000])
@pytest.mark.parametrize("case", ANSWERS)
def test_an_answer_is_the_same_in_reads_of_any_size(case: str, size: int) -> None:
    message, is_kept = ANSWERS[case]
    parser = ReplyParser()
    body = b""

    for start in range(0, len(message), size):
        assert not parser.is_complete
        parser.feed(message[start : start + size])
        body += parser.take_body()

    assert (parser.status, parser.fields["x-a"], body) == (200, "2", b"abc")
    assert "link" not in parser.fields
    assert (parser.is_complete, parser.is_kept) == (True, is_kept)
    assert parser.read_bytes == len(message)


def test_bytes_behind_an_answer_are_not_of_it() -> None:
    parser = ReplyParser()

    parser.feed(ANSWERS["a length"][0] + b"HTTP/1.1 500")

    assert parser.take_body() == b"abc"
    assert parser.is_complete
    assert not parser.is_kept


def test_the_next_answer_starts_from_nothing() -> None:
    parser = ReplyParser()
    parser.feed(ANSWERS["chunks"][0])

    parser.renew()
    assert (parser.status, parser.fields, parser.is_complete, parser.read_bytes) == (
        0,
        {},
        False,
        0,
    )
    parser.feed(b"HTTP/1.1 404 No\r\n\r\n")

    assert (parser.status, parser.ends_with_connection) == (404, True)
    assert parser.http_version == "1.1"


@pytest.mark.parametrize(
    ("raw", "fault"),
    [(b"SSH-2.0-x\r\n", "not-http"), (b"RTSP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n", "other")],
)
def test_what_is_no_answer_is_an_error(raw: bytes, fault: str) -> None:
    with pytest.raises(PeerError) as raised:
        ReplyParser().feed(raw)

    assert raised.value.fault == fault


@pytest.mark.parametrize("size", [1, 5, 1_000])
@pytest.mark.parametrize("version", ["HTTP/2.0", "HTTP/0.9"])
def test_a_head_behind_an_informational_one_has_a_version_of_its_own(
    version: str, size: int
) -> None:
    hint, parser = b"HTTP/1.1 103 X\r\nlink: x\r\n\r\n", ReplyParser()
    message = hint + hint + f"{version} 200 OK\r\ncontent-length: 0\r\n\r\n".encode()

    with pytest.raises(PeerError, match=r"^the answer is not HTTP/1\.1$"):
        for start in range(0, len(message), size):
            parser.feed(message[start : start + size])
    assert not parser.status


@pytest.mark.parametrize("after", ANSWERS)
@pytest.mark.parametrize("before", [case for case in ANSWERS if ANSWERS[case][1]])
def test_one_answer_leaves_nothing_behind_for_the_next(before: str, after: str) -> None:
    parser = ReplyParser()
    parser.feed(ANSWERS[before][0])
    parser.take_body()
    parser.renew()

    parser.feed(ANSWERS[after][0])

    assert (parser.status, parser.fields["x-a"], parser.take_body()) == (200, "2", b"abc")
    assert (parser.is_complete, parser.is_kept) == (True, ANSWERS[after][1])
    assert "link" not in parser.fields


def test_a_closed_parser_is_no_cycle() -> None:
    gc.collect()
    gc.disable()
    try:
        parser = ReplyParser()
        parser.feed(ANSWERS["a length"][0])
        parser.close()
        del parser
        assert not [each for each in gc.get_objects() if issubclass(type(each), ReplyParser)]
    finally:
        gc.enable()
