"""Cross-origin rules of a Function URL: preflights, and the headers of every other response.

Source: Lambda Developer Guide "urls-configuration", CORS, and the Fetch standard, read 2026-11. A
preflight is answered without the function. Every other response has the configured headers and the
function's, even if they are the same: browsers refuse two of `NOT_TWICE`. What AWS sends to an
origin that is not allowed is not documented; see `response_fields`.
"""

from __future__ import annotations

from typing import Final, Protocol

from tailrace.wire.http_head import Headers, RequestHead

NOT_TWICE: Final = ("access-control-allow-origin", "access-control-allow-credentials")
"""Fields of a response that browsers refuse when there are two of them, or one with two values."""

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
    """Whether a request is a preflight (Fetch standard, "CORS-preflight")."""
    return (
        head.method == "OPTIONS"
        and head.get(b"origin") is not None
        and head.get(b"access-control-request-method") is not None
    )


def preflight_fields(policy: CorsPolicy, head: RequestHead) -> Headers:
    """Return the fields of its answer; without any permission if the origin is not allowed.

    A list is sent whole, with header names in lower case, as Lambda keeps them (recorded 2026-07).
    A wildcard is replaced with what the preflight requests, because browsers refuse a wildcard
    together with credentials. The browser compares whether method and headers are allowed.
    """
    fields = _origin_fields(policy, head)
    if len(fields) == 1:
        return fields
    method = head.get(b"access-control-request-method") or b""
    methods = _allowed(policy.allow_methods, method)
    if methods:
        fields.append((b"access-control-allow-methods", methods))
    headers = _allowed(
        _lower(policy.allow_headers), head.get(b"access-control-request-headers") or b""
    )
    if headers:
        fields.append((b"access-control-allow-headers", headers))
    if policy.max_age_s:
        fields.append((b"access-control-max-age", b"%d" % policy.max_age_s))
    return fields


def response_fields(policy: CorsPolicy, head: RequestHead) -> Headers:
    """Return the fields of any other response.

    An origin is compared byte by byte and sent back, for "*" as well (reported 2024: powertools for
    Python, issue 4163). An origin that is not allowed gets no permission. `Vary: Origin` is in each
    response, because each depends on it.
    """
    fields = _origin_fields(policy, head)
    if len(fields) > 1 and policy.expose_headers:
        exposed = ",".join(_lower(policy.expose_headers)).encode("latin-1")
        fields.append((b"access-control-expose-headers", exposed))
    return fields


def _origin_fields(policy: CorsPolicy, head: RequestHead) -> Headers:
    origin = head.get(b"origin")
    if origin is None:
        return [_VARY]
    allowed = [text.encode("latin-1") for text in policy.allow_origins]
    if b"*" not in allowed and origin not in allowed:
        return [_VARY]
    fields = [_VARY, (b"access-control-allow-origin", origin)]
    if policy.allow_credentials:
        fields.append((b"access-control-allow-credentials", b"true"))
    return fields


def _lower(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name.lower() for name in names)


def _allowed(names: tuple[str, ...], requested: bytes) -> bytes:
    return requested if "*" in names else ",".join(names).encode("latin-1")
