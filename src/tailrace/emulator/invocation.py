"""One attempt to run an invocation, and what came of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final, Protocol

from tailrace.wire.runtime_api import Invocation, error_body


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an attempt ended with: the function's result, or a function error and its JSON.

    The bytes of a streamed response that went to a listener are not in `payload`.
    """

    payload: bytes
    error_type: str | None = None
    """None when the function succeeded; else what the log calls the error."""
    media_type: str = ""
    """What the runtime says that its response is, if anything."""
    is_streamed: bool = False
    """Whether the runtime streamed it."""
    is_reported: bool = False
    """Whether an error is the runtime's own report, and not found by Lambda."""

    @classmethod
    def failure(cls, error_type: str, message: str) -> Outcome:
        """An error that Lambda itself reports, not the runtime: the payload has two keys."""
        return cls(error_body(error_type, message, None), error_type)


REFUSED: Final = Outcome(b"", "TooManyRequestsException")
"""No outcome of the function: it was busy, and the attempt has not begun."""


class Listener(Protocol):
    """Takes a streamed response as the runtime sends it; its end is the attempt's outcome.

    Of a buffered response it hears nothing: that is in the outcome.
    """

    def on_start(self, media_type: str) -> None:
        """The runtime has begun to stream; the media type is empty when it said none."""

    def on_data(self, data: bytes) -> None:
        """Bytes of the response: one call per read, whatever number of writes it carried."""


class StreamSource(Protocol):
    """Where a streamed response comes from."""

    def pause_reading(self) -> None:
        """Take no more bytes for now."""

    def resume_reading(self) -> None:
        """Go on."""

    @property
    def is_inside_chunk(self) -> bool:
        """Whether the bytes that it is passing on begin in the middle of a write."""


class Attempt:
    """One run of an invocation in an execution environment.

    `outcome` is done when the caller can be answered; `ended` is done when the environment is
    free again and the invocation's log is complete, and gives the log's last 4 KB. Both get a
    result in the end, never an exception. With a `listener` a streamed response is passed on to
    it, without one it is collected.
    """

    __slots__ = ("_pauses", "_source", "ended", "invocation", "listener", "outcome")

    def __init__(self, invocation: Invocation, listener: Listener | None = None) -> None:
        loop = asyncio.get_running_loop()
        self.invocation = invocation
        self.listener = listener
        self.outcome: asyncio.Future[Outcome] = loop.create_future()
        self.ended: asyncio.Future[bytes] = loop.create_future()
        self._source: StreamSource | None = None
        self._pauses: set[str] = set()

    @property
    def is_streamed(self) -> bool:
        """Whether the runtime has begun to stream to the listener."""
        return self._source is not None

    @property
    def is_held(self) -> bool:
        """Whether the listener holds back a response that has not come to its end."""
        return bool(self._pauses) and self._source is not None and not self.outcome.done()

    @property
    def is_inside_write(self) -> bool:
        """In `Listener.on_data`: whether the bytes begin with the rest of the write before."""
        return self._source is not None and self._source.is_inside_chunk

    def begin_stream(self, source: StreamSource) -> None:
        """The listener's bytes come from there."""
        self._source = source
        if self.is_held:
            source.pause_reading()

    def pause(self, reason: str) -> None:
        """Hold a streamed response back: who listens cannot take more now."""
        self._pauses.add(reason)
        if self._source is not None and self.is_held:
            self._source.pause_reading()

    def resume(self, reason: str) -> None:
        """Let a streamed response go on, unless there is another reason to hold it back."""
        self._pauses.discard(reason)
        if self._source is not None and not self._pauses:
            self._source.resume_reading()

    def let_go(self) -> None:
        """Let a streamed response go on: nobody listens any more."""
        for reason in tuple(self._pauses):
            self.resume(reason)

    def answer(self, outcome: Outcome) -> None:
        """Give the outcome; only the first one counts.

        What the runtime may still send is read, and dropped: nobody holds it back any more.
        """
        if self.outcome.done():
            return
        was_held = self.is_held
        self.outcome.set_result(outcome)
        if was_held and self._source is not None:
            self._source.resume_reading()

    def end(self, log_tail: bytes) -> None:
        """The environment has done with it."""
        if not self.ended.done():
            self.ended.set_result(log_tail)
