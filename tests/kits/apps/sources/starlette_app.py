"""The app of the kit in Starlette, behind the middleware that apps have in common."""

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
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route


@asynccontextmanager
async def lifespan(app):
    count_start()
    app.state.count = 0
    yield {"greeting": "from the start"}


class Marking(BaseHTTPMiddleware):
    """Adds a field to every response, through the streams that BaseHTTPMiddleware has."""

    async def dispatch(self, request, call_next):
        response = await call_next(request)
        response.headers["x-marked"] = "yes"
        return response


def streamed(parts, status=200, media_type="text/plain"):
    return StreamingResponse(parts, status, media_type=media_type)


def with_cookies(response):
    response.headers["x-a"] = "1"
    for cookie in BOTH_COOKIES:
        response.headers.append("set-cookie", cookie)
    return response


async def stream(request):
    return with_cookies(streamed(three_parts_async(request.query_params["gate"]), 201))


async def sync_stream(request):
    return with_cookies(streamed(three_parts(request.query_params["gate"]), 201))


async def events(request):
    parts = three_parts_async(request.query_params["gate"])
    return streamed(parts, media_type="text/event-stream")


async def text(request):
    return with_cookies(PlainTextResponse("hello"))


async def no_content(request):
    return Response(status_code=204)


async def not_modified(request):
    return Response(status_code=304, headers={"etag": '"1"'})


async def fails(request):
    raise ValueError(ERROR)


async def fails_late(request):
    return streamed(half_async(request.query_params["gate"]))


async def leaves(request):
    return streamed(left_async(request.query_params["gate"]))


async def background(request):
    task = BackgroundTask(finish_later_async, request.query_params["gate"])
    return PlainTextResponse("done", background=task)


async def starts(request):
    return PlainTextResponse(str(starts_so_far()))


async def state(request):
    request.app.state.count += 1
    return JSONResponse({"count": request.app.state.count, "greeting": request.state.greeting})


async def echo(request):
    return Response(await request.body(), media_type=request.headers["content-type"])


async def form(request):
    fields = await request.form()
    return JSONResponse({"name": fields["name"], "color": fields.getlist("color")})


async def seen(request):
    return JSONResponse(
        {
            "rest": request.path_params["rest"],
            "query": request.query_params.multi_items(),
            "client": request.client.host,
            "url": str(request.url.replace(query="")),
            "cookies": request.cookies,
            "header": request.headers.get("x-word"),
        }
    )


async def session(request):
    request.session["visits"] = request.session.get("visits", 0) + 1
    return with_cookies(PlainTextResponse(str(request.session["visits"])))


ROUTES = [
    *(
        Route("/" + handler.__name__.replace("_", "-"), handler)
        for handler in (
            *(stream, sync_stream, events, text, no_content, not_modified, fails, fails_late),
            *(leaves, background, starts, state, session),
        )
    ),
    Route("/echo", echo, methods=["POST"]),
    Route("/form", form, methods=["POST"]),
    Route("/seen/{rest:path}", seen),
]

app = Starlette(
    routes=ROUTES,
    lifespan=lifespan,
    middleware=[
        Middleware(CORSMiddleware, allow_origins=["https://page.test"], allow_methods=["*"]),
        Middleware(GZipMiddleware, minimum_size=5),
        Middleware(SessionMiddleware, secret_key="for tests only"),
        Middleware(Marking),
    ],
)
