"""Async generators that are left before their end."""

from __future__ import annotations

from typing import Any


async def throw_into(items: Any, error: BaseException) -> None:
    """Raise at the yield of a generator why it is left; nothing happens in one that has ended.

    By `aclose` alone, a task group around the yield would fail with GeneratorExit.
    """
    if hasattr(items, "athrow"):
        try:
            await items.athrow(error)
        except StopAsyncIteration:
            pass
