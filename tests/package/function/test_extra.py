"""The extra of the command is sufficient: what others need may be missing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tailrace import __version__

OTHERS = ("botocore", "httptools", "matplotlib", "msgspec", "uvloop", "watchfiles")


def test_its_own_extra_is_enough(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("app = FastAPI()\n")
    blocked = "".join(f"sys.modules[{name!r}] = None; " for name in OTHERS)
    command = "package function . -o f.zip --architecture arm64 --python 3.13 --app main:app"
    program = f"import sys; {blocked}from tailrace.cli import main; main({command.split()!r})"

    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert (done.returncode, "wrote f.zip" in done.stdout) == (0, True), done.stderr


def test_the_version_needs_no_extra() -> None:
    blocked = "".join(f"sys.modules[{name!r}] = None; " for name in (*OTHERS, "click"))
    program = f"import sys; {blocked}from tailrace.cli import main; main(['--version'])"

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout) == (0, f"tailrace {__version__}\n"), done.stderr
