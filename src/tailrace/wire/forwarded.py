"""Header fields of a request for its event: those that are left out, and those that proxies add.

Fields that belong to one connection are left out (RFC 9110, section 7.6.1): an event is no HTTP
message. `X-Forwarded-*` is set as proxies set it, and `X-Amzn-Trace-Id` as Lambda's front end does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from tailrace.limits import CONNECTION_OPTIONS_KEPT, KEPT_FIELD_BYTES_MAX
from tailrace.wire.http_head import RequestHead
from tailrace.wire.stream_frames import FRAMES_FIELD

HOP_BY_HOP: Final = frozenset(
    (
        "connection",
        "expect",
        "http2-settings",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        FRAMES_FIELD,  # between a function and the gateway; a function may repeat what it was sent
    )
)
"""Fields that are not passed on, of requests and of responses."""

TRACE_FIELD: Final = "x-amzn-trace-id"

_FOR: Final = "x-forwarded-for"
_PORT: Final = "x-forwarded-port"
_PROTO: Final = "x-forwarded-proto"
_USUAL_PORTS: Final = {"http": "80", "https": "443"}
_NOT_REMOVABLE: Final = HOP_BY_HOP | {"host", _FOR, _PORT, _PROTO}
"""Fields on which a client's Connection header has no effect: those that are left out in any case,
and those that it cannot remove; otherwise it could hide its address."""

_COMMON: Final = (
    *("accept", "accept-encoding", "accept-language", "authorization", "cache-control"),
    *("content-length", "content-type", "cookie", "host", "origin", "priority", "referer"),
    *("sec-fetch-dest", "sec-fetch-mode", "sec-fetch-site", "user-agent"),
)
_NOT_COPIED: Final = HOP_BY_HOP | {_FOR, _PORT, _PROTO, TRACE_FIELD}

_NAMES: Final = {name.encode(): name for name in (*_COMMON, *_NOT_COPIED)}
"""Names as text; to find one takes a third of the time of decoding it."""

_ROOT: Final = re.compile(r"\bRoot=(1-[0-9a-f]{8}-[0-9a-f]{24})", re.IGNORECASE)
_RANDOM_DIGITS: Final = 24


def forwarded_fields(
    head: RequestHead,
    peer: str,
    *,
    trace: str,
    keeps_trace: bool = False,
    trusted_hops: int = 0,
    scheme_header: str = _PROTO,
    port: str = "",
) -> tuple[list[tuple[str, str]], str]:
    """Return the fields of a request for its event, as text and in order, and the client's address.

    `peer` is the address of the connection. It is appended to `X-Forwarded-For`, so the address
    that the nearest proxy wrote is the last but one. `trusted_hops` is the number of trusted
    proxies in front. It determines which address is the client's. Without trusted proxies the
    scheme is http, and the port is `port`, if it is given; with them both are those of the nearest
    proxy. With another `scheme_header` than `X-Forwarded-Proto`, in lower case, a trusted proxy
    further out tells the scheme in that field, and the port is the usual one.

    `trace` is the trace header to set, with `keeps_trace` only if the request has none.
    """
    fields: list[tuple[str, str]] = []
    given: dict[str, str] = {}  # fields that are read here; repeated ones are joined
    has_trace = False
    for raw_name, raw_value in head.headers:
        name = _NAMES.get(raw_name) or raw_name.decode("latin-1")
        value = raw_value.decode("latin-1")
        if name not in _NOT_COPIED:
            fields.append((name, value))
        elif name == TRACE_FIELD and keeps_trace:
            fields.append((name, value))
            has_trace = True
        else:
            given[name] = f"{given[name]}, {value}" if name in given else value
    outer = _find(fields, scheme_header) if trusted_hops and scheme_header != _PROTO else ""
    if "connection" in given and (removed := _removed_by(given["connection"])):
        fields = [field for field in fields if field[0] not in removed]
        has_trace = has_trace and TRACE_FIELD not in removed
    forwarded_for = address = peer
    if _FOR in given:
        chain = [*(hop.strip() for hop in given[_FOR].split(",") if hop.strip()), peer]
        forwarded_for, address = ", ".join(chain), chain[max(0, len(chain) - 1 - trusted_hops)]
    scheme = "http"
    if trusted_hops:
        scheme = given.get(_PROTO, "").rpartition(",")[2].strip() or scheme
        port = given.get(_PORT, "").rpartition(",")[2].strip()
    if outer in _USUAL_PORTS:
        scheme, port = outer, _USUAL_PORTS[outer]
    fields += ((_FOR, forwarded_for), (_PROTO, scheme))
    if port:
        fields.append((_PORT, port))
    if not has_trace:
        fields.append((TRACE_FIELD, trace))
    return fields, address


def _find(fields: Iterable[tuple[str, str]], name: str) -> str:
    return next((value for own, value in fields if own == name), "").strip().lower()


def _removed_by(connection: str) -> frozenset[str]:
    """Return the fields that a Connection header removes, but for those left out in any case."""
    return (_kept_options if len(connection) <= KEPT_FIELD_BYTES_MAX else _options_of)(connection)


def _options_of(connection: str) -> frozenset[str]:
    return named_by_connection([connection]) - _NOT_REMOVABLE


_kept_options: Final = lru_cache(CONNECTION_OPTIONS_KEPT)(_options_of)


def named_by_connection(values: Iterable[str]) -> frozenset[str]:
    """Return the field names that Connection headers list, in lower case."""
    return frozenset(
        option.strip().lower() for value in values for option in value.split(",") if option.strip()
    )


def find_trace_root(trace: str) -> str | None:
    """Return the root of the trace that a header names; None if there is none."""
    match = _ROOT.search(trace)
    return match[1] if match else None


def new_trace_root(epoch_s: float, digits: str) -> str:
    """Return the root of a new trace, from the time and at least 24 random hex digits."""
    return f"1-{int(epoch_s):08x}-{digits[:_RANDOM_DIGITS]}"
