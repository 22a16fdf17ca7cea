"""Draw measured responses: two time axes, and a line from the one to the other for each chunk.

    written ──●────●────●──     upright: on time
              │     ╲    ╲
    arrived ──●──────●────●─    slanted: late

Without the times of writing there are the arrivals alone. Responses stand below each other on one
scale. None of the plotting library's global state is used.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from tailrace.errors import ConfigError
from tailrace.probe import caption
from tailrace.probe.lettering import APART, FONT, Room, cut, width_of, wrapped
from tailrace.probe.quantity import duration
from tailrace.probe.record import Chunk, Reading

# Okabe and Ito's palette, which people who are colour-blind can tell apart.
_ON_TIME: Final = "#0072b2"
_LATE: Final = "#d55e00"
_LATE_INK: Final = "#ad4a00"  # the same for words, which need more contrast
_INK: Final = "#1f2328"
_QUIET: Final = "#59636e"
_AXIS: Final = "#8c959f"
_IDLE: Final = "#d1d9e0"
_GRID: Final = "#e6eaee"

_WIDTH: Final = 10.0  # inches, as all that follows
_LEFT: Final = 0.95
_RIGHT: Final = 0.55
_TOP: Final = 0.15
_TITLE: Final = 0.72  # a row's two lines of words, and the labels of its first axis
_HEADLINE: Final = 0.2  # each further line of words
_TIMED: Final = 0.95  # from one axis to the other
_UNTIMED: Final = 0.3
_BELOW: Final = 0.62  # labels of the arrivals, and the space before the next row
_FOOT: Final = 0.72

_LABELLED_MAX: Final = 60
"""More chunks than this have no labels."""
_SHAPES_MAX: Final = 2_000
"""More chunks than this are dots of an image, in an SVG as well: it would be too large."""
_TITLE_SIZE: Final = 12.5  # points, as all sizes of words
_HEADLINE_SIZE: Final = 11.0
_CLOCK_SIZE: Final = 9.5
_LABEL_SIZE: Final = 10.0
_HEADLINE_LINES_MAX: Final = 3
_BROKEN: Final = "broken off"
_MADE_BY: Final = "tailrace probe"


def picture_format(path: Path) -> Literal["svg", "png"]:
    """The format that a name asks for. Raises ConfigError for a suffix that is not known."""
    match path.suffix.lower():
        case ".svg":
            return "svg"
        case ".png":
            return "png"
    raise ConfigError(f"{path}: a picture's name ends in .svg or .png")


def draw(readings: Sequence[Reading], path: Path, *, names: Sequence[str] = ()) -> None:
    """Draw responses into a file, SVG or PNG by its suffix; the same ones give the same bytes.

    `names` stand for those that come from the URLs. Raises ConfigError when the suffix is not
    known or the file cannot be written, ValueError when there is nothing to draw.
    """
    kind = picture_format(path)
    if not readings:
        raise ValueError("there is no response to draw")
    titles = [*names, *map(caption.name, readings[len(names) :])]
    # The user's own settings of the library would change the picture; "default" undoes them.
    own = {"svg.hashsalt": "tailrace", "svg.fonttype": "path", "font.family": FONT}
    with style.context(["default", own]):
        figure = compose(readings, titles)
        # By this mark `tailrace dev` knows a picture that was drawn into a function's directory.
        mark = {"Software": _MADE_BY} if kind == "png" else {"Date": None, "Creator": _MADE_BY}
        try:
            figure.savefig(path, format=kind, dpi=144, metadata=mark)
        except OSError as error:
            raise ConfigError(f"{path}: cannot be written: {error.strerror}") from error


def compose(readings: Sequence[Reading], titles: Sequence[str]) -> Figure:
    """The picture, not yet drawn; its words need the library's default settings."""
    spans = [_TIMED if _is_timed(reading) else _UNTIMED for reading in readings]
    headlines = [
        wrapped(
            caption.headline(reading), _HEADLINE_SIZE, _WIDTH - _LEFT - APART, _HEADLINE_LINES_MAX
        )
        for reading in readings
    ]
    words = [_TITLE + _HEADLINE * (len(lines) - 1) for lines in headlines]
    height = _TOP + sum(words) + sum(span + _BELOW for span in spans) + _FOOT
    figure = Figure(figsize=(_WIDTH, height), facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    begin_s, end_s = _limits(readings)
    per_inch = (end_s - begin_s) / (_WIDTH - _LEFT - _RIGHT)
    axes.set_xlim(begin_s - _LEFT * per_inch, end_s + _RIGHT * per_inch)
    axes.set_ylim(-height, 0)
    y = -_TOP
    for i, (reading, title) in enumerate(zip(readings, titles, strict=True)):
        row = _Row(axes, reading, y - words[i], spans[i], (begin_s, end_s))
        row.draw(title, headlines[i], y)
        y -= words[i] + spans[i] + _BELOW
    _draw_foot(axes, (begin_s, end_s), height, is_timed=_TIMED in spans)
    return figure


def _limits(readings: Sequence[Reading]) -> tuple[float, float]:
    """The scale that they share."""
    written = [c.written_s for r in readings for c in r.chunks if c.written_s is not None]
    arrived = [c.arrived_s for r in readings for c in r.chunks]
    begin_s = min([0.0, *written])
    end_s = max([*(r.ended_s for r in readings), *arrived, *written])
    return begin_s, end_s if end_s > begin_s else begin_s + 1.0


def _draw_foot(axes: Axes, limits: tuple[float, float], height: float, *, is_timed: bool) -> None:
    y = -height + _FOOT
    ticks = _ticks(limits)
    axes.plot(limits, [y, y], color=_AXIS, lw=1)
    for tick in ticks:
        axes.plot([tick, tick], [y, y - 0.05], color=_AXIS, lw=1)
        axes.text(tick, y - 0.09, f"{tick:g} s", **_text(_LABEL_SIZE, _QUIET, "center", "top"))
    words = "time since the request was sent"
    axes.text(limits[1], y - 0.34, words, **_text(9.5, _QUIET, "right", "top"))
    if is_timed:
        limit = duration(caption.LATE_S)
        words = (
            f"Each line is a piece of the response. Slanted: late; orange: surely by over {limit}."
        )
        axes.text(limits[0], y - 0.34, words, **_text(9.5, _QUIET, "left", "top"))


def _ticks(limits: tuple[float, float]) -> list[float]:
    """As many as have room for their words: ten, or fewer where the words are long."""
    per_inch = (limits[1] - limits[0]) / (_WIDTH - _LEFT - _RIGHT)
    slack = (limits[1] - limits[0]) * 1e-9
    for count in (10, 5, 2):
        values = MaxNLocator(nbins=count, steps=[1, 2, 5, 10]).tick_values(*limits)
        ticks = [float(t) for t in values if limits[0] - slack <= t <= limits[1] + slack]
        room = Room(per_inch)
        if all(room.take(tick, width_of(f"{tick:g} s", _LABEL_SIZE)) for tick in ticks):
            return ticks
    return []


class _Row:
    """One response: where it stands, and what has been drawn of it."""

    def __init__(
        self, axes: Axes, reading: Reading, y: float, span: float, limits: tuple[float, float]
    ) -> None:
        self._axes = axes
        self._reading = reading
        self._written_y = y
        self._arrived_y = y - span
        self._limits = limits
        self._per_inch = (limits[1] - limits[0]) / (_WIDTH - _LEFT - _RIGHT)
        self._weight = 2.4 if len(reading.chunks) <= 20 else 1.4
        if len(reading.chunks) > _LABELLED_MAX:
            self._weight = 0.7
        self._is_image = len(reading.chunks) > _SHAPES_MAX

    def draw(self, title: str, headline: Sequence[str], y: float) -> None:
        """Draw all of it; its words begin at `y`."""
        self._draw_words(title, headline, y)
        self._draw_grid()
        self._draw_axes()
        if _is_timed(self._reading):
            self._draw_uncertainty()
            self._draw_lines()
        else:
            self._draw_arrivals()
        self._draw_labels()
        self._draw_end()

    def _draw_words(self, title: str, headline: Sequence[str], y: float) -> None:
        left, right = self._limits
        room = _WIDTH - _LEFT - _RIGHT
        clock = self._reading.clock
        if clock is not None and _is_timed(self._reading):
            words = f"clock known to ±{duration(clock.uncertainty_s)}"
            looks = _text(_CLOCK_SIZE, _QUIET, "right", "top")
            self._axes.text(right, y - 0.01, words, **looks)
            room -= width_of(words, _CLOCK_SIZE) + 2 * APART
        title = cut(title, _TITLE_SIZE, room, is_bold=True)
        looks = _text(_TITLE_SIZE, _INK, "left", "top")
        self._axes.text(left, y, title, fontweight="bold", **looks)
        colour = _LATE_INK if any(map(self._is_late, self._reading.chunks)) else _INK
        looks = _text(_HEADLINE_SIZE, colour, "left", "top")
        for i, line in enumerate(headline):
            self._axes.text(left, y - 0.245 - i * _HEADLINE, line, **looks)

    def _draw_grid(self) -> None:
        ends = [self._written_y + 0.06, self._arrived_y - 0.06]
        for tick in _ticks(self._limits):
            self._axes.plot([tick, tick], ends, color=_GRID, lw=1, zorder=0)

    def _draw_axes(self) -> None:
        """Thin where nothing goes on, thicker while the function writes or the body arrives."""
        reading, times = self._reading, [chunk.written_s for chunk in self._reading.chunks]
        written = [time_s for time_s in times if time_s is not None]
        rows = [("arrived", self._arrived_y, [reading.head_s, reading.ended_s])]
        if written:
            started = [] if reading.started_s is None else [reading.started_s]
            rows.append(("written", self._written_y, [*started, *written]))
        for word, y, active in rows:
            self._axes.plot(self._limits, [y, y], color=_IDLE, lw=1, zorder=1)
            self._axes.plot([min(active), max(active)], [y, y], color=_AXIS, lw=1.6, zorder=2)
            x = self._limits[0] - 0.12 * self._per_inch
            self._axes.text(x, y, word, **_text(11, _QUIET, "right", "center"))

    def _draw_uncertainty(self) -> None:
        """Where a chunk may have been written."""
        clock = self._reading.clock
        if clock is None or clock.uncertainty_s / self._per_inch < 0.01:
            return
        wedges = [
            [
                (written_s - clock.uncertainty_s, self._written_y),
                (written_s + clock.uncertainty_s, self._written_y),
                (chunk.arrived_s, self._arrived_y),
            ]
            for chunk in self._reading.chunks
            if (written_s := chunk.written_s) is not None
        ]
        colours = [self._colour(c) for c in self._reading.chunks if c.written_s is not None]
        alpha = 0.16 if len(wedges) <= _LABELLED_MAX else 0.02
        band = PolyCollection(wedges, facecolors=colours, alpha=alpha, lw=0, zorder=1.5)
        band.set_rasterized(self._is_image)
        self._axes.add_collection(band, autolim=False)
        begin_s, end_s = self._limits
        corner, height = (begin_s, self._arrived_y), self._written_y - self._arrived_y
        place = Rectangle(corner, end_s - begin_s, height, transform=self._axes.transData)
        band.set_clip_path(place)

    def _draw_lines(self) -> None:
        chunks = [chunk for chunk in self._reading.chunks if chunk.written_s is not None]
        lines = [
            [(chunk.written_s or 0.0, self._written_y), (chunk.arrived_s, self._arrived_y)]
            for chunk in chunks
        ]
        colours = [self._colour(chunk) for chunk in chunks]
        alpha = 1.0 if len(chunks) <= _LABELLED_MAX else 0.55
        drawn = LineCollection(lines, colors=colours, lw=self._weight, alpha=alpha, zorder=3)
        drawn.set_rasterized(self._is_image)
        self._axes.add_collection(drawn, autolim=False)
        for end, y in ((0, self._written_y), (1, self._arrived_y)):
            size = 12 * self._weight if len(chunks) <= _LABELLED_MAX else 3
            xs = [line[end][0] for line in lines]
            dots = self._axes.scatter(xs, [y] * len(xs), s=size, c=colours, lw=0, zorder=4)
            dots.set_rasterized(self._is_image)

    def _draw_arrivals(self) -> None:
        marks = [
            [(chunk.arrived_s, self._arrived_y), (chunk.arrived_s, self._arrived_y + 0.26)]
            for chunk in self._reading.chunks
        ]
        drawn = LineCollection(marks, colors=_ON_TIME, lw=self._weight, zorder=3)
        drawn.set_rasterized(self._is_image)
        self._axes.add_collection(drawn, autolim=False)

    def _draw_labels(self) -> None:
        """Numbers above and lateness below, where there is room."""
        if len(self._reading.chunks) > _LABELLED_MAX:
            return
        for chunk in self._numbered():
            words, y = caption.numbers([chunk]), self._written_y + 0.08
            self._put(chunk.written_s or 0.0, y, words, _QUIET, "bottom")
        for group, words in self._told():
            is_late = any(map(self._is_late, group))
            y = self._arrived_y - 0.09
            self._put(group[-1].arrived_s, y, words, _LATE_INK if is_late else _QUIET, "top")

    def _numbered(self) -> list[Chunk]:
        """The chunks whose numbers have room: all of them, or each second, fifth, …"""
        chunks = [chunk for chunk in self._reading.chunks if chunk.written_s is not None]
        for step in (1, 2, 5, 10, 20):
            some = [c for c in chunks if c.index == 0 or (c.index + 1) % step == 0]
            room = Room(self._per_inch)
            if all(room.take(c.written_s or 0.0, _label_width(caption.numbers([c]))) for c in some):
                return some
        return chunks[:1]

    def _told(self) -> list[tuple[list[Chunk], str]]:
        """The arrivals whose words have room, with the words.

        In long words or, where more have room then, in narrow ones. If not all have room, those
        that were late, the latest first.
        """
        found = caption.groups(self._reading)
        found.sort(key=caption.latest_s, reverse=True)
        told = self._placed(found, self._arrival_words)
        narrow = self._placed(found, partial(self._arrival_words, is_narrow=True))
        told = max(told, narrow, key=len)  # the first of equals
        if len(told) == len(found):
            return told
        if not _is_timed(self._reading):
            return told
        late = [(group, words) for group, words in told if any(map(self._is_late, group))]
        return late or told[:1]

    def _placed(
        self, groups: Sequence[list[Chunk]], words_of: Callable[[list[Chunk]], str]
    ) -> list[tuple[list[Chunk], str]]:
        room = Room(self._per_inch)
        if self._reading.broken is not None:
            room.take(self._within(self._reading.ended_s, _BROKEN), _label_width(_BROKEN))
        placed = []
        for group in groups:
            words = words_of(group)
            if room.take(self._within(group[-1].arrived_s, words), _label_width(words)):
                placed.append((group, words))
        return placed

    def _arrival_words(self, group: list[Chunk], *, is_narrow: bool = False) -> str:
        if not _is_timed(self._reading):
            return caption.numbers(group)
        words = duration(caption.latest_s(group))
        if any(map(self._is_late, group)):
            words += "\nlate" if is_narrow else " late"
        if len(group) == 1:
            return words
        return f"{caption.numbers(group)}\n{'≤' if is_narrow else 'up to'} {words}"

    def _draw_end(self) -> None:
        x, y = self._reading.ended_s, self._arrived_y
        if self._reading.broken is None:
            self._axes.plot([x, x], [y - 0.07, y + 0.07], color=_AXIS, lw=1.6, zorder=2)
            word = "end" if self._reading.stopped is None else "…"
            ground = {"facecolor": "white", "edgecolor": "none", "pad": 1}  # the axis goes on
            looks = _text(_CLOCK_SIZE, _QUIET, "left", "center")
            self._axes.text(x + 0.1 * self._per_inch, y, word, bbox=ground, zorder=2, **looks)
            return
        self._axes.scatter([x], [y], s=90, marker="x", c=_INK, lw=2.4, zorder=5)
        self._put(x, y - 0.09, _BROKEN, _INK, "top")

    def _put(self, x: float, y: float, words: str, colour: str, side: str) -> None:
        looks = _text(_LABEL_SIZE, colour, "center", side)
        self._axes.text(self._within(x, words), y, words, linespacing=1.15, **looks)

    def _within(self, x: float, words: str) -> float:
        """Where the middle of words stands that are to be at `x`, and not over the edge."""
        half = _label_width(words) / 2 + APART / 2
        begin, end = self._limits
        x = min(x, end + (_RIGHT - half) * self._per_inch)
        return max(x, begin - (_LEFT - half) * self._per_inch)

    def _is_late(self, chunk: Chunk) -> bool:
        return caption.is_late(chunk, self._reading)

    def _colour(self, chunk: Chunk) -> str:
        return _LATE if self._is_late(chunk) else _ON_TIME


def _label_width(words: str) -> float:
    return max(width_of(line, _LABEL_SIZE) for line in words.split("\n"))


def _is_timed(reading: Reading) -> bool:
    return any(chunk.written_s is not None for chunk in reading.chunks)


def _text(size: float, colour: str, across: str, along: str) -> dict[str, Any]:
    # A URL may have dollar signs, which are no formulas.
    return {"fontsize": size, "color": colour, "ha": across, "va": along, "parse_math": False}
