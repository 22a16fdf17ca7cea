"""The benchmark's other relays, each started for real before the benchmark's own function."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from bench import peers, process
from bench.load import Client, connect
from bench.peers import PEERS
from bench.relays import Bed, Cores, Relay
from bench.stand_in import Sink, StandIn

CHUNKS = [b"data: %d\n" % number for number in range(5)]
LARGE_CHUNK = bytes(range(256)) * 256
LARGE_BYTES = 4_096 * len(LARGE_CHUNK)
GROWTH_BYTES_MAX = LARGE_BYTES // 2
"""Far more than the buffers of any relay and the garbage of Node.js, less than the body."""
REST_S = 0.2
PATIENCE_S = 30.0

each_peer = pytest.mark.parametrize("name", PEERS)


class Recorder(Client):
    """A client that keeps the body of its last response, or only counts it."""

    def __init__(self, world: World, *, keeps: bool) -> None:
        super().__init__(lambda count: world.look(), self._end, world.fail)
        self._world = world
        self._keeps = keeps
        self.body = b""
        self.body_bytes = 0
        self.is_over = False

    def get(self, path: str) -> None:
        self.body, self.body_bytes, self.is_over = b"", 0, False
        self.ask(path)

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        self.body_bytes += len(body)
        if self._keeps:
            self.body += body

    def _end(self, client: Client) -> None:
        self.is_over = True
        self._world.look()


class World:
    """A peer between clients and a function that does what the test tells it."""

    def __init__(self, stand_in: StandIn, relay: Relay) -> None:
        self.relay = relay
        self.asked: list[str] = []
        """The path of each call of the function, and where it writes."""
        self.sinks: list[Sink] = []
        self._changed = asyncio.Event()
        self._failure: str | None = None
        stand_in.play = self._play
        stand_in.fail = self.fail

    async def client(self, *, keeps: bool = True) -> Recorder:
        client = await connect(self.relay.port, lambda: Recorder(self, keeps=keeps))
        assert isinstance(client, Recorder)
        return client

    async def until(self, condition: Callable[[], bool]) -> None:
        """Looks again whenever the function was called or a client has read."""
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                self._changed.clear()
                await self._changed.wait()
                assert self._failure is None, f"{self._failure}\n{self.relay.explain()}"

    async def until_at_rest(self) -> None:
        """Until the relay uses next to no CPU time."""
        async with asyncio.timeout(PATIENCE_S):
            used_s = REST_S
            while used_s > REST_S * 0.02:
                before_s = self.relay.cpu_s()
                await asyncio.sleep(REST_S)
                used_s = self.relay.cpu_s() - before_s

    def look(self) -> None:
        self._changed.set()

    def fail(self, message: str) -> None:
        self._failure = message
        self.look()

    def _play(self, path: str, sink: Sink) -> None:
        self.asked.append(path)
        self.sinks.append(sink)
        self.look()


@asynccontextmanager
async def serving(name: str, directory: Path) -> AsyncIterator[World]:
    stand_in = StandIn()
    await stand_in.start()
    core = min(os.sched_getaffinity(0))
    bed = Bed(directory, Cores(core, core), stand_in)
    try:
        yield World(stand_in, await peers.choose(pytest.fail)[name](bed))
    finally:
        bed.stop()
        await stand_in.stop()


def tell(story: Callable[[World], Awaitable[None]], name: str, directory: Path) -> None:
    async def told() -> None:
        async with serving(name, directory) as world:
            await story(world)

    asyncio.run(told())


@each_peer
def test_a_response_of_one_chunk_is_relayed_again_and_again(name: str, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        clients = [await world.client(), await world.client()]
        for turn in (1, 2):
            for number, client in enumerate(clients):
                client.get(f"/{number}/{turn}")
                await world.until(lambda: bool(world.sinks))
                world.sinks.pop().write(b"%d, %d" % (number, turn), is_last=True)
                await world.until(lambda client=client: client.is_over)  # type: ignore[misc]
                assert client.body == b"%d, %d" % (number, turn)

        assert world.asked == ["/0/1", "/1/1", "/0/2", "/1/2"]

    tell(story, name, tmp_path)


@each_peer
def test_each_chunk_arrives_before_the_next_is_written(name: str, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        client = await world.client()
        client.get("/")
        await world.until(lambda: bool(world.sinks))
        for number, chunk in enumerate(CHUNKS):
            world.sinks[0].write(chunk)
            written = b"".join(CHUNKS[: number + 1])
            await world.until(lambda written=written: client.body_bytes >= len(written))  # type: ignore[misc]
            assert client.body == written
            assert not client.is_over

        world.sinks[0].write(b"", is_last=True)

        await world.until(lambda: client.is_over)
        assert client.body == b"".join(CHUNKS)

    tell(story, name, tmp_path)


@each_peer
def test_a_client_that_does_not_read_stops_the_function(name: str, tmp_path: Path) -> None:
    """A relay without back-pressure would hold what is written meanwhile."""

    async def story(world: World) -> None:
        left_bytes = LARGE_BYTES

        def write_on() -> None:
            nonlocal left_bytes
            while left_bytes and not sink.is_paused:
                left_bytes -= len(LARGE_CHUNK)
                sink.write(LARGE_CHUNK, is_last=left_bytes == 0)

        client = await world.client(keeps=False)
        client.get("/")
        client.transport.pause_reading()
        await world.until(lambda: bool(world.sinks))
        pid = world.relay.process.pid
        before_bytes = process.resident_bytes(pid)
        process.reset_peak(pid)
        sink = world.sinks[0]
        sink.on_resume = write_on
        write_on()
        await world.until_at_rest()
        assert sink.is_paused
        assert left_bytes > 0

        client.transport.resume_reading()

        await world.until(lambda: client.is_over)
        assert client.body_bytes == LARGE_BYTES
        assert process.peak_bytes(pid) - before_bytes < GROWTH_BYTES_MAX

    tell(story, name, tmp_path)


def test_a_peer_whose_program_is_missing_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    lines: list[str] = []

    starts = peers.choose(lines.append)

    assert set(starts) == set(PEERS) - {"poc"}
    assert lines == [
        "no poc here: its column is left out "
        "(Debian: apt install nodejs npm, then sh scripts/install-npm.sh)"
    ]
