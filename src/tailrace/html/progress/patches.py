"""Progress on a page whose places are filled: each area is updated where it stands.

An update is seen if its place is within the element that is open where it is written. That is
certain at the place itself and until the page function writes more, and at the end of the page.
Until one of these, an area keeps its place, and its end is sent again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from tailrace.html import fill
from tailrace.html.part import current_part

if TYPE_CHECKING:
    from tailrace.html.part import Part
    from tailrace.html.progress.entry import Entry
    from tailrace.html.progress.sheet import Sheet


class Patches:
    """Sends what has changed, area by area."""

    is_open: Final = False

    def __init__(self, sheet: Sheet, words: Mapping[str, str]) -> None:
        self._sheet: Final = sheet
        self._words: Final = words
        self._writes = 0

    def place(self, entry: Entry, now_s: float) -> str:
        """Return the place of an entry."""
        entry.is_placed = True
        entry.inside = current_part.get()
        entry.writes = -1
        return entry.block(now_s, self._words, has_places=True)

    def start(self, entry: Entry, entries: list[Entry], now_s: float) -> None:
        """Show an entry that has started, unless it has a place."""
        entry.part = current_part.get()
        if entry.part is None:
            entry.is_placed = True
            entry.writes = self._writes
            self._sheet.outbox.put(entry.block(now_s, self._words, has_places=True))
        else:
            self.show(entries, now_s)

    def show(self, entries: list[Entry], now_s: float) -> None:
        """Send what has changed."""
        parts: dict[Part, list[Entry]] = {}
        for entry in entries:
            if entry.part is not None and not entry.is_placed:
                parts.setdefault(entry.part, [])
        for entry in entries:
            if entry.part in parts:
                parts[entry.part].append(entry)
            elif self._is_visible(entry.part or entry.inside):
                for key, text in entry.changes(now_s, self._words).items():
                    name = entry.name + key
                    self._sheet.send_fill(name, fill.place(name, text))
        for part, members in parts.items():
            if self._is_visible(part):
                self._show_in_part(part, members, now_s)

    def before_write(self, entries: list[Entry], now_s: float) -> list[Entry]:
        """The page function writes more. Do as `settle`, before."""
        rest = self.settle(entries, now_s)
        self._writes += 1
        return rest

    def leave_part(self, part: Part) -> str:
        """Return what stands before the content of a part."""
        return ""

    def settle(self, entries: list[Entry], now_s: float) -> list[Entry]:
        """Send the ends that are certain to be seen; return the other entries."""
        return [entry for entry in entries if not self._settle(entry, now_s)]

    def _settle(self, entry: Entry, now_s: float) -> bool:
        """Send the end of an entry, if it has ended and that is certain to be seen."""
        if not entry.outcome or entry.part is not None:
            return False
        is_here = entry.writes == self._writes
        if not is_here and not (self._sheet.is_shell_done and self._is_visible(entry.inside)):
            return False
        entry.sent = entry.areas(now_s, self._words)
        for key, text in entry.sent.items():
            self._sheet.send_fill(entry.name + key, text)
        if is_here:
            self._show_without_fills(entry.name + "n", entry.sent["s"])
        return True

    def _show_without_fills(self, name: str, text: str) -> None:
        """Show an end where nothing is filled: other browsers take it away at once."""
        end = f'<noscript class="tailrace-end"><p>{text}</p></noscript>'
        self._sheet.outbox.put(fill.place(name, end))
        self._sheet.send_fill(name, "")

    def _is_visible(self, part: Part | None) -> bool:
        return part is None or (self._sheet.is_shell_done and part.is_placed)

    def _show_in_part(self, part: Part, entries: list[Entry], now_s: float) -> None:
        blocks = [entry.block(now_s, self._words, has_places=True) for entry in entries]
        for entry in entries:
            entry.is_placed = True
        self._sheet.send_fill(part.name, fill.place(part.name, "".join(blocks)))
