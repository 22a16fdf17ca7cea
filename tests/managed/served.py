"""Functions in managed runtimes on the emulator: each has a folder, layers, variables and a URL."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.e2e.chain import Chain, serving
from tests.e2e.gate import SOURCE
from tests.kits.managed.command import managed_command

WRAPPER: Final = {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/tailrace-wrapper"}


@dataclass
class ManagedFunction:
    """A function: `files` are in /var/task, `opt` is /opt."""

    files: Mapping[str, str]
    opt: Path | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    reserved: Mapping[str, str] = field(default_factory=dict)
    """Variables that only Lambda sets."""
    handler: str = "app.handler"
    python: str = sys.executable
    invoke_mode: str = "RESPONSE_STREAM"


def write_files(folder: Path, files: Mapping[str, str]) -> None:
    """Write files, whose names may have folders."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


@contextmanager
def serving_managed(folder: Path, functions: Mapping[str, ManagedFunction]) -> Iterator[Chain]:
    """Serve functions; afterwards nothing may be left.

    `gate.py` is in each function's folder, which is that of its name in `folder`.
    """
    lines = ["[emulator]", "retry_delay_scale = 0"]
    for name, function in functions.items():
        task = folder / name
        write_files(task, {"gate.py": SOURCE, **function.files})
        command = managed_command(
            task, function.opt, handler=function.handler, python=function.python
        )
        if function.reserved:
            command = ("env", *(f"{n}={text}" for n, text in function.reserved.items()), *command)
        lines += [f"[functions.{name}]", f"command = {json.dumps(command)}", "timeout_s = 60"]
        lines += [f"[functions.{name}.environment]"]
        lines += [f"{key} = {json.dumps(text)}" for key, text in function.variables.items()]
        lines += [f"[functions.{name}.url]", f'invoke_mode = "{function.invoke_mode}"']
    (folder / "tailrace.toml").write_text("\n".join(lines), encoding="utf-8")
    with serving(folder / "tailrace.toml") as chain:
        yield chain
