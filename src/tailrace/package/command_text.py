"""Commands to copy, as a report shows them."""

from __future__ import annotations

import shlex
from collections.abc import Sequence


def shown_command(words: Sequence[str]) -> str:
    """Return a command with each of its options on a line, quoted for a shell."""
    lines = [""]
    for word in words:
        if word.startswith("--"):
            lines.append("   ")
        lines[-1] += f" {shlex.quote(word)}"
    return " \\\n".join(lines).removeprefix(" ")
