"""The options of `tailrace package`: a record for each command."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Final, Literal

from tailrace.setting import Setting

_BYTECODE: Final = Setting(
    "Put the modules in compiled by this Python as well, such as `python3.13`: a cold start under "
    "the same version [needs less time](../topics/performance.md#in-the-managed-runtime) then.",
    help="Put the modules in compiled by this Python as well, such as python3.13.",
    metavar="PYTHON",
    default="sources only",
)
_BYTECODES: Final = replace(
    _BYTECODE,
    meaning=f"{_BYTECODE.meaning} Repeat it for more versions.",
    help=f"{_BYTECODE.help} Repeat it for more versions.",
)
_JSON: Final = Setting(
    "Print the result as one JSON object.",
    help="Print the result as one JSON object.",
    option="--json",
)
Architecture = Literal["arm64", "x86_64"]
"""A processor, as Lambda names it."""
MACHINES: Final = {"arm64": "aarch64", "x86_64": "x86_64"}
"""The names of the same processors for Linux, and so in those of wheels."""
_ARCHITECTURE: Final = Setting(
    "The processor of the machine that it is for: `arm64` or `x86_64`, whatever this one has.",
    help="The processor of the machine that it is for: arm64 or x86_64.",
    metavar="ARCHITECTURE",
)


OLDEST_PYTHON_MINOR: Final = 11
"""tailrace needs Python 3.11."""


def _python(text: str, *, name: str) -> str:
    match = re.fullmatch(r"3\.(\d{1,2})", text)
    if match is None or int(match[1]) < OLDEST_PYTHON_MINOR:
        raise ValueError(f"{text!r} is no version such as 3.13; 3.{OLDEST_PYTHON_MINOR} or newer")
    return text


_PYTHON: Final = Setting(
    "The version of Python there, 3.11 or newer, whatever this one is.",
    help="The version of Python there, as in 3.13.",
    metavar="VERSION",
    parse=_python,
)


def _archive(path: Path, *, name: str) -> Path:
    if path.suffix != ".zip":
        raise ValueError(f"{str(path)!r} does not end in .zip")
    if path.is_dir():
        raise ValueError(f"{str(path)!r} is a folder")
    if not path.parent.is_dir():
        raise ValueError(f"there is no folder {str(path.parent)!r}")
    return path


_ARCHIVE: Final = Setting(
    "The archive to write. One that is there is replaced when the new one is complete.",
    help="The archive to write.",
    option="--output",
    short="-o",
    metavar="FILE.zip",
    parse=_archive,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerOptions:
    """`tailrace package layer`."""

    output: Annotated[Path, _ARCHIVE]
    bytecode: Annotated[tuple[str, ...], _BYTECODES] = ()
    is_json: Annotated[bool, _JSON] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayPackageOptions:
    """`tailrace package gateway`."""

    output: Annotated[
        Path,
        Setting(
            "The folder to make. One of an earlier run is replaced when the new one is complete; a "
            "folder with anything else in it is refused.",
            help="The folder to make.",
            option="--output",
            short="-o",
            metavar="DIR",
        ),
    ]
    architecture: Annotated[Architecture, _ARCHITECTURE]
    python: Annotated[str, _PYTHON]
    is_json: Annotated[bool, _JSON] = False


def _globs(meaning: str) -> Setting:
    return Setting(
        f"{meaning} Repeat it for more.",
        help=f"{meaning.replace('`', '')} Repeat it for more.",
        metavar="GLOB",
        default="none",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionPackageOptions:
    """`tailrace package function`."""

    path: Path
    """The folder of the code."""
    output: Annotated[Path, _ARCHIVE]
    app: Annotated[
        str | None,
        Setting(
            "The app or the handler, in the folder or in its `src`.",
            help="The app or the handler, in the folder or in its src.",
            metavar="MODULE:ATTRIBUTE",
            default="the app of a known framework that is there",
        ),
    ] = None
    architecture: Annotated[Architecture, _ARCHITECTURE]
    python: Annotated[str, _PYTHON]
    requirements: Annotated[
        Path | None,
        Setting(
            "The file of the dependencies: `requirements.txt`, `pyproject.toml`, `pylock.toml` or "
            "`uv.lock`, whatever its name.",
            help="The file of the dependencies.",
            metavar="FILE",
            default="the one in the folder",
        ),
    ] = None
    exclude: Annotated[tuple[str, ...], _globs("Leave these files out of the archive.")] = ()
    include: Annotated[tuple[str, ...], _globs("Put these files in, which would be left out.")] = ()
    keep: Annotated[
        tuple[str, ...],
        Setting(
            "Put this dependency in, though the managed runtime has it, as `boto3`. Repeat it for "
            "more.",
            help="Put this dependency in, though the runtime has it, as boto3. Repeat it for more.",
            metavar="NAME",
            default="none",
        ),
    ] = ()
    bundle: Annotated[
        bool,
        Setting(
            "Put the SDK in, for a function without the layer: it streams by callback only.",
            help="Put the SDK in, for a function without the layer: it streams by callback only.",
        ),
    ] = False
    interpreter: Annotated[
        Path | None,
        Setting(
            "Put this relocatable Python in, and our runtime, for `provided.al2023`: a folder as "
            "`uv python install` makes it.",
            help="Put this relocatable Python in, and our runtime, for provided.al2023.",
            metavar="FOLDER",
            default="the managed runtime's Python",
        ),
    ] = None
    bytecode: Annotated[str | None, _BYTECODE] = None
    is_json: Annotated[bool, _JSON] = False
