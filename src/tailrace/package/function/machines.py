"""Whether the machine code in an archive is for the architecture."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from tailrace.errors import PackageError
from tailrace.package.archive import Entry
from tailrace.package.function.dependencies import Installed
from tailrace.package.function.installed import Distribution
from tailrace.package.function.machine_code import glibc_minor_of, machine_of
from tailrace.package.function.target import FunctionTarget

_find_cpython: Final = re.compile(r"\.cpython-3(\d+)-?[^/]*\.so\Z").search
_extension: Final = re.compile(r"\.(?:so|pyd|dylib)\Z").search


def check_machines(
    entries: Iterable[Entry], code: Iterable[Entry], installed: Installed, target: FunctionTarget
) -> list[str]:
    """Return warnings about programs and extensions that do not run on the target.

    Raises:
        PackageError: an extension module of the code does not.
    """
    warnings = []
    for entry in code:
        machine = machine_of(entry.content)
        if machine is not None and machine != target.architecture:
            text = f"{entry.name} is for {machine}, and the function for {target.architecture}"
            if _extension(entry.name):
                raise PackageError(
                    f"{text}: build it there, or leave it out with --exclude /{entry.name}"
                )
            warnings.append(text)
        version = _find_cpython(entry.name)
        if version is not None and int(version[1]) != target.minor:
            warnings.append(f"{entry.name} is not for Python {target.python}")
    contents = {entry.name: entry for entry in entries}
    warnings += too_new(contents.values(), target)
    for each in installed.distributions:
        machines = _machines_of(each, contents)
        if machines and target.architecture not in machines:
            found = ", ".join(sorted(machines))
            warnings.append(f"the machine code of {each.name} is for {found}")
    return warnings


def too_new(entries: Iterable[Entry], target: FunctionTarget) -> list[str]:
    """Return warnings about machine code for a newer glibc: a wheel's tag may promise too much."""
    warnings = []
    for entry in entries:
        if machine_of(entry.content) == target.architecture:
            minor = glibc_minor_of(entry.data)
            if minor > target.glibc_minor:
                warnings.append(
                    f"{entry.name} needs glibc 2.{minor}, and {target.runtime} has"
                    f" 2.{target.glibc_minor}: build it on an older Linux, or take another version"
                )
    return sorted(warnings)


def _machines_of(distribution: Distribution, contents: dict[str, Entry]) -> set[str]:
    """Return the machines of a distribution's files: it may have files for several.

    Programs for Windows do not count: packages for any machine have some, as setuptools has.
    """
    found = (contents.get(name) for name in distribution.files)
    machines = {machine_of(entry.content) for entry in found if entry is not None}
    return {machine for machine in machines if machine not in (None, "Windows")}
