"""Places for exchanges: how many a route and the gateway may have open, and how many they have."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Protocol

from tailrace.errors import ThrottledError
from tailrace.gateway.routes import Route, identity_of
from tailrace.net.process.board import Row

if TYPE_CHECKING:  # Windows has no locks of files as it needs them
    from tailrace.net.process.shared_count import SharedCount


class ExchangePlaces(Protocol):
    """The places of a gateway."""

    def check(self, route: Route) -> int:
        """Return how many exchanges the route has, if there is a place for one more now.

        Raises:
            ThrottledError: the route or the gateway is at its limit.
        """

    def take(self, route: Route) -> None:
        """Take a place. Raises ThrottledError as `check` does."""

    def leave(self, route: Route) -> None:
        """Give a place back."""


class OwnPlaces:
    """The places of a gateway of one process."""

    def __init__(self, held_max: int) -> None:
        self._held_max = held_max
        self._held = 0
        self._by_route: dict[Route, int] = {}

    def check(self, route: Route) -> int:
        """See `ExchangePlaces`."""
        count = self._by_route.get(route, 0)
        if count >= route.concurrency:
            raise _throttled_route(route)
        if self._held >= self._held_max:
            raise _throttled_gateway(self._held_max)
        return count

    def take(self, route: Route) -> None:
        """See `ExchangePlaces`."""
        count = self._by_route.get(route, 0)
        if count >= route.concurrency or self._held >= self._held_max:
            self.check(route)
        self._by_route[route] = count + 1
        self._held += 1

    def leave(self, route: Route) -> None:
        """See `ExchangePlaces`."""
        self._held -= 1
        others = self._by_route.pop(route) - 1
        if others:
            self._by_route[route] = others


class SharedPlaces:
    """The places of a node, as one of its processes takes them: exact over all of them.

    `held_max` is the limit of the node, `own_held_max` that of this process.
    """

    def __init__(self, row: Row, held_max: int, own_held_max: int) -> None:
        from tailrace.net.process.shared_count import SharedCount

        self._new_count = partial(SharedCount, row)
        self._held_max = held_max
        self._own_held_max = own_held_max
        self._set_held = row.gauge("held")
        self._held = 0
        self._all = SharedCount(row, b"held")
        self._by_route: dict[Route, SharedCount] = {}

    def check(self, route: Route) -> int:
        """See `ExchangePlaces`."""
        count = self._of(route).total
        if count >= route.concurrency:
            raise _throttled_route(route)
        self._check_own()
        if self._all.total >= self._held_max:
            raise _throttled_gateway(self._held_max)
        return count

    def take(self, route: Route) -> None:
        """See `ExchangePlaces`."""
        self._check_own()
        count = self._of(route)
        if not count.take(route.concurrency):
            raise _throttled_route(route) if count.has_column else _throttled_table()
        if not self._all.take(self._held_max):
            count.leave()
            raise _throttled_gateway(self._held_max)
        self._held += 1
        self._set_held(self._held)

    def leave(self, route: Route) -> None:
        """See `ExchangePlaces`."""
        self._of(route).leave()
        self._all.leave()
        self._held -= 1
        self._set_held(self._held)

    def _check_own(self) -> None:
        if self._held >= self._own_held_max:
            raise _throttled_gateway(self._own_held_max)

    def _of(self, route: Route) -> SharedCount:
        count = self._by_route.get(route)
        if count is None:  # a worker's routes never change, so this is bounded
            count = self._by_route[route] = self._new_count(identity_of(route))
        return count


def _throttled_route(route: Route) -> ThrottledError:
    return ThrottledError(f"the function is busy: {route.concurrency} requests at a time")


def _throttled_gateway(most: int) -> ThrottledError:
    return ThrottledError(f"the gateway is busy: {most} requests at a time")


def _throttled_table() -> ThrottledError:
    return ThrottledError("the gateway is busy: this route cannot be counted now")
