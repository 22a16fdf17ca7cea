"""Pictures of results, as an SVG: lateness over the rate of requests, and CPU time. It has the look
of the pictures in docs/figures, light or dark as the reader's system is.

Lengths are pixels.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

from bench.report import Row, number
from bench.schedule import RATES
from bench.svg import MARGIN, document, line, stroke, text

PLOT_LEFT: Final = 96
PLOT_RIGHT: Final = 770
"""The names of the lines stand to the right of it."""
PLOT_HEIGHT: Final = 340
LABEL_APART: Final = 18
BAR_APART: Final = 26
BAR_NAMES: Final = 200
BAR_LEFTS: Final = (BAR_NAMES + MARGIN, 620)
BAR_LENGTH: Final = 280
BARS: Final = {"request": "CPU per request, saturated, µs", "chunk": "CPU per paced chunk, µs"}

COLOURS: Final = (
    ("#0b7a75", "#4ccfc3"),
    ("#0072b2", "#5db4f0"),
    ("#d55e00", "#ff9a52"),
    ("#59636e", "#a3b2ad"),
    ("#a8487e", "#e8a3c6"),
    ("#8a6d00", "#e0c341"),
    ("#6b4fbb", "#b9a3f5"),
    ("#3d7a1f", "#97cf78"),
    ("#7a4b2a", "#d0a07e"),
    ("#1b2422", "#e8efec"),
)
"""Of the relays in their order, on a light ground and on a dark one; with more they repeat."""

_STYLE: Final = """\
    .p99 { fill: none; stroke-width: 2.5 }
    .p50 { fill: none; stroke-width: 1.5; stroke-dasharray: 4 4 }
    .spread { stroke-width: 1.5; opacity: 0.5 }
    .mark { stroke: var(--ink); stroke-width: 1.5 }
"""


def draw(rows: Mapping[str, Row], relays: Sequence[str]) -> str:
    """Returns an SVG document; what was not measured is not in it."""
    colours = {relay: f"c{index % len(COLOURS)}" for index, relay in enumerate(relays)}
    late = _Lateness(rows, colours)
    bars_top = MARGIN + (PLOT_HEIGHT + 150 if late.is_measured else 0)
    bars, height = _bars(rows, colours, bars_top)
    title = "Lateness of chunks under load, and CPU time, by relay"
    return document(title, height, [*late.draw(), *bars], colours=COLOURS, style=_STYLE)


class _Lateness:
    """p50 and p99 of each relay over the rate; both axes are those of all relays."""

    def __init__(self, rows: Mapping[str, Row], colours: Mapping[str, str]) -> None:
        self._rows = rows
        self._colours = colours
        values = [
            value
            for rate in RATES
            for name in (f"chunk-p50-{rate}", f"chunk-p99-{rate}")
            for relay in rows[name].values
            for value in rows[name].figures(relay)
        ]
        self.is_measured = bool(values)
        self._low = math.floor(math.log10(min(values, default=1)))
        self._high = max(self._low + 1, math.ceil(math.log10(max(values, default=10))))
        self._top = MARGIN + 52

    def draw(self) -> list[str]:
        if not self.is_measured:
            return []
        lines = [
            text(MARGIN, MARGIN + 14, "Lateness of a chunk over new requests a second", "name"),
            text(MARGIN, MARGIN + 36, "solid: p99, with its runs; dashed: p50", "quiet"),
            *self._axes(),
        ]
        for relay, colour in self._colours.items():
            for share in ("p50", "p99"):
                lines += self._curve(relay, share, colour)
        return [*lines, *self._names()]

    def _axes(self) -> list[str]:
        bottom = self._top + PLOT_HEIGHT
        lines = []
        for power in range(self._low, self._high + 1):
            y = self._y(10.0**power)
            lines.append(line(PLOT_LEFT, y, PLOT_RIGHT, y, "grid"))
            lines.append(text(PLOT_LEFT - 10, y + 5, _duration(power), "quiet end"))
        lines += [text(_x(rate), bottom + 24, f"{rate:,}", "quiet middle") for rate in RATES]
        words = "new requests a second"
        return [*lines, text(PLOT_RIGHT, bottom + 46, words, "quiet end")]

    def _curve(self, relay: str, share: str, colour: str) -> list[str]:
        points, lines = [], []
        for rate in RATES:
            row = self._rows[f"chunk-{share}-{rate}"]
            middle = row.median(relay)
            if middle is None:
                continue
            points.append(f"{_x(rate):.1f},{self._y(middle):.1f}")
            if share == "p99":
                figures = row.figures(relay)
                ends = (self._y(min(figures)), self._y(max(figures)))
                x = _x(rate)
                lines.append(line(x, ends[0], x, ends[1], "spread", colour))
        drawn = f'<polyline class="{share}" points="{" ".join(points)}"{stroke(colour)}/>'
        return [*lines, drawn] if points else []

    def _names(self) -> list[str]:
        """Each beside the end of its p99, moved down where there is no room."""
        ends = []
        for relay in self._colours:
            found = [self._rows[f"chunk-p99-{rate}"].median(relay) for rate in RATES]
            figures = [value for value in found if value is not None]
            if figures:
                ends.append((self._y(figures[-1]), relay))
        lines, free_y = [], 0.0
        for y, relay in sorted(ends):
            free_y = max(free_y, y + 5)
            colour = self._colours[relay]
            lines.append(text(PLOT_RIGHT + 14, free_y, relay, "", colour))
            free_y += LABEL_APART
        return lines

    def _y(self, value: float) -> float:
        share = (math.log10(value) - self._low) / (self._high - self._low)
        return self._top + PLOT_HEIGHT * (1 - share)


def _bars(rows: Mapping[str, Row], colours: Mapping[str, str], top: float) -> tuple[list[str], int]:
    """A line for each relay with its bars, and where they end."""
    measured = [
        relay for relay in colours if any(rows[name].median(relay) for name in BARS if name in rows)
    ]
    if not measured:
        return [], int(top)
    lines, first = [], top + 46
    for place, relay in enumerate(measured):
        y = first + place * BAR_APART
        lines.append(text(BAR_NAMES, y + 14, relay, "end"))
    for (name, title), left in zip(BARS.items(), BAR_LEFTS, strict=True):
        lines.append(text(left, top + 14, title, "name"))
        row = rows[name]
        most = max((max(row.figures(relay), default=0) for relay in measured), default=0)
        for place, relay in enumerate(measured):
            middle = row.median(relay)
            if middle is None:
                continue
            y, scale = first + place * BAR_APART, BAR_LENGTH / most
            ends = [
                left + scale * end for end in (min(row.figures(relay)), max(row.figures(relay)))
            ]
            lines.append(
                f'<rect x="{left}" y="{y:.0f}" width="{middle * scale:.1f}" height="18" '
                f'style="fill: var(--{colours[relay]})"/>'
            )
            lines.append(line(ends[0], y + 9, ends[1], y + 9, "mark"))
            lines.append(text(max(ends) + 8, y + 14, number(middle), "quiet"))
    return lines, int(first + len(measured) * BAR_APART + MARGIN)


def _x(rate: float) -> float:
    return PLOT_LEFT + 20 + (PLOT_RIGHT - PLOT_LEFT - 40) * rate / max(RATES)


def _duration(power: int) -> str:
    """Ten to this power, of microseconds."""
    if power < 3:
        return f"{10**power:g} µs"
    return f"{10 ** (power - 3):g} ms" if power < 6 else f"{10 ** (power - 6):g} s"
