"""A FastAPI app behind every front end: what users of other adapters have run into."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import threading
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import FastAPI, HTTPException, Request, Response, UploadFile
from fastapi.responses import StreamingResponse
from starlette.middleware.gzip import GZipMiddleware
from tests.event_shapes import EVENTS, Sent, http_api_1, http_api_2, rest
from tests.peers import Peer, Running
from tests.runtime_api import RuntimeLoop

from tailrace.function import asgi

CONTEXT = SimpleNamespace(aws_request_id="request-1")
HOST = "api.example.com"
MOUNTED: dict[str, tuple[str, Callable[[Sent], dict[str, Any]]]] = {
    "a stage of a REST API": ("/live", lambda sent: rest(sent, "live")),
    "a base path": ("/v1", lambda sent: rest(sent, base="/v1")),
    "a stage of an HTTP API": ("/dev", lambda sent: http_api_2(sent, "dev")),
    "a stage of an HTTP API 1.0": ("/dev", lambda sent: http_api_1(sent, "dev")),
}


def answer_of(app: FastAPI, event: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and body of a buffered response."""
    result = asgi(app, lifespan="off")(event, CONTEXT)
    headers = result.get("headers") or {
        name: values[0] for name, values in result["multiValueHeaders"].items()
    }
    body = result["body"]
    is_base64 = result["isBase64Encoded"]
    return result["statusCode"], headers, base64.b64decode(body) if is_base64 else body.encode()


@pytest.mark.parametrize("where", MOUNTED)
def test_the_apps_urls_lead_to_the_app(where: str) -> None:
    """Behind a stage or a base path, the page of the docs finds its schema."""
    mount, write = MOUNTED[where]
    app = FastAPI()

    @app.get("/items/")
    def items(request: Request) -> list[str]:
        return [str(request.url), str(request.url_for("items")), request.scope["root_path"]]

    def ask(path: str) -> tuple[int, dict[str, str], bytes]:
        return answer_of(app, write(Sent(path=path, host=HOST)))

    url = f"https://{HOST}{mount}/items/"
    assert f"url: '{mount}/openapi.json'" in ask("/docs")[2].decode()
    assert ask("/openapi.json")[0] == 200
    assert json.loads(ask("/items/")[2]) == [url, url, mount]
    status, headers, _ = ask("/items")
    assert (status, headers["location"]) == (307, url)


@pytest.mark.parametrize("shape", EVENTS)
@pytest.mark.parametrize(
    ("query", "name"),
    [("John+Smith", "John Smith"), ("John%20Smith", "John Smith"), ("a%2Bb%2F100%25", "a+b/100%")],
)
def test_a_query_is_decoded_once(shape: str, query: str, name: str) -> None:
    """Load balancers give parameters as they were sent, all others decoded."""
    app = FastAPI()

    @app.get("/")
    def root(name: str) -> str:
        return name

    answer = answer_of(app, EVENTS[shape](Sent(query=f"name={query}")))

    assert json.loads(answer[2]) == name


@pytest.mark.parametrize("shape", EVENTS)
def test_an_uploaded_file_arrives_whole(shape: str) -> None:
    app = FastAPI()
    content = bytes(range(256)) * 4

    @app.post("/")
    async def root(file: UploadFile) -> list[Any]:
        return [file.filename, await file.read() == content]

    form = (
        b'--x\r\ncontent-disposition: form-data; name="file"; filename="a.pdf"\r\n\r\n'
        + content
        + b"\r\n--x--\r\n"
    )
    sent = Sent("POST", headers=(("content-type", "multipart/form-data; boundary=x"),), body=form)

    assert json.loads(answer_of(app, EVENTS[shape](sent))[2]) == ["a.pdf", True]


@pytest.mark.parametrize("shape", EVENTS)
def test_a_compressed_response_is_base64(shape: str) -> None:
    app = FastAPI()
    app.add_middleware(GZipMiddleware, minimum_size=1)
    app.get("/")(lambda: {"text": "ü" * 1000})

    status, headers, body = answer_of(
        app, EVENTS[shape](Sent(headers=(("accept-encoding", "gzip"),)))
    )

    assert (status, headers["content-encoding"]) == (200, "gzip")
    assert json.loads(gzip.decompress(body)) == {"text": "ü" * 1000}


