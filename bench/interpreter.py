"""The Python that runs something: figures of two builds cannot be compared."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

_FACTS: Final = """\
import json, platform, sys, sysconfig, time
from importlib.metadata import version

def loop_s():
    before_s, total = time.process_time(), 0
    for turn in range(1_000_000):
        total += turn & 3
    return time.process_time() - before_s

print(json.dumps({
    "version": platform.python_version(),
    "options": sysconfig.get_config_var("CONFIG_ARGS") or "",
    "prefix": sys.base_prefix,
    "loop_s": min(loop_s() for _ in range(5)),
    "packages": ", ".join(f"{name} {version(name)}" for name in ("uvloop", "httptools")),
}))
"""
TIMEOUT_S: Final = 10.0


def of_process(pid: int) -> str | None:
    """See `of_command`; None if the process has ended or runs no Python."""
    command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].decode()
    return of_command(command) if Path(command).name.startswith("python") else None


def of_command(
    command: str = sys.executable, variables: Mapping[str, str] | None = None
) -> str | None:
    """Version, build, speed and packages of an interpreter; None if that cannot be found out.

    `variables` are those of its environment, if they are not ours.

    The speed is the best of five, so that others count little.
    """
    try:
        said = subprocess.run(
            [command, "-c", _FACTS],
            env=variables,
            capture_output=True,
            text=True,
            check=True,
            timeout=TIMEOUT_S,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    facts = json.loads(said.stdout)
    build = _build(facts["options"], facts["prefix"])
    loop = f"{facts['loop_s'] * 1e3:.0f} ms for a million turns of a loop"
    return f"{facts['version']}, {build}, {loop}, {facts['packages']}"


def _build(options: str, prefix: str) -> str:
    """A Python without profile-guided optimization is slower by a tenth or more."""
    if "--enable-optimizations" in options:
        return "optimized build"
    # Debian optimizes its build, and does not record the option.
    return "the system's build" if prefix == "/usr" else "built without --enable-optimizations"
