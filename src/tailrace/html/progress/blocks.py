"""Progress on a page in order: one block after the other, of which the style shows the last.

Blocks stand where the page function is, or where it waits for a part that has progress. When more
is written, a last block shows what has ended there, or nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from tailrace.html.part import current_part

if TYPE_CHECKING:
    from tailrace.html.part import Part
    from tailrace.html.progress.entry import Entry
    from tailrace.html.progress.sheet import Sheet


class Blocks:
    """Sends what has changed, as a block."""

    def __init__(
        self, sheet: Sheet, words: Mapping[str, str], count_max: int, style: Callable[[], str]
    ) -> None:
        self._sheet: Final = sheet
        self._style: Final = style
        self._words: Final = words
        self.is_open = False
        self._last = ""
        self._count_max: Final = count_max
        self._count = 0

    def place(self, entry: Entry, now_s: float) -> str:
        """Return how far an entry is, if it has ended; otherwise it stands where it runs."""
        if not entry.outcome:
            return ""
        entry.is_placed = True
        return entry.block(now_s, self._words, has_places=False)

    def start(self, entry: Entry, entries: list[Entry], now_s: float) -> None:
        """Show an entry that has started, if the page is where it stands."""
        entry.part = current_part.get()
        self.show(entries, now_s)

    def show(self, entries: list[Entry], now_s: float) -> None:
        """Send a block, if something has changed where the page is."""
        here = [entry for entry in entries if entry.part is self._sheet.waits_for]
        text = self._text(here, now_s)
        if text and text != self._last and self._count < self._count_max:
            self._count += 1
            self._put(text)

    def before_write(self, entries: list[Entry], now_s: float) -> list[Entry]:
        """Send the ends, and return the other entries."""
        ended = [entry for entry in entries if entry.outcome and entry.part is None]
        text = self._text(ended, now_s)
        if self.is_open and self._sheet.waits_for is None:
            self._put(text)
            self._sheet.outbox.put(self._end())
        elif text:
            self._sheet.outbox.put_page(self._style() + text)
        return [entry for entry in entries if entry not in ended]

    def leave_part(self, part: Part) -> str:
        """Return what stands before the content of a part: a last block, which is empty."""
        if not self.is_open or self._sheet.waits_for is not part:
            return ""
        return f"<div></div>{self._end()}"

    def settle(self, entries: list[Entry], now_s: float) -> list[Entry]:
        """Do as `before_write`."""
        return self.before_write(entries, now_s)

    def _text(self, entries: list[Entry], now_s: float) -> str:
        return "".join([e.block(now_s, self._words, has_places=False) for e in entries])

    def _end(self) -> str:
        self.is_open = False
        self._last = ""
        return "</div>"

    def _put(self, text: str) -> None:
        start = "" if self.is_open else '<div class="tailrace-live">'
        self.is_open = True
        self._last = text
        self._sheet.outbox.put(f"{start}<div>{text}</div>")
