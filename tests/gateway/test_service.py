"""The gateway as a whole: start, health, drain, stop."""

from __future__ import annotations

import asyncio
import socket

import pytest
from tests.fakes import (
    Broken,
    FakeLambda,
    Function,
    Peer,
    encode_chunk,
    encode_head,
    encode_request,
    settle,
    soon,
    until,
)
from tests.gateway.world import (
    ANY,
    FixedRoute,
    World,
    assert_alone,
    open_sockets,
    played,
)

from tailrace import limits
from tailrace.config import Address
from tailrace.gateway.aws.endpoint import AwsEndpoint
from tailrace.gateway.aws.invoke import LambdaInvoker
from tailrace.gateway.service import Gateway
from tailrace.gateway.settings import GatewaySettings
from tailrace.gateway.transports.choice import Transports
from tailrace.net.process.startup import run
from tailrace.net.server.listener import HttpServer
from tailrace.wire.capability import callback_url, mint

# --- start ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("taken", ["listen", "callback_listen"])
def test_a_gateway_that_cannot_listen_leaves_nothing_behind(taken: str) -> None:
    async def play() -> None:
        with socket.create_server(("127.0.0.1", 0)) as blocker:
            before = open_sockets()
            ports = {
                "listen": ANY,
                "callback_listen": ANY,
                taken: ANY._replace(port=blocker.getsockname()[1]),
            }
            invoker = LambdaInvoker(AwsEndpoint("http://127.0.0.1:1", "us-east-1", True))
            gateway = Gateway(
                GatewaySettings(**ports), Transports(invoker), lambda h, p: FixedRoute()
            )

            with pytest.raises(OSError, match="in use"):
                await gateway.start()

            await assert_alone(before)

    run(play())


def test_a_callback_may_come_before_the_public_listener_is_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A function of the gateway's last life calls back while the name of --listen is resolved."""
    invoker = LambdaInvoker(AwsEndpoint("http://127.0.0.1:1", "us-east-1", True))
    settings = GatewaySettings(listen=ANY, callback_listen=ANY)
    gateway = Gateway(settings, Transports(invoker), lambda h, p: FixedRoute())
    statuses: list[int] = []
    start = HttpServer.start

    async def start_late(server: HttpServer, host: str, port: int) -> None:
        if server.name == "public":
            (capability,) = mint(bytes(32))
            function = await Function.dial(callback_url(gateway.callback_url, capability))
            await function.post()
            statuses.append(await function.read_status())
            function.close()
        await start(server, host, port)

    async def play() -> None:
        await gateway.start()
        await gateway.stop()

    monkeypatch.setattr(HttpServer, "start", start_late)
    run(play())

    assert statuses == [404]


def test_a_gateway_listens_on_ipv6() -> None:
    async def play() -> None:
        invoker = LambdaInvoker(AwsEndpoint("http://127.0.0.1:1", "us-east-1", True))
        settings = GatewaySettings(listen=Address("::1", 0), callback_listen=Address("::1", 0))
        gateway = Gateway(settings, Transports(invoker), lambda h, p: FixedRoute())
        await gateway.start()
        try:
            assert gateway.public_url.startswith("http://[::1]:")
            assert gateway.callback_url.startswith("http://[::1]:")
        finally:
            await gateway.stop()

    run(play())


# --- invocations that are known to have ended ----------------------------------------------------


@played()
async def test_an_invocation_that_ended_without_a_callback_is_502(world: World) -> None:
    client, invocation = await world.hold()

    world.gateway.fail(invocation.payload, "the function failed (E)")
    assert world.outcomes() == []
    world.clock.advance(limits.CALLBACK_GRACE_S)

    response = await client.read_response()
    assert response.status == 502
    assert response.json()["detail"] == "the function failed (E)"
    assert world.outcomes() == ["invocation-failed"]
    late = await world.function(invocation.url)
    await late.post()
    assert await late.read_status() == 410


@played()
async def test_a_callback_goes_before_the_end_of_its_invocation(world: World) -> None:
    """Both are on their way at once, on connections of their own."""
    client, invocation = await world.hold()
    world.gateway.fail(invocation.payload, "the function ended without calling back")
    function = await world.function(invocation.url)
    await function.post()
    assert await function.read_status() == 100

    world.gateway.fail(invocation.payload, "the function failed (E)")
    world.clock.advance(2 * limits.CALLBACK_GRACE_S)  # nothing happens then
    await function.finish(encode_chunk(encode_head() + b"all"))

    assert (await client.read_response()).body == b"all"
    assert await function.read_status() == 200
    world.gateway.fail(invocation.payload, "the exchange is over")


