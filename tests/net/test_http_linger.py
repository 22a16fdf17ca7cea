"""The last answer on a connection: it is read to its end though more has come than was read."""

from __future__ import annotations

import asyncio

import pytest
from tests.fakes import until
from tests.net.stage import BOTH, GET, Stage, played, post

SHORT_S = 0.08  # a deadline that a test waits for
BIG = 1_048_576
UNREAD = 4_096


@pytest.mark.parametrize("raw", [post(10), GET + GET])
@played(loops=BOTH, linger_timeout_s=SHORT_S)
async def test_a_peer_that_reads_its_last_answer_slowly_gets_it_all(
    stage: Stage, raw: bytes
) -> None:
    peer, request = await stage.exchange(raw, receive_bytes=UNREAD)
    request.connection.respond(200, [], b"x" * BIG)

    await asyncio.sleep(4 * SHORT_S)

    assert (await peer.read_response()).body == b"x" * BIG
    assert await peer.read_to_end() == (b"", "end")


@played(loops=BOTH, linger_timeout_s=SHORT_S)
async def test_what_the_kernel_has_of_a_last_answer_is_not_lost(stage: Stage) -> None:
    peer, request = await stage.exchange(post(10), receive_bytes=UNREAD)
    request.connection.respond(413, [], b"x" * 30_000)

    await until(lambda: stage.open_count == 0)

    assert (await peer.read_response()).body == b"x" * 30_000
    assert await peer.read_to_end() == (b"", "end")
