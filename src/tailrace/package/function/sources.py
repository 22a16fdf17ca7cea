"""The code of a function: which files of its folder are in the archive."""

from __future__ import annotations

import os
import shlex
import stat
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tailrace.errors import PackageError
from tailrace.package.archive import Entry
from tailrace.package.function.patterns import Patterns
from tailrace.package.function.slimming import entry_of
from tailrace.package.limits import CODE_FILES_MAX, KEY_FILE_BYTES_MAX

_ANYWHERE: Final = {
    "__pycache__/": "bytecode",
    "*.py[co]": "bytecode",
    ".*": "hidden files",
    "*~": "hidden files",
    "*.whl": "wheels",
    "node_modules/": "packages of Node.js",
    "*.egg-info/": "metadata of a build",
    "*.dist-info/": "metadata of a build",
}
_AT_THE_TOP: Final = {
    "/build/bdist*/": "output of a build",
    "/build/lib*/": "output of a build",
    "/dist/*.tar.gz": "output of a build",
    "/htmlcov/": "reports of tests",
    "/conftest.py": "tests",
    "/test_*.py": "tests",
    "/Dockerfile*": "files of deployment",
    "/compose*.y*ml": "files of deployment",
    "/docker-compose*.y*ml": "files of deployment",
    "/samconfig.toml": "files of deployment",
    "/serverless.y*ml": "files of deployment",
    "/cdk.json": "files of deployment",
    "/cdk.out/": "files of deployment",
    "/tailrace.toml": "files of deployment",
    "/Makefile": "files of deployment",
    "/requirements*.txt": "files of dependencies",
    "/pylock*.toml": "files of dependencies",
    "/pyproject.toml": "files of dependencies",
    "/uv.lock": "files of dependencies",
    "/poetry.lock": "files of dependencies",
    "/Pipfile*": "files of dependencies",
    "/setup.cfg": "files of dependencies",
    "/setup.py": "files of dependencies",
    "/tox.ini": "files of dependencies",
    "/noxfile.py": "files of dependencies",
}
"""What is left out, and its kind. Nothing of it is needed at run time, unless `--include` says so.
"""
_KEPT: Final = Patterns((".well-known/",))
"""Hidden, and served by web apps."""
_EXCLUDED: Final = "--exclude"
_ENVIRONMENT_MARK: Final = "pyvenv.cfg"
_SECRET_NAMES: Final = Patterns(
    (
        ".env",
        ".env.*",
        "*.p12",
        "*.pfx",
        "*.jks",
        "*.tfstate",
        "*.tfstate.*",
        "id_rsa",
        "id_ed25519",
    )
)
_KEYS: Final = (".pem", ".key", ".crt", ".cer")
_KEY_MARK: Final = b"PRIVATE KEY-----"
_OUR_TIME: Final = (1980, 1, 1, 0, 0, 0)
_UNIX: Final = 3


@dataclass(frozen=True, slots=True)
class CodeRules:
    """What of the code is in the archive."""

    exclude: Patterns
    include: Patterns
    output: Path
    """The archive that is made, resolved."""


@dataclass(slots=True)
class Code:
    """The files of the code, and those that are left out: the first names of each kind."""

    folder: Path
    entries: list[Entry] = field(default_factory=list)
    left_out: dict[str, list[str]] = field(default_factory=dict)
    secrets: list[str] = field(default_factory=list)

    def leave_out(self, name: str, kind: str) -> None:
        """Count a file or a folder as left out."""
        self.left_out.setdefault(kind, []).append(_shown(name))


def code_in(folder: Path, rules: CodeRules) -> Code:
    """Return the files of the code below `folder`.

    Links are followed if they lead to files in the folder.

    Raises:
        PackageError: a link leads elsewhere or nowhere, a file is no file or cannot be read, or
            there are too many.
    """
    selection = _Selection(folder, rules)
    for count, (name, path, kind) in enumerate(selection.walk(folder)):
        if count == CODE_FILES_MAX:
            problem = f"{folder} has more than {CODE_FILES_MAX:,} files"
            raise PackageError(f"{problem}: name the folder of the function, or --exclude GLOB")
        selection.add(name, path, kind)
    return selection.code


