"""Listening sockets of a service manager: which are taken, and a gateway on them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from tests.command import fetch
from tests.e2e.cut_function import CutLambda
from tests.fleet.gateway import Fleet

from tailrace.errors import ConfigError
from tailrace.fleet import activation
from tailrace.fleet.activation import passed_sockets

# The descriptor of `sys.argv[1]` becomes 3, as systemd passes it, and this process the command.
PASS = """
import os, sys
os.dup2(int(sys.argv[1]), 3, inheritable=True)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()), LISTEN_FDNAMES="gateway.socket")
os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
"""


class Activated(Fleet):
    """A gateway that is started with a socket of the test."""

    def __init__(
        self,
        directory: Path,
        endpoint: CutLambda,
        sock: socket.socket,
        *more: str,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(directory, endpoint, *more, workers=2, environ=environ)
        self.port = sock.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        passing = [sys.executable, "-c", PASS, str(sock.fileno())]
        self._arguments = [*passing, *self._arguments[1:]]
        self._passed = (sock.fileno(),)


@pytest.fixture
def first(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Lets the passed descriptors begin with another number than 3, which pytest uses."""
    return lambda number: monkeypatch.setattr(activation, "FIRST_DESCRIPTOR", number)


def environ_of(count: int, pid: int = 7, **more: str) -> dict[str, str]:
    return {"LISTEN_FDS": str(count), "LISTEN_PID": str(pid), "HOME": "/", **more}


def test_a_listening_socket_is_taken_and_its_variables_too(first: Callable[[int], None]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        number = os.dup(held.fileno())
        first(number)
        environ = environ_of(1, LISTEN_FDNAMES="gateway.socket")

        sockets = passed_sockets(environ, 7)

        assert sockets is not None
        assert [sock.getsockname() for sock in sockets] == [held.getsockname()]
        assert not sockets[0].getblocking()
        assert not os.get_inheritable(number)
        assert environ == {"HOME": "/"}
        sockets[0].close()


@pytest.mark.parametrize("environ", [{}, environ_of(1, 8), environ_of(0), {"LISTEN_PID": "7"}])
def test_what_is_not_for_this_process_is_left(environ: dict[str, str]) -> None:
    assert passed_sockets(environ, 7) is None


def _local() -> socket.socket:
    return socket.socket(socket.AF_UNIX)


def _unconnected() -> socket.socket:
    return socket.socket()


def _datagrams() -> socket.socket:
    return socket.socket(type=socket.SOCK_DGRAM)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (_local, r"descriptor \d+ \(web\) is no TCP socket; .* ListenStream= with a port"),
        (_datagrams, r"descriptor \d+ \(web\) is no TCP socket"),
        (_unconnected, r"descriptor \d+ \(web\) does not listen; the socket unit needs Accept=no"),
    ],
)
def test_what_is_no_listening_tcp_socket_is_refused(
    make: Callable[[], socket.socket], says: str, first: Callable[[int], None]
) -> None:
    with make() as sock:
        first(sock.fileno())
        with pytest.raises(ConfigError, match=f"LISTEN_FDS: {says}"):
            passed_sockets(environ_of(1, LISTEN_FDNAMES="web"), 7)


def test_what_is_no_socket_is_refused(first: Callable[[int], None], tmp_path: Path) -> None:
    with (tmp_path / "file").open("w") as file:
        first(file.fileno())
        with pytest.raises(ConfigError, match=r"descriptor \d+ \(without a name\) is no socket"):
            passed_sockets(environ_of(1), 7)
    with pytest.raises(ConfigError, match=r"descriptor \d+ \(without a name\) is not open"):
        passed_sockets(environ_of(1), 7)


def test_the_holders_queue_survives_a_restart(endpoint: CutLambda, tmp_path: Path) -> None:
    """A client that comes between two gateways is served by the second one."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as held:
        with Activated(tmp_path, endpoint, held) as fleet:
            fleet.wait_line("clients reach the sockets of LISTEN_FDS; --listen is not used")
            fleet.wait_line(f"gateway on {fleet.url}, 2 workers")
            assert fleet.serves()
            fleet.reload("the parent is its new code")
            assert fleet.serves()
            fleet.signal(signal.SIGTERM)
            assert fleet.wait_exit() == 0
        with socket.create_connection(("127.0.0.1", fleet.port), 20) as client:
            client.sendall(f"GET {fleet.target} HTTP/1.1\r\nhost: a\r\n\r\n".encode())
            with Activated(tmp_path, endpoint, held) as fleet:
                assert client.recv(12) == b"HTTP/1.1 200"
                assert fetch(f"{fleet.url}/_tailrace/health")[0] == 200


def test_one_process_alone_refuses_them(tmp_path: Path) -> None:
    """It would serve at another port than the one that the service manager has opened."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        ran = subprocess.run(
            [
                *(sys.executable, "-c", PASS, str(held.fileno()), "-m", "tailrace", "gateway"),
                *("--workers", "0", "--function", "f"),
            ],
            pass_fds=[held.fileno()],
            capture_output=True,
            text=True,
            timeout=30,
            cwd=tmp_path,
            check=False,
        )

    assert ran.returncode == 2
    assert "LISTEN_FDS: a gateway of one process takes no passed sockets" in ran.stderr
