"""The page that is measured: tables of rows, each of which is made after an await.

Its text is the same whoever renders it: Jinja2 in one template, or a page in parts of any kind.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

import htpy
from jinja2 import Environment
from markupsafe import Markup

from tailrace.html import Html

PARTS: Final = 100
ROWS: Final = 20

ENVIRONMENT: Final = Environment(autoescape=True, enable_async=True)
_TABLE: Final = """\
<table><caption>{{ table.title }}</caption>\
{% for row in table.rows %}<tr><td>{{ row.number }}</td><td>{{ row.name }}</td>\
<td>{{ row.city }}</td><td>{{ row.amount }}</td></tr>{% endfor %}</table>"""
TABLE: Final = ENVIRONMENT.from_string(_TABLE)
"""One table, given."""
HEAD: Final = Html("<!doctype html><title>Sales</title><h1>Sales</h1><main>")
FOOT: Final = Html("</main>")
WHOLE: Final = ENVIRONMENT.from_string(
    f"{HEAD}{{% for number in numbers %}}"
    f"{{% set table = load(number) %}}{_TABLE}{{% endfor %}}{FOOT}"
)
"""The page in one template, which awaits each table where it stands."""
ROW: Final = Html("<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>")
FRAME: Final = Html("<table><caption>{}</caption>{}</table>")


@dataclass(frozen=True, slots=True)
class Sale:
    """A row; its name has to be escaped."""

    number: int
    name: str
    city: str
    amount: float


@dataclass(frozen=True, slots=True)
class Table:
    """What a part shows."""

    title: str
    rows: tuple[Sale, ...]


TABLES: Final = tuple(
    Table(
        f"Region {number}",
        tuple(
            Sale(row, f"Müller & Sons {number}.{row}", f"City {row % 7}", 99.5 * row + number)
            for row in range(ROWS)
        ),
    )
    for number in range(PARTS)
)


async def load(number: int) -> Table:
    """Return a table after one turn of the event loop."""
    await asyncio.sleep(0)
    return TABLES[number]


async def by_jinja2(number: int) -> Html:
    """Render a part by a template of its own."""
    return Html(await TABLE.render_async(table=await load(number)))


async def by_format(number: int) -> Html:
    """Render a part by `Html.format`."""
    table = await load(number)
    rows = [ROW.format(row.number, row.name, row.city, row.amount) for row in table.rows]
    return FRAME.format(table.title, Html("").join(rows))


async def by_htpy(number: int) -> htpy.Element:
    """Compose a part of htpy's elements."""
    table = await load(number)
    return htpy.table[
        htpy.caption[table.title],
        (
            htpy.tr[
                htpy.td[str(row.number)],
                htpy.td[row.name],
                htpy.td[row.city],
                htpy.td[Markup(row.amount)],
            ]
            for row in table.rows
        ),
    ]
