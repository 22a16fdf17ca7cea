"""Patterns for names in an archive, written as in a .gitignore file."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Final

_PIECES: Final = {"**/": r"(?:.*/)?", "**": r".*", "*": r"[^/]*", "?": r"[^/]"}
_piece: Final = re.compile(r"\*\*/|\*\*|\*|\?")


class Patterns:
    """Whether a name, or a folder above it, matches one of the patterns.

    `*` and `?` do not match a slash, `**` does. A pattern without a slash inside matches at any
    depth, another one from the root on; a slash at the end: only folders.
    """

    def __init__(self, patterns: Collection[str]) -> None:
        self._expressions = [(each, re.compile(_expression(each))) for each in patterns]
        self._above = [re.compile(text) for each in patterns for text in _folders_above(each)]

    def __bool__(self) -> bool:
        return bool(self._expressions)

    def find(self, name: str) -> str | None:
        """Return the pattern that matches a file's name; None if there is none."""
        for pattern, expression in self._expressions:
            if expression.match(name):
                return pattern
        return None

    def reach(self, folder: str) -> bool:
        """Whether a pattern names a folder, or something in it by its path from the root on."""
        return self.find(f"{folder}/") is not None or any(
            expression.fullmatch(folder) for expression in self._above
        )


def _expression(pattern: str) -> str:
    below = "/" if pattern.endswith("/") else r"(?:/|\Z)"
    return ("" if _is_anchored(pattern) else r"(?:.*/)?") + _text(pattern.strip("/")) + below


def _folders_above(pattern: str) -> Iterator[str]:
    """Yield expressions of the folders in which an anchored pattern has what it matches."""
    parts = pattern.strip("/").split("/")
    if not _is_anchored(pattern) or parts[0] == "**":
        return
    for end in range(1, len(parts)):
        if parts[end] == "**":
            yield _text("/".join(parts[:end])) + r"(?:/.*)?"
            return
        yield _text("/".join(parts[:end]))


def _is_anchored(pattern: str) -> bool:
    return "/" in pattern.rstrip("/")


def _text(glob: str) -> str:
    text, end = "", 0
    for match in _piece.finditer(glob):
        text += re.escape(glob[end : match.start()]) + _PIECES[match[0]]
        end = match.end()
    return text + re.escape(glob[end:])
