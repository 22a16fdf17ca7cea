"""A request as an event: what the gateway adds to that of a Function URL."""

from __future__ import annotations

import json

import pytest
from tests.clock import ManualClock
from tests.gateway.test_client_seat import RecordingSeat
from tests.gateway.world import FixedRoute

from tailrace.config import GatewayConfig
from tailrace.gateway.aws.endpoint import AwsEndpoint
from tailrace.gateway.event import encode_event, exchange_of
from tailrace.gateway.exchange.live import Held
from tailrace.gateway.exchange.registry import Registry
from tailrace.gateway.transports.choice import Transports
from tailrace.net.server.listener import RequestHead
from tailrace.wire.http_head import check_request
from tailrace.wire.mark import read_mark

ENDPOINT = AwsEndpoint("http://127.0.0.1:1", "us-east-1", is_loopback=True)


def event_of(
    route: FixedRoute, *, body: bytes = b"", hops: int = 0
) -> tuple[dict[str, object], Held]:
    """The event of one request, decoded, and its exchange."""
    head = RequestHead(
        "POST",
        "/a%20b?x=1",
        "1.1",
        [(b"host", b"example.test:8080"), (b"x-forwarded-for", b"203.0.113.7")],
    )
    check_request(head)
    registry = Registry(GatewayConfig(), clock=ManualClock())
    held = registry.hold(RecordingSeat(), head, route)
    encoded = encode_event(
        held,
        head,
        body,
        Transports.at(ENDPOINT).of(route),
        peer="10.0.0.1",
        callback_base="http://gateway:8081/",
        trusted_hops=hops,
        scheme_header="x-forwarded-proto",
    )
    event: dict[str, object] = json.loads(encoded)
    if route.transport == "callback":
        assert exchange_of(encoded) == held.capability.exchange_id
    return event, held


def test_an_event_of_a_callback_has_its_url_and_the_keys_of_any_language() -> None:
    event, held = event_of(FixedRoute(), body=b"hi")

    url = f"http://gateway:8081/{held.capability.exchange_id}/{held.capability.secret}"
    mark = read_mark(event)
    assert mark is not None
    assert mark.callback == event["origin"] == url
    assert event["url"] == "/a%20b?x=1"
    assert event["requestId"] == held.capability.exchange_id
    assert event["rawPath"] == "/a%20b"


def test_an_event_of_a_response_stream_has_no_secret() -> None:
    event, held = event_of(FixedRoute(transport="response-stream"))

    mark = read_mark(event)
    assert mark is not None
    assert (mark.callback, mark.has_stream) == (None, True)
    assert held.capability.secret not in json.dumps(event)


@pytest.mark.parametrize(("hops", "address"), [(0, "10.0.0.1"), (1, "203.0.113.7")])
def test_the_exchange_learns_the_clients_address(hops: int, address: str) -> None:
    event, held = event_of(FixedRoute(), hops=hops)

    context = event["requestContext"]
    assert isinstance(context, dict)
    assert held.client_address == context["http"]["sourceIp"] == address
    assert context["domainName"] == "example.test"


@pytest.mark.parametrize("payload", [b"", b"{}", b"[]", b'{"requestId":1}', b"\xff", b"[" * 9_999])
def test_an_event_of_another_origin_has_no_exchange(payload: bytes) -> None:
    assert exchange_of(payload) is None
