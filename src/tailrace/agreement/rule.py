"""What a rule is: settings that must agree, and what is wrong when they do not."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeAlias

from tailrace.agreement.way import Way
from tailrace.gateway.check.finding import Level


class Complaint(NamedTuple):
    """Settings that do not agree: which ones, what users see, and what to set."""

    level: Level
    text: str
    remedy: str


Complaints: TypeAlias = Iterable[Complaint]


class Rule(NamedTuple):
    """A relation between settings."""

    name: str
    """Stable: users name it to leave the rule out."""
    meaning: str
    """What must be, in Markdown."""
    reason: str
    """What happens otherwise."""
    needs: tuple[str, ...]
    """The settings without which it is not checked, besides those of the gateway."""
    check: Callable[[Way], Complaints]


def error(text: str, remedy: str) -> Complaint:
    """Return a complaint about what breaks requests."""
    return Complaint("error", text, remedy)


def warning(text: str, remedy: str) -> Complaint:
    """Return a complaint about what breaks some requests, at some times."""
    return Complaint("warning", text, remedy)
