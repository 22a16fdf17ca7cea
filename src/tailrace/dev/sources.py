"""The source files of functions, and whether they have changed since a function started.

A watcher reports a change with a delay, so a request right after a save would run the old code.
Therefore the files are compared again when a request arrives. The comparison walks over at most
`SOURCE_FILES_MAX` files and never waits.
"""

from __future__ import annotations

import glob
import hashlib
import logging
import os
import re
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tailrace import __version__, limits
from tailrace.config import Config

logger = logging.getLogger(__name__)

IGNORED_DIRECTORIES: Final = frozenset((
    ".git", ".hg", ".svn", ".idea", ".vscode", ".ipynb_checkpoints",
    "__pycache__", ".venv", ".tox", ".nox", ".eggs", "node_modules", ".aws-sam",
    ".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis", "htmlcov", ".nyc_output",
))  # fmt: skip
"""Of version control and editors, of packages and builds, of test tools."""
_ENVIRONMENT_MARK: Final = "pyvenv.cfg"
_is_temporary: Final = re.compile(
    r".*\.py[cod]|.*\.log|\.DS_Store"
    r"|.*\.sw[a-z]|.*\.swpx|4913|5036|5159|.*~"  # vim; the numbers are probes for a writable folder
    r"|\.\#.*|\#.*\#|flycheck_.*|.*_flymake(\.\w+)?"  # Emacs
    r"|.*\.(db|sqlite3?)(-(journal|wal|shm))?"  # what a function may write beside its code
    r"|.*___jb_\w+___"  # JetBrains
    r"|\.goutputstream-.*|\..*\.kate-swp|\.~lock\..*|\.nfs\w+"
    r"|\.coverage(\..*)?|coverage\.(xml|json|lcov)|\.testmondata.*"
).fullmatch
_PICTURES: Final = (".svg", ".png")
_PICTURE_MARK: Final = b"tailrace probe"
_OUTPUT_MARKS: Final = (f"  tailrace {__version__}  ".encode(), b'"logger": "tailrace.dev"')
"""What `tailrace dev` writes at its start, as text and as JSON."""
_HEAD_BYTES: Final = 2 * limits.KIB


@dataclass(slots=True)
class _File:
    """The identity of a file's content. `digest` is set if the file has changed just now."""

    changed_ns: int
    size: int
    inode: int
    digest: bytes | None


class Sources:
    """The files of each function at the last replacement of its environments."""

    def __init__(self) -> None:
        self._paths: dict[str, Path] = {}
        self._files: dict[str, dict[str, _File] | None] = {}  # None: too many
        self._others: frozenset[str] = frozenset()

    def apply(self, config: Config) -> None:
        """Set the functions. The current files of a new function count as unchanged."""
        files = (f.env_file for f in config.functions.values() if f.env_file is not None)
        self._others = frozenset((str(config.path), *map(str, files), *_records(config)))
        before, self._paths = self._paths, {n: f.path for n, f in config.functions.items()}
        for name in before.keys() - self._paths.keys():
            del self._files[name]
        for name, path in self._paths.items():
            if before.get(name) == path:
                continue
            found = self._files[name] = self._scan(path)
            if found is None:
                logger.warning(
                    "%s: %s has more than %d files: a request right after a save may still run"
                    " the code before it; keep what is not code elsewhere",
                    name,
                    path,
                    limits.SOURCE_FILES_MAX,
                )

    @property
    def uncompared(self) -> set[str]:
        """The functions with too many files to compare."""
        return {name for name, files in self._files.items() if files is None}

    def take_changes(self, name: str) -> set[Path]:
        """Return the files of a function that have changed since the last call."""
        before = self._files.get(name)
        if before is None:
            return set()
        now = self._scan(self._paths[name], before)
        if now is None:  # it was within the limit, so a file was added
            self._files[name] = None
            return {self._paths[name]}
        self._files[name] = now
        differing = {path for path in now if before.get(path) is not now[path]}
        for path in differing:
            _remove_compiled(path)
        return {Path(path) for path in differing if not _is_written_by_us(path)} | {
            Path(path) for path in before.keys() - now.keys()
        }

    def changed_by(self, files: Collection[Path]) -> dict[str, set[Path]]:
        """Return the functions to which the reported files belong and whose files have changed.

        A function with too many files to compare counts as changed by any of its files.
        """
        found = {}
        for name, path in self._paths.items():
            concerned = {file for file in files if file.is_relative_to(path)}
            if concerned:
                is_known = self._files[name] is not None
                found[name] = self.take_changes(name) if is_known else concerned
        return {name: changed for name, changed in found.items() if changed}

    def is_source(self, path: Path) -> bool:
        """Whether a file is code of a function, by its name and type."""
        parts = {
            part
            for root in self._paths.values()
            if path.is_relative_to(root)
            for part in path.relative_to(root).parts[:-1]
        }
        return (
            not parts & IGNORED_DIRECTORIES
            and not _is_temporary(path.name)
            and path.name not in IGNORED_DIRECTORIES
            and str(path) not in self._others
            and not _is_own_output(path)
            and not _is_written_by_us(str(path))
        )

    def _scan(
        self, root: Path, before: Mapping[str, _File] | None = None
    ) -> dict[str, _File] | None:
        """Return the records of all source files, old ones if unchanged; None if too many."""
        now_ns = time.time_ns()
        known = before or {}
        own = _own_outputs()
        found: dict[str, _File] = {}
        for count, entry in enumerate(_walk(root)):
            if count >= limits.SOURCE_FILES_MAX:
                return None
            if entry.path in self._others:
                continue
            try:
                status = entry.stat()
            except OSError:  # removed since it was listed, or a broken link
                continue
            if (status.st_dev, status.st_ino) not in own:
                found[entry.path] = _record(entry.path, status, known.get(entry.path), now_ns)
        return found


