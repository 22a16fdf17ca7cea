"""Readers of a response's bytes: over HTTP, and in the event stream of AWS's SDK."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any, Final

from tests.e2e.client import Client
from tests.e2e.gate import WAIT_S
from tests.fakes import Broken
from tests.kits.seen import BROKEN, COMPLETE, Ending

DELIMITER: Final = b"\0" * 8


class HttpReader:
    """A raw client's, byte by byte."""

    def __init__(self, url: str) -> None:
        self._client = Client(url)

    def body(self, size: int) -> bytes:
        return self._client.body(size)

    def end(self) -> Ending:
        try:
            return Ending(self._client.rest(), COMPLETE)
        except Broken as broken:
            return Ending(broken.received, BROKEN)

    @property
    def has_more(self) -> bool:
        return self._client.has_more

    def close(self) -> None:
        self._client.close()


class EventStreamReader:
    """An event stream: payload chunks, then the event that says how the invocation ended."""

    def __init__(self, calling: Future[Any]) -> None:
        self._calling = calling
        self._events: Iterator[dict[str, Any]] | None = None
        self._unread = b""
        self.complete: dict[str, str] | None = None
        """The last event; None before it has come."""

    def prelude(self) -> Any:
        """Return the prelude's value; None if the stream ended before."""
        while DELIMITER not in self._unread:
            if not self._read_more():
                return None
        prelude, _, self._unread = self._unread.partition(DELIMITER)
        return json.loads(prelude)

    def body(self, size: int) -> bytes:
        while len(self._unread) < size:
            assert self._read_more(), f"ended after {self._unread!r}"
        data, self._unread = self._unread[:size], self._unread[size:]
        return data

    def rest(self) -> bytes:
        """Read to the end."""
        while self._read_more():
            pass
        rest, self._unread = self._unread, b""
        return rest

    @property
    def has_more(self) -> bool:
        return bool(self._unread)

    def close(self) -> None:
        self._calling.result(WAIT_S)["EventStream"].close()

    def _read_more(self) -> bool:
        """One more event; False at the end."""
        if self._events is None:
            self._events = iter(self._calling.result(WAIT_S)["EventStream"])
        event = next(self._events, None)
        if event is None:
            return False
        assert self.complete is None, "nothing follows InvokeComplete"
        if "InvokeComplete" in event:
            self.complete = event["InvokeComplete"]
        else:
            self._unread += event["PayloadChunk"]["Payload"]
        return True
