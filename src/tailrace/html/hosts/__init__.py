"""Where an endpoint runs: each module takes what `produce` yields to one kind of host."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from tailrace.function.request import Request
    from tailrace.function.way import ResponseWay

    Items: TypeAlias = AsyncIterator[Any]
    """A Head first, then chunks and FLUSH, as a handler yields them."""
    Produce: TypeAlias = Callable[[Request, ResponseWay], Items]
