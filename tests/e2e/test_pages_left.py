"""Whose client leaves, stops: the page function, its parts, its threads.

Each says "ended" at its gate, and its socket is closed after it: it has done no more.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress

import pytest
from tests.e2e.chain import until
from tests.e2e.gate import Gate
from tests.e2e.page_roads import STOPPING, Pages, Road, serving_pages

GZIPPED = ("starlette", "starlette-response")
FAILED = re.compile("Traceback|ERROR|Exception|WARN|[Ww]arning")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pages]:
    with serving_pages(tmp_path_factory.mktemp("pages")) as served:
        yield served


@pytest.fixture(params=STOPPING.values(), ids=STOPPING)
def road(request: pytest.FixtureRequest) -> Road:
    road: Road = request.param
    return road


@pytest.fixture
def pages(served: Pages, road: Road) -> Iterator[Pages]:
    yield served
    served.chain.settle()
    until(lambda: not any(served.left_behind(road).values()), "tasks and threads to end")
    assert FAILED.search(served.log(road)) is None, served.log(road)


def assert_ended(*gates: Gate) -> None:
    for gate in gates:
        assert gate.line() == "ended"
        assert gate.line() == "", "it does no more"


def assert_begun(*gates: Gate) -> None:
    for gate in gates:
        assert gate.line() == "begun"


def test_pending_parts_are_cancelled(pages: Pages, road: Road) -> None:
    one, two = pages.gates(2)
    reader = pages.reader(road, "report", one, two)
    reader.until("the end")
    assert_begun(one, two)

    reader.client.close()

    assert_ended(one, two)


def test_parts_that_are_pending_after_a_fill_are_cancelled(pages: Pages, road: Road) -> None:
    one, two = pages.gates(2)
    reader = pages.reader(road, "report", one, two)
    assert_begun(one, two)
    one.open()
    reader.until("<b>one is done</b>")
    assert_ended(one)

    reader.client.close()

    assert_ended(two)


def test_a_page_that_has_sent_nothing_is_cancelled(pages: Pages, road: Road) -> None:
    (one,) = pages.gates(1)
    client = pages.ask(road, "early", one)
    assert_begun(one)

    client.close()

    assert_ended(one)


def test_a_part_that_goes_on_after_its_cancellation_is_waited_for(pages: Pages, road: Road) -> None:
    (one,) = pages.gates(1)
    reader = pages.reader(road, "stubborn", one)
    reader.until("shell")
    assert_begun(one)

    reader.client.close()

    assert one.line() == "not yet"
    one.open()
    assert_ended(one)


def test_a_page_that_waits_for_a_slow_reader_is_cancelled(pages: Pages, road: Road) -> None:
    (one,) = pages.gates(1)
    client = pages.client(road, receive_bytes=4096)
    client.ask(pages.target(road, "large", one))
    assert client.head().status == 200
    client.body(100_000)
    assert_begun(one)

    client.close()

    assert_ended(one)


def test_a_sync_page_ends_at_a_yield(pages: Pages, road: Road) -> None:
    (one,) = pages.gates(1)
    reader = pages.reader(road, "threaded", one)
    assert_begun(one)
    one.open()
    reader.until("row 1")

    reader.client.close()

    until(lambda: said_by_next_row(one) == "ended", "the page to end at a row")
    assert one.line() == "", "it does no more"


def said_by_next_row(gate: Gate) -> str:
    """Let a page make one more row; it may not have learned yet that its client has left."""
    with suppress(OSError):  # it has ended
        gate.open()
    return gate.latest()


def test_a_connection_serves_another_page_after_a_page(pages: Pages, road: Road) -> None:
    one, two = pages.gates(2)
    reader = pages.reader(road, "report", one, two)
    one.open()
    two.open()
    assert reader.rest().endswith("</body></html>")

    (next_one,) = pages.gates(1)
    reader.client.ask(pages.target(road, "early", next_one))
    next_one.open()

    assert reader.client.answer().body.startswith(b"<b>one is done</b>")


def test_who_leaves_between_two_pages_disturbs_nothing(pages: Pages, road: Road) -> None:
    (one,) = pages.gates(1)
    client = pages.ask(road, "early", one)
    one.open()
    client.answer()
    client.close()

    (other,) = pages.gates(1)
    client = pages.ask(road, "early", other)
    other.open()

    assert client.answer().status == 200


def test_the_next_page_can_be_asked_for_before_the_first_is_there(pages: Pages, road: Road) -> None:
    first, second = pages.gates(2)
    client = pages.ask(road, "early", first)
    assert_begun(first)  # the gateway serves no request that comes in one read with another
    client.ask(pages.target(road, "early", second))
    first.open()
    assert client.answer().status == 200
    second.open()

    assert client.answer().status == 200
