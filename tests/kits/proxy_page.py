"""The proxies of docs/how-to/behind-a-proxy.md, as the page configures them, on a test's ports."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.kits.hops import haproxy_of
from tests.peers import until

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "behind-a-proxy.md"
GATEWAYS = ("one", "two")


def documented(language: str, heading: str, ports: Mapping[str, int]) -> str:
    """The block of the page, with these ports."""
    section = PAGE.read_text().partition(f"\n{heading}\n")[2]
    found = re.search(rf"^```{language}\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    assert found is not None
    text = found[1]
    for before, after in (
        ("10.0.0.7:8080", f"127.0.0.1:{ports['one']}"),
        ("10.0.0.8:8080", f"127.0.0.1:{ports['two']}"),
        ("listen 80;" if language == "nginx" else "bind :80", ""),
    ):
        assert text.count(before) == 1
        where = f"127.0.0.1:{ports['front']}"
        text = text.replace(before, after or before.replace(":80", "80").replace("80", where))
    return text


class Balancer:
    """HAProxy before two gateways, and its runtime API: an ALB with its target group."""

    def __init__(self, socket_path: Path, port: int) -> None:
        self.port = port
        self._socket_path = socket_path

    def wait_in(self, name: str) -> None:
        """Wait until its health checks have a gateway get requests."""
        until(lambda: self._status(name) == "UP", f"{name} to get requests")

    def wait_out(self, name: str) -> None:
        """Wait until a gateway gets no more requests."""
        until(lambda: not self._status(name).startswith("UP"), f"{name} to get no more requests")

    def deregister(self, name: str) -> None:
        """Send a gateway no more requests; what is open goes on."""
        self._command(f"set server tailrace/{name} state drain")

    def register(self, name: str) -> None:
        """Let the health checks decide again."""
        self._command(f"set server tailrace/{name} state ready")

    def _status(self, name: str) -> str:
        head, *lines = self._command("show stat").removeprefix("# ").splitlines()
        for line in lines:
            row = dict(zip(head.split(","), line.split(","), strict=False))
            if (row.get("pxname"), row.get("svname")) == ("tailrace", name):
                return row["status"]
        raise AssertionError(lines)

    def _command(self, text: str) -> str:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(10)
            sock.connect(str(self._socket_path))
            sock.sendall(f"{text}\n".encode())
            answer = b""
            while piece := sock.recv(65_536):
                answer += piece
        return answer.decode()


@contextmanager
def balancer(folder: Path, ports: Mapping[str, int]) -> Iterator[Balancer]:
    """HAProxy before the ports `one` and `two`, on `front`; at first neither gets requests."""
    path = folder / "api"
    text = (
        f"global\n    stats socket {path} level admin\n{documented('haproxy', '## HAProxy', ports)}"
    )
    with haproxy_of(folder, text, {"front": ports["front"]}):
        running = Balancer(path, ports["front"])
        for name in GATEWAYS:
            running.wait_out(name)
        yield running
