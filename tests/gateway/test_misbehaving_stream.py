"""A Lambda whose response streams fail in every way at once, with many clients."""

from __future__ import annotations

import asyncio
import random
from typing import Any, Final

from tests.fakes import Broken, encode_head, refuse
from tests.gateway.stream_world import LambdaStream, StreamLambda, next_stream, streamed
from tests.gateway.world import FixedRoute, World

from tailrace.net.server.listener import Connection
from tailrace.wire.event_stream import encode_chunk, encode_complete

COUNT: Final = 400
CLIENTS: Final = 50
TIMEOUT_S: Final = 10.0
FATES: Final = random.Random(12).choices(
    (
        *("fine", "plain", "fails early", "fails late", "cut", "cut early", "unfinished"),
        *("corrupt", "silent", "throttled", "left"),
    ),
    (60, 5, 4, 4, 5, 3, 4, 5, 3, 4, 5),
    k=COUNT,
)


def body_of(number: int) -> bytes:
    """What a client must get, if it gets all."""
    return b"#" + random.Random(number).randbytes(number * 37 % 20_000)


def pieces_of(number: int, wire: bytes) -> list[bytes]:
    """The wire, cut at random."""
    dice = random.Random(number)
    cuts = sorted(dice.randrange(len(wire) + 1) for _ in range(dice.randrange(6)))
    return [wire[a:b] for a, b in zip([0, *cuts], [*cuts, len(wire)], strict=True)]


class Functions:
    """Plays the functions, each as its fate says."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.reached: set[int] = set()
        """The requests whose invocations have reached Lambda."""

    def answer(self, connection: Connection) -> None:
        """Whom Lambda refuses."""
        number = number_of(self._world.endpoint.invocations[-1].event)
        self.reached.add(number)
        if FATES[number] == "throttled":
            refuse(429, "TooManyRequestsException")(connection)

    async def play_all(self) -> None:
        """Play every invocation, all at the same time."""
        async with asyncio.TaskGroup() as group:
            for _ in range(COUNT):
                stream = await next_stream(self._world)
                fate = FATES[number_of(stream.event)]
                if fate not in ("throttled", "silent"):
                    group.create_task(self._play(stream, fate))

    async def _play(self, stream: LambdaStream, fate: str) -> None:
        number = number_of(stream.event)
        stream.begin()
        for piece in pieces_of(number, wire_of(number, fate)):
            stream.send(piece)
            await asyncio.sleep(0)
        if fate in ("fine", "plain", "fails early", "fails late", "unfinished"):
            stream.end()
        elif fate in ("cut", "cut early"):
            stream.break_off()


def wire_of(number: int, fate: str) -> bytes:
    """What Lambda sends."""
    body = body_of(number)
    head = b"" if fate == "plain" else encode_head(201)
    half = encode_chunk(head) + encode_chunk(body[: len(body) // 2])
    whole = half + encode_chunk(body[len(body) // 2 :])
    match fate:
        case "fine" | "plain":
            return whole + encode_complete()
        case "fails early":
            return encode_chunk(head[:7]) + encode_complete("Unhandled", "{}")
        case "fails late":
            return half + encode_complete("Unhandled", "{}")
        case "cut early":
            return encode_chunk(head)[:-1]
        case "corrupt":
            at = number * 7 % len(whole)
            return whole[:at] + bytes((whole[at] ^ 16,)) + whole[at + 1 :] + encode_complete()
        case "unfinished":
            return whole
    return half


def number_of(event: dict[str, str]) -> int:
    return int(event["rawPath"].removeprefix("/"))


async def ask(world: World, number: int) -> tuple[int, bytes | None]:
    """A client: the status, and the body if it was complete."""
    client = await world.client()
    await client.request("GET", f"/{number}")
    try:
        head = await client.read_head()
        if FATES[number] == "left":
            return head.status, None
        return head.status, await client.read_body(head)
    except Broken as broken:
        assert body_of(number).startswith(broken.received)
        return head.status, None
    finally:
        client.close()


async def pass_time(world: World, functions: Functions, asking: asyncio.Future[Any]) -> None:
    """Let the deadline pass whenever everything that is held waits for nothing else."""
    while not asking.done():
        held = {int(one.path.removeprefix("/")) for one in world.gateway._registry._held.values()}
        if held and held <= functions.reached and {FATES[number] for number in held} == {"silent"}:
            world.clock.advance(TIMEOUT_S + 1)
        await asyncio.sleep(0)


@streamed(FixedRoute(transport="response-stream", concurrency=COUNT), first_byte_s=TIMEOUT_S)
async def test_each_client_gets_exactly_its_answer(world: World) -> None:
    assert isinstance(world.endpoint, StreamLambda)
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
    await pass_time(world, functions, asking)
    answers = await asking
    await playing

    for number, (status, body) in enumerate(answers):
        match FATES[number]:
            case "fine":
                assert (status, body) == (201, body_of(number))
            case "plain":
                assert (status, body) == (200, body_of(number))
            case "fails early" | "cut early":
                assert status == 502
            case "fails late" | "cut" | "unfinished" | "left":
                assert (status, body) == (201, None)
            case "corrupt":
                assert status == 502 or (status, body) == (201, None)
            case "silent":
                assert status == 504
            case "throttled":
                assert status == 503
    assert len(world.endpoint.invocations) == COUNT
    assert len(world.endpoint.connections) < COUNT
    await world.assert_settled()
    assert len(world.summaries()) == COUNT
