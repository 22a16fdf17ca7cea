"""A body that is decompressed on its way, a few steps in each turn of the event loop.

A few kilobytes may mean 200 MB, or be thousands of empty members: all at once it would stop every
other stream. Concurrency law: callbacks of one event loop; one turn at a time is scheduled.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from tailrace import limits
from tailrace.emulator.gzip_decoder import GzipDecoder
from tailrace.errors import ResultError


class Gunzip:
    """Takes a compressed body, and sends it on at the client's pace.

    `send(data, is_rest)` gets what is decompressed; `is_rest` as it was fed, and for all but the
    first piece of it. `on_behind(is_behind)` is called when input waits for the next turn, and when
    none does any more. `on_error(error)` is the last call, for a body that is malformed.
    """

    __slots__ = (
        "_decoder",
        "_fed",
        "_is_behind",
        "_is_closed",
        "_is_rest",
        "_on_behind",
        "_on_error",
        "_pauses",
        "_send",
        "_then",
        "_turn",
    )

    def __init__(
        self,
        *,
        send: Callable[[bytes, bool], None],
        on_behind: Callable[[bool], None],
        on_error: Callable[[ResultError], None],
    ) -> None:
        self._decoder = GzipDecoder()
        self._fed: deque[tuple[bytes, bool]] = deque()  # behind what the decoder has
        self._is_rest = False
        self._send = send
        self._on_behind = on_behind
        self._on_error = on_error
        self._pauses: set[str] = set()
        self._is_behind = False
        self._is_closed = False
        self._turn: asyncio.Handle | None = None
        self._then: Callable[[], None] | None = None

    def feed(self, data: bytes, *, is_rest: bool) -> None:
        """Take bytes of the body; the first steps are done at once."""
        self._fed.append((data, is_rest))
        if self._turn is None:
            self._run()

    def drain(self, then: Callable[[], None]) -> None:
        """No more bytes come: call `then` once all of them have been sent on."""
        self._then = then
        if self._turn is None:
            self._run()

    def pause(self, reason: str) -> None:
        """Send nothing for now."""
        self._pauses.add(reason)

    def resume(self, reason: str) -> None:
        """Go on, unless there is another reason to wait."""
        self._pauses.discard(reason)
        self._schedule()

    def finish(self) -> None:
        """Check that the body has come to its end. Raises ResultError."""
        self._decoder.finish()

    def close(self) -> None:
        """Drop what is left; nothing is called any more."""
        self._is_closed = True
        self._then = None
        if self._turn is not None:
            self._turn.cancel()
            self._turn = None

    @property
    def _has_more(self) -> bool:
        return self._decoder.has_more or bool(self._fed)

    def _schedule(self) -> None:
        if self._turn is None and not (self._is_closed or self._pauses) and self._is_behind:
            self._turn = asyncio.get_running_loop().call_soon(self._run)

    def _run(self) -> None:
        """One turn."""
        self._turn = None
        try:
            self._step_on()
        except ResultError as error:
            self.close()
            self._on_error(error)
            return
        if self._is_closed:
            return
        self._tell(self._has_more)
        if self._is_behind:
            self._schedule()
        elif self._then is not None:
            then, self._then = self._then, None
            then()

    def _step_on(self) -> None:
        left_bytes = limits.READ_BYTES_MAX
        for _ in range(limits.GZIP_STEPS_PER_TURN):
            if self._is_closed or self._pauses or left_bytes <= 0:
                return
            if not self._decoder.has_more:
                if not self._fed:
                    return
                data, self._is_rest = self._fed.popleft()
                self._decoder.feed(data)
                continue
            piece = self._decoder.step()
            left_bytes -= len(piece)
            if piece:
                self._send(piece, self._is_rest)
                self._is_rest = True

    def _tell(self, is_behind: bool) -> None:
        if is_behind != self._is_behind:
            self._is_behind = is_behind
            self._on_behind(is_behind)
