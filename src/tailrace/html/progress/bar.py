"""`Progress`: a bar that counts a loop, or what it is told."""

from __future__ import annotations

import math
import re
import threading
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Iterator, Mapping, Sized
from contextlib import suppress
from typing import Any, Final, Generic, TypeVar

from tailrace.html.limits import (
    LOG_LINE_CHARS_MAX,
    LOG_LINES_MAX,
    STATUS_INTERVAL_S,
    STATUS_UNKNOWN_INTERVAL_S,
)
from tailrace.html.progress.entry import EntryBoard
from tailrace.html.progress.loops import Counted, Rows, iterate, refuse_in_loop
from tailrace.html.progress.pace import Pace
from tailrace.html.progress.words import duration, number, time_left
from tailrace.html.safe import escape
from tailrace.html.threads import raise_if_stopped

T = TypeVar("T")

_ROUNDING: Final = 1e-9
"""The share by which a sum of floats may be off: 0.1 ten times is less than 1.0."""


class Progress(Counted, Generic[T]):
    """A bar of a page: a loop over it counts, or else `advance` does.

    In markup it is its place. Otherwise it stands where the page function is when it starts, or in
    the place of the part that starts it.
    """

    __slots__ = (
        "_due_s",
        "_lines",
        "_lock",
        "_pace",
        "_rows",
        "_status",
        "cancel",
        "label",
        "total",
    )

    def __init__(
        self,
        board: EntryBoard,
        rows: Any,
        total: float | None,
        label: str,
        cancel: str | None,
    ) -> None:
        super().__init__(board)
        if total is None and isinstance(rows, Sized):
            # Arrays and loaders of data have a __len__ that raises, as that of a huge range does.
            with suppress(TypeError, NotImplementedError, OverflowError):
                total = len(rows)
        if total is not None and not math.isfinite(total):
            total = None
        if total is not None and total < 0:
            raise ValueError(f"total is {total}: it is at least 0, or None if it is not known")
        if cancel is not None and _runs_script(cancel):
            raise ValueError(f"cancel is the address of a page, not {cancel!r}")
        self._rows = rows
        self.count = 0
        self.total = total
        """How much there is to do; None if that is not known."""
        self.label = label
        """What it is about."""
        self.cancel = cancel
        """The address that the Cancel link leads to."""
        self._lock: Final = threading.Lock()
        self._lines: deque[str] = deque(maxlen=LOG_LINES_MAX)
        self._pace: Pace | None = None
        self._status = ""
        self._due_s = 0.0

    def advance(self, amount: float = 1) -> None:
        """Add to the count; in any thread.

        Raises:
            asyncio.CancelledError: it is called in sync code that is to stop.
            ValueError: the amount is NaN or infinite.
        """
        raise_if_stopped()
        if not math.isfinite(amount):
            raise ValueError(f"amount is {amount}: it is a number that can be added to a count")
        self.start()
        with self._lock:
            self.count += amount

    @property
    def is_complete(self) -> bool:
        """Whether all of the total is done."""
        return self.total is not None and self.count >= self.total * (1 - _ROUNDING)

    def log(self, line: object) -> None:
        """Add a line to the log. The last `LOG_LINES_MAX` are shown."""
        self._lines.append(str(line)[:LOG_LINE_CHARS_MAX])

    def __aiter__(self) -> AsyncIterator[T]:
        return Rows(self, self._board, self._taken())

    def __iter__(self) -> Iterator[T]:
        refuse_in_loop("progress")
        rows = self._taken()
        if isinstance(rows, AsyncIterable):
            raise TypeError(f"{type(rows).__name__} is async; write: async for … in page.progress")
        return iterate(self, rows)

    def _taken(self) -> Any:
        rows, self._rows = self._rows, None
        if rows is None:
            raise TypeError(
                "nothing to iterate over: page.progress got no rows, or a loop had them"
            )
        return rows

    def areas(self, now_s: float, words: Mapping[str, str]) -> dict[str, str]:
        """Return the markup of its areas."""
        total = self._credible_total()
        if self._pace is None:
            self._pace = Pace(self.count, now_s)
        self._pace.note(self.count, now_s)
        numbers = self._numbers(total, words)
        self._set_status(total, numbers, now_s, words)
        areas = {
            "": self._bar(total),
            "t": escape(" · ".join(numbers)),
            "l": self._log(),
            "s": escape(self._status),
        }
        if self.cancel is not None and self._board.stops_on_leave:
            areas["c"] = self._cancel(self.cancel, words)
        return areas

    def _credible_total(self) -> float | None:
        """The total, unless the count is not a share of it, or one of them is no number."""
        total = self.total
        if total is None or not math.isfinite(total):
            return None
        return total if 0 <= self.count <= total * (1 + _ROUNDING) else None

    def _percent(self, total: float) -> int:
        return min(100, int(self.count * 100 / total * (1 + _ROUNDING)))

    def _bar(self, total: float | None) -> str:
        if self.outcome == "done":
            state = ' value="1"'
        elif total is not None:
            state = f' max="{total or 1}" value="{min(self.count, total)}"'
        elif self.outcome:  # without a value it would go on moving
            return f"<b>{escape(str(self.label))}</b>"
        else:
            state = ""
        name = "<b>{}</b> " if self.label else "{}"
        return f"<label>{name.format(escape(str(self.label)))}<progress{state}></progress></label>"

    def _numbers(self, total: float | None, words: Mapping[str, str]) -> list[str]:
        text = number(self.count, words)
        if total is not None:
            text = words["of"].format(count=text, total=number(total, words))
        if self.ended_s is not None:
            assert self.started_s is not None, "it started before it ended"
            if self.outcome != "done":
                text = words[self.outcome].format(count=text)
            took = duration(self.ended_s - self.started_s, words)
            return [text, words["took"].format(time=took)]
        texts = [text]
        if total:
            texts.append(words["percent"].format(percent=self._percent(total)))
            assert self._pace is not None, "areas has set it"
            left_s = self._pace.left_s(total)
            if left_s is not None:
                texts.append(words["left"].format(time=time_left(left_s, words)))
        return texts

    def _set_status(
        self, total: float | None, numbers: list[str], now_s: float, words: Mapping[str, str]
    ) -> None:
        if self.ended_s is None and now_s < self._due_s:
            return
        status = ", ".join(numbers) if self.ended_s is not None or not total else ""
        if not status and total:
            status = words["percent"].format(percent=self._percent(total) // 10 * 10)
        if self.label:
            status = f"{self.label}: {status}"
        if status != self._status:
            self._status = status
            self._due_s = now_s + (STATUS_INTERVAL_S if total else STATUS_UNKNOWN_INTERVAL_S)

    def _log(self) -> str:
        if not self._lines:
            return ""
        lines = "".join([f"<li>{escape(line)}" for line in self._lines.copy()])
        return f'<ul class="tailrace-log">{lines}</ul>'

    def _cancel(self, address: str, words: Mapping[str, str]) -> str:
        if self.outcome:
            return ""
        return f'<p><a href="{escape(address)}">{escape(words["cancel"])}</a></p>'


def _runs_script(address: str) -> bool:
    """Whether an address has a scheme, and another one than a page has.

    Browsers leave out spaces and control characters (WHATWG URL, read 2026-11).
    """
    scheme = re.match(r"([a-z][a-z0-9+.-]*):", re.sub(r"[\0- ]", "", address), re.IGNORECASE)
    return scheme is not None and scheme[1].lower() not in ("http", "https")
