"""The admin listener: health, statistics, a drain on request; and who may ask."""

from __future__ import annotations

import http.client
import re
import signal
import socket
from contextlib import suppress
from pathlib import Path

import pytest
from tests.command import wait_refused
from tests.e2e.cut_function import CutLambda
from tests.fleet.node import STORY, Node
from tests.peers import until

from tailrace.config import Address, GatewayConfig, GatewayOptions, Wanted
from tailrace.fleet.admin import bind_admin
from tailrace.fleet.settings import fleet_settings
from tailrace.net.process.board import COUNTS

BROKEN = (http.client.IncompleteRead, ConnectionError)
"""How a client sees that its response is incomplete."""


@pytest.fixture(scope="module")
def node(endpoint: CutLambda, tmp_path_factory: pytest.TempPathFactory) -> Node:
    with Node(tmp_path_factory.mktemp("node"), endpoint) as node:
        yield node


def test_health_is_200_and_has_counts(node: Node) -> None:
    reply = node.ask("GET", "/health?probe=1")

    assert (reply.status, reply.headers["cache-control"]) == (200, "no-store")
    assert reply.json() == {
        "status": "ok",
        "workers": 2,
        **dict.fromkeys(("held", "uploads", "clients", "callbacks"), 0),
    }


def test_statistics_have_each_worker_and_the_sums(node: Node) -> None:
    statistics = node.statistics()

    assert statistics["node"]["status"] == "ok"
    assert (statistics["node"]["accepting"], statistics["node"]["drain_s"]) == (2, None)
    assert statistics["node"]["held_max"] > 0
    assert {worker["state"] for worker in statistics["workers"]} == {"accepting"}
    assert len({worker["callback_port"] for worker in statistics["workers"]}) == 2
    for worker in statistics["workers"]:
        assert {*COUNTS} - {"beat_ns"} <= worker.keys()


def test_a_head_is_a_get_without_its_body(node: Node) -> None:
    reply = node.ask("HEAD", "/statistics")

    assert (reply.status, reply.body) == (200, b"")
    assert int(reply.headers["content-length"]) > 100


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("POST", "/health", "GET, HEAD"), ("GET", "/drain", "POST"), ("HEAD", "/drain", "POST")],
)
def test_other_methods_are_405(node: Node, method: str, path: str, allowed: str) -> None:
    reply = node.ask(method, path)

    assert (reply.status, reply.headers["allow"]) == (405, allowed)


def test_other_paths_are_404_with_those_that_there_are(node: Node) -> None:
    reply = node.ask("GET", "/metric")

    assert reply.status == 404
    assert reply.json()["detail"] == (
        "there is no /metric here; there are GET /health, GET /statistics, POST /drain"
    )


