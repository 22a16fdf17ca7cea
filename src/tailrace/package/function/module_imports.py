"""What the source of a module imports."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

_CAUGHT: Final = frozenset(("ImportError", "ModuleNotFoundError", "Exception", "BaseException"))
_GUARDS: Final = ("TYPE_CHECKING", "version_info", "platform", "__name__", "DEBUG")
"""What an `if` asks before an import that is not made everywhere."""


@dataclass(frozen=True, slots=True)
class Import:
    """One import of a module. Of `from x import y` there is `x`, and `x.y`, which may be a name.

    One that is relative to no package keeps its dots.
    """

    name: str
    line: int
    is_certain: bool
    """Whether it fails the module, or the function that has it, if it is not there."""


def module_name(path: str) -> tuple[str, bool]:
    """Return the dotted name of a file of an archive, and whether it is a package."""
    pure = PurePosixPath(path)
    parts = pure.parent.parts if pure.stem == "__init__" else (*pure.parent.parts, pure.stem)
    return ".".join(parts), pure.stem == "__init__"


def imports_in(source: bytes, path: str) -> list[Import]:
    """Return what a module imports; nothing of one that cannot be parsed."""
    tree = parsed(source)
    if tree is None:
        return []
    name, is_package = module_name(path)
    is_imported = bool(name)  # what is in no folder, and is __init__.py, has no name
    return list(_walk(tree, name if is_package else name.rpartition(".")[0], is_imported))


def parsed(source: bytes) -> ast.Module | None:
    """Return the tree of a module; None if this Python cannot parse it."""
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return None


def _walk(node: ast.AST, package: str, is_certain: bool) -> Iterator[Import]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield Import(alias.name, node.lineno, is_certain)
        return
    if isinstance(node, ast.ImportFrom):
        yield from _from(node, package, is_certain)
        return
    if is_certain and isinstance(node, ast.Try | ast.If):
        is_certain = not (_catches(node) if isinstance(node, ast.Try) else _is_guard(node))
    elif is_certain and isinstance(node, ast.With):
        is_certain = not any(_suppresses(item.context_expr) for item in node.items)
    for child in ast.iter_child_nodes(node):
        yield from _walk(child, package, is_certain)


def _from(node: ast.ImportFrom, package: str, is_certain: bool) -> Iterator[Import]:
    base = node.module or ""
    if node.level:
        parents = package.split(".") if package else []
        if node.level > len(parents):
            yield Import("." * node.level + base, node.lineno, is_certain)
            return
        parents = parents[: len(parents) - node.level + 1]
        base = ".".join((*parents, base) if base else parents)
    if node.module:
        yield Import(base, node.lineno, is_certain)
    for alias in node.names:
        if alias.name != "*":
            yield Import(f"{base}.{alias.name}", node.lineno, is_certain)


def _catches(node: ast.Try) -> bool:
    for handler in node.handlers:
        kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
        for kind in kinds:
            if kind is None or (isinstance(kind, ast.Name) and kind.id in _CAUGHT):
                return True
    return False


def _suppresses(node: ast.expr) -> bool:
    """Whether it is `contextlib.suppress` of a missing module."""
    if not isinstance(node, ast.Call) or not ast.unparse(node.func).endswith("suppress"):
        return False
    return any(isinstance(each, ast.Name) and each.id in _CAUGHT for each in node.args)


def _is_guard(node: ast.If) -> bool:
    names = (each.id for each in ast.walk(node.test) if isinstance(each, ast.Name))
    attributes = (each.attr for each in ast.walk(node.test) if isinstance(each, ast.Attribute))
    return any(name in _GUARDS for name in (*names, *attributes))
