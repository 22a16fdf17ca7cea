"""Accepting from sockets that several processes share; here two acceptors of one event loop."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
import struct
from collections.abc import Awaitable, Callable
from itertools import pairwise

import pytest
from tests.clock import ManualClock
from tests.fakes import settle, soon, until
from tests.net.server.stage import BOTH, LOOPS

from tailrace.net.process import limits
from tailrace.net.server.acceptor import Acceptor


class Side:
    """One process's acceptor, and the connections that it has."""

    def __init__(self, world: World, name: str) -> None:
        self.name = name
        self.is_above = self.is_behind = self.turns_away = False
        self.judge: Callable[[socket.socket], bool] = self._turn_away
        self.made: list[asyncio.BaseTransport] = []
        self.acceptor = Acceptor(
            [sock.dup() for sock in world.listening],
            lambda: Greeter(self),
            name=name,
            is_above=lambda: self.is_above,
            is_behind=lambda: self.is_behind,
            turns_away=lambda accepted: self.judge(accepted),
            clock=world.clock,
        )
        self.acceptor.start()

    def _turn_away(self, accepted: socket.socket) -> bool:
        if self.turns_away:
            accepted.close()
        return self.turns_away

    @property
    def count(self) -> int:
        """How many connections it has accepted, each of which it has made."""
        return len(self.made)


class Greeter(asyncio.Protocol):
    """Sends the name of its side, and what it receives."""

    def __init__(self, side: Side) -> None:
        self._side = side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop."""
        self._side.made.append(transport)
        transport.write(self._side.name.encode())  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        """Called by the event loop."""
        self._side.made[-1].write(data)  # type: ignore[attr-defined]


class World:
    """Two listening sockets, clients, and sides."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.listening = [socket.create_server(("127.0.0.1", 0), backlog=100) for _ in range(2)]
        self.sides: list[Side] = []
        self.clients: list[socket.socket] = []

    def side(self, name: str) -> Side:
        """One more process."""
        self.sides.append(Side(self, name))
        return self.sides[-1]

    def connect(self, count: int = 1, place: int = 0) -> None:
        """Clients that are in the queue of the listening socket from now on."""
        address = self.listening[place].getsockname()
        self.clients += [socket.create_connection(address, timeout=10) for _ in range(count)]

    def close(self) -> None:
        """Close all that a test has left."""
        for side in self.sides:
            side.acceptor.close()
            for transport in side.made:
                transport.close()
        for sock in (*self.listening, *self.clients):
            sock.close()


def played(story: Callable[[World], Awaitable[None]]) -> Callable[..., None]:
    """Play it on both event loops."""

    async def play() -> None:
        world = World()
        try:
            await story(world)
        finally:
            world.close()
            await settle()

    def test(loop: str) -> None:
        LOOPS[loop](play())

    test.__name__, test.__doc__ = story.__name__, story.__doc__
    return pytest.mark.parametrize("loop", BOTH)(test)


@played
async def test_connections_of_all_sockets_are_made(world: World) -> None:
    side = world.side("one")

    world.connect(10, place=0)
    world.connect(10, place=1)

    await until(lambda: side.count == 20, "all connections")
    for client in world.clients:
        assert client.recv(9) == b"one"


@played
async def test_while_requests_wait_one_connection_is_made_in_a_turn(world: World) -> None:
    """More would wait in memory for the same turn; fewer, and none would ever be served."""
    side = world.side("one")
    side.is_behind = True
    world.connect(10)
    made = []

    for _ in range(100):
        made.append(side.count)
        await asyncio.sleep(0)
        if side.count == 10:
            break

    assert side.count == 10
    assert max(after - before for before, after in pairwise(made)) == 1


@played
async def test_a_connection_that_is_turned_away_is_not_made(world: World) -> None:
    side = world.side("one")
    side.turns_away = True

    world.connect(10)

    await until(lambda: side.acceptor.accepted == 10, "all connections")
    for client in world.clients:
        assert client.recv(1) == b""
    assert side.count == 0


@played
async def test_a_connection_that_cannot_be_judged_is_made(world: World) -> None:
    judged: list[socket.socket] = []

    def judge(accepted: socket.socket) -> bool:
        judged.append(accepted)
        raise ValueError("a mistake")

    side = world.side("one")
    side.judge = judge

    world.connect(10)

    await until(lambda: side.count == 10, "all connections")
    assert len(judged) == 10


