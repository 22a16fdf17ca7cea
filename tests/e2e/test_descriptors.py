"""A gateway whose process may open few files, and clients that open more connections than that."""

from __future__ import annotations

import resource
from collections.abc import Awaitable, Callable

import pytest
import uvloop
from tests.command import Command
from tests.fakes import Client, FakeLambda, Function, Peer, encode_head

DESCRIPTORS = 1_024
HELD = 5
IDLE = 1_100

Story = Callable[["Gate"], Awaitable[None]]


@pytest.fixture(autouse=True)
def own_descriptors() -> object:
    """The clients of a test need more than the gateway has."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8_192), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class Gate:
    """A gateway process with a lowered limit of open files, and its peers."""

    def __init__(self, command: Command, endpoint: FakeLambda) -> None:
        self.command = command
        self.endpoint = endpoint
        self.peers: list[Peer] = []
        line = r"gateway on (\S+), called back at (\S+),"
        self.url, self.callback_url = command.wait_line(line).groups()

    async def client(self) -> Client:
        """A client that has connected."""
        client = await Client.connect(self.url)
        self.peers.append(client)
        return client

    async def hold(self) -> tuple[Client, str]:
        """A client whose response is held, and the URL to call back."""
        client = await self.client()
        await client.request()
        return client, (await self.endpoint.invocation()).url

    async def answer(self, url: str, body: bytes) -> None:
        """Call back with a whole response."""
        function = await Function.dial(url)
        self.peers.append(function)
        await function.post()
        assert await function.read_status() == 100
        await function.write(encode_head() + body)
        await function.end()
        assert await function.read_status() == 200

    async def crowd(self, url: str, count: int) -> list[Peer]:
        """So many connections that send nothing."""
        found = [await Peer.connect(url) for _ in range(count)]
        self.peers += found
        return found

    async def refused(self) -> dict[str, int]:
        """What has been refused, as health says it to a new connection."""
        client = await self.client()
        await client.request("GET", "/_tailrace/health")
        counts = (await client.read_response()).json()["refused"]
        assert isinstance(counts, dict)
        return counts


def played(story: Story) -> Callable[[], None]:
    """A test that plays a story with a gateway and a Lambda endpoint."""

    async def play() -> None:
        endpoint = FakeLambda()
        await endpoint.start()
        arguments = [
            "gateway", "--function", "f", "--endpoint-url", endpoint.url,
            "--listen", "127.0.0.1:0", "--callback-listen", "127.0.0.1:0",
        ]  # fmt: skip
        with Command(arguments, descriptors=DESCRIPTORS) as command:
            gate = Gate(command, endpoint)
            try:
                await story(gate)
            finally:
                for peer in gate.peers:
                    peer.close()
                await endpoint.stop()

    def test() -> None:
        uvloop.run(play())

    return test


@played
async def test_idle_connections_leave_callbacks_their_descriptors(gate: Gate) -> None:
    held = [await gate.hold() for _ in range(HELD)]
    await gate.crowd(gate.url, IDLE)

    for number, (client, url) in enumerate(held):
        await gate.answer(url, b"%d" % number)
        assert (await client.read_response()).body == b"%d" % number

    newcomer, url = await gate.hold()  # in the place of one that is idle
    await gate.answer(url, b"new")
    assert (await newcomer.read_response()).body == b"new"
    refused = await gate.refused()
    assert refused["clients"] >= IDLE - DESCRIPTORS
    assert refused["callbacks"] == refused["descriptors"] == 0
    gate.command.wait_line(r"public listener: \d+ connections closed, over the limit of 424 at a")


@played
async def test_strangers_at_the_callback_listener_leave_functions_their_connections(
    gate: Gate,
) -> None:
    client, url = await gate.hold()
    await gate.crowd(gate.callback_url, IDLE)

    await gate.answer(url, b"x")

    assert (await client.read_response()).body == b"x"
    assert (await gate.refused())["callbacks"] >= IDLE - DESCRIPTORS
    gate.command.wait_line(r"callback listener: \d+ connections closed, over the limit of 344 at")


@played
async def test_half_sent_heads_make_room_for_requests(gate: Gate) -> None:
    for _ in range(IDLE):
        (peer,) = await gate.crowd(gate.url, 1)
        await peer.send(b"GET / HT")

    client, url = await gate.hold()
    await gate.answer(url, b"x")

    assert (await client.read_response()).body == b"x"


@played
async def test_the_limit_and_what_it_is_enough_for_are_in_the_log(gate: Gate) -> None:
    match = gate.command.wait_line(r"limit of (\d+) open files is enough for (\d+)")

    assert match.groups() == (str(DESCRIPTORS), "312")
