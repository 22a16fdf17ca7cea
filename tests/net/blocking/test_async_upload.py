"""The upload in an event loop: it waits without blocking, and is told of its end at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvloop
from tests.peers import WAIT_S, Callback, Peer, Running

from tailrace.errors import AnsweredEarlyError, PeerError
from tailrace.net.blocking.async_upload import AsyncUpload
from tailrace.net.blocking.upload import Upload, open_upload

Run = Callable[[Coroutine[Any, Any, Any]], Any]


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    return asyncio.run if request.param == "asyncio" else uvloop.run


@asynccontextmanager
async def attached(
    peer: Peer, over: list[PeerError]
) -> AsyncIterator[tuple[Upload, AsyncUpload, Callback]]:
    call = Running(open_upload, peer.url)
    callback = peer.accept_callback()
    callback.go_on()
    upload = call.result()
    watch = AsyncUpload(upload, over.append)
    try:
        yield upload, watch, callback
    finally:
        watch.detach()
        watch.detach()
        upload.abort()


def fill(upload: Upload) -> int:
    total = 0
    while not upload.has_unsent:
        upload.put(b"x" * 50_000)
        total += 50_000
    return total


def read_all(callback: Callback, total: int) -> int:
    received = 0
    while received < total:
        received += len(callback.read_chunk())
    return received


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not condition():
            await asyncio.sleep(0.001)


async def turn() -> None:
    """Let everything that can go on do so."""
    for _ in range(5):
        await asyncio.sleep(0)


def test_what_the_kernel_takes_needs_no_turn_of_the_loop(peer: Peer, run: Run) -> None:
    async def story() -> None:
        async with attached(peer, []) as (upload, watch, callback):
            upload.put(b"one")
            assert callback.read_chunk() == b"one"  # blocks the loop, on purpose
            await watch.drain()

    run(story())


def test_drain_waits_for_a_slow_peer_while_the_loop_goes_on(peer: Peer, run: Run) -> None:
    async def story() -> None:
        async with attached(peer, []) as (upload, watch, callback):
            total = fill(upload)
            drains = asyncio.gather(watch.drain(), watch.drain())
            await turn()
            assert not drains.done()

            received = await asyncio.to_thread(read_all, callback, total)

            await drains
            assert received == total

    run(story())


def test_what_is_queued_is_sent_although_nobody_waits(peer: Peer, run: Run) -> None:
    async def story() -> None:
        async with attached(peer, []) as (upload, watch, callback):
            watch.send_queued()  # nothing is
            total = fill(upload)
            watch.send_queued()
            watch.send_queued()

            assert await asyncio.to_thread(read_all, callback, total) == total

            assert not upload.has_unsent
            watch.detach()
            watch.send_queued()  # as if nothing were attached

    run(story())


def test_a_cancelled_drain_leaves_its_bytes_to_be_sent(peer: Peer, run: Run) -> None:
    async def story() -> None:
        async with attached(peer, []) as (upload, watch, callback):
            total = fill(upload)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(watch.drain(), 0.01)

            assert await asyncio.to_thread(read_all, callback, total) == total
            await until(lambda: not upload.has_unsent)

    run(story())


def test_a_stall_ends_at_its_time_out(peer: Peer, run: Run) -> None:
    async def story() -> None:
        async with attached(peer, []) as (upload, watch, _):
            fill(upload)
            with pytest.raises(PeerError, match="took no bytes within the time-out"):
                await watch.drain(timeout_s=0.02)

    run(story())


@pytest.mark.parametrize("how", ["410", "close", "reset"])
def test_the_end_is_told_at_once_and_once(peer: Peer, run: Run, how: str) -> None:
    over: list[PeerError] = []

    async def story() -> None:
        async with attached(peer, over) as (upload, _, callback):
            if how == "410":
                callback.answer(410, b"left")
            else:
                getattr(callback, how)()
            await until(lambda: over)
            assert upload.is_over
            with pytest.raises(PeerError):
                upload.put(b"x")

    run(story())
    (error,) = over
    assert isinstance(error, AnsweredEarlyError) == (how == "410")


@pytest.mark.parametrize("how", ["410", "reset"])
def test_a_blocked_drain_is_told_too(peer: Peer, run: Run, how: str) -> None:
    over: list[PeerError] = []

    async def story() -> None:
        async with attached(peer, over) as (upload, watch, callback):
            fill(upload)
            drain = asyncio.ensure_future(watch.drain())
            await turn()
            if how == "410":
                callback.answer(410, b"left")
            else:
                callback.reset()
            with pytest.raises(PeerError, match="410 left" if how == "410" else "broke"):
                await drain

    run(story())
    assert len(over) == 1


def test_the_last_word_after_the_end_is_no_surprise(peer: Peer, run: Run) -> None:
    over: list[PeerError] = []

    async def story() -> None:
        async with attached(peer, over) as (upload, watch, callback):
            upload.put_end()
            await watch.drain()
            assert callback.read_chunk() == b""
            callback.finish(b"")
            await until(lambda: upload.answer)

    run(story())
    assert over == []


def test_after_detaching_the_upload_blocks_again(peer: Peer, run: Run) -> None:
    async def story() -> Upload:
        async with attached(peer, []) as (upload, watch, callback):
            total = fill(upload)
            watch.detach()
            draining = Running(upload.drain)
            assert await asyncio.to_thread(read_all, callback, total) == total
            draining.result()
            return upload

    run(story())
