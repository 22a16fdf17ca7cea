"""A request that waits for an event: of a runtime, or of an extension."""

from __future__ import annotations

from tailrace.net.server.listener import Connection, Headers


class Poll:
    """Whoever asks waits for as long as it takes; one who leaves is no longer in the list."""

    __slots__ = ("_polls", "connection")

    def __init__(self, connection: Connection, polls: list[Poll]) -> None:
        self.connection = connection
        self._polls = polls
        polls.append(self)

    def on_body(self, data: bytes) -> None:
        """A GET has none."""

    def on_end(self, trailers: Headers) -> None:
        """The request is complete; its answer comes when there is an event."""

    def on_gone(self) -> None:
        """The connection was lost; who asked may ask again on another."""
        if self in self._polls:
            self._polls.remove(self)

    def on_pause(self) -> None:
        """An event is written at once, whatever its size."""

    def on_resume(self) -> None:
        """See `on_pause`."""
