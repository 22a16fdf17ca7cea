"""A listener: its deadlines, its limits, drain and stop."""

from __future__ import annotations

import asyncio
import gc
import socket
import sys
import tracemalloc

import pytest
from tests.fakes import Broken, Peer, is_writable, soon, until
from tests.net.server.stage import BOTH, CHUNKED_POST, GET, LONG_S, Request, Stage, played, post

from tailrace.net.process.startup import run
from tailrace.net.server.listener import (
    Connection,
    HttpLimits,
    HttpServer,
    Phase,
    Receiver,
    RequestHead,
    WholeBody,
)

TIMEOUT_S = 10.0
BIG = 1_048_576
UNREAD = 4_096


# --- deadlines -----------------------------------------------------------------------------------


@pytest.mark.parametrize("raw", [b"G", b"\r\n", GET[:-2], post(10)[:-1]])
@played(loops=BOTH, head_timeout_s=TIMEOUT_S)
async def test_a_head_that_does_not_come_is_answered_408(stage: Stage, raw: bytes) -> None:
    peer = await stage.peer(raw)
    await stage.reach(Phase.HEAD)

    stage.clock.advance(TIMEOUT_S - 1)
    assert stage.watched_count == 1
    stage.clock.advance(2)

    response = await peer.read_response()
    assert response.status == 408
    assert response.get("connection") == "close"
    assert await peer.read_to_end() == (b"", "end")
    assert stage.requests == []


@played(head_timeout_s=TIMEOUT_S)
async def test_a_dribbled_head_has_no_more_time_than_a_silent_one(stage: Stage) -> None:
    peer = await stage.peer(GET[:-2])
    await stage.reach(Phase.HEAD)
    (connection,) = stage.server._connections

    for _ in range(9):
        size = connection.request_bytes
        stage.clock.advance(1)
        await peer.send(b"a: b\r\n")
        await until(lambda size=size: connection.request_bytes == size + 6)
    assert connection.phase is Phase.HEAD
    stage.clock.advance(2)

    assert (await peer.read_response()).status == 408
    assert stage.requests == []


@played(loops=BOTH, body_timeout_s=TIMEOUT_S)
async def test_a_body_that_falls_silent_is_answered_408(stage: Stage) -> None:
    peer, request = await stage.exchange(post(10) + b"x")

    stage.clock.advance(TIMEOUT_S - 1)
    assert request.events == ["body"]
    stage.clock.advance(2)

    response = await peer.read_response()
    assert (response.status, response.get("connection")) == (408, "close")
    assert request.events == ["body", "gone"]


@played(body_timeout_s=TIMEOUT_S)
async def test_a_body_that_falls_silent_cuts_its_own_answer(stage: Stage) -> None:
    peer, request = await stage.exchange(post(10) + b"x")
    request.connection.start(200)

    stage.clock.advance(TIMEOUT_S + 1)

    with pytest.raises(Broken):
        await peer.read_response()
    assert request.events == ["body", "gone"]


@played(loops=BOTH, body_timeout_s=TIMEOUT_S)
async def test_a_body_that_goes_on_has_all_the_time(stage: Stage) -> None:
    peer, request = await stage.exchange(post(10))

    for count in range(1, 11):
        stage.clock.advance(TIMEOUT_S - 1)
        await peer.send(b"x")
        await until(lambda count=count: len(request.body) == count)

    await until(lambda: "end" in request.events)
    request.connection.respond(200)
    assert (await peer.read_response()).status == 200


@played(loops=BOTH, body_timeout_s=TIMEOUT_S)
async def test_a_body_that_we_do_not_read_is_not_silent(stage: Stage) -> None:
    """Its sender can do nothing about it."""
    peer, request = await stage.exchange(post(2) + b"x")
    request.connection.pause_reading()
    await peer.send(b"y")

    stage.clock.advance(10 * TIMEOUT_S)
    assert request.events == ["body"]
    request.connection.resume_reading()

    await until(lambda: request.events == ["body", "end"])
    request.connection.respond(200)
    assert (await peer.read_response()).status == 200


