"""A page whose parts are sent in its order, each where its place is."""

from __future__ import annotations

import os
import re
from collections import deque
from typing import TYPE_CHECKING, Final

from tailrace.html.page_outbox import PageOutbox

if TYPE_CHECKING:
    from tailrace.html.part import Part


class OrderedOutbox(PageOutbox):
    """Pieces of a page and of its parts; what stands behind a part waits until it is done.

    A place is a token that no content can contain, since it is random. Parts that are done wait in
    memory until those before them are.
    """

    def __init__(self) -> None:
        super().__init__()
        self._behind: Final[deque[str | Part]] = deque()  # the first one is a part
        self._token: Final = os.urandom(16).hex()
        self._place: Final = re.compile(f"<\\?part {self._token} (p[0-9]+)>")

    @property
    def waits_for(self) -> Part | None:
        """The part that all the rest waits for."""
        part = self._behind[0] if self._behind else None
        assert not isinstance(part, str), "text before the first part is not behind it"
        return part

    def has_place(self, text: str) -> bool:
        """Whether a text has places of parts."""
        return self._token in text

    def put_page(self, piece: str) -> None:
        """Add a piece of the page, with places of parts."""
        self._behind.extend(self._split(piece))
        self._advance()

    def put_end(self) -> None:
        """Do nothing: the end of the page stands behind all."""

    def finish(self, part: Part) -> None:
        """A part is done: it is put when it comes next."""
        self._advance()

    async def wait_part_room(self) -> None:
        """Return: a part cannot wait for room, because one before it may not have begun."""

    def _place_of(self, name: str, placeholder: str) -> str:
        return f"<?part {self._token} {name}>"

    def _advance(self) -> None:
        behind = self._behind
        while behind:
            item = behind[0]
            if isinstance(item, str):
                self._pieces.append(item)
                self._arrived.set()
                behind.popleft()
            elif item.text is not None:
                before = self.progress.leave_part(item)
                behind.popleft()
                behind.extendleft(reversed(self._split(before + item.text)))
                item.text = ""
                self._open -= 1
            else:
                break
        self._check_all()

    def _split(self, text: str) -> list[str | Part]:
        """Cut a text at its places."""
        if not self._parts:
            self._add(len(text))
            return [text] if text else []
        items: list[str | Part] = []
        for at, piece in enumerate(self._place.split(text)):
            item = self._claim(piece) if at % 2 else piece
            if item:
                items.append(item)
            if isinstance(item, str):
                self._add(len(item))
        return items
