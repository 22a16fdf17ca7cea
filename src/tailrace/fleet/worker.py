"""A worker, as its parent sees it: its process, its channel and its row."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tailrace.fleet.channel import Channel, Message
from tailrace.fleet.membership import Membership
from tailrace.fleet.spawning import spawn
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
    channel: Channel | None = None
    ready: asyncio.Future[Message] = field(default_factory=lambda: _future())
    status: int | None = None
    """The exit code, negative for a signal; None while it runs."""
    is_leaving: bool = False
    """Whether it drains or was told to stop: its end is expected."""
    is_replaced: bool = False
    started_s: float = 0.0

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
    ) -> Worker:
        """Start a process, which is not ready yet. `callback` is closed here.

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
            started_s=asyncio.get_running_loop().time(),
        )
        worker.channel = await Channel.open(mine, worker._on_message, worker._on_channel_end)
        return worker

    async def wait_ready(self) -> Message:
        """Wait until it serves, and return its message.

        Raises:
            StartFailedError: it has ended, or takes longer than WORKER_START_TIMEOUT_S; then it is
                killed.
        """
        try:
            async with asyncio.timeout(limits.WORKER_START_TIMEOUT_S):
                return await asyncio.shield(self.ready)
        except TimeoutError:
            self.kill()
            seconds = limits.WORKER_START_TIMEOUT_S
            raise StartFailedError(f"worker {self} was not ready within {seconds:g} s") from None

    def drain(self, *, delay_s: float, is_node: bool, keeps_queue: bool) -> None:
        """Let it end what it holds, and then end."""
        self.is_leaving = True
        if self.channel is not None:
            self.channel.send(do="drain", delay_s=delay_s, is_node=is_node, keeps_queue=keeps_queue)

    def stop(self) -> None:
        """Let it cut off what it holds, and end."""
        self.is_leaving = True
        if self.channel is not None:
            self.channel.send(do="stop")

    def kill(self) -> None:
        """End it at once; what it holds breaks off."""
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)

    def __str__(self) -> str:
        return f"{self.row.slot} (process {self.pid})"

    # --- its messages and its end ---------------------------------------------------------------

    def _on_message(self, message: Message) -> None:
        match message.get("is"):
            case "ready" if not self.ready.done():
                self.ready.set_result(message)
            case "failed" if not self.ready.done():
                self.ready.set_exception(StartFailedError(message["text"], message["code"]))
            case "leaving":
                self.is_leaving = True

    def _on_channel_end(self) -> None:
        """Its process has ended, or is about to: collect its exit code."""
        self._reap(1)

    def _reap(self, attempt: int) -> None:
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        if not pid:
            # The channel closes a moment before the process has ended.
            delay_s = min(0.001 * 2**attempt, limits.WORKER_REAP_INTERVAL_S)
            asyncio.get_running_loop().call_later(delay_s, self._reap, attempt + 1)
            return
        self.status = os.waitstatus_to_exitcode(status)
        if not self.ready.done():
            text = f"worker {self} ended at its start, {in_words(self.status)}"
            self.ready.set_exception(StartFailedError(text))
        self.ready.exception()  # somebody has seen it, or nobody waits
        self.on_ended(self)


def in_words(status: int) -> str:
    """Return how a process ended: "exit code 1", or "SIGKILL"."""
    if status >= 0:
        return f"exit code {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"


def _future() -> asyncio.Future[Any]:
    return asyncio.get_running_loop().create_future()
