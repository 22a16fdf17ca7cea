"""Pages under uvicorn in a thread, with gates that a test opens."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections import defaultdict
from collections.abc import Callable
from typing import Any, Self

import uvicorn

WAIT_S = 30.0
"""When a wait is in vain."""


class PageSite:
    """Serves ASGI apps by path, on a port of its own, while entered."""

    def __init__(self, **apps: Callable[..., Any]) -> None:
        self.apps = apps
        self._gates: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        config = uvicorn.Config(
            self._serve, interface="asgi3", lifespan="off", log_level="critical"
        )
        self._server = uvicorn.Server(config)
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._started.wait(WAIT_S), "the site did not start"
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.should_exit = self._server.force_exit = True
        self._thread.join(WAIT_S)
        assert not self._thread.is_alive(), "the site did not stop"

    async def pass_gate(self, name: str) -> None:
        """Wait in a page until the test has opened a gate."""
        async with asyncio.timeout(WAIT_S):
            await self._gates[name].wait()

    def open_gate(self, name: str) -> None:
        """Let go on what waits at a gate."""
        self._loop.call_soon_threadsafe(lambda: self._gates[name].set())

    async def _serve(self, scope: Any, receive: Any, send: Any) -> None:
        app = self.apps.get(scope["path"].strip("/"))
        if app is None:
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body", "body": b""})
        else:
            await app(scope, receive, send)

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port = listener.getsockname()[1]
            self.url = f"http://127.0.0.1:{self.port}"
            self._started.set()  # connections wait in the listener's queue
            await self._server.serve([listener])
