"""The app of the kit in Litestar."""

from contextlib import asynccontextmanager

from gates import (
    BOTH_COOKIES,
    ERROR,
    count_start,
    finish_later_async,
    half_async,
    left_async,
    starts_so_far,
    three_parts,
    three_parts_async,
)
from litestar import Litestar, MediaType, Request, Response, get, head, post
from litestar.background_tasks import BackgroundTask
from litestar.datastructures import Cookie, State
from litestar.logging import LoggingConfig
from litestar.response import Stream

COOKIES = [Cookie(key=text[0], value=text[2]) for text in BOTH_COOKIES]


@asynccontextmanager
async def lifespan(app):
    count_start()
    app.state.count = 0
    app.state.greeting = "from the start"
    yield


def streamed(parts, **more):
    return Stream(parts, media_type=MediaType.TEXT, **more)


@get("/stream", status_code=201)
async def stream(gate: int) -> Stream:
    return streamed(three_parts_async(gate), cookies=COOKIES, headers={"x-a": "1"})


@get("/sync-stream", status_code=201)
async def sync_stream(gate: int) -> Stream:
    return streamed(three_parts(gate), cookies=COOKIES, headers={"x-a": "1"})


@get("/text", media_type=MediaType.TEXT)
async def text() -> Response[str]:
    return Response("hello", headers={"x-a": "1"}, cookies=COOKIES)


@head("/text", media_type=MediaType.TEXT)
async def text_head() -> Response[None]:
    return Response(None, headers={"content-length": "5"})


@get("/no-content", status_code=204)
async def no_content() -> None:
    return None


@get("/not-modified", status_code=304)
async def not_modified() -> Response[None]:
    return Response(None, headers={"etag": '"1"'})


@get("/fails")
async def fails() -> str:
    raise ValueError(ERROR)


@get("/fails-late")
async def fails_late(gate: int) -> Stream:
    return streamed(half_async(gate))


@get("/leaves")
async def leaves(gate: int) -> Stream:
    return streamed(left_async(gate))


@get("/background", media_type=MediaType.TEXT)
async def background(gate: int) -> Response[str]:
    return Response("done", background=BackgroundTask(finish_later_async, gate))


@get("/starts", media_type=MediaType.TEXT)
async def starts() -> str:
    return str(starts_so_far())


@get("/state")
async def state(state: State) -> dict:
    state.count += 1
    return {"count": state.count, "greeting": state.greeting}


@post("/echo", status_code=200)
async def echo(request: Request) -> Response[bytes]:
    return Response(await request.body(), media_type=request.headers["content-type"])


@post("/form", status_code=200)
async def form(request: Request) -> dict:
    fields = await request.form()
    return {"name": fields["name"], "color": fields.getall("color")}


@get("/seen/{rest:path}")
async def seen(request: Request, rest: str) -> dict:
    return {
        "rest": rest.lstrip("/"),
        "query": list(request.query_params.multi_items()),
        "client": request.client.host,
        "url": str(request.url.with_replacements(query="")),
        "cookies": request.cookies,
        "header": request.headers.get("x-word"),
    }


app = Litestar(
    [
        *(stream, sync_stream, text, text_head, no_content, not_modified, fails, fails_late),
        *(leaves, background, starts, state, echo, form, seen),
    ],
    lifespan=[lifespan],
    logging_config=LoggingConfig(log_exceptions="always"),  # by default only in debug mode
)