@pytest.mark.parametrize(
    "fields",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example", "Origin": "http://evil.example"},
        {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
)
def test_no_web_page_can_drain_it(node: Node, fields: dict[str, str]) -> None:
    reply = node.ask("POST", "/drain", fields)

    assert reply.status == 403
    assert "127.0.0.1" in reply.json()["detail"]
    assert node.ask("GET", "/health").json()["status"] == "ok"


def test_a_drain_on_request_is_that_of_a_signal_and_the_parent_stays(
    endpoint: CutLambda, tmp_path: Path
) -> None:
    with Node(tmp_path, endpoint) as node, node.hold() as stream:
        first = node.ask("POST", "/drain")
        second = node.ask("POST", "/drain")
        wait_refused(node.url)
        held = node.ask("GET", "/health")
        endpoint.release()
        rest = stream.read()
        stream.close()
        until(lambda: node.ask("GET", "/health").json()["status"] == "drained", "the drain")
        after = node.statistics()
        node.wait_line("drained: everything has ended")
        node.signal(signal.SIGHUP)
        node.wait_line("warning: not done, since this gateway drains; start it again afterwards")
        assert node.process.poll() is None
        node.signal(signal.SIGTERM)

        assert node.wait_exit() == 0
    assert (first.status, first.json()["status"]) == (202, "draining")
    assert (second.status, second.json()["status"]) == (200, "draining")
    assert (held.status, held.json()["status"]) == (503, "draining")
    assert rest == STORY.body[1:]
    assert after["workers"] == []
    assert (after["node"]["was_cut"], after["node"]["drain_s"] > 0) == (False, True)


def test_a_drain_that_has_cut_something_off_is_an_exit_code_of_1(
    endpoint: CutLambda, tmp_path: Path
) -> None:
    with Node(tmp_path, endpoint, "--drain-timeout", "0.1", "--workers", "1") as node:
        with node.hold() as stream:
            node.ask("POST", "/drain")
            node.wait_line("drained: some responses were cut off")
            with pytest.raises(BROKEN):
                stream.read()
        assert node.statistics()["node"]["was_cut"] is True
        endpoint.release()
        node.signal(signal.SIGTERM)

        assert node.wait_exit() == 1


def test_a_second_signal_cuts_a_drain_on_request_off(endpoint: CutLambda, tmp_path: Path) -> None:
    with Node(tmp_path, endpoint, "--workers", "1") as node, node.hold() as stream:
        node.ask("POST", "/drain")
        node.signal(signal.SIGTERM)
        node.wait_line("waiting for 1 open response to end")
        node.signal(signal.SIGTERM)

        assert node.wait_exit() == 143
        with pytest.raises(BROKEN):
            stream.read()
    endpoint.release()


def test_a_default_address_in_use_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = Address(*taken.getsockname())

        assert bind_admin(Wanted(where, False, "--admin-listen")) == []
        with pytest.raises(OSError, match="in use; choose another with --admin-listen HOST:PORT"):
            bind_admin(Wanted(where, True, "--admin-listen"))
    (record,) = caplog.records
    assert record.getMessage() == (
        f"no admin listener: {where} is in use;"
        " choose another with --admin-listen HOST:PORT (port 0: any)"
    )


@pytest.mark.parametrize(
    ("host", "count"), [("127.0.0.1", 0), ("localhost", 0), ("::1", 0), ("0.0.0.0", 1)]
)
def test_an_address_that_others_reach_is_a_warning(
    host: str, count: int, caplog: pytest.LogCaptureFixture
) -> None:
    for sock in bind_admin(Wanted(Address(host, 0), True, "--admin-listen")):
        sock.close()

    texts = [record.getMessage() for record in caplog.records]
    assert len(texts) == count
    assert all("any host that can connect to the admin listener" in text for text in texts)


def test_off_is_no_listener(endpoint: CutLambda, tmp_path: Path) -> None:
    with Node(tmp_path, endpoint, "--admin-listen", "off", "--workers", "1") as node:
        assert node.admin == ""


def test_a_name_may_stand_for_two_addresses(endpoint: CutLambda, tmp_path: Path) -> None:
    with Node(tmp_path, endpoint, "--admin-listen", "localhost:0", "--workers", "1") as node:
        port = node.admin.rpartition(":")[2]
        for host in ("127.0.0.1", "localhost"):
            node.admin = f"{host}:{port}"
            assert node.ask("GET", "/health").status == 200


def test_its_port_is_no_callback_port() -> None:
    options = GatewayOptions(
        admin_listen=Wanted(Address("127.0.0.1", 8083), True, "--admin-listen"), workers=2
    )

    ports = fleet_settings(options, GatewayConfig(), None).callback_ports

    free = [port for port in range(ports.first, ports.last + 1) if port not in ports.avoid]
    assert free[:3] == [8081, 8082, 8084]
    assert len(free) >= 4 * options.workers


def test_every_member_is_documented(node: Node) -> None:
    page = (Path(__file__).parents[2] / "docs/reference/admin.md").read_text()
    rows = [row.split(" | ")[0] for row in page.splitlines() if row.startswith("| `")]
    documented = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    statistics = node.statistics()

    named = {*node.ask("GET", "/health").json(), *statistics["node"]}
    assert named.union(*statistics["workers"]) <= documented


def test_it_stays_over_a_reload(endpoint: CutLambda, tmp_path: Path) -> None:
    """Also while the parent becomes its new code: what asks then waits for a moment."""
    with Node(tmp_path, endpoint, "--workers", "1") as node, node.hold() as stream:
        before = node.statistics()
        node.signal(signal.SIGHUP)
        until(lambda: node.statistics()["node"]["generation"] == 2, "the reload")
        node.wait_line("reloaded: ")
        after = node.statistics()
        states = sorted(worker["state"] for worker in after["workers"])
        held = node.ask("GET", "/health").json()["held"]
        endpoint.release()
        rest = stream.read()

    assert after["node"]["pid"] == before["node"]["pid"]
    assert states == ["accepting", "draining"]
    assert (held, rest) == (1, STORY.body[1:])


def test_a_service_manager_does_not_take_a_drain_on_request_for_a_stop(
    endpoint: CutLambda, tmp_path: Path
) -> None:
    """After STOPPING=1 systemd would send no SIGTERM, and the drained parent waits for one."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        environ = {"NOTIFY_SOCKET": str(tmp_path / "notify")}
        with Node(tmp_path, endpoint, "--workers", "1", environ=environ) as node:
            node.ask("POST", "/drain")
            node.wait_line("drained: ")
            node.signal(signal.SIGTERM)
            assert node.wait_exit() == 0
        manager.setblocking(False)
        told = []
        with suppress(BlockingIOError):
            while True:
                told.append(manager.recv(4_096).decode())

    (stopping,) = [text for text in told if "STOPPING=1" in text]
    assert "0 workers" in stopping
