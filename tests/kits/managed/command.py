"""Imitations of AWS's managed Python runtime, and of the OS-only runtime, as the `command` of a
function on the emulator.

The process has a mount namespace of its own, in which /var/task, /opt, /var/runtime and /var/lang
are as on Lambda. awslambdaric is AWS's; the two boot files repeat what is known of AWS's own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Final

import tailrace

_ENTER: Final = Path(__file__).parent / "enter.sh"
_ENTER_PROVIDED: Final = Path(__file__).parent / "provided.sh"
_SOURCES: Final = Path(tailrace.__file__).parents[1]
_QUESTION: Final = (
    "import sys, sysconfig;"
    " print(sys.base_prefix, 'python%d.%d' % sys.version_info[:2], sysconfig.get_path('platlib'))"
)


def managed_command(
    task: Path, opt: Path | None = None, *, handler: str, python: str = sys.executable
) -> tuple[str, ...]:
    """Return the program and its arguments.

    `task` is the function's folder; `opt` is what its layers have, unpacked. `python` is that of a
    virtual environment in which awslambdaric is installed. In the function's `environment`,
    AWS_LAMBDA_EXEC_WRAPPER has it start a wrapper.
    """
    words = (str(task), str(opt or ""), *_facts(python), str(_SOURCES), handler)
    return (*_alone(), "sh", str(_ENTER), *words)


def provided_command(
    task: Path, opt: Path | None = None, *, handler: str, hidden: Iterable[Path] = ()
) -> tuple[str, ...]:
    """Return the words that start the `bootstrap` of a function in the runtime provided.al2023.

    `hidden` are folders that are empty for it. So are those of the Python that runs the tests.
    """
    folders = {str(Path(each).resolve()) for each in (sys.prefix, sys.base_prefix, *hidden)}
    words = (str(task), str(opt or ""), ":".join(sorted(folders - {"/usr"})), handler)
    return (*_alone(), "sh", str(_ENTER_PROVIDED), *words)


def _alone() -> tuple[str, ...]:
    """The words in front of a command that gives it a mount namespace."""
    mapped = () if os.geteuid() == 0 else ("--map-root-user",)
    return ("unshare", "--mount", *mapped)


@lru_cache
def _facts(python: str) -> list[str]:
    """The folder of the interpreter's installation, its name, and the folder of its packages."""
    done = subprocess.run(
        [python, "-c", _QUESTION], check=True, capture_output=True, text=True, timeout=60
    )
    return done.stdout.split()
