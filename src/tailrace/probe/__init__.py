"""The probe: when was each chunk of a response written, and when did it arrive?

`tailrace.probe.handler` is the companion, a function to be measured; importing it imports nothing
of the probe's other side.
"""

from __future__ import annotations

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from typing import Any

    from tailrace.probe.companion import handler

__all__ = ["handler"]


def __getattr__(name: str) -> Any:
    if name != "handler":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from tailrace.probe.companion import handler

    return handler
