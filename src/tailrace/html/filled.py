"""A page whose parts are sent behind it, in the order in which they get done."""

from __future__ import annotations

import re
from collections import deque
from typing import TYPE_CHECKING, Final

from tailrace.html import fill
from tailrace.html.page_outbox import PageOutbox

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tailrace.html.part import Part

_END_CHARS_MAX: Final = 200
_RECENT_CHARS: Final = 4096
_END: Final = re.compile(r"(?:</body\s*>\s*)?(?:</html\s*>\s*)?\Z", re.IGNORECASE)


class FilledOutbox(PageOutbox):
    """Pieces of a page, then fills.

    A part is filled in when the page function has ended, and its place has been sent: a browser
    looks for the place when it reads the fill. Parts that are done wait in memory until then.
    """

    def __init__(self, nonce: str, headers: Mapping[str, str]) -> None:
        super().__init__()
        self._nonce: Final = nonce
        self._headers: Final = headers
        self._ready: Final[deque[Part]] = deque()
        self._end = ""
        self._recent = ""
        self._has_script = False

    def has_place(self, text: str) -> bool:
        """Whether a text has places of parts."""
        return bool(fill.places(text))

    def put_page(self, piece: str) -> None:
        """Add a piece of the page. The end tags of body and html stay behind all fills."""
        piece = self._end + piece
        found = _END.search(piece, max(0, len(piece) - _END_CHARS_MAX))
        assert found is not None, "the pattern matches nothing as well"
        self._end = found[0]
        piece = piece[: found.start()]
        self._recent = (self._recent + piece)[-_RECENT_CHARS:]
        self._put(piece)

    def put_end(self) -> None:
        """Add the end tags of body and html."""
        self.put(self._end)

    def send_fill(self, name: str, text: str) -> None:
        """Fill a place with a content without places of parts, now."""
        self.put(self._before_fill() + fill.fill(name, text))

    def finish(self, part: Part) -> None:
        """A part is done: it is put when its place has been sent."""
        self.progress.leave_part(part)
        if part.is_placed:
            self._ready.append(part)
            self._advance()

    async def wait_part_room(self) -> None:
        """Wait until the client has taken enough."""
        if self.is_shell_done:
            await self.wait_room()

    def _place_of(self, name: str, placeholder: str) -> str:
        return fill.place(name, placeholder)

    def _advance(self) -> None:
        while self._ready and self.is_shell_done:
            part = self._ready.popleft()
            text, part.text = part.text or "", ""
            self._open -= 1
            self._put(self._before_fill() + fill.fill(part.name, text))
            self.progress.settle(part)
        self._check_all()

    def _put(self, text: str) -> None:
        self.put(text)
        if not self._parts:
            return
        for name in fill.places(text):
            part = self._claim(name)
            if part is not None and part.text is not None:
                self._ready.append(part)

    def _before_fill(self) -> str:
        """What stands before a fill: what it needs, if that is not there yet."""
        text = ""
        if self.is_shell_done and self._recent:
            text, self._recent = fill.closing(self._recent), ""
        if not self._has_script:
            self._has_script = True
            policy = self._headers.get("content-security-policy", "")
            text += fill.script(self._nonce, policy)
        return text
