"""The folder from which the app or the handler is imported."""

from __future__ import annotations

import ast
import difflib
from pathlib import Path
from typing import Final

from tailrace import limits
from tailrace.errors import ConfigError
from tailrace.package.function.module_imports import parsed

_SUFFIXES: Final = (".py", "/__init__.py")
_LEAST_ARGUMENTS: Final = 2
"""Of a handler and of a WSGI app; an ASGI app has three."""


def split_app(app: str) -> tuple[str, str]:
    """Return the module and the attribute of MODULE:ATTRIBUTE; a dot does as well.

    Raises:
        ConfigError: it is written in another way.
    """
    module, _, attribute = app.replace("/", ".").rpartition(":" if ":" in app else ".")
    parts = (*module.split("."), *attribute.split("."))
    if not all(part.isidentifier() for part in parts):
        raise ConfigError(f"{app[:80]!r} is not MODULE:ATTRIBUTE, as in main:app", where="--app")
    return module, attribute


def code_root(folder: Path, module: str) -> Path:
    """Return the folder of the code: `folder`, or its `src` if the module is there.

    Raises:
        ConfigError: there is no such module.
    """
    for root in (folder, folder / "src"):
        if module_file(root, module) is not None:
            return root
    found = _modules_in(folder)
    near = difflib.get_close_matches(module, found, 1)
    there = ", ".join(found[: limits.CHOICES_NAMED_MAX]) or "none"
    raise ConfigError(
        f"there is no module {module} in {folder}; there are: {there}",
        where="--app",
        meant=near[0] if near else None,
    )


def module_file(root: Path, module: str) -> Path | None:
    """Return the source of a module."""
    path = root.joinpath(*module.split("."))
    places = (Path(f"{path}{suffix}") for suffix in _SUFFIXES)
    return next((place for place in places if place.is_file()), None)


def defines(source: Path, attribute: str) -> bool:
    """Whether a module's source has the attribute; true if that cannot be seen."""
    tree = parsed(source.read_bytes())
    name = attribute.partition(".")[0]
    if tree is None:
        return True
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=found, ctx=ast.Store()) if found == name:
                return True
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                if node.name in (name, "__getattr__"):
                    return True
            case ast.alias(name=found, asname=other):
                if found == "*" or (other or found.partition(".")[0]) == name:
                    return True
            case ast.Name(id="globals" | "setattr"):
                return True
    return False


def is_no_handler(source: Path, attribute: str) -> bool:
    """Whether it is a function that cannot be called with an event and a context, nor as an app."""
    tree = parsed(source.read_bytes())
    for node in () if tree is None else tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == attribute:
            arguments = node.args
            count = len(arguments.posonlyargs) + len(arguments.args)
            return not node.decorator_list and arguments.vararg is None and count < _LEAST_ARGUMENTS
    return False


def _modules_in(folder: Path) -> list[str]:
    """Return the modules of a folder, of its `src` and of the packages in these."""
    names = set()
    for root in (folder, folder / "src"):
        for pattern in ("*.py", "*/*.py"):
            for path in root.glob(pattern):
                parts = path.relative_to(root).with_suffix("").parts
                if all(part.isidentifier() for part in parts) and parts[0] != "src":
                    names.add(".".join(parts).removesuffix(".__init__"))
            if len(names) > limits.FOLDER_ENTRIES_MAX:
                break
    return sorted(names, key=lambda name: (name.count("."), name))
