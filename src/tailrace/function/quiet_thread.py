"""Lets out what is held of a response while its sync handler is busy: a thread beside it.

Concurrency law: whoever has the turn uses the sink. The handler's thread has it for each chunk that
it sends, until there is room for another; this one while it looks whether a flush is due, and it
never blocks then. Imported, with `threading`, only for adaptive flush.
"""

from __future__ import annotations

import logging
from math import inf
from threading import Condition, Lock, Thread
from typing import Final

from tailrace.errors import ClientDisconnected
from tailrace.function.upload_sink import NativeSink
from tailrace.limits import FLUSH_RETRY_S

logger = logging.getLogger("tailrace.function")


class QuietThread:
    """Watches a sink until it is closed; started when something is held for the first time."""

    __slots__ = (
        "_change",
        "_clock",
        "_is_closed",
        "_is_idle",
        "_on_loss",
        "_sink",
        "_thread",
        "turn",
    )

    def __init__(self, sink: NativeSink) -> None:
        self.turn: Final = Lock()
        """To be held by whoever uses the sink while this watches it.

        A bare lock: a signal's exception cannot come between its taking and the `with` block, as
        it can inside `Condition.__enter__`, which is Python.
        """
        self._change: Final = Condition(self.turn)
        self._sink = sink
        self._clock = sink.clock
        self._thread: Thread | None = None
        self._is_idle = False  # it waits for something to be held
        self._is_closed = False
        sink.on_held = self._on_held
        # It is for an event loop, whose thread this is not: the handler hears at its next write.
        self._on_loss, sink.on_loss = sink.on_loss, None

    def close(self) -> None:
        """Watch no more; nothing of it is left then."""
        self._sink.on_held = None
        self._stop()
        self._sink.on_loss = self._on_loss

    def _stop(self) -> None:
        if self._thread is None:
            return
        with self.turn:
            self._is_closed = True
            # All: a signal's exception in an earlier `notify` may have left a waiter behind, which
            # would be the one to be told.
            self._change.notify_all()
        if self._thread.is_alive():  # not when a signal's exception came between start and life
            self._thread.join()

    def _on_held(self) -> None:
        """Called in a write, by whoever has the turn."""
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
            self._sink.on_held = None
            logger.warning('no "adaptive" flush: %s', error)

    def _run(self) -> None:
        with self.turn:
            try:
                while not self._is_closed:
                    self._sink.expire(self._clock.now_s())
                    self._wait()
            except ClientDisconnected:
                pass  # the handler hears of it at its next write

    def _wait(self) -> None:
        """Let the others have their turn until there may be something to do."""
        if self._sink.upload.has_unsent:
            self._sink.push()
        if self._sink.upload.has_unsent:
            self._clock.wait(self._change, FLUSH_RETRY_S)
            return
        due_s = self._sink.quiet_due_s
        self._is_idle = due_s == inf
        wait_s = None if self._is_idle else max(0.0, due_s - self._clock.now_s())
        self._clock.wait(self._change, wait_s)
        self._is_idle = False
