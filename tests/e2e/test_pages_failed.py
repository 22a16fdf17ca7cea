"""What a visitor gets of a page whose function fails."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.e2e.page_roads import STOPPING, STREAMING, Pages, Road, serving_pages
from tests.fakes import Broken


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pages]:
    with serving_pages(tmp_path_factory.mktemp("pages")) as served:
        served.chain.failures_expected = True
        yield served


@pytest.fixture
def failing(served: Pages) -> Iterator[Pages]:
    yield served
    served.chain.settle()


COMPLETED = [
    *(name for name, road in STOPPING.items() if road.where.startswith("starlette")),
    *("url", "url-held-back", "url-outer", "url-asgi"),
]
"""Roads whose middleware, or Lambda, ends a failed response as if it were complete."""


@pytest.mark.parametrize("name", STREAMING)
def test_a_failure_after_the_start_is_seen(failing: Pages, name: str) -> None:
    (one,) = failing.gates(1)
    reader = failing.reader(STREAMING[name], "fails", one)
    reader.until("half")
    one.open()

    reader.until('<p role="alert" class="tailrace-failed">This page is incomplete: ')
    if name in COMPLETED or name == "invoke":
        reader.rest()
    else:
        with pytest.raises(Broken):
            reader.rest()


@pytest.mark.parametrize("road", STOPPING.values(), ids=STOPPING)
def test_a_failure_before_the_start_is_a_500(failing: Pages, road: Road) -> None:
    assert failing.ask(road, "fails_early").answer().status == 500
