"""What a caller sees of each shape in `app.py`, wherever its response comes along.

The exceptions of single paths stand in `differences.py`.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from tests.kits.seen import BROKEN, Seen


class Request(NamedTuple):
    """What a handler is asked."""

    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


class Shape(NamedTuple):
    """A handler, and its response."""

    name: str
    """Of the handler in `app.py`."""
    seen: Seen
    steps: tuple[bytes, ...] = ()
    """It waits before its head, before each of these pieces, and before its end."""
    request: Request = Request()
    works_on: bool = False
    """It ends its response and goes on until it is let go."""


def _text(body: bytes, **changes: object) -> Seen:
    """A 200 of plain text."""
    return Seen(200, (("content-type", "text/plain"),), (), body)._replace(**changes)


def _json(body: bytes) -> Seen:
    return Seen(200, (("content-type", "application/json"),), (), body)


def _bytes(body: bytes) -> Seen:
    return Seen(200, (("content-type", "application/octet-stream"),), (), body)


UTF_8: Final = ("content-type", "text/plain; charset=utf-8")
STEPS: Final = (b"one\n", b"two\n", b"three")
ONE: Final = Seen(201, (UTF_8, ("x-a", "1")), ("a=1; Path=/",), b"".join(STEPS))
"""The response that most shapes say, each in its own way."""
ALL_BYTES: Final = bytes(range(256)) * 8
FAILED: Final = _json(b'{"message":"Internal Server Error"}')._replace(
    status=500, logged="ValueError"
)
HALF: Final = ONE._replace(body=b"half", ending=BROKEN, logged="ValueError")

ERROR: Final = "the secret words of an error"
"""Of every ValueError, and in the illegal head."""

SHAPES: Final = (
    # One response, said in every way.
    Shape("sync_generator", ONE, STEPS),
    Shape("async_generator", ONE, STEPS),
    Shape("response_parameter", ONE, STEPS),
    Shape("like_node", ONE, STEPS),
    Shape("returns_generator", ONE, STEPS),
    Shape("returns_async_generator", ONE, STEPS),
    Shape("returns_iterator", ONE),
    Shape("returns_envelope", ONE),
    # Plain results, as Function URLs understand them.
    Shape("returns_base64", Seen(200, (("content-type", "image/png"),), (), bytes(range(256)))),
    Shape("returns_object", _json('{"answer":[42,"ü"]}'.encode())),
    Shape("returns_text", _json("wörter".encode())),
    Shape("returns_bytes", _bytes(bytes(range(256)))),
    Shape("returns_nothing", _json(b"null")),
    # Heads.
    Shape("head_only", Seen(302, (("location", "/elsewhere"),), ("to=there",), b"")),
    Shape("no_head", Seen(200, (UTF_8,), (), b"text without a head")),
    Shape("nothing", Seen(200)),
    Shape(
        "many_cookies",
        _text(
            b"cookies",
            cookies=("in=header", *(f"c{number}={number}; Path=/, x" for number in range(40))),
        ),
    ),
    Shape(
        "repeated_headers",
        _text(
            b"headers",
            headers=(
                ("content-type", "text/plain"),
                ("link", "</a>; rel=preload, </b>; rel=preload"),
                ("x-twice", "one, two, three"),
            ),
        ),
    ),
    Shape(
        "odd_values",
        _text(
            b"values",
            headers=(
                ("content-type", "text/plain"),
                ("x-empty", ""),
                ("x-n", "7"),
                ("x-name", "Müller"),
            ),
        ),
    ),
    Shape("large_head", FAILED._replace(logged="PreludeError")),
    Shape("announced_length", _text(b"hello")),
    # Bodies.
    Shape(
        "echo",
        Seen(
            200,
            (
                ("content-type", "application/octet-stream"),
                ("x-header", "one,two"),
                ("x-method", "POST"),
            ),
            ("a=1", "b=2"),
            ALL_BYTES,
        ),
        request=Request(
            "POST",
            (
                ("content-type", "application/octet-stream"),
                ("cookie", "a=1; b=2"),
                ("x-header", "one"),
                ("x-header", "two"),
            ),
            ALL_BYTES,
        ),
    ),
    Shape(
        "echo_text",
        Seen(200, (UTF_8,), (), "wörter 🎉".encode()),
        request=Request("PUT", (UTF_8,), "wörter 🎉".encode()),
    ),
    Shape("binary", _bytes(bytes(range(256)) * 2)),
    Shape("nul_bytes", _bytes(b"\0" * 8 + b'{"statusCode":500}' + b"\0" * 16)),
    Shape("unicode_text", Seen(200, (UTF_8,), (), "wörter слова 言葉 🎉".encode())),
    Shape("many_chunks", _text(b"".join(b"%d\n" % number for number in range(3000)))),
    Shape("large", _bytes(b"".join(n.to_bytes(8, "big") * 8192 for n in range(24)))),
    Shape("large_at_once", _bytes(b"0123456789abcdef" * 98_304)),
    # Responses without a body.
    Shape("no_content", Seen(204, (("x-a", "1"),))),
    Shape("not_modified", Seen(304, (("etag", '"7"'),))),
    Shape(
        "asked_for_head",
        _text(b"", headers=(("content-type", "text/plain"), ("x-method", "HEAD"))),
        request=Request("HEAD"),
    ),
    # The end, and failures.
    Shape("works_on", ONE, works_on=True),
    Shape("works_on_behind_a_head", Seen(204, (("x-a", "1"),)), works_on=True),
    Shape("fails_behind_its_end", ONE._replace(logged="ValueError")),
    Shape("fails_at_once", FAILED),
    Shape("fails_behind_its_head", FAILED),
    Shape("plainly_fails", FAILED),
    Shape("illegal_head", FAILED._replace(logged="HeadError")),
    Shape("fails_late", HALF),
    Shape("fails_late_async", HALF),
)
