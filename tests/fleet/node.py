"""A gateway with workers as a process, its admin listener, and functions that the test holds."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self

from tests.command import PATIENCE_S, Command, Stream
from tests.e2e.cut_function import SAMPLE_PATH, STORIES, CutLambda
from tests.peers import PeerConnection

ROUTES = '[[routes]]\npath = "/*"\nfunction = "f"\n[gateway]\nlate_s_max = 0\n'
"""The tests stop processes, and a busy machine does."""
STORY = STORIES["counted"]


class Reply(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Node(Command):
    """`tailrace gateway` with two workers, an admin listener at any port, and any callback ports.

    It sends events to `endpoint`, whose function answers STORY.
    """

    def __init__(
        self,
        cwd: Path,
        endpoint: CutLambda,
        *more: str,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        (cwd / "tailrace.toml").write_text(ROUTES)
        anywhere = [
            text
            for option in ("--listen", "--callback-listen", "--admin-listen")
            if option not in more
            for text in (option, "127.0.0.1:0")
        ]
        workers = () if "--workers" in more else ("--workers", "2")
        command = ["gateway", *anywhere, *workers, "--endpoint-url", endpoint.url, *more]
        super().__init__(command, cwd=cwd, environ=environ)
        self.connections: list[PeerConnection] = []
        """They are closed at the end."""

    def __enter__(self) -> Self:
        super().__enter__()
        try:
            self.url = self.wait_line(r"gateway on (http://[\d.:]+)")[1]
            match = self.wait_line("gateway on .*")
            self.admin = match[0].partition("admin on http://")[2]
            self.port = int(self.url.rpartition(":")[2])
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        for connection in self.connections:
            connection.close()
        super().__exit__(*exception)

    def ask(self, method: str, path: str, headers: Mapping[str, str] = {}) -> Reply:
        """Ask the admin listener."""
        client = http.client.HTTPConnection(self.admin, timeout=PATIENCE_S)
        try:
            client.request(method, path, headers=dict(headers))
            response = client.getresponse()
            fields = {name.lower(): value for name, value in response.getheaders()}
            return Reply(response.status, fields, response.read())
        finally:
            client.close()

    def statistics(self) -> Any:
        """The document of the admin listener."""
        return self.ask("GET", "/statistics").json()

    @property
    def target(self) -> str:
        """A path whose function sends STORY as a whole."""
        callback = self.statistics()["workers"][0]["callback_port"]
        head = STORY.head(f"http://127.0.0.1:{callback}{SAMPLE_PATH}")
        return f"/cut?story={STORY.name}&by=fin&at={len(head) + len(STORY.message())}"

    def hold(self) -> Stream:
        """A response whose last byte is held until the endpoint releases it."""
        stream = Stream(f"{self.url}{self.target}&held=1")
        assert stream.response.read(1) == STORY.body[:1]
        return stream
