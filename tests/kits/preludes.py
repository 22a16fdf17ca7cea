"""Beginnings of a streamed response, byte by byte: what is legal in a prelude, and what is not.

Each row is sent over each way; what comes of it stands in docs/reference/prelude.md, row by row.
"""

from __future__ import annotations

import json
from typing import Final, NamedTuple

TYPE: Final = "application/vnd.awslambda.http-integration-response"
NULS: Final = b"\0" * 8
HELLO: Final = b"hello"
SIZE_MAX: Final = 16_384
"""16 KB, the NUL bytes included."""


class Row(NamedTuple):
    """A response as a function sends it."""

    name: str
    """As in the table."""
    variants: tuple[tuple[bytes, ...], ...]
    """The pieces it is sent in; each variant gives the same."""
    media_type: str | None = TYPE
    shows: tuple[str, ...] = ()
    """Headers of the answer that the table tells."""
    method: str = "GET"

    @property
    def sent(self) -> bytes:
        """All of its bytes."""
        return b"".join(self.variants[0])


def _raw(name: str, *pieces: bytes, media_type: str | None = TYPE) -> Row:
    return Row(name, (pieces,), media_type, ("content-type",) if media_type != TYPE else ())


def _prelude(name: str, text: str, *shows: str, body: bytes = HELLO, method: str = "GET") -> Row:
    """A row of JSON text, NUL bytes and a body."""
    return Row(name, ((text.encode() + NULS, body),), TYPE, shows, method)


def _headers(
    name: str, *shows: str, body: bytes = HELLO, method: str = "GET", **fields: object
) -> Row:
    """A row whose headers are given, with underscores for hyphens."""
    headers = {key.replace("_", "-"): value for key, value in fields.items()}
    text = json.dumps({"headers": headers}, separators=(",", ":"))
    return _prelude(name, text, *shows, body=body, method=method)


def _sized(name: str, size: int) -> Row:
    """A row whose prelude has a size, NUL bytes included."""
    empty = len('{"statusCode":201,"headers":{"x-a":""}}') + len(NULS)
    text = '{"statusCode":201,"headers":{"x-a":"%s"}}' % ("a" * (size - empty))
    return _prelude(name, text)


_SPLIT: Final = b'{"statusCode":201,"headers":{"x-a":"\xc3\xa9"}}' + NULS + HELLO
_BYTES: Final = tuple(_SPLIT[at : at + 1] for at in range(len(_SPLIT)))

