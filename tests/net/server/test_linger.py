"""The last answer on a connection: it is read to its end though more has come than was read."""

from __future__ import annotations

import socket
import struct

import pytest
from tests.fakes import until
from tests.net.server.stage import BOTH, GET, Request, Stage, played, post

from tailrace.net.server.listener import Phase

TIMEOUT_S = 10.0
BIG = 1_048_576
UNREAD = 4_096


@pytest.mark.parametrize("raw", [post(10), GET + GET])
@played(loops=BOTH, linger_timeout_s=TIMEOUT_S)
async def test_a_peer_that_reads_its_last_answer_slowly_gets_it_all(
    stage: Stage, raw: bytes
) -> None:
    peer, request = await stage.exchange(raw, receive_bytes=UNREAD)
    request.connection.respond(200, [], b"x" * BIG)

    await stage.reach(Phase.LINGER)
    stage.clock.advance(4 * TIMEOUT_S)

    assert (await peer.read_response()).body == b"x" * BIG
    assert await peer.read_to_end() == (b"", "end")


@played(loops=BOTH, linger_timeout_s=TIMEOUT_S)
async def test_what_the_kernel_has_of_a_last_answer_is_not_lost(stage: Stage) -> None:
    peer, request = await stage.exchange(post(10), receive_bytes=UNREAD)
    request.connection.respond(413, [], b"x" * 30_000)
    await until(lambda: not request.connection.unsent_bytes)

    stage.clock.advance(TIMEOUT_S + 1)
    await until(lambda: stage.open_count == 0)

    assert (await peer.read_response()).body == b"x" * 30_000
    assert await peer.read_to_end() == (b"", "end")


OLD_GET = b"GET / HTTP/1.0\r\n\r\n"
OLD_POST = b"POST / HTTP/1.0\r\nContent-Length: 10\r\n\r\n"


def resets_on_close(request: Request) -> bool:
    """Whether the kernel would reset the connection if the process were killed now."""
    sock = request.connection._transport.get_extra_info("socket")
    return struct.unpack("ii", sock.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8)) == (1, 0)


@played(loops=BOTH)
async def test_a_body_that_ends_with_its_connection_resets_it_while_it_is_open(
    stage: Stage,
) -> None:
    """Also when all of it has been written, until the kernel has the last byte."""
    peer, request = await stage.exchange(OLD_GET, receive_bytes=UNREAD)
    assert not resets_on_close(request)
    request.connection.start(200)
    assert resets_on_close(request)
    request.connection.write(b"x" * BIG)
    request.connection.end()
    assert request.connection.unsent_bytes
    assert resets_on_close(request)

    assert (await peer.read_response()).body == b"x" * BIG
    assert await peer.read_to_end() == (b"", "end")


@pytest.mark.parametrize("raw", [GET, GET.replace(b"GET", b"HEAD"), OLD_GET])
@played(loops=BOTH)
async def test_a_body_whose_end_can_be_seen_resets_nothing(stage: Stage, raw: bytes) -> None:
    peer, request = await stage.exchange(raw)
    request.connection.start(200, [], 1 if raw is OLD_GET else None)

    assert not resets_on_close(request)

    request.connection.write(b"x")
    request.connection.end()
    await peer.read_response(request.head.method)


@pytest.mark.parametrize("size", [0, 1, BIG])
@pytest.mark.parametrize("raw", [OLD_GET, OLD_POST, OLD_GET + b"more"])
@played(loops=BOTH)
async def test_a_body_that_ends_with_its_connection_is_not_lost_at_its_end(
    stage: Stage, raw: bytes, size: int
) -> None:
    """With unread bytes of the request as well, and in one read with its head or later."""
    peer, request = await stage.exchange(raw)
    request.connection.start(200)
    request.connection.write(b"x" * size)
    request.connection.end()

    assert len((await peer.read_response()).body) == size
    assert await peer.read_to_end() == (b"", "end")
    peer.close()
    await until(lambda: stage.open_count == 0)


@played(loops=BOTH)
async def test_a_client_that_half_closes_gets_the_rest_of_a_body_that_has_ended(
    stage: Stage,
) -> None:
    peer, request = await stage.exchange(OLD_GET, receive_bytes=UNREAD)
    request.connection.start(200)
    request.connection.write(b"x" * BIG)
    request.connection.end()

    peer.fin()

    assert len((await peer.read_response()).body) == BIG
