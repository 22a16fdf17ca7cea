"""A package index with credentials, which has the wheels of a folder and no others."""

from __future__ import annotations

import base64
import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self

USER = "user:word"
ALLOWED = f"Basic {base64.b64encode(USER.encode()).decode()}"


class PackageIndex:
    """Serves while it is entered, and keeps which programs have asked."""

    def __init__(self, folder: Path) -> None:
        self.programs: set[str] = set()
        self.refused = 0
        """Requests with other credentials than those of the address."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler(folder))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def url(self) -> str:
        return f"http://{USER}@127.0.0.1:{self._server.server_port}/simple"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *unused: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler(self, folder: Path) -> type[BaseHTTPRequestHandler]:
        index = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                index.programs.add(self.headers["user-agent"].partition("/")[0])
                given = self.headers["authorization"]
                if given != ALLOWED:
                    index.refused += given is not None
                    self._answer(401, b"", ("www-authenticate", 'Basic realm="wheels"'))
                    return
                kind, _, name = self.path.strip("/").partition("/")
                if kind == "simple":
                    self._answer(200, _page(folder, name), ("content-type", "text/html"))
                else:
                    self._answer(200, (folder / name).read_bytes())

            do_HEAD = do_GET

            def _answer(self, status: int, body: bytes, *headers: tuple[str, str]) -> None:
                self.send_response(status)
                for name, value in (*headers, ("content-length", str(len(body)))):
                    self.send_header(name, value)
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(body)

            def log_message(self, *unused: object) -> None: ...

        return Handler


def _page(folder: Path, project: str) -> bytes:
    links = [
        f'<a href="/files/{path.name}#sha256={hashlib.sha256(path.read_bytes()).hexdigest()}">'
        f"{path.name}</a>"
        for path in sorted(folder.glob("*.whl"))
        if path.name.partition("-")[0].replace("_", "-") == project
    ]
    return "\n".join(links).encode()
