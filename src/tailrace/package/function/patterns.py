"""Patterns for names in an archive, written as in a .gitignore file."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

_PIECES: Final = {"**/": r"(?:.*/)?", "**": r".*", "*": r"[^/]*", "?": r"[^/]"}
_piece: Final = re.compile(r"\*\*/|\*\*|\*|\?")


class Patterns:
    """Whether a name, or a folder above it, matches one of the patterns.

    `*` and `?` do not match a slash, `**` does. A pattern without a slash inside matches at any
    depth, another one from the root on; a slash at the end: only folders.
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        self._expressions = [(each, re.compile(_expression(each))) for each in patterns]

    def __bool__(self) -> bool:
        return bool(self._expressions)

    def find(self, name: str) -> str | None:
        """Return the pattern that matches a file's name; None if there is none."""
        for pattern, expression in self._expressions:
            if expression.match(name):
                return pattern
        return None


def _expression(pattern: str) -> str:
    bare = pattern.strip("/")
    text, end = "", 0
    for match in _piece.finditer(bare):
        text += re.escape(bare[end : match.start()]) + _PIECES[match[0]]
        end = match.end()
    text += re.escape(bare[end:])
    is_anchored = "/" in pattern.rstrip("/")
    below = "/" if pattern.endswith("/") else r"(?:/|\Z)"
    return ("" if is_anchored else r"(?:.*/)?") + text + below
