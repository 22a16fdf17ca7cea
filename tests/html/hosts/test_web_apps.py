"""A page in a web app: as a route, a mounted app, a response; by the clients that tests use."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from typing import Any

import httpx
import pytest
from a2wsgi import WSGIMiddleware
from fastapi import BackgroundTasks, Depends, FastAPI
from flask import Flask
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.testclient import TestClient
from tests.html.hosts.asgi_server import AsgiClient
from tests.html.page_play import EVENT

from tailrace.function import asgi
from tailrace.function.apps.detect import kind_of
from tailrace.html import Html, Page, page


async def figures() -> str:
    await asyncio.sleep(0)
    return "42"


@page
async def report(page: Page, title: str = "Report", text: str | None = None) -> Any:
    request = page.request
    page.cookies.append("of=page")
    yield Html("<h1>{} {} {}</h1>").format(title, request.method, text)
    yield Html("<p>{} at {}</p>{}").format(request.path, request.root_path, page.part(figures()))


class Passing(BaseHTTPMiddleware):
    async def dispatch(self, request: Request, call_next: Any) -> Any:
        response = await call_next(request)
        response.headers["x-passed"] = "yes"
        return response


async def reads_its_body(request: Request) -> Response:
    form = await request.form()
    response: Response = report.response("Form", text=form["name"])
    response.set_cookie("of", "app")
    response.headers["x-app"] = "yes"
    return response


async def passes_no_body(request: Request) -> Response:
    @page
    async def reads(page: Page) -> str:
        return page.request.text()

    response: Response = reads.response()
    return response


done: list[str] = []


async def works_on(request: Request) -> Response:
    response: Response = report.response()
    response.background = BackgroundTask(done.append, "starlette")
    return response


app = Starlette(
    routes=[
        Route("/report", report),
        Mount("/mounted", report),
        Route("/form", reads_its_body, methods=["POST"]),
        Route("/no-body", passes_no_body, methods=["POST"]),
        Route("/works-on", works_on),
    ],
    middleware=[Middleware(Passing), Middleware(GZipMiddleware, minimum_size=1)],
)
fast = FastAPI()


def title() -> str:
    return "FastAPI"


@fast.get("/items/{name}")
async def item(name: str, tasks: BackgroundTasks, title: str = Depends(title)) -> Any:
    tasks.add_task(done.append, name)
    return report.response(title, text=name)


@fast.get("/sync/{name}")
def sync_item(name: str) -> Any:
    return report.response("sync", text=name)


def test_a_page_is_a_route() -> None:
    answer = TestClient(app).post("/report")

    assert answer.status_code == 200
    assert "<h1>Report POST None</h1><p>/report at </p>" in answer.text
    assert '<template for="p1">42</template>' in answer.text
    assert answer.headers["x-passed"] == "yes"
    assert answer.headers["content-encoding"] == "gzip"


def test_a_page_is_mounted_under_a_prefix() -> None:
    answer = TestClient(app).get("/mounted/a%20b")

    assert "<p>/mounted/a b at /mounted</p>" in answer.text


def test_an_exception_before_the_first_content_is_one_of_the_app() -> None:
    @page
    async def missing(page: Page) -> None:
        raise HTTPException(404, "no such order")

    answer = TestClient(Starlette(routes=[Route("/", lambda _: missing.response())])).get("/")

    assert (answer.status_code, answer.text) == (404, "no such order")


def test_an_endpoint_stands_beside_a_wsgi_app() -> None:
    flask = Flask(__name__)
    flask.add_url_rule("/", "index", lambda: "Flask's")
    routes: list[BaseRoute] = [
        Route("/report", report),
        Mount("/", WSGIMiddleware(flask.wsgi_app)),  # type: ignore[arg-type]
    ]
    client = TestClient(Starlette(routes=routes))

    assert client.get("/").text == "Flask's"
    assert "<h1>Report GET None</h1>" in client.get("/report").text


def test_a_server_has_a_prefix() -> None:
    answer = TestClient(app, root_path="/stage").get("/stage/mounted/a")

    assert "<p>/stage/mounted/a at /stage/mounted</p>" in answer.text


def test_an_app_adds_headers_and_arguments_and_has_the_body() -> None:
    answer = TestClient(app).post("/form", data={"name": "<Ada>"})

    assert "<h1>Form POST &lt;Ada&gt;</h1>" in answer.text
    assert answer.headers["x-app"] == "yes"
    assert answer.headers.get_list("set-cookie")[0] == "of=page"
    assert answer.headers.get_list("set-cookie")[1].startswith("of=app")


def test_a_page_of_an_app_cannot_read_the_body_that_the_app_has() -> None:
    with pytest.raises(RuntimeError, match="read it in the app"):
        TestClient(app).post("/no-body", content="text")


def test_background_tasks_follow() -> None:
    done.clear()

    TestClient(app).get("/works-on")
    TestClient(fast).get("/items/fast")

    assert done == ["starlette", "fast"]


@pytest.mark.parametrize(("path", "shown"), [("/items/a", "FastAPI"), ("/sync/b", "sync")])
def test_a_page_is_a_response_of_fastapi(path: str, shown: str) -> None:
    answer = TestClient(fast).get(path)

    assert f"<h1>{shown} GET {path[-1]}</h1>" in answer.text


def test_httpx_gets_a_page_without_a_server() -> None:
    async def get() -> httpx.Response:
        transport = httpx.ASGITransport(report)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.get("/a")

    assert "<p>/a at </p>" in asyncio.run(get()).text


user: ContextVar[str] = ContextVar("user")


@pytest.mark.parametrize("kind", ["async", "sync"])
def test_context_variables_of_middleware_are_the_pages(kind: str) -> None:
    class Signing(BaseHTTPMiddleware):
        async def dispatch(self, request: Request, call_next: Any) -> Any:
            user.set("Ada")
            return await call_next(request)

    @page
    async def of_loop(page: Page) -> str:
        return user.get()

    @page
    def of_thread(page: Page) -> str:
        return user.get()

    endpoint = of_loop if kind == "async" else of_thread
    app = Starlette(routes=[Route("/", endpoint)], middleware=[Middleware(Signing)])

    assert TestClient(app).get("/").text == "Ada"


def test_an_app_that_cancels_its_scope_waits_for_the_page() -> None:
    """BaseHTTPMiddleware cancels what it runs when its own task is cancelled, in each turn."""
    begun, ended = asyncio.Event(), asyncio.Event()

    async def waits() -> str:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            ended.set()
        return ""

    @page
    async def waiting(page: Page) -> Html:
        return page.part(waits())

    async def main() -> None:
        client = AsgiClient("/w")
        middleware = [Middleware(Passing), Middleware(Passing)]
        app = Starlette(routes=[Route("/w", waiting)], middleware=middleware)
        serving = asyncio.ensure_future(app(client.scope, client.receive, client.send))
        await begun.wait()
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving
        assert ended.is_set()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())


def test_an_endpoint_is_an_asgi_app_to_what_looks_at_its_parameters() -> None:
    result: Any = asgi(report)(EVENT, None)

    assert kind_of(report) == "asgi"
    assert result["body"] == "<h1>Report GET None</h1><p>/ at </p>42"
