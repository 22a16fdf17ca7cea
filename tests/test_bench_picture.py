"""Pictures of the benchmark: what they show is what was measured."""

from __future__ import annotations

from itertools import pairwise
from xml.etree import ElementTree

from bench.picture import draw
from bench.report import Row, new_lateness_rows, new_rows
from bench.schedule import RATES

SVG = "{http://www.w3.org/2000/svg}"
RELAYS = ["tailrace", "A & B", "direct"]


def rows_of(late_us: dict[str, list[float | None]]) -> dict[str, Row]:
    """The same lateness at each rate; the first relay's CPU times as well."""
    rows = new_rows() | new_lateness_rows()
    for rate in RATES:
        for name in (f"chunk-p50-{rate}", f"chunk-p99-{rate}"):
            for relay, values in late_us.items():
                rows[name].values[relay] = list(values)
    rows["request"].add("tailrace", 321.0)
    rows["chunk"].add("tailrace", 12.5)
    return rows


def elements(document: str, kind: str) -> list[ElementTree.Element]:
    return list(ElementTree.fromstring(document).iter(f"{SVG}{kind}"))


def words(document: str) -> list[str | None]:
    return [element.text for element in elements(document, "text")]


def heights(document: str, share: str) -> list[list[float]]:
    """How far down the points of each curve are."""
    return [
        [float(point.split(",")[1]) for point in curve.get("points", "").split()]
        for curve in elements(document, "polyline")
        if curve.get("class") == share
    ]


def test_each_relay_that_was_measured_is_drawn_and_named() -> None:
    rows = rows_of({"tailrace": [100.0, 400.0, 200.0], "A & B": [20.0], "direct": [None]})

    document = draw(rows, RELAYS)

    curves = heights(document, "p99")
    assert [len(curve) for curve in curves] == [len(RATES), len(RATES)]
    assert len(heights(document, "p50")) == 2
    assert curves[0][0] < curves[1][0]
    assert {"tailrace", "A & B", "321", "12.5", "10 µs", "1 ms"} <= set(words(document))
    assert "direct" not in words(document)


def test_names_of_relays_that_are_as_late_do_not_cover_each_other() -> None:
    document = draw(rows_of({relay: [100.0] for relay in RELAYS}), RELAYS)

    found = [element for element in elements(document, "text") if element.text in RELAYS]
    ys = sorted(float(element.get("y", "")) for element in found if element.get("class") == "")
    assert len(ys) == 3
    assert all(after - before >= 14 for before, after in pairwise(ys))


def test_a_picture_of_cpu_times_alone_has_no_curves() -> None:
    document = draw(rows_of({}), RELAYS)

    assert elements(document, "polyline") == []
    assert {"tailrace", "321", "12.5"} <= set(words(document))


def test_a_picture_of_nothing_is_empty() -> None:
    assert words(draw(new_rows() | new_lateness_rows(), RELAYS)) == []
