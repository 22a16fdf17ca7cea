"""A burst of requests is spread over turns of the event loop; nothing of it is lost."""

from __future__ import annotations

import asyncio
import socket
import time

import pytest
from tests.fakes import Broken, Peer, until
from tests.net.server.stage import BOTH, GET, Request, Stage, played, post

from tailrace.limits import PIPELINED_BYTES_MAX, REQUESTS_PER_TURN_MAX
from tailrace.net.process.limits import REFUSALS_PER_TURN_MAX
from tailrace.net.server.phases import Phase
from tailrace.net.server.turns import Turns

BURST = 5 * REQUESTS_PER_TURN_MAX


class Turn:
    """Counts the turns of the event loop."""

    def __init__(self) -> None:
        self.number = 0
        self._loop = asyncio.get_running_loop()
        self._is_over = False
        self._next()

    def _next(self) -> None:
        self.number += 1
        if not self._is_over:
            self._loop.call_soon(self._next)

    def stop(self) -> None:
        """End the count; otherwise the loop never rests."""
        self._is_over = True


def respond(request: Request) -> None:
    request.connection.respond(200, body=b"ok")


async def burst(stage: Stage, count: int, data: bytes = GET) -> list[Peer]:
    """Peers whose requests are all there in one turn: the server's loop does not run meanwhile."""
    peers = [await stage.peer() for _ in range(count)]
    connections = stage.server._connections
    await until(lambda: sum(each.phase is Phase.IDLE for each in connections) == count)
    for peer in peers:
        assert peer.sock.send(data) == len(data)
    return peers


@pytest.mark.parametrize("cost_s", [0, 0.0005])
@played(loops=BOTH)
async def test_few_requests_of_a_burst_start_in_one_turn(stage: Stage, cost_s: float) -> None:
    """However long each of them takes."""
    started: list[int] = []
    turn = Turn()

    def work(request: Request) -> None:
        started.append(turn.number)
        until_s = time.perf_counter() + cost_s
        while time.perf_counter() < until_s:
            pass
        respond(request)

    stage.scripts["head"] = work
    peers = await burst(stage, BURST)

    for peer in peers:
        assert (await peer.read_response()).body == b"ok"
    turn.stop()
    # Those that wait are taken up before the turn's own reads.
    assert max(started.count(number) for number in started) <= 2 * REQUESTS_PER_TURN_MAX
    assert len(started) == BURST


@played(loops=BOTH)
async def test_a_running_stream_moves_within_a_burst(stage: Stage) -> None:
    """A chunk that is there with the burst is relayed before the last requests start."""
    moved: list[str] = []
    stage.scripts["body"] = lambda request: moved.append("chunk")
    streaming, _ = await stage.exchange(post(5))

    def note(request: Request) -> None:
        moved.append("request")
        respond(request)

    stage.scripts["head"] = note
    peers = await burst(stage, BURST)
    assert streaming.sock.send(b"chunk") == 5

    for peer in peers:
        await peer.read_response()
    await until(lambda: "chunk" in moved)

    assert moved.index("chunk") < 3 * REQUESTS_PER_TURN_MAX
    assert moved.count("request") == BURST
    streaming.close()


@played(loops=BOTH)
async def test_a_peer_that_leaves_while_its_request_waits_is_forgotten(stage: Stage) -> None:
    stage.scripts["head"] = respond
    peers = await burst(stage, BURST)
    for peer in peers[-4:]:
        peer.reset()

    for peer in peers[:-4]:
        assert (await peer.read_response()).body == b"ok"


@pytest.mark.parametrize("size", [1, 15_000, 200_000])
@played(loops=BOTH)
async def test_a_body_of_a_request_that_waited_is_whole(stage: Stage, size: int) -> None:
    """Bytes that arrive while it waits are neither lost nor refused, however many they are."""
    stage.scripts["end"] = lambda request: request.connection.respond(
        200, body=b"%d" % len(request.body)
    )
    body = bytes(size)
    first = post(size) + body[:10_000]
    peers = await burst(stage, BURST, first)

    async def finish(peer: Peer) -> bytes:
        await peer.send(body[10_000:])
        return (await peer.read_response()).body

    sizes = await asyncio.gather(*map(finish, peers))
    assert sizes == [b"%d" % size] * BURST


@played()
async def test_requests_that_wait_are_served_when_the_server_drains(stage: Stage) -> None:
    stage.scripts["head"] = respond
    peers = await burst(stage, BURST)
    stage.server.stop_accepting()

    for peer in peers:
        assert (await peer.read_response()).body == b"ok"


@played(is_quiet=False, connections=BURST)
async def test_a_request_that_waits_is_not_idle(stage: Stage) -> None:
    """Newcomers above the bound of connections do not end it, though it was idle longest."""
    stage.scripts["head"] = respond
    peers = await burst(stage, BURST)
    newcomers = [socket.socket() for _ in range(4)]
    for newcomer in newcomers:
        newcomer.setblocking(False)
        newcomer.connect_ex(("127.0.0.1", stage.server.port))

    for peer in peers:
        assert (await peer.read_response()).body == b"ok"
    for newcomer in newcomers:
        newcomer.close()


@played(is_quiet=False)
async def test_an_error_in_one_request_leaves_the_others_in_their_turn(stage: Stage) -> None:
    def fail_one(request: Request) -> None:
        if len(stage.requests) == REQUESTS_PER_TURN_MAX + 2:  # it has waited
            raise ZeroDivisionError
        respond(request)

    stage.scripts["head"] = fail_one
    peers = await burst(stage, BURST)

    resets = 0
    for peer in peers:
        try:
            assert (await peer.read_response()).body == b"ok"
        except Broken:
            resets += 1
    assert resets == len(stage.failures) == 1


@played()
async def test_a_new_turn_has_room_again(stage: Stage) -> None:
    turns = Turns()
    taken_up: list[int] = []

    for _ in range(REQUESTS_PER_TURN_MAX):
        assert not turns.must_wait(1, lambda: None)
    assert turns.must_wait(1, lambda: taken_up.append(1))
    assert turns.must_wait(PIPELINED_BYTES_MAX, lambda: taken_up.append(2))
    assert not turns.must_wait(PIPELINED_BYTES_MAX + 1, lambda: taken_up.append(3))
    await until(lambda: taken_up == [1, 2])

    for _ in range(3):  # the turn in which these two have started is over
        await asyncio.sleep(0)
    assert not turns.must_wait(1, lambda: None)


@played()
async def test_a_refusal_leaves_its_turn_to_the_next_request(stage: Stage) -> None:
    """But not without end: chunks of streams wait for the turn's end."""
    turns = Turns()
    started = [0]
    turn = Turn()

    def refuse() -> None:
        started.append(turn.number)
        turns.give_back()

    for _ in range(REQUESTS_PER_TURN_MAX):
        assert not turns.must_wait(1, lambda: None)
    for _ in range(4 * REFUSALS_PER_TURN_MAX):
        assert turns.must_wait(1, refuse)
    await until(lambda: len(started) == 1 + 4 * REFUSALS_PER_TURN_MAX)
    turn.stop()

    most = max(started.count(number) for number in started)
    assert 1 < most <= REFUSALS_PER_TURN_MAX + REQUESTS_PER_TURN_MAX
