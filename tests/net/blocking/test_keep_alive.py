"""Whole requests on one kept connection, against peers that the test plays."""

from __future__ import annotations

import os
import select

import pytest
from tests.peers import Peer, Running, until

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


def test_a_body_larger_than_the_kernels_buffers_arrives_whole(peer: Peer) -> None:
    client = KeepAliveClient("127.0.0.1", peer.port)
    sent = bytes(range(256)) * 40_000

    call = Running(client.request, "POST", "/x", body=sent, timeout_s=10)
    connection = peer.accept()
    _, _, body = connection.read_message()
    assert call.is_running
    connection.answer(202)

    assert call.result().status == 202
    assert body == sent


def test_a_peer_that_takes_no_body_ends_the_request_at_its_time_out(peer: Peer) -> None:
    client = KeepAliveClient("127.0.0.1", peer.port)

    with pytest.raises(PeerError, match=f"no answer from 127.0.0.1:{peer.port}: timed out"):
        client.request("POST", "/x", body=bytes(30_000_000), timeout_s=0.05)


def test_a_signal_ends_no_wait_by_itself(peer: Peer) -> None:
    """What Python writes to the wake descriptor is read, and the wait goes on."""
    wake_fd, signal_fd = os.pipe()
    client = KeepAliveClient("127.0.0.1", peer.port, wake_pipe=(wake_fd, signal_fd))
    call = Running(client.request, "POST", "/x", body=b"", timeout_s=10)
    connection = peer.accept()
    connection.read_message()

    os.write(signal_fd, b"\x0f")
    until(lambda: not select.select([wake_fd], [], [], 0)[0], "the read of the wake descriptor")
    assert call.is_running
    connection.answer(202)

    assert call.result().status == 202
    os.close(wake_fd)
    os.close(signal_fd)
