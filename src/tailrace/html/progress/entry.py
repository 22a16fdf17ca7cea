"""What a board shows: the state of a bar or of steps, and its markup by areas."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Final, Protocol, Self

from tailrace.html import fill
from tailrace.html.safe import Html

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tailrace.html.part import Part

AREAS: Final = {
    "": "{}",
    "t": ' <span class="tailrace-numbers">{}</span>',
    "l": "{}",
    "c": "{}",
    "s": '<p class="tailrace-status" role="status">{}</p>',
}
"""The areas that an entry may have, which change apart: bar or steps, numbers, log, cancel, and
what a screen reader reads out. Each in what stays around it."""


class EntryBoard(Protocol):
    """What an entry needs of its board."""

    due_s: float

    @property
    def stops_on_leave(self) -> bool:
        """Whether a job stops when its page is left."""

    def now_s(self) -> float:
        """Return the time of the board's clock."""

    def new_name(self) -> str:
        """Return a name for places."""

    def place(self, entry: Entry) -> str:
        """Return the markup of an entry: where it stands from now on, or as it is now."""

    def start(self, entry: Entry) -> None:
        """Show an entry that has started."""

    def end(self, entry: Entry) -> None:
        """Show how an entry has ended."""

    async def turn(self) -> None:
        """Send what is due, and let the other tasks of the loop go on."""

    async def wait_room(self) -> None:
        """Wait until there is room for another entry."""


class Entry(ABC):
    """One bar, or one list of steps."""

    __slots__ = (
        "_board",
        "ended_s",
        "inside",
        "is_placed",
        "name",
        "outcome",
        "part",
        "sent",
        "started_s",
        "writes",
    )

    def __init__(self, board: EntryBoard) -> None:
        self._board: Final = board
        self.name: Final = board.new_name()
        self.part: Part | None = None
        """The part that has started it: without a place of its own, it stands in that one's."""
        self.inside: Part | None = None
        """The part in whose content its place is."""
        self.is_placed = False
        """Its markup is in the page."""
        self.started_s: float | None = None
        self.ended_s: float | None = None
        self.outcome = ""
        """How it ended: done, stopped or failed."""
        self.sent: dict[str, str] = {}
        """The contents of its areas, as they have been sent."""
        self.writes = 0
        """What the page function had written when it was placed."""

    @property
    def is_running(self) -> bool:
        """Whether it has started and not ended."""
        return self.started_s is not None and self.ended_s is None

    def __html__(self) -> Html:
        """Its place: it stands there from now on. Later ones show how far it was."""
        return Html(self._board.place(self))

    def start(self) -> None:
        """Start, unless it has."""
        if self.started_s is None:
            self.started_s = self._board.now_s()
            self._board.start(self)

    def end(self, outcome: str) -> None:
        """End, unless it has; what has stopped may be found to have failed."""
        if self.ended_s is None or (self.outcome, outcome) == ("stopped", "failed"):
            self.start()
            self.ended_s = self._board.now_s()
            self.outcome = outcome
            self._board.end(self)

    def close(self) -> None:
        """The page is complete, and so is this, if it has not ended."""
        if self.ended_s is None:
            self.ended_s = self._board.now_s()
            self.started_s = self.started_s or self.ended_s
            self.outcome = "done" if self.is_complete else "stopped"

    @property
    def is_complete(self) -> bool:
        """Whether there is nothing left to do."""
        return False

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: object) -> None:
        self.end(outcome_of(kind))

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: object, trace: object
    ) -> None:
        self.__exit__(kind, error, trace)

    @abstractmethod
    def areas(self, now_s: float, words: Mapping[str, str]) -> dict[str, str]:
        """Return the markup of its areas, by the keys of `AREAS`."""

    def changes(self, now_s: float, words: Mapping[str, str]) -> dict[str, str]:
        """Return the areas that are not as they have been sent, and take them as sent."""
        areas = self.areas(now_s, words)
        changed = {key: text for key, text in areas.items() if self.sent.get(key) != text}
        self.sent = areas
        return changed

    def block(self, now_s: float, words: Mapping[str, str], *, has_places: bool) -> str:
        """Return the markup of all areas, each in a place if it will be filled again."""
        self.sent = self.areas(now_s, words)
        texts = [
            around.format(fill.place(self.name + key, self.sent[key]))
            if has_places
            else around.format(self.sent[key])
            for key, around in AREAS.items()
            if key in self.sent and (has_places or self.sent[key])
        ]
        return f'<div class="tailrace-progress">{"".join(texts)}</div>'


def outcome_of(kind: type[BaseException] | None) -> str:
    """Return how something ended that was left with an exception of this type."""
    if kind is None:
        return "done"
    return "failed" if issubclass(kind, Exception) else "stopped"