def test_an_app_whose_root_fails_is_asked_once() -> None:
    """No request of the adapter's own looks whether the app is ready."""
    app = FastAPI()
    calls = []

    @app.get("/")
    def root() -> None:
        calls.append(1)
        raise HTTPException(500, "error occurred")

    answer = answer_of(app, EVENTS["function-url"](Sent()))

    assert (answer[0], json.loads(answer[2])) == (500, {"detail": "error occurred"})
    assert calls == [1]


@pytest.mark.parametrize("path", ["callback", "native"])
@pytest.mark.parametrize("status", [200, 204, 302, 304, 500])
def test_a_response_without_a_body_ends(path: str, status: int, peer: Peer) -> None:
    """Also if the app has waited before: the head is there, the end, and the next invocation."""
    app = FastAPI()

    @app.get("/")
    async def root() -> Response:
        await asyncio.sleep(0)
        return Response(status_code=status, headers={"location": "/elsewhere"})

    handler = asgi(app, lifespan="off")
    if path == "callback":
        call = Running(handler, peer.event(rawPath="/"), CONTEXT)
        head, body = peer.accept_callback().serve()
        call.result()
    else:
        with RuntimeLoop(peer, handler) as runtime:
            stream = runtime.stream(EVENTS["function-url"](Sent()))
            head = stream.read_response_head()
            body, trailers = stream.read_body()
            stream.accept_response()
        assert trailers == {}
    assert (head.status, head.get("location"), body) == (status, "/elsewhere", b"")


def test_each_step_of_a_queue_is_sent_before_the_next_is_put(peer: Peer) -> None:
    """A task that runs beside the response puts what the response sends."""
    app = FastAPI()
    gate = threading.Semaphore(0)

    @app.get("/")
    async def root() -> StreamingResponse:
        steps: asyncio.Queue[str | None] = asyncio.Queue()

        async def work() -> None:
            for step in ("one", "two", None):
                await asyncio.to_thread(gate.acquire, timeout=10)
                steps.put_nowait(step)

        async def send() -> AsyncIterator[str]:
            working = asyncio.create_task(work())
            while (step := await steps.get()) is not None:
                yield step
            await working

        return StreamingResponse(send(), media_type="text/event-stream")

    call = Running(asgi(app, lifespan="off"), peer.event(rawPath="/"), CONTEXT)
    callback = peer.accept_callback()
    callback.go_on()
    assert callback.read_response_head().status == 200  # before the first step is put
    for step in (b"one", b"two"):
        gate.release()
        assert callback.read_piece() == step
    gate.release()
    assert callback.read_piece() == b""
    callback.finish(b"onetwo")
    call.result()


def test_a_function_may_serve_other_events_in_the_same_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Clients at module level belong to one loop, whatever has invoked the function."""
    # Other tests may have made the environment's loop in another thread.
    monkeypatch.setattr("tailrace.function.event_loop._loops", [])
    app = FastAPI()
    loops = []

    @app.get("/")
    async def root() -> None:
        loops.append(asyncio.get_running_loop())

    async def work() -> str:
        loops.append(asyncio.get_running_loop())
        return "done"

    serve = asgi(app, lifespan="off")

    def handler(event: dict[str, Any], context: Any) -> Any:
        if "requestContext" in event:
            return serve(event, context)
        return asyncio.get_event_loop().run_until_complete(work())

    assert handler(EVENTS["function-url"](Sent()), CONTEXT)["statusCode"] == 200
    assert handler({"source": "aws.events"}, CONTEXT) == "done"
    assert handler(EVENTS["function-url"](Sent()), CONTEXT)["statusCode"] == 200
    assert len(loops) == 3 and len(set(loops)) == 1
    loops[0].close()
