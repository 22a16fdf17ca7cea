"""The gateway as a whole: two listeners, the registry between them, and its drain."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import NamedTuple

from tailrace import limits
from tailrace.config import Address
from tailrace.gateway.event import exchange_of
from tailrace.gateway.exchange.places import OwnPlaces, SharedPlaces
from tailrace.gateway.exchange.record import Observer
from tailrace.gateway.exchange.registry import Registry
from tailrace.gateway.exchange.state import InvocationFailed
from tailrace.gateway.front import OVERLOADED, OVERLOADED_PAGE, Front
from tailrace.gateway.observe.emf import Gauges
from tailrace.gateway.observe.ends import Ends
from tailrace.gateway.observe.health import encode_health
from tailrace.gateway.observe.log import log_exchange
from tailrace.gateway.observe.node import NodeRow
from tailrace.gateway.routes import Route
from tailrace.gateway.settings import GatewaySettings
from tailrace.gateway.transports.callback import Callbacks
from tailrace.gateway.transports.choice import Transports
from tailrace.net.clock import LoopClock, TimerClock, sleep, time_limit
from tailrace.net.process.board import SINCE_START, Row
from tailrace.net.process.descriptors import descriptor_limit, shares_of
from tailrace.net.server.balance import Balance
from tailrace.net.server.door import Door
from tailrace.net.server.listener import Headers, HttpLimits, HttpServer
from tailrace.net.server.overload import Overload
from tailrace.net.server.refusals import WebGuard
from tailrace.net.server.web_access import WebAccess

logger = logging.getLogger(__name__)


class GatewaySockets(NamedTuple):
    """Listening sockets that a process was given: those of clients, which others share, and one."""

    public: Sequence[socket.socket]
    callback: socket.socket


class Gateway:
    """Holds clients' responses, invokes functions, and relays what they send.

    Call `start`, then perhaps `drain`, which lets held responses end, then `stop`. `log` is the
    observer that logs the end of each exchange. A worker has `sockets` that it was given, and its
    `row` of the board.
    """

    def __init__(
        self,
        settings: GatewaySettings,
        transports: Transports,
        find_route: Callable[[str, str], Route | None],
        *,
        log: Observer = log_exchange,
        clock: TimerClock | None = None,
        sockets: GatewaySockets | None = None,
        row: Row | None = None,
    ) -> None:
        self._sockets = sockets
        self._row = row
        self._node: NodeRow | None = None
        self._ends = Ends(row)
        held_max = settings.held_max
        self.settings = settings = _within_descriptors(settings)
        self._transports = transports
        self._clock = clock if clock is not None else LoopClock()
        self._registry = Registry(
            settings.config,
            observers=(log, self._ends),
            places=(
                OwnPlaces(settings.held_max)
                if row is None
                else SharedPlaces(row, held_max, settings.held_max)
            ),
            clock=self._clock,
        )
        self._overload = Overload(settings.config.late_s_max, self._clock)
        self._find_route = find_route
        access = settings.web_access
        self._guard = None if access is None else WebGuard("gateway", access, self._clock)
        # The exchange has deadlines for a function's silence and for the whole callback.
        bounds = HttpLimits(
            body_timeout_s=None,
            keeps_alive=False,
            connections=settings.callbacks_max,
            descriptors_left=limits.DESCRIPTORS_LEFT_LAST,
            uploads=None,
            small_chunks=None,
        )
        self._callbacks = HttpServer(
            Callbacks(self._registry, self._overload),
            name="callback",
            bounds=bounds,
            clock=self._clock,
        )

    async def start(self) -> None:
        """Open the listeners. If that fails, nothing is left open.

        Raises:
            ConfigError: no credentials were found.
            OSError: an address is in use, or not one of this machine.
        """
        settings = self.settings
        async with AsyncExitStack() as undo:
            await self._transports.start()
            undo.push_async_callback(self._transports.close)
            self._registry.start()  # before a function can call back
            undo.callback(self._registry.stop)
            if self._sockets is None:
                await self._callbacks.start(*settings.callback_listen)
            else:
                await self._callbacks.start_on([self._sockets.callback])
            undo.push_async_callback(self._callbacks.stop)
            self._front = Front(
                self._registry,
                self._transports,
                find_route=self._find_route,
                callback_base=self.callback_url,
                health_path=settings.config.health_path,
                health=self._health,
                overload=self._overload,
                trusted_hops=settings.config.trusted_hops,
                scheme_header=settings.config.scheme_header,
                clock=self._clock,
                guard=self._guard,
            )
            bounds = HttpLimits(
                stall_timeout_s=settings.config.client_stall_timeout_s,
                keep_alive_timeout_s=settings.config.keep_alive_timeout_s,
                body_total_timeout_s=settings.body_total_timeout_s,
                connections=settings.clients_max,
                drain_idle_timeout_s=settings.drain_idle_timeout_s,
                uploads=settings.config.uploads_max,
            )
            door = Door(
                self._overload,
                open_path=settings.config.health_path,
                refusal=OVERLOADED,
                page=OVERLOADED_PAGE,
            )
            self._public = HttpServer(self._front, name="public", bounds=bounds, clock=self._clock)
            if self._sockets is None:
                await self._public.start(*settings.listen)
            else:
                balance = None
                if self._row is not None:
                    balance = Balance(self._row)
                    self._public.gauge = self._row.gauge("clients")
                await self._public.start_on(self._sockets.public, balance, door.turns_away)
            if self._row is not None:
                self._node = NodeRow(self._row, self._counts, self._clock)
                self._node.start()
            self._overload.on_refused = self._public.turns.give_back
            self._overload.start()
            undo.pop_all()

    @property
    def public_url(self) -> str:
        """Where clients reach the gateway."""
        return _url(self._public)

    @property
    def callback_url(self) -> str:
        """The base of callback URLs."""
        return self.settings.advertise or _url(self._callbacks)

    def route_by(self, find_route: Callable[[str, str], Route | None]) -> None:
        """Use other routes from now on; open exchanges stay as they are."""
        self._find_route = self._front.find_route = find_route

    def admit_by(self, access: WebAccess) -> None:
        """Replace the rules for web pages; `web_access` must have been set at the start."""
        assert self._guard is not None
        self._guard.access = access

    def fail(self, event: bytes, detail: str) -> None:
        """Answer 502 to the client of an event whose invocation has ended without a callback.

        For `tailrace dev`, whose emulator reports the end of an invocation; Lambda does not. A
        callback that has opened, or that opens within CALLBACK_GRACE_S, takes precedence. Events
        of other origins are ignored.
        """
        held = self._registry.find(exchange_of(event) or "")
        if held is not None and held.is_waiting:
            self._clock.call_later(limits.CALLBACK_GRACE_S, held.apply, InvocationFailed(detail))

    @property
    def leave_timeout_s(self) -> float:
        """The drain time of one process of a node that goes on: no exchange takes longer."""
        config = self.settings.config
        longest_s = self.settings.drain_idle_timeout_s + config.total_timeout_s
        return max(config.drain_timeout_s, longest_s)

    async def drain(
        self,
        *,
        delay_s: float | None = None,
        is_node: bool = True,
        keeps_queue: bool = False,
        timeout_s: float | None = None,
    ) -> bool:
        """Take no new requests, and wait until held responses have ended, up to the last byte.

        The health document is a 503 first. After `delay_s`, or `drain_delay_s` of the settings, in
        which load balancers notice it, the public listener closes. Requests that have started are
        served, and one more on each idle connection, if it comes within `drain_idle_timeout_s`.

        One process of a node that goes on has no delay, and its health stays: `is_node` is False.
        With `keeps_queue` others take the connections that wait to be accepted. `timeout_s` is the
        drain time; None: `drain_timeout_s` of the settings, or `leave_timeout_s` for one process.

        Returns False if the drain time was over first. Cancelling is safe: `stop` aborts the rest.
        """
        if is_node:
            self._front.is_draining = True
            if delay_s is None:
                delay_s = self.settings.config.drain_delay_s
            await sleep(self._clock, delay_s)
        if self._node is not None:
            self._node.leave()
        self._public.stop_accepting(keeps_queue=keeps_queue)
        if timeout_s is None:
            config = self.settings.config
            timeout_s = config.drain_timeout_s if is_node else self.leave_timeout_s
        try:
            async with time_limit(self._clock, timeout_s):
                await self._registry.wait_empty()
                await self._public.drain(timeout_s)  # clients take the ends of their responses
                await self._registry.wait_empty()  # an exchange whose request had just started
                await self._callbacks.drain(timeout_s)  # and functions their answers
        except TimeoutError:
            counts = self.statistics()
            logger.warning(
                "drain: %d responses and %d clients are cut off", counts["held"], counts["clients"]
            )
            return False
        return True

    async def stop(self) -> None:
        """Abort what is left, and close everything."""
        self._front.is_draining = True
        self._overload.stop()
        if self._node is not None:
            self._node.leave()
        self._registry.stop()
        await self._public.stop()
        await self._callbacks.stop()
        await self._transports.close()
        if self._node is not None:
            self._node.stop()

    def _health(self) -> tuple[int, Headers, bytes]:
        """See `encode_health`. A worker's is that of its node."""
        node = self._node
        if node is None:
            return encode_health(self._counts(), is_draining=self._front.is_draining)
        return encode_health(node.sums(), is_draining=self._front.is_draining or node.is_draining)

    def statistics(self) -> dict[str, int]:
        """Return counts of what is open now; all are zero if nothing is."""
        public = self._public.statistics()
        return {
            **self._registry.statistics(),
            "uploads": public["uploads"],
            "clients": public["connections"],
            "callbacks": self._callbacks.statistics()["connections"],
            "invocations": self._registry.invocations,
            "streams": self._transports.streams,
        }

    def gauges(self) -> Gauges:
        """Return what is open now, for metrics of a gateway of one process."""
        counts = self._counts()
        held_max = None if self._front.is_draining else self.settings.held_max
        return Gauges(
            held_max=held_max,
            **{name: counts[name] for name in ("held", "clients", "uploads", "late_us")},
        )

    def counts(self) -> dict[str, int]:
        """Return what has been counted since the start, by the board's names."""
        counts = {**self._counts(), **self._ends.counts()}
        return {name: counts[name] for name in SINCE_START}

    def _counts(self) -> dict[str, int]:
        """Return what is open now and what was refused since the start, by the board's names.

        Descriptors belong to the process, so both listeners count into one member.
        """
        clients, callbacks = self._public.crowd.refused, self._callbacks.crowd.refused
        statistics = self.statistics()
        del statistics["tombstones"]
        return {
            **statistics,
            "accepted": self._public.accepted,
            "late_us": self._overload.late_us,
            "requests_refused": self._front.refusals.total,
            "requests_late": self._overload.refused,
            "uploads_refused": clients["uploads"],
            "clients_refused": clients["connections"],
            "callbacks_refused": callbacks["connections"],
            "descriptors_missed": clients["descriptors"] + callbacks["descriptors"],
        }


def _within_descriptors(settings: GatewaySettings) -> GatewaySettings:
    """Lower the bounds to what the process has file descriptors for."""
    descriptors = descriptor_limit()
    if descriptors is None:
        return settings
    config, shares = settings.config, shares_of(descriptors)
    return replace(
        settings,
        config=replace(config, uploads_max=min(config.uploads_max, shares.uploads)),
        held_max=min(settings.held_max, shares.held),
        clients_max=min(settings.clients_max, shares.clients),
        callbacks_max=min(settings.callbacks_max, shares.callbacks),
    )


def _url(server: HttpServer) -> str:
    return f"http://{Address(server.host, server.port)}"
