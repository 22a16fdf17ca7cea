"""What a page shows of progress, and when it sends what has changed.

Concurrency law: used in the loop of the page; `start` and `end` may be called in any thread. Nobody
sends what changes: a timer looks at what runs, at an interval that grows, and sends what is not as
it was sent. If the client has not yet taken what was sent before, nothing more is sent.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from tailrace.html.limits import (
    PROGRESS_BLOCKS_MAX,
    PROGRESS_HELD_INTERVAL_S,
    PROGRESS_INTERVAL_MAX_S,
    PROGRESS_INTERVAL_S,
    PROGRESS_INTERVAL_SHARE,
    PROGRESS_TURNS,
)
from tailrace.html.progress.blocks import Blocks
from tailrace.html.progress.news import News, style
from tailrace.html.progress.patches import Patches
from tailrace.net.clock import LoopClock

if TYPE_CHECKING:
    from tailrace.function.way import ResponseWay
    from tailrace.html.part import Part
    from tailrace.html.progress.entry import Entry
    from tailrace.html.progress.sheet import Sheet
    from tailrace.net.clock import Timer, TimerClock


class Board:
    """The bars and steps of a page."""

    def __init__(
        self,
        sheet: Sheet,
        way: ResponseWay,
        *,
        is_in_order: bool,
        nonce: str,
        words: Mapping[str, str],
        clock: TimerClock | None = None,
    ) -> None:
        self._nonce: Final = nonce
        self._words: Final = words
        self.stops_on_leave: Final = way.stops_on_leave
        """A job stops when its page is left."""
        self._outbox: Final = sheet.outbox
        self._loop: Final = asyncio.get_running_loop()
        self._clock: Final = clock or LoopClock()
        count_max = PROGRESS_BLOCKS_MAX if way.streams else 0
        self._writer: Final = (
            Blocks(sheet, words, count_max) if is_in_order else Patches(sheet, words)
        )
        self._news: Final = News(nonce)
        self.now_s: Final = self._clock.now_s
        self.due_s = math.inf
        """When there may be something to send."""
        self._timer: Timer | None = None
        self._entries: list[Entry] = []
        self._names = 0
        self._has_style = False
        self._is_live: Final = way.streams
        self._is_shell_done = False
        is_slow = is_in_order or way.holds_back
        self._interval_min_s: Final = PROGRESS_HELD_INTERVAL_S if is_slow else PROGRESS_INTERVAL_S

    def new_name(self) -> str:
        """Return a name for places."""
        self._names += 1
        return f"b{self._names}"

    def style(self) -> str:
        """Return the style of progress and of the notice, once."""
        if self._has_style:
            return ""
        self._has_style = True
        return f'<style nonce="{self._nonce}">{style(self._words)}</style>'

    def place(self, entry: Entry) -> str:
        """Return the markup of an entry: where it stands from now on, or as it is now."""
        now_s = self.now_s()
        if entry.is_placed or entry.part is not None:
            return entry.block(now_s, self._words, has_places=False)
        if entry not in self._entries:
            self._entries.append(entry)
        return self.style() + self._writer.place(entry, now_s)

    def start(self, entry: Entry) -> None:
        """Show an entry that has started."""
        self._call(self._start, entry)

    def end(self, entry: Entry) -> None:
        """Show how an entry has ended."""
        self._call(self._schedule, 0.0)

    async def turn(self) -> None:
        """Send what is due, and let the other tasks of the loop go on, among them who writes it."""
        self._tick()
        for _ in range(PROGRESS_TURNS):
            await asyncio.sleep(0)

    async def wait_room(self) -> None:
        """Wait until there is room for another entry."""
        await self._outbox.wait_room()

    def before_write(self) -> None:
        """The page function is about to write: settle what stands before that."""
        if self._entries or self._writer.is_open:
            self._entries = self._writer.before_write(self._entries, self.now_s())
            self._quiet()

    def shell_done(self, *, has_parts: bool) -> None:
        """The page function is done; parts may not be."""
        self._is_shell_done = True
        self._entries = self._writer.shell_done(self._entries, self.now_s())
        if has_parts and self._is_live:
            self._put(self.style() + self._news.pulse(self.now_s()))
        self._quiet()
        self._schedule(0)

    def leave_part(self, part: Part) -> None:
        """A part is done: what stands in its place goes."""
        self._entries = [entry for entry in self._entries if entry.part is not part]

    def fail(self) -> None:
        """The page function has failed, and with it what it has not completed."""
        for entry in self._entries:
            if entry.outcome != "done" and entry.part is None:
                entry.outcome = "failed"
                entry.ended_s = entry.ended_s or self.now_s()
        self.before_write()

    def close(self) -> None:
        """The page is complete."""
        self.cancel()
        for entry in self._entries:
            entry.outcome = entry.outcome or "stopped"
            entry.ended_s = entry.ended_s or self.now_s()
        self._writer.close(self._entries, self.now_s())
        self._entries = []
        self._put(self._news.end())

    def cancel(self) -> None:
        """Send nothing more."""
        self.due_s = math.inf
        if self._timer is not None:
            self._timer.cancel()

    def news(self) -> str:
        """Return what shows that the stream goes on, if that is to be shown now."""
        return self._news.pulse(self.now_s()) if self._news.is_on else ""

    def _start(self, entry: Entry) -> None:
        if entry not in self._entries:
            self._entries.append(entry)
        if self._is_live:
            self._put(self.style())
        if not entry.is_placed:
            self._writer.start(entry, self._entries, self.now_s())
        if self._is_live:
            self._put(self._news.pulse(self.now_s()))
        self._schedule(0)

    def _tick(self) -> None:
        now_s = self.now_s()
        is_taken = self._outbox.is_empty
        if is_taken:
            self._writer.show(self._entries, now_s)
        self.cancel()
        if not is_taken or any(entry.is_running for entry in self._entries):
            self._schedule(self._interval_s(now_s))

    def _schedule(self, delay_s: float) -> None:
        if self._is_live:
            self.cancel()
            self.due_s = self.now_s() + delay_s
            self._timer = self._clock.call_at(self.due_s, self._tick)

    def _interval_s(self, now_s: float) -> float:
        starts = [entry.started_s for entry in self._entries if entry.started_s is not None]
        share_s = (now_s - min(starts, default=now_s)) * PROGRESS_INTERVAL_SHARE
        return max(self._interval_min_s, min(share_s, PROGRESS_INTERVAL_MAX_S))

    def _quiet(self) -> None:
        """Nothing is waited for while the page function only writes."""
        if not self._is_shell_done and not any(entry.is_running for entry in self._entries):
            self._put(self._news.end())

    def _put(self, text: str) -> None:
        if text:
            self._outbox.put(text)

    def _call(self, function: Callable[..., object], argument: object) -> None:
        """Call in the loop of the page."""
        if asyncio._get_running_loop() is self._loop:
            function(argument)
        elif not self._loop.is_closed():
            self._loop.call_soon_threadsafe(function, argument)
