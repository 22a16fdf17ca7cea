import asyncio

from fastapi import FastAPI
from fastapi.responses import StreamingResponse

app = FastAPI()


@app.get("/lines")
async def lines():
    return StreamingResponse(count(), media_type="text/plain")


async def count():
    for number in range(1, 4):
        yield f"line {number}\n"
        await asyncio.sleep(0.5)
