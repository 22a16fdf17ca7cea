"""`Steps`: a list of what is done, what goes on, and what comes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Final

from tailrace.html.limits import STATUS_INTERVAL_S
from tailrace.html.progress.entry import EntryBoard
from tailrace.html.progress.loops import Counted, Rows, iterate, refuse_in_loop
from tailrace.html.safe import escape


class Steps(Counted):
    """Steps of a page, one after the other: a loop over it, or `next`, goes from one to the next.

    It stands where a bar would. `count` is the number of steps that are done.
    """

    __slots__ = ("_due_s", "_status", "names")

    def __init__(self, board: EntryBoard, names: Sequence[str]) -> None:
        super().__init__(board)
        if not names:
            raise ValueError("there are no steps")
        self.names: Final = tuple([str(name) for name in names])
        self.count = 0
        self._status = ""
        self._due_s = 0.0

    def next(self) -> None:
        """The current step is done; start the next one, if there is one."""
        self.start()
        self.count = min(self.count + 1, len(self.names))

    def __aiter__(self) -> AsyncIterator[str]:
        return Rows(self, self._board, self.names)

    def __iter__(self) -> Iterator[str]:
        refuse_in_loop("steps")
        return iterate(self, self.names)

    def end(self, outcome: str) -> None:
        """End; the current step is done, or has stopped or failed."""
        if outcome == "done" and self.ended_s is None:
            self.next()
        super().end(outcome)

    def areas(self, now_s: float, words: Mapping[str, str]) -> dict[str, str]:
        """Return the markup of its areas."""
        items = [self._item(at, words) for at in range(len(self.names))]
        if now_s >= self._due_s or self.outcome:
            at = min(int(self.count), len(self.names) - 1)
            state = self._state(at)
            status = f"{self.names[at]}: {words[f'step-{state}']}" if state else ""
            if status != self._status:
                self._status = status
                self._due_s = now_s + STATUS_INTERVAL_S
        steps = f'<ol class="tailrace-steps">{"".join(items)}</ol>'
        return {"": steps, "s": escape(self._status)}

    def _item(self, at: int, words: Mapping[str, str]) -> str:
        state = self._state(at)
        current = ' aria-current="step"' if state == "current" else ""
        word = f" <small>{escape(words[f'step-{state}'])}</small>" if state else ""
        return f'<li class="tailrace-{state or "pending"}"{current}>{escape(self.names[at])}{word}'

    def _state(self, at: int) -> str:
        """The state of a step: done, current, failed, stopped; empty if it has not started."""
        if at < self.count:
            return "done"
        if at > self.count or self.started_s is None or self.outcome == "done":
            return ""
        return self.outcome or "current"
