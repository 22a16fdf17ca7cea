"""A wheel of this installation, also of one that has no sources beside it.

Source: "Binary distribution format" and "Recording installed projects" of the PyPA specifications,
read 2026-11.
"""

from __future__ import annotations

import base64
import hashlib
from importlib import metadata
from pathlib import Path
from typing import Final

from tailrace import __version__
from tailrace.errors import PackageError
from tailrace.package.archive import Entry

NAME: Final = "tailrace"

_PACKAGE: Final = Path(__file__).resolve().parents[1]
_TAG: Final = "py3-none-any"
_LEFT_OUT: Final = frozenset((".pyc", ".pyd", ".pyo", ".so"))
"""Modules as bytecode or compiled: the wheel has their sources."""
_COPIED: Final = ("METADATA", "entry_points.txt")


def own_wheel() -> tuple[str, list[Entry]]:
    """Return the name of the wheel's file, and its files.

    Raises:
        PackageError: this installation has no metadata, or those of another version.
    """
    try:
        installed = metadata.distribution(NAME)
    except metadata.PackageNotFoundError:
        problem = f"{_PACKAGE} is not installed, so that its requirements are unknown"
        raise PackageError(f"{problem}: pip install {_PACKAGE.parent}") from None
    version = installed.version
    if version != __version__:
        problem = f"the metadata are of {NAME} {version}, and its files of {__version__}"
        raise PackageError(f"{problem}: install it again from where it came")
    folder = f"{NAME}-{version}.dist-info"
    entries = _package_entries()
    entries += [Entry(f"{folder}/{name}", data) for name, data in _metadata_files(installed)]
    record = f"{folder}/RECORD"
    lines = [_record_line(entry) for entry in sorted(entries, key=lambda entry: entry.name)]
    entries.append(Entry(record, "".join((*lines, f"{record},,\n")).encode()))
    return f"{NAME}-{version}-{_TAG}.whl", entries


def _package_entries() -> list[Entry]:
    """Return the files of the package, except caches and hidden files."""
    entries = []
    for path in _PACKAGE.rglob("*"):
        name = path.relative_to(_PACKAGE.parent).as_posix()
        is_ours = "__pycache__" not in path.parts and "/." not in name
        if is_ours and path.suffix not in _LEFT_OUT and path.is_file():
            entries.append(Entry(name, path.read_bytes()))
    return entries


def _metadata_files(installed: metadata.Distribution) -> list[tuple[str, bytes]]:
    """Return what is in the folder of metadata, but for its record."""
    licenses = installed.metadata.get_all("License-File") or []
    names = (*_COPIED, *(f"licenses/{name}" for name in licenses))
    texts = [(name, installed.read_text(name)) for name in names]
    wheel = (
        "Wheel-Version: 1.0",
        f"Generator: {NAME} {__version__}",
        "Root-Is-Purelib: true",
        f"Tag: {_TAG}",
    )
    files = [(name, text.encode()) for name, text in texts if text is not None]
    return [*files, ("WHEEL", "".join(f"{line}\n" for line in wheel).encode())]


def _record_line(entry: Entry) -> str:
    data = entry.data
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    return f"{entry.name},sha256={digest},{len(data)}\n"
