"""Cross-origin rules of a Function URL: preflights, and the headers of every other response.

Source: Lambda Developer Guide "urls-configuration", CORS, and the Fetch standard, read 2026-11. A
preflight is answered without the function, and the configured headers replace the function's. What
AWS sends for a wildcard together with credentials, and to an origin that is not allowed, is not
documented; see `response_fields`.
"""

from __future__ import annotations

from typing import Final, Protocol

from tailrace.wire.http_head import Headers, RequestHead

OWN_FIELDS: Final = frozenset(
    (
        "access-control-allow-credentials",
        "access-control-allow-headers",
        "access-control-allow-methods",
        "access-control-allow-origin",
        "access-control-expose-headers",
        "access-control-max-age",
    )
)
"""What a URL with a policy says itself: the function's are dropped."""

_VARY: Final = (b"vary", b"Origin")


class CorsPolicy(Protocol):
    """What web pages of other origins may do; "*" stands for all."""

    @property
    def allow_origins(self) -> tuple[str, ...]: ...
    @property
    def allow_methods(self) -> tuple[str, ...]: ...
    @property
    def allow_headers(self) -> tuple[str, ...]: ...
    @property
    def expose_headers(self) -> tuple[str, ...]: ...
    @property
    def allow_credentials(self) -> bool: ...
    @property
    def max_age_s(self) -> int: ...


def is_preflight(head: RequestHead) -> bool:
    """Whether a browser asks if it may send another request (Fetch standard, "CORS-preflight")."""
    return (
        head.method == "OPTIONS"
        and head.get(b"origin") is not None
        and head.get(b"access-control-request-method") is not None
    )


def preflight_fields(policy: CorsPolicy, head: RequestHead) -> Headers:
    """The answer's fields; without any permission when the origin is not allowed.

    Of a list all is said, of a wildcard what was asked for: with credentials a browser takes no
    wildcard. Whether method and headers are allowed is the browser's to compare.
    """
    fields = _origin_fields(policy, head)
    if len(fields) == 1:
        return fields
    method = head.get(b"access-control-request-method") or b""
    methods = _said(policy.allow_methods, method)
    if methods:
        fields.append((b"access-control-allow-methods", methods))
    headers = _said(policy.allow_headers, head.get(b"access-control-request-headers") or b"")
    if headers:
        fields.append((b"access-control-allow-headers", headers))
    if policy.max_age_s:
        fields.append((b"access-control-max-age", b"%d" % policy.max_age_s))
    return fields


def response_fields(policy: CorsPolicy, head: RequestHead) -> Headers:
    """The fields of any other response.

    An origin is compared byte by byte, and said back; "*" alone is said as it is, and with
    credentials, where a browser would not take it, as the request's origin. An origin that is not
    allowed gets no permission. `Vary: Origin` always stands there: the answer depends on it.
    """
    fields = _origin_fields(policy, head)
    if len(fields) > 1 and policy.expose_headers:
        exposed = ",".join(policy.expose_headers).encode("latin-1")
        fields.append((b"access-control-expose-headers", exposed))
    return fields


def _origin_fields(policy: CorsPolicy, head: RequestHead) -> Headers:
    origin = head.get(b"origin")
    if origin is None:
        return [_VARY]
    allowed = [text.encode("latin-1") for text in policy.allow_origins]
    if b"*" in allowed and not policy.allow_credentials:
        return [_VARY, (b"access-control-allow-origin", b"*")]
    if b"*" not in allowed and origin not in allowed:
        return [_VARY]
    fields = [_VARY, (b"access-control-allow-origin", origin)]
    if policy.allow_credentials:
        fields.append((b"access-control-allow-credentials", b"true"))
    return fields


def _said(allowed: tuple[str, ...], wanted: bytes) -> bytes:
    return wanted if "*" in allowed else ",".join(allowed).encode("latin-1")
