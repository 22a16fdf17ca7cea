"""Requests that two servers could read differently, and requests that are no HTTP at all.

The rows follow the public collections of such payloads: Http11Probe, http-garden, PortSwigger's
desync classes, and the advisories of other servers' parsers. Each has its one right outcome: a
status that refuses it, or the one request as which it is read. What would be smuggled is the
request `SMUGGLED`: no application may see it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

SMUGGLED_BYTES: Final = 256
"""As long as the request to be smuggled is at any listener: its length stands in other headers."""


def smuggled(line: bytes, host: bytes = b"h") -> bytes:
    """A request with this request line, SMUGGLED_BYTES long."""
    head = line + b"\r\nHost: " + host + b"\r\nX-Fill: "
    return head + b"f" * (SMUGGLED_BYTES - len(head) - 4) + b"\r\n\r\n"


SMUGGLED: Final = smuggled(b"GET /smuggled HTTP/1.1")
SIZE: Final = b"%d" % SMUGGLED_BYTES


@dataclass(frozen=True, slots=True)
class Aim:
    """The listener that a row is sent to: where its requests go, and what would be smuggled."""

    target: bytes = b"/"
    host: bytes = b"h"
    smuggled: bytes = SMUGGLED

    def at(self, raw: bytes) -> bytes:
        """A row's bytes for this listener."""
        raw = raw.replace(SMUGGLED, b"\0smuggled\0").replace(
            b"ost: h\r\n", b"ost: %b\r\n" % self.host
        )
        raw = raw.replace(b" / ", b" %b " % self.target, 1)
        return raw.replace(b"\0smuggled\0", self.smuggled)


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
    "chunk size behind zeros without end": (
        chunked(b"0" * 9_999 + b"3\r\nabc\r\n0\r\n\r\n"),
        400,
    ),
    "last chunk of zeros without end": (chunked(b"3\r\nabc\r\n" + b"0" * 9_999 + b"\r\n\r\n"), 400),
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
    "three empty lines before": (b"\r\n\r\n\r\n" + request(), 400),
    "empty lines without end before": (b"\r\n" * 900 + request(), 400),
    "empty line of a line feed before": (b"\n" + request(), 400),
    "empty line of a carriage return before": (b"\r" + request(), 400),
    # --- request lines ---
    "two spaces before the version": (line(b"POST /  HTTP/1.1\r\n"), 400),
    "two spaces before the target": (line(b"POST  / HTTP/1.1\r\n"), 400),
    "RTSP": (line(b"POST / RTSP/1.0\r\n"), 400),
    "RTSP of HTTP's version": (line(b"OPTIONS / RTSP/1.1\r\n"), 400),
    "ICE": (line(b"SOURCE / ICE/1.1\r\n"), 400),
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
    "version 1.2": (line(b"POST / HTTP/1.2\r\n"), 505),
    "version 2.0": (line(b"POST / HTTP/2.0\r\n"), 505),
    "HTTP/0.9": (b"GET /\r\n\r\n", 505),
    "HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
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
    # --- lengths, more of them ---
    "CL with a comma behind": (length(b"Content-Length: 3,"), 400),
    "CL with a comma before": (length(b"Content-Length: ,3"), 400),
    "CL quoted": (length(b'Content-Length: "3"'), 400),
    "CL with a parameter": (length(b"Content-Length: 3;a=b"), 400),
    "CL of minus zero": (length(b"Content-Length: -0"), 400),
    "CL in a word": (length(b"Content-Length: three"), 400),
    "CL with a no-break space": (length(b"Content-Length: \xa03"), 400),
    "CL with a no-break space in its name": (length(b"Content-Length\xa0: 3"), 400),
    "CL with a NUL behind": (length(b"Content-Length: 3\0"), 400),
    "CL with a bare CR behind": (length(b"Content-Length: 3\r"), 400),
    "CL with a vertical tab": (length(b"Content-Length: \x0b3"), 400),
    "CL before a coding": (
        request(b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n" + SMUGGLED),
        400,
    ),
    "CL named by Connection": (
        request(b"Connection: Content-Length\r\nContent-Length: " + SIZE + b"\r\n", SMUGGLED),
        One(SMUGGLED),
    ),
    "CL in a header of its name's end": (
        request(b"X-Content-Length: " + SIZE + b"\r\nContent-Length: 3\r\n", b"abc"),
        One(b"abc"),
    ),
    # --- codings, more of them ---
    "TE deflate": (coding(b"Transfer-Encoding: deflate"), 400),
    "TE gzip": (coding(b"Transfer-Encoding: gzip"), 400),
    "TE chunked with a semicolon": (coding(b"Transfer-Encoding: chunked;"), 400),
    "TE chunk": (coding(b"Transfer-Encoding: chunk"), 400),
    "TE chunkedchunked": (coding(b"Transfer-Encoding: chunkedchunked"), 400),
    "TE in single quotes": (coding(b"Transfer-Encoding: 'chunked'"), 400),
    "TE with a byte beyond ASCII": (coding(b"Transfer-Encoding: chunked\xff"), 400),
    "TE with a no-break space": (coding(b"Transfer-Encoding: \xa0chunked"), 400),
    "TE with a no-break space in its name": (coding(b"Transfer-Encoding\xa0: chunked"), 400),
    "TE with a colon more": (coding(b"Transfer-Encoding:: chunked"), 400),
    "TE with a long s": (coding("Tranſfer-Encoding: chunked".encode()), 400),
    "TE in a header of its name's end": (
        request(b"X-Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", b"abc"),
        One(b"abc"),
    ),
    "Content-Encoding chunked": (
        request(b"Content-Encoding: chunked\r\nContent-Length: 3\r\n", b"abc"),
        One(b"abc"),
    ),
    "TE named by Connection": (
        request(b"Connection: Transfer-Encoding\r\n" + CHUNKED, b"3\r\nabc\r\n0\r\n\r\n"),
        One(b"abc"),
    ),
    "TE with a length of zero": (
        request(CHUNKED + b"Content-Length: 0\r\n", b"0\r\n\r\n" + SMUGGLED),
        400,
    ),
    # --- chunks, more of them ---
    "chunk size, CR CR LF": (chunked(b"3\r\r\nabc\r\n0\r\n\r\n"), 400),
    "chunk size, NUL behind": (chunked(b"3\0\r\nabc\r\n0\r\n\r\n"), 400),
    "chunk size, other digits": (chunked("３\r\nabc\r\n0\r\n\r\n".encode()), 400),
    "chunk size, decimal point": (chunked(b"3.0\r\nabc\r\n0\r\n\r\n"), 400),
    "chunk size, comma": (chunked(b"3,3\r\nabc\r\n0\r\n\r\n"), 400),
    "chunk size, h behind": (chunked(b"3h\r\nabc\r\n0\r\n\r\n"), 400),
    "chunk size, quoted": (chunked(b'"3"\r\nabc\r\n0\r\n\r\n'), 400),
    "chunk extension, CR in quotes": (chunked(b'3;a="\r"\r\nabc\r\n0\r\n\r\n'), 400),
    "chunk extension, CRLF in quotes": (
        chunked(b'3;a="\r\nabc\r\n0\r\n\r\n' + SMUGGLED),
        400,
    ),
    "chunk extension, in the last chunk over two lines": (
        chunked(b'0;a="\r\n\r\n' + SMUGGLED),
        400,
    ),
    "chunk extensions, one byte each": (
        chunked(b"1;aaaaaaaa\r\na\r\n" * 4_000 + b"0\r\n\r\n"),
        One(b"a" * 4_000),
    ),
    "chunk data, LF LF behind": (chunked(b"3\r\nabc\n\n0\r\n\r\n"), 400),
    "chunk data, CR CR behind": (chunked(b"3\r\nabc\r\r0\r\n\r\n"), 400),
    "chunk data, LF CR behind": (chunked(b"3\r\nabc\n\r0\r\n\r\n"), 400),
    "last chunk, then another": (chunked(b"0\r\n3\r\nabc\r\n0\r\n\r\n"), 400),
    "last chunk, hex zero": (chunked(b"0x0\r\n\r\n" + SMUGGLED), 400),
    "trailer, without a colon": (chunked(b"0\r\nAbc\r\n\r\n"), 400),
    "trailer, NUL": (chunked(b"0\r\nA: b\0\r\n\r\n"), 400),
    "trailer, bare LF": (chunked(b"0\r\nA: b\n\r\n" + SMUGGLED), 400),
    "trailer, bare CR": (chunked(b"0\r\nA: b\rC: d\r\n\r\n"), 400),
    "trailer, space in its name": (chunked(b"0\r\nA b: c\r\n\r\n"), 400),
    "trailers, too many": (chunked(b"0\r\n" + b"A: b\r\n" * 500 + b"\r\n"), 431),
    "a request in a trailer": (
        chunked(b"0\r\nGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n"),
        400,
    ),
    # --- heads ---
    "LF CR behind a header": (request(b"A: b\n\r"), 400),
    "CR CR LF behind a header": (request(b"A: b\r\r\n"), 400),
    "DEL in a value": (request(b"A: b\x7f\r\n"), 400),
    "ESC in a value": (request(b"A: \x1b[31m\r\n"), 400),
    "tab in a value": (request(b"A: b\tc\r\n"), One()),
    "bytes beyond ASCII in a value": (request(b"A: \xff\xfe\r\n"), One()),
    "value of spaces": (request(b"A:   \r\n"), One()),
    "parentheses in a name": (request(b"A(b): c\r\n"), 400),
    "slash in a name": (request(b"A/b: c\r\n"), 400),
    "quotes in a name": (request(b'"A": c\r\n'), 400),
    "at sign in a name": (request(b"A@b: c\r\n"), 400),
    "braces in a name": (request(b"{A}: c\r\n"), 400),
    "name of a space": (request(b" : c\r\n"), 400),
    "tab behind a name": (request(b"A\t: b\r\n"), 400),
    "DEL in a name": (request(b"A\x7f: b\r\n"), 400),
    "129 headers": (request(b"A: b\r\n" * 128), 431),
    "a header of 70 KB": (request(b"A: " + b"b" * 70_000 + b"\r\n"), 431),
    "a name of 70 KB": (request(b"A" * 70_000 + b": b\r\n"), 431),
    "a target of 17 KB": (line(b"POST /" + b"a" * 17_000 + b" HTTP/1.1\r\n"), 414),
    "a method of 70 KB": (line(b"P" * 70_000 + b" / HTTP/1.1\r\n"), 400),
    "a folded Host": (request(host=b"Host:\r\n h\r\n"), 400),
    "spaces before the request": (b"  " + request(), 400),
    "NUL before the request": (b"\0" + request(), 400),
    "BOM before the request": (b"\xef\xbb\xbf" + request(), 400),
    # --- request lines, more of them ---
    "target without a slash": (line(b"POST foo HTTP/1.1\r\n"), 400),
    "target of a question mark": (line(b"POST ?x HTTP/1.1\r\n"), 400),
    "target with a backslash": (line(b"POST \\foo HTTP/1.1\r\n"), 400),
    "target with DEL": (line(b"POST /\x7f HTTP/1.1\r\n"), 400),
    "target with ESC": (line(b"POST /\x1b[31m HTTP/1.1\r\n"), 400),
    "target without a host": (line(b"POST http:///a HTTP/1.1\r\n"), 400),
    "target with half a scheme": (line(b"POST http:/a HTTP/1.1\r\n"), 400),
    "target with a bad port": (line(b"POST http://h:port/a HTTP/1.1\r\n"), 400),
    "target of an authority": (line(b"POST h:80 HTTP/1.1\r\n"), 400),
    "asterisk of a POST": (line(b"POST * HTTP/1.1\r\n"), 400),
    "no target": (line(b"POST HTTP/1.1\r\n"), 400),
    "no version": (line(b"POST /\r\n"), 505),
    "version with a letter behind": (line(b"POST / HTTP/1.1x\r\n"), 400),
    "version without a minor": (line(b"POST / HTTP/1\r\n"), 400),
    "version with a point only": (line(b"POST / HTTP/1.\r\n"), 400),
    "version without a point": (line(b"POST / HTTP/11\r\n"), 400),
    "version with a comma": (line(b"POST / HTTP/1,1\r\n"), 400),
    "version with a space": (line(b"POST / HTTP/ 1.1\r\n"), 400),
    "version 0.9": (line(b"POST / HTTP/0.9\r\n"), 505),
    "version 1.9": (line(b"POST / HTTP/1.9\r\n"), 505),
    "version 3": (line(b"POST / HTTP/3.0\r\n"), 505),
    "version of HTTPS": (line(b"POST / HTTPS/1.1\r\n"), 400),
    "method with a NUL": (line(b"PO\0ST / HTTP/1.1\r\n"), 400),
    "method with a colon": (line(b"POST: / HTTP/1.1\r\n"), 400),
    "method behind quotes": (line(b'"POST" / HTTP/1.1\r\n'), 400),
    "vertical tab before the target": (line(b"POST\x0b/ HTTP/1.1\r\n"), 400),
    "CR in the target": (line(b"POST /\r HTTP/1.1\r\n"), 400),
    "method PRI with a target": (line(b"PRI / HTTP/1.1\r\n"), 400),
    "method TRACE": (request(line=b"TRACE / HTTP/1.1\r\n"), One(method="TRACE")),
    # --- hosts, more of them ---
    "host empty": (request(host=b"Host:\r\n"), One()),
    "host with a fragment": (request(host=b"Host: h#evil\r\n"), 400),
    "host with a query": (request(host=b"Host: h?evil\r\n"), 400),
    "host with a backslash": (request(host=b"Host: h\\evil\r\n"), 400),
    "host with a tab inside": (request(host=b"Host: h\tevil\r\n"), 400),
    "host beyond ASCII": (request(host="Host: hä\r\n".encode()), 400),
    "host with a bad port": (request(host=b"Host: h:port\r\n"), 400),
    "host with a port too large": (request(host=b"Host: h:999999\r\n"), 400),
    "host with two ports": (request(host=b"Host: h:80:80\r\n"), 400),
    "host of half an IPv6 address": (request(host=b"Host: [::1\r\n"), 400),
    "host of angle brackets": (request(host=b"Host: <h>\r\n"), 400),
    "host in quotes": (request(host=b'Host: "h"\r\n'), 400),
    "host with a scheme": (request(host=b"Host: http://h\r\n"), 400),
    "host named by Connection": (request(b"Connection: Host\r\n"), One()),
    # --- expectations, more of them ---
    "an expectation twice": (
        request(b"Expect: 100-continue\r\nExpect: 100-continue\r\nContent-Length: 3\r\n", b"abc"),
        One(b"abc"),
    ),
    "an expectation with a parameter": (
        request(b"Expect: 100-continue;x\r\nContent-Length: 3\r\n", b"abc"),
        417,
    ),
    "an expectation without a body": (request(b"Expect: 100-continue\r\n"), One()),
    "an expectation with a body behind a zero": (
        request(b"Expect: 100-continue\r\nContent-Length: 0\r\n"),
        One(),
    ),
    "TLS upgrade": (request(b"Connection: Upgrade\r\nUpgrade: TLS/1.0\r\n"), One()),
    # --- what is no HTTP ---
    "SSH": (b"SSH-2.0-OpenSSH_9.2p1\r\n", 400),
    "SMTP": (b"EHLO evil.example\r\nMAIL FROM:<a@b>\r\n", 400),
    "FTP": (b"USER anonymous\r\nPASS x\r\n", 400),
    "Redis": (b"*1\r\n$4\r\nPING\r\n", 400),
    "Redis, inline": (b"PING\r\n", 400),
    "memcached": (b"set k 0 0 1\r\nv\r\n", 400),
    "PROXY protocol 1": (b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n" + request(), 400),
    "PROXY protocol 2": (
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x01\2\3\4\5\6\7\x08\0\1\0\2" + request(),
        400,
    ),
    "SOCKS 5": (b"\x05\x01\x00", 400),
    "SMB": (b"\0\0\0\x85\xffSMB\x72\0\0\0\0\x18\x53\xc8", 400),
    "RDP": (b"\x03\0\0\x13\x0e\xe0\0\0\0\0\0\1\0\x08\0\3\0\0\0", 400),
    "DNS over TCP": (b"\0\x1d\xab\xcd\1\0\0\1\0\0\0\0\0\0\7version\4bind\0\0\x10\0\3", 400),
    "MQTT": (b"\x10\x0e\0\4MQTT\4\2\0<\0\2id", 400),
    "PostgreSQL": (b"\0\0\0\x08\4\xd2\x16/", 400),
    "HTTP/2 without a preface": (b"\0\0\x12\4\0\0\0\0\0\0\3\0\0\0d\0\4\0\1\0\0", 400),
    "JSON": (b'{"a": 1}\r\n\r\n', 400),
    "a Log4j look-up": (request(b"User-Agent: ${jndi:ldap://127.0.0.1:1/a}\r\n"), One()),
    "zeros": (b"\0" * 1_000, 400),
}
