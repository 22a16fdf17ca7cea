"""SVG documents in the look of docs/figures: light or dark as the reader's system is.

Lengths are pixels.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

WIDTH: Final = 1_000
MARGIN: Final = 28

_STYLE: Final = """\
    svg {{ --ground: #f6f7f5; --line: #b9c4bf; --ink: #1b2422; --quiet: #55645f; {light} }}
    @media (prefers-color-scheme: dark) {{
      svg {{ --ground: #101817; --line: #4a5b56; --ink: #e8efec; --quiet: #a3b2ad; {dark} }}
    }}
    text {{ font: 14px/1 system-ui, "Segoe UI", "Helvetica Neue", Arial, sans-serif; fill: var(--ink) }}
    .name {{ font-weight: 600; font-size: 17px }}
    .quiet {{ fill: var(--quiet); font-size: 13px }}
    .end {{ text-anchor: end }}
    .middle {{ text-anchor: middle }}
    .ground {{ fill: var(--ground) }}
    .grid {{ stroke: var(--line); stroke-width: 1 }}
"""  # noqa: E501


def document(
    title: str,
    height: float,
    lines: Iterable[str],
    *,
    colours: Sequence[tuple[str, str]],
    style: str,
) -> str:
    """A whole document of the usual width. `colours` are c0, c1 and so on, on a light ground and
    on a dark one; `style` has the rules of further classes."""
    light, dark = (
        "; ".join(f"--c{index}: {pair[ground]}" for index, pair in enumerate(colours))
        for ground in (0, 1)
    )
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'width="{WIDTH}" height="{height}" role="img" aria-labelledby="title">'
    )
    parts = [
        head,
        f'  <title id="title">{escape(title)}</title>',
        f"  <style>\n{_STYLE.format(light=light, dark=dark)}{style}  </style>",
        f'  <rect class="ground" width="{WIDTH}" height="{height}" rx="14"/>',
        *(f"  {line}" for line in lines),
        "</svg>\n",
    ]
    return "\n".join(parts)


def line(x1: float, y1: float, x2: float, y2: float, kind: str, colour: str = "") -> str:
    """A straight line of a class."""
    ends = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line class="{kind}" {ends}{stroke(colour)}/>'


def text(x: float, y: float, words: str, kind: str, colour: str = "") -> str:
    """A text of these classes."""
    style = f' style="fill: var(--{colour})"' if colour else ""
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}"{style}>{escape(words)}</text>'


def stroke(colour: str) -> str:
    """The attribute, after a space, with which a line has a colour."""
    return f' style="stroke: var(--{colour})"' if colour else ""
