"""Live exchanges: the four deadlines, tombstones, nothing that stays."""

from __future__ import annotations

import asyncio

import pytest
from tests.fakes import Broken, encode_head, until
from tests.gateway.world import World, played

from tailrace import limits
from tailrace.errors import CapabilityError
from tailrace.wire.capability import parse_path

SHORT_S = 0.1

# --- first byte ----------------------------------------------------------------------------------


@played(first_byte_s=SHORT_S)
async def test_a_function_that_never_calls_back_is_504(world: World) -> None:
    client, _ = await world.hold()

    answer = await client.read_response()

    assert answer.status == 504
    assert answer.json()["detail"] == (
        "the function did not answer in time: "
        "the first byte deadline of 0.1 s has passed (first_byte_timeout_s)"
    )
    assert world.outcomes() == ["first-byte-deadline"]


@pytest.mark.parametrize("sent", [b"", b'{"statusCode"'])
@played(first_byte_s=SHORT_S)
async def test_a_function_that_never_says_its_head_is_504(world: World, sent: bytes) -> None:
    client, function = await world.pair()
    if sent:
        await function.write(sent)

    answer = await client.read_response()

    assert answer.status == 504
    told = await function.read_response()
    assert told.status == 410
    assert "first byte deadline" in told.json()["detail"]


@played(first_byte_s=SHORT_S)
async def test_a_function_that_calls_back_after_the_deadline_is_410(world: World) -> None:
    """Lambda ran it late: busy, throttled, or retried. It must not run for nobody."""
    client, invocation = await world.hold()
    await client.read_response()

    late = await world.function(invocation.url)
    await late.post()

    assert await late.read_status() == 410


@played(first_byte_s=SHORT_S)
async def test_a_head_in_time_ends_the_first_deadline(world: World) -> None:
    client, function = await world.pair()
    await function.write(encode_head() + b"x")
    await client.read_head()

    await sweeps(world, 12)

    await function.end()
    assert await function.read_status() == 200


async def sweeps(world: World, count: int) -> None:
    """Let the deadlines be looked at so many times."""
    interval_s = world.gateway.settings.deadlines.sweep_interval_s
    await asyncio.sleep(interval_s * count)  # time itself is what is tested here


# --- idle ----------------------------------------------------------------------------------------


@played(idle_s=SHORT_S)
async def test_a_function_that_falls_silent_in_mid_body_breaks_the_response(
    world: World,
) -> None:
    client, function = await world.pair()
    await function.write(encode_head() + b"one")
    head = await client.read_head()
    assert await client.read_chunk() == b"one"

    with pytest.raises(Broken):
        await client.read_body(head)

    told = await function.read_response()
    assert told.status == 410
    assert "idle deadline" in told.json()["detail"]
    assert world.outcomes() == ["idle-deadline"]


@played(idle_s=SHORT_S)
async def test_a_function_before_its_head_is_not_idle(world: World) -> None:
    client, function = await world.pair()

    await sweeps(world, 12)

    await function.write(encode_head())
    await function.end()
    assert (await client.read_response()).status == 200


@played(idle_s=1.0)
async def test_a_function_that_writes_now_and_then_is_not_idle(world: World) -> None:
    client, function = await world.pair()
    await function.write(encode_head())

    for _ in range(8):
        await sweeps(world, 1)
        await function.write(b".")
    await function.end()

    assert (await client.read_response()).body == b"........"


# --- stall ---------------------------------------------------------------------------------------


@played(stall_s=SHORT_S)
async def test_a_client_that_stops_reading_is_cut_and_the_function_told(world: World) -> None:
    client, function = await world.pair(receive_bytes=4096)
    await function.write(encode_head())
    await client.read_head()

    with pytest.raises((BrokenPipeError, ConnectionResetError, AssertionError)):
        while world.gateway.statistics()["held"]:
            await function.write(bytes(50_000))
        raise AssertionError

    assert world.outcomes() == ["stall-deadline"]
    _, how = await client.read_to_end()
    assert how == "reset"


@played(stall_s=SHORT_S)
async def test_a_function_that_waits_for_a_stalled_client_is_told(world: World) -> None:
    client, function = await world.pair(receive_bytes=4096)
    await function.write(encode_head())
    await client.read_head()
    while world.held_bytes() <= limits.WRITE_BUFFER_HIGH_BYTES:
        await function.write(bytes(10_000))

    told = await function.read_response()

    assert told.status == 410
    assert "stall deadline" in told.json()["detail"]


@played(stall_s=5 * SHORT_S)
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


@played(stall_s=SHORT_S, idle_s=4 * SHORT_S)
async def test_a_client_that_has_taken_all_is_not_stalled(world: World) -> None:
    """A silent function is its own fault, whatever the client's deadline."""
    client, function = await world.pair()
    await function.write(encode_head() + b"one")
    await client.read_head()

    await until(lambda: world.outcomes() == ["idle-deadline"])


@played(stall_s=100 * SHORT_S, idle_s=8 * SHORT_S)
async def test_a_function_held_back_by_its_client_is_not_idle(world: World) -> None:
    client, function = await world.pair(receive_bytes=4096)
    await function.write(encode_head())
    head = await client.read_head()
    while world.held_bytes() <= limits.WRITE_BUFFER_HIGH_BYTES:
        await function.write(bytes(10_000))

    await sweeps(world, 12)
    assert world.gateway.statistics()["held"] == 1

    await function.end()
    assert await client.read_body(head)
    assert world.outcomes() == ["complete"]


# --- total ---------------------------------------------------------------------------------------


@played(total_s=2 * SHORT_S)
async def test_an_exchange_that_never_ends_meets_the_total_deadline(world: World) -> None:
    client, function = await world.pair()
    await function.write(encode_head())
    head = await client.read_head()

    async def write_for_ever() -> None:
        while True:
            await function.write(b"tick")
            await client.read_chunk()

    with pytest.raises((Broken, BrokenPipeError, ConnectionResetError)):
        await write_for_ever()

    assert head.status == 200
    assert world.outcomes() == ["total-deadline"]


@played(total_s=SHORT_S)
async def test_the_total_deadline_before_a_callback_is_504(world: World) -> None:
    client, _ = await world.hold()

    assert (await client.read_response()).status == 504
    assert world.outcomes() == ["total-deadline"]


@played(first_byte_s=SHORT_S)
async def test_an_error_in_one_exchange_ends_it_and_no_other_deadline(world: World) -> None:
    world.errors_expected = True
    client, function = await world.pair()
    await function.write(encode_head())
    head = await client.read_head()
    (held,) = world.gateway._registry._held.values()
    held.progress = None  # type: ignore[assignment]

    with pytest.raises(Broken):
        await client.read_body(head)
    other, _ = await world.hold()

    assert (await other.read_response()).status == 504
    assert world.outcomes() == ["stopped", "first-byte-deadline"]
    assert len(world.log.named("tailrace.gateway.registry")) == 1


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


def test_tombstones_grow_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "TOMBSTONE_AGE_S", -1.0)  # too old as soon as it is there

    @played(total_s=4 * SHORT_S)
    async def story(world: World) -> None:
        client, invocation = await world.hold()
        client.reset()
        await world.assert_settled()

        late = await world.function(invocation.url)
        await late.post()
        assert await late.read_status() == 404
        await until(lambda: world.gateway.statistics()["tombstones"] == 0)

    story()


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
