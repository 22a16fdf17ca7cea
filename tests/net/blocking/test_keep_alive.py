"""Whole requests on one kept connection, against peers that the test plays."""

from __future__ import annotations

import pytest
from tests.peers import Peer, Running

from tailrace.errors import PeerError
from tailrace.net.blocking.keep_alive import KeepAliveClient


def test_requests_share_one_connection(peer: Peer) -> None:
    client = KeepAliveClient("127.0.0.1", peer.port)
    call = Running(client.request, "GET", "/next", timeout_s=None)
    connection = peer.accept()
    assert connection.read_message()[0] == "GET /next HTTP/1.1"
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Id: 7\r\n\r\n{}")
    answer = call.result()
    assert (answer.status, answer.headers["x-id"], answer.body) == (200, "7", b"{}")

    call = Running(
        client.request, "POST", "/response", [("content-type", "a/b")], b"x" * 100_000, timeout_s=5
    )
    line, headers, body = connection.read_message()
    connection.send(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")

    assert line == "POST /response HTTP/1.1"
    assert headers["content-type"] == "a/b"
    assert headers["host"] == f"127.0.0.1:{peer.port}"
    assert body == b"x" * 100_000
    assert call.result().status == 202
    client.close()


@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_connection_that_died_meanwhile_is_replaced(peer: Peer, how: str) -> None:
    """A frozen environment thaws with dead connections."""
    client = KeepAliveClient("127.0.0.1", peer.port)
    call = Running(client.request, "GET", "/next", timeout_s=None)
    first = peer.accept()
    first.read_message()
    first.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    call.result()
    getattr(first, how)()

    call = Running(client.request, "POST", "/response", body=b"x", timeout_s=5)
    second = peer.accept()
    assert second.read_message()[2] == b"x"
    second.send(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")

    assert call.result().status == 202
    client.close()


def test_a_get_is_repeated_once_when_a_kept_connection_dies_under_it(peer: Peer) -> None:
    client = KeepAliveClient("127.0.0.1", peer.port)
    call = Running(client.request, "GET", "/next", timeout_s=None)
    first = peer.accept()
    first.read_message()
    first.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    call.result()

    call = Running(client.request, "GET", "/next", timeout_s=None)
    first.read_message()
    first.close()
    second = peer.accept()
    second.read_message()
    second.close()

    with pytest.raises(PeerError, match="without an answer"):
        call.result()  # a fresh connection that dies is not tried again
    client.close()


def test_a_post_is_never_sent_twice(peer: Peer) -> None:
    client = KeepAliveClient("127.0.0.1", peer.port)
    call = Running(client.request, "GET", "/next", timeout_s=None)
    connection = peer.accept()
    connection.read_message()
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    call.result()

    call = Running(client.request, "POST", "/response", body=b"x", timeout_s=5)
    connection.read_message()
    connection.close()

    with pytest.raises(PeerError, match="without an answer"):
        call.result()
    client.close()


def test_an_answer_that_closes_is_obeyed(peer: Peer) -> None:
    client = KeepAliveClient("127.0.0.1", peer.port)
    for _ in range(2):
        call = Running(client.request, "POST", "/x", body=b"", timeout_s=5)
        connection = peer.accept()
        connection.read_message()
        connection.answer(202)
        assert call.result().status == 202
        assert connection.ends_with() == b""


def test_a_bounded_request_ends_at_its_time_out(peer: Peer) -> None:
    client = KeepAliveClient("127.0.0.1", peer.port)

    with pytest.raises(PeerError, match=f"no answer from 127.0.0.1:{peer.port}: timed out"):
        client.request("POST", "/x", body=b"", timeout_s=0.05)
