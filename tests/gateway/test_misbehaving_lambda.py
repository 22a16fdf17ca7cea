"""A Lambda that doubles, delays, loses and refuses invocations, and functions that die."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import Any, Final

from tests.fakes import (
    Answer,
    Broken,
    Invocation,
    accept,
    encode_head,
    never,
    refuse,
    until,
)
from tests.gateway.world import FixedRoute, World, played

from tailrace.net.server.listener import Connection

COUNT: Final = 400
CLIENTS: Final = 50
TIMEOUT_S: Final = 10.0
FATES: Final = random.Random(11).choices(
    ("fine", "doubled", "late", "dies", "dies early", "lost", "throttled", "unanswered"),
    (72, 5, 5, 5, 3, 2, 5, 3),
    k=COUNT,
)


def body_of(number: int) -> bytes:
    """What a client must get, if it gets all."""
    return random.Random(number).randbytes(1 + number * 37 % 20_000)


class Functions:
    """Plays the functions, each as its fate says; counts how often each was told to run."""

    def __init__(self, world: World) -> None:
        self.runs: Counter[int] = Counter()
        self._world = world

    def answer(self, connection: Connection) -> None:
        """The Lambda endpoint's answer to an invocation."""
        fate = FATES[number_of(self._world.endpoint.invocations[-1])]
        answer: Answer = accept
        if fate == "throttled":
            answer = refuse(429, "TooManyRequestsException")
        elif fate == "unanswered":
            answer = never
        answer(connection)

    async def play_all(self) -> None:
        """Play every invocation, all at the same time."""
        async with asyncio.TaskGroup() as group:
            for _ in range(COUNT):
                invocation = await self._world.invocation()
                fate = FATES[number_of(invocation)]
                if fate not in ("lost", "throttled"):
                    for _ in range(2 if fate == "doubled" else 1):
                        group.create_task(self._play(invocation, fate))

    async def _play(self, invocation: Invocation, fate: str) -> None:
        number = number_of(invocation)
        if fate == "late":
            await until(lambda: self._is_over(invocation), "the deadline")
        function = await self._world.function(invocation.url)
        await function.post()
        if await function.read_status() != 100:
            return
        self.runs[number] += 1
        if fate == "dies early":
            function.reset()
            return
        body = body_of(number)
        await function.write(encode_head())
        for at in range(0, len(body), 3_000):
            await function.write(body[at : at + 3_000])
        if fate == "dies":
            function.fin()
            return
        await function.end()
        assert await function.read_status() == 200

    def _is_over(self, invocation: Invocation) -> bool:
        return self._world.gateway._registry.find(invocation.event["requestId"]) is None


def number_of(invocation: Invocation) -> int:
    return int(invocation.event["rawPath"].removeprefix("/"))


async def ask(world: World, number: int) -> tuple[int, bytes | None]:
    """A client: the status, and the body if it was complete."""
    client = await world.client()
    await client.request("GET", f"/{number}")
    head = await client.read_head()
    try:
        return head.status, await client.read_body(head)
    except Broken as broken:
        assert body_of(number).startswith(broken.received)
        return head.status, None
    finally:
        client.close()


async def pass_time(world: World, asking: asyncio.Future[Any]) -> None:
    """Let the deadline pass whenever everything that is held waits for nothing else."""
    while not asking.done():
        held = world.gateway._registry._held.values()
        if held and all(FATES[int(one.path.removeprefix("/"))] in ("late", "lost") for one in held):
            world.clock.advance(TIMEOUT_S + 1)
        await asyncio.sleep(0)


@played(first_byte_s=TIMEOUT_S, route=lambda host, path: FixedRoute(concurrency=COUNT))
async def test_each_client_gets_exactly_its_answer(world: World) -> None:
    functions = Functions(world)
    world.endpoint.answer = functions.answer

    async def ask_all() -> list[tuple[int, bytes | None]]:
        """In rounds: a client that waits for the deadline waits for those of its round alone."""
        answers: list[tuple[int, bytes | None]] = []
        for first in range(0, COUNT, CLIENTS):
            numbers = range(first, first + CLIENTS)
            answers += await asyncio.gather(*(ask(world, number) for number in numbers))
        return answers

    playing = asyncio.create_task(functions.play_all())
    asking = asyncio.create_task(ask_all())
    await pass_time(world, asking)
    answers = await asking
    await playing

    for number, (status, body) in enumerate(answers):
        match FATES[number]:
            case "fine" | "doubled" | "unanswered":
                assert (status, body) == (200, body_of(number))
                assert functions.runs[number] == 1
            case "dies":
                assert (status, body) == (200, None)
                assert functions.runs[number] == 1
            case "dies early":
                assert (status, functions.runs[number]) == (502, 1)
            case "late" | "lost":
                assert (status, functions.runs[number]) == (504, 0)
            case "throttled":
                assert (status, functions.runs[number]) == (503, 0)
    assert len(world.summaries()) == COUNT
