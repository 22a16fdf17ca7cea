"""The parser of answers: every legal form at every split, and what it refuses."""

from __future__ import annotations

import pytest

from tailrace.errors import PeerError
from tailrace.net.blocking.answer import AnswerParser, HttpAnswer

LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: 1\r\nx-a:2 \r\n\r\nhello"
CHUNKED = (
    b"HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"3;ext=1\r\nhel\r\n2\r\nlo\r\n0\r\nTrailer: x\r\n\r\n"
)


def parsed(data: bytes, *, step: int | None = None, limit: int = 1000) -> AnswerParser:
    parser = AnswerParser(limit)
    for at in range(0, len(data), step or len(data)):
        parser.feed(data[at : at + (step or len(data))])
    return parser


@pytest.mark.parametrize("step", [1, 2, 3, 7, 1000])
def test_an_answer_is_the_same_at_any_split(step: int) -> None:
    by_length = parsed(LENGTH, step=step)
    chunked = parsed(CHUNKED, step=step)

    assert by_length.answer == HttpAnswer(200, {"content-length": "5", "x-a": "1, 2"}, b"hello")
    assert by_length.can_keep
    assert chunked.answer == HttpAnswer(202, {"transfer-encoding": "chunked"}, b"hello")
    assert chunked.can_keep


@pytest.mark.parametrize("step", [1, 1000])
def test_interim_answers_are_skipped_and_100_is_noted(step: int) -> None:
    hint = parsed(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", step=step)
    again = b"HTTP/1.1 100 Continue\r\nA: 2\r\n\r\n"
    go_on = parsed(b"HTTP/1.1 100 Continue\r\nA: 1\r\n\r\n" + again + LENGTH, step=step)

    assert not hint.is_continued
    assert hint.status is None
    assert go_on.is_continued
    assert go_on.continue_headers == {"a": "1"}
    assert go_on.answer is not None


def test_the_status_is_known_before_the_body_is_there() -> None:
    parser = parsed(b"HTTP/1.1 410 Gone\r\nContent-Length: 9\r\n\r\nleft")

    assert parser.status == 410
    assert parser.answer is None
    assert parser.body_so_far == b"left"


def test_a_body_without_framing_lasts_until_the_end() -> None:
    parser = parsed(b"HTTP/1.0 502 Bad Gateway\r\n\r\n<html>")
    assert parser.answer is None

    parser.end()

    assert parser.answer == HttpAnswer(502, {}, b"<html>")
    assert not parser.can_keep


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_without_a_body_is_complete_with_its_head(status: int) -> None:
    parser = parsed(b"HTTP/1.1 %d X\r\nContent-Length: 5\r\n\r\n" % status)

    assert parser.answer is not None
    assert parser.answer.body == b""


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nunasked",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nunasked",
    ],
)
def test_a_connection_is_not_kept_after_such_an_answer(head: bytes) -> None:
    parser = parsed(head)

    assert parser.answer is not None
    assert not parser.can_keep


def test_bytes_after_an_answer_end_the_connection() -> None:
    parser = parsed(LENGTH)
    parser.feed(b"more")

    assert parser.answer is not None
    assert not parser.can_keep


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"SSH-2.0-x\r\n\r\n", "begins with b'SSH-2.0-x'"),
        (b"HTTP/2 200\r\n\r\n", "begins with"),
        (b"HTTP/1.1 99 X\r\n\r\n", "begins with"),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", "another protocol"),
        (b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "header field"),
        (b"HTTP/1.1 200 OK\r\n folded: x\r\n\r\n", "header field"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "content-length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", "content-length"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "ambiguous",
        ),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "ambiguous"),
        (b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "ambiguous"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n", "200 has a body over 1000"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1001, "200 has a body over 1000"),
        (CHUNKED.replace(b"3;", b"3e9;"), "202 has a body over 1000"),
        (CHUNKED.replace(b"3;", b"zz;"), "chunk size"),
        (CHUNKED.replace(b"hel\r\n", b"hell\n"), "does not end"),
        (CHUNKED.replace(b"ext=1", b"e" * 5000), "too long"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000, "a head over"),
        (b"HTTP/1.1 200 OK\r\n" + b"x: 1\r\n" * 129 + b"\r\n", "header fields"),
        (b"RTSP/1.0 200 OK\r\n\r\n", "begins with"),
        (b"\r\nHTTP/1.1 200 OK\r\n\r\n", "begins with"),
        (b"http/1.1 200 OK\r\n\r\n", "begins with"),
        (b"HTTP/1.1 103 Early Hints\r\n\r\n" * 17, "more than 16 interim answers"),
        (CHUNKED.partition(b"0\r\n")[0] + b"0\r\n" + b"x: 1\r\n" * 129, "more than 128 trailers"),
        (CHUNKED.replace(b"3;", b"0000000000000003;"), "chunk size"),
    ],
)
def test_what_is_not_http_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(PeerError, match=message):
        parsed(data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "without an answer"),
        (b"HTTP/1.1 200", "in mid-answer"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", "in mid-answer"),
        (LENGTH[:-1], "in mid-answer"),
        (CHUNKED[:-1], "in mid-answer"),
    ],
)
def test_an_end_that_comes_too_early_is_an_error(data: bytes, message: str) -> None:
    parser = AnswerParser(1000)
    parser.feed(data)

    with pytest.raises(PeerError, match=message):
        parser.end()


def test_no_answer_that_is_cut_is_taken_for_complete() -> None:
    for message in (LENGTH, CHUNKED):
        for size in range(len(message)):
            parser = AnswerParser(1000)
            parser.feed(message[:size])
            assert parser.answer is None
            with pytest.raises(PeerError):
                parser.end()
