"""Imports of the code that nothing in the archive, nor on Lambda, satisfies."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable
from typing import Final

from tailrace.package.archive import Entry
from tailrace.package.function.module_imports import Import, imports_in, parsed
from tailrace.package.function.target import FunctionTarget

RUNTIME_MODULES: Final = frozenset((
    "awslambdaric", "boto3", "botocore", "dateutil", "jmespath", "s3transfer", "six",
    "snapshot_restore_py", "urllib3",
))  # fmt: skip
"""What the managed runtimes have in `sys.path`."""
_ADDED: Final = {14: {"annotationlib", "compression"}}
_REMOVED: Final = {
    12: {"asynchat", "asyncore", "distutils", "imp", "smtpd"},
    13: {
        "aifc", "audioop", "cgi", "cgitb", "chunk", "crypt", "imghdr", "lib2to3", "mailcap",
        "msilib", "nis", "nntplib", "ossaudiodev", "pipes", "sndhdr", "spwd", "sunau", "telnetlib",
        "uu", "xdrlib",
    },
}  # fmt: skip
"""Changes of the standard library, by the minor version of Python 3."""
_EXTENSIONS: Final = (".py", ".so", ".pyc")


def missing_imports(
    code: Iterable[Entry], names: Collection[str], target: FunctionTarget, others: Collection[str]
) -> list[str]:
    """Return a warning for each module that the code imports and nothing brings.

    `names` are the files of the archive, `others` the modules that are elsewhere on Lambda.
    """
    modules = _Modules(names)
    known = standard_library(target.minor) | set(others)
    found: dict[str, dict[tuple[str, int], None]] = {}
    for entry in code:
        if not entry.name.endswith(".py"):
            continue
        for each in imports_in(entry.data, entry.name):
            if each.is_certain and each.name.partition(".")[0] not in known:
                lacking = modules.lacking(each)
                if lacking is not None:
                    found.setdefault(lacking, {})[entry.name, each.line] = None
    return [_warning(name, list(places), target) for name, places in sorted(found.items())]


def unparsed(code: Iterable[Entry]) -> list[str]:
    """Return the modules of the code that this Python cannot parse."""
    return [
        entry.name for entry in code if entry.name.endswith(".py") and parsed(entry.data) is None
    ]


def standard_library(minor: int) -> set[str]:
    """Return the modules of the standard library of Python 3.`minor`."""
    names = {*sys.stdlib_module_names, "__main__"}
    for version, added in _ADDED.items():
        names = names | added if version <= minor else names - added
    for version, removed in _REMOVED.items():
        names = names - removed if version <= minor else names | removed
    return names


class _Modules:
    """The modules of an archive."""

    def __init__(self, names: Collection[str]) -> None:
        self._kinds: dict[str, bool] = {}  # whether it is a folder without __init__
        for name in names:
            folder, _, file = name.rpartition("/")
            if file.endswith(_EXTENSIONS):
                stem = file.partition(".")[0]
                is_package = stem == "__init__"
                dotted = folder if is_package else f"{folder}/{stem}".lstrip("/")
                self._kinds[dotted.replace("/", ".")] = False
        for dotted in list(self._kinds):
            parts = dotted.split(".")
            for end in range(1, len(parts)):
                self._kinds.setdefault(".".join(parts[:end]), True)

    def lacking(self, wanted: Import) -> str | None:
        """Return the name that is missing for an import; None if there is none.

        What a package does when it is imported is unknown, so only folders are looked into.
        """
        parts = wanted.name.split(".")
        if not parts[0]:
            return wanted.name
        for end in range(1, len(parts) + 1):
            name = ".".join(parts[:end])
            is_folder = self._kinds.get(name)
            if is_folder is None:
                return name
            if not is_folder:
                return None
        return None


def _warning(name: str, places: list[tuple[str, int]], target: FunctionTarget) -> str:
    file, line = places[0]
    more = f" (and {len(places) - 1} more)" if len(places) > 1 else ""
    text = f"{file}:{line} imports {name}{more}"
    if name.startswith("."):
        remedy = "package the folder above, and put this one's name into --app"
        return f"{text}, and is in no package in which that could be: {remedy}"
    if name in sys.stdlib_module_names or any(name in each for each in _REMOVED.values()):
        return f"{text}, which Python {target.python} does not have"
    return f"{text}, which neither the code nor a requirement brings"
