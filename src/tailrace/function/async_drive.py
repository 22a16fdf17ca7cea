"""Drives an async handler. Imported, with asyncio, only when there is one.

Concurrency law: the handler runs in one task, this module's own code in that task and in callbacks
of its loop. The handler learns once that its client has left: by the exception of a write that it
is waiting for, otherwise by cancellation.
"""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from tailrace.errors import ClientDisconnected, FlushError, PeerError
from tailrace.function.event_loop import run_in_loop
from tailrace.function.quiet_timer import QuietTimer
from tailrace.function.response import ResponseStream
from tailrace.function.sink import Sink
from tailrace.function.stream import Stream
from tailrace.function.upload_sink import NativeSink, UploadSink
from tailrace.net.blocking.async_upload import AsyncUpload

if TYPE_CHECKING:
    from tailrace.function.quiet_thread import QuietThread


def drive_async(
    result: Any, stream: Stream, sink: Sink, response: ResponseStream | None = None
) -> None:
    """Run what an async handler has returned when it was called, until it has ended.

    Raises:
        ClientDisconnected: the client has left before.
        Exception: what the handler raised.
    """
    drive = _Drive(stream, sink)
    try:
        run_in_loop(drive.run(result, response))
    finally:
        drive.detach()
        if not drive.is_begun and hasattr(result, "close"):
            result.close()  # there is a running loop already


class _Drive:
    __slots__ = (
        "_is_told",
        "_is_waiting",
        "_sink",
        "_stream",
        "_task",
        "_timer",
        "_upload",
        "is_begun",
    )

    def __init__(self, stream: Stream, sink: Sink) -> None:
        self._stream = stream
        self._sink = sink if isinstance(sink, UploadSink) else None
        self._upload: AsyncUpload | None = None
        self._timer: QuietTimer | None = None
        self.is_begun = False
        self._task: asyncio.Task[Any] | None = None
        self._is_waiting = False  # the handler's own task waits in `drain`
        self._is_told = False  # the handler was cancelled because its client has left

    async def run(self, result: Any, response: ResponseStream | None) -> None:
        self.is_begun = True
        self._task = asyncio.current_task()
        if response is not None:
            response._attach(self.drain)
        if self._sink is not None:
            self._sink.on_loss = self._on_loss
            self._upload = AsyncUpload(self._sink.upload, self._on_over)
            if isinstance(self._sink, NativeSink):
                self._timer = QuietTimer(self._sink, self._upload)
        try:
            await self._send(result, is_sent=response is None)
        except asyncio.CancelledError as error:
            if self._is_told and self._sink is not None and self._sink.loss is not None:
                raise ClientDisconnected(self._sink.loss) from error
            raise
        finally:
            self._task = None

    async def drain(self) -> None:
        """Wait until the sink has room again."""
        if self._upload is None or self._sink is None:
            return
        is_own = asyncio.current_task() is self._task
        self._is_waiting = is_own or self._is_waiting
        try:
            await self._upload.drain()
        except PeerError as error:
            loss = self._sink.lose(error)
            if not self._stream.is_ended:
                raise loss from error
        finally:
            if is_own:
                self._is_waiting = False

    def detach(self) -> None:
        """Watch socket and time no more."""
        if self._timer is not None:
            self._timer.close()
        if self._sink is not None and self._upload is not None:
            self._sink.on_loss = None
            self._upload.detach()

    def _on_over(self, error: PeerError) -> None:
        if self._sink is not None:
            self._sink.lose(error)

    def _on_loss(self) -> None:
        """Called in the middle of whoever noticed: a write, or the loop."""
        task = self._task
        if task is None or self._stream.is_ended or self._is_waiting:
            return
        if asyncio.current_task() is task:
            return  # it is being told: the write that noticed raises
        self._is_told = True
        task.cancel()

    async def _send(self, result: Any, *, is_sent: bool) -> None:
        if hasattr(type(result), "__await__"):
            result = await result
        if not is_sent:
            return  # it was written to the response
        if hasattr(type(result), "__anext__"):
            await self._pump_async(result)
        elif hasattr(type(result), "__next__"):
            await self._pump(result)
        else:
            self._stream.put_result(result)

    async def _pump_async(self, chunks: Any) -> None:
        try:
            async for item in chunks:
                await self._take_from(chunks, item)
                await self.drain()
                if self._stream.is_ended:
                    break
        finally:
            if hasattr(chunks, "aclose"):
                await chunks.aclose()

    async def _pump(self, chunks: Any) -> None:
        """An async function has returned a plain iterator: while that works, no timer runs."""
        watch = self._watch_instead()
        try:
            for item in chunks:
                # Held across the wait: in it only this loop uses the sink.
                with watch.turn if watch is not None else nullcontext():
                    self._stream.take_from(chunks, item)
                    await self.drain()
                if self._stream.is_ended:
                    break
        finally:
            if watch is not None:
                watch.close()
            if hasattr(chunks, "close"):
                chunks.close()

    def _watch_instead(self) -> QuietThread | None:
        if self._timer is None or not isinstance(self._sink, NativeSink):
            return None
        self._timer.close()
        if not self._sink.is_adaptive:
            return None
        from tailrace.function.quiet_thread import QuietThread

        return QuietThread(self._sink)

    async def _take_from(self, chunks: Any, item: object) -> None:
        """As `Stream.take_from`, of an async iterator."""
        while True:
            try:
                self._stream.take(item)
                return
            except ClientDisconnected:
                raise
            except Exception as error:
                if not hasattr(chunks, "athrow"):
                    raise
                try:
                    item = await chunks.athrow(error.with_traceback(None))
                except StopAsyncIteration:
                    if isinstance(error, FlushError):
                        return
                    raise error from None
                if not isinstance(error, FlushError):
                    raise
