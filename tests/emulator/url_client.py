"""A client of a playing function's URL."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import uvloop
from tests.clock import ManualClock
from tests.emulator.harness import Harness, playing, running
from tests.fakes import Client, Fields, Response

from tailrace.config import UrlConfig
from tailrace.wire.integration import MEDIA_TYPE

INTEGRATION = MEDIA_TYPE
STREAM = UrlConfig(invoke_mode="RESPONSE_STREAM")
BUFFERED = UrlConfig()

Story = Callable[[Harness], Awaitable[None]]


def serve(
    story: Story,
    path: Path,
    url: UrlConfig | None,
    *,
    clock: ManualClock | None = None,
    **settings: Any,
) -> None:
    """Run a story with one playing function, `f`, and its URL."""

    async def run() -> None:
        async with running(playing(path=path, url=url, **settings), clock=clock) as emulator:
            await story(emulator)

    uvloop.run(run())


def prelude(status: int = 200, **more: Any) -> dict[str, str]:
    """The step that writes a prelude."""
    return {"chunk": json.dumps({"statusCode": status, **more}) + "\0" * 8}


@asynccontextmanager
async def asking(
    emulator: Harness,
    *steps: dict[str, Any],
    name: str = "f",
    method: str = "POST",
    target: str = "/",
    headers: Fields = (),
    **options: Any,
) -> AsyncIterator[Client]:
    """A client whose request is on its way: the function plays the steps."""
    client = await Client.connect(emulator.service.function_urls[name], **options)
    try:
        fields = [("content-type", "application/json"), *headers]
        body = json.dumps({"play": steps}).encode() if steps else b""
        await client.request(method, target, fields, body)
        yield client
    finally:
        client.close()


async def ask(emulator: Harness, *steps: dict[str, Any], **options: Any) -> Response:
    """The whole answer to one request. Raises Broken."""
    async with asking(emulator, *steps, **options) as client:
        return await client.read_response(options.get("method", "POST"))
