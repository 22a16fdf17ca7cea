"""A folder of files with a list of their hashes, which is replaced as a whole."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tailrace.errors import PackageError

SUMS: Final = "SHA256SUMS"
"""The list, as the program sha256sum writes it and checks it."""

_LINE: Final = re.compile(r"[0-9a-f]{64}  ([^/\0\n]+)\n?")


def replace_folder(path: Path, fill: Callable[[Path], None]) -> None:
    """Make a folder with what `fill` puts into an empty one, and with the list of it.

    What was at `path` is there until the new folder is complete. An older folder is replaced if it
    holds nothing but what its list names.

    Raises:
        PackageError: there is something else at `path`.
        OSError: the folder cannot be written.
    """
    check_replaceable(path)
    target = path.resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    try:
        new = work / "new"
        new.mkdir()
        fill(new)
        (new / SUMS).write_bytes(_sums(new))
        check_replaceable(path)  # it may have changed meanwhile
        _exchange(new, target, work / "old")
    finally:
        shutil.rmtree(work)


def check_replaceable(path: Path) -> None:
    """Check that a folder of this name may be made.

    Raises:
        PackageError: there is something else than a folder of an earlier run.
    """
    if not path.exists() and not path.is_symlink():
        return
    if not path.is_dir():
        raise PackageError(f"{path} is there, and no folder: name another")
    names = {entry.name for entry in os.scandir(path)}
    if not names:
        return
    others = sorted(names - _listed(path) - {SUMS})
    if others:
        more = "" if len(others) == 1 else f" and {len(others) - 1} more"
        problem = f"{path} holds {others[0]}{more}, which no earlier run has made"
        raise PackageError(f"{problem}: name another folder, or remove it")


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _exchange(new: Path, target: Path, old: Path) -> None:
    """Put a folder in the place of another one, which is back there if that fails."""
    try:
        if target.exists():
            target.rename(old)
        new.rename(target)
    except BaseException:
        if old.exists():
            old.rename(target)
        raise


def _sums(folder: Path) -> bytes:
    lines = [f"{digest_of(path)}  {path.name}\n" for path in sorted(folder.iterdir())]
    return "".join(lines).encode()


def _listed(folder: Path) -> set[str]:
    try:
        lines = (folder / SUMS).read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        return set()
    return {match[1] for line in lines if (match := _LINE.fullmatch(line))}
