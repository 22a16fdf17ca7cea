"""The app of the kit in FastAPI."""

import asyncio
import gc
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import BackgroundTasks, FastAPI, Form, Request, Response
from fastapi.responses import PlainTextResponse, StreamingResponse
from gates import (
    BOTH_COOKIES,
    ERROR,
    Gate,
    count_start,
    finish_later,
    half_async,
    left,
    left_async,
    starts_so_far,
    three_parts,
    three_parts_async,
)


@asynccontextmanager
async def lifespan(app):
    count_start()
    app.state.count = 0
    yield {"greeting": "from the start"}


app = FastAPI(lifespan=lifespan)


def streamed(parts, status=200):
    return StreamingResponse(parts, status, media_type="text/plain")


def with_cookies(response):
    response.headers["x-a"] = "1"
    for cookie in BOTH_COOKIES:
        response.headers.append("set-cookie", cookie)
    return response


@app.get("/stream")
async def stream(gate: int):
    return with_cookies(streamed(three_parts_async(gate), 201))


@app.get("/sync-stream")
def sync_stream(gate: int):
    return with_cookies(streamed(three_parts(gate), 201))


@app.api_route("/text", methods=["GET", "HEAD"])
def text():
    return with_cookies(PlainTextResponse("hello"))


@app.get("/no-content", status_code=204)
def no_content():
    return None


@app.get("/not-modified")
def not_modified():
    return Response(status_code=304, headers={"etag": '"1"'})


@app.get("/fails")
def fails():
    raise ValueError(ERROR)


@app.get("/fails-late")
async def fails_late(gate: int):
    return streamed(half_async(gate))


@app.get("/leaves")
async def leaves(gate: int):
    return streamed(left_async(gate))


@app.get("/sync-leaves")
async def sync_leaves(gate: int, noticed: int, request: Request):
    """Its generator waits in a thread; a task reports when the response has been cancelled."""

    async def notice():
        with Gate(noticed) as at:
            await watch(request)
            at.tell("noticed")

    app.state.noticing = asyncio.ensure_future(notice())
    return streamed(left(gate))


@app.get("/collect", status_code=204)
async def collect():
    gc.collect()


@app.get("/watched")
async def watched(gate: int, request: Request):
    """Asks beside the stream whether the client has left, as the response itself does."""

    async def parts():
        with Gate(gate) as at:
            watcher = asyncio.ensure_future(watch(request))
            try:
                yield "one\n"
                at.tell("waiting")
                await at.wait_async()
                yield "two"
            finally:
                at.tell(f"closed: {await request.is_disconnected()}")
                watcher.cancel()

    return streamed(parts())


async def watch(request):
    while not await request.is_disconnected():
        await asyncio.sleep(0.01)


@app.get("/background", response_class=PlainTextResponse)
def background(gate: int, tasks: BackgroundTasks):
    tasks.add_task(finish_later, gate)
    return "done"


@app.get("/starts", response_class=PlainTextResponse)
def starts():
    return str(starts_so_far())


@app.get("/state")
async def state(request: Request):
    app.state.count += 1
    return {"count": app.state.count, "greeting": request.state.greeting}


@app.post("/echo")
async def echo(request: Request):
    return Response(await request.body(), media_type=request.headers["content-type"])


@app.post("/form")
async def form(name: Annotated[str, Form()], color: Annotated[list[str], Form()]):
    return {"name": name, "color": color}


@app.get("/seen/{rest:path}")
def seen(rest: str, request: Request):
    return {
        "rest": rest,
        "query": request.query_params.multi_items(),
        "client": request.client.host,
        "url": str(request.url.replace(query="")),
        "cookies": request.cookies,
        "header": request.headers.get("x-word"),
    }
