"""Places: how many exchanges a route and the gateway may have open."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.gateway.world import FixedRoute

from tailrace.errors import ThrottledError
from tailrace.gateway.exchange.places import ExchangePlaces, OwnPlaces, SharedPlaces
from tailrace.net.process.board import Board, Row

ROUTE = FixedRoute(concurrency=3)
OTHER = FixedRoute("other", concurrency=3)


def row_of(board: Board) -> Row:
    """A row that was free."""
    row = board.take_row(1)
    assert row is not None
    return row


@pytest.fixture(name="places", params=["own", "shared"])
def _places(request: pytest.FixtureRequest) -> Iterator[ExchangePlaces]:
    if request.param == "own":
        yield OwnPlaces(held_max=4)
        return
    board = Board.create()
    yield SharedPlaces(row_of(board), held_max=4, own_held_max=100)
    board.close()


def test_a_route_has_its_concurrency(places: ExchangePlaces) -> None:
    assert [places.check(ROUTE), places.take(ROUTE), places.check(ROUTE)] == [0, None, 1]
    places.take(ROUTE)
    places.take(ROUTE)

    for ask in (places.check, places.take):
        with pytest.raises(ThrottledError, match="the function is busy: 3 requests at a time"):
            ask(ROUTE)

    places.leave(ROUTE)
    places.take(ROUTE)


def test_a_gateway_has_its_places(places: ExchangePlaces) -> None:
    for route in (ROUTE, ROUTE, OTHER, OTHER):
        places.take(route)

    for ask in (places.check, places.take):
        with pytest.raises(ThrottledError, match="the gateway is busy: 4 requests at a time"):
            ask(OTHER)

    places.leave(ROUTE)
    places.take(OTHER)
    places.leave(OTHER)
    assert places.check(OTHER) == 2, "what was refused is not counted"


def test_processes_share_the_places_of_a_node() -> None:
    board = Board.create()
    rows = [row_of(board), row_of(board)]
    one, two = (SharedPlaces(row, held_max=5, own_held_max=4) for row in rows)
    for places in (one, two, one):
        places.take(ROUTE)
    with pytest.raises(ThrottledError, match="the function is busy: 3"):
        two.take(ROUTE)

    two.take(OTHER)
    two.take(OTHER)
    with pytest.raises(ThrottledError, match="the gateway is busy: 5"):
        two.take(OTHER)

    assert [row["held"] for row in rows] == [2, 3]
    rows[0].clear()  # that process has ended
    two.take(OTHER)
    with pytest.raises(ThrottledError, match="the gateway is busy: 4"):
        two.check(ROUTE)  # a process has its own limit
    board.close()


def test_another_concurrency_is_the_same_route() -> None:
    """So a reload that changes it goes on counting; another function is another route."""
    board = Board.create()
    before, after = (SharedPlaces(row_of(board), held_max=9, own_held_max=9) for _ in range(2))
    for _ in range(3):
        before.take(ROUTE)

    with pytest.raises(ThrottledError):
        after.take(FixedRoute(concurrency=2))
    after.take(FixedRoute(concurrency=4))
    for change in ({"function": "x"}, {"path": "/x"}, {"host": "x"}, {"transport": "x"}):
        after.take(FixedRoute(concurrency=1, **change))  # type: ignore[arg-type]
    board.close()