@played(loops=BOTH, body_timeout_s=TIMEOUT_S)
async def test_a_body_has_its_whole_time_again_when_it_is_read_on(stage: Stage) -> None:
    peer, request = await stage.exchange(post(2) + b"x")
    request.connection.pause_reading()
    stage.clock.advance(10 * TIMEOUT_S)

    request.connection.resume_reading()
    stage.clock.advance(TIMEOUT_S - 1)
    assert request.events == ["body"]
    stage.clock.advance(2)

    response = await peer.read_response()
    assert response.status == 408


@played(head_timeout_s=TIMEOUT_S, body_timeout_s=None)
async def test_a_body_without_a_deadline_may_be_silent(stage: Stage) -> None:
    """A function's silence has a deadline elsewhere."""
    peer, request = await stage.exchange(post(2) + b"x")

    stage.clock.advance(10 * TIMEOUT_S)

    assert request.events == ["body"]
    await peer.send(b"y")
    await until(lambda: request.events == ["body", "end"])
    request.connection.respond(200)
    await peer.read_response()


@played(
    head_timeout_s=TIMEOUT_S,
    body_timeout_s=TIMEOUT_S,
    keep_alive_timeout_s=TIMEOUT_S,
    linger_timeout_s=TIMEOUT_S,
    stall_timeout_s=TIMEOUT_S,
)
async def test_a_held_response_has_no_deadline_here(stage: Stage) -> None:
    held, request = await stage.exchange(GET)
    streaming, other = await stage.exchange(GET)
    other.connection.start(200)

    stage.clock.advance(10 * TIMEOUT_S)

    assert request.events == other.events == ["end"]
    request.connection.respond(200)
    other.connection.end()
    assert (await held.read_response()).status == 200
    assert (await streaming.read_response()).status == 200


@pytest.mark.parametrize("has_asked", [False, True])
@played(loops=BOTH, keep_alive_timeout_s=TIMEOUT_S)
async def test_an_idle_connection_is_closed(stage: Stage, has_asked: bool) -> None:
    peer = await stage.peer()
    await stage.reach(Phase.IDLE)
    if has_asked:
        stage.clock.advance(TIMEOUT_S - 1)
        await peer.send(GET)
        (await stage.request()).connection.respond(200)
        await peer.read_response()

    stage.clock.advance(TIMEOUT_S - 1)
    assert stage.watched_count == 1
    stage.clock.advance(2)

    assert await peer.read_to_end() == (b"", "end")


@played(stall_timeout_s=TIMEOUT_S)
async def test_a_peer_that_does_not_read_an_early_answer_is_cut(stage: Stage) -> None:
    peer, request = await stage.exchange(post(10), receive_bytes=UNREAD)
    request.connection.respond(413, [], b"x" * BIG)

    await stalled(stage, request.connection)

    assert (await peer.read_to_end())[1] == "reset"


async def stalled(stage: Stage, connection: Connection) -> None:
    """Let the stall time pass for a peer that reads nothing."""
    await until(lambda: connection.unsent_bytes and is_blocked(connection), "a full socket")
    stage.clock.advance(1)  # a sweep sees how much is unsent
    stage.clock.advance(TIMEOUT_S - 1)
    assert stage.open_count == 1
    stage.clock.advance(1)
    await until(lambda: stage.open_count == 0)


