"""What a function imports: cold start is a feature."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.peers import Peer

SOURCES = Path(__file__).parent.parent / "src"

PROGRAM = """
import json, sys
before = set(sys.modules)
sys.path.insert(0, {sources!r})
{body}
print(json.dumps(sorted(set(sys.modules) - before)))
"""

SYNC = """
from tailrace.function import Head, streamify_response

@streamify_response
def handler(event, context):
    yield Head(201)
    yield "x"
"""

ASYNC = """
from tailrace.function import streamify_response

@streamify_response
async def handler(event, context):
    yield "x"
"""

RESULT = """
from tailrace.function import streamify_response

@streamify_response
def handler(event, context):
    return {"statusCode": 201, "body": "x"}
"""

WRITER = """
from tailrace.function import streamify_response

@streamify_response
async def handler(event, response, context):
    await response.write("x")
"""

PAGE = """
from tailrace.html import Html, page

@page
async def report(page):
    yield Html("<p>{}").format("x")

handler = report.handler
"""

SLOW = {
    "asyncio",
    "concurrent",
    "dataclasses",
    "email",
    "encodings.idna",
    "http",
    "inspect",
    "ipaddress",
    "selectors",
    "signal",
    "socket",
    "ssl",
    "subprocess",
    "typing",
    "urllib",
    "uuid",
}
"""Modules of the standard library that cost milliseconds, and that a sync callback needs not."""


def imported(body: str) -> set[str]:
    """Run a program in a fresh interpreter; return the modules that it has imported."""
    program = PROGRAM.format(sources=str(SOURCES), body=body)
    # -I and -S: neither this directory nor what .pth files of the test environment import.
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def served(handler: str, peer: Peer) -> set[str]:
    """The modules imported by a handler and one callback of it."""
    import threading

    server = threading.Thread(target=lambda: peer.accept_callback().serve())
    server.start()
    modules = imported(f"{handler}\nassert handler({peer.event()!r}, None) is None")
    server.join(10)
    return modules


ASGI = """
from tailrace.function import asgi

async def app(scope, receive, send):
    if scope["type"] != "http":
        raise ValueError
    await receive()
    await send({"type": "http.response.start", "status": 201})
    await send({"type": "http.response.body", "body": b"x"})

handler = asgi(app)
"""

WSGI = """
from tailrace.function import wsgi

def app(environ, start_response):
    start_response("200 OK", [("content-type", "text/plain")])
    return [b"x"]

handler = wsgi(app)
"""

NATIVE = """
import _socket
from tailrace.net.blocking.upload import Upload

here, there = _socket.socketpair()

class Native:
    upload = Upload(here)
    def start(self, media_type): pass
    def fail(self, failure): pass

class Context:
    def open_response_stream(self): return Native()

