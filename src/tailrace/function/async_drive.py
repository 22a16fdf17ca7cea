"""Runs an async handler. Imported, with asyncio, only for such a handler.

Concurrency law: the handler runs in one task; this module runs in that task and in callbacks of its
loop. When the client leaves, the handler gets one exception: from the write that it waits for, or
else a cancellation. If its response has `_on_loss`, that is called first, and the cancellation
follows after a grace.
"""

from __future__ import annotations

import asyncio
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING, Any

from tailrace.errors import ClientDisconnected, FlushError, PeerError
from tailrace.function.event_loop import close_dropped_generators, run_in_loop
from tailrace.function.generators import throw_into
from tailrace.limits import DISCONNECT_GRACE_S
from tailrace.net.blocking.async_upload import AsyncUpload

if TYPE_CHECKING:
    from tailrace.function.output.quiet import QuietThread, QuietTimer
    from tailrace.function.response import ResponseStream
    from tailrace.function.stream import Stream


def drive_async(result: Any, stream: Stream, response: ResponseStream | None = None) -> None:
    """Run the coroutine or async generator of a handler to its end.

    Raises:
        ClientDisconnected: the client has left before.
        Exception: what the handler raised.
    """
    drive = _Drive(stream, response)
    try:
        run_in_loop(drive.run(result))
    finally:
        drive.detach()
        if not drive.has_started and hasattr(result, "close"):
            result.close()  # not started: a loop is running in this thread already


class _Drive:
    __slots__ = (
        "_grace",
        "_is_cancelled",
        "_is_waiting",
        "_peer",
        "_response",
        "_stream",
        "_task",
        "_timer",
        "_upload",
        "has_started",
    )

    def __init__(self, stream: Stream, response: ResponseStream | None) -> None:
        self._stream = stream
        self._response = response
        self._peer = stream.output.transport.peer
        self._upload: AsyncUpload | None = None  # set if the transport has a peer
        self._timer: QuietTimer | None = None
        self._grace: asyncio.TimerHandle | None = None
        self.has_started = False
        self._task: asyncio.Task[Any] | None = None
        self._is_waiting = False  # the handler's own task waits in `drain`
        self._is_cancelled = False  # because the client has left

    async def run(self, result: Any) -> None:
        response = self._response
        self.has_started = True
        self._task = asyncio.current_task()
        if self._peer is not None:
            self._peer.on_loss = self._on_loss
            self._upload = AsyncUpload(self._peer.upload, self._on_over)
            if self._stream.output.flushes is not None:
                self._stream.output.flushes.on_held = self._start_timer
        if response is not None:
            upload = self._upload
            response._attach(self.drain, None if upload is None else upload.send_queued)
        try:
            await self._send(result, is_sent=response is None)
        except asyncio.CancelledError as error:
            if self._is_cancelled and self._peer is not None and self._peer.loss is not None:
                raise ClientDisconnected(self._peer.loss) from error
            raise
        finally:
            self._task = None
            if self._peer is not None and self._peer.loss is not None:
                await close_dropped_generators()  # the handler may have been in some of them

    async def drain(self) -> None:
        """Wait until there is room for another chunk."""
        if self._upload is None or self._peer is None:
            return
        is_own = asyncio.current_task() is self._task
        self._is_waiting = is_own or self._is_waiting
        try:
            await self._upload.drain()
        except PeerError as error:
            loss = self._peer.lose(error)
            if not self._stream.is_ended:
                raise loss from error
        finally:
            if is_own:
                self._is_waiting = False

    def detach(self) -> None:
        """Stop watching the socket and the time."""
        self._stop_timer()
        if self._grace is not None:
            self._grace.cancel()
        if self._peer is not None and self._upload is not None:
            self._peer.on_loss = None
            self._upload.detach()

    def _on_over(self, error: PeerError) -> None:
        if self._peer is not None:
            self._peer.lose(error)

    def _on_loss(self) -> None:
        """Called within a write, or by the loop."""
        task = self._task
        if task is None or self._stream.is_ended:
            return
        if self._response is not None and self._response._on_loss is not None:
            self._response._on_loss()
            loop = asyncio.get_running_loop()
            self._grace = loop.call_later(DISCONNECT_GRACE_S, self._cancel, task)
        elif not self._is_waiting and asyncio.current_task() is not task:
            self._cancel(task)  # otherwise the write that noticed it raises

    def _cancel(self, task: asyncio.Task[Any]) -> None:
        self._is_cancelled = True
        task.cancel()

    async def _send(self, result: Any, *, is_sent: bool) -> None:
        if hasattr(type(result), "__await__"):
            result = await result
        if not is_sent:
            return  # the handler has written to the response
        if hasattr(type(result), "__anext__"):
            await self._pump_async(result)
        elif hasattr(type(result), "__next__"):
            await self._pump(result)
        else:
            self._stream.write_result(result)

    async def _pump_async(self, chunks: Any) -> None:
        try:
            async for item in chunks:
                await self._take_from(chunks, item)
                await self.drain()
                if self._stream.is_ended:
                    break
        except (ClientDisconnected, asyncio.CancelledError):
            with suppress(asyncio.CancelledError):
                await throw_into(chunks, asyncio.CancelledError("the client has left"))
            raise
        finally:
            if hasattr(chunks, "aclose"):
                await chunks.aclose()

    async def _pump(self, chunks: Any) -> None:
        """Send the chunks of a sync iterator, which blocks the loop while it works."""
        watch = self._watch_by_thread()
        try:
            for item in chunks:
                # Held across the wait, in which only this loop uses the output.
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

    def _start_timer(self) -> None:
        """Start the timer of adaptive flushes; called when bytes are held for the first time."""
        from tailrace.function.output.quiet import QuietTimer

        output = self._stream.output
        assert output.flushes is not None, "something is held"
        assert self._upload is not None, "it is held on the way to a peer"
        self._timer = QuietTimer(output, output.flushes, self._upload, asyncio.get_running_loop())
        self._timer.watch()

    def _stop_timer(self) -> None:
        if self._stream.output.flushes is not None:
            self._stream.output.flushes.on_held = None
        if self._timer is not None:
            self._timer.close()

    def _watch_by_thread(self) -> QuietThread | None:
        self._stop_timer()
        output = self._stream.output
        if output.flushes is None or not output.flushes.is_adaptive:
            return None
        from tailrace.function.output.quiet import QuietThread

        return QuietThread(output, output.flushes)

    async def _take_from(self, chunks: Any, item: object) -> None:
        """Do as `Stream.take_from`, for an async iterator."""
        while True:
            try:
                self._stream.take(item)
                return
            except ClientDisconnected:
                raise
            except FlushError as error:
                if not hasattr(chunks, "athrow"):
                    raise
                try:
                    item = await chunks.athrow(error.with_traceback(None))
                except StopAsyncIteration:
                    return
            except Exception as error:
                if not hasattr(chunks, "athrow"):
                    raise
                try:
                    await chunks.athrow(error.with_traceback(None))
                except StopAsyncIteration:
                    raise error from None
                raise
