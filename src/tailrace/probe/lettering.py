"""Words in a picture: how wide they are, what of them fits, and which places are taken.

All lengths are inches, all sizes points.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

FONT: Final = "DejaVu Sans"
"""It comes with the plotting library, so a picture is the same on every machine."""
APART: Final = 0.1
"""Between two labels, and at the edge of the picture."""
_NARROWEST_EM: Final = 0.25  # no character of the font is narrower


class Room:
    """Which places along an axis have been given to labels."""

    def __init__(self, per_inch: float) -> None:
        self._per_inch = per_inch
        self._taken: list[tuple[float, float]] = []

    def take(self, x: float, width: float) -> bool:
        """Take the place around x for so many inches, if it is free."""
        half = (width + APART) / 2 * self._per_inch
        if any(x - half < end and begin < x + half for begin, end in self._taken):
            return False
        self._taken.append((x - half, x + half))
        return True


@lru_cache(maxsize=1024)
def width_of(words: str, size: float, *, is_bold: bool = False) -> float:
    """How wide a line of words is, in inches."""
    font = FontProperties(family=FONT, size=size, weight="bold" if is_bold else "normal")
    width: float = text_to_path.get_text_width_height_descent(words, font, ismath=False)[0]
    return width / 72


def cut(words: str, size: float, room: float, *, is_bold: bool = False) -> str:
    """Words that fit into so many inches, cut off with a mark where they must be."""
    most = int(room * 72 / (size * _NARROWEST_EM)) + 1  # nothing longer is measured
    if len(words) <= most and width_of(words, size, is_bold=is_bold) <= room:
        return words
    fits, too_many = 0, min(len(words), most + 1)
    while fits + 1 < too_many:
        half = (fits + too_many) // 2
        if width_of(f"{words[:half]}…", size, is_bold=is_bold) <= room:
            fits = half
        else:
            too_many = half
    return f"{words[:fits].rstrip()}…"


def wrapped(text: str, size: float, room: float, lines_max: int) -> list[str]:
    """Text in lines of so many inches at the most; what the last line cannot hold is cut off."""
    words = text.split()
    lines: list[str] = []
    while words and len(lines) < lines_max - 1:
        count = 1
        while count < len(words) and width_of(" ".join(words[: count + 1]), size) <= room:
            count += 1
        lines.append(cut(" ".join(words[:count]), size, room))
        words = words[count:]
    if words or not lines:
        lines.append(cut(" ".join(words), size, room))
    return lines