assert handler({"requestContext": {"http": {"method": "GET"}}}, Context()) is None
"""


def foreign(modules: set[str]) -> set[str]:
    return {
        name
        for name in modules
        if name.partition(".")[0] not in {*sys.stdlib_module_names, "tailrace"}
    }


def slow(modules: set[str]) -> set[str]:
    return {name for name in modules if name in SLOW or name.partition(".")[0] in SLOW}


def test_a_sync_handler_and_its_callback_import_little_of_the_standard_library() -> None:
    with Peer() as peer:
        modules = served(SYNC, peer)

    assert foreign(modules) == set()
    assert slow(modules) == set()
    assert {name for name in modules if name.startswith("tailrace.")} == {
        "tailrace.errors",
        "tailrace.function",
        "tailrace.function.drive",
        "tailrace.function.failure",
        "tailrace.function.handler",
        "tailrace.function.input",
        "tailrace.function.invocation",
        "tailrace.function.output",
        "tailrace.function.output.callback",
        "tailrace.function.output.encoder",
        "tailrace.function.output.upload",
        "tailrace.function.signature",
        "tailrace.function.stream",
        "tailrace.limits",
        "tailrace.net",
        "tailrace.net.blocking",
        "tailrace.net.blocking.answer",
        "tailrace.net.blocking.connection",
        "tailrace.net.blocking.upload",
        "tailrace.records",
        "tailrace.wire",
        "tailrace.wire.capability",
        "tailrace.wire.events",
        "tailrace.wire.events.fields",
        "tailrace.wire.events.function_url",
        "tailrace.wire.events.shapes",
        "tailrace.wire.integration",
        "tailrace.wire.mark",
    }


def test_an_asgi_app_and_its_callback_import_asyncio_and_nothing_else_that_is_slow() -> None:
    """With its lifespan, which this app does not have."""
    with Peer() as peer:
        modules = served(ASGI, peer)

    assert foreign(modules) == set()
    assert slow(modules) == slow(imported("import asyncio"))
    own = {name for name in modules if not name.startswith("tailrace")}
    assert own - imported("import asyncio") == {"__future__"}


def test_a_wsgi_app_and_its_callback_import_little_of_the_standard_library() -> None:
    with Peer() as peer:
        modules = served(WSGI, peer)

    assert foreign(modules) == set()
    assert slow(modules) == set()


def test_a_page_and_its_callback_import_asyncio_and_nothing_else_that_is_slow() -> None:
    """Nor what events need."""
    with Peer() as peer:
        modules = served(PAGE, peer)

    assert foreign(modules) == set()
    assert slow(modules) == slow(imported("import asyncio"))
    assert modules.isdisjoint({"pathlib", "secrets", "hashlib", "random"})
    assert {name for name in modules if name.startswith("tailrace.html.streams")} == set()


def test_a_native_stream_looks_for_padding_when_it_is_flushed() -> None:
    plain = imported(SYNC + NATIVE)
    flushed = imported(
        SYNC.replace('yield "x"', "yield FLUSH")
        .replace("Head(201)", "Head(200, {'content-type': 'text/event-stream'})")
        .replace("import Head", "import FLUSH, Head")
        + NATIVE
    )

    assert slow(plain) == slow(flushed) == set()
    more = {"charset", "lines", "scanners"}
    assert flushed - plain == {f"tailrace.function.flush.{name}" for name in more}


@pytest.mark.parametrize(
    "handler",
    [SYNC, ASYNC, RESULT, WRITER, WSGI, ASGI, PAGE],
    ids=["sync", "async", "result", "writer", "wsgi", "asgi", "page"],
)
def test_a_first_callback_imports_nothing_that_could_be_imported_before(handler: str) -> None:
    """The init phase is not the client's time."""
    with Peer() as peer:
        declared = imported(handler)
        called = served(handler, peer)

    assert {name for name in called - declared if name.startswith("tailrace.")} == set()


def test_an_async_handler_imports_asyncio_when_it_is_declared() -> None:
    """In the init phase, which is not the client's time."""
    assert "asyncio" in imported(ASYNC)
    with Peer() as peer:
        assert foreign(served(ASYNC, peer)) == set()


@pytest.mark.parametrize("module", ["tailrace.function", "tailrace.runtime.__main__"])
def test_importing_the_sdk_or_the_runtime_imports_no_asyncio(module: str) -> None:
    modules = imported(f"import {module}")

    assert foreign(modules) == set()
    assert slow(modules) == set()


def test_a_runtime_with_a_plain_handler_imports_what_it_needs() -> None:
    """These take longer than all of our own modules; and the SDK is for handlers that stream."""
    modules = imported("import tailrace.runtime.__main__")

    assert modules.isdisjoint({"typing", "signal", "socket", "selectors"})
    assert {name for name in modules if name.startswith("tailrace.function")} == {
        "tailrace.function",
        "tailrace.function.failure",
    }


def test_loading_a_plain_handler_imports_nothing_for_apps(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("def handler(event, context): ...")
    load = f"sys.path.insert(0, {str(tmp_path)!r}); load_handler('app.handler')"

    modules = imported(f"from tailrace.runtime.loading import load_handler; {load}")

    assert "app" in modules
    assert {name for name in modules if name.startswith("tailrace.function")} == {
        "tailrace.function",
        "tailrace.function.failure",
    }
