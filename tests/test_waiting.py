"""No test of these folders lets time decide: what sleeps stands here, with its reason."""

from __future__ import annotations

import ast
from pathlib import Path

HERE = Path(__file__).parent
FOLDERS = ("net", "gateway", "emulator", "function")

POLL = "the interval at which something is looked at again, up to a generous time-out"
SLEEPS = {
    "emulator/harness.py": POLL,
    "emulator/play.py": "a process of its own: it polls for files, or counts while it runs",
    "function/output/test_frames.py": POLL,
    "function/output/test_quiet.py": "random pauses between writes, whatever their length",
    "net/blocking/test_async_upload.py": POLL,
    "net/client/test_pool.py": "a random moment to cancel at, whatever it meets",
    "net/test_clock.py": "the sleep of a manual clock",
}


def sleeps_in(path: Path) -> bool:
    """Whether a file sleeps for longer than one turn of the event loop."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", None) or getattr(node.func, "id", "")
            if name == "sleep" and [ast.unparse(argument) for argument in node.args] != ["0"]:
                return True
    return False


def test_nothing_sleeps_in_place_of_waiting() -> None:
    """Advance a `tests.clock.ManualClock`, wait for an event, or look at the kernel's state."""
    paths = [path for folder in FOLDERS for path in sorted((HERE / folder).rglob("*.py"))]

    found = [str(path.relative_to(HERE)) for path in paths if sleeps_in(path)]

    assert sorted(found) == sorted(SLEEPS)
