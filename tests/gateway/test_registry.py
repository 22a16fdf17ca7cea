"""Live exchanges: the four deadlines, tombstones, nothing that stays."""

from __future__ import annotations

import asyncio

import pytest
from tests.fakes import Broken, Function, encode_head
from tests.gateway.world import World, played

from tailrace import limits
from tailrace.errors import CapabilityError
from tailrace.wire.capability import parse_path

TIMEOUT_S = 10.0

# --- first byte ----------------------------------------------------------------------------------


@played(first_byte_s=TIMEOUT_S)
async def test_a_function_that_never_calls_back_is_504(world: World) -> None:
    client, _ = await world.hold()

    world.clock.advance(TIMEOUT_S - 1)
    assert world.outcomes() == []
    world.clock.advance(2)

    answer = await client.read_response()
    assert answer.status == 504
    assert answer.json()["detail"] == (
        "the function did not answer in time: "
        "the first byte deadline of 10 s has passed (first_byte_timeout_s)"
    )
    assert world.outcomes() == ["first-byte-deadline"]


@pytest.mark.parametrize("sent", [b"", b'{"statusCode"'])
@played(first_byte_s=TIMEOUT_S)
async def test_a_function_that_never_says_its_head_is_504(world: World, sent: bytes) -> None:
    client, function = await world.pair()
    if sent:
        await function.write(sent)

    world.clock.advance(TIMEOUT_S + 1)

    answer = await client.read_response()
    assert answer.status == 504
    told = await function.read_response()
    assert told.status == 410
    assert "first byte deadline" in told.json()["detail"]


@played(first_byte_s=TIMEOUT_S)
async def test_a_function_that_calls_back_after_the_deadline_is_410(world: World) -> None:
    """Lambda ran it late: busy, throttled, or retried. It must not run for nobody."""
    client, invocation = await world.hold()
    world.clock.advance(TIMEOUT_S + 1)
    await client.read_response()

    late = await world.function(invocation.url)
    await late.post()

    assert await late.read_status() == 410


@played(first_byte_s=TIMEOUT_S)
async def test_a_head_in_time_ends_the_first_deadline(world: World) -> None:
    client, function = await world.pair()
    await function.write(encode_head() + b"x")
    await client.read_head()

    world.clock.advance(3 * TIMEOUT_S)

    await function.end()
    assert await function.read_status() == 200


# --- idle ----------------------------------------------------------------------------------------


@played(idle_s=TIMEOUT_S)
async def test_a_function_that_falls_silent_in_mid_body_breaks_the_response(
    world: World,
) -> None:
    client, function = await world.pair()
    await function.write(encode_head() + b"one")
    head = await client.read_head()
    assert await client.read_chunk() == b"one"

    world.clock.advance(TIMEOUT_S - 1)
    assert world.outcomes() == []
    world.clock.advance(2)

    with pytest.raises(Broken):
        await client.read_body(head)
    told = await function.read_response()
    assert told.status == 410
    assert "idle deadline" in told.json()["detail"]
    assert world.outcomes() == ["idle-deadline"]


@played(idle_s=TIMEOUT_S)
async def test_a_function_before_its_head_is_not_idle(world: World) -> None:
    """And a sweep between its head and its first byte finds no silence."""
    client, function = await world.pair()

    world.clock.advance(3 * TIMEOUT_S)
    await function.write(encode_head())
    await client.read_head()
    world.clock.advance(TIMEOUT_S - 1)

    await function.end()
    assert await function.read_status() == 200
    assert world.outcomes() == ["complete"]


@played(idle_s=TIMEOUT_S)
async def test_a_function_that_writes_now_and_then_is_not_idle(world: World) -> None:
    client, function = await world.pair()
    await function.write(encode_head())

    for count in range(1, 9):
        world.clock.advance(TIMEOUT_S - 1)
        await function.write(b".")
        await world.relayed(count)
    await function.end()

    assert (await client.read_response()).body == b"........"


# --- stall ---------------------------------------------------------------------------------------


@played(stall_s=TIMEOUT_S)
async def test_a_client_that_stops_reading_is_cut_and_the_function_told(world: World) -> None:
    client, function = await world.pair(receive_bytes=4096)
    await function.write(encode_head())
    await client.read_head()
    await fill(world, function)
    world.clock.advance(1)  # a sweep sees what the client has taken so far

    world.clock.advance(TIMEOUT_S - 1)
    assert world.outcomes() == []
    world.clock.advance(1)

    told = await function.read_response()
    assert told.status == 410
    assert "stall deadline" in told.json()["detail"]
    assert world.outcomes() == ["stall-deadline"]
    _, how = await client.read_to_end()
    assert how == "reset"


async def fill(world: World, function: Function) -> None:
    """Write until the client's buffers are full and the function is held up."""
    while world.held_bytes() <= limits.WRITE_BUFFER_HIGH_BYTES:
        await function.write(bytes(10_000))
        await asyncio.sleep(0)
    await world.blocked()


