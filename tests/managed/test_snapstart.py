"""SnapStart in AWS's managed runtime: the same with the layer and without it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.kits.managed.command import managed_command
from tests.managed.served import WRAPPER, write_files
from tests.peers import Peer
from tests.snapstart import RESTORE_ERROR, Script

APP = """
import sys
from snapshot_restore_py import register_after_restore, register_before_snapshot

seen = []
register_before_snapshot(seen.append, "before")
register_after_restore(seen.append, "after")

@register_after_restore
def fail():
    if "broken" in seen:
        raise ValueError("no")

def handler(event, context):
    import snapshot_restore_py
    return [seen, snapshot_restore_py.__file__, "tailrace.runtime.snapshot" in sys.modules]
"""
BROKEN = "from app import *\nseen.append('broken')\n"


@pytest.mark.parametrize("variables", [{}, WRAPPER], ids=["AWS's", "the layer's"])
def test_the_hooks_of_a_function_run(
    layer: Path, tmp_path: Path, variables: dict[str, str]
) -> None:
    write_files(tmp_path, {"app.py": APP, "broken.py": BROKEN})

    def script(handler: str, peer: Peer) -> Script:
        command = managed_command(tmp_path, layer, handler=handler)
        options: dict[str, Any] = {"command": command, "_HANDLER": handler, **variables}
        return Script(tmp_path, peer, **options)

    with Peer() as peer:
        one = script("app.handler", peer)
        with one.runtime:
            one.restore()
            seen, place, is_ours = one.result()
        two = script("broken.handler", peer)
        with two.runtime:
            two.restore()
            line, header, error = two.error()
            code = two.runtime.end()[0]

    assert seen == ["before", "after"]
    assert place.startswith("/var/lang/lib/")
    assert is_ours == bool(variables)
    assert (line, header, code) == (RESTORE_ERROR, "Runtime.AfterRestoreError", 65)
    assert error["errorMessage"] == "no"
