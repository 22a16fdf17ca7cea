"""Makes the archive of a function."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from tailrace.package.archive import Entry, Written, write_archive
from tailrace.package.bytecode import compiled_for
from tailrace.package.function.code_root import code_root, defines, module_file, split_app
from tailrace.package.function.dependencies import OWN, SDK, Installed, install
from tailrace.package.function.dependency_file import DependencyFile, find_dependency_file
from tailrace.package.function.imports import RUNTIME_MODULES, missing_imports, unparsed
from tailrace.package.function.interpreter import BOOTSTRAP, interpreter_of
from tailrace.package.function.machines import check_machines, too_new
from tailrace.package.function.patterns import Patterns
from tailrace.package.function.sizes import PackageSize, check_size, sizes_of, sizes_of_code
from tailrace.package.function.slimming import slimmed, with_records
from tailrace.package.function.sources import Code, CodeRules, code_in
from tailrace.package.function.target import FunctionTarget, target_of
from tailrace.package.function.unused_tests import is_in, unused_test_folders
from tailrace.package.layer import layer_entries
from tailrace.package.options import FunctionPackageOptions
from tailrace.package.own_files import own_entries

Progress = Callable[[str], None]
"""Is called with the name of each step."""

_ROOT: Final = "/var/task"
"""Where Lambda unpacks the archive."""
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
        entries, left_out = _without_tests(entries, exclude, include)
        entries = with_records(entries, installed)
        warnings = _warnings(code, entries, installed, target, _elsewhere(options, installed))
        warnings += _undefined(root, module, attribute)
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


def _elsewhere(options: FunctionPackageOptions, installed: Installed) -> frozenset[str]:
    """Return the modules that the function finds outside of its archive.

    A part of AWS's SDK in the archive hides that of the runtime, and does not fit the others there.
    """
    if options.interpreter is not None:
        return frozenset()
    has_sdk = any(each.name in SDK for each in installed.distributions)
    modules = RUNTIME_MODULES.difference(SDK) if has_sdk else RUNTIME_MODULES
    return modules if options.bundle else modules | {OWN}


def _undefined(root: Path, module: str, attribute: str) -> list[str]:
    source = module_file(root, module)
    if source is None or defines(source, attribute):
        return []
    return [f"{source.relative_to(root)} defines no {attribute}"]


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
        added = compiled_for(target.python, options.bytecode, entries, _ROOT)
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
    entries: list[Entry], exclude: Patterns, include: Patterns
) -> tuple[list[Entry], Counter[str]]:
    """Return the entries that are not excluded, without tests; and how many have gone."""
    kept = [entry for entry in entries if exclude.find(entry.name) is None]
    left_out = Counter({_EXCLUDED: len(entries) - len(kept)})
    folders = unused_test_folders(kept)
    needed = [
        entry
        for entry in kept
        if not is_in(entry.name, folders) or include.find(entry.name) is not None
    ]
    left_out[_TESTS] = len(kept) - len(needed)
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
    warnings += [f"{name} cannot be parsed by this Python" for name in unparsed(own)]
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
