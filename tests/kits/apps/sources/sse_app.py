"""Server-sent events by sse-starlette."""

import os

from gates import Gate, count_start, starts_so_far, three_parts_async
from sse_starlette import EventSourceResponse
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

count_start()


async def events(request):
    parts = three_parts_async(request.query_params["gate"])
    return EventSourceResponse({"event": "part", "data": part.strip()} async for part in parts)


async def waits(request):
    gate = Gate(request.query_params["gate"])

    async def closed(message):
        gate.tell(f"closed: {message['type']}")

    async def parts():
        try:
            yield {"data": "one"}
            gate.tell(os.getpid())
            await gate.wait_async()
            yield {"data": "two"}
        finally:
            gate.tell("ended")

    return EventSourceResponse(parts(), client_close_handler_callable=closed)


async def starts(request):
    return PlainTextResponse(str(starts_so_far()))


app = Starlette(routes=[Route("/events", events), Route("/waits", waits), Route("/starts", starts)])
