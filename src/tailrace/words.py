"""Numbers with their nouns, as people read them."""

from __future__ import annotations


def counted(count: int, noun: str) -> str:
    """Return a number with its noun, such as "1 open response" or "2 open responses"."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
