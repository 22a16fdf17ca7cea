"""One page function on every road: functions of a chain, and servers that have no function.

The function waits at gates, so a test can state what has come before it may go on.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

from tests.e2e.chain import Chain, serving
from tests.e2e.client import Client
from tests.e2e.gate import SOURCE, WAIT_S, Gate
from tests.fakes import Broken, Response

import tailrace

SOURCES = str(Path(tailrace.__file__).parent.parent)

PAGES = '''
import asyncio
import itertools
import json

from gate import Gate
from tailrace.function import asgi, streamify_response
from tailrace.html import Html, ServerEvent, events, json_array, ndjson, page


def gate_of(page, name):
    return Gate({"rawQueryString": f"gate={page.query[name]}"})


async def part(page, name):
    with gate_of(page, name) as gate:
        gate.tell("begun")
        try:
            await gate.wait_async()
            return Html("<b>{} is done</b>").format(name)
        finally:
            gate.tell("ended")


@page
async def report(page):
    yield Html("<!doctype html><title>Report</title><h1>{}</h1>{}{}").format(
        page.query.get("title", "Sales"),
        page.part(part(page, "one"), placeholder="adding up"),
        page.part(part(page, "two"), placeholder="looking up"),
    )
    yield Html("<p>the end</p></body></html>")


@page
async def early(page):
    """Waits before there is anything to send."""
    return await part(page, "one")


async def stubborn_part(page):
    with gate_of(page, "one") as gate:
        gate.tell("begun")
        try:
            await gate.wait_async()
        except asyncio.CancelledError:
            gate.tell("not yet")
            await gate.wait_async()
        finally:
            gate.tell("ended")


@page
async def stubborn(page):
    yield Html("<p>shell</p>") + page.part(stubborn_part(page))


async def large_part(page):
    with gate_of(page, "one") as gate:
        gate.tell("begun")
        try:
            while True:
                yield "x" * 65_536
        finally:
            gate.tell("ended")


@page(in_order=True)
async def large(page):
    """More than any buffer takes."""
    yield Html("<p>shell</p>")
    async for piece in large_part(page):
        yield piece
        await asyncio.sleep(0)


@page
def threaded(page):
    with gate_of(page, "one") as gate:
        gate.tell("begun")
        try:
            yield Html("<p>shell</p>")
            number = 0
            while True:
                gate.wait()
                number += 1
                yield f"row {number}"
        finally:
            gate.tell("ended")


@page
async def job(page):
    """Can be cancelled by a link."""
    yield Html("<!doctype html><title>Job</title><main>")
    with gate_of(page, "one") as gate:
        gate.tell("begun")
        try:
            async for _ in page.progress(range(9), cancel="stopped"):
                await gate.wait_async()
        finally:
            gate.tell("ended")


@page
async def busy(page):
    """Never awaits anything but the loop, and ends when its client has seen an update."""
    yield Html("<!doctype html><title>Busy</title>")
    with gate_of(page, "one") as gate:
        async for _ in page.progress(itertools.count()):
            if gate.is_open():
                break


@page
def stopped(page):
    return "It was stopped."


@page
async def mirror(page):
    """The request, as the page function sees it."""
    request = page.request
    seen = {name: getattr(request, name) for name in SEEN}
    fields = dict(request.headers)
    page.headers["content-type"] = "application/json"
    yield Html(json.dumps([seen, fields, request.text(), page.query]))


@page
async def fails(page):
    yield Html("<p>half</p>")
    await part(page, "one")
    raise ValueError("no more rows")


@page
async def fails_early(page):
    raise ValueError("no rows")


@page
async def promises(page):
    """Has what no flush may change."""
    page.headers["content-length"] = page.query["length"]
    yield "half"
    yield await part(page, "one")
    yield "rest"


SEEN = (
    *("method", "path", "raw_path", "raw_query", "cookies", "client", "host", "port"),
    *("http_version", "scheme"),
)
@page
async def hello(page):
    return "hello"


async def values(reply, *values):
    with gate_of(reply, "one") as gate:
        gate.tell("begun")
        try:
            yield values[0]
            await gate.wait_async()
            if "fails" in reply.query:
                raise ZeroDivisionError("a secret")
            yield values[1]
        finally:
            gate.tell("ended")


@events
def feed(stream):
    return values(stream, ServerEvent("one", name="tick"), {"number": 2})


@ndjson
def lines(reply):
    return values(reply, 1, 2)


@json_array
def array(reply):
    return values(reply, 1, 2)


PAGES = {
    "feed": feed, "lines": lines, "array": array,
    "hello": hello,
    "mirror": mirror,
    "fails": fails,
    "fails_early": fails_early,
    "promises": promises,
    "report": report, "early": early, "stubborn": stubborn, "large": large, "threaded": threaded,
    "job": job, "stopped": stopped, "busy": busy,
}


def endpoint_of(path):
    return PAGES.get(path.rpartition("/")[2], mirror)


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await report(scope, receive, send)
    else:
        await endpoint_of(scope["path"])(scope, receive, send)


asgi_handler = asgi(app)


def handler(event, context):
    return endpoint_of(event["rawPath"]).handler(event, context)


@streamify_response(flush="every-write")
def outer(event, context):
    return endpoint_of(event["rawPath"]).handler(event, context)
'''

SERVERS = '''
import asyncio
import sys
import threading

from fastapi import BackgroundTasks, FastAPI
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

import pages


class Passing(BaseHTTPMiddleware):
    async def dispatch(self, request, call_next):
        response = await call_next(request)
        response.headers["x-passed"] = "yes"
        return response


async def state(request):
    """What runs in this process beside this request."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    # Middleware and server have tasks of this request.
    own = ("response", "disconnect", "page", "part", "stream")
    tasks = [task.get_name() for task in others if task.get_name().startswith(own)]
    threads = [each.name for each in threading.enumerate() if "pieces" in each.name]
    return JSONResponse({"tasks": tasks, "threads": threads})


