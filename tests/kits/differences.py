"""Where a path differs from what `shapes.py` says, each time by design.

Nothing else may differ. A difference that changes nothing is an error, too.
"""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

from tests.kits.paths import (
    GATEWAY_STREAM,
    INVOKE,
    INVOKE_STREAM,
    MANAGED_URL,
    URL_BUFFERED,
    URL_STREAM,
)
from tests.kits.seen import COMPLETE, Seen

FAIL_FIRST: Final = ("fails_at_once", "fails_behind_its_head", "plainly_fails")
BAD_HEADS: Final = ("illegal_head", "large_head")
FAIL_LATE: Final = ("fails_late", "fails_late_async")


class Difference(NamedTuple):
    """One thing that Lambda does in its own way."""

    name: str
    shapes: tuple[str, ...]
    paths: tuple[str, ...]
    gives: dict[str, Any]
    """Fields of `Seen`; a pattern stands for text that is not the same twice."""
    reason: str
    source: str


_ERROR: Final[dict[str, Any]] = {"status": None, "headers": (), "cookies": (), "body": b""}
"""What an SDK gets instead of a response, with the error's name."""
_LAMBDAS_502: Final[dict[str, Any]] = {
    "status": 502,
    "headers": (
        ("content-type", "application/json"),
        ("x-amzn-errortype", "InternalServerErrorException"),
    ),
    "cookies": (),
    "body": b"Internal Server Error",
    "ending": COMPLETE,
}
_GATEWAYS_502: Final[dict[str, Any]] = {
    "status": 502,
    "headers": (("cache-control", "no-store"), ("content-type", "application/problem+json")),
    "body": re.compile(rb'\{"title": "Bad Gateway", "status": 502, [^\n]*\}\n'),
}
_REPORTED: Final = "Lambda Developer Guide, runtimes-api: the runtime reports a handler's error"

DIFFERENCES: Final = (
    Difference(
        "a function error before the first byte is Lambda's 502",
        (*FAIL_FIRST, *BAD_HEADS),
        (URL_STREAM, URL_BUFFERED, MANAGED_URL),
        _LAMBDAS_502,
        "The runtime reports the exception, and Lambda answers in its own words. Over a callback"
        " the SDK answers: the client does not wait for Lambda's invocation there.",
        "BUFFERED: status, body and header recorded against AWS 2025-11; RESPONSE_STREAM inferred",
    ),
    Difference(
        "a function error before the first byte is the gateway's 502",
        (*FAIL_FIRST, *BAD_HEADS),
        (GATEWAY_STREAM,),
        _GATEWAYS_502,
        "The gateway reads in InvokeComplete that there is no response, and nothing of the error.",
        "docs/topics/failures.md",
    ),
    Difference(
        "an SDK gets the error before the first byte",
        FAIL_FIRST,
        (INVOKE_STREAM, INVOKE),
        {**_ERROR, "error": "ValueError"},
        "Who invokes a function gets its error, not an HTTP response.",
        _REPORTED,
    ),
    Difference(
        "an SDK gets the error of an illegal head",
        ("illegal_head",),
        (INVOKE_STREAM, INVOKE),
        {**_ERROR, "error": "HeadError"},
        "The same.",
        _REPORTED,
    ),
    Difference(
        "an SDK gets the error of a large head",
        ("large_head",),
        (INVOKE_STREAM,),
        {**_ERROR, "error": "PreludeError"},
        "The same.",
        _REPORTED,
    ),
    Difference(
        "a head that is returned may be larger than a prelude",
        ("large_head",),
        (URL_BUFFERED, MANAGED_URL, INVOKE),
        {
            "status": 200,
            "headers": (("content-type", "text/plain"), ("x-large", "a" * 17_000)),
            "body": b"large",
            "ending": COMPLETE,
            "logged": None,
        },
        "16 KB is the limit of streamed heads; what is returned has 6 MB in all.",
        "API Gateway Developer Guide, response-transfer-mode-lambda",
    ),
    Difference(
        "the result of a HEAD request has the body of GET",
        ("asked_for_head",),
        (INVOKE,),
        {"body": b"as for GET"},
        "Who invokes a function gets its result; a Function URL takes the content-length from it.",
        "RFC 9110, section 9.3.2",
    ),
    Difference(
        "a Function URL's client cannot tell a late error",
        FAIL_LATE,
        (URL_STREAM,),
        {"ending": COMPLETE},
        "Lambda ends the short body cleanly. url.abort_on_error breaks it off.",
        "recorded live by hotsock/voker, 2026-07-13",
    ),
    Difference(
        "an SDK is told of a late error behind the bytes",
        FAIL_LATE,
        (INVOKE_STREAM,),
        {"ending": COMPLETE, "error": "ValueError"},
        "The stream ends with an event that names the error.",
        "Lambda API reference, InvokeWithResponseStream: InvokeComplete",
    ),
    Difference(
        "a late error is the only result of a buffered invocation",
        (*FAIL_LATE, "fails_behind_its_end"),
        (INVOKE,),
        {**_ERROR, "ending": COMPLETE, "error": "ValueError"},
        "Lambda knows a result or an error, not both; what the handler had written is dropped.",
        _REPORTED,
    ),
    Difference(
        "a late error is the only result of a buffered Function URL",
        (*FAIL_LATE, "fails_behind_its_end"),
        (URL_BUFFERED, MANAGED_URL),
        _LAMBDAS_502,
        "The same.",
        "recorded against AWS 2025-11",
    ),
    Difference(
        "a Function URL renames the length",
        ("announced_length",),
        (URL_STREAM, URL_BUFFERED, MANAGED_URL),
        {"headers": (("content-type", "text/plain"), ("x-amzn-remapped-content-length", "5"))},
        "Lambda frames the body itself and moves the function's header aside.",
        "reported by edge workers that undo it, 2024",
    ),
)


def expected(shape: str, seen: Seen, path: str) -> Seen:
    """What a shape looks like on a path."""
    for difference in DIFFERENCES:
        if shape in difference.shapes and path in difference.paths:
            seen = seen._replace(**difference.gives)
    return seen


def is_same(actual: Seen, wanted: Seen) -> bool:
    """Whether what was seen is what was to be seen."""
    body = wanted.body
    if isinstance(body, re.Pattern):
        return bool(body.fullmatch(actual.body)) and actual._replace(body=body) == wanted
    return actual == wanted
