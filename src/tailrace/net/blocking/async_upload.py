"""An upload in an asyncio event loop: waits without blocking, and reports early answers.

Concurrency law: callbacks and coroutines of one loop. The upload sends without blocking; this
module only waits for its socket. Any number of tasks may wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tailrace.errors import PeerError
from tailrace.limits import SEND_STALL_TIMEOUT_S
from tailrace.net.blocking.upload import Upload


class AsyncUpload:
    """Watches an opened upload for as long as it is attached to the running loop.

    `on_over` is called once, from the loop, if the peer answers early or the connection breaks.
    Call `detach` before the upload is closed; after it the upload can be used in the blocking way.
    """

    __slots__ = ("_fd", "_is_attached", "_is_writing", "_loop", "_on_over", "_upload", "_waiters")

    def __init__(self, upload: Upload, on_over: Callable[[PeerError], None]) -> None:
        self._upload = upload
        self._on_over = on_over
        self._waiters: set[asyncio.Future[None]] = set()
        self._is_writing = False
        self._is_attached = True
        self._fd = upload.fileno()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._fd, self._on_readable)

    async def drain(self, timeout_s: float = SEND_STALL_TIMEOUT_S) -> None:
        """Wait until the kernel has taken all bytes.

        Cancelling is safe: what is queued stays queued, and is sent.

        Raises:
            AnsweredEarlyError: the peer has answered although the body is not complete.
            PeerError: the peer has left, or takes nothing for `timeout_s`.
        """
        if not self._upload.has_unsent:
            return
        if self._is_attached:
            await self._wait_sent(timeout_s)
        self._upload.look()

    def send_queued(self) -> None:
        """Send what is queued as the kernel takes it, without waiting."""
        if self._is_attached and not self._is_writing and self._upload.has_unsent:
            self._is_writing = True
            self._loop.add_writer(self._fd, self._on_writable)

    def detach(self) -> None:
        """Stop watching the socket; idempotent."""
        if not self._is_attached:
            return
        self._is_attached = False
        self._loop.remove_reader(self._fd)
        self._stop_writing()

    async def _wait_sent(self, timeout_s: float) -> None:
        self.send_queued()
        waiter = self._loop.create_future()
        self._waiters.add(waiter)
        try:
            async with asyncio.timeout(timeout_s):
                await waiter
        except TimeoutError:
            raise PeerError("the peer took no bytes within the time-out") from None
        finally:
            self._waiters.discard(waiter)

    def _on_readable(self) -> None:
        try:
            self._upload.look()
        except PeerError as error:
            self._end(error)
            return
        if self._upload.answer is not None:
            self._loop.remove_reader(self._fd)

    def _on_writable(self) -> None:
        try:
            self._upload.push()
        except PeerError as error:
            self._end(error)
            return
        if not self._upload.has_unsent:
            self._stop_writing()

    def _end(self, error: PeerError) -> None:
        self.detach()
        self._on_over(error)

    def _stop_writing(self) -> None:
        """Stop waiting for the socket, and wake the tasks in `drain`, which check the upload."""
        if self._is_writing:
            self._is_writing = False
            self._loop.remove_writer(self._fd)
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
