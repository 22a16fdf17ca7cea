"""What waits to be sent of a page, and which of its parts are still to come."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Final, Protocol

from tailrace.html.outbox import Outbox
from tailrace.html.syntax import TEXT_MARK_CHARS, text_element

if TYPE_CHECKING:
    from tailrace.html.part import Part


class PartProgress(Protocol):
    """What shows that parts are being made."""

    def leave_part(self, part: Part) -> str:
        """A part is done. Return what is put before its content."""

    def settle(self, inside: Part | None) -> None:
        """The content of a part has been put."""


class PageOutbox(Outbox, ABC):
    """Pieces of a page, and parts that have a place in them."""

    progress: PartProgress

    def __init__(self) -> None:
        super().__init__()
        self.is_cut = False
        """What has been taken ends within a tag, a comment, a script or the like: nothing can be
        inserted there."""
        self.is_shell_done = False
        """The page function has ended."""
        self._parts: Final[dict[str, Part]] = {}
        self._is_in_tag = False
        self._text_element = ""
        self._tail = ""
        self._open = 0  # parts that have a place and have not been put
        self._got_all: Final = asyncio.Event()

    @property
    def has_all(self) -> bool:
        """Whether the page function has ended, and all parts that have a place have been put."""
        return self.is_shell_done and not self._open

    @property
    def waits_for(self) -> Part | None:
        """The part that all the rest waits for."""
        return None

    @abstractmethod
    def has_place(self, text: str) -> bool:
        """Whether a text has places of parts."""

    @abstractmethod
    def finish(self, part: Part) -> None:
        """A part is done: put it where it belongs, when that is possible."""

    @abstractmethod
    def put_page(self, piece: str) -> None:
        """Add a piece of the page, with places of parts. `put` is for what has none, and adds it
        before the part that all the rest waits for."""

    @abstractmethod
    def put_end(self) -> None:
        """Add what stands at the end of a complete page."""

    @abstractmethod
    async def wait_part_room(self) -> None:
        """Wait until another part may be made."""

    def place(self, part: Part, placeholder: str) -> str:
        """Return the place of a part."""
        self._parts[part.name] = part
        return self._place_of(part.name, placeholder)

    def end_shell(self) -> None:
        """The page function has ended."""
        self.is_shell_done = True
        self._advance()

    async def wait_parts(self) -> None:
        """Wait until all has been put."""
        await self._got_all.wait()

    def _pop(self) -> str:
        text = super()._pop()
        at = text.rfind("<")
        if at >= 0:
            self._is_in_tag = ">" not in text[at:]
        elif self._is_in_tag:
            self._is_in_tag = ">" not in text
        if not self.is_shell_done or self._text_element:  # parts are whole
            text_behind = self._tail + text
            self._text_element = text_element(text_behind, self._text_element)
            self._tail = text_behind[-TEXT_MARK_CHARS:]
        self.is_cut = self._is_in_tag or bool(self._text_element)
        return text

    @abstractmethod
    def _place_of(self, name: str, placeholder: str) -> str:
        """Return the markup of a place."""

    @abstractmethod
    def _advance(self) -> None:
        """Put the parts that can be put."""

    def _claim(self, name: str) -> Part | None:
        """Return the part whose place has been found; None if there is none, or it has one."""
        part = self._parts.get(name)
        if part is None or not part.claim_place():
            return None
        self._open += 1
        return part

    def _check_all(self) -> None:
        if self.has_all:
            self._got_all.set()
