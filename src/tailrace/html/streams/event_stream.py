"""What the function of an event stream gets."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Final

from tailrace.html.reply import Reply
from tailrace.html.streams.server_event import DONE_ID, FAILED_ID, ServerEvent, is_legal_id

if TYPE_CHECKING:
    from tailrace.function.request import Request
    from tailrace.function.way import ResponseWay

_DONE: Final = ServerEvent({}, name="done")


class EventStream(Reply):
    """One response with server-sent events."""

    def __init__(self, request: Request, way: ResponseWay) -> None:
        super().__init__(request, way, "text/event-stream")
        self.final: ServerEvent | None = _DONE
        """The event that ends the stream, with which clients do not reconnect; the function may set
        another. With None there is none: the client reconnects, and goes on behind its last id."""

    @cached_property
    def last_event_id(self) -> str | None:
        """The id of the last event that the client has got; None if it begins.

        It is in the header `Last-Event-ID`, or else, for clients that cannot set headers, in the
        field `lastEventId` of the query. An id that no event can have is ignored.
        """
        text = self.request.headers.get("last-event-id") or self.query.get("lastEventId") or ""
        return text if text and is_legal_id(text) else None

    @property
    def has_ended(self) -> bool:
        """Whether the client has had the last event already."""
        return self.last_event_id in (DONE_ID, FAILED_ID)
