"""Does the advertised address reach the gateway? Real listeners, and proxies in between."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest
from tests.fakes import Peer, raw_server
from tests.gateway.world import World, played
from tests.kits.hops import haproxy_of, nginx_of
from tests.kits.ports import free_port, free_ports

from tailrace.config import Address
from tailrace.gateway.check.callbacks import Called, _judge, check_advertised, is_loopback
from tailrace.gateway.check.finding import Finding
from tailrace.net.process.startup import run
from tailrace.wire.capability import Capability

SHORT_S = 0.2
CAPABILITY = Capability("0a1b2c3d-0a1b-2c3d-4e5f-0123456789ab", 32 * "a")


def checked(base: str, listen: Address, *, is_held: bool = False) -> Finding:
    return run(check_advertised(base, listen, is_held=is_held, timeout_s=5))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_the_listeners_own_address_reaches_it(host: str) -> None:
    listen = Address(host, free_port())

    finding = checked(f"http://{listen}", listen)

    assert finding == Finding(
        "ok", f"--advertise http://{listen}", "reaches this gateway's callback listener"
    )
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, listen.port))  # the check listens no more


def test_another_address_of_this_machine_reaches_a_listener_on_all() -> None:
    listen = Address("0.0.0.0", free_port())

    assert checked(f"http://127.0.0.2:{listen.port}", listen).level == "ok"
    finding = checked(f"http://127.0.0.2:{listen.port}", Address("127.0.0.1", listen.port))
    assert (finding.level, finding.text) == ("error", "refuses connections")
    assert finding.remedy == (
        f"the callback listener is on 127.0.0.1:{listen.port}: name an address that it has"
    )


def test_what_passes_bytes_on_is_allowed_and_an_http_proxy_is_not(tmp_path: Path) -> None:
    """An HTTP proxy answers `100 Continue` by itself: functions would run for ended exchanges."""
    ports = free_ports(("layer 4", "http", "callback"))
    listen = Address("127.0.0.1", ports["callback"])
    tcp = (
        f"listen tcp\n mode tcp\n bind 127.0.0.1:{ports['layer 4']}\n server s {listen}\n"
        " timeout client 5s\n timeout server 5s\n timeout connect 5s\n"
    )
    http = (
        f"access_log off; server {{ listen 127.0.0.1:{ports['http']}; location / {{"
        f" proxy_pass http://{listen}; proxy_http_version 1.1; }} }}"
    )
    with (
        haproxy_of(tmp_path / "tcp", tcp, {"layer 4": ports["layer 4"]}),
        nginx_of(tmp_path / "http", http, {"http": ports["http"]}),
    ):
        passed = checked(f"http://127.0.0.1:{ports['layer 4']}", listen)
        proxied = checked(f"http://127.0.0.1:{ports['http']}", listen)

    assert passed.level == "ok"
    assert proxied.level == "error"
    assert proxied.text == "an HTTP proxy answers in the gateway's place"


@played()
async def test_a_running_gateway_answers_for_itself(world: World) -> None:
    base = world.gateway.callback_url
    port = int(base.rpartition(":")[2])

    finding = await check_advertised(base, Address("127.0.0.1", port), is_held=True)

    text = "reaches the callback listener of a running gateway"
    assert (finding.level, finding.text) == ("ok", text)


@played()
async def test_the_address_of_another_gateway_is_an_error(world: World) -> None:
    listen = Address("127.0.0.1", free_port())

    finding = await check_advertised(world.gateway.callback_url, listen)

    assert (finding.level, finding.text) == ("error", "another gateway answers there")
    assert finding.remedy == "give each gateway an address of its own"


@pytest.mark.parametrize(
    ("answer", "level", "text"),
    [
        (
            b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            "error",
            "something else answers there: 'http/1.1 200 ok'",
        ),
        (b"", "error", "cannot be called: the connection ended without an answer"),
        (b"x" * 200_000, "error", "something else answers there: ''"),
        (None, "warning", "did not answer in time"),
    ],
)
def test_what_else_answers_there_is_named(answer: bytes | None, level: str, text: str) -> None:
    async def serve(peer: Peer) -> None:
        await peer.read_until(b"\r\n\r\n")
        if answer is None:
            await asyncio.Event().wait()
        await peer.send(answer or b"")
        peer.fin()

    async def story() -> Finding:
        async with raw_server(serve) as base:
            listen = Address("127.0.0.1", free_port())
            timeout_s = SHORT_S if answer is None else 5
            return await check_advertised(base, listen, timeout_s=timeout_s)

    finding = run(story())

    assert (finding.level, finding.text) == (level, text)
    assert finding.remedy


def test_an_answer_without_a_body_is_named_while_its_connection_stays_open() -> None:
    async def serve(peer: Peer) -> None:
        await peer.read_until(b"\r\n\r\n")
        await peer.send(b"HTTP/1.1 417 Expectation Failed\r\ncontent-length: 0\r\n\r\n")
        await asyncio.Event().wait()

    async def story() -> Finding:
        async with raw_server(serve) as base:
            return await check_advertised(base, Address("127.0.0.1", free_port()))

    finding = run(story())

    text = "something else answers there: 'http/1.1 417 expectation failed'"
    assert (finding.level, finding.text) == ("error", text)


def test_a_host_that_does_not_exist_is_an_error() -> None:
    finding = checked("http://no..host:8081", Address("127.0.0.1", free_port()))

    assert finding.text == "there is no host no..host, as far as this machine knows"


def test_tls_that_fails_is_an_error() -> None:
    async def serve(peer: Peer) -> None:
        await peer.send(b"HTTP/1.1 400 plain HTTP here\r\n\r\n")
        await peer.read_to_end()

    async def story() -> Finding:
        async with raw_server(serve) as base:
            base = base.replace("http:", "https:")
            return await check_advertised(base, Address("127.0.0.1", free_port()))

    finding = run(story())

    assert (finding.level, finding.text.partition(": ")[0]) == ("error", "TLS fails")
    assert finding.remedy is not None and "certificate" in finding.remedy


GATEWAY = Called("http/1.1 404 not found", '{"status": 404, "detail": "no such exchange"}')
PROVED = Called(f"http/1.1 100 continue\r\ntailrace-exchange: {CAPABILITY.exchange_id}", "")


@pytest.mark.parametrize(
    ("called", "is_held", "level", "text"),
    [
        (PROVED, False, "ok", "by something that passes it on: it is no address of this machine"),
        (GATEWAY, True, "warning", "it is unknown which one it is"),
        (GATEWAY, False, "error", "another gateway answers there"),
    ],
)
def test_an_address_elsewhere_may_lead_here(
    called: Called, is_held: bool, level: str, text: str
) -> None:
    finding = _judge("x", called, CAPABILITY, is_mine=False, is_held=is_held)

    assert finding.level == level
    assert text in finding.text


def test_loopback_is_known() -> None:
    assert is_loopback("http://127.0.0.9:1") and is_loopback("http://[::1]:1")
    assert is_loopback("http://localhost:1") and not is_loopback("http://10.0.0.1:1")
