"""Requests whose message is made after a wait; the rest of them is in test_pool.py."""

from __future__ import annotations

import asyncio

import pytest
from tests.fakes import settle, soon, until
from tests.net.client.test_pool import TIMEOUT_S, Stage, failure, played, post, whole

from tailrace.errors import EndpointError, PeerError
from tailrace.net.client.request import WholeRequest


class Maker:
    """Makes a message when it is told to."""

    def __init__(self, target: str = "/late") -> None:
        self.released = asyncio.Event()
        self.error: Exception | None = None
        self.is_cancelled = False
        self._target = target

    async def __call__(self) -> bytes:
        try:
            await self.released.wait()
        except asyncio.CancelledError:
            self.is_cancelled = True
            raise
        if self.error is not None:
            raise self.error
        return post(self._target)


@pytest.mark.parametrize("is_kept", [False, True])
@played()
async def test_a_message_is_sent_when_it_is_made(stage: Stage, is_kept: bool) -> None:
    end = await stage.kept() if is_kept else None
    make = Maker()
    task = asyncio.create_task(whole(stage.pool, make))
    assert end is None or await end.is_silent()

    make.released.set()
    end = end or await stage.accept()
    await end.serve("/late")

    assert (await soon(task)).body == b"/late"


@played()
async def test_a_message_that_is_made_takes_no_place(stage: Stage) -> None:
    end = await stage.kept()
    make = Maker()
    task = asyncio.create_task(whole(stage.pool, make))
    other = stage.ask("/other")
    await end.serve("/other")
    assert (await soon(other)).body == b"/other"

    make.released.set()
    await end.serve("/late")
    await soon(task)


@played()
async def test_a_message_that_is_made_is_sent_again_if_need_be(stage: Stage) -> None:
    end = await stage.kept()
    make = Maker()
    make.released.set()
    task = asyncio.create_task(whole(stage.pool, make))
    assert await end.asked() == "/late"
    end.close()

    await (await stage.accept()).serve("/late")

    assert (await soon(task)).body == b"/late"


@played(timeout_s=TIMEOUT_S)
async def test_the_time_of_a_request_starts_with_its_message(stage: Stage) -> None:
    make = Maker()
    task = asyncio.create_task(whole(stage.pool, make))
    await settle()
    stage.clock.advance(TIMEOUT_S + 1)
    make.released.set()
    end = await stage.accept()
    assert await end.asked() == "/late"

    stage.clock.advance(TIMEOUT_S - 1)
    assert not task.done()
    stage.clock.advance(2)

    assert isinstance(await failure(task), TimeoutError)


@played()
async def test_what_a_message_fails_with_is_the_result(stage: Stage) -> None:
    make = Maker()
    make.error = EndpointError("no credentials")
    make.released.set()

    with pytest.raises(EndpointError, match="no credentials"):
        await soon(whole(stage.pool, make))
    assert await stage.has_no_other()


@pytest.mark.parametrize("steps", range(3))
@played()
async def test_a_cancelled_request_makes_no_message(stage: Stage, steps: int) -> None:
    make = Maker()
    outcomes: list[WholeRequest] = []
    request = stage.pool.request(make, outcomes.append)
    for _ in range(steps):
        await asyncio.sleep(0)

    request.cancel()

    await until(lambda: not stage.pool.tasks)
    assert make.is_cancelled == (steps > 0)
    assert not outcomes


@pytest.mark.parametrize("steps", range(3))
@played()
async def test_closing_ends_requests_whose_message_is_made(stage: Stage, steps: int) -> None:
    done: asyncio.Future[WholeRequest] = asyncio.get_running_loop().create_future()
    stage.pool.request(Maker(), done.set_result)
    for _ in range(steps):
        await asyncio.sleep(0)

    await soon(stage.pool.close())

    with pytest.raises(PeerError, match="the connections are closed"):
        (await soon(done)).answer()
