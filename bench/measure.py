"""What is measured of a relay, one function for each row; times are CPU time of its process.

The load is the same for every relay: as many requests, streams and bytes at the same pace. The
wall clock is in no number, so a slow load generator makes a run longer and not worse.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from bench.load import BenchError, Client, Goal, RawClient, connect
from bench.relays import Relay
from bench.stand_in import HEADERS_PATH, Sink, StandIn

CHUNK = b"data: 0123456789 0123456789 0123456789 0123456789 0123456789 12\n"
BULK_CHUNK = bytes(range(256)) * 256
CONNECTS_AT_ONCE = 100
QUIET_S = 0.2


@dataclass(frozen=True, slots=True)
class Load:
    """How much of everything."""

    connections: int = 16
    requests: int = 1_500
    bulk_streams: int = 2
    bulk_bytes: int = 256 * 1024 * 1024
    held: int = 9_000

    def sizes(self) -> dict[str, int]:
        """The body of each response, in bytes; a held one never ends."""
        return {
            "/one": len(CHUNK),
            f"{HEADERS_PATH}one": len(CHUNK),
            "/bulk": self.bulk_bytes,
            "/held": sys.maxsize,
            "/held-open": sys.maxsize,
        }


QUICK = Load(
    connections=4,
    requests=40,
    bulk_bytes=4 * 1024 * 1024,
    held=100,
)


@dataclass(slots=True)
class Function:
    """What the stand-in plays; the path says which response."""

    load: Load
    on_held: Callable[[], None] = lambda: None

    def play(self, path: str, sink: Sink) -> None:
        # A relay that is not called back, as nginx, asks for the path as it is.
        match path.removeprefix(HEADERS_PATH[:-1]):
            case "/one":
                sink.write(CHUNK, is_last=True)
            case "/bulk":
                _Bulk(sink, self.load.bulk_bytes).go_on()
            case "/held-open":
                self.on_held()
            case _:
                raise BenchError(f"the function knows no {path}")


class _Bulk:
    """Writes as much as the relay takes, until all is written."""

    def __init__(self, sink: Sink, total_bytes: int) -> None:
        self._sink = sink
        self._left = total_bytes // len(BULK_CHUNK)
        sink.on_resume = self.go_on

    def go_on(self) -> None:
        while self._left and not self._sink.is_paused:
            self._left -= 1
            self._sink.write(BULK_CHUNK, is_last=self._left == 0)


class Bench:
    """Measures one relay at a time; the stand-in serves them all."""

    def __init__(self, stand_in: StandIn, load: Load) -> None:
        self.load = load
        self._stand_in = stand_in
        self._function = Function(load)
        stand_in.play = self._function.play
        stand_in.skips_callback = lambda path: path == "/held"

    async def request_us(
        self, relay: Relay, requests: int | None = None, *, path: str = "/one"
    ) -> float:
        """CPU time of a request that is answered with one 64-byte chunk, in microseconds.

        A few clients ask again as soon as they are answered, on connections kept alive. The path
        under HEADERS_PATH is called back with the response's headers instead of a prelude.
        """
        count = requests or self.load.requests
        (goal,) = self._goals((count, "responses"))
        left = count - self.load.connections

        def again(client: Client) -> None:
            nonlocal left
            goal.add()
            if left <= 0:
                client.transport.close()
                return
            left -= 1
            client.ask(path)

        factory = self._factory(relay, lambda read_bytes: None, again)
        before_s = relay.cpu_s()
        for _ in range(self.load.connections):
            (await connect(relay.port, factory)).ask(path)
        await goal.wait()
        return (relay.cpu_s() - before_s) / count * 1e6

    async def bulk_mb(self, relay: Relay) -> float:
        """Megabytes of large bodies that a second of CPU time relays."""
        total = self.load.bulk_streams * self.load.bulk_bytes
        arrived, ended = self._goals(
            (total, "bytes of large bodies"), (self.load.bulk_streams, "ends of large bodies")
        )
        factory = self._factory(relay, arrived.add, lambda client: ended.add())
        clients = [await connect(relay.port, factory) for _ in range(self.load.bulk_streams)]
        before_s = relay.cpu_s()
        for client in clients:
            client.ask("/bulk")
        await arrived.wait()
        await ended.wait()
        used_s = relay.cpu_s() - before_s
        for client in clients:
            client.transport.close()
        if arrived.count != total:
            raise BenchError(f"{relay.name} relayed {arrived.count} bytes instead of {total}")
        return total / 1e6 / used_s

    async def held_bytes(self, relay: Relay, path: str) -> float:
        """Resident memory that each held response takes, when all are held.

        For "/held" the invocation was taken and the function has not called back; for
        "/held-open" its callback is open and nothing was written yet. The relay should be fresh:
        memory that was used once is not given back. A short load before brings in what any
        request needs.
        """
        await self.request_us(relay, max(self.load.connections, min(200, self.load.requests)))
        await _wait_until_quiet(relay)
        (goal,) = self._goals((self.load.held, "held responses"))
        self._function.on_held = self._stand_in.on_held = goal.add
        factory = self._factory(relay, lambda count: None, _no_end(goal))
        before_bytes = relay.resident_bytes()
        clients: list[Client] = []
        while len(clients) < self.load.held:
            batch = min(CONNECTS_AT_ONCE, self.load.held - len(clients))
            connecting = [connect(relay.port, factory) for _ in range(batch)]
            for client in await asyncio.gather(*connecting):
                client.ask(path)
                clients.append(client)
        await goal.wait()
        await _wait_until_quiet(relay)
        used_bytes = relay.resident_bytes() - before_bytes
        if relay.descriptors() < self.load.held:
            raise BenchError(f"{relay.name} holds only {relay.descriptors()} descriptors")
        for client in clients:
            client.abandon()
        await _wait_until_quiet(relay)
        return used_bytes / self.load.held

    def _goals(self, *expected: tuple[int, str]) -> list[Goal]:
        """Goals of one measurement: whatever fails from now on spoils them all."""
        goals = [Goal(count, what) for count, what in expected]

        def fail(message: str) -> None:
            for goal in goals:
                goal.fail(message)

        self._stand_in.fail = fail
        return goals

    def _factory(
        self, relay: Relay, on_bytes: Callable[[int], None], on_end: Callable[[Client], None]
    ) -> Callable[[], Client]:
        """Makes clients that report to the goals made last."""
        fail = self._stand_in.fail
        if relay.is_raw:
            return lambda: RawClient(on_bytes, on_end, fail, self.load.sizes())
        return lambda: Client(on_bytes, on_end, fail)


def _no_end(goal: Goal) -> Callable[[Client], None]:
    return lambda client: goal.fail("a held response ended")


async def _wait_until_quiet(relay: Relay, timeout_s: float = 30.0) -> None:
    """Until the relay has used next to no CPU time for a while."""
    until_s = time.monotonic() + timeout_s
    while time.monotonic() < until_s:
        before_s = relay.cpu_s()
        await asyncio.sleep(QUIET_S)
        if relay.cpu_s() - before_s < QUIET_S * 0.02:
            return
    raise BenchError(f"{relay.name} does not come to rest")
