"""SnapStart: our runtime and AWS's under the same script of the Runtime API."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.peers import Peer, PeerConnection
from tests.runtime_process import RuntimeProcess
from tests.test_layers import MODULES as OUR_MODULES
from tests.test_layers import imported_by

from tailrace.package.own_files import own_entries
from tailrace.wire.runtime_api import ACCEPTED_BODY, Invocation, next_headers

MODULES = ("tailrace.runtime", "awslambdaric")
NEXT = "GET /2018-06-01/runtime/invocation/next HTTP/1.1"
RESTORE_NEXT = "GET /2018-06-01/runtime/restore/next HTTP/1.1"
RESTORE_ERROR = "POST /2018-06-01/runtime/restore/error HTTP/1.1"
INIT_ERROR = "POST /2018-06-01/runtime/init/error HTTP/1.1"
TYPE = "lambda-runtime-function-error-type"

APP = """
import os, sys
from snapshot_restore_py import register_after_restore, register_before_snapshot

seen = []

@register_before_snapshot
def first_registered():
    seen.append("before: registered first")
    fail("before")

def fail(when):
    how = os.environ.get("FAIL", "")
    if how == f"{when} raises":
        raise ValueError("böom")
    if how == f"{when} exits":
        sys.exit(3)

register_before_snapshot(seen.append, "before: registered last")
register_after_restore(lambda word, *, end: seen.append(word + end), "after: first", end="!")

@register_after_restore
def last():
    seen.append("after: last")
    fail("after")

def handler(event, context):
    return seen
"""
PLAIN = """
def handler(event, context):
    return "served"
"""
SDK_PAGE = Path(__file__).parent.parent / "docs" / "reference" / "sdk.md"
DATABASE = """
import asyncio

class Pool:
    def __init__(self):
        self.story = []
        self.loop = None

    async def open(self):
        self.story.append("opened")
        self.loop = asyncio.get_running_loop()

    async def close(self):
        self.story.append("closed")

pool = Pool()
"""
WEB = """
import asyncio, json, random
from starlette.responses import JSONResponse
from database import pool
from main import app

random.seed(1)
same = random.Random(1).random()

async def tell(request):
    is_its_own = pool.loop is asyncio.get_running_loop()
    return JSONResponse([pool.story, is_its_own, random.random() != same])

app.add_route("/", tell)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "plain.py").write_text(PLAIN)
    return tmp_path


@pytest.fixture
def peer() -> Iterator[Peer]:
    with Peer() as peer:
        yield peer


class Script:
    """What a runtime asks, each on the connection that it opens for it."""

    def __init__(self, folder: Path, peer: Peer, module: str, handler: str, **more: str) -> None:
        self.peer = peer
        variables = {"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start", **more}
        self.runtime = RuntimeProcess(folder, peer, handler, module=module, **variables)

    def receive(self) -> tuple[str, dict[str, str], bytes, PeerConnection]:
        """The next request, on a new connection."""
        connection = self.peer.accept()
        return *connection.read_message(), connection

    def restore(self, status: int = 200) -> None:
        """Answer the wait for the end of the snapshot; its connection is not used again."""
        line, _, _, connection = self.receive()
        assert line == RESTORE_NEXT
        connection.send(f"HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n".encode())
        if status == 200:
            assert connection.ends_with() == b""

    def error(self) -> tuple[str, str | None, Any]:
        """A report: request line, type in the header, error; without its frames."""
        line, headers, body, connection = self.receive()
        head = f"HTTP/1.1 202 X\r\ncontent-length: {len(ACCEPTED_BODY)}\r\n\r\n"
        connection.send(head.encode() + ACCEPTED_BODY)
        error = json.loads(body)
        error["stackTrace"] = error["stackTrace"][-1:]
        return line, headers.get(TYPE), error

    def result(self, event: Any = None) -> Any:
        """The result of an invocation."""
        line, _, _, connection = self.receive()
        assert line == NEXT
        body = json.dumps(event).encode()
        fields = next_headers(Invocation("r1", 1, "arn:f"))
        head = ["HTTP/1.1 200 X", f"content-length: {len(body)}"]
        head += [f"{name}: {value}" for name, value in fields]
        connection.send("\r\n".join([*head, "", ""]).encode() + body)
        report = connection.read_message()
        assert report[0] == "POST /2018-06-01/runtime/invocation/r1/response HTTP/1.1", report
        return json.loads(report[2])


@pytest.mark.parametrize("module", MODULES)
def test_hooks_run_in_order_and_then_events_come(folder: Path, peer: Peer, module: str) -> None:
    script = Script(folder, peer, module, "app.handler")
    with script.runtime:
        script.restore()
        assert script.result() == [
            "before: registered last",
            "before: registered first",
            "after: first!",
            "after: last",
        ]


@pytest.mark.parametrize("module", MODULES)
def test_nothing_runs_after_the_restore_before_it_is_there(
    folder: Path, peer: Peer, module: str
) -> None:
    """The snapshot is taken while the request waits."""
    script = Script(folder, peer, module, "app.handler", FAIL="after raises")
    with script.runtime:
        line, _, _, connection = script.receive()
        assert line == RESTORE_NEXT
        assert script.runtime.process.poll() is None

        connection.send(b"HTTP/1.1 200 X\r\ncontent-length: 0\r\n\r\n")
        assert script.error()[0] == RESTORE_ERROR


