"""Our adapter beside Mangum's: what an app is given of an event, and what becomes of its response.

Lambda@Edge, whose events this package does not read, and Mangum's custom handlers are left out.
"""

from __future__ import annotations

import asyncio
import copy
import gzip
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import pytest
from mangum import Mangum
from tests.event_shapes import DOCUMENTED, EVENTS, Sent, http_api_1, http_api_2, rest
from tests.upstream.mangum_differences import (
    RESULTS,
    SCOPES,
    Fields,
    MangumDifference,
    Pair,
)
from tests.upstream.sources import run_tests

from tailrace.function import asgi
from tailrace.wire.events.fields import context_of
from tailrace.wire.events.shapes import find_shape

Adapter = Callable[..., Callable[[Any, Any], Any]]
CONTEXT: Final = SimpleNamespace(aws_request_id="request-1")
GIF: Final = b"GIF87a\x01\x00\x01\x00\x80\x01\x00"

EVENT_COUNT: Final = {"ALB": 15, "APIGateway": 42, "HTTPGateway": 32}
"""How many events Mangum 0.22.0's tests have, by Mangum's names of their shapes."""


REQUESTS: Final = (
    Sent("POST", "/", "", (("content-type", "text/plain"),), b"text"),
    Sent("PUT", "/a", "", (("content-type", "image/gif"),), GIF),
    Sent(path="/caf%C3%A9/a%2Fb%20c%25", query="q=a%2Bb+c&q=%C3%A9&empty=&q=2"),
    Sent(headers=(("accept", "a/b"), ("accept", "c/d"), ("cookie", "a=1; b=2"))),
    Sent(client="2001:db8::1", forwarded=()),
)
"""Requests that are written as the event of every shape."""

MOUNTED: Final = [
    ("HTTP API with a stage", http_api_2(Sent(path="/a/b%20c"), "dev")),
    ("HTTP API 1.0 with a stage", http_api_1(Sent(path="/a/b%20c"), "dev")),
    ("REST API with a base path", rest(Sent(path="/a/b%20c", host="api.example.com"), base="/v1")),
]
"""Events of APIs that are not at the root of their URL."""


class Recorder:
    """An app that records its scope, and all of the request's body."""

    def __init__(self) -> None:
        self.seen = Fields()

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        body = b""
        while (message := await receive())["more_body"]:
            body += message["body"]
        self.seen = Fields(scope, headers=[tuple(pair) for pair in scope["headers"]])
        self.seen["(body)"] = body + message["body"]
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})


class Responder:
    """An app that answers with one response."""

    def __init__(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.start = {
            "type": "http.response.start",
            "status": status,
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers],
        }
        self.body = {"type": "http.response.body", "body": body}

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        await send(self.start)
        await send(self.body)


@pytest.fixture(scope="module", autouse=True)
def loop() -> Iterator[None]:
    """Mangum takes the thread's current loop, and otherwise makes one that it never closes."""
    own = asyncio.new_event_loop()
    asyncio.set_event_loop(own)
    yield
    asyncio.set_event_loop(None)
    own.close()


def seen_by(adapter: Adapter, event: dict[str, Any]) -> Fields:
    """Return the scope that an app is given of an event, and the body that it receives."""
    app = Recorder()
    adapter(app, lifespan="off")(copy.deepcopy(event), CONTEXT)
    return app.seen


def unexplained(pairs: Iterable[Pair], differences: tuple[MangumDifference, ...]) -> list[str]:
    """Return what differs without a reason, and the reasons that nothing needs."""
    used: set[MangumDifference] = set()
    wrong = []
    for pair in pairs:
        for field in sorted({*pair.theirs, *pair.ours}):
            theirs, ours = pair.theirs[field], pair.ours[field]
            if theirs == ours:
                continue
            rows = [
                row
                for row in differences
                if row.field == field and pair.shape.startswith(row.shapes) and row.explains(pair)
            ]
            used.update(rows)
            if not rows:
                wrong.append(f"{pair.name}, {pair.shape}: {field}: {theirs!r} is here {ours!r}")
    return wrong + [f"no use: {row.field}: {row.reason}" for row in differences if row not in used]


def shape_of(event: dict[str, Any]) -> str:
    shape = find_shape(event, context_of(event))
    assert shape is not None
    return shape.front_end


