"""Header fields of a request for its event: those that are left out, and those that proxies add.

Fields that belong to one connection are left out (RFC 9110, section 7.6.1): an event is no HTTP
message. `X-Forwarded-*` is set as proxies set it, and `X-Amzn-Trace-Id` as Lambda's front end does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

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
_NOT_REMOVABLE: Final = frozenset(("host", _FOR, _PORT, _PROTO))
"""Fields that a client's Connection header cannot remove; otherwise it could hide its address."""

_ROOT: Final = re.compile(r"\bRoot=(1-[0-9a-f]{8}-[0-9a-f]{24})", re.IGNORECASE)
_RANDOM_DIGITS: Final = 24


def forwarded_fields(
    head: RequestHead,
    peer: str,
    *,
    trace: str,
    keeps_trace: bool = False,
    trusted_hops: int = 0,
    port: str = "",
) -> tuple[list[tuple[str, str]], str]:
    """Return the fields of a request for its event, as text and in order, and the client's address.

    `peer` is the address of the connection. It is appended to `X-Forwarded-For`, so the address
    that the nearest proxy wrote is the last but one. `trusted_hops` is the number of trusted
    proxies in front. It determines which address is the client's. Without trusted proxies the
    scheme is http, and the port is `port`, if it is given; with them both are those of the nearest
    proxy.

    `trace` is the trace header to set, with `keeps_trace` only if the request has none.
    """
    fields: list[tuple[str, str]] = []
    given = {_FOR: "", _PROTO: "", _PORT: ""}
    connection = [value.decode("latin-1") for name, value in head.headers if name == b"connection"]
    removed = named_by_connection(connection) - _NOT_REMOVABLE if connection else ()
    has_trace = False
    for raw_name, raw_value in head.headers:
        name = raw_name.decode("latin-1")
        if name in HOP_BY_HOP or name in removed:
            continue
        value = raw_value.decode("latin-1")
        if name in given:
            given[name] = f"{given[name]}, {value}" if given[name] else value
        elif name != TRACE_FIELD or keeps_trace:
            fields.append((name, value))
            has_trace = has_trace or name == TRACE_FIELD
    chain = [hop.strip() for hop in given[_FOR].split(",") if hop.strip()] + [peer]
    scheme = "http"
    if trusted_hops:
        scheme = given[_PROTO].rpartition(",")[2].strip() or scheme
        port = given[_PORT].rpartition(",")[2].strip()
    fields += ((_FOR, ", ".join(chain)), (_PROTO, scheme))
    if port:
        fields.append((_PORT, port))
    if not has_trace:
        fields.append((TRACE_FIELD, trace))
    return fields, chain[max(0, len(chain) - 1 - trusted_hops)]


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