def is_blocked(connection: Connection) -> bool:
    """Whether the kernel takes no more of a response."""
    return not is_writable(connection._transport.get_extra_info("socket"))


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
@played(loops=BOTH, stall_timeout_s=TIMEOUT_S)
async def test_a_peer_that_does_not_take_its_last_bytes_is_cut(
    stage: Stage, version: bytes
) -> None:
    """With a reset: an HTTP/1.0 response would look complete behind a FIN."""
    raw = b"GET / HTTP/%b\r\nHost: h\r\nConnection: close\r\n\r\n" % version
    peer, request = await stage.exchange(raw, receive_bytes=UNREAD)
    request.connection.start(200)
    request.connection.write(b"x" * BIG)
    request.connection.end()

    await stalled(stage, request.connection)

    received, how = await peer.read_to_end()
    assert len(received) < BIG
    assert how == "reset"


@played(loops=BOTH, stall_timeout_s=TIMEOUT_S)
async def test_a_peer_that_takes_its_last_bytes_slowly_gets_them_all(stage: Stage) -> None:
    raw = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
    peer, request = await stage.exchange(raw, receive_bytes=UNREAD)
    connection = request.connection
    connection.respond(200, [], b"x" * BIG)

    await peer.read_head()
    received, intervals = 0, 0
    while unsent_bytes := connection.unsent_bytes:
        stage.clock.advance(TIMEOUT_S - 1)
        intervals += 1
        while connection.unsent_bytes == unsent_bytes:
            received += len(await peer.read_some())
            await asyncio.sleep(0)

    rest, how = await peer.read_to_end()
    assert (received + len(rest), how) == (BIG, "end")
    assert intervals > 2, "together longer than the longest silence allowed"


@played(is_quiet=False, keep_alive_timeout_s=TIMEOUT_S, body_timeout_s=TIMEOUT_S)
async def test_deadlines_outlive_an_error_in_the_application(stage: Stage) -> None:
    def fail(request: Request) -> None:
        raise ValueError("a bug")

    stage.scripts["gone"] = fail
    await stage.exchange(post(10) + b"x")
    with pytest.raises(ValueError, match="a bug"):  # as from a timer of the loop
        stage.clock.advance(TIMEOUT_S + 1)
    idle = await stage.peer()
    await until(lambda: any(c.phase is Phase.IDLE for c in stage.server._connections))

    stage.clock.advance(TIMEOUT_S + 1)

    assert await idle.read_to_end() == (b"", "end")


# --- limits --------------------------------------------------------------------------------------


@played(loops=BOTH, is_quiet=False, connections=3)
async def test_connections_are_limited(stage: Stage) -> None:
    held = [await stage.exchange(GET) for _ in range(3)]

    assert await (await stage.peer()).read_to_end() == (b"", "reset")
    assert stage.open_count == 3
    held[0][0].close()
    await until(lambda: stage.open_count == 2)

    _, request = await stage.exchange(GET)
    request.connection.respond(200)


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: h\r\nA: %b\r\n\r\n" % (b"x" * 300), 431),
        (b"GET / HTTP/1.1\r\nHost: h\r\nA: %b" % (b"x" * 300), 431),
        (b"GET / HTTP/1.1\r\nHost: h\r\n%b\r\n" % (b"a: b\r\n" * 10), 431),
        (b"GET /%b HTTP/1.1\r\nHost: h\r\n\r\n" % (b"x" * 100), 414),
    ],
)
@played(head_bytes=200, header_count=10, target_bytes=100)
async def test_what_is_over_a_limit_is_refused(stage: Stage, raw: bytes, status: int) -> None:
    peer = await stage.peer(raw[:150])
    await peer.send(raw[150:])

    response = await peer.read_response()

    assert (response.status, response.get("connection")) == (status, "close")
    assert response.get("content-type") == "application/problem+json"
    assert await peer.read_to_end() == (b"", "end")


@played(framing_bytes=300)
async def test_endless_chunk_extensions_are_refused(stage: Stage) -> None:
    peer, _ = await stage.exchange(CHUNKED_POST)  # what comes in one read with the head is free
    await peer.send(b"5;a=" + b"x" * 400)

    assert (await peer.read_response()).status == 400
    assert await peer.read_to_end() == (b"", "end")


