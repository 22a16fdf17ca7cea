"""Times and sizes as one says them to people; all that the probe shows has them from here."""

from __future__ import annotations

from typing import Final

_EXACT_BYTES: Final = 100_000
_UNITS: Final = ((1e9, "GB"), (1e6, "MB"), (1e3, "KB"))
_ROUNDED_UP: Final = 0.9995
"""Three digits of this and more are those of the next unit."""


def duration(seconds: float) -> str:
    """A time as one says it: `3 ms`, `250 ms`, `2.0 s`."""
    milliseconds = seconds * 1000
    if round(abs(milliseconds), 1) < 1:
        return "0 ms" if round(milliseconds, 1) == 0 else f"{milliseconds:.1f} ms"
    if abs(milliseconds) < 995:
        return f"{milliseconds:.0f} ms"
    return f"{seconds:.1f} s" if abs(seconds) < 99.95 else f"{seconds:,.0f} s"


def exact_duration(seconds: float) -> str:
    """A time to compare with others: `3.2 ms`, `250 ms`, `1.204 s`."""
    if abs(seconds) < 0.0995:
        return f"{seconds * 1000:.1f} ms"
    if abs(seconds) < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.3f} s" if abs(seconds) < 100 else f"{seconds:.1f} s"


def size(count: float) -> str:
    """A number of bytes: `64 B`, `1.5 KB`, `100 KB`, `6.29 MB`; units are decimal."""
    for unit, name in _UNITS:
        if count >= _ROUNDED_UP * unit:
            return f"{count / unit:.3g} {name}"
    return f"{count:.0f} B"


def exact_size(count: float) -> str:
    """A number of bytes, small ones to the last: `16,384 bytes`, `100 KB`."""
    return f"{count:,.0f} bytes" if count < _EXACT_BYTES else size(count)
