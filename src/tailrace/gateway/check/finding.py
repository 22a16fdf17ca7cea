"""What a check of a gateway's surroundings finds: a line for people, with the next step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Level: TypeAlias = Literal["ok", "warning", "error"]
"""`error`: the gateway would not start, or not serve. `warning`: less than is configured."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One result of a check."""

    level: Level
    subject: str
    """What was checked, such as "--listen 0.0.0.0:8080"."""
    text: str
    """What was found."""
    remedy: str | None = None
    """What to do about it; None if there is nothing to do."""
