"""Requests that two servers could read differently: refused, or read as exactly one request.

Each row of the corpus is sent whole, in two pieces and byte by byte, to an application that answers
when the request is complete, and to one that answers when it has seen the head.
"""

from __future__ import annotations

import asyncio
import re

import pytest
from tests.fakes import until
from tests.hostile.corpus import ROWS, SMUGGLED, One, request
from tests.net.server.stage import Request, Stage, played, post

SPLITS = ("whole", "head first", "byte by byte")


def split(raw: bytes, how: str) -> list[bytes]:
    if how == "whole":
        return [raw]
    if how == "head first":
        head, end, rest = raw.partition(b"\r\n\r\n")
        return [piece for piece in (head + end, rest) if piece]
    return [raw[i : i + 1] for i in range(len(raw))]


async def send(stage: Stage, pieces: list[bytes]) -> tuple[list[int], str]:
    """Send the pieces, each read for itself, and half-close; return the statuses and the end."""
    peer = await stage.peer()
    try:
        for piece in pieces:
            await peer.send(piece)
            for _ in range(2 if len(pieces) > 3 else 5):
                await asyncio.sleep(0)
        peer.fin()
    except OSError:
        pass  # refused, and cut because it went on
    received, how = await peer.read_to_end()
    peer.close()
    await until(lambda: stage.open_count == 0)
    statuses = map(int, re.findall(rb"HTTP/1\.1 (\d{3}) ", received))
    return [status for status in statuses if status >= 200], how


def answer(request: Request) -> None:
    if not request.connection.is_answered and request.events[-1:] != ["body"]:
        request.connection.respond(200)


@pytest.mark.parametrize(("raw", "expected"), ROWS.values(), ids=list(ROWS))
@played()
async def test_it_is_refused_or_read_as_one_request(
    stage: Stage, raw: bytes, expected: int | One
) -> None:
    for how in SPLITS:
        if len(raw) > 1_000 and how == "byte by byte":
            continue
        stage.requests.clear()
        stage.scripts = {"end": answer}

        statuses, _ = await send(stage, split(raw, how))

        complete = [r for r in stage.requests if "end" in r.events]
        if isinstance(expected, One):
            [one] = complete
            assert statuses[0] == 200, how
            assert all(400 <= status < 600 for status in statuses[1:]), how
            assert (one.head.method, one.head.target) == (expected.method, expected.target)
            assert one.body == expected.body, how
        else:
            assert statuses == [expected], how
            assert complete == [], how
        assert not [r for r in stage.requests if r.head.path == "/smuggled"]


@pytest.mark.parametrize(("raw", "expected"), ROWS.values(), ids=list(ROWS))
@played()
async def test_an_early_answer_lets_nothing_through(
    stage: Stage, raw: bytes, expected: int | One
) -> None:
    """What is left of a body that nobody has read must not become a request."""
    for how in SPLITS[:2]:
        stage.requests.clear()
        stage.scripts = {"head": answer}

        statuses, _ = await send(stage, split(raw, how))

        assert len(stage.requests) <= 1, how
        assert statuses[0] == (200 if stage.requests else expected)
        assert all(400 <= status < 600 for status in statuses[1:]), how
        assert not [r for r in stage.requests if r.head.path == "/smuggled"]


@played(body_timeout_s=10.0)
async def test_a_pause_lets_nothing_through(stage: Stage) -> None:
    """Pause-based desync: a server that gives a body up takes what follows for a request."""
    peer, _ = await stage.exchange(post(len(SMUGGLED)))
    stage.clock.advance(11.0)
    assert (await peer.read_response()).status == 408

    await peer.send(SMUGGLED)
    peer.fin()

    assert await peer.read_to_end() == (b"", "end")
    assert [r.head.path for r in stage.requests] == ["/"]


@played()
async def test_two_requests_in_turn_are_two(stage: Stage) -> None:
    """The other side of the rule: what is well separated is served, in order."""
    stage.scripts["end"] = answer
    peer = await stage.peer(request(b"Content-Length: 3\r\n", b"abc"))
    assert (await peer.read_response()).status == 200

    await peer.send(SMUGGLED)

    assert (await peer.read_response()).status == 200
    assert [r.head.path for r in stage.requests] == ["/", "/smuggled"]
