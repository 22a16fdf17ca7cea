"""Requests that the application accepts later: what goes out, what is kept, who may leave."""

from __future__ import annotations

import asyncio

import pytest
from tests.fakes import Peer, settle, until
from tests.net.server.stage import BOTH, CHUNKED_POST, GET, Request, Stage, played, post

from tailrace import limits
from tailrace.net.server.phases import Phase

TIMEOUT_S = 10.0
EXPECT = b"Expect: 100-continue"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


async def serve_next(stage: Stage, peer: Peer) -> None:
    """Answer the request behind the first one; the peer gets both answers in their order."""
    follower = await stage.request()
    assert follower.head.path == "/next"
    follower.connection.respond(204)
    assert (await peer.read_response()).status == 200
    assert (await peer.read_response()).status == 204


@played(loops=BOTH)
async def test_the_100_goes_out_when_the_application_accepts(stage: Stage) -> None:
    stage.scripts["head"] = lambda request: request.connection.defer()
    peer, request = await stage.exchange(post(5, EXPECT))

    await settle()  # the application asks another node
    assert await peer.is_silent()
    request.connection.continue_fields = b"x-proof: 1\r\n"
    request.connection.accept()
    assert await peer.read_exactly(len(CONTINUE) + 12) == (
        b"HTTP/1.1 100 Continue\r\nx-proof: 1\r\n\r\n"
    )
    await peer.send(b"hello")

    await until(lambda: request.events == ["body", "end"])
    assert request.body == b"hello"
    request.connection.respond(200)
    assert (await peer.read_response()).status == 200


@pytest.mark.parametrize(
    "raw",
    [post(5) + b"hello", CHUNKED_POST + b"5\r\nhello\r\n0\r\n\r\n", post(5, EXPECT) + b"hello"],
    ids=["a length", "chunks", "not waited for"],
)
@pytest.mark.parametrize("cut", [0, 3, 1_000])
@played(loops=BOTH)
async def test_a_body_that_comes_before_is_delivered_after(
    stage: Stage, raw: bytes, cut: int
) -> None:
    """With its head in one read, or behind it; and no 100 is needed any more."""
    end = raw.index(b"\r\n\r\n") + 4 + cut
    stage.scripts["head"] = lambda request: request.connection.defer()
    peer, request = await stage.exchange(raw[:end])
    if raw[end:]:
        await peer.send(raw[end:])
        await until(lambda: request.connection._early == raw[end:])
    await settle()
    assert request.events == []

    request.connection.accept()
    assert request.events == []  # not from within the call
    await until(lambda: request.events == ["body", "end"])

    assert request.body == b"hello"
    request.connection.respond(200)
    assert (await peer.read_response()).status == 200


@played(loops=BOTH)
async def test_a_request_without_a_body_ends_after_it_was_accepted(stage: Stage) -> None:
    stage.scripts["head"] = lambda request: request.connection.defer()
    peer, request = await stage.exchange(GET)
    await settle()
    assert request.events == []

    request.connection.accept()
    await until(lambda: request.events == ["end"])

    request.connection.respond(200)
    assert (await peer.read_response()).status == 200
    stage.scripts.clear()
    await peer.send(GET)  # the connection was kept
    (await stage.request()).connection.respond(204)
    assert (await peer.read_response()).status == 204


@played(loops=BOTH)
async def test_what_comes_behind_a_deferred_request_is_the_next_one(stage: Stage) -> None:
    stage.scripts["head"] = lambda request: request.connection.defer()
    peer, request = await stage.exchange(GET)
    await peer.send(b"GET /next HTTP/1.1\r\nHost: h\r\n\r\n")
    await until(lambda: request.connection._early)
    stage.scripts.clear()

    request.connection.accept()
    await until(lambda: request.events == ["end"])
    request.connection.respond(200)

    await serve_next(stage, peer)


@played(loops=BOTH)
async def test_the_application_may_answer_instead(stage: Stage) -> None:
    stage.scripts["head"] = lambda request: request.connection.defer()
    peer, request = await stage.exchange(post(5, EXPECT))

    request.connection.respond(404)
    request.connection.accept()

    assert (await peer.read_response()).status == 404
    assert request.events == []
    assert await peer.read_to_end() == (b"", "end")


@played()
async def test_an_application_may_accept_in_its_call(stage: Stage) -> None:
    def at_once(request: Request) -> None:
        request.connection.defer()
        request.connection.accept()

    stage.scripts["head"] = at_once
    peer, request = await stage.exchange(post(5, EXPECT))

    assert await peer.read_exactly(len(CONTINUE)) == CONTINUE
    await peer.send(b"hello")
    await until(lambda: request.events == ["body", "end"])
    request.connection.respond(200)


@pytest.mark.parametrize("way", ["fin", "reset"])
@pytest.mark.parametrize("raw", [post(5, EXPECT), GET], ids=["body", "no body"])
@played(loops=BOTH)
async def test_a_client_that_leaves_meanwhile_is_reported(
    stage: Stage, raw: bytes, way: str
) -> None:
    stage.scripts["head"] = lambda request: request.connection.defer()
    peer, request = await stage.exchange(raw)

    getattr(peer, way)()
    await until(lambda: request.events == ["gone"])
    request.connection.accept()
    await settle()

    assert request.events == ["gone"]
    assert not request.connection.has_stalled


