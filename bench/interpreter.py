"""The Python of a running process: figures of two builds cannot be compared."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Final

_FACTS: Final = """\
import json, platform, sysconfig
from importlib.metadata import version
print(json.dumps({
    "python": platform.python_version(),
    "options": sysconfig.get_config_var("CONFIG_ARGS") or "",
    "uvloop": version("uvloop"),
    "httptools": version("httptools"),
}))
"""
TIMEOUT_S: Final = 10.0


def describe(pid: int) -> str | None:
    """Version, build and packages of a gateway's Python; None if it is no Python, or ended.

    A Python that was built without profile-guided optimization is slower by a quarter or more.
    """
    command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].decode()
    if not Path(command).name.startswith("python"):
        return None
    try:
        said = subprocess.run(
            [command, "-c", _FACTS], capture_output=True, text=True, check=True, timeout=TIMEOUT_S
        )
    except (OSError, subprocess.SubprocessError):
        return None
    facts = json.loads(said.stdout)
    is_optimized = "--enable-optimizations" in facts["options"]
    build = "optimized build" if is_optimized else "built without --enable-optimizations"
    return f"{facts['python']}, {build}, uvloop {facts['uvloop']}, httptools {facts['httptools']}"
