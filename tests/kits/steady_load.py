"""Clients that ask one request after the other, and count how each has ended."""

from __future__ import annotations

import http.client
import threading
from collections import Counter
from collections.abc import Callable
from typing import Self

from tests.peers import until

CLIENTS = ("GET", "POST") * 4
PAUSE_S = 0.005
"""Between two requests of a client: the load is steady, and leaves room for other processes."""
MORE = 100
"""Requests that follow each change."""


class SteadyLoad:
    """Clients that ask one request after the other, GET and POST, until they are stopped.

    Each keeps its connection, unless a response closes it. `judge` makes an outcome of a status and
    a body.
    """

    def __init__(
        self,
        port: int,
        target: str,
        judge: Callable[[int, bytes], str],
        *,
        pause_s: float = PAUSE_S,
    ) -> None:
        self.outcomes: Counter[tuple[str, str]] = Counter()
        """How many requests have ended so, by the phase in which they began."""
        self.phase = ""
        self._port = port
        self._target = target
        self._judge = judge
        self._pause_s = pause_s
        self._is_over = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(each,)) for each in CLIENTS]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join(30)

    def begin(self, phase: str) -> None:
        """Requests that begin from now on are counted under this name; wait for some of them."""
        self.phase = phase
        until(lambda: self._of(phase) >= MORE, f"requests of the phase {phase!r}")

    def wait_more(self) -> None:
        """Wait until more requests have ended than were open when this was called."""
        self.wait_for(self.outcomes.total() + len(CLIENTS) + MORE)

    def wait_for(self, count: int) -> None:
        """Wait until so many requests have ended."""
        until(lambda: self.outcomes.total() >= count, "requests to go on")

    def _of(self, phase: str) -> int:
        return sum(count for (name, _), count in list(self.outcomes.items()) if name == phase)

    def _ask(self, method: str) -> None:
        client = http.client.HTTPConnection("127.0.0.1", self._port, timeout=20)
        while not self._is_over.is_set():
            phase = self.phase
            try:
                client.request(method, self._target, b"body" if method == "POST" else None)
                response = client.getresponse()
                outcome = self._judge(response.status, response.read())
            except (OSError, http.client.HTTPException) as error:
                outcome = repr(error)
                client.close()
            self.outcomes[phase, outcome] += 1
            self._is_over.wait(self._pause_s)
        client.close()
