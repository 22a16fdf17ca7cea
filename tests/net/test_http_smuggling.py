"""Requests that two servers could read differently: refused, or read as exactly one request.

The rows follow the public collections of such payloads: Http11Probe, http-garden, PortSwigger's
desync classes, and the advisories of other servers' parsers. Each is sent whole, in two pieces and
byte by byte, to an application that answers when the request is complete, and to one that answers
when it has seen the head. What would be smuggled is a request for /smuggled: nobody may see it.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass

import pytest
from tests.fakes import until
from tests.net.stage import Request, Stage, played, post

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"


@dataclass(frozen=True, slots=True)
class One:
    """Read as one request with this body; what follows may be refused, but not served."""

    body: bytes = b""
    method: str = "POST"
    target: str = "/"


def request(
    fields: bytes = b"",
    body: bytes = b"",
    *,
    line: bytes = b"POST / HTTP/1.1\r\n",
    host: bytes = b"Host: h\r\n",
) -> bytes:
    return line + host + fields + b"\r\n" + body


def chunked(body: bytes) -> bytes:
    return request(CHUNKED, body)


def length(field: bytes) -> bytes:
    return request(field + b"\r\n", SMUGGLED)


def coding(field: bytes) -> bytes:
    return request(field + b"\r\n", b"0\r\n\r\n" + SMUGGLED)


def line(text: bytes) -> bytes:
    return request(line=text)


SIZE = b"%d" % len(SMUGGLED)

ROWS: dict[str, tuple[bytes, int | One]] = {
    # --- which length counts ---
    "CL.TE": (request(b"Content-Length: 5\r\n" + CHUNKED, b"0\r\n\r\n" + SMUGGLED), 400),
    "TE.CL": (request(CHUNKED + b"Content-Length: 3\r\n", b"8\r\n" + SMUGGLED), 400),
    "CL.TE in HTTP/1.0": (
        request(b"Content-Length: 5\r\n" + CHUNKED, b"0\r\n\r\n", line=b"POST / HTTP/1.0\r\n"),
        400,
    ),
    "TE in HTTP/1.0": (
        request(CHUNKED, b"0\r\n\r\n" + SMUGGLED, line=b"POST / HTTP/1.0\r\n"),
        400,
    ),
    "CL twice, the same": (length(b"Content-Length: 3\r\nContent-Length: 3"), 400),
    "CL twice, different": (length(b"Content-Length: 3\r\nContent-Length: " + SIZE), 400),
    "CL twice, in other case": (length(b"Content-Length: 3\r\ncontent-length: 3"), 400),
    "CL list, the same": (length(b"Content-Length: 3, 3"), 400),
    "CL list, different": (length(b"Content-Length: 3," + SIZE), 400),
    "CL empty": (length(b"Content-Length:"), 400),
    "CL signed": (length(b"Content-Length: +3"), 400),
    "CL negative": (length(b"Content-Length: -3"), 400),
    "CL hex": (length(b"Content-Length: 0x3"), 400),
    "CL exponent": (length(b"Content-Length: 3e0"), 400),
    "CL decimal": (length(b"Content-Length: 3.0"), 400),
    "CL with an underscore": (length(b"Content-Length: 3_0"), 400),
    "CL with a space inside": (length(b"Content-Length: 3 0"), 400),
    "CL in other digits": (length("Content-Length: ٣".encode()), 400),
    "CL of 2**64": (length(b"Content-Length: 18446744073709551616"), 400),
    "CL of 2**64 + 3": (length(b"Content-Length: 18446744073709551619"), 400),
    "CL of 5001 digits": (length(b"Content-Length: " + b"0" * 5000 + b"3"), 400),
    "CL with zeros in front": (request(b"Content-Length: 00003\r\n", b"abc"), One(b"abc")),
    "CL with space around": (request(b"Content-Length: \t3 \t\r\n", b"abc"), One(b"abc")),
    "CL with a space before the colon": (length(b"Content-Length : 3"), 400),
    "CL with a tab before the colon": (length(b"Content-Length\t: 3"), 400),
    "CL with a NUL in its name": (length(b"Content-Length\0: 3"), 400),
    "CL on a folded line": (length(b"Content-Length:\r\n 3"), 400),
    "CL on a continued line": (length(b"A: b\r\n Content-Length: 3"), 400),
    "CL with an underscore in its name": (
        request(b"Content_Length: 3\r\n", b"\r\n\r\nabc" + SMUGGLED),
        One(),
    ),
    "CL of a GET": (
        request(b"Content-Length: " + SIZE + b"\r\n", SMUGGLED, line=b"GET / HTTP/1.1\r\n"),
        One(SMUGGLED, "GET"),
    ),
    "CL of a HEAD": (
        request(b"Content-Length: " + SIZE + b"\r\n", SMUGGLED, line=b"HEAD / HTTP/1.1\r\n"),
        One(SMUGGLED, "HEAD"),
    ),
    "CL of an OPTIONS": (
        request(b"Content-Length: " + SIZE + b"\r\n", SMUGGLED, line=b"OPTIONS / HTTP/1.1\r\n"),
        One(SMUGGLED, "OPTIONS"),
    ),
    "CL of a DELETE": (
        request(b"Content-Length: " + SIZE + b"\r\n", SMUGGLED, line=b"DELETE / HTTP/1.1\r\n"),
        One(SMUGGLED, "DELETE"),
    ),
    "CL of a POST": (length(b"Content-Length: " + SIZE), One(SMUGGLED)),
    "chunks of a GET": (
        request(CHUNKED, b"3\r\nabc\r\n0\r\n\r\n", line=b"GET / HTTP/1.1\r\n"),
        One(b"abc", "GET"),
    ),
    # --- which coding counts ---
    "TE twice": (coding(CHUNKED + b"Transfer-Encoding: chunked"), 400),
    "TE chunked and identity": (coding(CHUNKED + b"Transfer-Encoding: identity"), 400),
    "TE identity and chunked": (coding(b"Transfer-Encoding: identity\r\n" + CHUNKED[:-2]), 400),
    "TE list, chunked twice": (coding(b"Transfer-Encoding: chunked, chunked"), 400),
    "TE list, chunked not last": (coding(b"Transfer-Encoding: chunked, gzip"), 400),
    "TE list, chunked last": (coding(b"Transfer-Encoding: gzip, chunked"), 501),
    "TE list, identity first": (coding(b"Transfer-Encoding: identity, chunked"), 501),
    "TE list, empty first": (coding(b"Transfer-Encoding: , chunked"), 501),
    "TE list, empty last": (coding(b"Transfer-Encoding: chunked,"), 400),
    "TE empty": (coding(b"Transfer-Encoding:"), 400),
    "TE identity": (coding(b"Transfer-Encoding: identity"), 400),
    "TE unknown": (coding(b"Transfer-Encoding: xchunked"), 400),
    "TE quoted": (coding(b'Transfer-Encoding: "chunked"'), 400),
    "TE with a parameter": (coding(b"Transfer-Encoding: chunked;a=b"), 400),
    "TE two words": (coding(b"Transfer-Encoding: chunked x"), 400),
    "TE with a vertical tab": (coding(b"Transfer-Encoding: \x0bchunked"), 400),
    "TE with a form feed behind": (coding(b"Transfer-Encoding: chunked\x0c"), 400),
    "TE with a NUL": (coding(b"Transfer-Encoding: chunked\0"), 400),
    "TE with a bare CR": (coding(b"Transfer-Encoding: chunked\r\r"), 400),
    "TE behind a bare LF": (coding(b"X: y\nTransfer-Encoding: chunked"), 400),
    "TE behind a bare CR": (coding(b"X: y\rTransfer-Encoding: chunked"), 400),
    "TE with a space before the colon": (coding(b"Transfer-Encoding : chunked"), 400),
    "TE with a space before its name": (coding(b" Transfer-Encoding: chunked"), 400),
    "TE with a tab before its name": (coding(b"\tTransfer-Encoding: chunked"), 400),
    "TE on a folded line": (coding(b"Transfer-Encoding:\r\n chunked"), 400),
    "TE in other case": (
        request(b"tRANSFER-eNCODING: cHuNkEd\r\n", b"3\r\nabc\r\n0\r\n\r\n"),
        One(b"abc"),
    ),
    "TE with an underscore in its name": (coding(b"Transfer_Encoding: chunked"), One()),
    # --- chunks ---
    "chunk size, bare LF": (chunked(b"3\nabc\r\n0\r\n\r\n"), 400),
    "chunk size, bare CR": (chunked(b"3\rabc\r\n0\r\n\r\n"), 400),
    "chunk size, signed": (chunked(b"+3\r\nabc\r\n0\r\n\r\n"), 400),
    "chunk size, negative": (chunked(b"-3\r\nabc\r\n0\r\n\r\n"), 400),
    "chunk size, 0x": (chunked(b"0x3\r\nabc\r\n0\r\n\r\n"), 400),
    "chunk size, underscore": (chunked(b"0_3\r\nabc\r\n0\r\n\r\n"), 400),
    "chunk size, empty": (chunked(b"\r\nabc\r\n0\r\n\r\n"), 400),
    "chunk size, space before": (chunked(b" 3\r\nabc\r\n0\r\n\r\n"), 400),
    "chunk size, space behind": (chunked(b"3 \r\nabc\r\n0\r\n\r\n"), 400),
    "chunk size, tab behind": (chunked(b"3\t\r\nabc\r\n0\r\n\r\n"), 400),
    "chunk size, not hex": (chunked(b"g\r\nabc\r\n0\r\n\r\n"), 400),
    "chunk size, over 64 bits": (chunked(b"10000000000000003\r\nabc\r\n0\r\n\r\n"), 400),
    "chunk size, all 64 bits": (chunked(b"ffffffffffffffff1\r\nabc"), 400),
    "chunk size, zeros in front": (chunked(b"0000000003\r\nabc\r\n0\r\n\r\n"), One(b"abc")),
    "chunk size, upper and lower case": (
        chunked(b"A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n"),
        One(b"0123456789" * 2),
    ),
    "chunk extension": (chunked(b'3;a;b=c;d="e;f"\r\nabc\r\n0;x\r\n\r\n'), One(b"abc")),
    "chunk extension, empty": (chunked(b"3;\r\nabc\r\n0\r\n\r\n"), 400),
    "chunk extension, bare LF": (chunked(b"3;a\nabc\r\n0\r\n\r\n"), 400),
    "chunk extension, bare CR": (chunked(b"3;a\rabc\r\n0\r\n\r\n"), 400),
    "chunk extension, LF in quotes": (chunked(b'3;a="\n"\r\nabc\r\n0\r\n\r\n'), 400),
    "chunk extension, NUL": (chunked(b"3;a\0\r\nabc\r\n0\r\n\r\n"), 400),
    "chunk data, bare LF behind": (chunked(b"3\r\nabc\n0\r\n\r\n"), 400),
    "chunk data, bare CR behind": (chunked(b"3\r\nabc\r0\r\n\r\n"), 400),
    "chunk data, any two bytes behind": (chunked(b"3\r\nabcXX0\r\n\r\n"), 400),
    "chunk data, nothing behind": (chunked(b"3\r\nabc0\r\n\r\n"), 400),
    "chunk data, longer than its size": (chunked(b"3\r\nabcd\r\n0\r\n\r\n"), 400),
    "chunk data, shorter than its size": (chunked(b"5\r\nabc\r\n0\r\n\r\n" + SMUGGLED), 400),
    "last chunk, bare LF": (chunked(b"3\r\nabc\r\n0\n\n" + SMUGGLED), 400),
    "last chunk, bare LF at the end": (chunked(b"3\r\nabc\r\n0\r\n\n" + SMUGGLED), 400),
    "last chunk, \\r\\rX": (chunked(b"3\r\nabc\r\n0\r\n\rX" + SMUGGLED), 400),
    "last chunk of many zeros": (chunked(b"3\r\nabc\r\n0000\r\n\r\n"), One(b"abc")),
    "trailers": (chunked(b"0\r\nHost: other\r\nX: y\r\n\r\n"), One()),
    "trailer, length": (chunked(b"0\r\nContent-Length: 3\r\n\r\nabc"), 400),
    "trailer, coding": (chunked(b"0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 400),
    "trailer, folded": (chunked(b"0\r\nA: b\r\n c\r\n\r\n"), 400),
    "trailer, without a name": (chunked(b"0\r\n: b\r\n\r\n"), 400),
    "trailer, upgrade": (chunked(b"0\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"), One()),
    # --- lines ---
    "bare LF everywhere": (b"POST / HTTP/1.1\nHost: h\n\n", 400),
    "bare LF behind the request line": (line(b"POST / HTTP/1.1\n"), 400),
    "bare CR behind the request line": (line(b"POST / HTTP/1.1\r"), 400),
    "bare LF behind a header": (request(b"A: b\n"), 400),
    "bare LF ends the head": (b"POST / HTTP/1.1\r\nHost: h\r\n\n" + SMUGGLED, 400),
    "bare CR in a value": (request(b"A: b\rc\r\n"), 400),
    "NUL in a value": (request(b"A: b\0c\r\n"), 400),
    "NUL in a name": (request(b"A\0B: c\r\n"), 400),
    "control character in a value": (request(b"A: b\x01\r\n"), 400),
    "header without a name": (request(b": b\r\n"), 400),
    "header without a colon": (request(b"Abc\r\n"), 400),
    "header with a space in its name": (request(b"A b: c\r\n"), 400),
    "header with a space before the colon": (request(b"A : b\r\n"), 400),
    "header beyond ASCII in its name": (request("Ä: b\r\n".encode()), 400),
    "folded header": (request(b"A: b\r\n c\r\n"), 400),
    "folded first header": (request(host=b" Host: h\r\n"), 400),
    "empty value before a length": (
        request(b"A:\r\nContent-Length: 3\r\n", b"abc"),
        One(b"abc"),
    ),
    "empty lines before": (b"\r\n\r\n" + request(b"Content-Length: 3\r\n", b"abc"), One(b"abc")),
    # --- request lines ---
    "two spaces before the version": (line(b"POST /  HTTP/1.1\r\n"), One()),
    "two spaces before the target": (line(b"POST  / HTTP/1.1\r\n"), One()),
    "space behind the version": (line(b"POST / HTTP/1.1 \r\n"), 400),
    "tab before the target": (line(b"POST\t/ HTTP/1.1\r\n"), 400),
    "space in the target": (line(b"POST / x HTTP/1.1\r\n"), 400),
    "two versions": (line(b"POST / HTTP/1.1 HTTP/1.0\r\n"), 400),
    "a request in the target": (line(b"POST /\tHTTP/1.1\r\nX: y HTTP/1.1\r\n"), 400),
    "NUL in the target": (line(b"POST /\0 HTTP/1.1\r\n"), 400),
    "bytes beyond ASCII in the target": (line(b"POST /\xc4\x8d HTTP/1.1\r\n"), 400),
    "CRLF encoded in the target": (
        line(b"POST /%0d%0aX:%20y HTTP/1.1\r\n"),
        One(target="/%0d%0aX:%20y"),
    ),
    "fragment": (line(b"POST /#a HTTP/1.1\r\n"), 400),
    "method in lower case": (line(b"post / HTTP/1.1\r\n"), 400),
    "method unknown": (line(b"GPOST / HTTP/1.1\r\n"), 400),
    "no method": (line(b"/ HTTP/1.1\r\n"), 400),
    "version in lower case": (line(b"POST / http/1.1\r\n"), 400),
    "version 1.10": (line(b"POST / HTTP/1.10\r\n"), 400),
    "version 01.1": (line(b"POST / HTTP/01.1\r\n"), 400),
    "version 1.2": (line(b"POST / HTTP/1.2\r\n"), 400),
    "version 2.0": (line(b"POST / HTTP/2.0\r\n"), 505),
    "HTTP/0.9": (b"GET /\r\n\r\n", 505),
    "HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "a response": (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 400),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    "asterisk": (line(b"OPTIONS * HTTP/1.1\r\n"), 400),
    "CONNECT": (request(line=b"CONNECT h:80 HTTP/1.1\r\n", body=SMUGGLED), 405),
    "CONNECT with a body": (
        request(b"Content-Length: 3\r\n", SMUGGLED, line=b"CONNECT h:80 HTTP/1.1\r\n"),
        405,
    ),
    # --- hosts ---
    "no host": (request(host=b""), 400),
    "host twice, the same": (request(b"Host: h\r\n"), 400),
    "host twice, different": (request(b"host: evil\r\n"), 400),
    "host list": (request(host=b"Host: h, evil\r\n"), 400),
    "host with a user": (request(host=b"Host: user@h\r\n"), 400),
    "host with a path": (request(host=b"Host: h/evil\r\n"), 400),
    "host with a space inside": (request(host=b"Host: h evil\r\n"), 400),
    "host with a space before the colon": (request(host=b"Host : h\r\n"), 400),
    "target with another host": (
        line(b"POST http://other/a?b HTTP/1.1\r\n"),
        One(target="http://other/a?b"),
    ),
    "target with a user": (line(b"POST http://h@other/ HTTP/1.1\r\n"), 400),
    "target with another scheme": (line(b"POST ftp://other/ HTTP/1.1\r\n"), 400),
    # --- expectations and upgrades ---
    "another expectation": (
        request(b"Expect: 200-ok\r\nContent-Length: " + SIZE + b"\r\n", SMUGGLED),
        417,
    ),
    "two expectations": (
        request(b"Expect: 100-continue\r\nExpect: x\r\nContent-Length: 3\r\n", b"abc"),
        417,
    ),
    "an expectation with a space before the colon": (
        request(b"Expect : 100-continue\r\nContent-Length: 3\r\n", b"abc"),
        400,
    ),
    "an expectation of HTTP/1.0": (
        request(
            b"Expect: 100-continue\r\nContent-Length: 3\r\n", b"abc", line=b"POST / HTTP/1.0\r\n"
        ),
        One(b"abc"),
    ),
    "h2c": (
        request(b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n"),
        One(),
    ),
    "h2c with more behind": (
        request(b"Connection: Upgrade\r\nUpgrade: h2c\r\n", b"PRI * HTTP/2.0\r\n" + SMUGGLED),
        One(),
    ),
    "h2c with a length": (
        request(
            b"Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: " + SIZE + b"\r\n", SMUGGLED
        ),
        400,
    ),
    "h2c with chunks": (
        request(b"Connection: Upgrade\r\nUpgrade: h2c\r\n" + CHUNKED, b"0\r\n\r\n" + SMUGGLED),
        400,
    ),
    "h2c in a second Connection, with a length": (
        request(
            b"Connection: keep-alive\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n"
            b"Content-Length: " + SIZE + b"\r\n",
            SMUGGLED,
        ),
        400,
    ),
    "WebSocket": (
        request(
            b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
            line=b"GET / HTTP/1.1\r\n",
        ),
        501,
    ),
    "WebSocket of another version": (
        request(
            b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 777\r\n",
            SMUGGLED,
            line=b"GET / HTTP/1.1\r\n",
        ),
        501,
    ),
    # --- more than one request ---
    "a request behind Connection: close": (
        request(b"Connection: close\r\n", SMUGGLED),
        One(),
    ),
    "a request behind an HTTP/1.0 one": (
        request(b"", SMUGGLED, line=b"POST / HTTP/1.0\r\n"),
        One(),
    ),
}

SPLITS = ("whole", "head first", "byte by byte")


def split(raw: bytes, how: str) -> list[bytes]:
    if how == "whole":
        return [raw]
    if how == "head first":
        head, end, rest = raw.partition(b"\r\n\r\n")
        return [piece for piece in (head + end, rest) if piece]
    return [raw[i : i + 1] for i in range(len(raw))]


async def send(stage: Stage, pieces: list[bytes]) -> tuple[list[int], str]:
    """Send the pieces, each read for itself, and half-close; return the statuses and the end."""
    peer = await stage.peer()
    try:
        for piece in pieces:
            await peer.send(piece)
            for _ in range(2 if len(pieces) > 3 else 5):
                await asyncio.sleep(0)
        peer.fin()
    except OSError:
        pass  # refused, and cut because it went on
    received, how = await peer.read_to_end()
    peer.close()
    await until(lambda: stage.open_count == 0)
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", received)], how


def answer(request: Request) -> None:
    if not request.connection.is_answered and request.events[-1:] != ["body"]:
        request.connection.respond(200)


@pytest.mark.parametrize(("raw", "expected"), ROWS.values(), ids=list(ROWS))
@played()
async def test_it_is_refused_or_read_as_one_request(
    stage: Stage, raw: bytes, expected: int | One
) -> None:
    for how in SPLITS:
        if len(raw) > 1_000 and how == "byte by byte":
            continue
        stage.requests.clear()
        stage.scripts = {"end": answer}

        statuses, _ = await send(stage, split(raw, how))

        complete = [r for r in stage.requests if "end" in r.events]
        if isinstance(expected, One):
            [one] = complete
            assert statuses[0] == 200, how
            assert all(400 <= status < 600 for status in statuses[1:]), how
            assert (one.head.method, one.head.target) == (expected.method, expected.target)
            assert one.body == expected.body, how
        else:
            assert statuses == [expected], how
            assert complete == [], how
        assert not [r for r in stage.requests if r.head.path == "/smuggled"]


@pytest.mark.parametrize(("raw", "expected"), ROWS.values(), ids=list(ROWS))
@played()
async def test_an_early_answer_lets_nothing_through(
    stage: Stage, raw: bytes, expected: int | One
) -> None:
    """What is left of a body that nobody has read must not become a request."""
    for how in SPLITS[:2]:
        stage.requests.clear()
        stage.scripts = {"head": answer}

        statuses, _ = await send(stage, split(raw, how))

        assert len(stage.requests) <= 1, how
        assert statuses[0] == (200 if stage.requests else expected)
        assert all(400 <= status < 600 for status in statuses[1:]), how
        assert not [r for r in stage.requests if r.head.path == "/smuggled"]


@played(body_timeout_s=0.05)
async def test_a_pause_lets_nothing_through(stage: Stage) -> None:
    """Pause-based desync: a server that gives a body up takes what follows for a request."""
    peer = await stage.peer(post(len(SMUGGLED)))
    assert (await peer.read_response()).status == 408

    await peer.send(SMUGGLED)
    peer.fin()

    assert await peer.read_to_end() == (b"", "end")
    assert [r.head.path for r in stage.requests] == ["/"]


@played()
async def test_two_requests_in_turn_are_two(stage: Stage) -> None:
    """The other side of the rule: what is well separated is served, in order."""
    stage.scripts["end"] = answer
    peer = await stage.peer(request(b"Content-Length: 3\r\n", b"abc"))
    assert (await peer.read_response()).status == 200

    await peer.send(SMUGGLED)

    assert (await peer.read_response()).status == 200
    assert [r.head.path for r in stage.requests] == ["/", "/smuggled"]