FOREIGN = [
    b"",
    b"\xff",
    b"[]",
    b"{}",
    b'{"requestId": 1}',
    b'{"requestId": "\xff"}',
    b'{"requestId": "unknown"}',
    b'{"deep":' + b"[" * 5_000 + b"]" * 5_000 + b"}",
]


@played()
async def test_events_of_others_mean_nothing(world: World) -> None:
    await world.hold()

    for event in FOREIGN:
        world.gateway.fail(event, "the function failed (E)")

    world.clock.advance(2 * limits.CALLBACK_GRACE_S)  # nothing happens then
    assert world.gateway.statistics()["held"] == 1
    world.close_peers()


# --- stop ----------------------------------------------------------------------------------------


@played()
async def test_stop_tells_everybody(world: World) -> None:
    waiting, _ = await world.hold()
    opened, opened_function = await world.pair()
    streaming, function = await world.pair()
    await function.write(encode_head() + b"half")
    head = await streaming.read_head()
    assert await streaming.read_chunk() == b"half"
    idle = await world.client()
    uploading = await world.client()
    await uploading.request("POST", "/", [("content-length", "10")], b"half")
    await until(lambda: world.gateway.statistics()["clients"] == 5)

    await soon(world.gateway.stop(), "stop")

    assert (await waiting.read_response()).status == 503
    assert (await opened.read_response()).status == 503
    with pytest.raises(Broken):
        await streaming.read_body(head)
    assert await opened_function.read_status() == 410
    assert await function.read_status() == 410
    for client in (idle, uploading):
        await client.read_to_end()
    assert world.outcomes() == ["stopped"] * 3
    assert world.gateway.statistics()["held"] == 0


@played()
async def test_stop_cuts_peers_that_do_not_read(world: World) -> None:
    client, function = await world.pair(receive_bytes=4096)
    await function.write(encode_head())
    await client.read_head()
    while world.held_bytes() < 10_000:
        await function.write(bytes(10_000))

    await soon(world.gateway.stop(), "stop")

    assert (await client.read_to_end())[1] == "reset"


@played()
async def test_stop_again_does_nothing(world: World) -> None:
    await world.gateway.stop()
    await world.gateway.stop()


# --- drain ---------------------------------------------------------------------------------------


@played()
async def test_a_drain_lets_held_responses_end(world: World) -> None:
    waiting, invocation = await world.hold()
    streaming, function = await world.pair()
    await function.write(encode_head() + b"one")
    head = await streaming.read_head()

    drain = asyncio.create_task(world.gateway.drain())
    await refused(world)
    late_function = await world.function(invocation.url)  # callbacks are still taken
    await late_function.post()
    assert await late_function.read_status() == 100
    await late_function.write(encode_head() + b"late")
    await late_function.end()
    answer = await waiting.read_response()
    assert not drain.done()
    await function.write(b"two")
    await function.end()
    await world.assert_settled()

    world.clock.advance(limits.DRAIN_IDLE_TIMEOUT_S + 1)
    assert await soon(drain, "the drain") is True
    assert (answer.body, answer.get("connection")) == (b"late", "close")
    assert await streaming.read_body(head) == b"onetwo"
    assert await function.read_status() == 200
    assert world.outcomes() == ["complete", "complete"]


async def refused(world: World) -> None:
    """Wait until new clients are refused."""
    while True:
        try:
            peer = await Peer.connect(world.gateway.public_url)
        except ConnectionRefusedError:
            return
        peer.close()
        await settle()


@played(drain_delay_s=600.0)
async def test_a_drain_says_so_before_it_closes_the_listener(world: World) -> None:
    """A load balancer sees its health check fail while its requests are still taken."""
    drain = asyncio.create_task(world.gateway.drain())
    health = await world.client()

    await health.request(target="/_tailrace/health")
    status = (await health.read_response()).status
    client, function = await world.pair()
    await function.write(encode_head() + b"taken")
    await function.end()

    assert status == 503
    assert (await client.read_response()).body == b"taken"
    assert not drain.done()
    client.close()
    health.close()
    world.clock.advance(600.0)
    assert await soon(drain, "the drain") is True