class _Selection:
    """Decides about each file of a folder."""

    def __init__(self, folder: Path, rules: CodeRules) -> None:
        self.code = Code(folder)
        self._rules = rules
        self._root = folder.resolve()
        table = _ANYWHERE | _AT_THE_TOP
        self._kinds = [(Patterns((pattern,)), kind) for pattern, kind in table.items()]

    def walk(
        self, folder: Path, above: tuple[Path, ...] = (), kind: str | None = None
    ) -> Iterator[tuple[str, Path, str | None]]:
        """Walk over the files, each with the kind of its folder if that is left out."""
        try:
            paths = sorted(folder.iterdir())
        except OSError as error:
            raise PackageError(f"{folder} cannot be read: {error.strerror}") from None
        for path in paths:
            name = path.relative_to(self.code.folder).as_posix()
            if not path.is_dir():
                yield name, path, kind
                continue
            own = kind or self._kind_of_folder(name, path)
            if own is not None and (own == _EXCLUDED or not self._rules.include.reach(name)):
                self.code.leave_out(f"{name}/", own)
                continue
            real = self._checked(name, path)
            if real in above or real == self._root:
                raise PackageError(f"{path} is a link to a folder above it: {_remedy(name)}")
            yield from self.walk(path, (*above, real), own)

    def add(self, name: str, path: Path, kind: str | None) -> None:
        """Add a file, or leave it out."""
        rules, code = self._rules, self.code
        if rules.exclude.find(name) is not None:
            return code.leave_out(name, _EXCLUDED)
        if rules.include.find(name) is None:
            if kind is None and (_SECRET_NAMES.find(name) is not None or _has_key(path)):
                code.secrets.append(name)
                return None
            kind = kind or self._kind_of(name)
            if kind is None and _is_archive_of_ours(path):
                kind = "archives of functions"
            if kind is not None:
                return code.leave_out(name, kind)
        real = self._checked(name, path)
        if real != rules.output:
            code.entries.append(entry_of(name, path))
        return None

    def _kind_of_folder(self, name: str, path: Path) -> str | None:
        if self._rules.exclude.find(f"{name}/") is not None:
            return _EXCLUDED
        if (path / _ENVIRONMENT_MARK).exists():
            return "a virtual environment"
        return self._kind_of(f"{name}/")

    def _kind_of(self, name: str) -> str | None:
        if _KEPT.find(name) is not None:
            return None
        return next((kind for patterns, kind in self._kinds if patterns.find(name)), None)

    def _checked(self, name: str, path: Path) -> Path:
        """Return the real path of a file or a folder which can be in an archive."""
        if _shown(name) != name:
            raise PackageError(
                f"the name {_shown(name)} in {self.code.folder} is not UTF-8: rename it, or leave"
                " it out with --exclude, and ? in the place of what is not shown"
            )
        try:
            real = path.resolve(strict=True)
            mode = real.stat().st_mode
        except (OSError, RuntimeError):  # a circle of links
            raise PackageError(f"{path} is a link to nothing: {_remedy(name)}") from None
        if not real.is_relative_to(self._root):
            raise PackageError(
                f"{path} is a link to {real}, outside of {self._root}: put a copy in its place, or"
                f" {_remedy(name)}"
            )
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
            raise PackageError(f"{path} is a pipe, a socket or a device: {_remedy(name)}")
        if not os.access(real, os.R_OK):
            raise PackageError(f"{path} cannot be read: change its mode, or {_remedy(name)}")
        return real


def _shown(name: str) -> str:
    """Return a name with a mark in the place of what is not UTF-8."""
    return os.fsencode(name).decode("utf-8", "replace")


def _remedy(name: str) -> str:
    return f"leave it out with --exclude {shlex.quote('/' + name)}"


def _has_key(path: Path) -> bool:
    """Whether it is a file with a private key, and not with certificates alone."""
    if path.suffix not in _KEYS or not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            return _KEY_MARK in file.read(KEY_FILE_BYTES_MAX)
    except OSError:
        return False


def _is_archive_of_ours(path: Path) -> bool:
    """Whether it is an archive of an earlier run."""
    if path.suffix != ".zip" or not path.is_file():
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (OSError, zipfile.BadZipFile):
        return False
    names = [entry.filename for entry in entries]
    is_ours = all(
        entry.date_time == _OUR_TIME and entry.create_system == _UNIX for entry in entries
    )
    return bool(names) and is_ours and names == sorted(names)
