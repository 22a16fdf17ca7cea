"""docs/reference/prelude.md says what every path makes of preludes and results: each cell is so."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from tests.kits.keys import KEY_COLUMNS, KEYS, cells_of_key
from tests.kits.prelude_table import (
    COLUMNS,
    RESULT_COLUMNS,
    World,
    cells_of,
    result_cells_of,
    serving_rows,
)
from tests.kits.preludes import ROWS, Row
from tests.kits.results import RESULTS, Result

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "prelude.md"
SOURCES = ("documented", "code", "recorded", "reported", "chosen")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with serving_rows(tmp_path_factory.mktemp("rows")) as world:
        yield world


def table(heading: str) -> dict[str, list[str]]:
    """The cells of a table of the page by the name of their row, its head included."""
    lines = PAGE.read_text().splitlines()
    first = lines.index(next(line for line in lines if line.startswith(f"| {heading} |")))
    rows = {}
    for line in lines[first:]:
        if not line:
            return rows
        name, *cells = line.removeprefix("| ").removesuffix(" |").split(" | ")
        assert name not in rows, name
        rows[name] = cells
    raise AssertionError("the table has no end")


@pytest.mark.parametrize(
    ("heading", "columns", "rows"),
    [
        ("key", KEY_COLUMNS, KEYS),
        ("sent", COLUMNS, [row.name for row in ROWS]),
        ("returned", RESULT_COLUMNS, [result.name for result in RESULTS]),
    ],
)
def test_the_page_has_every_row_and_every_path(
    heading: str, columns: Sequence[str], rows: Sequence[str]
) -> None:
    _, rule, *names = table(heading)

    assert table(heading)[heading] == [*columns, "Lambda"]
    assert set(rule) <= set("- |")
    assert names == list(rows)


@pytest.mark.parametrize("key", KEYS)
def test_every_path_reads_the_keys_that_its_cell_says(world: World, key: str) -> None:
    *cells, lambdas = table("key")[key]

    assert cells_of_key(world, key) == cells
    assert lambdas.startswith(SOURCES)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_path_does_what_its_cell_says(world: World, row: Row) -> None:
    *cells, lambdas = table("sent")[row.name]

    assert cells_of(world, row) == cells
    assert lambdas.startswith(SOURCES)


@pytest.mark.parametrize("result", RESULTS, ids=lambda result: result.name)
def test_every_path_does_with_a_result_what_its_cell_says(world: World, result: Result) -> None:
    *cells, lambdas = table("returned")[result.name]

    assert result_cells_of(world, result) == cells
    assert lambdas.startswith(SOURCES)