@pytest.mark.parametrize("module", MODULES)
def test_a_function_without_hooks_waits_as_well(folder: Path, peer: Peer, module: str) -> None:
    script = Script(folder, peer, module, "plain.handler")
    with script.runtime:
        script.restore()
        assert script.result() == "served"


@pytest.mark.parametrize("module", MODULES)
def test_no_snapshot_is_passed_without_snapstart(folder: Path, peer: Peer, module: str) -> None:
    kinds = {"AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand"}
    script = Script(folder, peer, module, "app.handler", **kinds)
    with script.runtime:
        assert script.result() == []


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize(
    ("how", "error_type", "message"),
    [("raises", "ValueError", "böom"), ("exits", "SystemExit", "3")],
)
def test_a_hook_before_the_snapshot_that_fails(
    folder: Path, peer: Peer, module: str, how: str, error_type: str, message: str
) -> None:
    script = Script(folder, peer, module, "app.handler", FAIL=f"before {how}")
    with script.runtime:
        line, header, error = script.error()
        code, out, _ = script.runtime.end()

    assert (line, header, code) == (INIT_ERROR, "Runtime.BeforeSnapshotError", 64)
    assert (error["errorType"], error["errorMessage"]) == (error_type, message)
    assert error["requestId"] == ""
    assert 'app.py", line' in error["stackTrace"][0]
    assert f"[ERROR] {error_type}: {message}" in out


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize(
    ("how", "error_type", "message"),
    [("raises", "ValueError", "böom"), ("exits", "SystemExit", "3")],
)
def test_a_hook_after_the_restore_that_fails(
    folder: Path, peer: Peer, module: str, how: str, error_type: str, message: str
) -> None:
    script = Script(folder, peer, module, "app.handler", FAIL=f"after {how}")
    with script.runtime:
        script.restore()
        line, header, error = script.error()
        code, out, _ = script.runtime.end()

    assert (line, header, code) == (RESTORE_ERROR, "Runtime.AfterRestoreError", 65)
    assert (error["errorType"], error["errorMessage"]) == (error_type, message)
    assert error["requestId"] == ""
    assert 'app.py", line' in error["stackTrace"][0]
    assert f"[ERROR] {error_type}: {message}" in out


@pytest.mark.parametrize("module", MODULES)
def test_a_snapshot_that_is_refused(folder: Path, peer: Peer, module: str) -> None:
    script = Script(folder, peer, module, "plain.handler")
    with script.runtime:
        script.restore(403)
        line, header, error = script.error()
        code = script.runtime.end()[0]

    assert (line, header, code) == (INIT_ERROR, "Runtime.BeforeSnapshotError", 64)
    assert "restore/next" in error["errorMessage"]
    assert "403" in error["errorMessage"]


@pytest.mark.parametrize("module", MODULES)
def test_a_handler_that_cannot_be_loaded_has_no_snapshot(
    folder: Path, peer: Peer, module: str
) -> None:
    script = Script(folder, peer, module, "nowhere.handler")
    with script.runtime:
        line, header, _ = script.error()
        assert (line, header) == (INIT_ERROR, "Runtime.ImportModuleError")
        assert script.runtime.end()[0] == 1


def test_sigterm_ends_the_wait_in_order(folder: Path, peer: Peer) -> None:
    script = Script(folder, peer, "tailrace.runtime", "plain.handler")
    with script.runtime:
        assert script.receive()[0] == RESTORE_NEXT
        assert script.runtime.end(signal.SIGTERM) == (0, "", "")


def test_the_documented_app_opens_its_pool_again_in_its_own_loop(folder: Path, peer: Peer) -> None:
    section = SDK_PAGE.read_text().partition("\n### SnapStart\n")[2]
    (folder / "main.py").write_text(section.partition("```python\n")[2].partition("```")[0])
    (folder / "database.py").write_text(DATABASE)
    (folder / "web.py").write_text(WEB)
    event = {"version": "2.0", "requestContext": {"http": {"method": "GET", "path": "/"}}}
    mode = {"TAILRACE_RESPONSE_MODE": "buffer"}
    script = Script(folder, peer, "tailrace.runtime", "web:app", **mode)
    with script.runtime:
        script.restore()
        told = json.loads(script.result(event)["body"])

    assert told == [["opened", "closed", "opened"], True, True]


def test_the_copies_of_a_snapshot_share_no_random_state_of_ours() -> None:
    """What runs in a function holds no generator of random numbers and makes no id."""
    names = {entry.name.removesuffix(".py").replace("/", ".") for entry in own_entries()}
    inside = {name.removeprefix("tailrace.").removesuffix(".__init__") for name in names}
    makers = {"random", "secrets", "uuid"}

    found = {n for n in inside & OUR_MODULES.keys() if imported_by(OUR_MODULES[n]) & makers}

    assert found == set()
