"""Count what a reader of the sources meets: files, folders, small modules, names, types asked for.

Usage: python scripts/measure-shape.py [TREE ...]

A TREE is a checkout; without one it is this one. Several are shown side by side, one column each.
"""

from __future__ import annotations

import ast
import collections
import sys
from pathlib import Path

PARTS_WITHOUT_ISINSTANCE = ("function", "gateway")
SMALL_LINES = 40

Shape = dict[str, str]


class Sources:
    """The modules of one checkout, parsed."""

    def __init__(self, tree: Path) -> None:
        self.root = tree / "src" / "tailrace"
        self.texts = {path: path.read_text() for path in sorted(self.root.rglob("*.py"))}
        self.trees = {path: ast.parse(text) for path, text in self.texts.items()}

    def classes(self) -> dict[str, list[str]]:
        """Each class name, with the modules that define it."""
        found = collections.defaultdict(list)
        for path, tree in self.trees.items():
            for node in ast.walk(tree):
                if isinstance(node, ast.ClassDef):
                    found[node.name].append(str(path.relative_to(self.root)))
        return found

    def isinstance_on(self, names: set[str], part: str) -> int:
        """Calls of isinstance() in a part of the product that name one of these classes."""
        return sum(
            _asks_for(node, names)
            for path, tree in self.trees.items()
            if path.is_relative_to(self.root / part)
            for node in ast.walk(tree)
            if isinstance(node, ast.Call)
        )


def _asks_for(call: ast.Call, names: set[str]) -> bool:
    if not isinstance(call.func, ast.Name) or call.func.id != "isinstance":
        return False
    asked = ast.walk(call.args[1])
    return any(
        (isinstance(node, ast.Name) and node.id in names)
        or (isinstance(node, ast.Attribute) and node.attr in names)
        for node in asked
    )


def measure(tree: Path) -> Shape:
    """One column: what is counted, and the count as text."""
    sources = Sources(tree)
    lines = {path: text.count("\n") for path, text in sources.texts.items()}
    classes = sources.classes()
    twice = sorted(name for name, homes in classes.items() if len(homes) > 1)
    small = [path for path, count in lines.items() if count < SMALL_LINES and _has_code(path)]
    shape = {
        "files": f"{len(lines)}",
        "lines": f"{sum(lines.values()):,}",
        f"modules under {SMALL_LINES} lines": f"{len(small)}",
        "class names of several classes": f"{len(twice)} {' '.join(twice)}".strip(),
    }
    for part in PARTS_WITHOUT_ISINSTANCE:
        count = sources.isinstance_on(set(classes), part)
        shape[f"isinstance on own classes in {part}/"] = f"{count}"
    return shape | _files_per_folder(sources)


def _has_code(path: Path) -> bool:
    """Whether it is more than the mark or the entry of a package."""
    return path.name not in ("__init__.py", "__main__.py")


def _files_per_folder(sources: Sources) -> Shape:
    counts = collections.Counter(
        path.parent.relative_to(sources.root).as_posix()
        for path in sources.texts
        if path.name != "__init__.py"
    )
    return {f"files in {folder}/": f"{count}" for folder, count in sorted(counts.items())}


def main() -> None:
    """Print the table, as Markdown."""
    trees = [Path(name) for name in sys.argv[1:]] or [Path(__file__).parent.parent]
    shapes = [measure(tree) for tree in trees]
    rows = dict.fromkeys(row for shape in shapes for row in shape)
    print("| |", " | ".join(str(tree) for tree in trees), "|")
    print("| --- |", " | ".join("---" for _ in trees), "|")
    for row in rows:
        print(f"| {row} |", " | ".join(shape.get(row, "–") for shape in shapes), "|")


if __name__ == "__main__":
    main()
