"""Two workers under one load: which of them gets a stream, and how many a route may have open."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.e2e.shared_load import Burden, Call, Client, Functions, Gateway, connect, gateway
from tests.fakes import soon

from tailrace.net.process.descriptors import raise_descriptor_limit
from tailrace.net.process.startup import run

CONFIG = """
[gateway]
late_s_max = 0  # a machine that runs other tests is late

[[routes]]
path = "/*"
function = "f"

[[routes]]
path = "/limited"
function = "f"
concurrency = 50
"""
STREAMS = 400
AT_ONCE = 32
"""Clients that connect and ask at the same time."""
LIMIT = 50
STORM_CLIENTS = 120
STORM_REQUESTS = 1_000


@asynccontextmanager
async def world(directory: Path) -> AsyncIterator[tuple[Gateway, Functions]]:
    """A gateway with two workers, and its functions."""
    functions = Functions()
    await functions.start()
    try:
        starting = gateway(directory, functions.url, CONFIG)
        found = await asyncio.to_thread(starting.__enter__)
        try:
            yield found, functions
        finally:
            await functions.stop()
            await asyncio.to_thread(starting.__exit__, None, None, None)
    finally:
        await functions.stop()


async def streams(found: Gateway, count: int, at_once: int) -> list[Client]:
    """Clients whose responses have begun; so many ask at the same time."""
    turn = asyncio.Semaphore(at_once)

    async def ask() -> Client:
        async with turn:
            client = await connect(found.url)
            assert await client.ask("/long") == 200
        return client

    return list(await soon(asyncio.gather(*(ask() for _ in range(count))), "the streams"))


def test_a_busy_worker_gets_no_more_than_its_share(tmp_path: Path) -> None:
    """400 streams while one worker is busy for 60 % of its time: no worse than 45 : 55."""

    async def story() -> None:
        async with world(tmp_path) as (found, functions):
            pid = random.choice(list(found.pids.values()))
            burden = await asyncio.to_thread(Burden, pid, 0.6)
            try:
                clients = await streams(found, STREAMS, AT_ONCE)
            finally:
                share = await asyncio.to_thread(burden.end)

            counts = Counter(found.pids[call.port] for call in functions.calls)
            print(f"away for {share:.0%}, {counts[pid]} : {STREAMS - counts[pid]}")
            for client in clients:
                client.transport.close()
            assert sum(counts.values()) == STREAMS
            assert min(counts[pid] for pid in found.pids.values()) >= 0.45 * STREAMS
            assert share > 0.5

    raise_descriptor_limit()
    run(story())


def test_a_concurrency_is_exact_over_workers(tmp_path: Path) -> None:
    """Counted by the functions: never more than 50 of them run, and 50 do."""

    async def story() -> None:
        async with world(tmp_path) as (found, functions):
            at_once = highest = 0
            ports: Counter[int] = Counter()

            def invoked(call: Call) -> None:
                nonlocal at_once, highest
                at_once += 1
                highest = max(highest, at_once)
                ports[call.port] += 1

            def begun(call: Call) -> None:
                asyncio.get_running_loop().call_later(random.uniform(0, 0.04), end, call)

            def end(call: Call) -> None:
                nonlocal at_once
                at_once -= 1
                call.end()

            functions.on_invoked, functions.on_begun = invoked, begun
            outcomes: Counter[int] = Counter()

            async def ask() -> None:
                client = await connect(found.url)
                while sum(outcomes.values()) < STORM_REQUESTS:
                    status = await client.ask("/limited")
                    outcomes[status] += 1
                    if status == 200:
                        await client.wait_end()
                    else:
                        await asyncio.sleep(0.01)
                client.transport.close()

            await soon(asyncio.gather(*(ask() for _ in range(STORM_CLIENTS))), "the storm")

            print(f"highest {highest}, {outcomes}, {ports}")
            assert set(outcomes) == {200, 503}
            assert highest == LIMIT
            assert len(ports) == 2, "both workers have had some"
            await places_are_free(found, functions)

    run(story())


async def places_are_free(found: Gateway, functions: Functions) -> None:
    """After the storm all places are free: 50 requests at once get one, over both workers."""
    functions.on_begun = lambda call: None
    clients = [await connect(found.url) for _ in range(LIMIT + 1)]

    async def settled() -> bool:
        status = await clients[LIMIT].ask("/_tailrace/health")
        return (
            status == 200
            and json.loads(clients[LIMIT].unread.partition(b"\r\n\r\n")[2])["held"] == 0
        )

    while not await soon(settled()):
        await asyncio.sleep(0.01)
    first, *rest = await soon(
        asyncio.gather(*(client.ask("/limited") for client in clients[:LIMIT])), "50 places"
    )
    assert {first, *rest} == {200}
    assert await soon(clients[LIMIT].ask("/limited")) == 503
    for client in clients:
        client.transport.close()
