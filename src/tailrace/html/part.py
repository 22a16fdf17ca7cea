"""A part of a page: made beside others, and shown where its place is."""

from __future__ import annotations

import functools
import inspect
import logging
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from tailrace.html.content import drop

if TYPE_CHECKING:
    import asyncio

logger = logging.getLogger("tailrace.html")

current_part: Final[ContextVar[Part | None]] = ContextVar("tailrace_part", default=None)
"""The part whose source runs."""


class Part:
    """One part of a page. `text` is its markup once it is done, and "" once that is taken."""

    __slots__ = (
        *("args", "children", "fallback", "has_started", "is_cancelled", "is_placed", "name"),
        *("source", "task", "text", "timeout_s", "timer"),
    )

    def __init__(
        self,
        name: str,
        source: Any,
        args: tuple[Any, ...],
        timeout_s: float | None,
        fallback: Any,
    ) -> None:
        self.name: Final = name
        self.source: Final = source
        self.args: Final = args
        self.timeout_s: Final = timeout_s
        self.fallback: Final = fallback
        self.children: Final[list[Part]] = []
        self.text: str | None = None
        self.is_placed = False
        """Its place is in the page."""
        self.has_started = False
        """Its source has been awaited or called."""
        self.is_cancelled = False
        """The part that it is a part of has failed."""
        self.task: asyncio.Task[None] | None = None
        self.timer: asyncio.TimerHandle | None = None

    def claim_place(self) -> bool:
        """Take the place that was found; False, with a warning, if the part has one."""
        if self.is_placed:
            logger.warning("part %s has two places; call page.part for each of them", self)
            return False
        self.is_placed = True
        return True

    def drop(self) -> None:
        """Close a source that is not going to be run."""
        if not self.has_started:
            self.has_started = True
            drop(self.source)

    def __str__(self) -> str:
        source = self.source
        while isinstance(source, functools.partial):
            source = source.func
        title = getattr(source, "__qualname__", None) or type(source).__qualname__
        return f"{self.name} ({title.rpartition('<locals>.')[2]})"


def check_options(timeout_s: float | None, fallback: Any) -> None:
    """Raise for options that no part can have.

    Raises:
        TypeError: the fallback is a coroutine.
        ValueError: the time-out is not positive.
    """
    if timeout_s is not None and not timeout_s > 0:
        raise ValueError(f"timeout_s is more than 0, or None; not {timeout_s!r}")
    if inspect.isawaitable(fallback):
        drop(fallback)
        raise TypeError("fallback is a content or a function, not a coroutine: it may not be used")


def is_function(value: Any) -> bool:
    """Whether a source or a fallback is called for its content, unlike an element of htpy."""
    return callable(value) and not hasattr(type(value), "__html__")
