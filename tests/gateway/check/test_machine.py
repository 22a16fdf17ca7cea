"""Listen addresses, callback ports and file descriptors, as a check finds them."""

from __future__ import annotations

import socket

import pytest
from tests.fakes import Peer, raw_server
from tests.gateway.world import World, played
from tests.kits.ports import free_port

from tailrace.config import Address
from tailrace.gateway.check.finding import Finding
from tailrace.gateway.check.machine import (
    check_callback_ports,
    check_descriptors,
    check_listener,
)
from tailrace.net.process.startup import run

HEALTH = "/_tailrace/health"


def test_a_free_address_is_fine() -> None:
    listen = Address("127.0.0.1", free_port())

    found = run(check_listener("--listen", listen, HEALTH))

    assert found == (Finding("ok", f"--listen {listen}", "free"), False)


@played()
async def test_an_address_of_a_running_gateway_is_fine(world: World) -> None:
    listen = Address("127.0.0.1", int(world.gateway.public_url.rpartition(":")[2]))

    finding, is_running = await check_listener("--listen", listen, HEALTH)

    assert is_running
    assert (finding.level, finding.text) == ("ok", "a gateway runs there: ok, 0 open responses")


@pytest.mark.parametrize("body", [b"[]", b'{"status": "ok", "held": "many"}'])
def test_an_address_of_something_else_is_an_error(body: bytes) -> None:
    async def serve(peer: Peer) -> None:
        await peer.read_until(b"\r\n\r\n")
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))

    async def story() -> tuple[Finding, bool]:
        async with raw_server(serve) as url:
            port = int(url.rpartition(":")[2])
            return await check_listener("--listen", Address("127.0.0.1", port), HEALTH)

    finding, is_running = run(story())

    assert not is_running
    assert finding.level == "error"
    assert finding.text.endswith(" is in use")
    assert finding.remedy == "choose another with --listen HOST:PORT (port 0: any)"


def test_an_address_of_another_machine_is_an_error() -> None:
    finding, _ = run(check_listener("--listen", Address("192.0.2.77", 8080), HEALTH))

    assert finding.level == "error"
    assert finding.text == "192.0.2.77 is not an address of this machine"
    assert finding.remedy is not None and "0.0.0.0" in finding.remedy


def test_each_worker_needs_a_callback_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ports = [port, free_port()]

        def check(workers: int, *, is_running: bool = False) -> tuple[Finding, int | None]:
            return check_callback_ports("127.0.0.1", ports, workers, is_running=is_running)

        one, first = check(1)
        two, none = check(2)
        busy, _ = check(2, is_running=True)

    assert (one.level, one.text, first) == ("ok", "1 of 2 free", ports[1])
    assert (two.level, two.text, none) == ("error", "1 of 2 free, 2 ports needed", None)
    assert two.remedy == "free 2 ports, or give other ones: --callback-ports FIRST-LAST"
    assert busy.level == "warning"


def test_callback_ports_of_another_machine_are_an_error() -> None:
    finding, first = check_callback_ports("192.0.2.77", [8081, 8082], 1, is_running=False)

    assert (finding.level, first) == ("error", None)
    assert finding.text == "192.0.2.77 is not an address of this machine"


def test_any_port_is_fine() -> None:
    finding, first = check_callback_ports("127.0.0.1", [0], 4, is_running=False)

    assert (finding.level, finding.text, first) == ("ok", "any that is free", 0)


def test_descriptors_are_compared_with_what_is_configured() -> None:
    assert check_descriptors(1).level == "ok"
    assert "open responses in 3 processes" in check_descriptors(1, 3).text
    finding = check_descriptors(10**9)
    assert finding.level == "warning"
    assert "1000000000 are configured" in finding.text
    assert finding.remedy is not None and "LimitNOFILE" in finding.remedy
