"""A zip archive whose bytes follow from its entries alone."""

from __future__ import annotations

import base64
import hashlib
import os
import stat
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from tailrace.errors import PackageError

_TIME: Final = (1980, 1, 1, 0, 0, 0)
"""The oldest that a zip archive can have."""
_UNIX: Final = 3
_LEVEL: Final = 9
_READABLE: Final = 0o644
_EXECUTABLE: Final = 0o755
"""Lambda runs a function as a user who does not own its files."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of an archive. Its content is bytes, or the file that has them."""

    name: str
    """Relative, with slashes."""
    content: bytes | Path
    is_executable: bool = False

    @property
    def size_bytes(self) -> int:
        """The size of the content."""
        content = self.content
        return content.stat().st_size if isinstance(content, Path) else len(content)


@dataclass(frozen=True, slots=True)
class Written:
    """An archive on the disk."""

    path: Path
    bytes: int
    unzipped_bytes: int
    file_count: int
    sha256: str
    """In base64, as Lambda states the `CodeSha256` of a function."""


def write_archive(path: Path, entries: Iterable[Entry]) -> Written:
    """Write an archive. What was at `path` is there until the new one is complete.

    Raises:
        PackageError: two entries have one name.
        OSError: a file cannot be read, or the archive cannot be written.
    """
    ordered = sorted(entries, key=lambda entry: entry.name)
    for one, other in pairwise(ordered):
        if one.name == other.name:
            raise PackageError(f"two files would be {one.name} of the archive")
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        unzipped_bytes = 0
        with os.fdopen(handle, "wb") as file, ZipFile(file, "w") as archive:
            for entry in ordered:
                content = entry.content
                data = content.read_bytes() if isinstance(content, Path) else content
                archive.writestr(_info(entry), data, ZIP_DEFLATED, _LEVEL)
                unzipped_bytes += len(data)
        written = _written(Path(temporary), unzipped_bytes, len(ordered))
        os.chmod(temporary, _READABLE & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    return Written(path, *written)


def _info(entry: Entry) -> ZipInfo:
    info = ZipInfo(entry.name, _TIME)
    info.create_system = _UNIX
    mode = _EXECUTABLE if entry.is_executable else _READABLE
    info.external_attr = (stat.S_IFREG | mode) << 16
    return info


def _written(path: Path, unzipped_bytes: int, file_count: int) -> tuple[int, int, int, str]:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    sha256 = base64.b64encode(digest.digest()).decode()
    return path.stat().st_size, unzipped_bytes, file_count, sha256


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
