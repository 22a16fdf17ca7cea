"""docs/reference/prelude.md says what every path makes of every prelude: cell by cell, it is so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.kits.prelude_table import COLUMNS, World, cells_of, serving_rows
from tests.kits.preludes import ROWS, Row

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "prelude.md"
SOURCES = ("documented", "code", "recorded", "reported", "chosen")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with serving_rows(tmp_path_factory.mktemp("rows")) as world:
        yield world


def table() -> dict[str, list[str]]:
    """The cells of the page by the name of their row, its head included."""
    lines = PAGE.read_text().splitlines()
    first = lines.index(next(line for line in lines if line.startswith("| sent |")))
    rows = {}
    for line in lines[first:]:
        if not line:
            return rows
        name, *cells = line.removeprefix("| ").removesuffix(" |").split(" | ")
        assert name not in rows, name
        rows[name] = cells
    raise AssertionError("the table has no end")


def test_the_page_has_every_row_and_every_path() -> None:
    heading, rule, *names = table()

    assert table()[heading] == [*COLUMNS, "Lambda"]
    assert set(rule) <= set("- |")
    assert names == [row.name for row in ROWS]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_path_does_what_its_cell_says(world: World, row: Row) -> None:
    *cells, lambdas = table()[row.name]

    assert cells_of(world, row) == cells
    assert lambdas.startswith(SOURCES)
