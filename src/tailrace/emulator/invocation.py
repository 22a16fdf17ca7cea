"""One attempt to run an invocation, and what came of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from tailrace.wire.runtime_api import Invocation, error_body


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an attempt ended with: the function's result, or a function error and its JSON."""

    payload: bytes
    error_type: str | None = None
    """None when the function succeeded; else what the log calls the error."""

    @classmethod
    def failure(cls, error_type: str, message: str) -> Outcome:
        """An error that Lambda itself reports, not the runtime: the payload has two keys."""
        return cls(error_body(error_type, message, None), error_type)


REFUSED: Final = Outcome(b"", "TooManyRequestsException")
"""No outcome of the function: it was busy, and the attempt has not begun."""


class Attempt:
    """One run of an invocation in an execution environment.

    `outcome` is done when the caller can be answered; `ended` is done when the environment is
    free again and the invocation's log is complete, and gives the log's last 4 KB. Both get a
    result in the end, never an exception.
    """

    __slots__ = ("ended", "invocation", "outcome")

    def __init__(self, invocation: Invocation) -> None:
        loop = asyncio.get_running_loop()
        self.invocation = invocation
        self.outcome: asyncio.Future[Outcome] = loop.create_future()
        self.ended: asyncio.Future[bytes] = loop.create_future()

    def answer(self, outcome: Outcome) -> None:
        """Give the outcome; only the first one counts."""
        if not self.outcome.done():
            self.outcome.set_result(outcome)

    def end(self, log_tail: bytes) -> None:
        """The environment has done with it."""
        if not self.ended.done():
            self.ended.set_result(log_tail)