async def respond(request):
    response = pages.endpoint_of(request.url.path).response()
    response.headers["x-set-by-the-app"] = "yes"
    response.set_cookie("app", "1")
    return response


fast = FastAPI()
done = []


@fast.get("/r/{name}")
def read(name: str, tasks: BackgroundTasks):
    tasks.add_task(done.append, name)
    return pages.PAGES[name].response()


@fast.get("/done")
async def get_done():
    return done


MIDDLEWARE = [Middleware(GZipMiddleware, minimum_size=1), *[Middleware(Passing)] * 5]
star = Starlette(
    routes=[
        Route("/state", state),
        *[Route(f"/{name}", page) for name, page in pages.PAGES.items()],
        Route("/response/{name}", respond),
        Mount("/mounted", pages.app),
        Mount("/fast", fast),
    ],
    middleware=MIDDLEWARE,
)


async def plain(scope, receive, send):
    app = star if scope.get("path") == "/state" else pages.app
    await app(scope, receive, send)


app, server, fd = {"plain": plain, "star": star}[sys.argv[1]], sys.argv[2], int(sys.argv[3])
if server == "uvicorn":
    import uvicorn

    uvicorn.run(app, fd=fd, log_level="info", http=sys.argv[4])
else:
    from hypercorn.asyncio import serve
    from hypercorn.config import Config

    config = Config()
    config.bind = [f"fd://{fd}"]
    config.accesslog = config.errorlog = "-"
    asyncio.run(serve(app, config))