@played(drain_timeout_s=60.0)
async def test_a_drain_that_takes_too_long_says_so_and_stop_cuts(world: World) -> None:
    client, function = await world.pair()
    await function.write(encode_head() + b"one")
    head = await client.read_head()
    drain = asyncio.create_task(world.gateway.drain())
    await refused(world)

    world.clock.advance(59.0)
    await settle()
    assert not drain.done()
    world.clock.advance(1.0)

    assert await soon(drain, "the drain") is False
    assert world.gateway.statistics()["held"] == 1
    await world.gateway.stop()

    with pytest.raises(Broken):
        await client.read_body(head)
    assert "drain" in world.log.text()


@played()
async def test_a_drain_can_be_cancelled(world: World) -> None:
    """The second signal."""
    client, _ = await world.hold()
    drain = asyncio.create_task(world.gateway.drain())
    await refused(world)

    drain.cancel()
    await asyncio.gather(drain, return_exceptions=True)
    await world.gateway.stop()

    assert (await client.read_response()).status == 503


@played()
async def test_a_drain_of_nothing_is_over_at_once(world: World) -> None:
    idle = await world.client()
    await until(lambda: world.gateway.statistics()["clients"] == 1)

    drain = asyncio.create_task(world.gateway.drain())
    await refused(world)
    world.clock.advance(limits.DRAIN_IDLE_TIMEOUT_S + 1)  # the time for a last request
    assert await soon(drain, "the drain") is True

    assert await idle.read_to_end() == (b"", "end")


@played()
async def test_a_drain_waits_for_a_response_that_its_client_has_not_taken_yet(
    world: World,
) -> None:
    """The function has ended, but the end of the response is still here."""
    client, function = await world.pair(receive_bytes=4096)
    await function.write(encode_head())
    head = await client.read_head()
    sent = 0
    while world.held_bytes() < 30_000:
        await function.write(bytes(10_000))
        sent += 10_000
    await function.end()
    assert await function.read_status() == 200
    await world.assert_settled()

    drain = asyncio.create_task(world.gateway.drain())
    await refused(world)
    assert not drain.done()
    body = await client.read_body(head)

    assert len(body) == sent
    world.clock.advance(limits.DRAIN_IDLE_TIMEOUT_S + 1)
    assert await soon(drain, "the drain") is True


@played()
async def test_a_drain_serves_a_request_that_had_begun(world: World) -> None:
    client = await world.client()
    await client.request("POST", "/", [("content-length", "4")], b"bo")
    await until(lambda: world.gateway.statistics()["clients"] == 1)

    drain = asyncio.create_task(world.gateway.drain())
    await refused(world)
    assert not drain.done()
    await client.send(b"dy")
    invocation = await world.invocation()
    function = await world.function(invocation.url)
    await function.post(expects=False)
    await function.write(encode_head() + b"served")
    await function.end()

    assert (await client.read_response()).body == b"served"
    assert await soon(drain, "the drain") is True
    assert await function.read_status() == 200


@played()
async def test_health_is_503_as_soon_as_the_drain_begins(world: World) -> None:
    """A connection that is in the middle of its request still learns it."""
    held, function = await world.pair()
    checker = await world.client()
    request = encode_request("GET", "/_tailrace/health")
    await checker.send(request[:-2])
    await until(lambda: world.gateway.statistics()["clients"] == 2)

    drain = asyncio.create_task(world.gateway.drain())
    await refused(world)
    await checker.send(request[-2:])

    answer = await checker.read_response()
    assert answer.status == 503
    assert (answer.json()["status"], answer.json()["held"]) == ("draining", 1)
    await function.write(encode_head())
    await function.end()
    await held.read_response()
    await soon(drain, "the drain")


def test_a_gateway_serves_again_after_another_has_stopped() -> None:
    """The same address can be had at once."""

    async def play() -> None:
        endpoint = FakeLambda()
        await endpoint.start()
        port = 0
        for _ in range(3):
            invoker = LambdaInvoker(AwsEndpoint(endpoint.url, "us-east-1", True))
            gateway = Gateway(
                GatewaySettings(listen=ANY._replace(port=port), callback_listen=ANY),
                Transports(invoker),
                lambda h, p: None,
            )
            await gateway.start()
            port = int(gateway.public_url.rpartition(":")[2])
            peer = await Peer.connect(gateway.public_url)
            await peer.send(encode_request())
            assert (await peer.read_response()).status == 404
            await gateway.stop()
            peer.close()
        await endpoint.stop()

    run(play())
