"""A worker, as its parent sees it: its process, its channel and its row."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tailrace.fleet.channel import Channel, Message
from tailrace.fleet.membership import Membership
from tailrace.fleet.spawning import spawn
from tailrace.limits import DRAIN_TIMEOUT_S
from tailrace.net.process import limits
from tailrace.net.process.board import Board, Row


class StartFailedError(Exception):
    """A worker has not become ready; the text says why. `code` is the command's exit code."""

    def __init__(self, text: str, code: int = 1) -> None:
        super().__init__(text)
        self.code = code


@dataclass(slots=True, eq=False, kw_only=True)
class Worker:
    """One worker. Make it with `Worker.start`."""

    pid: int
    row: Row
    generation: int
    callback_port: int
    on_ended: Callable[[Worker], None]
    on_leaving: Callable[[Worker], None]
    channel: Channel | None = None
    ready: asyncio.Future[Message] = field(default_factory=lambda: _future())
    status: int | None = None
    """The exit code, negative for a signal; None while it runs."""
    is_leaving: bool = False
    """Whether it drains or was told to stop: its end is expected."""
    wants_to_leave: bool = False
    """Whether it was sent SIGTERM, and waits for the order to drain."""
    leaves_by_s: float | None = None
    """When it has ended what it holds, as `time.monotonic` counts; None: it serves."""
    ends: int = 0
    """Workers that ended in this one's place before, none of which had served for long."""
    started_s: float = 0.0
    """When it was started, as `time.monotonic` counts."""

    @classmethod
    async def start(
        cls,
        command: list[str],
        board: Board,
        row: Row,
        *,
        public: Sequence[socket.socket],
        callback: socket.socket,
        config_text: str | None,
        advertise: str | None,
        on_ended: Callable[[Worker], None],
        on_leaving: Callable[[Worker], None],
    ) -> Worker:
        """Start a process, which is not ready yet. `callback` is closed here.

        `on_leaving` is called if it leaves without having been told to.

        Raises:
            OSError: no process can be started.
        """
        mine, its = socket.socketpair()
        with its, callback:
            member = Membership(
                public=[sock.fileno() for sock in public],
                callback=callback.fileno(),
                channel=its.fileno(),
                board=board.descriptor,
                slot=row.slot,
                config_text=config_text,
                advertise=advertise,
            )
            try:
                pid = spawn(command, member)
            except OSError:
                mine.close()
                row.clear()
                raise
            row["pid"] = pid
            port = callback.getsockname()[1]
        worker = cls(
            pid=pid,
            row=row,
            generation=row["generation"],
            callback_port=port,
            on_ended=on_ended,
            on_leaving=on_leaving,
            started_s=time.monotonic(),
        )
        try:
            await worker.listen(mine)
        except BaseException:
            worker.kill()
            worker._reap(1)
            raise
        return worker

    async def listen(self, channel: socket.socket | None, received: bytes = b"") -> None:
        """Read its messages from now on, or wait for its end if its channel has ended."""
        if channel is None:
            self._reap(1)
        else:
            self.channel = await Channel.open(
                channel, self._on_message, self._on_channel_end, received
            )
        if self.wants_to_leave:
            self._let_leave()

    @property
    def is_ready(self) -> bool:
        """Whether it serves, or has served."""
        return self.ready.done() and self.ready.exception() is None

    @property
    def facts(self) -> Message:
        """What it reported when it was ready; empty before that."""
        return self.ready.result() if self.is_ready else {}

    async def wait_ready(self) -> None:
        """Wait until it serves.

        Raises:
            StartFailedError: it has ended, or takes longer than WORKER_START_TIMEOUT_S; then it is
                killed.
        """
        try:
            async with asyncio.timeout(limits.WORKER_START_TIMEOUT_S):
                await asyncio.shield(self.ready)
        except TimeoutError:
            self.kill()
            seconds = limits.WORKER_START_TIMEOUT_S
            raise StartFailedError(f"worker {self} was not ready within {seconds:g} s") from None

    def state(self) -> dict[str, Any]:
        """Return what `adopt` of another parent needs: the fields of a `WorkerState`."""
        channel = self.channel
        return {
            "pid": self.pid,
            "slot": self.row.slot,
            "generation": self.generation,
            "callback_port": self.callback_port,
            "channel": None if channel is None else channel.descriptor,
            "received": "" if channel is None else channel.received.decode(),
            "facts": self.facts,
            "is_leaving": self.is_leaving,
            "wants_to_leave": self.wants_to_leave,
            "leaves_by_s": self.leaves_by_s,
            "ends": self.ends,
            "started_s": self.started_s,
        }

    def drain(self, *, delay_s: float, is_node: bool, keeps_queue: bool) -> None:
        """Let it end what it holds, and then end."""
        self.is_leaving = True
        name = "drain_timeout_s" if is_node else "leave_timeout_s"
        timeout_s = self.facts.get(name, DRAIN_TIMEOUT_S)
        self._leave_within(delay_s + timeout_s)
        if self.channel is not None:
            self.channel.send(
                do="drain",
                delay_s=delay_s,
                is_node=is_node,
                keeps_queue=keeps_queue,
                timeout_s=timeout_s,
            )

    def stop(self) -> None:
        """Let it cut off what it holds, and end."""
        self.is_leaving = True
        self._leave_within(0.0)
        if self.channel is not None:
            self.channel.send(do="stop")

    def kill(self) -> None:
        """End it at once; what it holds breaks off."""
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)

    def _leave_within(self, delay_s: float) -> None:
        by_s = time.monotonic() + delay_s
        self.leaves_by_s = by_s if self.leaves_by_s is None else min(self.leaves_by_s, by_s)

    def __str__(self) -> str:
        return f"{self.row.slot} (process {self.pid})"

    # --- its messages and its end ---------------------------------------------------------------

    def _on_message(self, message: Message) -> None:
        match message.get("is"):
            case "ready" if not self.ready.done():
                self.ready.set_result(message)
            case "failed" if not self.ready.done():
                self.ready.set_exception(StartFailedError(message["text"], message["code"]))
            case "leaving" if not self.is_leaving:
                self.wants_to_leave = True
                self._let_leave()

    def _let_leave(self) -> None:
        asyncio.get_running_loop().call_later(limits.WORKER_LEAVE_DELAY_S, self._leave)

    def _leave(self) -> None:
        """Let it leave, as it was told, unless all drain."""
        if self.status is None and not self.is_leaving:
            self.drain(delay_s=0.0, is_node=False, keeps_queue=True)
            self.on_leaving(self)

    def _on_channel_end(self) -> None:
        """Its process has ended, or is about to: collect its exit code."""
        self._reap(1)

    def _reap(self, attempt: int) -> None:
        if self.status is not None:
            return
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        if not pid:
            # The channel closes a moment before the process has ended.
            delay_s = min(0.001 * 2 ** min(attempt, 10), limits.WORKER_REAP_INTERVAL_S)
            asyncio.get_running_loop().call_later(delay_s, self._reap, attempt + 1)
            return
        self.status = os.waitstatus_to_exitcode(status)
        if not self.ready.done():
            text = f"worker {self} ended at its start, {end_in_words(self.status)}"
            self.ready.set_exception(StartFailedError(text))
        self.ready.exception()  # somebody has seen it, or nobody waits
        self.on_ended(self)


def end_in_words(status: int) -> str:
    """Return how a process ended: "exit code 1", or "SIGKILL"."""
    if status >= 0:
        return f"exit code {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"


def _future() -> asyncio.Future[Any]:
    return asyncio.get_running_loop().create_future()
