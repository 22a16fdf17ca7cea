"""Reads from an EC2 instance's metadata, again and again, whether the instance is to end.

Facts: EC2 Auto Scaling User Guide, "Retrieve the target lifecycle state through instance metadata":
`Terminated` is where a terminating instance goes, also while its load balancers deregister it and
its hook has not begun. EC2 User Guide, "Spot Instance interruption notices". Read 2026-11.

Of the other target states none is an end: an instance in `Standby` returns to service, a `Detached`
one goes on outside its group, and one that goes to `Warmed:Stopped`, `Warmed:Running` or
`Warmed:Hibernated` may serve again. A drain cannot be taken back.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from tailrace.gateway.aws.metadata import STATE, InstanceMetadata, why_unread
from tailrace.net.client.request import PoolAnswer
from tailrace.net.clock import TimerClock, time_limit
from tailrace.net.process import limits

logger = logging.getLogger("tailrace.gateway")

_NOTICE_ITEM: Final = "spot/instance-action"

_ENDS: Final = ("Terminated", "Warmed:Terminated")


class InstanceWatch:
    """Watches until the target state is an end; `is_ending` is set then.

    That the metadata cannot be read is a warning and never an end.
    """

    def __init__(
        self, metadata: InstanceMetadata, on_notice: Callable[[str], None], clock: TimerClock
    ) -> None:
        """`on_notice` gets a Spot notice in words, each time one is read."""
        self.is_ending = asyncio.Event()
        self.has_read = asyncio.Event()
        """Whether the state has been read once."""
        self.target_state: str | None = None
        """As it was last read; None before, and while it cannot be read."""
        self._metadata = metadata
        self._on_notice = on_notice
        self._clock = clock
        self._interval_s = limits.LIFECYCLE_LOOK_INTERVAL_S
        self._told: str | None = None  # why it could not be read

    async def keep(self) -> None:
        """Look until the instance is to end."""
        while not self.is_ending.is_set():
            await self.look_at_state()
            await self._look_for_notice()
            with suppress(TimeoutError):
                async with time_limit(self._clock, self._interval_s):
                    await self.is_ending.wait()

    async def look_at_state(self) -> None:
        """Look once. Takes at most 4 × METADATA_TIMEOUT_S."""
        answer = await self._metadata.get(STATE)
        if answer is None or answer.status != 200:
            self._note_unread(answer)
        else:
            self._note_state(answer.body.decode("ascii", "replace").strip()[:40])

    async def _look_for_notice(self) -> None:
        answer = await self._metadata.get(_NOTICE_ITEM)  # usually 404
        if answer is not None and answer.status == 200 and (words := _notice_in(answer.body)):
            self._on_notice(words)

    def _note_state(self, state: str) -> None:
        if self._told is not None:
            logger.info("the instance's metadata is read again: target lifecycle state %s", state)
        self._told, self._interval_s = None, limits.LIFECYCLE_LOOK_INTERVAL_S
        self.target_state = state
        self.has_read.set()
        if state in _ENDS:
            self.is_ending.set()

    def _note_unread(self, answer: PoolAnswer | None) -> None:
        longest_s = limits.LIFECYCLE_LOOK_INTERVAL_MAX_S
        self._interval_s = min(2 * self._interval_s, longest_s)
        self.target_state = None
        why = why_unread(answer)
        if why != self._told:
            logger.warning(
                "the termination of this instance cannot be seen in its metadata at %s, and SIGTERM"
                " alone begins a drain: %s; tried again every %g s",
                *(self._metadata.base, why, longest_s),
            )
        self._told = why


def _notice_in(body: bytes) -> str | None:
    """Return a Spot notice in words; None if this is none."""
    try:
        document = json.loads(body)
        action, time = str(document["action"]), str(document["time"])
    except (ValueError, TypeError, KeyError):
        return None
    return f"{action[:20]!a} at {time[:40]!a}"