ROWS: Final = (
    # Type and prelude.
    _prelude("`{}`, 8 NUL, `hello`", "{}", "content-type"),
    _raw("text/plain, no prelude: `hello`", HELLO, media_type="text/plain"),
    _raw("no content type, no prelude: `hello`", HELLO, media_type=None),
    _raw(
        "text/plain, and a prelude all the same",
        b'{"statusCode":201}' + NULS + HELLO,
        media_type="text/plain",
    ),
    _raw(
        'text/plain, a JSON object, no NUL: `{"statusCode":201}`',
        b'{"statusCode":201}',
        media_type="text/plain",
    ),
    _raw("text/plain, nothing", media_type="text/plain"),
    Row(
        "the type with a parameter, `; charset=utf-8`",
        ((b'{"statusCode":201}' + NULS, HELLO),),
        f"{TYPE}; charset=utf-8",
    ),
    Row("the type in capitals", ((b'{"statusCode":201}' + NULS, HELLO),), TYPE.upper()),
    _raw("the type, no prelude: `hello`", HELLO),
    _raw("the type, nothing", b""),
    _raw('the type, only `{"statusCode":201}`', b'{"statusCode":201}'),
    _raw("7 NUL, `hello`", b"{}" + NULS[:7], HELLO),
    _raw("9 NUL, `hello`: the ninth is of the body", b"{}" + NULS + b"\0", HELLO),
    Row("prelude and body in one piece", ((b'{"statusCode":201}' + NULS + HELLO,),)),
    Row(
        "split in two, at every byte",
        tuple((_SPLIT[:at], _SPLIT[at:]) for at in range(1, len(_SPLIT))),
        shows=("x-a",),
    ),
    Row("each byte a piece", (_BYTES,), shows=("x-a",)),
    _prelude("prelude, no body", '{"statusCode":201}', body=b""),
    _raw("white space around the JSON", b' \r\n\t{"statusCode":201} \n' + NULS, HELLO),
    # Not a prelude.
    _raw("8 NUL alone", NULS),
    _raw("8 NUL alone, `hello`", NULS, HELLO),
    _prelude("not JSON: `{nope}`", "{nope}"),
    _prelude("not an object: `[]`", "[]"),
    _raw("JSON lines, no NUL", b'{"i":1}\n', b'{"i":2}\n'),
    _prelude("JSON behind the object: `{}{}`", "{}{}"),
    _raw("a raw NUL in a value", b'{"headers":{"x-a":"a\0b"}}' + NULS, HELLO),
    _prelude("an escaped NUL in a value", '{"headers":{"x-a":"a\\u0000b"}}'),
    _raw("not UTF-8", b'{"headers":{"x-a":"\xe9"}}' + NULS, HELLO),
    _raw("a byte order mark before it", b"\xef\xbb\xbf{}" + NULS, HELLO),
    # Size.
    _sized("16,383 bytes", SIZE_MAX - 1),
    _sized("16,384 bytes", SIZE_MAX),
    _sized("16,385 bytes", SIZE_MAX + 1),
    # Status.
    _prelude("`statusCode` 418", '{"statusCode":418}'),
    _prelude('`statusCode` "418"', '{"statusCode":"418"}'),
    _prelude("`statusCode` null", '{"statusCode":null}'),
    _prelude("`statusCode` 599", '{"statusCode":599}'),
    _prelude("`statusCode` 600", '{"statusCode":600}'),
    _prelude("`statusCode` 99", '{"statusCode":99}'),
    _prelude("`statusCode` 100", '{"statusCode":100}'),
    _prelude("`statusCode` 101", '{"statusCode":101}'),
    _prelude("`statusCode` 200.5", '{"statusCode":200.5}'),
    _prelude('`statusCode` "OK"', '{"statusCode":"OK"}'),
    _prelude("`statusCode` true", '{"statusCode":true}'),
    _prelude("204, no body", '{"statusCode":204}', body=b""),
    _prelude("204 and `hello`", '{"statusCode":204}'),
    _prelude(
        "302, no body", '{"statusCode":302,"headers":{"location":"/a"}}', "location", body=b""
    ),
    _prelude("302 and `hello`", '{"statusCode":302,"headers":{"location":"/a"}}', "location"),
    _prelude("304, no body", '{"statusCode":304,"headers":{"etag":"\\"7\\""}}', "etag", body=b""),
    _prelude("304 and `hello`", '{"statusCode":304,"headers":{"etag":"\\"7\\""}}', "etag"),
    _headers("200 and `hello` for HEAD", "content-type", method="HEAD", content_type="text/css"),
    # Keys, headers and cookies.
    _prelude("unknown keys", '{"statusCode":201,"body":"x","isBase64Encoded":true,"more":{}}'),
    _prelude("a key twice", '{"statusCode":201,"statusCode":202}'),
    _prelude("`headers` null", '{"headers":null}'),
    _prelude("`headers` a list", '{"headers":["x-a","1"]}'),
    _headers("a name in mixed case", "x-a", X_A="1"),
    _headers("a name twice, in two cases", "x-a", X_A="1", x_a="2"),
    _headers("a value that is a number", "x-a", x_a=7),
    _headers("a value that is true", "x-a", x_a=True),
    _headers("a value that is null", "x-a", x_a=None),
    _headers("a value that is a list", "x-a", x_a=["1", "2"]),
    _headers("a value that is an object", x_a={"b": 1}),
    _headers("a value with spaces around it", "x-a", x_a=" 1 "),
    _headers("a value of Latin-1, `é`", "x-a", x_a="é"),
    _headers("a value beyond Latin-1, `…`", x_a="…"),
    _headers("a line break in a value", x_a="1\r\nset-cookie: evil=1"),
    _prelude("a line break in a name", '{"headers":{"x-a\\r\\nset-cookie":"evil=1"}}'),
    _prelude("a space in a name", '{"headers":{"x a":"1"}}'),
    _prelude("an empty name", '{"headers":{"":"1"}}'),
    _prelude("`multiValueHeaders`", '{"multiValueHeaders":{"x-a":["1","2"]}}', "x-a"),
    _prelude(
        "`multiValueHeaders` beside `headers`",
        '{"headers":{"x-a":"0"},"multiValueHeaders":{"X-A":["1"]}}',
        "x-a",
    ),
    _prelude(
        "`set-cookie` in `multiValueHeaders`",
        '{"multiValueHeaders":{"Set-Cookie":["a=1","b=2"]}}',
        "set-cookie",
    ),
    _prelude(
        "the same in `multiValueHeaders` and in `cookies`",
        '{"multiValueHeaders":{"Set-Cookie":["a=1","b=2"]},"cookies":["a=1","b=2"]}',
        "set-cookie",
    ),
    _prelude("`multiValueHeaders` a text", '{"multiValueHeaders":"a"}'),
    _prelude("two `cookies`", '{"cookies":["a=1; Path=/","b=2, 3"]}', "set-cookie"),
    _headers("`set-cookie` among the headers", "set-cookie", set_cookie="a=1"),
    _prelude(
        "`set-cookie` and `cookies`",
        '{"cookies":["b=2"],"headers":{"Set-Cookie":"a=1"}}',
        "set-cookie",
    ),
    _prelude("`cookies` a text", '{"cookies":"a=1"}'),
    _prelude("a line break in a cookie", '{"cookies":["a=1\\r\\nx-evil: 1"]}'),
    _prelude("128 headers", json.dumps({"headers": {f"x-{n}": "" for n in range(128)}})),
    _prelude("129 headers", json.dumps({"headers": {f"x-{n}": "" for n in range(129)}})),
    # Headers that speak of the connection, or that Lambda says itself.
    _headers("`content-length` right", "content-length", content_length="5"),
    _headers("`content-length` too small, 3", "content-length", content_length="3"),
    _headers("`content-length` too large, 9", "content-length", content_length="9"),
    _prelude(
        "`content-length` twice",
        '{"headers":{"content-length":"5","Content-Length":"5"}}',
        "content-length",
    ),
    _headers("`content-length` no number", "content-length", content_length="five"),
    _headers(
        "`content-length` 1000 for HEAD",
        "content-length",
        method="HEAD",
        body=b"",
        content_length="1000",
    ),
    _headers("`transfer-encoding: gzip`", "transfer-encoding", transfer_encoding="gzip"),
    _headers(
        "`connection: close, x-a` and `x-a`", "connection", "x-a", connection="close, x-a", x_a="1"
    ),
    _headers("`keep-alive: timeout=5`", "keep-alive", keep_alive="timeout=5"),
    _headers(
        "`te`, `trailer` and `upgrade`",
        "te",
        "trailer",
        "upgrade",
        te="trailers",
        trailer="x-a",
        upgrade="h2c",
    ),
    _headers("`date`", "date", date="Thu, 01 Jan 1970 00:00:00 GMT"),
    _headers("`server: mine`", "server", server="mine"),
    _headers("`www-authenticate: Basic`", "www-authenticate", www_authenticate="Basic"),
    _headers("`x-amzn-requestid: mine`", "x-amzn-requestid", x_amzn_requestid="mine"),
    _headers("`x-amzn-remapped-connection: a`", x_amzn_remapped_connection="a"),
    _headers("`content-encoding: gzip`, and none", "content-encoding", content_encoding="gzip"),
)
