"""Makes the archive of a function."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from tailrace.errors import ConfigError
from tailrace.package.archive import Entry, Written, write_archive
from tailrace.package.bytecode import compiled_entries
from tailrace.package.function.code_root import (
    code_root,
    defines,
    is_no_handler,
    module_file,
    split_app,
)
from tailrace.package.function.dependencies import OWN, RUNTIME, SDK, Installed, install
from tailrace.package.function.dependency_file import DependencyFile, find_dependency_file
from tailrace.package.function.imports import RUNTIME_MODULES, missing_imports, unparsed
from tailrace.package.function.installed import normalized
from tailrace.package.function.interpreter import BOOTSTRAP, interpreter_of
from tailrace.package.function.machines import check_machines, too_new
from tailrace.package.function.patterns import Patterns
from tailrace.package.function.python_versions import version_warnings
from tailrace.package.function.sizes import PackageSize, check_size, sizes_of, sizes_of_code
from tailrace.package.function.slimming import slimmed, with_records
from tailrace.package.function.sources import Code, CodeRules, code_in
from tailrace.package.function.target import TASK_ROOT, FunctionTarget, target_of
from tailrace.package.function.unused_tests import folder_of, unused_test_folders
from tailrace.package.layer import layer_entries
from tailrace.package.options import FunctionPackageOptions
from tailrace.package.own_files import own_entries

Progress = Callable[[str], None]
"""Is called with the name of each step."""

_NAME_CHARS_MAX: Final = 64
_TESTS: Final = "tests"
_EXCLUDED: Final = "--exclude"


@dataclass(frozen=True, slots=True)
class FunctionArchive:
    """An archive of a function that has been written, and what there is to know of it."""

    name: str
    """That of the folder, as Lambda allows it for a function."""
    written: Written
    target: FunctionTarget
    module: str
    attribute: str
    has_own_tailrace: bool
    layer_bytes: int
    """Unzipped; 0 if the function needs no layer."""
    dependency_file: DependencyFile | None
    installed: Installed
    sizes: list[PackageSize]
    """Of each dependency, the largest first."""
    code: Code
    left_out: Counter[str]
    """Files of the dependencies that are not in the archive, by kind."""
    warnings: list[str]


def build(options: FunctionPackageOptions, app: str, progress: Progress) -> FunctionArchive:
    """Write the archive of an app or a handler, `MODULE:ATTRIBUTE`.

    Raises:
        ConfigError: an option is wrong.
        PackageError: the archive cannot be made; none has been written then.
    """
    has_interpreter = options.interpreter is not None
    has_own = has_interpreter or options.bundle
    target = target_of(options.architecture, options.python, has_interpreter=has_interpreter)
    module, attribute = split_app(app)
    _check_keep(options.keep)
    root = code_root(options.path, module)
    include, exclude = Patterns(options.include), Patterns(options.exclude)
    code = code_in(root, CodeRules(exclude, include, options.output.resolve()))
    file = find_dependency_file(options.path, options.requirements)
    with TemporaryDirectory(prefix="tailrace-") as folder:
        installed = Installed(Path(folder))
        if file is not None:
            progress(f"installing the wheels of {file.path} for {target.architecture}")
            own = "this installation has it" if has_own else "the layer has it"
            installed = install(
                file, target, Path(folder), keep=options.keep, own=own, progress=progress
            )
        progress("choosing the files")
        slim = slimmed(installed)
        entries = _merged(code.entries, slim.entries)
        if has_own:
            entries = _merged(entries, own_entries())
        entries, left_out = _without_tests(entries, code, exclude, include)
        entries = with_records(entries, installed)
        warnings = _warnings(code, entries, installed, target, _elsewhere(options, installed))
        warnings += _app_warnings(root, module, attribute, entries)
        warnings += version_warnings(options.path, file, installed, target)
        more, notes = _added(options, entries, target, progress)
        entries = _merged(entries, more)
        sizes = sizes_of(installed, entries)
        layer_bytes = 0 if has_own else sum(entry.size_bytes for entry in layer_entries())
        check_size(entries, layer_bytes, sizes + sizes_of_code(_own(code, entries)))
        progress(f"writing {len(entries):,} files")
        written = write_archive(options.output, entries)
    return FunctionArchive(
        _function_name(options.path), written, target, module, attribute, has_own, layer_bytes,
        file, installed, sizes, code, slim.left_out + left_out, [*warnings, *notes],
    )  # fmt: skip


def _function_name(folder: Path) -> str:
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", folder.resolve().name)[:_NAME_CHARS_MAX].strip("-")
    return name or "function"


def _check_keep(names: Iterable[str]) -> None:
    for name in names:
        if normalized(name) not in RUNTIME:
            problem = f"the runtime does not have {name}, so it is never left out"
            raise ConfigError(problem, where="--keep", allowed=", ".join(RUNTIME))


def _elsewhere(options: FunctionPackageOptions, installed: Installed) -> frozenset[str]:
    """Return the modules that the function finds outside of its archive.

    A part of AWS's SDK in the archive hides that of the runtime, and does not fit the others there.
    """
    if options.interpreter is not None:
        return frozenset()
    has_sdk = any(each.name in SDK for each in installed.distributions)
    modules = RUNTIME_MODULES.difference(SDK) if has_sdk else RUNTIME_MODULES
    return modules if options.bundle else modules | {OWN}


def _app_warnings(root: Path, module: str, attribute: str, entries: list[Entry]) -> list[str]:
    source = module_file(root, module)
    if source is None:
        return []
    name = source.relative_to(root).as_posix()
    if all(entry.name != name for entry in entries):
        remedy = f"put it in with --include /{name}, or change --exclude"
        raise ConfigError(f"{name}, where it is, is left out; {remedy}", where="--app")
    if not defines(source, attribute):
        return [f"{name} defines no {attribute}"]
    if is_no_handler(source, attribute):
        remedy = f"if it makes an app, write a module with app = {attribute}(), and name that app"
        return [f"{attribute} of {name} cannot be called with an event and a context: {remedy}"]
    return []


def _added(
    options: FunctionPackageOptions,
    entries: list[Entry],
    target: FunctionTarget,
    progress: Progress,
) -> tuple[list[Entry], list[str]]:
    """Return what is made for the archive: compiled modules and an interpreter; and warnings."""
    added: list[Entry] = []
    if options.bytecode is not None:
        progress("compiling the modules")
        added = compiled_entries(entries, options.bytecode, TASK_ROOT, version=target.python)
    if options.interpreter is None:
        return added, []
    progress("compiling the standard library")
    interpreter = interpreter_of(options.interpreter, target)
    warnings = [*interpreter.warnings, *too_new(interpreter.entries, target)]
    if any(entry.name == BOOTSTRAP for entry in entries):
        remedy = f"unless it starts our runtime, --exclude /{BOOTSTRAP}"
        warnings.append(f"Lambda starts the code's own {BOOTSTRAP}: {remedy}")
    return _merged(interpreter.entries, added), warnings


def _merged(first: Iterable[Entry], second: Iterable[Entry]) -> list[Entry]:
    """Return all entries; of two with one name, the first."""
    found = {entry.name: entry for entry in second}
    return list((found | {entry.name: entry for entry in first}).values())


def _without_tests(
    entries: list[Entry], code: Code, exclude: Patterns, include: Patterns
) -> tuple[list[Entry], Counter[str]]:
    """Return the entries that are not excluded, without tests; and how many of the dependencies
    have gone."""
    kept = [entry for entry in entries if exclude.find(entry.name) is None]
    left_out = Counter({_EXCLUDED: len(entries) - len(kept)})
    own = {entry.name for entry in code.entries}
    folders = unused_test_folders(kept, own)
    needed, of_code = [], set()
    for entry in kept:
        folder = folder_of(entry.name, folders)
        if folder is None or include.find(entry.name) is not None:
            needed.append(entry)
        elif entry.name in own:
            of_code.add(folder)
        else:
            left_out[_TESTS] += 1
    for folder in sorted(of_code):
        code.leave_out(f"{folder}/", _TESTS)
    return needed, +left_out


def _warnings(
    code: Code,
    entries: list[Entry],
    installed: Installed,
    target: FunctionTarget,
    others: Collection[str],
) -> list[str]:
    names = {entry.name for entry in entries}
    own = _own(code, entries)
    warnings = [
        f"{name} is left out: it looks secret; set variables of the function, or --include {name}"
        for name in code.secrets
    ]
    warnings += missing_imports(own, names, target, others)
    this = f"Python {sys.version_info.major}.{sys.version_info.minor}, which runs this command,"
    warnings += [
        f"{this} cannot parse {name}, so its imports are unknown" for name in unparsed(own)
    ]
    warnings += _covered(own, installed)
    warnings += check_machines(entries, own, installed, target)
    return warnings


def _own(code: Code, entries: list[Entry]) -> list[Entry]:
    """Return the files of the code that are in the archive."""
    names = {entry.name for entry in entries}
    return [entry for entry in code.entries if entry.name in names]


def _covered(own: list[Entry], installed: Installed) -> list[str]:
    """Return the dependencies of which the code has a module of the same name."""
    tops = {entry.name.partition("/")[0] for entry in own if entry.name.endswith(".py")}
    found = []
    for each in installed.distributions:
        same = tops & {name.partition("/")[0] for name in each.files if name.endswith(".py")}
        found += [f"{name} of the code has the name of a module of {each.name}" for name in same]
    return sorted(found)