@played(
    head_timeout_s=TIMEOUT_S,
    body_timeout_s=TIMEOUT_S,
    body_total_timeout_s=2 * TIMEOUT_S,
    keep_alive_timeout_s=TIMEOUT_S,
)
async def test_a_client_has_no_deadline_while_it_waits_for_us(stage: Stage) -> None:
    stage.scripts["head"] = lambda request: request.connection.defer()
    peer, request = await stage.exchange(post(5, EXPECT))

    stage.clock.advance(10 * TIMEOUT_S)
    assert request.connection.phase is Phase.PENDING
    assert stage.watched_count == 0
    request.connection.accept()
    assert await peer.read_exactly(len(CONTINUE)) == CONTINUE

    stage.clock.advance(TIMEOUT_S - 1)
    assert request.connection.phase is Phase.BODY
    stage.clock.advance(2)

    assert (await peer.read_response()).status == 408
    assert request.events == ["gone"]


@played(uploads=1)
async def test_a_bound_of_uploads_counts_from_the_acceptance(stage: Stage) -> None:
    stage.scripts["head"] = lambda request: request.connection.defer()
    peer, first = await stage.exchange(post(5, EXPECT))
    other, second = await stage.exchange(post(5, EXPECT))
    assert stage.server.statistics()["uploads"] == 0
    stage.server.crowd._uploads_refused._logged_s = stage.clock.now_s()  # no line in the log

    first.connection.accept()
    second.connection.accept()

    assert await peer.read_exactly(len(CONTINUE)) == CONTINUE
    assert (await other.read_response()).status == 503
    assert second.events == ["gone"]


@played()
async def test_what_comes_before_is_bounded(stage: Stage) -> None:
    """Reading pauses: the rest waits in the kernel, and comes after all."""
    size = 4 * limits.READ_BYTES_MAX
    stage.scripts["head"] = lambda request: request.connection.defer()
    peer, request = await stage.exchange(post(size))
    sending = asyncio.create_task(peer.send(b"x" * size))

    await until(lambda: not request.connection.is_reading, "reading to pause")
    most = limits.PIPELINED_BYTES_MAX + limits.READ_BYTES_MAX
    assert len(request.connection._early) <= most

    request.connection.accept()
    await until(lambda: request.events[-1:] == ["end"])
    assert len(request.body) == size
    await sending
    request.connection.respond(200)


@played()
async def test_a_server_that_stops_gives_up_what_is_not_accepted(stage: Stage) -> None:
    stage.scripts["head"] = lambda request: request.connection.defer()
    peer, request = await stage.exchange(post(5, EXPECT))

    await stage.server.stop()

    assert request.events == ["gone"]
    assert (await peer.read_to_end())[0] == b""


@pytest.mark.parametrize("raw", [post(5), CHUNKED_POST], ids=["a length", "chunks"])
@played(loops=BOTH)
async def test_what_comes_just_behind_the_acceptance_stays_in_order(
    stage: Stage, raw: bytes
) -> None:
    """The event loop may read before what was kept is taken up."""
    body = b"hello" if raw == post(5) else b"3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"
    stage.scripts["head"] = lambda request: request.connection.defer()
    peer, request = await stage.exchange(raw)
    await peer.send(body[:8] if raw != post(5) else body[:3])
    await until(lambda: request.connection._early)
    rest = body[len(request.connection._early) :]

    request.connection.accept()
    request.connection.data_received(rest)  # in the same turn, as uvloop does

    await until(lambda: request.events == ["body", "end"])
    assert request.body == b"hello"
    request.connection.respond(200)
    assert (await peer.read_response()).status == 200


@played(loops=BOTH)
async def test_what_comes_behind_an_accepted_request_without_a_body_is_the_next_one(
    stage: Stage,
) -> None:
    stage.scripts["head"] = lambda request: request.connection.defer()
    peer, request = await stage.exchange(GET)
    stage.scripts.clear()

    request.connection.accept()
    request.connection.data_received(b"GET /next HTTP/1.1\r\nHost: h\r\n\r\n")
    await until(lambda: request.events == ["end"])
    request.connection.respond(200)

    await serve_next(stage, peer)


@played(loops=BOTH)
async def test_an_answer_instead_of_acceptance_reads_on(stage: Stage) -> None:
    """Reading may have paused, for what came behind the request."""
    size = 4 * limits.READ_BYTES_MAX
    stage.scripts["head"] = lambda request: request.connection.defer()
    peer, request = await stage.exchange(GET)
    sending = asyncio.create_task(peer.send(post(size) + b"x" * size))
    await until(lambda: not request.connection.is_reading, "reading to pause")
    stage.scripts.clear()

    request.connection.respond(200)

    follower = await stage.request()
    await until(lambda: follower.events[-1:] == ["end"])
    assert len(follower.body) == size
    await sending
    follower.connection.respond(204)


@played(stall_timeout_s=TIMEOUT_S)
async def test_a_response_instead_of_acceptance_may_stall(stage: Stage) -> None:
    stage.scripts["head"] = lambda request: request.connection.defer()
    _, request = await stage.exchange(post(5, EXPECT), receive_bytes=4_096)
    request.connection.start(200)
    request.connection.write(b"x" * 1_048_576)
    await until(lambda: request.events == ["pause"])

    stage.clock.advance(2 * TIMEOUT_S)

    assert request.events == ["pause", "gone"]
    assert request.connection.has_stalled
