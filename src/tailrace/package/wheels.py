"""Wheels of requirements for a platform: resolved by uv, fetched by pip.

pip evaluates the markers of requirements for the Python that runs it, whatever platform it is
given. uv evaluates them for the named one, and cannot download. So pip gets addresses and hashes.
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from tailrace.errors import PackageError
from tailrace.package.limits import STEP_TIMEOUT_S
from tailrace.package.options import MACHINES, Architecture
from tailrace.package.uv import run_uv, uv_environment

GLIBC_MINOR: Final = 34
"""Of Amazon Linux 2023: glibc 2.34. Wheels for an older one run there as well."""

_OLDEST_GLIBC_MINOR: Final = 17
_LEGACY: Final = {"arm64": ("manylinux2014",), "x86_64": ("manylinux2014", "manylinux2010")}
_HASH: Final = "sha256"
_REMEDY: Final = (
    "The index is that of uv's configuration, or PIP_INDEX_URL. A package without a wheel may have"
    " one for another --python, or in another version: UV_CONSTRAINT=FILE."
)
_FROM_UV: Final = {
    "PIP_INDEX_URL": ("UV_DEFAULT_INDEX", "UV_INDEX_URL"),
    "PIP_EXTRA_INDEX_URL": ("UV_INDEX", "UV_EXTRA_INDEX_URL"),
}


@dataclass(frozen=True, slots=True)
class WheelTarget:
    """The machine for which wheels are chosen: Linux with CPython, and a glibc of `GLIBC_MINOR`."""

    architecture: Architecture
    python: str
    """Major and minor version, as in 3.13."""

    @property
    def platform(self) -> str:
        """Its name for uv."""
        return f"{MACHINES[self.architecture]}-manylinux_2_{GLIBC_MINOR}"

    @property
    def platform_tags(self) -> list[str]:
        """The tags of compiled wheels that run there."""
        machine = MACHINES[self.architecture]
        minors = range(GLIBC_MINOR, _OLDEST_GLIBC_MINOR - 1, -1)
        names = (*(f"manylinux_2_{minor}" for minor in minors), *_LEGACY[self.architecture])
        return [f"{name}_{machine}" for name in (*names, "linux")]


@dataclass(frozen=True, slots=True)
class Wheel:
    """A wheel of an index."""

    name: str
    """Of its package, normalized."""
    version: str
    file_name: str
    url: str
    sha256: str


def resolve(requirements: Sequence[str], target: WheelTarget) -> list[Wheel]:
    """Return the wheels of requirements and of what these require, sorted by name.

    A requirement that names a local file is resolved, and not returned.

    Raises:
        PackageError: there is no such package, or none with a wheel for the target; the index is
            unreachable.
        ModuleNotFoundError: uv is not installed.
    """
    options = ("--python-platform", target.platform, "--python-version", target.python)
    lines = "".join(f"{line}\n" for line in requirements)
    try:
        text = run_uv(
            ("pip", "compile", "-", "--format", "pylock.toml", "--no-header", *options), lines
        )
    except PackageError as error:
        what = f"the wheels for {target.architecture} with Python {target.python}"
        raise PackageError(f"{what} cannot be chosen:\n{error}\n{_REMEDY}") from None
    packages = tomllib.loads(text).get("packages", [])
    return [_wheel(package) for package in packages if "wheels" in package]


def fetch(wheels: Sequence[Wheel], target: WheelTarget, folder: Path) -> None:
    """Download wheels into a folder, and check their hashes.

    Raises:
        PackageError: one cannot be downloaded, or has another hash.
        ModuleNotFoundError: pip is not installed.
    """
    if not wheels:
        return
    if importlib.util.find_spec("pip") is None:
        raise ModuleNotFoundError("pip is not installed", name="pip")
    options = ["--no-deps", "--only-binary=:all:", "--require-hashes", "--quiet", "--no-input"]
    options += ["--disable-pip-version-check", "--implementation=cp"]
    options += [f"--python-version={target.python}"]
    options += [f"--platform={tag}" for tag in target.platform_tags]
    lines = folder / ".fetch.txt"
    lines.write_text("".join(f"{w.name} @ {w.url} --hash={_HASH}:{w.sha256}\n" for w in wheels))
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pip", "download", *options, f"--dest={folder}", "-r", lines],
            capture_output=True,
            text=True,
            env=_pip_environment(),
            timeout=STEP_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        problem = f"pip did not end within {STEP_TIMEOUT_S:g} s"
        raise PackageError(f"{problem}: try again, or look whether the index answers") from None
    finally:
        lines.unlink()
    if done.returncode != 0:
        raise PackageError(f"the wheels cannot be downloaded:\n{done.stderr.strip()}")


def _wheel(package: dict[str, Any]) -> Wheel:
    """Read a package of uv's lock. Each of its wheels runs on the target."""
    name, version = str(package["name"]), str(package["version"])
    choices = [(_file_name(wheel), wheel) for wheel in package["wheels"]]
    file_name, wheel = max(choices, key=lambda choice: _rank(choice[0]))
    digest = wheel.get("hashes", {}).get(_HASH)
    if digest is None:
        raise PackageError(f"the index states no {_HASH} of {file_name}: use one that does")
    url = wheel.get("url") or Path(wheel["path"]).resolve().as_uri()
    return Wheel(name, version, file_name, url, digest)


def _file_name(wheel: dict[str, Any]) -> str:
    place: str = wheel.get("url") or wheel["path"]
    return str(wheel.get("name") or unquote(urlsplit(place).path).rpartition("/")[2])


def _rank(file_name: str) -> tuple[int, int, str]:
    """Order the wheels of a package: for a newer Python first, then for a newer glibc."""
    tags = file_name.removesuffix(".whl").split("-")[-3:]
    pythons = [int(digits) for digits in re.findall(r"\d+", tags[0])]
    minors = [int(digits) for digits in re.findall(r"manylinux_2_(\d+)", tags[2])]
    return max(pythons, default=0), max(minors, default=0), file_name


def _pip_environment() -> dict[str, str]:
    """Return the variables for pip: the indexes of uv, whose addresses may have credentials."""
    variables = {**os.environ, "PIP_CONSTRAINT": os.devnull}
    of_uv = uv_environment(os.environ)
    for name, others in _FROM_UV.items():
        places = " ".join(of_uv.get(other, "") for other in others).split()
        if places:
            variables[name] = " ".join(re.sub(r"^[\w.-]+=", "", place) for place in places)
    return variables
