"""What a drain of a node, or of one worker, does for every kind of connection, over real sockets.

The clients are as far as they can be when the signal comes. That the drain has begun is seen from
outside: connections are refused, so every worker has closed its listening socket.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from pathlib import Path

import psutil
from tests.command import wait_refused
from tests.e2e.cut_function import CutLambda
from tests.fleet.node import STORY, Node
from tests.peers import WAIT_S, PeerConnection, until

HEALTH = "/_tailrace/health"


class Client(PeerConnection):
    """A connection to the public listener."""

    def __init__(self, node: Node) -> None:
        super().__init__(socket.create_connection(("127.0.0.1", node.port), WAIT_S))
        node.connections.append(self)

    def ask(self, target: str) -> None:
        self.send(request(target))

    def response(self) -> tuple[int, dict[str, str], bytes]:
        """The next response, complete."""
        first, pairs = self.read_head()
        headers = dict(pairs)
        if "content-length" in headers:
            body = self.read(int(headers["content-length"]))
        else:
            body = b""
            while chunk := self.read_chunk():
                body += chunk
        return int(first.split()[1]), headers, body

    def is_served_last(self) -> bool:
        """Whether the next response is the whole story, and announced as the last one."""
        status, headers, body = self.response()
        assert (status, body) == (200, STORY.body)
        return headers.get("connection") == "close" and self.ends_with() == b""


def request(target: str, method: str = "GET", body: bytes = b"") -> bytes:
    return b"%b %b HTTP/1.1\r\nHost: example.com\r\nContent-Length: %d\r\n\r\n%b" % (
        *(method.encode(), target.encode(), len(body), body),
    )


def clients_of(node: Node) -> list[int]:
    return [worker["clients"] for worker in node.statistics()["workers"]]


def health_of(node: Node) -> int:
    """The status of the public health path, on a connection of its own."""
    client = Client(node)
    client.ask(HEALTH)
    status = client.response()[0]
    client.close()
    return status


def test_a_drain_serves_all_that_has_connected(endpoint: CutLambda, tmp_path: Path) -> None:
    with Node(tmp_path, endpoint) as node:
        target = node.target
        idle = [Client(node)]
        while min(clients_of(node)) < 2:  # some of them at each worker
            assert len(idle) < 200
            idle.append(Client(node))
            idle[-1].ask(target)
            assert "connection" not in idle[-1].response()[1]
        silent, slow, uploading, pipelining = (Client(node) for _ in range(4))
        slow.send(request(target)[:30])
        uploading.send(request(target, "POST", b"x" * 100)[:-50])
        pipelining.ask(f"{target}&held=1")
        head = pipelining.read_head()
        pipelining.ask(target)
        until(lambda: node.statistics()["node"]["uploads"] == 1, "the upload to begin")
        workers = [worker["pid"] for worker in node.statistics()["workers"]]
        for pid in workers:
            os.kill(pid, signal.SIGSTOP)
        queued = [Client(node) for _ in range(24)]  # in the kernel: nobody accepts
        for client in queued[:20]:
            client.ask(target)

        node.signal(signal.SIGTERM)
        until(lambda: node.ask("GET", "/health").status == 503, "the drain to begin")
        for pid in workers:
            os.kill(pid, signal.SIGCONT)
        wait_refused(node.url)

        for client in [*queued[20:], *idle, silent]:
            client.ask(target)
        slow.send(request(target)[30:])
        uploading.send(b"x" * 50)
        assert node.ask("GET", "/health").json()["status"] == "draining"
        for client in queued[:20]:  # a worker may have accepted it before it was told to drain
            status, _, body = client.response()
            assert (status, body) == (200, STORY.body)
        for client in [*queued[20:], *idle, silent, slow, uploading]:
            assert client.is_served_last()
        endpoint.release()
        assert dict(head[1]).get("connection") is None
        body = b""
        while chunk := pipelining.read_chunk():
            body += chunk
        assert body == STORY.body
        assert pipelining.is_served_last()
        assert node.wait_exit() == 0
    assert endpoint.surprises == []


def test_requests_are_served_during_the_delay_and_health_is_503(
    endpoint: CutLambda, tmp_path: Path
) -> None:
    with Node(tmp_path, endpoint, "--drain-delay", "600") as node:
        target = node.target
        kept = Client(node)
        kept.ask(target)
        kept.response()
        assert [health_of(node) for _ in range(8)] == [200] * 8
        node.signal(signal.SIGTERM)
        until(lambda: health_of(node) == 503, "health to be 503")

        assert [health_of(node) for _ in range(8)] == [503] * 8
        for client in (kept, Client(node)):
            client.ask(target)
            status, headers, body = client.response()
            assert (status, body) == (200, STORY.body)
            assert "connection" not in headers
            client.close()
        node.signal(signal.SIGTERM)
        assert node.wait_exit() == 143


def test_a_worker_that_leaves_serves_what_it_has_and_health_is_200(
    endpoint: CutLambda, tmp_path: Path
) -> None:
    with Node(tmp_path, endpoint) as node:
        target = node.target
        idle: list[Client] = []
        while min(clients_of(node)) < 1:
            idle.append(Client(node))
            idle[-1].ask(target)
            idle[-1].response()
        leaving, _ = node.statistics()["workers"]
        os.kill(leaving["pid"], signal.SIGTERM)
        until(
            lambda: any(
                each["pid"] == leaving["pid"] and each["state"] == "draining"
                for each in node.statistics()["workers"]
            ),
            "the worker to leave",
        )

        for client in idle:
            client.ask(target)
        assert [health_of(node) for _ in range(8)] == [200] * 8
        assert node.ask("GET", "/health").status == 200
        closed = 0
        for client in idle:
            status, headers, body = client.response()
            assert (status, body) == (200, STORY.body)
            closed += headers.get("connection") == "close"
            client.close()
        assert closed == leaving["clients"]
        node.wait_line("is ready in its place")


def test_a_signal_to_all_processes_is_one_to_the_parent(
    endpoint: CutLambda, tmp_path: Path
) -> None:
    """As a supervisor sends it that stops a group: the delay counts, health is 503."""
    with Node(tmp_path, endpoint, "--drain-delay", "600") as node:
        target = node.target
        pids = [worker["pid"] for worker in node.statistics()["workers"]]
        node.signal(signal.SIGSTOP)
        for pid in pids:
            os.kill(pid, signal.SIGTERM)
        node.signal(signal.SIGTERM)
        node.signal(signal.SIGCONT)
        until(lambda: health_of(node) == 503, "health to be 503")

        assert node.statistics()["node"]["workers"] == 2
        client = Client(node)
        client.ask(target)
        assert client.response()[2] == STORY.body
        client.close()
        node.signal(signal.SIGTERM)
        assert node.wait_exit() == 143


def test_signals_to_all_processes_up_to_the_end_are_no_crash(
    tmp_path: Path, endpoint: CutLambda
) -> None:
    """A service manager that signals the whole group may do so again while a worker ends."""
    with Node(tmp_path, endpoint) as node:
        workers = [each.pid for each in psutil.Process(node.process.pid).children()]
        node.signal(signal.SIGTERM)
        while node.process.poll() is None:
            for pid in workers:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)

        assert node.process.returncode == 0, node.lines
