"""The registry owns all live exchanges, by id: admission, deadlines, tombstones."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from hmac import compare_digest
from typing import NamedTuple

from tailrace import limits
from tailrace.config import GatewayConfig
from tailrace.errors import CallbackRefusedError
from tailrace.gateway.exchange.capabilities import new_capability
from tailrace.gateway.exchange.client_seat import ClientSeat
from tailrace.gateway.exchange.deadlines import (
    ExchangeProgress,
    describe,
    passed_deadline,
    sweep_interval_s,
)
from tailrace.gateway.exchange.live import Held
from tailrace.gateway.exchange.places import ExchangePlaces, OwnPlaces
from tailrace.gateway.exchange.record import ExchangeRecord, Observer
from tailrace.gateway.exchange.state import DeadlinePassed, Exchange, Stopped
from tailrace.gateway.routes import Route
from tailrace.net.clock import LoopClock, TimerClock
from tailrace.net.server.listener import RequestHead
from tailrace.net.sweeper import Sweeper
from tailrace.wire.capability import ID_PLACE, parse_path, path_of

logger = logging.getLogger(__name__)


class _Tombstone(NamedTuple):
    secret: str
    ended_s: float
    had_callback: bool


class Registry:
    """Holds exchanges from the complete request until both sides have ended.

    Each of `observers` is called with the record of each exchange, at its end.
    """

    def __init__(
        self,
        deadlines: GatewayConfig,
        *,
        observers: Sequence[Observer] = (),
        places: ExchangePlaces | None = None,
        clock: TimerClock | None = None,
    ) -> None:
        self.deadlines = deadlines
        self._clock = clock if clock is not None else LoopClock()
        self.now_s = self._clock.now_s
        self._observers = observers
        self.places = places if places is not None else OwnPlaces(limits.HELD_MAX)
        self._held: dict[str, Held] = {}
        self._tombstones: OrderedDict[str, _Tombstone] = OrderedDict()
        self._empty = asyncio.Event()
        self._sweeper = Sweeper(
            self._clock, interval_s=lambda: sweep_interval_s(self.deadlines), look=self._look
        )

    def __len__(self) -> int:
        return len(self._held)

    def start(self) -> None:
        """Start the sweep for passed deadlines."""
        self._sweeper.start()

    def stop(self) -> None:
        """Abort every exchange, and stop the sweep."""
        for held in list(self._held.values()):
            self._end_visibly(held)
        self._sweeper.stop()

    async def wait_empty(self) -> None:
        """Wait until no exchange is left; cancelling is safe."""
        self._empty.clear()
        if self._held:
            await self._empty.wait()

    def hold(self, seat: ClientSeat, head: RequestHead, route: Route) -> Held:
        """Open an exchange for a client's complete request.

        Raises:
            ThrottledError: the route or the gateway is at its limit.
        """
        self.places.take(route)
        started_s = self.now_s()
        held = Held(
            capability=new_capability(),
            seat=seat,
            owner=self,
            route=route,
            method=head.method,
            path=head.path,
            accept=head.accept,
            started_s=started_s,
            progress=ExchangeProgress(started_s),
            exchange=Exchange(),
        )
        seat.exchange = held
        self._held[held.capability.exchange_id] = held
        return held

    @property
    def invocations(self) -> int:
        """The number of exchanges whose invocation has no outcome yet; counts them."""
        return sum(held.invocation is not None for held in self._held.values())

    def find(self, exchange_id: str) -> Held | None:
        """Return the exchange with this id, if it is open."""
        return self._held.get(exchange_id)

    def claim(self, path: str) -> Held:
        """Return the exchange that a callback to this path may answer.

        Raises:
            CapabilityError: it is not the path of a callback URL.
            CallbackRefusedError: 404 for an unknown id or a wrong secret, with the same text; 409
                if another callback has or had it; 410 if it ended without one.
        """
        held = self._held.get(path[ID_PLACE])
        if held is not None and path.isascii() and compare_digest(path, path_of(held.capability)):
            if held.is_waiting:
                return held
            raise CallbackRefusedError(409, "another callback has this exchange")
        capability = parse_path(path)
        self._remove_tombstones_before(self._clock.now_s() - limits.TOMBSTONE_AGE_S)
        tomb = self._tombstones.get(capability.exchange_id)
        if tomb is None or not compare_digest(tomb.secret, capability.secret):
            raise CallbackRefusedError(404, "no such exchange")
        if tomb.had_callback:
            raise CallbackRefusedError(409, "another callback had this exchange")
        raise CallbackRefusedError(410, "the client has left, or a deadline has passed")

    def statistics(self) -> dict[str, int]:
        """Return counts of what is held now."""
        return {"held": len(self._held), "tombstones": len(self._tombstones)}

    def release(self, held: Held, record: ExchangeRecord) -> None:
        """Replace an exchange that has ended by a tombstone, and call the observers."""
        self._forget(held)
        for observe in self._observers:
            observe(record)

    def _forget(self, held: Held) -> None:
        exchange_id, secret = held.capability
        del self._held[exchange_id]
        self.places.leave(held.route)
        tombstone = _Tombstone(secret, self._clock.now_s(), held.was_called_back)
        self._tombstones[exchange_id] = tombstone
        if len(self._tombstones) > limits.TOMBSTONES_MAX:
            self._tombstones.popitem(last=False)
        if not self._held:
            self._empty.set()

    def _remove_tombstones_before(self, oldest_s: float) -> None:
        """Remove the tombstones that are older than that; the oldest come first."""
        while self._tombstones and next(iter(self._tombstones.values())).ended_s < oldest_s:
            self._tombstones.popitem(last=False)

    # --- deadlines ----------------------------------------------------------------------------

    def _look(self) -> Iterator[bool]:
        now_s = self._clock.now_s()
        for held in list(self._held.values()):
            yield self._check(held, now_s)
        self._remove_tombstones_before(now_s - limits.TOMBSTONE_AGE_S)

    def _check(self, held: Held, now_s: float) -> bool:
        """End an exchange whose deadline has passed; return whether it was."""
        if held.capability.exchange_id not in self._held:
            return False  # it has ended since this sweep started
        try:
            _note_progress(held, now_s)
            name = passed_deadline(self.deadlines, held.progress, now_s)
            if name is None:
                return False
            held.apply(DeadlinePassed(name, describe(self.deadlines, name)))
        except Exception:
            logger.exception("exchange %s failed", held.capability.exchange_id)
            self._end_visibly(held)
        return True

    def _end_visibly(self, held: Held) -> None:
        """Abort an exchange, and remove it even if that fails."""
        try:
            held.apply(Stopped())
        except Exception:
            logger.exception("exchange %s failed to stop", held.capability.exchange_id)
        if held.capability.exchange_id in self._held:
            self._forget(held)


def _note_progress(held: Held, now_s: float) -> None:
    held.progress.note(
        now_s,
        has_head=held.has_head,
        relayed_bytes=held.bytes_relayed,
        unsent_bytes=held.seat.unsent_bytes,
    )
