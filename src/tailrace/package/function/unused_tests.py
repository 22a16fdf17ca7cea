"""Folders of tests that nothing else in an archive imports from."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterable
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Final

from tailrace.package.archive import Entry
from tailrace.package.function.module_imports import imports_in, parsed

_NAMES: Final = ("tests", "test")
_MODULES: Final = ("test_*.py", "*_test.py", "tests.py", "conftest.py")
_may_import: Final = re.compile(rb"\btests?\b").search
_is_name: Final = re.compile(r"[A-Za-z_]\w*(?:\.\w+)+").fullmatch


def unused_test_folders(entries: Iterable[Entry], code: Collection[str] = ()) -> set[str]:
    """Return the folders of tests which no module outside of them, and no extension, imports.

    Only folders with modules of tests: a package may be named `test` and be more, as Django's.
    `code` are the names of those entries that are no dependency's. A dependency that imports
    `tests` means its own, not those at the top of the code.
    """
    found = {entry.name: entry for entry in entries}
    folders = {folder for name in found if (folder := _folder_of_tests(name)) is not None}
    of_code = {folder for folder in folders if "/" not in folder and _has_some(folder, code)}
    outside = {name for name in found if folder_of(name, folders) is None}
    waiting = _readers(outside, folders)
    while waiting and folders:
        used = {
            folder
            for name in waiting
            for folder in _used_by(found[name], folders if name in code else folders - of_code)
        }
        folders -= used
        inside = {name for name in found if folder_of(name, used) is not None}
        waiting = _readers(inside, folders)
    return folders


def folder_of(name: str, folders: Collection[str]) -> str | None:
    """Return the outermost of the folders in which a file is; None if it is in none of them."""
    parts = name.split("/")
    above = ("/".join(parts[:end]) for end in range(1, len(parts)))
    return next((folder for folder in above if folder in folders), None)


def _has_some(folder: str, names: Iterable[str]) -> bool:
    return any(name.startswith(f"{folder}/") for name in names)


def _folder_of_tests(name: str) -> str | None:
    """Return the folder of tests in which a module of tests is."""
    pure = PurePosixPath(name)
    if not any(fnmatchcase(pure.name, pattern) for pattern in _MODULES):
        return None
    parts = pure.parent.parts
    depth = next((i for i, part in enumerate(parts) if part in _NAMES), None)
    return None if depth is None else "/".join(parts[: depth + 1])


def _readers(names: Iterable[str], folders: Collection[str]) -> set[str]:
    """Return the modules and the extensions among files that may import from a folder of tests."""
    tops = {folder.partition("/")[0] for folder in folders}
    return {
        name
        for name in names
        if name.endswith((".py", ".pyi")) or (".so" in name and name.partition("/")[0] in tops)
    }


def _used_by(entry: Entry, folders: Collection[str]) -> set[str]:
    name, source = entry.name, entry.data
    if not _may_import(source):
        return set()
    dotted = {folder.replace("/", "."): folder for folder in folders}
    if not name.endswith((".py", ".pyi")):
        return {folder for each, folder in dotted.items() if each.encode() in source}
    names = {each.name for each in imports_in(source, name)} | _names_in_texts(source)
    return {
        folder
        for each, folder in dotted.items()
        if any(f"{found}.".startswith(f"{each}.") for found in names)
    }


def _names_in_texts(source: bytes) -> set[str]:
    """Return texts that may be names of modules, which are imported by their name."""
    tree = parsed(source)
    if tree is None:
        return set()
    constants = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return {text for text in constants if isinstance(text, str) and _is_name(text)}
