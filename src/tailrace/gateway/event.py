"""A request becomes an event: that of a Function URL, with the gateway's keys."""

from __future__ import annotations

import time

import msgspec

from tailrace.gateway.exchange.live import Held
from tailrace.net.server.listener import RequestHead
from tailrace.wire.capability import callback_url
from tailrace.wire.events import RequestParts, event_from_request
from tailrace.wire.mark import keys_for_callback, keys_for_stream
from tailrace.wire.relay_head import request_headers


def encode_event(
    held: Held,
    head: RequestHead,
    body: bytes,
    *,
    peer: str,
    callback_base: str,
    trusted_hops: int,
) -> bytes:
    """Return the event of a client's request, as JSON; note the client's address.

    `peer` is the address of the connection, `callback_base` the base of callback URLs.
    """
    capability = held.capability
    headers = request_headers(head)
    source_ip = _forwarded(headers, peer, trusted_hops, capability.exchange_id)
    held.client_address = source_ip
    host = (head.get(b"host") or b"").decode("latin-1")
    event = event_from_request(
        RequestParts(
            method=head.method,
            path=head.path,
            query=head.query,
            headers=headers,
            body=body,
            source_ip=source_ip,
            request_id=capability.exchange_id,
            time_epoch_ms=int(time.time() * 1000),
            domain_name=host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host,
            protocol="HTTP/" + head.version,
        )
    )
    if held.route.transport == "response-stream":
        event |= keys_for_stream()
        return msgspec.json.encode(event)
    url = callback_url(callback_base, capability)
    target = head.path + ("?" + head.query if head.query else "")
    event |= keys_for_callback(url, target, capability.exchange_id)
    return msgspec.json.encode(event)


class _OwnEvent(msgspec.Struct):
    requestId: str


def exchange_of(payload: bytes) -> str | None:
    """The id of the exchange for which an event was made; None for an event of another origin."""
    try:
        return msgspec.json.decode(payload, type=_OwnEvent).requestId
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _forwarded(
    headers: list[tuple[str, str]], peer: str, trusted_hops: int, exchange_id: str
) -> str:
    """Set the X-Forwarded-* and trace headers; return the client's address.

    The address that the nearest proxy wrote is at the right end; `trusted_hops` says how many
    proxies stand in front, and so how far from the right to believe.
    """
    given = {"x-forwarded-for": "", "x-forwarded-proto": "", "x-forwarded-port": ""}
    has_trace = False
    for name, value in headers:
        if name in given:
            given[name] = f"{given[name]}, {value}" if given[name] else value
        has_trace = has_trace or name == "x-amzn-trace-id"
    headers[:] = [field for field in headers if field[0] not in given]
    chain = [hop.strip() for hop in given["x-forwarded-for"].split(",") if hop.strip()] + [peer]
    headers.append(("x-forwarded-for", ", ".join(chain)))
    scheme, port = "http", ""
    if trusted_hops:
        scheme = given["x-forwarded-proto"].rpartition(",")[2].strip() or scheme
        port = given["x-forwarded-port"].rpartition(",")[2].strip()
    headers.append(("x-forwarded-proto", scheme))
    if port:
        headers.append(("x-forwarded-port", port))
    if not has_trace:
        digits = exchange_id.replace("-", "")
        headers.append(("x-amzn-trace-id", f"Root=1-{int(time.time()):08x}-{digits[:24]}"))
    return chain[max(0, len(chain) - 1 - trusted_hops)]
