"""What a page function gets: the request, the head of the response, parts and progress."""

from __future__ import annotations

import os
from collections.abc import AsyncIterable, Iterable
from typing import TYPE_CHECKING, Any, Final, TypeVar, overload

from tailrace.html.content import drop, text_now
from tailrace.html.limits import PARTS_AT_ONCE_MAX
from tailrace.html.part import Part, check_options, is_function
from tailrace.html.progress.bar import Progress
from tailrace.html.progress.steps import Steps
from tailrace.html.progress.words import WORDS
from tailrace.html.reply import Reply
from tailrace.html.safe import Html
from tailrace.html.syntax import fault_of
from tailrace.html.template import TemplateContent, check_template
from tailrace.html.threads import call_in_loop
from tailrace.net.clock import LoopClock

if TYPE_CHECKING:
    from tailrace.function.request import Request
    from tailrace.function.way import ResponseWay
    from tailrace.html.part_set import PartSet
    from tailrace.html.progress.board import Board
    from tailrace.net.clock import TimerClock

T = TypeVar("T")

MISSING: Final = Html("<em>This part is not available.</em>")
"""The fallback of a part that names none."""
_NOT_BEGUN: Final = "a page has parts and progress while its endpoint serves it; call that"


class Page(Reply):
    """One page that is being made; the argument of a page function."""

    def __init__(
        self,
        request: Request,
        way: ResponseWay,
        *,
        is_in_order: bool = False,
        parts_at_once: int = PARTS_AT_ONCE_MAX,
    ) -> None:
        super().__init__(request, way, "text/html; charset=utf-8")
        self.is_in_order: Final = is_in_order or not way.streams
        """Parts are made at once, too, but sent in the order of the page, without placeholders."""
        self.parts_at_once: Final = parts_at_once
        self.nonce: Final = os.urandom(16).hex()
        """The nonce of this response's own script and style, for its content security policy."""
        self.words: Final = dict(WORDS)
        """The texts of bars, steps and the notice of a broken stream; they can be replaced."""
        self.clock: TimerClock = LoopClock()
        """The clock of progress."""
        self._parts: PartSet | None = None
        self._board: Board | None = None

    def begin(self, parts: PartSet, board: Board) -> None:
        """Begin to be rendered: from now on there may be parts and progress."""
        self._parts = parts
        self._board = board

    @property
    def style(self) -> Html:
        """The style of progress, for the head; otherwise it stands before what needs it first."""
        return Html(self._shown.style())

    @property
    def _shown(self) -> Board:
        if self._board is None:
            raise RuntimeError(_NOT_BEGUN)
        return self._board

    @overload
    def progress(
        self,
        rows: Iterable[T] | AsyncIterable[T],
        *,
        total: float | None = ...,
        label: str = ...,
        cancel: str | None = ...,
    ) -> Progress[T]: ...
    @overload
    def progress(
        self,
        rows: None = ...,
        *,
        total: float | None = ...,
        label: str = ...,
        cancel: str | None = ...,
    ) -> Progress[Any]: ...

    def progress(
        self,
        rows: Iterable[T] | AsyncIterable[T] | None = None,
        *,
        total: float | None = None,
        label: str = "",
        cancel: str | None = None,
    ) -> Progress[Any]:
        """Return a bar that counts a loop over rows; without rows, `advance` counts.

        `total` is the number of rows, if they have no length. `cancel` is an address that a link
        "Cancel" leads to, if the job stops when its page is left; otherwise there is no link.

        Raises:
            ValueError: `total` is negative, or `cancel` an address that runs a script.
        """
        return Progress(self._shown, rows, total, label, cancel)

    def steps(self, names: Iterable[str]) -> Steps:
        """Return a list of steps, of which one is the current one.

        Raises:
            ValueError: there are no steps.
        """
        return Steps(self._shown, tuple(names))

    def template(self, template: Any, /, **context: Any) -> TemplateContent:
        """Return the content that a template of Jinja2 makes: rendered piece by piece while it is
        sent. The template also gets `page`.

        In an environment with `enable_async`, Jinja2 awaits coroutines where they are called: give
        a part its function and arguments, `{{ page.part(sales, region) }}`.

        Raises:
            TypeError: it is no template of Jinja2.
            ValueError: its environment does not escape what the template shows.
        """
        check_template(template)
        return TemplateContent(template, {"page": self} | context)

    def part(
        self,
        source: Any,
        /,
        *args: Any,
        placeholder: Any = "",
        timeout_s: float | None = None,
        fallback: Any = MISSING,
    ) -> Html:
        """Begin to make a part of the page, and return the markup of its place.

        The page does not wait for it. When it is done, it is sent into its place, in whichever
        order parts get done. `source` is a content, a coroutine or another awaitable of one, or a
        function that is called with `args` and returns or yields one, async or not; one that is not
        async runs in a thread. A part may have parts, which end with it if it fails.

        If it raises, or is not done `timeout_s` seconds from now, `fallback` is shown, a content or
        a function that is called with the exception and returns one. The exception is logged.
        `placeholder` is a content that waits for nothing, without parts.

        Raises:
            RuntimeError: the page has ended, or this is a thread that does not belong to it.
            TypeError: the placeholder has to be awaited, the fallback is a coroutine, or `args` are
                given to a source that is no function.
            ValueError: `timeout_s` is not positive, or the placeholder has parts or would take in
                what follows it.
        """
        return call_in_loop(lambda: self._part(source, args, placeholder, timeout_s, fallback))

    def _part(
        self,
        source: Any,
        args: tuple[Any, ...],
        placeholder: Any,
        timeout_s: float | None,
        fallback: Any,
    ) -> Html:
        try:
            if self._parts is None:
                raise RuntimeError(_NOT_BEGUN)
            check_options(timeout_s, fallback)
            shown = text_now(placeholder)
            if self._parts.outbox.has_place(shown):
                raise ValueError("a placeholder has no parts; put page.part beside it")
            if fault := fault_of(shown):
                raise ValueError(f"a placeholder would take in what follows it; {fault}")
            if args and not is_function(source):
                raise TypeError(
                    f"only a function gets arguments, and {type(source).__name__} is none; give"
                    " page.part the function and its arguments, without calling it"
                )
        except Exception:
            drop(source)
            raise
        part = Part(self._parts.new_name(), source, args, timeout_s, fallback)
        self._parts.start(part)
        return Html(self._parts.outbox.place(part, shown))
