"""Which ports are taken, and which ones are offered instead."""

from __future__ import annotations

import socket

from tailrace.net.ports import free_port, is_taken, taken_error


def test_a_port_is_taken_while_somebody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        assert is_taken("127.0.0.1", port)
        assert is_taken("localhost", port)
    assert not is_taken("127.0.0.1", port)


def test_any_port_is_never_taken() -> None:
    assert not is_taken("127.0.0.1", 0)


def test_other_obstacles_are_left_to_whoever_listens() -> None:
    """203.0.113.0/24 is for documentation, .invalid exists nowhere."""
    assert not is_taken("203.0.113.1", 80)
    assert not is_taken("host.invalid", 80)


def test_a_port_near_the_wanted_one_is_offered() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        wanted = server.getsockname()[1]

        offered = free_port("127.0.0.1", wanted, avoid={wanted + 1})

    assert offered == 0 or wanted + 1 < offered < wanted + 20


def test_without_a_free_neighbour_any_port_will_do() -> None:
    assert free_port("127.0.0.1", 65_535, avoid={65_535}) == 0


def test_the_error_names_address_and_option() -> None:
    error = taken_error("--listen", "127.0.0.1:80")

    assert str(error) == (
        "127.0.0.1:80 is in use; choose another with --listen HOST:PORT (port 0: any)"
    )
