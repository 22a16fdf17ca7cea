"""The load counts right: nothing on a calm gateway, and each kind of loss where there is one."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from tests.torture.clients import Visit
from tests.torture.fleet import Fleet
from tests.torture.load import Load, Mix

SMALL = Mix(streams=20, rate=30, quick=4, slow=0, stream_s=(0.5, 1.5), chunk_pause_ms=100)
NONE = Mix(streams=0, rate=0.001, quick=0, slow=0)
HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


def test_a_restart_without_a_holder_of_the_socket_is_counted(tmp_path: Path) -> None:
    """The gateway binds for itself, and is away between its end and its next start."""
    with Load(SMALL) as load:
        fleet = Fleet(tmp_path, load.side.url, workers=None)
        try:
            fleet.start()
            fleet.wait_ready()
            load.aim("127.0.0.1", fleet.port)
            load.wait_live(10)
            load.wait_more(30)
            calm = load.tally()
            fleet.end()
            fleet.start()
            fleet.wait_ready(2)
            load.wait_more(30)
            tally = load.settle()
            assert fleet.end() == 0
        finally:
            fleet.close()

    assert calm.lost == {"refused": 0, "unanswered": 0, "broken": 0, "other": 0}
    assert calm.count("complete") == calm.requests > 0
    assert tally.lost["refused"] > 0
    assert tally.lost["broken"] == 0 == tally.lost["other"]
    assert load.side.surprises == []


@contextmanager
def server(play: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server for one connection; its port."""

    def serve() -> None:
        connection, _ = listener.accept()
        with closing(connection):
            connection.recv(65_536)
            play(connection)

    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(10)


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


@pytest.mark.parametrize(
    ("sent", "is_reset", "end"),
    [
        (b"", False, "unanswered: end"),
        (b"", True, "unanswered: reset"),
        (HEAD[:-1], False, "unanswered: end"),
        (b"HTTP/1.1 503 Full\r\ncontent-length: 0\r\n\r\n", False, "status 503"),
        (HEAD + b"20\r\nbegun", False, "broken: end"),
        (HEAD + b"5\r\nwrong\r\n", False, "WRONG BYTES"),
        (HEAD + b"0\r\n\r\n", False, "SHORT, BUT ENDED AS WHOLE"),
        (b"HTTP/1.1 200 OK\r\n\r\n", False, "SHORT, BUT ENDED AS WHOLE"),
        (b"HTTP/1.1 200 OK\r\n\r\n", True, "broken: reset"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 32\r\n\r\n", False, "broken: end"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", False, "SHORT, BUT ENDED AS WHOLE"),
    ],
)
def test_each_kind_of_loss_has_its_name(sent: bytes, is_reset: bool, end: str) -> None:
    def play(connection: socket.socket) -> None:
        connection.sendall(sent)
        seen.wait(10)
        if is_reset:
            reset(connection)

    seen = threading.Event()
    with Load(NONE) as load, server(play) as port:
        load.aim("127.0.0.1", port)
        visit = load.visit(Visit("probe", "/probe?n=1"))
        if sent.endswith(b"\r\n\r\n"):
            load.until(lambda: visit.head_s, "the head")
        seen.set()
        load.until(lambda: visit.end, "the end")

    assert visit.end == end


def test_a_refused_connection_has_its_name() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]
    with Load(NONE) as load:
        load.aim("127.0.0.1", port)
        visit = load.visit(Visit("probe", "/probe?n=1"))
        load.until(lambda: visit.end, "the end")

    assert visit.end == "refused: ConnectionRefusedError"
