"""Requests as the parser reads them: whole, byte by byte, with more behind them, and too much."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from tailrace import limits
from tailrace.errors import HttpError
from tailrace.net.server.parser import ChunkTrackingParser, HttpLimits, RequestParser
from tailrace.wire.http_head import Headers, check_request

PLAIN = (
    b"POST /a?b=c HTTP/1.1\r\nHost: h\r\nX-One: \t1 \t\r\nx-one:2\r\nEmpty:\r\n"
    b"Content-Length: 5\r\n\r\nhello"
)
CHUNKED = (
    b"PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    b'2\r\nhe\r\n3;a=b;c="d"\r\nllo\r\n0\r\nT-One: 1\r\nt-two: \r\n\r\n'
)
BODILESS = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"


def read(
    parser: RequestParser, *reads: bytes
) -> tuple[tuple[str, str, str, Headers], bytes, Headers]:
    """Feed the reads; return head, body and trailers of the request."""
    body = b""
    for data in reads:
        parser.feed(data)
        body += parser.take_body()
    head = parser.head
    assert head is not None
    assert parser.is_complete
    return (head.method, head.target, head.version, head.headers), body, parser.trailers


def one_by_one(data: bytes) -> list[bytes]:
    return [data[i : i + 1] for i in range(len(data))]


EXPECTED = {
    PLAIN: (
        (
            "POST",
            "/a?b=c",
            "1.1",
            [
                (b"host", b"h"),
                (b"x-one", b"1"),
                (b"x-one", b"2"),
                (b"empty", b""),
                (b"content-length", b"5"),
            ],
        ),
        b"hello",
        [],
    ),
    CHUNKED: (
        ("PUT", "/", "1.1", [(b"host", b"h"), (b"transfer-encoding", b"chunked")]),
        b"hello",
        [(b"t-one", b"1"), (b"t-two", b"")],
    ),
    BODILESS: (("GET", "/", "1.1", [(b"host", b"h")]), b"", []),
}


def test_a_read_that_goes_on_with_a_chunk_is_told() -> None:
    head = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    reads = [head, b"5\r\nhe", b"ll", b"o", b"\r\n", b"2\r\nab\r\n3\r\nc", b"de\r\n0\r\n\r\n"]
    parser = ChunkTrackingParser(HttpLimits())

    seen = []
    for data in reads:
        parser.feed(data)
        if body := parser.take_body():
            seen.append((body, parser.is_inside_chunk))

    assert seen == [(b"he", False), (b"ll", True), (b"o", True), (b"abc", False), (b"de", True)]
    assert parser.is_complete
    parser.renew()
    parser.feed(head + b"1\r\nx")
    assert not parser.is_inside_chunk
    parser.feed(b"\r\n0\r\n\r\n")
    parser.renew()
    parser.feed(head)
    assert not parser.is_inside_chunk


@pytest.mark.parametrize("raw", EXPECTED, ids=["plain", "chunked", "bodiless"])
class TestOneRequest:
    def test_whole(self, raw: bytes) -> None:
        parser = RequestParser(HttpLimits())

        assert read(parser, raw) == EXPECTED[raw]
        assert not parser.is_last

    def test_byte_by_byte(self, raw: bytes) -> None:
        parser = RequestParser(HttpLimits())

        assert read(parser, *one_by_one(raw)) == EXPECTED[raw]
        assert not parser.is_last

    def test_at_any_split(self, raw: bytes) -> None:
        for i in range(1, len(raw)):
            assert read(RequestParser(HttpLimits()), raw[:i], raw[i:]) == EXPECTED[raw]

    @pytest.mark.parametrize("lines", [b"\r\n", b"\r\n\r\n"])
    def test_with_empty_lines_before_and_behind_it(self, raw: bytes, lines: bytes) -> None:
        """RFC 9112 §2.2: old clients end a body with a line break that is not part of it."""
        parser = RequestParser(HttpLimits())

        assert read(parser, lines + raw + lines) == EXPECTED[raw]
        assert not parser.is_last

    @pytest.mark.parametrize(
        "behind",
        [
            BODILESS,
            PLAIN,
            CHUNKED,
            b"G",
            b"\0",
            b"GET",
            b"GET / HTTP/1.1\r\nX\0: y\r\n",
            b"\x16\3\1",
        ],
    )
    def test_what_stands_behind_it_is_not_part_of_it(self, raw: bytes, behind: bytes) -> None:
        """A second request in the same read is not served, so the first one is the last."""
        parser = RequestParser(HttpLimits())

        assert read(parser, raw + behind) == EXPECTED[raw]
        assert parser.is_last

    def test_the_next_one_is_read_with_the_same_parser(self, raw: bytes) -> None:
        parser = RequestParser(HttpLimits())

        for other in EXPECTED:
            assert read(parser, *one_by_one(other)) == EXPECTED[other]
            parser.renew()
            assert parser.head is None
            assert read(parser, raw) == EXPECTED[raw]
            parser.renew()


@pytest.mark.parametrize(
    ("raw", "is_last"),
    [
        (BODILESS, False),
        (b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", True),
        (b"GET / HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Close\r\n\r\n", True),
        (b"GET / HTTP/1.0\r\nHost: h\r\n\r\n", True),
        (b"GET / HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n\r\n", True),
        (b"GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n", True),
    ],
)
def test_a_request_says_whether_it_is_the_last(raw: bytes, is_last: bool) -> None:
    parser = RequestParser(HttpLimits())

    read(parser, raw)

    assert parser.is_last is is_last


def test_without_keep_alive_each_request_is_the_last() -> None:
    parser = RequestParser(HttpLimits(keeps_alive=False))

    read(parser, BODILESS)

    assert parser.is_last


# --- limits --------------------------------------------------------------------------------------


def refusal(bounds: HttpLimits, *reads: bytes) -> int:
    """The status with which the reads are refused; what came before the last one was accepted."""
    parser = RequestParser(bounds)
    for data in reads[:-1]:
        parser.feed(data)
        parser.take_body()
    with pytest.raises(HttpError) as caught:
        parser.feed(reads[-1])
        parser.take_body()
    return caught.value.status


def head_of(count: int) -> bytes:
    """A head of so many bytes, the name and value of one header included."""
    start, end = b"GET / HTTP/1.1\r\nHost: h\r\nX: ", b"\r\n\r\n"
    return start + b"x" * (count - len(start) - len(end)) + end


def test_a_head_may_be_as_long_as_the_limit() -> None:
    bounds = HttpLimits(head_bytes=200)

    read(RequestParser(bounds), head_of(200))
    read(RequestParser(bounds), *one_by_one(head_of(200)))


def test_a_head_over_the_limit_is_refused_before_it_is_complete() -> None:
    bounds = HttpLimits(head_bytes=200)

    assert refusal(bounds, *one_by_one(head_of(1_000)[:201])) == 431


def test_a_head_over_the_limit_is_refused_when_it_comes_in_one_read() -> None:
    assert refusal(HttpLimits(head_bytes=200), head_of(300)) == 431


@pytest.mark.parametrize("raw", [b"GET /" + b"a" * 196, b"GET / HTTP/1.1\r\n" + b"a" * 185])
def test_what_is_no_head_yet_counts_as_one(raw: bytes) -> None:
    assert refusal(HttpLimits(head_bytes=200), *one_by_one(raw[:201])) == 431


def test_the_body_does_not_count_as_head() -> None:
    raw = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n" + b"x" * 1000

    assert read(RequestParser(HttpLimits(head_bytes=200)), raw)[1] == b"x" * 1000


def test_each_request_has_the_whole_limit() -> None:
    parser = RequestParser(HttpLimits(head_bytes=200))

    for _ in range(3):
        read(parser, *one_by_one(head_of(200)))
        parser.renew()


def fields(count: int) -> bytes:
    return b"".join(b"a: b\r\n" for _ in range(count))


def test_headers_are_counted() -> None:
    bounds = HttpLimits(header_count=10)
    head = b"GET / HTTP/1.1\r\nHost: h\r\n"

    read(RequestParser(bounds), head + fields(9) + b"\r\n")
    assert refusal(bounds, head + fields(10) + b"\r\n") == 431
    assert refusal(bounds, *one_by_one(head + fields(9)), b"a: b\r\na:") == 431


def test_trailers_are_counted() -> None:
    bounds = HttpLimits(header_count=10)
    start = CHUNKED.partition(b"T-One")[0]

    read(RequestParser(bounds), start + fields(10) + b"\r\n")
    assert refusal(bounds, start + fields(11) + b"\r\n") == 431


def test_a_target_has_a_limit_of_its_own() -> None:
    bounds = HttpLimits(target_bytes=20)

    def request(size: int) -> bytes:
        return b"GET /%b HTTP/1.1\r\nHost: h\r\n\r\n" % (b"a" * (size - 1))

    read(RequestParser(bounds), *one_by_one(request(20)))
    assert refusal(bounds, request(21)) == 414
    assert refusal(bounds, *one_by_one(request(21))) == 414


CHUNKED_HEAD = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"


def endless(parser: RequestParser, start: bytes, more: bytes, reads_max: int) -> tuple[int, int]:
    """Feed `more` until it is refused; return the status and how many bytes that took."""
    parser.feed(CHUNKED_HEAD)
    parser.feed(start)
    fed = 0
    for _ in range(reads_max):
        fed += len(more)
        try:
            parser.feed(more)
            parser.take_body()
        except HttpError as error:
            return error.status, fed
    raise AssertionError(f"{fed} bytes were accepted")


@pytest.mark.parametrize("size", [1, 100, 10_000])
@pytest.mark.parametrize(
    ("start", "fill"), [(b"5;a=", b"x"), (b'5;a="', b"x"), (b"5;", b"a;"), (b"0\r\nA: ", b"x")]
)
def test_an_endless_extension_or_trailer_is_refused(start: bytes, fill: bytes, size: int) -> None:
    bounds = HttpLimits(framing_bytes=1_000)

    status, fed = endless(RequestParser(bounds), start, (fill * size)[:size], 1_100)

    assert status == 400
    assert fed <= 1_000 + size


def test_endless_trailers_are_refused() -> None:
    bounds = HttpLimits(framing_bytes=1_000, header_count=1_000_000)

    assert endless(RequestParser(bounds), b"0\r\n", b"A: b\r\n", 200)[0] == 400


def test_leading_zeros_of_a_chunk_size_are_bounded() -> None:
    bounds = HttpLimits(framing_bytes=1_000)

    assert endless(RequestParser(bounds), b"", b"0", 1_100)[0] == 400


@pytest.mark.parametrize("read_bytes", [1_000, 100_000])
@pytest.mark.parametrize("start", [b"", b"5\r\nabcde\r\n"])
def test_zeros_before_a_chunk_size_count_in_the_read_of_the_head_too(
    start: bytes, read_bytes: int
) -> None:
    bounds = HttpLimits(framing_bytes=1_000)
    raw = CHUNKED_HEAD + start + b"0" * 1_100 + b"5\r\nabcde\r\n0\r\n\r\n"
    reads = [raw[i : i + read_bytes] for i in range(0, len(raw), read_bytes)]

    assert refusal(bounds, *reads) == 400


@pytest.mark.parametrize("before", [b"", b"\r\n", b"\r\n\r\n"], ids=["", "a line", "two lines"])
@pytest.mark.parametrize("split", range(1, len(CHUNKED_HEAD)))
def test_what_is_behind_a_head_in_its_read_is_told_from_it(split: int, before: bytes) -> None:
    """Wherever the head was cut: it does not count as framing, and what is behind it does."""
    parser = RequestParser(HttpLimits(framing_bytes=5))
    raw = before + CHUNKED_HEAD + b"5\r\nabcde\r\n0\r\n\r\n"

    assert read(parser, raw[:split], raw[split:])[1] == b"abcde"


def test_an_extension_of_the_first_chunk_counts_from_its_first_byte() -> None:
    plain = b"5\r\nabcde\r\n0\r\n\r\n"
    room = limits.FRAMING_BYTES_PER_READ_PIECE + 5 - (len(plain) - 5) - 1
    for more, is_refused in ((room, False), (room + 1, True)):
        bounds = HttpLimits(framing_bytes=5)
        raw = CHUNKED_HEAD + b"5;" + b"a" * more + plain[1:]
        if is_refused:
            assert refusal(bounds, raw) == 400
        else:
            assert read(RequestParser(bounds), raw)[1] == b"abcde"


def test_bytes_behind_a_request_without_chunks_are_no_framing() -> None:
    raw = PLAIN + BODILESS + b"x" * 100_000

    assert read(RequestParser(HttpLimits(framing_bytes=0)), raw)[1] == EXPECTED[PLAIN][1]


@pytest.mark.parametrize("size", [1, 2, 4, 8])
def test_a_body_in_too_many_small_chunks_is_refused(size: int) -> None:
    """Each costs a call; in one piece the same body costs nearly nothing."""
    raw = CHUNKED_HEAD + (b"%x\r\n%b\r\n" % (size, b"x" * size)) * (750_000 // size)
    reads = [raw[i : i + 250_000] for i in range(0, len(raw), 250_000)]
    parser = RequestParser(HttpLimits())

    taken = 0
    with pytest.raises(HttpError, match="over 16384 chunks of the body are under 16 bytes") as info:
        for data in reads:
            parser.feed(data)
            taken += len(parser.take_body())

    assert info.value.status == 400
    assert taken < limits.SMALL_CHUNKS_MAX * limits.SMALL_CHUNK_BYTES


@pytest.mark.parametrize(
    ("size", "read_bytes", "bounds"),
    [
        (16, 250_000, HttpLimits()),
        (1, 6, HttpLimits()),  # each comes in a read of its own, which costs more
        (1, 250_000, HttpLimits(small_chunks=None)),  # a stream, as of a callback
    ],
)
def test_a_body_in_many_chunks_is_read(size: int, read_bytes: int, bounds: HttpLimits) -> None:
    count = 40_000
    raw = CHUNKED_HEAD + (b"%x\r\n%b\r\n" % (size, b"x" * size)) * count + b"0\r\n\r\n"
    parser = RequestParser(bounds)

    taken = 0
    for i in range(0, len(raw), read_bytes):
        parser.feed(raw[i : i + read_bytes])
        taken += len(parser.take_body())

    assert (taken, parser.is_complete) == (size * count, True)


def test_extensions_on_every_chunk_add_up() -> None:
    """Each is short enough for itself."""
    bounds = HttpLimits(framing_bytes=1_000)

    status, fed = endless(RequestParser(bounds), b"", b"1;a=%b\r\nx\r\n" % (b"b" * 100), 200)

    assert status == 400
    assert fed < 2_000


@pytest.mark.parametrize("chunk_bytes", [1, 10, 1_000])
@pytest.mark.parametrize("read_bytes", [1, 7, 4_096])
def test_plain_chunks_may_be_as_many_as_they_like(chunk_bytes: int, read_bytes: int) -> None:
    bounds = HttpLimits(framing_bytes=100)
    size = 3_000
    chunk = b"%x\r\n%b\r\n" % (chunk_bytes, b"x" * chunk_bytes)
    raw = CHUNKED_HEAD + chunk * (size // chunk_bytes) + b"0\r\n\r\n"

    reads = [raw[i : i + read_bytes] for i in range(0, len(raw), read_bytes)]

    assert len(read(RequestParser(bounds), *reads)[1]) == size


def test_a_body_of_known_length_is_no_framing() -> None:
    bounds = HttpLimits(framing_bytes=0)
    parser = RequestParser(bounds)
    parser.feed(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3000\r\n\r\n")

    assert read(parser, *one_by_one(b"x" * 3_000))[1] == b"x" * 3_000


# --- whatever comes, it is a request or an HttpError ---------------------------------------------

TOKENS = [
    b"\r\n", b"\n", b"\r", b"\0", b" ", b"\t", b":", b"0", b"-", b"+", b"\xff", b"\x7f", b";", b",",
    b"chunked", b"Transfer-Encoding: ", b"Content-Length: ", b"Connection: ", b"Upgrade: ",
    b"upgrade", b"HTTP/1.0", b"HTTP/2.0", b"Host: ", b"Expect: 100-continue\r\n", b"PRI ", b"0x",
    b"18446744073709551616", b"ffffffffffffffff", b"0\r\n\r\n", b"GET / HTTP/1.1\r\n", b"*", b"#",
    b"http://", b"\xc2\xb2", b"0" * 5_000,
]  # fmt: skip
SEEDS = [
    *EXPECTED,
    b"GET http://h/ HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
    b"POST / HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nab",
    b"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nab",
]


def mutate(chance: random.Random, raw: bytes) -> bytes:
    """Insert, delete, double or replace a few pieces."""
    for _ in range(chance.randint(1, 4)):
        i = chance.randrange(len(raw) + 1)
        j = min(len(raw), i + chance.randint(1, 12))
        piece = chance.choice([*TOKENS, raw[i:j], bytes([chance.randrange(256)]), b""])
        raw = raw[:i] + piece + raw[chance.choice([i, i, j]) :]
    return raw


def test_mutated_requests_are_requests_or_refused() -> None:
    """And the same ones however they are split. The seed is fixed: a failure repeats itself."""
    chance = random.Random(20_261_121)
    outcomes = Counter[str]()
    for _ in range(10_000):
        raw = mutate(chance, chance.choice(SEEDS))

        outcome, request = outcome_of([raw])

        assert (outcome, request) == outcome_of(one_by_one(raw)), raw
        outcomes[outcome] += 1

    assert min(outcomes["served"], outcomes["refused"], outcomes["incomplete"]) > 100


def outcome_of(reads: list[bytes]) -> tuple[str, object]:
    """What becomes of these reads, and the request if it was served."""
    parser = RequestParser(HttpLimits())
    body = b""
    is_checked = False
    try:
        for data in reads:
            parser.feed(data)
            head = parser.head
            if head is not None and not is_checked:
                check_request(head)
                is_checked = True
            body += parser.take_body()
            if parser.is_complete:
                assert head is not None
                return "served", (head.method, head.target, head.headers, body, parser.trailers)
    except HttpError as error:
        assert 400 <= error.status < 600
        return "refused", None
    return "incomplete", None


def test_a_read_cannot_be_larger_than_the_parser_can_take() -> None:
    """One read of 1-byte chunks: as many callbacks as it can cause."""
    chunks = limits.READ_BYTES_MAX // 6
    parser = RequestParser(HttpLimits(small_chunks=None))

    head, body, _ = read(parser, CHUNKED_HEAD + b"1\r\nx\r\n" * chunks + b"0\r\n\r\n")

    assert head[0] == "POST"
    assert body == b"x" * chunks


def test_a_complete_request_that_was_handed_over_keeps_what_its_answer_needs() -> None:
    parser = RequestParser(HttpLimits())
    parser.feed(CHUNKED)
    head = parser.head
    assert head is not None

    parser.finish()
    assert parser.head is not None
    assert (parser.head.method, parser.head.version, parser.head.headers) == ("PUT", "1.1", [])
    assert (parser.is_complete, parser.trailers) == (True, [])
    assert head.get(b"host") == b"h"  # whoever received it has all of it

    parser.renew()
    assert read(parser, PLAIN) == EXPECTED[PLAIN]
