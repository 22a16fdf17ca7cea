"""One page function, unchanged, on every road: each part is there before the next may be made."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.e2e.page_roads import STREAMING, Pages, Road, serving_pages

FIRST = "<b>one is done</b>"
SECOND = "<b>two is done</b>"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pages]:
    with serving_pages(tmp_path_factory.mktemp("pages")) as served:
        yield served


@pytest.fixture
def pages(served: Pages) -> Iterator[Pages]:
    yield served
    served.chain.settle()


@pytest.mark.parametrize("road", STREAMING.values(), ids=STREAMING)
def test_each_part_comes_when_it_is_done(pages: Pages, road: Road) -> None:
    one, two = pages.gates(2)
    reader = pages.reader(road, "report", one, two, title="<Q3>")

    shell = reader.until("the end")
    assert "<h1>&lt;Q3&gt;</h1>" in shell
    assert "adding up" in shell
    assert "done" not in shell

    two.open()
    assert FIRST not in reader.until(SECOND)
    one.open()
    reader.until(FIRST)
    assert "</body></html>" in reader.rest()


def test_a_buffered_page_is_finished_and_in_order(pages: Pages) -> None:
    one, two = pages.gates(2)
    client = pages.ask(Road("buffered"), "report", one, two)

    two.open()
    assert two.line() == "begun"
    assert two.line() == "ended"
    assert not client.has_more
    one.open()
    answer = client.answer()

    assert answer.status == 200
    assert answer.body.decode() == (
        "<!doctype html><title>Report</title><h1>Sales</h1>"
        f"{FIRST}{SECOND}<p>the end</p></body></html>"
    )
