"""A client's request as an event: that of a Function URL, with the gateway's keys."""

from __future__ import annotations

import time

import msgspec

from tailrace.gateway.exchange.live import Held
from tailrace.gateway.transports.protocol import Transport
from tailrace.net.server.listener import RequestHead
from tailrace.wire.capability import callback_url
from tailrace.wire.events.function_url import event_from_request
from tailrace.wire.forwarded import forwarded_fields, new_trace_root


def encode_event(
    held: Held,
    head: RequestHead,
    body: bytes,
    transport: Transport,
    *,
    peer: str,
    callback_base: str,
    trusted_hops: int,
    scheme_header: str,
) -> bytes:
    """Return the event of a client's request, as JSON; set `held.client_address`.

    `peer` is the address of the connection, `callback_base` the base of callback URLs.
    """
    capability = held.capability
    now_s = time.time()
    random_digits = capability.exchange_id.replace("-", "")
    headers, source_ip = forwarded_fields(
        head,
        peer,
        trace=f"Root={new_trace_root(now_s, random_digits)}",
        keeps_trace=True,
        trusted_hops=trusted_hops,
        scheme_header=scheme_header,
    )
    held.client_address = source_ip
    event = event_from_request(
        method=head.method,
        path=head.path,
        query=head.query,
        headers=headers,
        body=body,
        source_ip=source_ip,
        request_id=capability.exchange_id,
        time_epoch_ms=int(now_s * 1000),
        host=head.host,
        protocol="HTTP/" + head.version,
    )
    url = callback_url(callback_base, capability)
    target = head.path + ("?" + head.query if head.query else "")
    event |= transport.keys(url, target, capability.exchange_id)
    return msgspec.json.encode(event)


class _OwnEvent(msgspec.Struct):
    requestId: str


def exchange_of(payload: bytes) -> str | None:
    """Return the id of an event's exchange; None for an event of another origin."""
    try:
        return msgspec.json.decode(payload, type=_OwnEvent).requestId
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
