"""Which keys of a prelude and of a result each path reads, told by rows of the two tables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from tests.kits.prelude_table import World, cells_of, result_cells_of
from tests.kits.preludes import ROWS
from tests.kits.results import RESULTS

KEY_COLUMNS: Final = ("prelude, Function URL", "prelude, gateway", "result")


class _Trial(NamedTuple):
    """A row of each table in which a key would be seen, and what its cells have in common then."""

    prelude: str
    is_read: Callable[[str], bool]
    result: str
    is_read_there: Callable[[str], bool]


def _trial(name: str, effect: str) -> _Trial:
    """A key that would be seen in the same way in both."""
    return _Trial(name, lambda cell: effect in cell, name, lambda cell: effect in cell)


_TRIALS: Final = {
    "`statusCode`": _trial('`statusCode` "418"', "`418`"),
    "`headers`": _trial("a value that is a number", "`x-a: 7`"),
    "`multiValueHeaders`": _trial("`multiValueHeaders`", "`x-a: 1`"),
    "`cookies`": _trial("two `cookies`", "`set-cookie: b=2, 3`"),
    "`body`": _Trial(
        "unknown keys",
        lambda cell: "`x`" in cell,
        "`statusCode` and `body`",
        lambda cell: "`hello`" in cell,
    ),
    "`isBase64Encoded`": _Trial(
        "unknown keys",
        lambda cell: "`hello`" not in cell,  # decoded
        "`isBase64Encoded` true",
        lambda cell: "`hello`" in cell,
    ),
    "others": _Trial(
        "unknown keys",
        lambda cell: cell != "`201`, `hello`",
        "unknown keys",
        lambda cell: cell != "`200`, `hello`",
    ),
}

KEYS: Final = tuple(_TRIALS)


def cells_of_key(world: World, key: str) -> list[str]:
    """Whether a key is read, column by column; the paths of one column must agree."""
    trial = _TRIALS[key]
    row = next(row for row in ROWS if row.name == trial.prelude)
    result = next(result for result in RESULTS if result.name == trial.result)
    url, url_buffered, _, stream, callback = cells_of(world, row)
    buffered, _, gateway, callback_sdk, native_sdk = result_cells_of(world, result)
    return [
        _said(trial.is_read, url, url_buffered),
        _said(trial.is_read, stream, callback),
        _said(trial.is_read_there, buffered, gateway, callback_sdk, native_sdk),
    ]


def _said(is_read: Callable[[str], bool], *cells: str) -> str:
    (said,) = {"read" if is_read(cell) else "not read" for cell in cells}
    return said
