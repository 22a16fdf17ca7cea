"""Request bodies under way: bounded on each listener, and no function waits for them."""

from __future__ import annotations

from pathlib import Path

import pytest
import uvloop
from tests.emulator.harness import playing, running, wait_until
from tests.emulator.url_client import BUFFERED, STREAM
from tests.fakes import Client

from tailrace import limits
from tailrace.config import UrlConfig

INVOKE = "/2015-03-31/functions/f/invocations"


@pytest.mark.parametrize("listener", ["Function URL", "Lambda API"])
def test_a_body_in_very_many_small_chunks_is_refused(tmp_path: Path, listener: str) -> None:
    async def story() -> None:
        async with running(playing(path=tmp_path, url=STREAM)) as emulator:
            service = emulator.service
            address, target = service.url, INVOKE
            if listener == "Function URL":
                address, target = service.function_urls["f"], "/"
            client = await Client.connect(address)
            await client.request("POST", target, [("transfer-encoding", "chunked")])

            await client.send(b"1\r\n1\r\n" * (limits.SMALL_CHUNKS_MAX + 50_000))

            assert (await client.read_response()).status == 400
            client.close()

    uvloop.run(story())


@pytest.mark.parametrize("url", [BUFFERED, STREAM])
@pytest.mark.parametrize("listener", ["Function URL", "Lambda API"])
def test_slow_uploads_neither_keep_a_function_busy_nor_go_without_bound(
    tmp_path: Path, listener: str, url: UrlConfig
) -> None:
    async def story() -> None:
        function = playing(path=tmp_path, url=url, concurrency=1)
        async with running(function, uploads_max=2) as emulator:
            service = emulator.service
            address, target = service.url, INVOKE
            if listener == "Function URL":
                address, target = service.function_urls["f"], "/"

            async def begin() -> Client:
                client = await Client.connect(address)
                clients.append(client)
                await client.request("POST", target, [("content-length", "4")], b"nu")
                return client

            clients: list[Client] = []
            for _ in range(2):
                await begin()
            await wait_until(lambda: service.statistics().uploads == 2)

            refused = await begin()
            answer = await refused.read_response()
            assert answer.status == 503
            assert answer.get("retry-after") == "1"
            served = await Client.connect(address)
            clients.append(served)
            await served.request("POST", target, (), b"null")
            assert (await served.read_response()).status == 200
            await wait_until(lambda: service.statistics().functions["f"].busy == 0)
            await clients[0].send(b"ll")
            assert (await clients[0].read_response()).status == 200
            for client in clients:
                client.close()
            await wait_until(lambda: service.statistics().uploads == 0)

    uvloop.run(story())
