"""The machine on Lambda for which a function is packaged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tailrace.errors import ConfigError
from tailrace.package.options import MACHINES, Architecture

# The runtimes page of the AWS Lambda Developer Guide, read 2026-11-29: python3.11 is on Amazon
# Linux 2 (glibc 2.26), the newer ones are on Amazon Linux 2023 (glibc 2.34).
_GLIBC: Final = {
    "3.11": "manylinux2014",
    "3.12": "manylinux_2_34",
    "3.13": "manylinux_2_34",
    "3.14": "manylinux_2_34",
}
MANAGED: Final = tuple(f"python{version}" for version in _GLIBC)
"""The managed runtimes that the layer serves."""
_OS_ONLY_GLIBC: Final = "manylinux_2_34"
_GLIBC_MINORS: Final = {"manylinux2014": 26, "manylinux_2_34": 34}
OS_ONLY: Final = "provided.al2023"
"""The runtime of a function that brings its Python."""
TASK_ROOT: Final = "/var/task"
"""Where Lambda unpacks the archive of a function."""


@dataclass(frozen=True, slots=True)
class FunctionTarget:
    """A Lambda runtime on an architecture."""

    architecture: Architecture
    python: str
    """Major and minor version, as in 3.13."""
    runtime: str
    """Its name on Lambda."""
    platform: str
    """Its name for uv."""
    glibc_minor: int
    """The version of its glibc is 2.…"""

    @property
    def minor(self) -> int:
        """The minor version of Python."""
        return int(self.python.partition(".")[2])


def target_of(architecture: Architecture, python: str, *, has_interpreter: bool) -> FunctionTarget:
    """Return the target. A managed runtime, unless the archive has an interpreter of its own.

    Raises:
        ConfigError: Lambda has no such runtime.
    """
    glibc = _OS_ONLY_GLIBC if has_interpreter else _GLIBC.get(python)
    if glibc is None:
        problem = f"AWS has no managed runtime of Python {python}; --interpreter FOLDER brings one"
        raise ConfigError(problem, where="--python", allowed=", ".join(_GLIBC))
    runtime = OS_ONLY if has_interpreter else f"python{python}"
    platform = f"{MACHINES[architecture]}-{glibc}"
    return FunctionTarget(architecture, python, runtime, platform, _GLIBC_MINORS[glibc])
