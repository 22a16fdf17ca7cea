"""An application that knows nothing of tailrace: FastAPI, served by uvicorn in its own process.

`python probe_app.py FD` serves on a listening socket that it inherits.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator

import uvicorn
from fastapi import FastAPI
from fastapi.responses import RedirectResponse, StreamingResponse

app = FastAPI()

EVENTS = 6
PAUSE_S = 0.05
BLOCKS = 32
BLOCK_BYTES = 65_536


@app.get("/events")
async def events() -> StreamingResponse:
    """Tokens of a model, as they come."""

    async def written() -> AsyncIterator[str]:
        yield ": a comment is no event\n\n"
        for number in range(EVENTS):
            await asyncio.sleep(PAUSE_S)
            yield f"event: token\ndata: {number}\n\n"

    return StreamingResponse(written(), media_type="text/event-stream")


@app.get("/joined")
async def joined() -> StreamingResponse:
    """The same, but a layer in between collects them."""

    async def written() -> AsyncIterator[str]:
        await asyncio.sleep(EVENTS * PAUSE_S)
        yield "".join(f"data: {number}\n\n" for number in range(EVENTS))

    return StreamingResponse(written(), media_type="text/event-stream")


@app.get("/download")
async def download() -> StreamingResponse:
    """A file of no known length."""

    async def written() -> AsyncIterator[bytes]:
        for _ in range(BLOCKS):
            yield bytes(BLOCK_BYTES)
            await asyncio.sleep(0.002)

    return StreamingResponse(written(), media_type="application/octet-stream")


@app.get("/plain")
async def plain() -> dict[str, str]:
    """No stream."""
    return {"hello": "world"}


@app.get("/error")
async def error() -> None:
    """A mistake in the application."""
    raise ValueError("not for the client")


@app.get("/hop/{count}")
async def hop(count: int) -> RedirectResponse:
    """So many redirects lead to the events."""
    return RedirectResponse(f"/hop/{count - 1}" if count > 1 else "/events", 302)


@app.get("/loop")
async def loop() -> RedirectResponse:
    """It sends to itself."""
    return RedirectResponse("/loop", 307)


if __name__ == "__main__":
    uvicorn.run(app, fd=int(sys.argv[1]), log_level="critical", lifespan="off")