def _walk(root: Path) -> Iterator[os.DirEntry[str]]:
    """Yield the files below a directory that may be code; links to directories are not followed."""
    directories = [str(root)]
    while directories:
        directory = directories.pop()
        try:
            with os.scandir(directory) as found:
                entries = list(found)
        except OSError:  # removed since it was listed, or not readable
            continue
        if directory != str(root) and any(entry.name == _ENVIRONMENT_MARK for entry in entries):
            continue
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if entry.name not in IGNORED_DIRECTORIES:
                    directories.append(entry.path)
            elif not _is_temporary(entry.name):
                yield entry


def _record(path: str, status: os.stat_result, before: _File | None, now_ns: int) -> _File:
    """Return the record of a file; `before` itself if the file has not changed."""
    changed_ns, size, inode = status.st_mtime_ns, status.st_size, status.st_ino
    # Changed within a step of the file system's clock: the next change may leave the same time.
    is_fresh = changed_ns > now_ns - limits.SOURCE_CLOCK_STEP_S * 1e9
    if before is None or (before.changed_ns, before.size, before.inode) != (
        changed_ns,
        size,
        inode,
    ):
        return _File(changed_ns, size, inode, _digest(path, size) if is_fresh else None)
    if before.digest is None:
        return before
    digest = _digest(path, size)
    if digest != before.digest:
        return _File(changed_ns, size, inode, digest if is_fresh else None)
    if not is_fresh:
        before.digest = None
    return before


def _digest(path: str, size: int) -> bytes:
    """Return the digest of a file; random bytes if the file is too large."""
    if size > limits.SOURCE_DIGEST_BYTES_MAX:
        return os.urandom(16)  # equal to no digest: the file counts as changed again
    try:
        return hashlib.blake2b(Path(path).read_bytes(), digest_size=16).digest()
    except OSError:
        return b""


def _remove_compiled(path: str) -> None:
    """Remove what Python has compiled from a changed module.

    Python takes it for current if the module has the same size and was changed in the same second.
    """
    module = Path(path)
    if module.suffix == ".py":
        for compiled in (module.parent / "__pycache__").glob(f"{glob.escape(module.stem)}.*.pyc"):
            with suppress(OSError):
                compiled.unlink()


def _is_written_by_us(path: str) -> bool:
    """Whether a file is a picture of `tailrace probe`, also an empty one, or output of `dev`.

    Output may reach a file through another program, such as `tee`: a log line about its change
    would change it again, endlessly.
    """
    if not os.path.isfile(path):  # to open a pipe would wait for its writer
        return False
    try:
        with open(path, "rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError:
        return False
    if path.endswith(_PICTURES) and (not head or _PICTURE_MARK in head):
        return True
    return any(mark in head for mark in _OUTPUT_MARKS)


def _own_outputs() -> set[tuple[int, int]]:
    """Return the files to which our standard output and error are redirected."""
    found = set()
    for number in (1, 2):
        try:
            status = os.fstat(number)
        except OSError:  # it is closed
            continue
        found.add((status.st_dev, status.st_ino))
    return found


def _is_own_output(path: Path) -> bool:
    try:
        status = path.stat()
    except OSError:  # it was removed
        return False
    return (status.st_dev, status.st_ino) in _own_outputs()


def _records(config: Config) -> Iterator[str]:
    """Return the files of destinations, which may be in directories of functions."""
    for function in config.functions.values():
        for place in (function.destinations.on_success, function.destinations.on_failure):
            if place is not None and place.startswith("file:"):
                yield place.removeprefix("file:")
