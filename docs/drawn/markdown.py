"""Pieces of Markdown that several parts have."""

from __future__ import annotations

from collections.abc import Iterable


def table(head: list[str], rows: list[list[str]]) -> str:
    """A table with its head."""
    escaped = [[cell.replace("|", "\\|") for cell in cells] for cells in rows]
    lines = [head, ["---"] * len(head), *escaped]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def text_block(lines: Iterable[str]) -> str:
    """A fenced block of plain text."""
    return "\n".join(("```text", *lines, "```"))