'''

CONFIGURATION = """
[emulator]
retry_delay_scale = 0

[functions.page]
handler = "pages.handler"
hold_back = "lambda"
timeout_s = 60
concurrency = 2
[functions.page.environment]
PYTHONPATH = "@SOURCES@"
[functions.page.url]
invoke_mode = "RESPONSE_STREAM"

[functions.free]
handler = "pages.handler"
timeout_s = 60
concurrency = 2
[functions.free.environment]
PYTHONPATH = "@SOURCES@"
[functions.free.url]
invoke_mode = "RESPONSE_STREAM"

[functions.outer]
handler = "pages.outer"
hold_back = "lambda"
timeout_s = 60
concurrency = 2
[functions.outer.environment]
PYTHONPATH = "@SOURCES@"
[functions.outer.url]
invoke_mode = "RESPONSE_STREAM"

[functions.asgi]
handler = "pages.asgi_handler"
hold_back = "lambda"
timeout_s = 60
concurrency = 2
[functions.asgi.environment]
PYTHONPATH = "@SOURCES@"
[functions.asgi.url]
invoke_mode = "RESPONSE_STREAM"

[functions.buffered]
handler = "pages.handler"
timeout_s = 60
concurrency = 2
[functions.buffered.environment]
PYTHONPATH = "@SOURCES@"
TAILRACE_RESPONSE_MODE = "buffer"
[functions.buffered.url]
invoke_mode = "BUFFERED"

[[routes]]
path = "/callback/*"
function = "page"

[[routes]]
path = "/outer/*"
function = "outer"

[[routes]]
path = "/asgi/*"
function = "asgi"

[[routes]]
path = "/stream/*"
function = "page"
transport = "response-stream"
"""

SERVED = {
    "uvicorn": ("plain", "uvicorn", "httptools"),
    "uvicorn-h11": ("plain", "uvicorn", "h11"),
    "hypercorn": ("plain", "hypercorn", ""),
    "starlette": ("star", "uvicorn", "httptools"),
    "starlette-hypercorn": ("star", "hypercorn", ""),
}
"""The servers: an app, whose server, and its parser."""


class Road(NamedTuple):
    """A way to a page: a server, a function or the gateway, and the path before its name."""

    where: str
    path: str = "/"


CALLBACK = Road("gateway", "/callback/")
STOPPING = {
    "callback": CALLBACK,
    "callback-outer": Road("gateway", "/outer/"),
    "callback-asgi": Road("gateway", "/asgi/"),
    "uvicorn": Road("uvicorn"),
    "uvicorn-h11": Road("uvicorn-h11"),
    "hypercorn": Road("hypercorn"),
    "starlette": Road("starlette"),
    "starlette-response": Road("starlette", "/response/"),
    "starlette-mounted": Road("starlette", "/mounted/"),
    "starlette-hypercorn": Road("starlette-hypercorn"),
    "fastapi": Road("starlette", "/fast/r/"),
}
"""Roads on which a page is stopped when its client leaves."""
STREAMING = {
    **STOPPING,
    "url-held-back": Road("page"),
    "url": Road("free"),
    "url-outer": Road("outer"),
    "url-asgi": Road("asgi"),
    "gateway-stream": Road("gateway", "/stream/"),
    "invoke": Road("invoke"),
}
"""Roads on which a page comes as it is made."""


class Reader:
    """Reads a page as far as a test wants."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.text = ""

    def until(self, text: str) -> str:
        """All that has come, once `text` has."""
        while text not in self.text:
            piece = self.client.some()
            assert piece, f"the page has ended without {text!r}: {self.text!r}"
            self.text += piece.decode("utf-8", "replace")
        return self.text

    def rest(self) -> str:
        """The page, complete. Raises Broken."""
        try:
            self.text += self.client.rest().decode("utf-8", "replace")
        except Broken as broken:
            self.text += broken.received.decode("utf-8", "replace")
            raise
        return self.text


class Pages:
    """The pages on every road, while they are served."""

    def __init__(self, chain: Chain, servers: Mapping[str, str], logs: Path) -> None:
        self.chain = chain
        self._servers = servers
        self._logs = logs

    def gates(self, count: int) -> list[Gate]:
        return [self.chain.gate() for _ in range(count)]

    def client(self, road: Road, *, receive_bytes: int | None = None) -> Client:
        """A client that has not asked yet."""
        return self.chain.client(self.url(road), receive_bytes=receive_bytes)

    def target(self, road: Road, name: str, *gates: Gate, **query: str) -> str:
        """The target of a page whose parts wait at gates."""
        ports = {key: str(gate.port) for key, gate in zip(("one", "two"), gates, strict=False)}
        return f"{road.path}{name}?{urlencode({**ports, **query})}"

    def ask(self, road: Road, name: str, *gates: Gate, **query: str) -> Client:
        """A client that has asked for a page."""
        client = self.client(road)
        target = self.target(road, name, *gates, **query)
        if road.where != "invoke":
            return client.ask(target)
        path, _, text = target.partition("?")
        event = {
            "version": "2.0",
            "rawPath": path,
            "rawQueryString": text,
            "headers": {},
            "requestContext": {"http": {"method": "GET", "path": path}},
        }
        api = "/2021-11-15/functions/page/response-streaming-invocations"
        return client.ask(api, "POST", body=json.dumps(event).encode())

    def get(self, road: Road, target: str, *args: Any, **options: Any) -> Response:
        """The answer to any other request."""
        return self.client(road).ask(target, *args, **options).answer()

    def reader(self, road: Road, name: str, *gates: Gate, **query: str) -> Reader:
        """A client that has the head of a page."""
        client = self.ask(road, name, *gates, **query)
        assert client.head().status == 200
        return Reader(client)

    def log(self, road: Road) -> str:
        """What a server has logged; empty for a road without."""
        log = self._logs / f"{road.where}.log"
        return log.read_text() if log.exists() else ""

    def left_behind(self, road: Road) -> dict[str, list[str]]:
        """Tasks and threads of pages in a server."""
        if road.where not in self._servers:
            return {"tasks": [], "threads": []}
        body = self.chain.client(self._servers[road.where]).ask("/state").answer().body
        found: dict[str, list[str]] = json.loads(body)
        return found

    def url(self, road: Road) -> str:
        if road.where in self._servers:
            return self._servers[road.where]
        if road.where == "gateway":
            return self.chain.url
        if road.where == "invoke":
            return self.chain.emulator_url
        return self.chain.function_url(road.where)


@contextmanager
def serving_pages(directory: Path) -> Iterator[Pages]:
    """Serve the pages on every road; afterwards nothing may be left."""
    for name, text in {
        "gate.py": SOURCE,
        "pages.py": PAGES,
        "servers.py": SERVERS,
        "tailrace.toml": CONFIGURATION.replace("@SOURCES@", SOURCES),
    }.items():
        (directory / name).write_text(text)
    with ExitStack() as stack:
        urls = {name: stack.enter_context(_server(directory, name)) for name in SERVED}
        chain = stack.enter_context(serving(directory / "tailrace.toml"))
        yield Pages(chain, urls, directory)


@contextmanager
def _server(directory: Path, name: str) -> Iterator[str]:
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    log = directory / f"{name}.log"
    with listener, log.open("w") as output:
        app, server, parser = SERVED[name]
        process = subprocess.Popen(
            [sys.executable, "servers.py", app, server, str(listener.fileno()), parser],
            cwd=directory,
            env={**os.environ},
            pass_fds=[listener.fileno()],
            stdout=output,
            stderr=output,
        )
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            process.terminate()
            process.wait(WAIT_S)
