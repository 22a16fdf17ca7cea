"""The dependencies of a function, installed into a folder: wheels for the target, nothing built."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tailrace.errors import PackageError
from tailrace.package.function.dependency_file import DependencyFile
from tailrace.package.function.installed import (
    Distribution,
    Requires,
    distributions_in,
    normalized,
    requirement_in,
)
from tailrace.package.function.no_wheel import explained
from tailrace.package.function.target import OS_ONLY, FunctionTarget
from tailrace.package.uv import run_uv

OWN: Final = "tailrace"
_included: Final = re.compile(r"\s*(?:-r|--requirement)[\s=]*([^#]+)").match
SDK: Final[tuple[str, ...]] = ("boto3", "botocore", "s3transfer")
"""AWS's SDK: what the managed runtime has of it changes without notice."""
_TOGETHER: Final = "its parts have to fit together"
RUNTIME: Final[tuple[str, ...]] = (*SDK, "awslambdaric", "snapshot-restore-py")
"""What the managed Python runtimes have."""


@dataclass(frozen=True, slots=True)
class Installed:
    """Installed dependencies."""

    folder: Path
    distributions: list[Distribution] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    """Distributions that are required and not installed, with the reason."""
    named: frozenset[str] = frozenset()
    """The names in the file, normalized."""
    kept: dict[str, str] = field(default_factory=dict)
    """Distributions that the runtime has and that are installed nevertheless, with the reason."""


def install(
    file: DependencyFile,
    target: FunctionTarget,
    folder: Path,
    *,
    keep: Iterable[str] = (),
    own: str = "the layer has it",
    progress: Callable[[str], None] | None = None,
) -> Installed:
    """Install what a file names into an empty folder. tailrace itself is left out: it is on no
    index; `own` says where it comes from. `progress` gets what uv does.

    What the managed runtime has is left out as well, unless `keep` names it, or the file or
    another distribution needs certain versions of it.

    Raises:
        PackageError: there is no wheel for the target, or the index is unreachable.
    """
    named = {each.name: each for each in _requirements_of(file)}
    kept = {normalized(name): "--keep" for name in keep}
    kept |= {name: f"{file.path.name} names its version" for name in SDK if _is_bound(named, name)}
    if kept.keys() & set(SDK):
        kept |= {name: _TOGETHER for name in SDK if name not in kept}
    excluded = set() if target.runtime == OS_ONLY else set(RUNTIME) - kept.keys()
    for attempt in range(len(RUNTIME) + 1):
        into = folder / str(attempt)
        _install(file, target, into, sorted({OWN, *excluded}), progress)
        found = distributions_in(into)
        needed = {
            each.name: f"{distribution.name} needs certain versions"
            for distribution in found
            for each in distribution.requires
            if each.has_bound and each.name in excluded
        }
        if not needed:
            break
        kept |= dict.fromkeys(SDK, _TOGETHER) | needed
        excluded -= {*SDK, *needed}
    required = {*named, *(each.name for one in found for each in one.requires)}
    reasons: dict[str, str] = {
        name: "the runtime has it" for name in RUNTIME if name in excluded & required
    }
    if OWN in required:
        reasons[OWN] = own
    used = {name: why for name, why in kept.items() if name in {one.name for one in found}}
    return Installed(into, found, reasons, frozenset(named), used)


def _is_bound(named: dict[str, Requires], name: str) -> bool:
    return name in named and named[name].has_bound


def _install(
    file: DependencyFile,
    target: FunctionTarget,
    into: Path,
    excluded: list[str],
    progress: Callable[[str], None] | None,
) -> None:
    into.mkdir()
    excludes = into.with_suffix(".excludes.txt")
    excludes.write_text("".join(f"{name}\n" for name in excluded))
    directory = file.path.parent.absolute()
    try:
        source = file.path.name
        if file.kind == "uv.lock":
            exported = into.with_suffix(".requirements.txt")
            exported.write_text(_export(file.project, excluded))
            source = str(exported)
        # Editable installs are built in spite of --no-build, and are a path of this machine.
        arguments = ["pip", "install", "--no-editable", "--target", str(into)]
        arguments += ["--excludes", str(excludes)]
        arguments += ["--python-platform", target.platform, "--python-version", target.python]
        run_uv((*arguments, "-r", source), directory=directory, on_line=progress)
    except PackageError as error:
        raise explained(str(error), file, target) from None


def _export(directory: Path, excluded: list[str]) -> str:
    options = ["--frozen", "--no-default-groups", "--no-emit-project", "--no-annotate"]
    for name in excluded:
        options += ["--prune", name]
    return run_uv(("export", *options), directory=directory)


def _requirements_of(file: DependencyFile) -> Iterator[Requires]:
    """Return what the file names, and the files that it includes."""
    for line in _lines_of(file):
        found = None if line.lstrip().startswith(("#", "-", ".", "/")) else requirement_in(line)
        if found is not None:
            yield found


def _lines_of(file: DependencyFile) -> list[str]:
    path = file.project / "pyproject.toml" if file.kind == "uv.lock" else file.path
    if file.kind == "requirements":
        return list(_lines_with_included(path, []))
    try:
        table = tomllib.loads(path.read_text("utf-8", "replace"))
    except tomllib.TOMLDecodeError as error:
        raise PackageError(f"{path} is not TOML: {error}") from None
    if file.kind == "pylock":
        return [str(package.get("name", "")) for package in table.get("packages", ())]
    return [str(line) for line in table.get("project", {}).get("dependencies", ())]


def _lines_with_included(path: Path, seen: list[Path]) -> Iterator[str]:
    """Return the lines of a requirements file; uv reports a file that is not there."""
    path = path.resolve()
    if path in seen or not path.is_file():
        return
    seen.append(path)
    for line in path.read_text("utf-8", "replace").splitlines():
        included = _included(line)
        if included is None:
            yield line.partition(" #")[0]
        else:
            yield from _lines_with_included(path.parent / included[1].strip(), seen)
