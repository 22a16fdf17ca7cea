"""The end of an EC2 instance in an Auto Scaling group: drain, heartbeats, completion of the hook.

Concurrency law: one event loop. One task watches, then drains, then completes; a second one sends
heartbeats during the drain. A drain that has begun is not begun again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final, Literal, Self

from tailrace.config import HookName
from tailrace.errors import ConfigError
from tailrace.fleet.draining import end_of_drain
from tailrace.fleet.instance_watch import InstanceWatch
from tailrace.fleet.parent import Parent
from tailrace.gateway.aws.auto_scaling import COMPLETE, HEARTBEAT, LifecycleAction, Refusal
from tailrace.gateway.aws.metadata import InstanceMetadata
from tailrace.net.clock import LoopClock, TimerClock, sleep, time_limit
from tailrace.net.process import limits
from tailrace.net.tasks import TaskSet
from tailrace.words import counted

logger = logging.getLogger("tailrace.gateway")

_DELAYS_S: Final = limits.LIFECYCLE_RETRY_DELAYS_S


class Lifecycle:
    """The lifecycle of the instance that a parent runs on, while it is entered."""

    def __init__(
        self,
        parent: Parent,
        hook: HookName,
        heartbeat_s: float,
        environ: Mapping[str, str],
        clock: TimerClock | None = None,
    ) -> None:
        self._parent = parent
        self._hook = hook
        self._heartbeat_s = heartbeat_s
        self._clock = clock if clock is not None else LoopClock()
        self._metadata = InstanceMetadata(environ)
        self._watch = InstanceWatch(self._metadata, self._on_notice, self._clock)
        self._action: LifecycleAction | None = None
        self._opening = asyncio.Lock()
        self._heartbeats = 0
        self._outcome: Literal["completed", "over", "failed"] | None = None
        self._settled = asyncio.Event()
        self._told: str | None = None  # the last refusal that was logged
        self._tasks = TaskSet()

    async def __aenter__(self) -> Self:
        self._tasks.spawn(self._keep(), "watch the instance")
        self._tasks.spawn(self._try_out(), "try out the lifecycle hook")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._tasks.cancel_all()
        if self._watch.is_ending.is_set() and self._outcome is None:
            self._give_up()
        if self._action is not None:
            await self._action.close()
        await self._metadata.close()

    @property
    def _name(self) -> str:
        """The hook, with its group as soon as that is known."""
        return str(self._hook if self._action is None else self._action.name)

    @property
    def state(self) -> dict[str, Any]:
        """What it has seen and done, for statistics."""
        return {
            "target_state": self._watch.target_state,
            "heartbeats": self._heartbeats,
            "hook": self._outcome,
        }

    async def drain(self) -> bool:
        """As `Parent.drain`, for a signal; then wait for the hook if the instance is to end.

        That takes at most LIFECYCLE_STOP_TIMEOUT_S more. A process that is stopped for another
        reason completes nothing.
        """
        is_whole = await self._parent.drain()
        if not self._watch.is_ending.is_set():
            await self._watch.look_at_state()
        if self._watch.is_ending.is_set():
            try:
                async with time_limit(self._clock, limits.LIFECYCLE_STOP_TIMEOUT_S):
                    await self._settled.wait()
            except TimeoutError:
                pass  # `__aexit__` warns
        return is_whole

    # --- the drain ------------------------------------------------------------------------------

    def _on_notice(self, words: str) -> None:
        self._begin_drain(f"EC2 interrupts this Spot instance: {words}")

    def _begin_drain(self, why: str) -> None:
        parent = self._parent
        if not parent.is_draining:
            logger.info("drain: %s, %s", why, counted(parent.held, "open response"))
            parent.is_last = True
            parent.begin_drain()

    async def _keep(self) -> None:
        await self._watch.keep()
        self._begin_drain("this instance is to be terminated")
        beating = self._tasks.spawn(self._beat(), "send heartbeats")
        is_whole = await self._parent.node_drain.wait()
        beating.cancel()
        await asyncio.wait([beating])
        if self._outcome is None:
            await self._complete(is_whole)
        self._settled.set()

    # --- the hook -------------------------------------------------------------------------------

    async def _try_out(self) -> None:
        """Find mistakes now and not when the instance is to end: a heartbeat for no action."""
        await self._watch.has_read.wait()
        refusal = await self._call(HEARTBEAT)
        if refusal is not None and not refusal.is_inactive:
            self._warn(refusal, "it is tried again when this instance is to be terminated")

    async def _beat(self) -> None:
        """Send heartbeats until cancelled, or until the hook is over."""
        failures = 0
        while True:
            refusal = await self._call(HEARTBEAT)
            delay_s = self._heartbeat_s
            if refusal is None:
                failures = 0
                self._note_taken()
            elif refusal.is_inactive:
                if self._is_over(refusal):
                    return
                failures = 0
            else:
                self._warn(refusal)
                delay_s = min(delay_s, _DELAYS_S[min(failures, len(_DELAYS_S) - 1)])
                failures += 1
            await sleep(self._clock, delay_s)

    async def _complete(self, is_whole: bool) -> None:
        """Complete the hook, after some attempts if need be."""
        until_s = self._clock.now_s() + limits.LIFECYCLE_COMPLETE_TIMEOUT_S
        failures = 0
        while (refusal := await self._call(COMPLETE)) is not None:
            if refusal.is_inactive:
                if self._is_over(refusal):
                    return
            else:
                self._warn(refusal)
            if self._clock.now_s() >= until_s:
                self._give_up()
                return
            await sleep(self._clock, _DELAYS_S[min(failures, len(_DELAYS_S) - 1)])
            failures += 1
        self._outcome = "completed"
        logger.info(
            "lifecycle hook %s completed after %s: %s",
            self._name,
            counted(self._heartbeats, "heartbeat"),
            end_of_drain(is_whole),
        )

    def _is_over(self, refusal: Refusal) -> bool:
        """Whether the action has been there, and is no more; otherwise it has not begun yet."""
        if not self._heartbeats:
            if self._told != refusal.text:
                logger.info("lifecycle hook %s has not begun yet (%s)", self._name, refusal.text)
            self._told = refusal.text
            return False
        self._outcome = "over"
        logger.warning(
            "lifecycle hook %s is over already, and the instance ends with %s: its time-out has"
            " passed, or somebody has completed it (%s)",
            *(self._name, counted(self._parent.held, "open response"), refusal.text),
        )
        return True

    def _give_up(self) -> None:
        self._outcome = "failed"
        logger.warning(
            "lifecycle hook %s was not completed: the instance waits until the hook's time-out is"
            " over, or until you call aws autoscaling complete-lifecycle-action",
            self._name,
        )

    # --- calls ----------------------------------------------------------------------------------

    async def _call(self, name: str) -> Refusal | None:
        try:
            action = await self._opened()
        except ConfigError as error:
            return Refusal(str(error))
        refusal = await action.call(name)
        if refusal is None and name == HEARTBEAT:
            self._heartbeats += 1
        return refusal

    async def _opened(self) -> LifecycleAction:
        """Return the action, after its names and credentials have been found.

        Raises:
            ConfigError: something is missing now.
        """
        async with self._opening:
            if self._action is None:
                self._action = await LifecycleAction.find(self._hook, self._metadata)
            return self._action

    def _warn(self, refusal: Refusal, next_step: str = "it is tried again") -> None:
        """Warn of a refusal, unless it was the last one."""
        if self._told == refusal.text:
            return
        self._told = refusal.text
        remedy = "" if refusal.remedy is None else f"; {refusal.remedy}"
        logger.warning("lifecycle hook %s: %s%s; %s", self._name, refusal.text, remedy, next_step)

    def _note_taken(self) -> None:
        if self._told is not None:
            logger.info("lifecycle hook %s: heartbeats are taken", self._name)
        self._told = None
