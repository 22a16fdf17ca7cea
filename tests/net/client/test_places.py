"""Places: taken and given in order, and none is lost with one who waited."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from tests.fakes import settle, soon

from tailrace.net.client.places import Places


def played(story: Callable[[], Awaitable[None]]) -> Callable[[], None]:
    def test() -> None:
        asyncio.run(soon(story()))

    return test


def test_there_are_so_many_places_and_no_more() -> None:
    places = Places(2)

    assert [places.take() for _ in range(3)] == [True, True, False]
    places.free()
    assert [places.take() for _ in range(2)] == [True, False]


@played
async def test_a_freed_place_is_given_to_the_first_who_waits() -> None:
    places = Places(1)
    order: list[str] = []

    async def enter(name: str) -> None:
        await places.wait()
        order.append(name)

    await enter("first")
    tasks = [asyncio.create_task(enter(name)) for name in ("second", "third")]
    await settle()
    assert order == ["first"]

    places.free()
    assert not places.take()  # it is given, though the second has not run yet
    await tasks[0]
    places.free()
    await tasks[1]

    assert order == ["first", "second", "third"]


@pytest.mark.parametrize("is_given", [False, True])
def test_a_place_is_not_lost_with_one_who_leaves(is_given: bool) -> None:
    @played
    async def story() -> None:
        places = Places(1)
        assert places.take()
        leaving, waiting = (asyncio.create_task(places.wait()) for _ in range(2))
        await settle()

        if is_given:
            places.free()
        leaving.cancel()
        if not is_given:
            places.free()

        await waiting
        assert leaving.cancelled()
        places.free()
        assert [places.take() for _ in range(2)] == [True, False]

    story()
