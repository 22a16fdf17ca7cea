"""Count words that docstrings and comments should not use: persons, figures of speech, old verbs.

Usage: python scripts/count-dialect.py [--lines] [TREE ...]

A TREE is a checkout; without one it is this one. Several are shown side by side, one column each.
With `--lines`, each hit is listed instead of counted. The count is a guide: a word may be right
where it stands, such as "asks" of a client.
"""

from __future__ import annotations

import ast
import collections
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

GROUPS = {
    "persons": r"whoever|whomever|somebody|someone|anybody|anyone|everybody|everyone|nobody|no one",
    "code that speaks": (
        r"says?|said|saying|hears?|heard|tells?|told|telling|asks?|asked|wants?|wanted|knows?|known"
        r"|knew|believes?|believed|learns?|remembers?|remembered|forgets?|speaks?|spoken|hopes?"
        r"|likes|pretends?|trusts"
    ),
    "old verbs": (
        r"cuts?|cutting|breaks? off|broken off|broke off|gives? up|given up|gave up|giving up"
        r"|lets? go|letting go|drops?|dropped|dropping|retires?|retired|begins?|begun|began"
        r"|beginning|makes? ready|made ready|goes away|went away|is gone|are gone"
    ),
    "figures": (
        r"'s own kind|takes? its place|at that one's|in hand|by itself|by themselves|of its own"
        r"|for good|on its way|under way|at once|in vain|as it were|must be had|can be had|is had"
        r"|to itself|at the most|in its stead|has it that|what is more"
    ),
}
"""Each group's words, as regular expressions; whole words, in any case."""

PATTERNS = {
    name: re.compile(rf"\b(?:{words})\b".replace(r"\b(?:'s", r"(?:'s"), re.IGNORECASE)
    for name, words in GROUPS.items()
}


def prose(path: Path) -> Iterator[tuple[int, str]]:
    """The docstrings, strings that stand alone and comments of a module, with their lines."""
    text = path.read_text()
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Expr(ast.Constant(str(words)), lineno=line):
                yield from enumerate(words.split("\n"), line)
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def count(tree: Path) -> dict[str, collections.Counter[str]]:
    """For each folder of the product, the hits of each group, and the lines of prose."""
    root = tree / "src" / "tailrace"
    folders: dict[str, collections.Counter[str]] = {}
    for path in sorted(root.rglob("*.py")):
        folder = path.relative_to(root).parts[0] if path.parent != root else "(top)"
        counts = folders.setdefault(folder, collections.Counter())
        for _, line in prose(path):
            counts["lines"] += 1
            for name, pattern in PATTERNS.items():
                counts[name] += len(pattern.findall(line))
    return folders


def print_hits(tree: Path) -> None:
    """Print each line of prose that has a hit."""
    for path in sorted((tree / "src" / "tailrace").rglob("*.py")):
        for number, line in prose(path):
            words = [hit for pattern in PATTERNS.values() for hit in pattern.findall(line)]
            if words:
                print(f"{path.relative_to(tree)}:{number}: [{', '.join(words)}] {line.strip()}")


def print_table(trees: list[Path]) -> None:
    """Print a table in Markdown: a row for each folder, the groups of each tree in its columns."""
    counts = [count(tree) for tree in trees]
    heads = [f"{name}" for _ in trees for name in (*PATTERNS, "in 100 lines")]
    for tree in trees:
        print(f"{tree}: {len(PATTERNS) + 1} columns")
    print("\n| folder |", " | ".join(heads), "|")
    print("| --- |", " | ".join("--:" for _ in heads), "|")
    folders = sorted({folder for each in counts for folder in each})
    totals = [sum(each.values(), collections.Counter()) for each in counts]
    for folder in folders:
        print(f"| {folder} |", _cells([each.get(folder) for each in counts]), "|")
    print("| all |", _cells(totals), "|")


def _cells(columns: list[collections.Counter[str] | None]) -> str:
    cells = []
    for hits in columns:
        if hits is None:
            cells += ["–"] * (len(PATTERNS) + 1)
            continue
        total = sum(hits[name] for name in PATTERNS)
        cells += [str(hits[name]) for name in PATTERNS]
        cells.append(f"{100 * total / max(hits['lines'], 1):.1f}")
    return " | ".join(cells)


def main() -> None:
    """Print the table, or the hits."""
    arguments = sys.argv[1:]
    trees = [Path(name) for name in arguments if name != "--lines"] or [Path(__file__).parents[1]]
    if "--lines" in arguments:
        for tree in trees:
            print_hits(tree)
    else:
        print_table(trees)


if __name__ == "__main__":
    main()
