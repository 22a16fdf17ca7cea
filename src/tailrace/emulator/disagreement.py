"""A function's response that does not fit the way it was called, in words for its author."""

from __future__ import annotations

from enum import Enum


class Disagreement(Enum):
    """What Lambda does without a word; the value says what is seen, and what to change."""

    RAW_ENVELOPE = (
        "answered whole through a Function URL with invoke_mode RESPONSE_STREAM: the client got"
        " its JSON as it is, statusCode and all, as on Lambda. Stream (streamifyResponse in"
        " Node.js, streamify_response or TAILRACE_RESPONSE_MODE=stream under tailrace.runtime), or"
        ' set url.invoke_mode to "BUFFERED"'
    )
    COLLECTED = (
        "streamed through a Function URL with invoke_mode BUFFERED: the client got nothing before"
        ' the end. Set url.invoke_mode to "RESPONSE_STREAM", or answer whole (no streamifyResponse'
        " in Node.js, TAILRACE_RESPONSE_MODE=buffer under tailrace.runtime)"
    )
    PRELUDE_IN_BODY = (
        "streamed an HTTP response to a plain Invoke: the caller got the prelude and its eight NUL"
        " bytes in front of the body, as on Lambda. Call InvokeWithResponseStream or a Function"
        " URL with invoke_mode RESPONSE_STREAM, or answer whole (no streamifyResponse in Node.js,"
        " TAILRACE_RESPONSE_MODE=buffer under tailrace.runtime)"
    )
    MULTI_VALUE_HEADERS = (
        "set multiValueHeaders, which a Function URL does not read: they were dropped, as on"
        " Lambda. Give each Set-Cookie in cookies, and several values of another header in headers,"
        " joined with commas"
    )
    CORS_TWICE = (
        "set access-control-allow-origin or -credentials, and its URL has a cors table: a page gets"
        " both headers, as on Lambda, and its browser refuses the response. Set them in one place,"
        " in the function or in [functions.NAME.url.cors]"
    )
