"""Lines over a logarithmic axis, as a part of an SVG. Light or dark as the reader's system is.

Lengths are pixels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from bench.svg import MARGIN, document, line, stroke, text

LEFT: Final = 110
RIGHT: Final = 700
"""The names of the lines stand to the right of it."""
LABEL_APART: Final = 20

COLOURS: Final = (
    ("#0b7a75", "#4ccfc3"),
    ("#0072b2", "#5db4f0"),
    ("#d55e00", "#ff9a52"),
    ("#a8487e", "#e8a3c6"),
)
"""Of the lines in their order, on a light ground and on a dark one."""

_STYLE: Final = """\
    .curve { fill: none; stroke-width: 2.5 }
"""


class Curve(NamedTuple):
    """A line and its name."""

    name: str
    points: Sequence[tuple[float, float]]


class Plot(NamedTuple):
    """Curves on axes from one power of ten to another."""

    title: str
    subtitle: str
    curves: Sequence[Curve]
    x_powers: range
    y_powers: range
    y_text: Callable[[float], str]
    height: int


def chart(title: str, plots: Iterable[Plot], x_title: str) -> str:
    """An SVG with the plots below each other."""
    lines: list[str] = []
    top = MARGIN
    for plot in plots:
        lines += _plot(plot, top, x_title)
        top += plot.height + 150
    return document(title, top, lines, colours=COLOURS, style=_STYLE)


def _plot(plot: Plot, top: float, x_title: str) -> Iterator[str]:
    yield text(MARGIN, top + 14, plot.title, "name")
    yield text(MARGIN, top + 38, plot.subtitle, "quiet")
    begin, bottom = top + 60, top + 60 + plot.height

    def x(value: float) -> float:
        return LEFT + (RIGHT - LEFT) * _share(value, plot.x_powers)

    def y(value: float) -> float:
        return bottom - plot.height * _share(value, plot.y_powers)

    for power in plot.y_powers:
        yield line(LEFT, y(10.0**power), RIGHT, y(10.0**power), "grid")
        yield text(LEFT - 10, y(10.0**power) + 5, plot.y_text(10.0**power), "quiet end")
    for power in plot.x_powers:
        yield line(x(10.0**power), begin, x(10.0**power), bottom, "grid")
        yield text(x(10.0**power), bottom + 22, f"{10**power:,}", "quiet middle")
    yield text(RIGHT, bottom + 44, x_title, "quiet end")
    for index, curve in enumerate(plot.curves):
        points = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in curve.points)
        yield f'<polyline class="curve" points="{points}"{stroke(f"c{index}")}/>'
    yield from _names(plot, y)


def _names(plot: Plot, y: Callable[[float], float]) -> Iterator[str]:
    """Each beside the end of its line, moved down where there is no room."""
    free_y = 0.0
    ends = [(y(curve.points[-1][1]), index) for index, curve in enumerate(plot.curves)]
    for end_y, index in sorted(ends):
        free_y = max(free_y, end_y + 5)
        yield text(RIGHT + 14, free_y, plot.curves[index].name, "", f"c{index}")
        free_y += LABEL_APART


def _share(value: float, powers: range) -> float:
    return (math.log10(value) - powers[0]) / (powers[-1] - powers[0])
