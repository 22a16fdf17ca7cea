"""Which ports are taken, and which ones are offered instead."""

from __future__ import annotations

import errno
import socket

import pytest

from tailrace.net.ports import free_port, is_taken, refuse_unusable, taken_error


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


@pytest.mark.parametrize(
    ("host", "message"),
    [
        ("host.invalid", "--listen: there is no host 'host.invalid'; allowed: 127.0.0.1 ("),
        ("a" * 64, "--listen: there is no host 'aaaa"),  # too long for a label
        ("203.0.113.1", "--listen: 203.0.113.1 is not an address of this machine; allowed: 127."),
        ("2001:db8::1", "--listen: 2001:db8::1 is not an address of this machine; allowed: 127."),
    ],
)
def test_an_address_of_nobody_or_somebody_else_is_refused(host: str, message: str) -> None:
    with pytest.raises(OSError) as caught:
        refuse_unusable("--listen", host, 8080)

    assert str(caught.value).startswith(message)


def test_an_address_that_is_taken_is_refused_and_a_free_one_is_not() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(OSError) as caught:
            refuse_unusable("--listen", "127.0.0.1", port)

    assert str(caught.value) == str(taken_error("--listen", f"127.0.0.1:{port}"))
    refuse_unusable("--listen", "127.0.0.1", port)
    refuse_unusable("--listen", "localhost", 0)
    refuse_unusable("--listen", "0.0.0.0", 0)


def test_a_port_for_others_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether this process may have port 80 differs from machine to machine."""

    class Forbidden(socket.socket):
        def bind(self, address: object) -> None:
            raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(socket, "socket", Forbidden)
    with pytest.raises(OSError) as caught:
        refuse_unusable("--listen", "127.0.0.1", 80)

    assert str(caught.value) == (
        "--listen: you may not listen on port 80; take one above 1023, such as 8080"
    )
