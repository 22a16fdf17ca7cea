"""The web app of `bench.apps`: FastAPI, and as many chunks of 64 bytes as are asked for."""

import asyncio

from fastapi import FastAPI
from fastapi.responses import StreamingResponse

SMALL = b"data: 0123456789 0123456789 0123456789 0123456789 0123456789 12\n"

app = FastAPI()


@app.get("/")
async def tokens(chunks: int = 1):
    """Stream the chunks."""
    return StreamingResponse(_tokens(chunks), media_type="text/plain")


async def _tokens(chunks):
    """Each in a turn of the event loop of its own, like a chunk that comes from elsewhere."""
    for _ in range(chunks):
        yield SMALL
        await asyncio.sleep(0)
