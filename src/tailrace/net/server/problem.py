"""Encodes error responses: a problem document (RFC 9457), or a small HTML page."""

from __future__ import annotations

import json
from html import escape
from http import HTTPStatus
from typing import Final

from tailrace.errors import HttpError
from tailrace.wire.http_head import RequestHead

_PAGE: Final = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>body{{font:1.1rem/1.5 system-ui,sans-serif;margin:20vh auto;max-width:34rem;padding:0 1rem;
color-scheme:light dark}}h1{{font-size:1.4rem}}code{{opacity:.7}}</style>
<h1>{title}</h1><p>{detail}</p><p><code>{reference}</code></p></html>
"""


def encode_problem(
    status: int,
    detail: str,
    *,
    accept: bytes | None = None,
    exchange_id: str | None = None,
    retry_after_s: int | None = None,
) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Return headers and body of an answer that reports a problem.

    It is JSON, unless `accept` (the request's Accept header) names HTML. `exchange_id` is shown
    in it, so that a user's report can be matched with the gateway's log.
    """
    fields, body = _encode(status, detail, accept, exchange_id)
    fields.append((b"cache-control", b"no-store"))
    if retry_after_s is not None:
        fields.append((b"retry-after", b"%d" % retry_after_s))
    return fields, body


def encode_refusal(
    error: HttpError, head: RequestHead | None
) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Return headers and body of the answer to a refused request; `head` is None if unknown."""
    accept = head.get(b"accept") if head is not None else None
    fields, body = encode_problem(
        error.status, str(error), accept=accept, retry_after_s=error.retry_after_s
    )
    if error.status == 405:
        fields.append((b"allow", b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"))
    return fields, body


def _encode(
    status: int, detail: str, accept: bytes | None, exchange_id: str | None
) -> tuple[list[tuple[bytes, bytes]], bytes]:
    try:
        title = HTTPStatus(status).phrase
    except ValueError:
        title = "Error"
    if accept is not None and b"text/html" in accept.lower():
        reference = f"{status}" if exchange_id is None else f"{status} · {exchange_id}"
        page = _PAGE.format(title=title, detail=escape(detail), reference=reference)
        return [(b"content-type", b"text/html; charset=utf-8")], page.encode(errors="replace")
    document: dict[str, object] = {"title": title, "status": status, "detail": detail}
    if exchange_id is not None:
        document["exchange"] = exchange_id
    return [(b"content-type", b"application/problem+json")], json.dumps(document).encode() + b"\n"
