"""What a page shows of progress, and when it sends what has changed.

Concurrency law: used in the loop of the page; `start` and `end` may be called in any thread. Nobody
sends what changes: a timer looks at what runs, at an interval that grows, and sends what is not as
it was sent. If the client has not yet taken what was sent before, nothing more is sent.
"""

from __future__ import annotations

import asyncio
import itertools
import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Final

from tailrace.html.limits import (
    PROGRESS_BLOCKS_MAX,
    PROGRESS_HELD_INTERVAL_S,
    PROGRESS_INTERVAL_MAX_S,
    PROGRESS_INTERVAL_S,
    PROGRESS_INTERVAL_SHARE,
    PROGRESS_TURNS,
)
from tailrace.html.part import current_part
from tailrace.html.progress.blocks import Blocks
from tailrace.html.progress.news import News, css, style
from tailrace.html.progress.patches import Patches
from tailrace.html.threads import put_item
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
        self._sheet: Final = sheet
        self._outbox: Final = sheet.outbox
        self._loop: Final = asyncio.get_running_loop()
        self._clock: Final = clock or LoopClock()
        count_max = PROGRESS_BLOCKS_MAX if way.streams else 0
        self._writer: Final = (
            Blocks(sheet, words, count_max, self.style) if is_in_order else Patches(sheet, words)
        )
        self._news: Final = News(nonce)
        self.now_s: Final = self._clock.now_s
        self.due_s = math.inf
        """When there may be something to send."""
        self._timer: Timer | None = None
        self._entries: list[Entry] = []
        self._numbers: Final = itertools.count(1)  # also taken in threads
        self._sheets: Final[dict[str, Callable[[], str]]] = {
            "progress": partial(css, "style.css"),
            "notice": partial(style, words),
        }
        """Style sheets that are not yet in the page."""
        self._is_live = way.streams
        """Something can be sent before the page is complete."""
        is_slow = is_in_order or way.holds_back
        self._interval_min_s: Final = PROGRESS_HELD_INTERVAL_S if is_slow else PROGRESS_INTERVAL_S

    def new_name(self) -> str:
        """Return a name for places."""
        return f"b{next(self._numbers)}"

    def style(self, *names: str) -> str:
        """Return style sheets, by default all, without those that are in the page."""
        names = names or tuple(self._sheets)
        css = "".join([self._sheets.pop(name)() for name in names if name in self._sheets])
        return f'<style nonce="{self._nonce}">{css}</style>' if css else ""

    def place(self, entry: Entry) -> str:
        """Return the markup of an entry: where it stands from now on, or as it is now."""
        now_s = self.now_s()
        if entry.is_placed or entry.part is not None:
            return entry.block(now_s, self._words, has_places=False)
        self._call(self._add, entry)
        return self.style() + self._writer.place(entry, now_s)

    def start(self, entry: Entry) -> None:
        """Show an entry that has started, where the page function is, or its part."""
        is_here = asyncio._get_running_loop() is self._loop
        if is_here or current_part.get() is not None or not put_item(_Start(self, entry)):
            self._call(self.start_here, entry)

    def start_here(self, entry: Entry) -> None:
        """Show an entry that has started; called in the loop. A part that has ended shows none."""
        part = current_part.get()
        if part is not None and part.text is not None:
            return
        self._add(entry)
        if self._is_live:
            self._put(self.style())
        if not entry.is_placed:
            self._writer.start(entry, self._entries, self.now_s())
        self.expect()
        self._schedule(0)

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

    def shell_done(self, *, has_parts: bool) -> None:
        """The page function is done; parts may not be."""
        self.settle(None)
        if has_parts:
            self.expect()

    def settle(self, inside: Part | None) -> None:
        """What stands in this part, or in the page itself, can be seen from now on: send it."""
        if self._entries:
            for entry in self._entries:
                if entry.part is None and entry.inside is inside:
                    entry.sent = {}
            self._entries = self._writer.settle(self._entries, self.now_s())
            if self._is_live:
                self._writer.show(self._entries, self.now_s())

    def expect(self) -> None:
        """More is to come: from now on, the page shows if nothing does."""
        if self._is_live and not self._news.is_on:
            self._put(self.style("notice") + self._news.pulse(self.now_s()))

    def leave_part(self, part: Part) -> str:
        """A part is done: what stands in its place goes. Return what is put before its content."""
        self._entries = [entry for entry in self._entries if entry.part is not part]
        return self._writer.leave_part(part)

    def fail(self) -> None:
        """The page function has failed, and with it what it has not completed."""
        for entry in self._entries:
            if entry.outcome != "done" and entry.part is None:
                entry.outcome = "failed"
                entry.ended_s = entry.ended_s or self.now_s()
        self.before_write()
        if self._is_live:
            self._writer.show(self._entries, self.now_s())
        self.stop()

    def close(self) -> None:
        """The page is complete."""
        self.stop()
        for entry in self._entries:
            entry.close()
        self._writer.settle(self._entries, self.now_s())
        self._entries = []
        self._put(self._news.end())

    def stop(self) -> None:
        """Send nothing more by itself."""
        self._is_live = False
        self._cancel()

    def news(self) -> str:
        """Return what shows that the stream goes on, if that is to be shown now."""
        return self._news.pulse(self.now_s()) if self._news.is_on else ""

    def _add(self, entry: Entry) -> None:
        if entry not in self._entries:
            self._entries.append(entry)

    def _tick(self) -> None:
        now_s = self.now_s()
        can_put = self._outbox.is_empty and not self._sheet.is_cut
        if can_put:
            self._writer.show(self._entries, now_s)
        self._cancel()
        if not can_put or any(entry.is_running for entry in self._entries):
            self._schedule(self._interval_s(now_s))

    def _schedule(self, delay_s: float) -> None:
        if self._is_live:
            self._cancel()
            self.due_s = self.now_s() + delay_s
            self._timer = self._clock.call_at(self.due_s, self._tick)

    def _cancel(self) -> None:
        self.due_s = math.inf
        if self._timer is not None:
            self._timer.cancel()

    def _interval_s(self, now_s: float) -> float:
        starts = [entry.started_s or now_s for entry in self._entries if entry.is_running]
        share_s = (now_s - min(starts, default=now_s)) * PROGRESS_INTERVAL_SHARE
        return max(self._interval_min_s, min(share_s, PROGRESS_INTERVAL_MAX_S))

    def _put(self, text: str) -> None:
        if text:
            self._outbox.put(text)

    def _call(self, function: Callable[..., object], argument: object) -> None:
        """Call in the loop of the page."""
        if asyncio._get_running_loop() is self._loop:
            function(argument)
        elif not self._loop.is_closed():
            self._loop.call_soon_threadsafe(function, argument)


class _Start:
    """An entry of sync code, among its pieces: starts when the ones before are written."""

    __slots__ = ("_board", "_entry")

    def __init__(self, board: Board, entry: Entry) -> None:
        self._board: Final = board
        self._entry: Final = entry

    def __html__(self) -> str:
        self._board.start_here(self._entry)
        return ""
