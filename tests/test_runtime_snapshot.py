"""SnapStart: our runtime and AWS's under the same script of the Runtime API."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.peers import Peer
from tests.snapstart import INIT_ERROR, RESTORE_ERROR, RESTORE_NEXT, Script
from tests.test_layers import MODULES as OUR_MODULES
from tests.test_layers import imported_by

from tailrace.package.own_files import own_entries

MODULES = ("tailrace.runtime", "awslambdaric")

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


@pytest.mark.parametrize("module", MODULES)
def test_hooks_run_in_order_and_then_events_come(folder: Path, peer: Peer, module: str) -> None:
    script = Script(folder, peer, "app.handler", module=module)
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
    script = Script(folder, peer, "app.handler", module=module, FAIL="after raises")
    with script.runtime:
        line, _, _, connection = script.receive()
        assert line == RESTORE_NEXT
        assert script.runtime.process.poll() is None

        connection.send(b"HTTP/1.1 200 X\r\ncontent-length: 0\r\n\r\n")
        assert script.error()[0] == RESTORE_ERROR


@pytest.mark.parametrize("module", MODULES)
def test_a_function_without_hooks_waits_as_well(folder: Path, peer: Peer, module: str) -> None:
    script = Script(folder, peer, "plain.handler", module=module)
    with script.runtime:
        script.restore()
        assert script.result() == "served"


@pytest.mark.parametrize("module", MODULES)
def test_no_snapshot_is_passed_without_snapstart(folder: Path, peer: Peer, module: str) -> None:
    kinds = {"AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand"}
    script = Script(folder, peer, "app.handler", module=module, **kinds)
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
    script = Script(folder, peer, "app.handler", module=module, FAIL=f"before {how}")
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
    script = Script(folder, peer, "app.handler", module=module, FAIL=f"after {how}")
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
    script = Script(folder, peer, "plain.handler", module=module)
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
    script = Script(folder, peer, "nowhere.handler", module=module)
    with script.runtime:
        line, header, _ = script.error()
        assert (line, header) == (INIT_ERROR, "Runtime.ImportModuleError")
        assert script.runtime.end()[0] == 1


def test_sigterm_ends_the_wait_in_order(folder: Path, peer: Peer) -> None:
    script = Script(folder, peer, "plain.handler")
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
    script = Script(folder, peer, "web:app", **mode)
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
