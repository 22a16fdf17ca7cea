"""Why a handler or an app cannot be loaded: what is there instead, and where an import failed.

Imported only then.
"""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from itertools import islice

from tailrace import limits
from tailrace.function.apps.detect import kind_of

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from types import ModuleType
    from typing import Final

    from tailrace.function.failure import Failure

_PACKAGE: Final = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_SAME_WORD: Final = 0.8
"""How alike two names are of which one is the other with a mistake; others may be packages."""
_TASK_ROOT: Final = "/var/task"
_LAYERS: Final = (
    "/opt/python/lib/python{}.{}/site-packages".format(*sys.version_info),
    "/opt/python",
)
"""Folders of a function on Lambda."""
_IMPORTLIB: Final = ("<frozen importlib", str(importlib.__file__))


def import_hint(module_name: str, error: ImportError) -> str:
    """Return what can be done about a module that was not found; it begins with "; "."""
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return ""
    is_named = f"{module_name.replace('/', '.')}.".startswith(f"{error.name}.")
    if is_named or error.name.partition(".")[0] in sys.modules:
        return _near_modules(error.name)
    near = _closest(error.name, _modules_in(sys.path[:1]), _SAME_WORD)
    meant = f"did you mean {near}? Otherwise " if near else ""
    return f"; {meant}{_cure(error.name.partition('.')[0])}"


def _cure(package: str) -> str:
    """Return what brings a package that is missing."""
    if os.environ.get("LAMBDA_TASK_ROOT") != _TASK_ROOT:
        return f"install it for the Python of this function, {sys.executable}"
    for folder in _LAYERS:
        if folder not in sys.path and package in _modules_in([folder]):
            return (
                f"a layer has it in {folder}, where the function does not look, because its"
                f" variable PYTHONPATH is set: add {folder} to that"
            )
    return "package it with the function, as tailrace package function does, or in a layer"


def shown_failure(failure: Failure) -> Failure:
    """Return a failure as the log shows it: without the frames in which Python imports."""
    frames = [
        frame
        for frame in failure.stack_trace
        if not frame.lstrip().removeprefix('File "').startswith(_IMPORTLIB)
    ]
    return failure._replace(stack_trace=frames)


def frames_of(error: ImportError) -> list[str]:
    """Return the frames of an import that failed, outermost first."""
    frames = traceback.extract_tb(error.__traceback__)
    return traceback.format_list([f for f in frames if not f.filename.startswith(_PACKAGE)])


def near_attributes(module: ModuleType, attribute: str) -> str:
    """Return the apps and handlers of a module, and which is meant; it begins with "; "."""
    own = _file_beside(module)
    if own is not None:
        return f"; that is {module.__file__}, which Python has imported before: rename {own}"
    names = sorted(name for name in vars(module) if not name.startswith("_"))
    kinds = {name: _kind_in(module, getattr(module, name)) for name in names}
    found = [name for name in names if kinds[name] in ("asgi", "wsgi")]
    found += [name for name in names if kinds[name] == "handler"]
    return _choices(attribute.partition(".")[0], found, names, module.__name__)


def _file_beside(module: ModuleType) -> str | None:
    """Return the file of the app that has a module's name and is not that module."""
    path = os.path.join(sys.path[0], *module.__name__.split("."))
    taken = getattr(module, "__file__", None)  # a folder without __init__.py has none
    for own in (f"{path}.py", os.path.join(path, "__init__.py")):
        if taken is not None and os.path.isfile(own) and not os.path.samefile(own, taken):
            return own
    return None


def _kind_in(module: ModuleType, value: object) -> str | None:
    """Return the kind of an app or a handler; None for a class or a function from elsewhere."""
    try:
        is_imported = hasattr(value, "__code__") and value.__module__ != module.__name__
        return None if isinstance(value, type) or is_imported else kind_of(value)
    except Exception:  # of a proxy, such as Flask's `request`, which stands for nothing now
        return None


def _near_modules(missing: str) -> str:
    """Return the modules beside one that was not found, and which is meant."""
    package, _, name = missing.rpartition(".")
    if package:
        path = list(getattr(sys.modules.get(package), "__path__", ()))
        return _choices(name, _modules_in(path), (), package)
    top = sys.path[0]
    folders = (entry for entry in _entries(top) if entry.name.isidentifier())
    deeper = next((f"{each.name}.{name}" for each in folders if _has_module(each, name)), None)
    if deeper is not None:
        return f"; did you mean {deeper}?"
    return _choices(name, _modules_in([top]), (), top)


def _choices(name: str, found: Sequence[str], others: Iterable[str], where: str) -> str:
    """Return the words about what there is: what is near to a name, and the first of all."""
    near = _nearest(name, found) or _nearest(name, others)
    meant = "" if near is None else f"did you mean {near}? "
    listed = ", ".join(found[: limits.CHOICES_NAMED_MAX]) or "none"
    more = ", …" if len(found) > limits.CHOICES_NAMED_MAX else ""
    return f"; {meant}there are in {where}: {listed}{more}"


def _nearest(name: str, names: Iterable[str]) -> str | None:
    """Return the name that is most like another one; letters may be small or capital."""
    spellings = {each.lower(): each for each in names}
    near = _closest(name.lower(), spellings)
    return spellings[near] if near else None


def _closest(name: str, names: Iterable[str], likeness: float = 0.6) -> str | None:
    """Return the name that is most like another one, if it is that much like it, of at most 1."""
    try:
        from difflib import get_close_matches

        return next(iter(get_close_matches(name, list(names), 1, likeness)), None)
    except Exception:  # the function has a module of that name: the error itself is to be seen
        return None


def _modules_in(folders: Sequence[str]) -> list[str]:
    """Return the names of the modules and packages in folders."""
    entries = [entry for folder in folders for entry in _entries(folder)]
    names = [
        entry.name.removesuffix(".py")
        for entry in entries
        if entry.name.endswith(".py") or _has_module(entry, "__init__")
    ]
    return sorted({name for name in names if name.isidentifier() and name != "__init__"})


def _has_module(folder: os.DirEntry[str], name: str) -> bool:
    return os.path.isfile(os.path.join(folder.path, f"{name}.py"))


def _entries(folder: str) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            yield from islice(entries, limits.FOLDER_ENTRIES_MAX)
    except OSError:
        return
