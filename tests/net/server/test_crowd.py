"""A server that too many come to, and senders that take too long."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
import uvloop
from tests.fakes import Peer, until
from tests.net.server.stage import BOTH, GET, Stage, played, post

from tailrace import limits
from tailrace.net.server.listener import Phase


@played(loops=BOTH, body_timeout_s=10.0, body_total_timeout_s=40.0)
async def test_a_dribbled_body_has_a_deadline_for_all_of_it(stage: Stage) -> None:
    peer, request = await stage.exchange(post(1_000_000))

    for count in range(1, 40):
        stage.clock.advance(1)
        await peer.send(b"x")
        await until(lambda count=count: len(request.body) == count)
    assert request.events == ["body"]
    stage.clock.advance(2)

    assert (await peer.read_response()).status == 408
    assert request.events == ["body", "gone"]


def test_connections_closed_at_the_limit_are_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    @played(is_quiet=False, connections=1)
    async def story(stage: Stage) -> None:
        await stage.exchange(GET)
        for _ in range(3):
            assert (await (await stage.peer()).read_to_end())[1] == "reset"
        await until(lambda: stage.open_count == 1)
        assert not stage.failures

    story()

    messages = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert messages == ["stage listener: 1 connections closed, over the limit of 1 at a time"]


@played(is_quiet=False, connections=3)
async def test_a_newcomer_takes_the_place_of_the_one_that_waited_longest(stage: Stage) -> None:
    answering, request = await stage.exchange(GET)
    first_idle = await stage.peer()
    await until(lambda: stage.open_count == 2)
    stage.clock.advance(1)
    second_idle = await stage.peer()
    await until(lambda: stage.open_count == 3)

    newcomer, its_request = await stage.exchange(GET)

    assert (await first_idle.read_to_end()) == (b"", "end")
    its_request.connection.respond(200, [], b"new")
    assert (await newcomer.read_response()).body == b"new"
    request.connection.respond(200, [], b"old")
    assert (await answering.read_response()).body == b"old"
    await second_idle.send(GET)
    (await stage.request()).connection.respond(200, [], b"idle")
    assert (await second_idle.read_response()).body == b"idle"
    assert stage.server.crowd.refused == {"connections": 1, "uploads": 0, "descriptors": 0}


@played(is_quiet=False, connections=1)
async def test_a_newcomer_takes_the_place_of_a_head_that_does_not_end(stage: Stage) -> None:
    slow = await stage.peer(b"GET / HT")
    await until(lambda: stage.open_count == 1)

    newcomer, request = await stage.exchange(GET)

    assert (await slow.read_to_end())[0] == b""
    request.connection.respond(200, [], b"new")
    assert (await newcomer.read_response()).body == b"new"


@played(is_quiet=False, connections=2)
async def test_no_newcomer_takes_the_place_of_an_upload_or_an_answer(stage: Stage) -> None:
    uploading, upload = await stage.exchange(post(2))
    answering, request = await stage.exchange(GET)

    assert (await (await stage.peer()).read_to_end())[1] == "reset"

    await uploading.send(b"ab")
    await until(lambda: upload.events == ["body", "end"])
    for peer, each in ((uploading, upload), (answering, request)):
        each.connection.respond(200, [], b"x")
        assert (await peer.read_response()).body == b"x"


@played(is_quiet=False, connections=1)
async def test_no_newcomer_takes_the_place_of_an_answer_that_is_being_read(stage: Stage) -> None:
    """Closed behind its last byte, it would stay: more and more connections above the bound."""
    slow, request = await stage.exchange(GET)
    body = bytes(20 * 2**20)
    request.connection.respond(200, [], body)
    await until(lambda: request.connection.phase is Phase.IDLE)
    assert request.connection.unsent_bytes

    assert (await (await stage.peer()).read_to_end())[1] == "reset"

    assert request.connection.phase is Phase.IDLE
    assert (await slow.read_response()).body == body


@played(is_quiet=False, uploads=2, body_total_timeout_s=300.0)
async def test_an_upload_takes_the_place_of_one_that_takes_too_long(stage: Stage) -> None:
    slow, _ = await stage.exchange(post(2) + b"a")
    stage.clock.advance(1)
    quick, quick_request = await stage.exchange(post(2) + b"a")
    stage.clock.advance(limits.UPLOAD_KEPT_S - 2)
    early, _ = await stage.exchange(post(2))
    refused = await early.read_response()
    stage.clock.advance(1)

    late, late_request = await stage.exchange(post(2) + b"a")

    assert (refused.status, refused.get("retry-after")) == (503, "1")
    assert (await slow.read_response()).status == 408
    for peer, request in ((quick, quick_request), (late, late_request)):
        await peer.send(b"b")
        await until(lambda request=request: "end" in request.events)
        request.connection.respond(200, [], request.body)
        assert (await peer.read_response()).body == b"ab"
    assert stage.server.crowd.refused["uploads"] == 2
    assert stage.server.statistics()["uploads"] == 0


SHORT_OF_DESCRIPTORS = """
import asyncio, resource, sys
from tailrace.net.server.listener import IGNORE, HttpLimits, HttpServer
from tailrace.net.process.startup import run
resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))

def serve(head, connection):
    connection.respond(200)
    return IGNORE

async def main():
    servers = HttpServer(serve, name="clients"), HttpServer(
        serve, name="functions", bounds=HttpLimits(descriptors_left=8, uploads=None)
    )
    for server in servers:
        await server.start("127.0.0.1", 0)
    others = []
    while not others or others[-1].fileno() < 256 - 32 - 4:
        others.append(open("/dev/null"))
    print(*(server.port for server in servers), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    print(*(server.crowd.refused["descriptors"] for server in servers))

run(main())
"""


def test_clients_leave_the_last_descriptors_to_functions() -> None:
    """Something else has taken nearly all: no count of connections would tell."""
    process = subprocess.Popen(
        [sys.executable, "-c", SHORT_OF_DESCRIPTORS],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    ports = process.stdout.readline().split()

    async def count_served() -> list[int]:
        counts = []
        peers = []
        for port in ports:
            served = 0
            for _ in range(12):
                peer = await Peer.connect(f"http://127.0.0.1:{port}")
                peers.append(peer)
                await peer.send(GET)
                served += (await peer.read_response()).status == 200
            counts.append(served)
        for peer in peers:
            peer.close()
        return counts

    assert uvloop.run(count_served()) == [12, 12]  # clients in the places of idle ones
    counts, log = process.communicate("", timeout=60)

    of_clients, of_functions = map(int, counts.split())
    assert of_clients >= 8
    assert of_functions == 0
    assert re.search(r"^clients listener: \d+ connections closed: the limit of 256 open", log)


@played(stall_timeout_s=10.0)
async def test_responses_that_are_being_sent_are_not_searched_for_idle_connections(
    stage: Stage,
) -> None:
    """A flood of newcomers would cost a search of all of them each."""
    _, request = await stage.exchange(GET, receive_bytes=4_096)
    request.connection.start(200)
    assert stage.watched_count == 1
    assert list(stage.server.deadlines) == []

    request.connection.end()
    assert list(stage.server.deadlines) == [request.connection]
