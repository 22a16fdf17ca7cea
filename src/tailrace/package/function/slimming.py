"""What of the installed dependencies is in the archive."""

from __future__ import annotations

import csv
import io
import os
import stat
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from tailrace.package.archive import Entry
from tailrace.package.function.dependencies import Installed
from tailrace.package.function.installed import Distribution, record_rows

_INSTALLER_FILES: Final = frozenset(
    ("INSTALLER", "REQUESTED", "direct_url.json", "uv_build.json", "uv_cache.json")
)
"""What the installer writes beside a wheel's metadata: paths and times of this machine."""
_RECORD: Final = "RECORD"
_SCRIPTS: Final = "bin/"
_SHEBANG: Final = b"#!"

SCRIPTS: Final = "scripts of bin/"
BYTECODE: Final = "bytecode"


@dataclass(frozen=True, slots=True)
class Slimmed:
    """Entries of the dependencies, without what a function does not need."""

    entries: list[Entry]
    left_out: Counter[str]
    """Files that are not in it, by kind."""


def slimmed(installed: Installed) -> Slimmed:
    """Return the entries of installed dependencies. Metadata is kept: it is read at run time.

    Records of files list what is in the archive.
    """
    left_out: Counter[str] = Counter()
    entries = []
    for name, path in _files_in(installed.folder):
        kind = _kind_left_out(name, path)
        if kind is None:
            entries.append(entry_of(name, path))
        elif kind:
            left_out[kind] += 1
    return Slimmed(entries, left_out)


def with_records(entries: Iterable[Entry], installed: Installed) -> list[Entry]:
    """Return the entries; the records of their distributions list no other files."""
    found = {entry.name: entry for entry in entries}
    for each in installed.distributions:
        name = f"{each.metadata}/{_RECORD}"
        if name in found:
            found[name] = Entry(name, _record(each, installed.folder, found.keys()))
    return list(found.values())


def entry_of(name: str, path: Path) -> Entry:
    """Return the entry of a file; it is executable if its owner may execute it."""
    return Entry(name, path, is_executable=bool(path.stat().st_mode & stat.S_IXUSR))


def _files_in(folder: Path) -> Iterator[tuple[str, Path]]:
    for directory, _, names in os.walk(folder):
        for name in names:
            path = Path(directory, name)
            yield path.relative_to(folder).as_posix(), path


def _kind_left_out(name: str, path: Path) -> str | None:
    """Return the kind of a file that is left out; it is empty for those of the installer."""
    pure = PurePosixPath(name)
    if name == ".lock" or (pure.name in _INSTALLER_FILES and pure.parent.suffix == ".dist-info"):
        return ""
    if "__pycache__" in pure.parts or pure.suffix in (".pyc", ".pyo"):
        return BYTECODE
    if name.startswith(_SCRIPTS):
        with path.open("rb") as file:
            if file.read(len(_SHEBANG)) == _SHEBANG:
                return SCRIPTS
    return None


def _record(distribution: Distribution, folder: Path, names: Iterable[str]) -> bytes:
    rows = record_rows(folder / distribution.metadata)
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(sorted(row for row in rows if row[0] in names))
    return text.getvalue().encode()