def test_an_app_is_given_what_mangum_gives_it(tmp_path: Path) -> None:
    """Every event of Mangum's own tests, and one of every shape from AWS's documentation."""
    report = tmp_path / "events.json"
    output = run_tests(
        "mangum", "mangum_events", "-k", "not real_lambda", UPSTREAM_REPORT=str(report)
    )
    assert "106 passed, 4 deselected" in output
    rows = json.loads(report.read_text())
    counts = {name: sum(row["shape"] == name for row in rows) for name in EVENT_COUNT}
    assert counts == EVENT_COUNT
    events = [(row["test"], row["event"]) for row in rows]
    events += [("AWS's example", event) for event in DOCUMENTED.values()]
    events += [(repr(sent), write(sent)) for write in EVENTS.values() for sent in REQUESTS]
    events += MOUNTED

    pairs = [
        Pair(name, shape_of(event), event, seen_by(Mangum, event), seen_by(asgi, event))
        for name, event in events
    ]

    wrong = unexplained(pairs, SCOPES)
    assert not wrong, "\n".join(wrong)


TEXT: Final = ("content-type", "text/plain")
RESPONSES: Final = {
    "text": (200, [("content-type", "text/plain; charset=utf-8")], "Grüße".encode()),
    "JSON": (201, [("content-type", "application/json")], b'{"a":1}'),
    "repeated headers": (200, [TEXT, ("x-a", "1"), ("x-b", "2"), ("x-a", "3")], b"x"),
    "a cookie": (200, [TEXT, ("set-cookie", "a=1; Path=/")], b"x"),
    "several cookies": (
        200,
        [TEXT, ("set-cookie", "a=1"), ("set-cookie", "b=2; Expires=Thu, 01 Jan 2026 00:00:00 GMT")],
        b"x",
    ),
    "names in capitals": (200, [("Content-Type", "text/plain"), ("X-Name", "value")], b"x"),
    "binary": (200, [("content-type", "image/gif")], GIF),
    "text of another type": (200, [("content-type", "image/svg+xml")], b"<svg/>"),
    "text that is none": (200, [TEXT], b"\xff\xfe"),
    "text with NUL": (200, [TEXT], b"a\0b"),
    "compressed": (
        200,
        [("content-type", "application/json"), ("content-encoding", "gzip")],
        gzip.compress(b"{}", mtime=0),
    ),
    "no content type": (200, [], b"x"),
    "empty": (200, [TEXT, ("content-length", "0")], b""),
    "204": (204, [], b""),
    "304": (304, [("etag", '"x"')], b""),
    "redirect": (307, [("location", "/a?b=c"), ("content-length", "0")], b""),
    "404": (404, [TEXT], b"nothing here"),
    "a status without a phrase": (299, [TEXT], b"x"),
}


def result_of(adapter: Adapter, app: Responder, event: dict[str, Any]) -> Fields:
    """Return the result of an invocation."""
    return Fields(adapter(app, lifespan="off")(copy.deepcopy(event), CONTEXT))


def asked_by(method: str, event: dict[str, Any]) -> dict[str, Any]:
    """Return an event with another method."""
    context = event["requestContext"]
    if "http" in context:
        return {
            **event,
            "requestContext": {**context, "http": {**context["http"], "method": method}},
        }
    return {**event, "httpMethod": method}


def test_a_response_is_returned_as_mangum_returns_it() -> None:
    pairs = []
    for event in DOCUMENTED.values():
        for method in ("GET", "HEAD"):
            asked = asked_by(method, event)
            for name, response in RESPONSES.items():
                app = Responder(*response)
                results = (result_of(adapter, app, asked) for adapter in (Mangum, asgi))
                pairs.append(Pair(f"{method}, {name}", shape_of(event), asked, *results))

    wrong = unexplained(pairs, RESULTS)
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("event", DOCUMENTED.values(), ids=DOCUMENTED)
def test_a_header_may_be_latin_1(event: dict[str, Any]) -> None:
    """ASGI's headers are bytes."""
    app = Responder(200, [("x-name", "café")], b"")

    result = result_of(asgi, app, event)

    several = result.get("multiValueHeaders", {})
    assert result.get("headers", {}).get("x-name", several.get("x-name")) in ("café", ["café"])
    with pytest.raises(UnicodeDecodeError):
        result_of(Mangum, app, event)
