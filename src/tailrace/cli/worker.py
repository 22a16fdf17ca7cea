"""A worker of a gateway: it serves on sockets of its parent, and takes its orders."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from functools import partial

from tailrace.cli.ending import end, flush_log
from tailrace.fleet.membership import Membership
from tailrace.fleet.orders import Orders
from tailrace.gateway.exchange.record import Observer
from tailrace.gateway.routes import Route
from tailrace.gateway.service import Gateway, GatewaySockets
from tailrace.gateway.settings import GatewaySettings
from tailrace.gateway.transports.choice import Transports
from tailrace.net.process.board import Board
from tailrace.net.process.startup import freeze_loaded

logger = logging.getLogger(__name__)


async def serve_worker(
    member: Membership,
    settings: GatewaySettings,
    transports: Transports,
    find_route: Callable[[str, str], Route | None],
    log: Observer,
    invokes_at: str,
) -> int:
    """Run a worker until its parent stops it, or ends; return the exit code."""
    sockets = GatewaySockets(
        [socket.socket(fileno=number) for number in member.public],
        socket.socket(fileno=member.callback),
    )
    board = Board(member.board)
    gateway = Gateway(
        settings, transports, find_route, log=log, sockets=sockets, row=board.row(member.slot)
    )
    async with Orders(socket.socket(fileno=member.channel)) as orders:
        await gateway.start()
        freeze_loaded()
        try:
            orders.report_ready(
                callback_url=gateway.callback_url,
                invokes_at=invokes_at,
                own_held_max=gateway.settings.held_max,
                held_max=settings.held_max,
                drain_delay_s=settings.config.drain_delay_s,
                drain_timeout_s=settings.config.drain_timeout_s,
                leave_timeout_s=gateway.leave_timeout_s,
            )
            return await end(orders, partial(_drain, gateway, orders), _none, logger.debug)
        finally:
            await gateway.stop()
            flush_log()


async def _drain(gateway: Gateway, orders: Orders) -> bool:
    order = orders.drain
    return await gateway.drain(
        delay_s=order.delay_s,
        is_node=order.is_node,
        keeps_queue=order.keeps_queue,
        timeout_s=order.timeout_s,
    )


def _none() -> int:
    """Report nothing: the parent reports what is open."""
    return 0
