"""The part of this installation that runs inside a function."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tailrace.package.archive import Entry

_PACKAGE: Final = Path(__file__).resolve().parents[1]
_FOLDERS: Final = ("function", "net/blocking", "runtime", "wire")
_MODULES: Final = (
    "__init__.py",
    "errors.py",
    "limits.py",
    "net/__init__.py",
    "probe/__init__.py",
    "probe/companion.py",
    "probe/limits.py",
    "probe/protocol.py",
    "py.typed",
    "records.py",
)
"""Beside the folders: what these import, and the companion of `tailrace probe`."""


def own_entries(folder: str = "") -> list[Entry]:
    """Return the SDK, the runtime and what they import, as entries of `folder`.

    Sources only: there is one set of them for each Python and architecture.
    """
    files = [_PACKAGE / name for name in _MODULES]
    for name in _FOLDERS:
        files += (_PACKAGE / name).rglob("*.py")
    root = _PACKAGE.parent
    return [Entry(f"{folder}{file.relative_to(root).as_posix()}", file) for file in sorted(files)]
