"""The client's seat: an exchange writes to any seat, and a free seat is silent."""

from __future__ import annotations

import gc

import pytest
from tests.clock import ManualClock
from tests.fakes import encode_head
from tests.gateway.world import FixedRoute, World, played

from tailrace.config import GatewayConfig
from tailrace.gateway.exchange.client_seat import ClientSeat, HttpSeat, SeatedExchange
from tailrace.gateway.exchange.live import Held
from tailrace.gateway.exchange.record import ExchangeRecord
from tailrace.gateway.exchange.registry import Registry
from tailrace.gateway.exchange.state import SourceOpened
from tailrace.net.server.listener import Headers, RequestHead
from tailrace.wire.integration import Head


class RecordingSeat:
    """A client that speaks no HTTP: it keeps what it is sent."""

    def __init__(self) -> None:
        self.exchange: SeatedExchange | None = None
        self.is_taken = True
        self.unsent_bytes = self.missing_bytes = 0
        self.got: list[object] = []

    def start(self, status: int, headers: Headers, length: int | None) -> None:
        self.got.append(status)

    def write(self, data: bytes) -> None:
        self.got.append(data)

    def cork(self) -> None: ...

    def uncork(self) -> None: ...

    def end(self) -> None:
        self.got.append("end")

    def abort(self, *, is_flushed: bool) -> None:
        self.got.append("abort")

    def answer(self, status: int, headers: Headers, body: bytes) -> None:
        self.got.append((status, body))


class RecordingSource:
    """Records when it is paused and resumed."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def pause_reading(self) -> None:
        self.told.append("pause")

    def resume_reading(self) -> None:
        self.told.append("resume")

    def answer(self, status: int, detail: str, count: int) -> None:
        self.told.append((status, count))


def held_by(seat: ClientSeat, records: list[ExchangeRecord]) -> Held:
    """An exchange whose client sits on this seat."""
    registry = Registry(GatewayConfig(), observers=[records.append], clock=ManualClock())
    return registry.hold(seat, RequestHead("GET", "/x", "1.1", []), FixedRoute())


def test_an_exchange_needs_no_http_connection() -> None:
    seat, source, records = RecordingSeat(), RecordingSource(), []
    held = held_by(seat, records)
    held.source = source
    held.apply(SourceOpened())
    held.head_arrived(Head(200))
    assert seat.exchange is held

    held.relay(b"one")
    seat.exchange.client_is_slow()
    seat.exchange.client_has_caught_up()
    held.relay(b"two")
    held.body_ended()

    assert seat.got == [200, b"one", b"two", "end"]
    assert source.told == ["pause", "resume", (200, 6)]
    assert [record.outcome for record in records] == ["complete"]


def test_a_client_that_leaves_ends_its_exchange() -> None:
    seat, source, records = RecordingSeat(), RecordingSource(), []
    held = held_by(seat, records)
    held.source = source
    held.apply(SourceOpened())
    held.head_arrived(Head(200))
    assert seat.exchange is not None

    seat.exchange.client_left()
    held.relay(b"late")

    assert seat.got == [200]
    assert source.told == [(410, 0)]
    assert [record.outcome for record in records] == ["client-left"]


@pytest.mark.parametrize("how", ["ends", "leaves"])
@played()
async def test_a_seat_is_free_after_the_end_and_reports_nothing(world: World, how: str) -> None:
    client, function = await world.pair()
    (held,) = world.gateway._registry._held.values()
    seat = held.seat
    assert isinstance(seat, HttpSeat)
    assert seat.is_taken
    await function.write(encode_head() + b"x")
    await client.read_head()

    if how == "ends":
        await function.end()
        await client.read_chunk()
    else:
        client.reset()
    await world.assert_settled()

    assert not seat.is_taken
    assert (seat.exchange, seat.unsent_bytes, seat.missing_bytes) == (None, 0, 0)
    seat.on_pause()
    seat.on_resume()
    seat.cork()
    seat.uncork()


@played()
async def test_an_exchange_that_has_ended_is_freed_without_the_garbage_collector(
    world: World,
) -> None:
    client, function = await world.pair()
    gc.collect()
    gc.disable()
    try:
        await function.write(encode_head() + b"x")
        await function.end()
        await client.read_response()
        await world.assert_settled()
        assert not [each for each in gc.get_objects() if type(each) in (Held, HttpSeat)]
    finally:
        gc.enable()
