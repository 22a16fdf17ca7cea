"""Buffered results of functions as HTTP responses, and back (payload format 2.0).

Source: Lambda Developer Guide "urls-invocation" (read 2026-11), and responses that others recorded
on AWS in 2025 and 2026. Each decision that no document covers is named where it is made.
"""

from __future__ import annotations

import binascii
import json
from collections.abc import ItemsView, Mapping

from tailrace.errors import HeadError, ResultError
from tailrace.wire.integration import Head, legal_status, merged_headers

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from typing import Any


def response_from_result(
    result: object, *, reads_several_values: bool = False
) -> tuple[Head, bytes]:
    """Return the response of a buffered result.

    `reads_several_values`: `multiValueHeaders` are read, too, as API Gateway's REST APIs do.

    A result is any value that AWS's Python runtime writes as JSON (`result_json`), Decimals and
    named tuples included. A dict with `statusCode` is a response: `headers`, `cookies`, `body`
    (text) and `isBase64Encoded` are read, other keys (`multiValueHeaders` as well) are ignored, and
    a body without a content type is `application/json`, as in Lambda. A body that is a dict or a
    list, which Lambda accepts as well, becomes minified JSON.

    Any other result is a 200 of `application/json`: text as it is, without quotes; None as `null`;
    other values as minified JSON. Bytes, which Lambda does not accept, are
    `application/octet-stream`.

    Raises:
        ResultError: a status, header or cookie that HTTP does not allow, a body that is not text,
            malformed base64, or a value that JSON does not have.
    """
    envelope = result if isinstance(result, dict) else _record(result)
    if envelope is not None and "statusCode" in envelope:
        return _response_from_envelope(envelope, reads_several_values)
    if isinstance(result, bytes | bytearray | memoryview):
        return Head(200, (("content-type", "application/octet-stream"),)), bytes(result)
    text = result if isinstance(result, str) else _json(result)
    return Head(200, (("content-type", "application/json"),)), _utf8(text, "the result")


def result_from_response(head: Head, body: bytes) -> dict[str, Any]:
    """Return the buffered result of a response: the inverse of `response_from_result`.

    Repeated headers are joined with ", ".
    """
    result: dict[str, Any] = {"statusCode": head.status, "headers": head.joined_headers()}
    if head.cookies:
        result["cookies"] = list(head.cookies)
    return result | body_members(body)


def body_members(body: bytes) -> dict[str, Any]:
    """Return the members `body` and `isBase64Encoded` of a result, in any form of results.

    The body is base64 if it is not UTF-8 or has a NUL byte: then it is not text, and JSON would
    take six characters for each NUL.
    """
    try:
        text = None if b"\0" in body else body.decode("utf-8")
    except UnicodeDecodeError:
        text = None
    return {
        "body": _base64(body) if text is None else text,
        "isBase64Encoded": text is None,
    }


def lost_names(head: Head, several: object) -> list[str]:
    """The names in `multiValueHeaders` of which a value is not in the head.

    Functions that set each header in both keys, for several kinds of callers, lose nothing.
    """
    if several is None:
        return []
    pairs = several.items() if isinstance(several, Mapping) else several
    if not isinstance(pairs, ItemsView | tuple):
        return ["multiValueHeaders"]  # not an object: none of it is read
    given = {name.lower(): _parts(value) for name, value in head.joined_headers().items()}
    given["set-cookie"] = {part for cookie in head.cookies for part in _parts(cookie)}
    lost = []
    for name, value in pairs:
        values = value if isinstance(value, list | tuple) else [value]
        wanted = {part for each in values for part in _parts(str(each))}
        if not wanted <= given.get(str(name).lower(), set()):
            lost.append(str(name))
    return lost


def _response_from_envelope(
    envelope: dict[Any, Any], reads_several_values: bool
) -> tuple[Head, bytes]:
    body = _envelope_body(envelope)
    headers = _as_json(envelope.get("headers"))
    cookies = _as_json(envelope.get("cookies"))
    if headers is not None and not isinstance(headers, Mapping):
        raise ResultError("headers: an object of names and values is wanted")
    several = _as_json(envelope.get("multiValueHeaders")) if reads_several_values else None
    if isinstance(several, Mapping):
        headers = merged_headers([*(headers or {}).items()], several.items(), cookies)
    try:
        head = Head(
            legal_status(_as_json(envelope["statusCode"])),
            () if headers is None else headers,
            () if cookies is None else cookies,
        )
        if body and head.get("content-type") is None:
            headers = (*head.headers, ("content-type", "application/json"))
            head = Head(head.status, headers, head.cookies)
    except HeadError as error:
        raise ResultError(str(error)) from error
    return head, body


def _envelope_body(envelope: dict[Any, Any]) -> bytes:
    body = envelope.get("body")
    if body is None:
        body = ""
    if isinstance(body, bytes):
        body = _as_json(body)
    elif isinstance(body, dict | list | tuple):
        body = _json(body)
    if not isinstance(body, str):
        raise ResultError(f"body: text is wanted, not {type(body).__name__}")
    is_base64 = envelope.get("isBase64Encoded")
    if is_base64 is None or is_base64 is False:
        return _utf8(body, "body")
    if is_base64 is not True:
        raise ResultError(f"isBase64Encoded: a boolean is wanted, not {type(is_base64).__name__}")
    try:
        # Line breaks are allowed; any other character outside the alphabet is refused.
        encoded = body.encode("ascii")
        if b"\n" in encoded or b"\r" in encoded:
            encoded = encoded.translate(None, b"\r\n")
        return binascii.a2b_base64(encoded, strict_mode=True)
    except ValueError as error:
        raise ResultError(
            f"body: isBase64Encoded is true, but this is not base64: {error}"
        ) from None


def _record(value: object) -> dict[Any, Any] | None:
    if not hasattr(value, "_asdict"):
        return None
    from tailrace.wire import (
        result_json,
    )  # here and below, because most results need no such encoder

    try:
        return result_json.fields_of_record(value)
    except TypeError as error:
        raise ResultError(f"the result is not JSON: {error}") from None


def _as_json(value: object) -> Any:
    """Return a member of a response as it is read back from JSON.

    A value that JSON does not have is returned unchanged; the check of the member refuses it.
    """
    if value is None or type(value) in (str, int):
        return value
    from tailrace.wire import result_json

    try:
        return json.loads(result_json.encode(value, is_ascii=True))
    except Exception:  # a method of the value may raise any
        return value


def _json(value: object) -> str:
    from tailrace.wire import result_json

    try:
        return result_json.encode(value, is_ascii=False, is_minified=True, allows_nan=False)
    except Exception as error:  # a method of the value may raise any
        raise ResultError(f"the result is not JSON: {error}") from None


def _utf8(text: str, what: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ResultError(f"{what}: a lone surrogate at {error.start} cannot be sent") from None


def _parts(value: str) -> set[str]:
    """The members of a list in a header. Sets, because either side may have thousands."""
    return {part.strip() for part in value.split(",")}


def _base64(body: bytes) -> str:
    return binascii.b2a_base64(body, newline=False).decode("ascii")