@played()
async def test_a_refusal_speaks_the_language_of_the_client(stage: Stage) -> None:
    page = await (await stage.peer(b"GET / HTTP/1.1\r\nAccept: text/html\r\n\r\n")).read_response()
    plain = await (await stage.peer(b"HEAD / HTTP/1.1\r\n\r\n")).read_response("HEAD")

    assert (page.status, page.get("content-type")) == (400, "text/html; charset=utf-8")
    assert (plain.status, plain.get("content-type")) == (400, "application/problem+json")


@played()
async def test_an_unserved_method_is_told_what_is_allowed(stage: Stage) -> None:
    peer = await stage.peer(b"CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n")

    response = await peer.read_response()

    assert response.status == 405
    assert "POST" in (response.get("allow") or "")


# --- whole bodies --------------------------------------------------------------------------------


class Whole:
    """What a `WholeBody` hands over."""

    def __init__(self, stage: Stage, bytes_max: int) -> None:
        self.bodies: list[bytes] = []
        self.gone = 0
        self.bytes_max = bytes_max
        stage.scripts["head"] = self.receive

    def receive(self, request: Request) -> Receiver:
        def complete(body: bytes, trailers: object) -> None:
            self.bodies.append(body)
            if request.head.path == "/":
                request.connection.respond(200, [], body)

        return WholeBody(request.head, self.bytes_max, complete, self.on_gone)

    def on_gone(self) -> None:
        self.gone += 1


@pytest.mark.parametrize(
    "raw",
    [
        post(10) + b"0123456789",
        CHUNKED_POST + b"4\r\n0123\r\n6\r\n456789\r\n0\r\n\r\n",
    ],
)
@pytest.mark.parametrize("size", [1, 7, 1_000])
@played()
async def test_a_body_is_handed_over_whole(stage: Stage, raw: bytes, size: int) -> None:
    whole = Whole(stage, 10)
    peer = await stage.peer()

    for i in range(0, len(raw), size):
        await peer.send(raw[i : i + size])

    assert (await peer.read_response()).body == b"0123456789"
    assert whole.bodies == [b"0123456789"]


@played()
async def test_no_body_is_an_empty_one(stage: Stage) -> None:
    whole = Whole(stage, 10)

    assert (await (await stage.peer(GET)).read_response()).body == b""
    assert whole.bodies == [b""]


@played()
async def test_too_long_a_body_is_refused_from_its_announced_length(stage: Stage) -> None:
    whole = Whole(stage, 10)
    peer = await stage.peer(post(11, b"Expect: 100-continue"))

    response = await peer.read_response()

    assert response.status == 413
    assert "10 bytes" in response.json()["detail"]
    assert (whole.bodies, whole.gone) == ([], 0)


