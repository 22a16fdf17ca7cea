"""The scope of an event, beside the one that uvicorn gives an app of the request itself."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, Final

import pytest
import uvicorn
from tests.event_shapes import EVENTS, Sent
from tests.peers import WAIT_S

from tailrace.function import asgi

CONTEXT: Final = SimpleNamespace(aws_request_id="request-1")
PATHS: Final = (
    *("/", "/a%20b", "/%2F", "/a%2fb", "/caf%C3%A9", "/%E9", "/%F0%9F%98%80", "/%25", "/%2525"),
    *("/a+b", "/a;x=1", "/a,b", "/a=b&c", "/~a", "/a//b", "//a", "/.", "/..", "/a/../b", "/a/"),
    *("/%", "/%zz", "/%0", "/%00", "/%3F", "/%23", "/%0D%0A", "/a:b@c", "/'(a)*!$"),
)
QUERIES: Final = ("", "a=b", "a=%C3%A9&b", "a+b=c%20d", "a=b?c=/", "a;b", "%", "a=%zz", "&&", "=")
LOSSY: Final = ("http-api-2", "http-api-1")
"""HTTP APIs decode a path before they send it."""


class ScopeServer:
    """uvicorn with an app that records its scope and the request's body."""

    def __init__(self) -> None:
        config = uvicorn.Config(self._app, interface="asgi3", lifespan="off", log_level="critical")
        self._server = uvicorn.Server(config)
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self.scope: dict[str, Any] = {}

    async def _serve(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port = listener.getsockname()[1]
            self._started.set()  # connections wait in the listener's queue
            await self._server.serve([listener])

    async def _app(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        self.scope = await recorded(scope, receive, send)

    def __enter__(self) -> ScopeServer:
        self._thread.start()
        assert self._started.wait(WAIT_S)
        return self

    def __exit__(self, *unused: object) -> None:
        self._server.should_exit = True
        self._thread.join(WAIT_S)
        assert not self._thread.is_alive()

    def ask(self, sent: Sent) -> dict[str, Any]:
        """Send a request as it is; return what the app was given."""
        target = sent.path + (f"?{sent.query}" if sent.query else "")
        fields = [("host", sent.host), *sent.headers, ("connection", "close")]
        lines = [f"{sent.method} {target} HTTP/1.1", *(f"{n}: {v}" for n, v in fields), "", ""]
        with socket.create_connection(("127.0.0.1", self.port), WAIT_S) as client:
            client.sendall("\r\n".join(lines).encode("latin-1") + sent.body)
            answer = b""
            while data := client.recv(65536):
                answer += data
        assert answer.startswith(b"HTTP/1.1 204"), answer
        return self.scope


async def recorded(scope: dict[str, Any], receive: Any, send: Any) -> dict[str, Any]:
    """Return a scope with the request's body."""
    body = b""
    while (message := await receive()).get("more_body"):
        body += message["body"]
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body"})
    return {**scope, "(body)": body + message.get("body", b"")}


def given_of(event: dict[str, Any]) -> dict[str, Any]:
    """Return what our adapter gives an app of an event."""
    seen: list[dict[str, Any]] = []

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        seen.append(await recorded(scope, receive, send))

    asgi(app, lifespan="off")(event, CONTEXT)
    return seen[0]


@pytest.fixture(scope="module")
def server() -> Iterator[ScopeServer]:
    with ScopeServer() as server:
        yield server


@pytest.mark.parametrize("path", PATHS)
def test_a_path_is_that_of_uvicorn(server: ScopeServer, path: str) -> None:
    sent = Sent(path=path)
    wanted = server.ask(sent)

    for shape, write in EVENTS.items():
        given = given_of(write(sent))
        root = given["root_path"]
        assert given["path"] == root + wanted["path"], shape
        if shape not in LOSSY:
            assert given["raw_path"] == root.encode() + wanted["raw_path"], shape


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_is_that_of_uvicorn(server: ScopeServer, query: str) -> None:
    """REST APIs and HTTP APIs 1.0 give parameters decoded: there it is encoded anew."""
    sent = Sent(query=query)
    wanted = server.ask(sent)["query_string"]

    for shape in ("function-url", "http-api-2"):
        assert given_of(EVENTS[shape](sent))["query_string"] == wanted


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PROPFIND"])
def test_all_else_is_that_of_uvicorn(server: ScopeServer, method: str) -> None:
    headers = (
        *(("x-a", "1"), ("x-latin", "é"), ("x-empty", ""), ("cookie", "a=1; b=2")),
        *(("content-type", "text/plain"), ("content-length", "4")),
    )
    sent = Sent(method, "/", "", headers, b"body", forwarded=())
    wanted = server.ask(sent)

    given = given_of(EVENTS["function-url"](sent))

    for scope, added in (given, b"x-forwarded-for"), (wanted, b"connection"):
        scope["headers"] = [tuple(pair) for pair in scope["headers"] if pair[0] != added]
    host = replaced_host(wanted["headers"], b"abc123.lambda-url.us-east-1.on.aws")
    assert given == wanted | {
        "headers": host,
        "scheme": "https",
        "client": ("203.0.113.9", 0),
        "server": ("abc123.lambda-url.us-east-1.on.aws", 443),
        "extensions": given["extensions"],
        "aws.event": given["aws.event"],
        "aws.context": CONTEXT,
    }


def replaced_host(headers: list[tuple[bytes, bytes]], host: bytes) -> list[tuple[bytes, bytes]]:
    """Return headers with the Host of a Function URL."""
    return [(name, host if name == b"host" else value) for name, value in headers]