@played(stall_s=0.5)
async def test_a_client_that_takes_nothing_of_a_little_is_noticed_by_the_kernel(
    world: World,
) -> None:
    """What the kernel has taken does not wait in the gateway: to its deadline, nothing stalls."""
    client, function = await world.pair(receive_bytes=4096)
    await function.write(encode_head())
    await client.read_head()

    await function.write(bytes(200_000))

    assert await function.read_status() == 410
    assert world.outcomes() == ["client-left"]
    assert world.held_bytes() == 0


@played(stall_s=TIMEOUT_S, idle_s=4 * TIMEOUT_S)
async def test_a_client_that_has_taken_all_is_not_stalled(world: World) -> None:
    """A silent function is its own fault, whatever the client's deadline."""
    client, function = await world.pair()
    await function.write(encode_head() + b"one")
    await client.read_head()
    assert await client.read_chunk() == b"one"

    world.clock.advance(4 * TIMEOUT_S - 1)
    assert world.outcomes() == []
    world.clock.advance(2)

    assert world.outcomes() == ["idle-deadline"]


@played(stall_s=10 * TIMEOUT_S, idle_s=TIMEOUT_S)
async def test_a_function_held_back_by_its_client_is_not_idle(world: World) -> None:
    client, function = await world.pair(receive_bytes=4096)
    await function.write(encode_head())
    head = await client.read_head()
    await fill(world, function)

    world.clock.advance(3 * TIMEOUT_S)
    assert world.gateway.statistics()["held"] == 1

    await function.end()
    assert await client.read_body(head)
    await world.assert_settled()
    assert world.outcomes() == ["complete"]


# --- total ---------------------------------------------------------------------------------------


@played(total_s=4 * TIMEOUT_S, idle_s=TIMEOUT_S)
async def test_an_exchange_that_never_ends_meets_the_total_deadline(world: World) -> None:
    client, function = await world.pair()
    await function.write(encode_head())
    head = await client.read_head()

    for _ in range(4):
        await function.write(b"tick")
        assert await client.read_chunk() == b"tick"
        assert world.outcomes() == []
        world.clock.advance(TIMEOUT_S)

    with pytest.raises(Broken):
        await client.read_body(head)
    assert world.outcomes() == ["total-deadline"]


@played(total_s=TIMEOUT_S)
async def test_the_total_deadline_before_a_callback_is_504(world: World) -> None:
    client, _ = await world.hold()

    world.clock.advance(TIMEOUT_S + 1)

    assert (await client.read_response()).status == 504
    assert world.outcomes() == ["total-deadline"]


@played(first_byte_s=TIMEOUT_S)
async def test_an_error_in_one_exchange_ends_it_and_no_other_deadline(world: World) -> None:
    world.errors_expected = True
    client, function = await world.pair()
    await function.write(encode_head())
    head = await client.read_head()
    (held,) = world.gateway._registry._held.values()
    held.progress = None  # type: ignore[assignment]
    other, _ = await world.hold()

    world.clock.advance(TIMEOUT_S + 1)

    with pytest.raises(Broken):
        await client.read_body(head)
    assert (await other.read_response()).status == 504
    assert world.outcomes() == ["stopped", "first-byte-deadline"]
    assert len(world.log.named("tailrace.gateway.exchange.registry")) == 1


# --- tombstones ----------------------------------------------------------------------------------


@played()
async def test_an_ended_exchange_leaves_a_tombstone(world: World) -> None:
    client, function = await world.pair()
    await function.write(encode_head())
    await function.end()
    await client.read_response()

    assert world.gateway.statistics()["tombstones"] == 1


def test_tombstones_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "TOMBSTONES_MAX", 3)

    @played()
    async def story(world: World) -> None:
        urls = []
        for _ in range(5):
            client, invocation = await world.hold()
            urls.append(invocation.url)
            client.reset()
            await world.assert_settled()

        assert world.gateway.statistics()["tombstones"] == 3
        statuses = []
        for url in urls:
            late = await world.function(url)
            await late.post()
            statuses.append(await late.read_status())
        assert statuses == [404, 404, 410, 410, 410]

    story()


@played()
async def test_tombstones_grow_old(world: World) -> None:
    client, invocation = await world.hold()
    client.reset()
    await world.assert_settled()

    world.clock.advance(limits.TOMBSTONE_AGE_S - 1)
    late = await world.function(invocation.url)
    await late.post()
    assert await late.read_status() == 410
    world.clock.advance(2)
    later = await world.function(invocation.url)
    await later.post()
    assert await later.read_status() == 404
    assert world.gateway.statistics()["tombstones"] == 0


@played()
async def test_every_exchange_has_its_own_secret(world: World) -> None:
    seen = set()
    for _ in range(10):
        client, invocation = await world.hold()
        capability = parse_path(invocation.url.removeprefix(world.gateway.callback_url))
        seen |= {capability.exchange_id, capability.secret}
        client.reset()

    assert len(seen) == 20
    with pytest.raises(CapabilityError):
        parse_path("/")