@played
async def test_one_that_has_more_than_its_share_leaves_connections_to_others(world: World) -> None:
    busy, idle = world.side("busy"), world.side("idle")
    busy.is_above = True

    world.connect(30)

    await until(lambda: idle.count == 30, "all connections at the other one")
    assert busy.count == 0
    busy.is_above = False
    world.clock.advance(limits.BALANCE_PAUSE_S)
    idle.acceptor.stop(keeps_queue=True)
    world.connect(5)
    await until(lambda: busy.count == 5, "the next connections")


@played
async def test_a_queue_that_nobody_else_serves_is_served(world: World) -> None:
    """The others may be stuck. After some pauses twice as many are taken, up to a bound."""
    side = world.side("above")
    side.is_above = True
    world.connect(99)
    await settle()
    taken = [side.count]

    while sum(taken) < 99 and len(taken) < 50:
        world.clock.advance(limits.BALANCE_PAUSE_S)
        await settle()
        taken.append(side.count - sum(taken))

    assert taken == [0, 1, 1, 1, 1, 2, 2, 2, 2, 4, 4, 4, 4, 8, 8, 8, 8, 16, 16, 7]


@played
async def test_after_an_empty_queue_others_are_given_time_again(world: World) -> None:
    side = world.side("above")
    side.is_above = True
    world.connect(5)
    for _ in range(5):
        await settle()
        world.clock.advance(limits.BALANCE_PAUSE_S)
    await until(lambda: side.count == 5, "what waited")

    world.connect(5)
    await settle()

    assert side.count == 5, "not before a pause"
    world.clock.advance(limits.BALANCE_PAUSE_S)
    await settle()
    assert side.count == 6


@played
async def test_a_pause_ends_when_the_share_is_right_again(world: World) -> None:
    side = world.side("above")
    side.is_above = True
    world.connect(20)
    await settle()
    side.is_above = False

    world.clock.advance(limits.BALANCE_PAUSE_S)

    await until(lambda: side.count == 20, "all connections")


@played
async def test_without_descriptors_accepting_rests(world: World) -> None:
    """The queue stays readable, so to try again immediately would be a busy loop."""
    side = world.side("one")
    world.connect(3)
    tries = 0
    on_exhausted = side.acceptor._on_exhausted

    def count(error: OSError) -> None:
        nonlocal tries
        tries += 1
        on_exhausted(error)

    side.acceptor._on_exhausted = count  # type: ignore[method-assign]
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest_free = os.dup(0)
    os.close(lowest_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, hard))
    try:
        await settle()
        assert (side.count, tries) == (0, 1)
        world.clock.advance(limits.ACCEPT_RETRY_S)
        await settle()
        assert (side.count, tries) == (0, 2)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    world.clock.advance(limits.ACCEPT_RETRY_S)

    await until(lambda: side.count == 3, "what has waited")


@played
async def test_what_waits_is_left_to_others(world: World) -> None:
    leaving = world.side("leaving")
    world.connect(20)
    leaving.acceptor.stop(keeps_queue=True)
    await soon(leaving.acceptor.wait_closed())

    staying = world.side("staying")

    await until(lambda: staying.count == 20, "all connections")
    assert leaving.count == 0


@played
async def test_what_waits_is_accepted_before_the_end(world: World) -> None:
    last = world.side("last")
    world.connect(20, place=0)
    world.connect(1, place=1)

    last.acceptor.stop(keeps_queue=False)
    await soon(last.acceptor.wait_closed())
    await settle()

    assert last.count == 21
    address = world.listening[0].getsockname()
    for sock in world.listening:
        sock.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)


@played
async def test_a_stop_during_a_pause_accepts_what_waits(world: World) -> None:
    last = world.side("last")
    last.is_above = True
    world.connect(6)
    await settle()

    last.acceptor.stop(keeps_queue=False)
    await soon(last.acceptor.wait_closed())
    await settle()

    assert last.count == 6


@played
async def test_a_peer_that_has_left_the_queue_is_no_error(world: World) -> None:
    world.connect(3)
    world.clients[1].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    world.clients[1].close()

    side = world.side("one")
    await until(lambda: len(side.made) >= 2, "the others")
    await settle()

    assert world.clients[0].recv(9) == world.clients[2].recv(9) == b"one"
