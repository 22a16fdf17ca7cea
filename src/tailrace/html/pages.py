"""What a page function gets: the request, the head of the response, parts and progress."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterable, Callable, Iterable
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, TypeVar

from tailrace.html import fill
from tailrace.html.part import Part
from tailrace.html.progress.bar import Progress
from tailrace.html.progress.steps import Steps
from tailrace.html.progress.words import WORDS
from tailrace.html.reply import Reply
from tailrace.html.safe import Html, markup
from tailrace.html.threads import call_in_loop
from tailrace.net.clock import LoopClock

if TYPE_CHECKING:
    from tailrace.function.request import Request
    from tailrace.function.way import ResponseWay
    from tailrace.html.progress.board import Board
    from tailrace.net.clock import TimerClock

T = TypeVar("T")

MISSING: Final = Html("<em>This part is not available.</em>")
"""The fallback of a part that names none."""


class Page(Reply):
    """One page that is being made; the argument of a page function."""

    def __init__(self, request: Request, way: ResponseWay, *, is_in_order: bool = False) -> None:
        super().__init__(request, way, "text/html; charset=utf-8")
        self.is_in_order: Final = is_in_order or not way.streams
        """Parts are made at once, too, but sent in the order of the page, without placeholders."""
        self.parts: Final[dict[str, Part]] = {}
        self.words: Final = dict(WORDS)
        """The texts of bars, steps and the notice of a broken stream; they can be replaced."""
        self.clock: TimerClock = LoopClock()
        """The clock of progress."""
        self._board: Board | None = None  # while it is rendered
        self._start: Callable[[Part], None] | None = None  # set while it is rendered

    @cached_property
    def nonce(self) -> str:
        """The nonce of this response's own script and style, for its content security policy."""
        return os.urandom(16).hex()

    @property
    def style(self) -> Html:
        """The style of progress, for the head; otherwise it stands before what needs it first."""
        return Html(self._shown.style())

    @property
    def _shown(self) -> Board:
        assert self._board is not None, "a page function runs"
        return self._board

    def progress(
        self,
        rows: Iterable[T] | AsyncIterable[T] | None = None,
        *,
        total: float | None = None,
        label: str = "",
        cancel: str | None = None,
    ) -> Progress[T]:
        """Return a bar that counts a loop over rows; without rows, `advance` counts.

        `total` is the number of rows, if they have no length. `cancel` is an address that a link
        "Cancel" leads to, if the job stops when its page is left; otherwise there is no link.

        Raises:
            ValueError: `total` is negative.
        """
        return Progress(self._shown, rows, total, label, cancel)

    def steps(self, names: Iterable[str]) -> Steps:
        """Return a list of steps, of which one is the current one.

        Raises:
            ValueError: there are no steps.
        """
        return Steps(self._shown, tuple(names))

    def part(
        self,
        source: Any,
        *,
        placeholder: Any = "",
        timeout_s: float | None = None,
        fallback: Any = MISSING,
    ) -> Html:
        """Begin to make a part of the page, and return the markup of its place.

        The page does not wait for it. When it is done, it is sent into its place, in whichever
        order parts get done. `source` is a coroutine, or another awaitable, of a content, or a
        function that returns one, async or not; one that is not async runs in a thread. A part may
        have parts.

        If it raises, or is not done `timeout_s` seconds from now, `fallback` is shown, a content or
        a function that is called with the exception and returns one. The exception is logged.
        """
        return call_in_loop(lambda: self._part(source, placeholder, timeout_s, fallback))

    def _part(self, source: Any, placeholder: Any, timeout_s: float | None, fallback: Any) -> Html:
        part = Part(f"p{len(self.parts) + 1}", source, placeholder, timeout_s, fallback)
        self.parts[part.name] = part
        assert self._start is not None, "a page function runs"
        self._start(part)
        if self.is_in_order:
            return Html(f"<?part {self.nonce} {part.name}>")
        return Html(fill.place(part.name, markup(placeholder)))

    @cached_property
    def place_pattern(self) -> re.Pattern[str]:
        """Matches the place of a part in a page that is sent in order."""
        return re.compile(f"<\\?part {re.escape(self.nonce)} (p[0-9]+)>")
