"""Lets out what is held of a response while its async handler does not write.

Concurrency law: callbacks of the handler's loop.
"""

from __future__ import annotations

import asyncio
from math import inf

from tailrace.errors import ClientDisconnected
from tailrace.function.sink import FlushTimer
from tailrace.function.upload_sink import NativeSink
from tailrace.net.blocking.async_upload import AsyncUpload


class QuietTimer:
    """Watches a sink until it is closed."""

    __slots__ = ("_handle", "_loop", "_sink", "_upload")

    def __init__(self, sink: NativeSink, upload: AsyncUpload) -> None:
        self._sink = sink
        self._upload = upload
        self._loop = asyncio.get_running_loop()
        self._handle: FlushTimer | None = None
        sink.on_held = self._watch

    def close(self) -> None:
        """Watch no more."""
        self._sink.on_held = None
        if self._handle is not None:
            self._handle.cancel()

    def _watch(self) -> None:
        """Called in a write: one timer at a time, which looks for itself when the time has come."""
        if self._handle is not None:
            return
        due_s = self._sink.quiet_due_s
        if due_s < inf:
            clock = self._sink.clock
            wait_s = max(0.0, due_s - clock.now_s())
            self._handle = clock.call_later(self._loop, wait_s, self._on_time)

    def _on_time(self) -> None:
        self._handle = None
        try:
            self._sink.expire(self._sink.clock.now_s())
        except ClientDisconnected:
            return  # the sink has told whom it concerns
        self._upload.send_queued()
        self._watch()
