"""What progress is written on, and what shows it: the seams between the modules of this folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from tailrace.html.page_outbox import PageOutbox
    from tailrace.html.part import Part


class Sheet(Protocol):
    """What a board writes on: a rendering."""

    @property
    def outbox(self) -> PageOutbox:
        """Where pieces are put."""

    @property
    def is_shell_done(self) -> bool:
        """Whether the page function is done."""

    @property
    def is_cut(self) -> bool:
        """Whether nothing can be put now: a tag, a comment, a script … is not complete."""

    @property
    def waits_for(self) -> Part | None:
        """The part that all the rest of the page waits for, in order."""

    def send_fill(self, name: str, text: str) -> None:
        """Fill a place, now."""
