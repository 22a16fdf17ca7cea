"""A zip archive whose bytes follow from its entries alone."""

from __future__ import annotations

import base64
import hashlib
import os
import stat
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import IO, Final
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from tailrace.errors import PackageError

_TIME: Final = (1980, 1, 1, 0, 0, 0)
"""The oldest that a zip archive can have."""
_UNIX: Final = 3
_LEVEL: Final = 6
"""Of deflate. 9 takes three times as long for archives that are 0.7 % smaller (pandas)."""
_PREFIX_CHARACTERS: Final = 32
"""Of the archive's name, in that of the temporary file, which must not be too long."""
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

    @property
    def data(self) -> bytes:
        """The content itself, read anew from a file. It raises OSError if that cannot be read."""
        content = self.content
        return content.read_bytes() if isinstance(content, Path) else content


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

    If `path` is a link, the file that it leads to is replaced.

    Raises:
        PackageError: two entries cannot be beside each other, a file cannot be read, or the archive
            cannot be written.
    """
    ordered = sorted(entries, key=lambda entry: entry.name)
    _check_names([entry.name for entry in ordered])
    target = Path(os.path.realpath(path))
    try:
        handle, temporary = tempfile.mkstemp(
            dir=target.parent, prefix=f".{path.name[:_PREFIX_CHARACTERS]}."
        )
        try:
            with os.fdopen(handle, "wb") as file:
                unzipped_bytes = _fill(file, ordered)
            written = _written(Path(temporary), unzipped_bytes, len(ordered))
            os.chmod(temporary, _READABLE & ~_umask())
            os.replace(temporary, target)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as error:
        raise PackageError(f"{path} cannot be written: {error.strerror}") from None
    return Written(path, *written)


def _check_names(names: Sequence[str]) -> None:
    """Check that each of the sorted names can be a file beside the others."""
    for one, other in pairwise(names):
        if one == other:
            raise PackageError(f"two files would be {one} of the archive")
    found = set(names)
    for name in names:
        for folder in PurePosixPath(name).parents:
            if str(folder) in found:
                raise PackageError(
                    f"{folder} would be a file of the archive, and the folder of {name}: give one"
                    " of them another name, or leave one out with --exclude"
                )


def _fill(file: IO[bytes], entries: Iterable[Entry]) -> int:
    """Write the entries; return the number of their bytes."""
    archive = ZipFile(file, "w")
    unzipped_bytes = 0
    try:
        for entry in entries:
            try:
                data = entry.data
            except OSError as error:
                raise PackageError(f"{error.filename} cannot be read: {error.strerror}") from None
            archive.writestr(_info(entry), data, ZIP_DEFLATED, _LEVEL)
            unzipped_bytes += len(data)
        archive.close()
    except BaseException:
        archive.fp = None  # else it would write its end when it is deleted
        raise
    return unzipped_bytes


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
