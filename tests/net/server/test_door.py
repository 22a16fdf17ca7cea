"""Requests on new connections that are refused without a connection of the event loop."""

from __future__ import annotations

import json
import socket
import sys

import pytest
from tests.net.server.test_overload import LATE_PATIENCE_S, Process, in_loop

from tailrace.net.server.door import Door, is_whole
from tailrace.net.server.problem import encode_problem
from tailrace.net.server.received import received_ago_s

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="asks Linux how long bytes wait")

BOUND_S = 0.02
GET = b"GET /one HTTP/1.1\r\nHost: h\r\n\r\n"
POST = b"POST /one HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n"
PAGE = b"GET /one HTTP/1.1\r\nHost: h\r\nAccept: text/html\r\n\r\n"
HEALTH = b"GET /health HTTP/1.1\r\nHost: h\r\n\r\n"


def pair() -> tuple[socket.socket, socket.socket]:
    """A client, and what a listener has accepted of it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname(), timeout=10)
        accepted = listener.accept()[0]
        accepted.settimeout(10)
        return client, accepted


async def overloaded() -> Process:
    """A process that has just refused a request."""
    process = Process(bound_s=BOUND_S)
    assert (await process.be_late(2 * LATE_PATIENCE_S))[-1]
    return process


def door_of(process: Process) -> Door:
    return Door(
        process.overload,
        open_path="/health",
        refusal=encode_problem(503, "overloaded", retry_after_s=1),
        page=encode_problem(503, "overloaded", accept=b"text/html", retry_after_s=1),
    )


def wait_in_kernel(accepted: socket.socket) -> None:
    """Until the kernel says that the bytes have waited for longer than the bound."""
    while received_ago_s(accepted) <= BOUND_S:
        pass


def read_to_end(client: socket.socket) -> bytes:
    """All bytes; a reset raises."""
    data = b""
    while more := client.recv(65_536):
        data += more
    return data


CASES = [
    (GET, True),
    (PAGE, True),
    (POST + b"body", True),
    (POST + b"bo", False),
    (POST + b"body and more", False),
    (GET[:-2], False),
    (GET.replace(b"GET", b"HEAD"), False),
    (POST.replace(b"Content-Length: 4", b"Transfer-Encoding: chunked"), False),
    (POST.replace(b"4", b"1" * 5_000), False),  # more digits than int() takes
    (POST.replace(b"4", b" 4x") + b"body", False),
    (GET.replace(b"\r\nHost", b"\r\nContent-Length:  0 \r\nHost"), True),
    (b"GET / HTTP/1.1\r\nHost: h\r\nX: " + bytes(20_000) + b"\r\n\r\n", False),
]


@pytest.mark.parametrize(("data", "is_complete"), CASES)
def test_only_what_is_complete_at_a_glance_is_judged(data: bytes, is_complete: bool) -> None:
    assert is_whole(data[:16_384]) == is_complete


@in_loop
async def test_a_late_request_is_answered_and_closed() -> None:
    process = await overloaded()
    client, accepted = pair()
    client.sendall(GET)
    wait_in_kernel(accepted)
    before = process.overload.refused

    assert door_of(process).turns_away(accepted)

    head, _, body = read_to_end(client).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert b"\r\nretry-after: 1" in head
    assert b"\r\nconnection: close" in head
    assert b"\r\ncontent-length: %d" % len(body) in head
    assert json.loads(body)["detail"] == "overloaded"
    assert process.overload.refused == before + 1
    client.close()


@in_loop
async def test_a_browser_gets_a_page() -> None:
    process = await overloaded()
    client, accepted = pair()
    client.sendall(PAGE)
    wait_in_kernel(accepted)

    assert door_of(process).turns_away(accepted)

    assert b"\r\ncontent-type: text/html" in read_to_end(client)
    client.close()


@in_loop
async def test_health_is_never_turned_away() -> None:
    process = await overloaded()
    client, accepted = pair()
    client.sendall(HEALTH)
    wait_in_kernel(accepted)

    assert not door_of(process).turns_away(accepted)

    assert accepted.recv(1_000) == HEALTH  # nothing was read
    client.close()
    accepted.close()


@in_loop
async def test_without_an_overload_nothing_is_looked_at() -> None:
    client, accepted = pair()
    client.sendall(GET)
    wait_in_kernel(accepted)

    assert not door_of(Process(bound_s=BOUND_S)).turns_away(accepted)

    assert accepted.recv(1_000) == GET
    client.close()
    accepted.close()


@in_loop
async def test_a_request_that_has_not_arrived_or_is_in_time_is_not_turned_away() -> None:
    process = await overloaded()
    door = door_of(process)
    client, accepted = pair()

    assert not door.turns_away(accepted)

    for _ in range(100):  # the machine itself may be late
        client.sendall(GET)
        if not door.turns_away(accepted):
            break
        client.close()
        client, accepted = pair()
    else:
        raise AssertionError("all requests were turned away")
    assert accepted.recv(1_000) == GET
    client.close()
    accepted.close()