@pytest.mark.parametrize("size", [1, 4, 1_000])
@played()
async def test_too_long_a_body_is_refused_from_its_chunks(stage: Stage, size: int) -> None:
    whole = Whole(stage, 10)
    peer = await stage.peer(CHUNKED_POST)

    for _ in range(11 // size + 1):
        await peer.send(b"%x\r\n%b\r\n" % (size, b"x" * size))

    assert (await peer.read_response()).status == 413
    assert (whole.bodies, whole.gone) == ([], 1)


@played()
async def test_a_body_that_breaks_off_is_gone(stage: Stage) -> None:
    whole = Whole(stage, 10)
    peer = await stage.peer(post(10) + b"01234")
    await stage.request()

    peer.fin()

    await until(lambda: whole.gone == 1)
    assert whole.bodies == []


@played()
async def test_a_peer_that_leaves_before_its_answer_is_gone(stage: Stage) -> None:
    whole = Whole(stage, 10)
    peer = await stage.peer(b"GET /held HTTP/1.1\r\nHost: h\r\n\r\n")
    await until(lambda: whole.bodies == [b""])

    peer.fin()

    await until(lambda: whole.gone == 1)


def test_a_dribbled_body_takes_little_more_room_than_its_bytes() -> None:
    """Each read of two bytes would otherwise be an object of its own, of 35 bytes and a place."""
    whole = WholeBody(RequestHead("POST", "/", "1.1", []), BIG, lambda *_: None, lambda: None)
    tracemalloc.start()

    for i in range(20_000):
        whole.on_body(b"%02d" % (i % 100))
    room, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert room < 60_000


# --- drain and stop ------------------------------------------------------------------------------


async def is_refused(stage: Stage) -> bool:
    """Whether nobody can connect any more."""
    try:
        peer = await stage.peer()
    except ConnectionRefusedError:
        return True
    return await peer.read_to_end() == (b"", "reset")


@played(loops=BOTH, drain_idle_timeout_s=TIMEOUT_S)
async def test_a_drain_closes_idle_connections_and_waits_for_the_others(stage: Stage) -> None:
    idle, done = await stage.exchange(GET)
    done.connection.respond(200)
    await idle.read_response()
    fresh = await stage.peer()
    held, held_request = await stage.exchange(GET)
    streaming, streaming_request = await stage.exchange(GET)
    streaming_request.connection.start(200)
    asking = await stage.peer(GET[:-2])
    await until(lambda: stage.open_count == 5)

    stage.clock.advance(2 * TIMEOUT_S)
    draining = asyncio.create_task(stage.server.drain(LONG_S))
    await until(lambda: stage.server.is_draining)
    stage.clock.advance(TIMEOUT_S - 1)
    assert stage.open_count == 5
    stage.clock.advance(2)

    assert await idle.read_to_end() == (b"", "end")
    assert await fresh.read_to_end() == (b"", "end")
    assert await is_refused(stage)
    assert not draining.done()
    await asking.send(b"\r\n")
    (await stage.request()).connection.respond(200, [], b"one more")
    response = await asking.read_response()
    assert (response.body, response.get("connection")) == (b"one more", "close")
    held_request.connection.respond(200)
    assert (await held.read_response()).get("connection") == "close"
    assert not draining.done()
    streaming_request.connection.end()
    stage.clock.advance(TIMEOUT_S - 1)
    assert not draining.done()
    stage.clock.advance(2)

    assert await soon(draining, "the drain") is True
    assert stage.open_count == 0
    assert (await streaming.read_response()).status == 200
    assert await streaming.read_to_end() == (b"", "end")


@pytest.mark.parametrize("turns", range(6))
@played()
async def test_a_connection_that_was_accepted_before_a_drain_is_served(
    stage: Stage, turns: int
) -> None:
    """By the kernel or by the event loop: its client has connected, and may have sent a request.

    Under uvloop. asyncio's own server, which is used on Windows only, fails to make a connection
    that it has accepted in the turn in which it is closed.
    """
    with socket.create_connection(("127.0.0.1", stage.server.port)) as client:
        for _ in range(turns):
            await asyncio.sleep(0)
        stage.server.stop_accepting()
        draining = asyncio.create_task(stage.server.drain(60))
        client.setblocking(False)
        peer = Peer(client)
        await peer.send(GET)
        (await stage.request()).connection.respond(200, [], b"served")

        response = await peer.read_response()

        assert (response.body, response.get("connection")) == (b"served", "close")
        assert await soon(draining, "the drain") is True


@pytest.mark.parametrize("has_asked", [False, True])
@played(loops=BOTH)
async def test_an_idle_connection_has_one_more_answer_in_a_drain(
    stage: Stage, has_asked: bool
) -> None:
    """A proxy may have sent a request on it before it sees that the listener is closed."""
    peer = await stage.peer()
    if has_asked:
        await peer.send(GET)
        (await stage.request()).connection.respond(200)
        await peer.read_response()
    await until(lambda: stage.open_count == 1)
    draining = asyncio.create_task(stage.server.drain(60))
    await until(lambda: stage.server.is_draining)

    await peer.send(GET)
    (await stage.request()).connection.respond(200, [], b"one more")

    response = await peer.read_response()
    assert (response.body, response.get("connection")) == (b"one more", "close")
    assert await peer.read_to_end() == (b"", "end")
    assert await soon(draining, "the drain") is True


@played(loops=BOTH)
async def test_a_response_that_began_before_a_drain_does_not_end_its_connection(
    stage: Stage,
) -> None:
    """Its head did not announce that, so the next request may be on its way."""
    peer, request = await stage.exchange(GET)
    request.connection.start(200)
    draining = asyncio.create_task(stage.server.drain(60))
    await until(lambda: stage.server.is_draining)
    await peer.send(GET)
    request.connection.end()

    assert (await peer.read_response()).get("connection") is None
    (await stage.request()).connection.respond(200, [], b"one more")

    response = await peer.read_response()
    assert (response.body, response.get("connection")) == (b"one more", "close")
    assert await soon(draining, "the drain") is True


@played()
async def test_a_stop_cuts_what_the_kernel_has_accepted(stage: Stage) -> None:
    with socket.create_connection(("127.0.0.1", stage.server.port)) as client:
        await stage.server.stop()

        assert stage.open_count == 0
        client.settimeout(10)
        with pytest.raises(ConnectionResetError):
            client.recv(1)


@played()
async def test_a_drain_has_a_deadline(stage: Stage) -> None:
    _, request = await stage.exchange(GET)
    draining = asyncio.create_task(stage.server.drain(60))
    await until(lambda: stage.server.is_draining)

    stage.clock.advance(59)
    assert not draining.done()
    stage.clock.advance(1)

    assert await soon(draining, "the drain") is False
    assert request.events == ["end"]
    assert stage.open_count == 1


@played()
async def test_nothing_to_drain(stage: Stage) -> None:
    assert await stage.server.drain(0) is True
    assert await stage.server.drain(0) is True


@played(loops=BOTH)
async def test_a_stop_breaks_everything_off_visibly(stage: Stage) -> None:
    held, held_request = await stage.exchange(GET)
    streaming, streaming_request = await stage.exchange(GET)
    streaming_request.connection.start(200)
    streaming_request.connection.write(b"half")
    old, old_request = await stage.exchange(b"GET / HTTP/1.0\r\n\r\n")
    old_request.connection.start(200)
    old_request.connection.write(b"half")
    uploading, uploading_request = await stage.exchange(post(10) + b"x")
    idle = await stage.peer()
    await until(lambda: stage.open_count == 5)

    await stage.server.stop()

    assert stage.open_count == stage.watched_count == 0
    for request in (held_request, streaming_request, old_request, uploading_request):
        assert request.events[-1] == "gone", "the application learns of it"
    held_request.connection.respond(200)  # which is too late, and does no harm
    streaming_request.connection.end()
    assert await held.read_to_end() == (b"", "reset")
    with pytest.raises(Broken):
        await streaming.read_response()
    with pytest.raises(Broken):
        await old.read_response()
    assert (await uploading.read_to_end())[0] == b""
    assert (await idle.read_to_end())[0] == b""
    assert await is_refused(stage)
    await stage.server.stop()


@played(loops=BOTH, linger_timeout_s=TIMEOUT_S)
async def test_a_stop_does_not_wait_for_a_peer_that_reads_nothing(stage: Stage) -> None:
    peer, request = await stage.exchange(GET, receive_bytes=UNREAD)
    request.connection.start(200)
    request.connection.write(b"x" * BIG)
    stopping = asyncio.create_task(stage.server.stop())
    await stage.reach(Phase.CLOSING)

    stage.clock.advance(TIMEOUT_S)
    await soon(stopping, "the stop")

    assert stage.open_count == stage.watched_count == 0
    with pytest.raises(Broken):
        await peer.read_response()


@played()
async def test_an_answer_to_a_stop_is_not_waited_for(stage: Stage) -> None:
    """The application may answer when it is told: it is too late, and does no harm."""
    stage.scripts["gone"] = lambda r: r.connection.respond(503)
    await stage.exchange(GET)
    _, uploading = await stage.exchange(post(10) + b"x")

    await stage.server.stop()

    assert stage.open_count == stage.watched_count == 0
    assert uploading.events == ["body", "gone"]


def test_a_server_that_could_not_start_can_be_stopped() -> None:
    async def story() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            server = HttpServer(never, name="late")
            with pytest.raises(OSError):
                await server.start("127.0.0.1", taken.getsockname()[1])
            await server.stop()
        await HttpServer(never, name="never").stop()

    run(story())


def never(head: RequestHead, connection: Connection) -> Receiver:
    raise AssertionError("no request comes")


def test_a_server_says_where_it_listens() -> None:
    async def story() -> None:
        server = HttpServer(never, name="x", bounds=HttpLimits())
        await server.start("127.0.0.1", 0)
        assert server.host == "127.0.0.1"
        assert server.port > 0
        await server.stop()

    run(story())


@pytest.mark.parametrize(
    ("stall_timeout_s", "idle_s"), [(60.0, 120), (0.01, 1), (86_400.0, 32_767)]
)
def test_the_kernel_watches_for_peers_that_vanish(stall_timeout_s: float, idle_s: int) -> None:
    """After twice the longest silence that is allowed, or the most that Linux takes."""

    async def story() -> None:
        server = HttpServer(never, name="x", bounds=HttpLimits(stall_timeout_s=stall_timeout_s))
        await server.start("127.0.0.1", 0)
        assert server._listener is not None
        sock = server._listener.sockets[0]
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        if sys.platform == "linux":
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == idle_s
            timeout_ms = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
            assert timeout_ms == idle_s * 1_000
        await server.stop()

    run(story())


# --- nothing is left -----------------------------------------------------------------------------


@played(loops=BOTH)
async def test_many_peers_come_and_go(stage: Stage) -> None:
    """Each in its own way; connections are freed without the help of the cycle collector."""
    gc.collect()
    before = connection_objects()  # what a test that failed has left in its traceback
    gc.disable()
    try:
        for i in range(60):
            peer = await stage.peer(GET if i % 2 else post(10) + b"x")
            request = await stage.request()
            match i % 6:
                case 0:
                    peer.reset()
                case 1:
                    request.connection.respond(200)
                    await peer.read_response()
                    peer.close()
                case 2:
                    request.connection.respond(413)
                    await peer.read_response()
                    peer.close()
                case 3:
                    request.connection.abort()
                case 4:
                    await peer.send(b"x" * 9)
                    await until(lambda request=request: "end" in request.events)
                    request.connection.start(200)
                    peer.fin()
                case _:
                    request.connection.reset()
            del peer, request
            await until(lambda: stage.open_count == 0)
            assert stage.watched_count == 0
        stage.requests.clear()
        await until(lambda: connection_objects() <= before, "connections to be freed")
    finally:
        gc.enable()


def connection_objects() -> int:
    return sum(issubclass(type(found), Connection) for found in gc.get_objects())


@played()
async def test_the_statistics_count_what_is_open(stage: Stage) -> None:
    peers: list[Peer] = [await stage.peer() for _ in range(3)]
    await until(lambda: stage.server.statistics() == counts(3, 0))
    await peers[0].send(GET)
    request = await stage.request()

    assert stage.server.statistics() == counts(3, 1)
    request.connection.start(200)
    assert request.connection.phase is Phase.ANSWER
    request.connection.end()
    assert stage.server.statistics() == counts(3, 0)
    for peer in peers:
        peer.close()
    await until(lambda: stage.server.statistics() == counts(0, 0))


def counts(connections: int, answering: int) -> dict[str, int]:
    return {"connections": connections, "answering": answering, "uploads": 0}
