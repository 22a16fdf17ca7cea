"""The options of `tailrace package`: a record for each command."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from tailrace.setting import Setting

_BYTECODE: Final = Setting(
    "Put the modules in compiled by this Python as well, such as `python3.13`: a cold start under "
    "the same version needs less time then. Repeat it for more.",
    help="Compile the modules as well, for the version of this Python; repeat it for more.",
    metavar="PYTHON",
    default="sources only",
)
_JSON: Final = Setting(
    "Print the result as one JSON object.",
    help="Print the result as one JSON object.",
    option="--json",
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
    bytecode: Annotated[tuple[str, ...], _BYTECODE] = ()
    is_json: Annotated[bool, _JSON] = False
