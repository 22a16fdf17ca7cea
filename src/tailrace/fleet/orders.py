"""The worker's end of its channel: what the parent orders, as events of the running loop."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final

from tailrace.fleet.channel import Channel, Message
from tailrace.fleet.spawning import START_SIGNALS
from tailrace.net.process import limits

logger = logging.getLogger(__name__)

_OF_THE_PARENT: Final = (signal.SIGINT, signal.SIGHUP, signal.SIGTTIN, signal.SIGTTOU)
"""Without a handler the last two would stop the process, and what it holds."""


@dataclass(frozen=True, slots=True)
class DrainOrder:
    """How to drain.

    `is_node`: all workers drain, so health is 503, and the drain begins after `delay_s`. Otherwise
    this worker alone leaves. `keeps_queue`: connections that wait in the kernel's queue are left to
    the other holders of the listening socket. What is open after `timeout_s` is cut off.
    """

    delay_s: float = 0.0
    is_node: bool = False
    keeps_queue: bool = True
    timeout_s: float | None = None


class Orders:
    """The orders of a worker: an asynchronous context manager.

    SIGTERM lets this worker alone drain, by its parent's order, and the parent replaces it. Signals
    for the parent, which a terminal or `pkill` sends to all processes, are ignored. A parent
    that has ended is the order to drain, with nobody left to take the queue.
    """

    def __init__(self, channel: socket.socket) -> None:
        self.first = asyncio.Event()
        """Drain, as `drain` says."""
        self.second = asyncio.Event()
        """Stop now."""
        self.drain = DrainOrder()
        self.number = int(signal.SIGTERM)
        self._socket = channel

    async def __aenter__(self) -> Orders:
        loop = asyncio.get_running_loop()
        self.channel = await Channel.open(self._socket, self._on_message, self._on_end)
        for number in _OF_THE_PARENT:
            signal.signal(number, signal.SIG_IGN)
        loop.add_signal_handler(signal.SIGTERM, self._on_term)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, START_SIGNALS)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # It ends already. One more SIGTERM, as a service manager sends it to all processes, must
        # not look as if something had been aborted.
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM,))
        asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        self.first.set()  # this end of the channel is not the parent's end
        self.channel.close()

    def report_ready(self, **facts: Any) -> None:
        """Tell the parent that this worker serves."""
        self.channel.send(**{"is": "ready"}, **facts)

    def _on_message(self, message: Message) -> None:
        match message.get("do"):
            case "drain" if self.first.is_set():  # the node drains, while this worker leaves
                time_left_s = message["delay_s"] + message["timeout_s"]
                asyncio.get_running_loop().call_later(time_left_s, self.second.set)
            case "drain":
                names = ("delay_s", "is_node", "keeps_queue", "timeout_s")
                self._begin(DrainOrder(**{name: message[name] for name in names}))
            case "stop":
                self.first.set()
                self.second.set()

    def _on_term(self) -> None:
        """Ask the parent: it may have been sent the same signal, and then the whole node drains."""
        self.channel.send(**{"is": "leaving"})
        loop = asyncio.get_running_loop()
        loop.call_later(limits.WORKER_LEAVE_TIMEOUT_S, self._begin, DrainOrder())

    def _on_end(self) -> None:
        if not self.first.is_set():
            logger.warning("the parent has ended; this worker ends what it holds, and then itself")
        self._begin(DrainOrder(keeps_queue=False))

    def _begin(self, order: DrainOrder) -> None:
        if not self.first.is_set():
            self.drain = order
            self.first.set()
