"""Adaptive flushes: flush what is held of a response while its handler does not write.

For an async handler a timer of its loop does this, for a sync one a thread. Imported, with
`threading`, only when bytes are held under an adaptive policy.
"""

from __future__ import annotations

import logging
from math import inf
from threading import Condition, Lock, Thread

from tailrace.errors import ClientDisconnected
from tailrace.limits import FLUSH_RETRY_S

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from typing import Final

    from tailrace.function.output import Output
    from tailrace.function.output.flushes import Flushes, FlushTimer
    from tailrace.net.blocking.async_upload import AsyncUpload

logger = logging.getLogger("tailrace.function")


class QuietTimer:
    """Watches an output until it is closed.

    Concurrency law: callbacks of the handler's loop.
    """

    __slots__ = ("_flushes", "_handle", "_loop", "_output", "_upload")

    def __init__(
        self, output: Output, flushes: Flushes, upload: AsyncUpload, loop: AbstractEventLoop
    ) -> None:
        self._output = output
        self._flushes = flushes
        self._upload = upload
        self._loop = loop
        self._handle: FlushTimer | None = None
        flushes.on_held = self.watch

    def close(self) -> None:
        """Stop watching."""
        self._flushes.on_held = None
        if self._handle is not None:
            self._handle.cancel()

    def watch(self) -> None:
        """Set the timer for the next flush, unless it is set already."""
        if self._handle is not None:
            return
        due_s = self._flushes.due_s
        if due_s < inf:
            wait_s = max(0.0, due_s - self._flushes.now_s())
            self._handle = self._flushes.clock.call_later(self._loop, wait_s, self._on_time)

    def _on_time(self) -> None:
        self._handle = None
        try:
            self._output.expire(self._flushes.now_s())
        except ClientDisconnected:
            return  # the transport has called `on_loss`
        self._upload.send_queued()
        self.watch()


class QuietThread:
    """Watches an output until it is closed; started when bytes are held for the first time.

    Concurrency law: only the holder of `turn` uses the output. The handler's thread acquires it for
    each chunk, and releases it when there is room for another. This thread acquires it to check
    whether a flush is due, and never blocks while it holds it.
    """

    __slots__ = (
        "_change",
        "_flushes",
        "_is_closed",
        "_is_idle",
        "_on_loss",
        "_output",
        "_thread",
        "turn",
    )

    def __init__(self, output: Output, flushes: Flushes) -> None:
        self.turn: Final = Lock()
        """The lock of the output.

        Not a Condition: `Condition.__enter__` is written in Python, so the exception of a signal
        handler could come between the acquisition and the `with` block.
        """
        self._change: Final = Condition(self.turn)
        self._output = output
        self._flushes = flushes
        self._thread: Thread | None = None
        self._is_idle = False  # the thread waits until bytes are held
        self._is_closed = False
        flushes.on_held = self._on_held
        # `on_loss` is for the thread of an event loop. Here the handler's next write raises.
        peer = output.transport.peer
        self._on_loss = None
        if peer is not None:
            self._on_loss, peer.on_loss = peer.on_loss, None

    def close(self) -> None:
        """Stop watching, and wait for the thread's end."""
        self._flushes.on_held = None
        self._stop()
        peer = self._output.transport.peer
        if peer is not None:
            peer.on_loss = self._on_loss

    def _stop(self) -> None:
        if self._thread is None:
            return
        with self.turn:
            self._is_closed = True
            # Notify all: after a signal's exception in an earlier `notify` there may be a stale
            # waiter, which would consume a single notification.
            self._change.notify_all()
        if self._thread.is_alive():  # not if a signal's exception interrupted its start
            self._thread.join()

    def _on_held(self) -> None:
        """Start or notify the thread; called within a write, by the holder of the turn."""
        if self._thread is None:
            self._start()
        elif self._is_idle:
            self._change.notify()

    def _start(self) -> None:
        self._thread = Thread(target=self._run, name="tailrace-flush", daemon=True)
        try:
            self._thread.start()
        except RuntimeError as error:
            self._thread = None
            self._flushes.on_held = None
            logger.warning('no "adaptive" flush: %s', error)

    def _run(self) -> None:
        with self.turn:
            try:
                while not self._is_closed:
                    self._output.expire(self._flushes.now_s())
                    self._wait()
            except ClientDisconnected:
                pass  # the handler's next write raises it, too

    def _wait(self) -> None:
        """Release the turn until a flush may be due, or bytes can be sent."""
        transport = self._output.transport
        if transport.has_unsent:
            transport.push()
        if transport.has_unsent:
            self._flushes.clock.wait(self._change, FLUSH_RETRY_S)
            return
        due_s = self._flushes.due_s
        self._is_idle = due_s == inf
        wait_s = None if self._is_idle else max(0.0, due_s - self._flushes.now_s())
        self._flushes.clock.wait(self._change, wait_s)
        self._is_idle = False
