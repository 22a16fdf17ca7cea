"""Starlette's TestClient over our adapter: a pytest plugin for Starlette's own tests.

A request becomes an event, `asgi(app)` is invoked with it in an environment of this process, and
the response comes back read by read. Everything else of the client is Starlette's: redirects,
cookies, and that it raises what the app has raised.

Run with Starlette's tests first on the path: they are a package `tests`, behind which ours is
found. `UPSTREAM_SHAPE` is the form of the events, `UPSTREAM_PATH` how responses come back,
`UPSTREAM_REPORT` the file for the outcomes.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import httpx2 as httpx
import pytest
import tests
from starlette import testclient
from starlette.types import Receive, Scope, Send

tests.__path__.append(str(Path(__file__).parent.parent))

from tests.event_shapes import Sent, function_url, rest  # noqa: E402  # found behind Starlette's
from tests.upstream.environment import (  # noqa: E402
    Arriving,
    BrokenOffError,
    Environment,
    FunctionError,
)

from tailrace.function import asgi, event_loop  # noqa: E402

ADDED = (b"x-forwarded-for", b"x-forwarded-port", b"x-forwarded-proto")
write_event = {
    "function-url": function_url,
    "rest": lambda sent: rest(sent, base=""),  # of a custom domain, whose path is all the API's
}[os.environ["UPSTREAM_SHAPE"]]

_environments: list[Environment] = []  # one, while tests run
_requests: Counter[str] = Counter()
_outcomes: dict[str, str] = {}
_running: list[str] = []


class RecordingApp:
    """An app that records what it raises, and does not see what a front end adds to a request.

    `TestClient` sends no such headers, and its tests compare all of them.
    """

    def __init__(self, app: Any) -> None:
        self._app = app
        self.failure: Exception | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = [pair for pair in scope["headers"] if pair[0] not in ADDED]
            scope = {**scope, "headers": headers}
        try:
            await self._app(scope, receive, send)
        except Exception as error:
            self.failure = error
            raise


class AdapterTransport(httpx.BaseTransport):
    """Takes the place of `testclient._TestClientTransport`, with its arguments."""

    def __init__(
        self,
        app: Any,
        portal_factory: object,
        raise_server_exceptions: bool = True,
        root_path: str = "",
        *,
        client: tuple[str, int],
        app_state: dict[str, Any],
    ) -> None:
        self.app = RecordingApp(app)
        self._raises = raise_server_exceptions
        self._root_path = root_path or None
        self._client = client
        self.arriving: set[ArrivingBody] = set()
        self.use_lifespan("off")

    def use_lifespan(self, mode: Any) -> Any:
        """Make a new handler, and return it."""
        self.handler = asgi(self.app, lifespan=mode, root_path=self._root_path)
        return self.handler

    def close(self) -> None:
        for body in list(self.arriving):
            body.close()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.scheme in ("ws", "wss"):
            raise NotImplementedError("functions get no WebSocket")
        _requests[_running[-1]] += 1
        self.app.failure = None
        try:
            arriving = _environments[0].invoke(self.handler, self._event_of(request))
        except FunctionError:
            self.raise_failure()
            return httpx.Response(500, request=request)
        head = arriving.head
        return httpx.Response(
            head.status,
            headers=[*head.headers, *(("set-cookie", cookie) for cookie in head.cookies)],
            stream=ArrivingBody(arriving, self),
            request=request,
        )

    def _event_of(self, request: httpx.Request) -> dict[str, Any]:
        url = request.url
        headers = [(name.lower(), value) for name, value in request.headers.multi_items()]
        port = url.port or {"http": 80, "https": 443}[url.scheme]
        return write_event(
            Sent(
                method=request.method,
                path=url.raw_path.partition(b"?")[0].decode("ascii"),
                query=url.query.decode("ascii"),
                headers=tuple(pair for pair in headers if pair[0] != "host"),
                body=request.read(),
                host=request.headers.get("host", ""),
                client=self._client[0],
                forwarded=(("x-forwarded-proto", url.scheme), ("x-forwarded-port", str(port))),
            )
        )

    def raise_failure(self) -> None:
        """Raise what the app has raised, as `TestClient` does."""
        failure, self.app.failure = self.app.failure, None
        if self._raises and failure is not None:
            raise failure


class ArrivingBody(httpx.SyncByteStream):
    """The body of a response that arrives."""

    def __init__(self, arriving: Arriving, transport: AdapterTransport) -> None:
        self._arriving = arriving
        self._transport = transport
        transport.arriving.add(self)

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._arriving.pieces()
        except BrokenOffError:
            pass  # the app has failed; `close` raises what it has raised
        self.close()

    def close(self) -> None:
        if self not in self._transport.arriving:
            return
        self._transport.arriving.remove(self)
        if self._arriving.end():
            self._transport.raise_failure()


class AdapterClient(testclient.TestClient):
    """A TestClient that runs the app's lifespan by the adapter, as a context."""

    __test__ = False
    _transport: AdapterTransport

    def __enter__(self) -> Self:
        handler = self._transport.use_lifespan("on")
        try:
            _environments[0].run(handler.__tailrace_start__)
        except FunctionError:
            self._transport.raise_failure()
            raise
        return self

    def __exit__(self, *args: Any) -> None:
        self._transport.close()
        _environments[0].run(shut_down)
        self._transport.raise_failure()


def shut_down() -> None:
    """End the lifespan of the app, as the end of the process would."""
    while event_loop._at_close:
        event_loop.run_in_loop(event_loop._at_close.pop()())


# Now, because Starlette's own conftest.py takes the class before a plugin's first hook.
testclient._TestClientTransport = AdapterTransport
testclient.TestClient = AdapterClient


@pytest.fixture(autouse=True, scope="session")
def environment() -> Iterator[None]:
    with Environment(os.environ["UPSTREAM_PATH"]) as one:
        _environments.append(one)
        yield


@pytest.fixture
def anyio_backend_name() -> str:
    return "asyncio"


@pytest.fixture
def anyio_backend_options() -> dict[str, Any]:
    return {}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    _running.append(item.nodeid)
    try:
        return (yield)
    finally:
        _running.pop()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "call" or report.outcome != "passed":
        _outcomes[report.nodeid] = report.outcome


def pytest_sessionfinish() -> None:
    rows = {
        test: {"outcome": outcome, "requests": _requests[test]}
        for test, outcome in _outcomes.items()
    }
    Path(os.environ["UPSTREAM_REPORT"]).write_text(json.dumps(rows, indent=1))
