"""One live exchange: what an error of the gateway does to it."""

from __future__ import annotations

import logging

import pytest
from tests.fakes import Broken, encode_head
from tests.gateway.world import World, played

from tailrace.gateway.exchange.live import Held
from tailrace.gateway.exchange.state import HeadArrived, SourceEnded


def only_exchange(world: World) -> Held:
    """The exchange that is held, as no peer can reach it."""
    (held,) = world.gateway._registry._held.values()
    return held


@pytest.mark.parametrize("has_callback", [False, True])
@played()
async def test_an_impossible_event_ends_its_exchange_and_is_logged_once(
    world: World, has_callback: bool
) -> None:
    world.errors_expected = True
    other, function = await world.pair()
    await function.write(encode_head())
    await other.read_head()
    client, invocation = await world.hold(target="/broken")
    if has_callback:
        callback = await world.function(invocation.url)
        await callback.post()
        assert await callback.read_status() == 100
    (held,) = [h for h in world.gateway._registry._held.values() if h.path == "/broken"]

    held.apply(SourceEnded())

    answer = await client.read_response()
    assert (answer.status, answer.json()["detail"]) == (500, "the gateway failed")
    if has_callback:
        assert await callback.read_status() == 410
    assert world.outcomes() == ["gateway-failed"]
    errors = [r for r in world.log.records if r.levelno >= logging.ERROR]
    assert [r.getMessage() for r in errors] == [f"exchange {held.capability.exchange_id} failed"]
    await function.end()
    assert await function.read_status() == 200


@played()
async def test_an_impossible_event_aborts_a_response_that_has_begun(world: World) -> None:
    world.errors_expected = True
    client, function = await world.pair()
    await function.write(encode_head() + b"half")
    head = await client.read_head()

    only_exchange(world).apply(HeadArrived())

    with pytest.raises(Broken) as broken:
        await client.read_body(head)
    assert broken.value.received == b"half"
    assert await function.read_status() == 410
    assert world.outcomes() == ["gateway-failed"]
