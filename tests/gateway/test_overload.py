"""A gateway whose event loop comes late to its sockets refuses new requests, and goes on."""

from __future__ import annotations

import socket
import sys

import pytest
from tests.fakes import Client, Function, Invocation, encode_request, until
from tests.gateway.test_front import answered, health_of
from tests.gateway.world import World, played
from tests.net.server.test_door import pair

from tailrace.config import Address, GatewayConfig
from tailrace.gateway.settings import settings_from
from tailrace.net.process.limits import LATE_LOOK_INTERVAL_S, LATE_PATIENCE_S
from tailrace.net.server.received import received_ago_s
from tailrace.net.server.web_access import WebAccess

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="asks Linux how long bytes wait")

BOUND_S = 0.02
BEGAN_S = 5.0
"""How long the gateway has served before a request comes late: longer than that waits."""
TRIES = 2 * round(LATE_PATIENCE_S / LATE_LOOK_INTERVAL_S)
GET = encode_request("GET", "/", [("host", "h")])


async def come_late(world: World, request: bytes) -> Client:
    """A client whose request has waited in the kernel for longer than the bound.

    The event loop of the test is the gateway's: it stands still until the kernel says so.
    """
    connections = world.gateway._public._connections
    before = set(connections)
    client = await world.client()
    await until(lambda: connections - before)
    (connection,) = connections - before
    world.clock.advance(LATE_LOOK_INTERVAL_S)
    assert client.sock.send(request) == len(request)
    while connection.received_ago_s <= BOUND_S:
        pass
    return client


async def come_late_until_refused(world: World) -> Client:
    """Late requests one after the other; the first that is refused."""
    world.clock.advance(BEGAN_S)
    for _ in range(TRIES):
        held = world.gateway.statistics()["held"]
        served = len(world.endpoint.invocations)
        refused = world.gateway._overload.refused
        client = await come_late(world, GET)
        await until(
            lambda count=served, total=refused: (
                len(world.endpoint.invocations) > count or world.gateway._overload.refused > total
            )
        )
        if world.gateway._overload.refused > refused:
            return client
        client.close()
        await until(lambda count=held: world.gateway.statistics()["held"] == count)
    raise AssertionError("none was refused")


async def be_served(world: World) -> Invocation:
    """Requests one after the other, until one is served: the machine itself may be late."""
    for _ in range(100):
        client = await world.client()
        served = len(world.endpoint.invocations)
        refused = world.gateway._overload.refused
        await client.request()
        await until(
            lambda count=served, total=refused: (
                len(world.endpoint.invocations) > count or world.gateway._overload.refused > total
            )
        )
        client.close()
        if len(world.endpoint.invocations) > served:
            return world.endpoint.invocations[-1]
    raise AssertionError("none was served")


@played(late_s_max=BOUND_S)
async def test_late_requests_are_refused_while_streams_and_health_go_on(world: World) -> None:
    streaming, function = await world.pair()

    refused = await come_late_until_refused(world)

    answer = await answered(refused)
    assert answer.status == 503
    assert answer.get("retry-after") == "1"
    assert answer.get("connection") is None  # the client may try again on it
    assert answer.json()["detail"] == "the gateway is overloaded"
    health = await health_of(world)
    assert health["status"] == "ok"
    assert health["refused"]["late"] == 1
    assert health["refused"]["requests"] == 0
    assert health["late_us"] > BOUND_S * 1e6
    await stream_on(function)
    assert (await answered(streaming)).body == b"chunk"


async def stream_on(function: Function) -> None:
    """The rest of a short response."""
    await function.write(b'{"statusCode": 200}' + bytes(8) + b"chunk")
    await function.end()
    assert await function.read_status() == 200


@played(late_s_max=BOUND_S)
async def test_the_next_request_in_time_is_served(world: World) -> None:
    """Recovery needs no time: nothing is refused for what others have waited."""
    await come_late_until_refused(world)

    assert (await be_served(world)).event["rawPath"] == "/"


@played(late_s_max=BOUND_S)
async def test_a_late_upload_is_refused_before_it_is_sent(world: World) -> None:
    await come_late_until_refused(world)
    fields = [("host", "h"), ("content-length", "700000"), ("expect", "100-continue")]

    refused = await come_late(world, encode_request("POST", "/", fields))

    answer = await answered(refused)
    assert answer.status == 503
    assert answer.get("connection") == "close"  # its body may follow, and is not read
    assert world.gateway.statistics()["uploads"] == 0


@played(late_s_max=BOUND_S)
async def test_a_late_request_of_a_browser_gets_a_page(world: World) -> None:
    await come_late_until_refused(world)
    request = encode_request("GET", "/", [("host", "h"), ("accept", "text/html")])

    answer = await answered(await come_late(world, request))

    assert answer.get("content-type") == "text/html; charset=utf-8"
    assert b"the gateway is overloaded" in answer.body


@played(late_s_max=BOUND_S, is_worker=True)
async def test_a_worker_refuses_on_a_new_connection_before_it_is_made(world: World) -> None:
    await come_late_until_refused(world)
    before = set(world.gateway._public._connections)
    address = ("127.0.0.1", world.gateway._public.port)

    # Nothing of the gateway runs until the bytes have waited, in its queue and at a witness.
    witness, accepted = pair()
    client = Client(socket.create_connection(address))
    client.sock.sendall(GET)
    witness.sendall(GET)
    while received_ago_s(accepted) <= BOUND_S:
        pass
    client.sock.setblocking(False)

    answer = await answered(client)
    assert answer.status == 503
    assert answer.get("retry-after") == "1"
    assert answer.get("connection") == "close"
    assert answer.json()["detail"] == "the gateway is overloaded"
    assert not world.gateway._public._connections - before
    health = await health_of(world)
    assert health["status"] == "ok"
    assert health["refused"]["late"] == 2
    assert health["late_us"] > BOUND_S * 1e6
    for sock in (witness, accepted, client.sock):
        sock.close()


@played(late_s_max=0)
async def test_without_a_bound_late_requests_are_served(world: World) -> None:
    with pytest.raises(AssertionError, match="none was refused"):
        await come_late_until_refused(world)

    assert len(world.endpoint.invocations) == TRIES


def test_a_developers_gateway_has_no_bound() -> None:
    """Its machine is late whenever something is compiled."""
    listen = Address("127.0.0.1", 0)
    access = WebAccess(hosts=(), origins=())
    config = GatewayConfig(late_s_max=0.1)

    local = settings_from(
        config, listen=listen, callback_listen=listen, advertise=None, web_access=access
    )
    public = settings_from(config, listen=listen, callback_listen=listen, advertise=None)

    assert local.config.late_s_max == 0
    assert public.config.late_s_max == 0.1
