"""The blocking upload, against peers that the test plays."""

from __future__ import annotations

import os
import select
import socket
import ssl
import subprocess
import sys
from pathlib import Path

import pytest
from tests.peers import Callback, Peer, PeerConnection, Running, until

from tailrace.errors import AnsweredEarlyError, PeerError
from tailrace.net.blocking.upload import Upload, Url, connect, open_upload, parse_url


def opened(peer: Peer) -> tuple[Upload, Callback]:
    call = Running(open_upload, peer.url, [("content-type", "text/x")])
    callback = peer.accept_callback()
    callback.go_on()
    return call.result(), callback


def fill(upload: Upload) -> int:
    """Put until the kernel takes no more; return how many bytes were put."""
    total = 0
    while not upload.has_unsent:
        upload.put(b"x" * 50_000)
        total += 50_000
    return total


# --- URLs ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("http://a.example", Url(False, "a.example", 80, "/", "a.example")),
        ("https://a.example/x?y=1", Url(True, "a.example", 443, "/x?y=1", "a.example")),
        ("http://127.0.0.1:8081/a/b", Url(False, "127.0.0.1", 8081, "/a/b", "127.0.0.1:8081")),
        ("http://[::1]:80/", Url(False, "::1", 80, "/", "[::1]:80")),
    ],
)
def test_a_url_is_taken_apart(url: str, parts: Url) -> None:
    assert parse_url(url) == parts


@pytest.mark.parametrize(
    "url",
    [
        "ftp://a/",
        "http://",
        "http://user@a/",
        "http://a:99999/",
        "http://a/x y",
        "http://a/x\r\nx: y",
        "http://a/#f",
        "/x",
        "http://ä/",
    ],
)
def test_what_is_no_url_of_ours_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(PeerError, match="not the URL") as caught:
        parse_url(url)

    assert url not in str(caught.value)


# --- opening -------------------------------------------------------------------------------------


def test_the_head_asks_to_go_on_before_any_body_is_sent(peer: Peer) -> None:
    call = Running(open_upload, peer.url, [("content-type", "text/x")])
    callback = peer.accept_callback()

    assert callback.line == f"POST {peer.url.partition(str(peer.port))[2]} HTTP/1.1"
    assert callback.headers == [
        ("host", f"127.0.0.1:{peer.port}"),
        ("content-type", "text/x"),
        ("transfer-encoding", "chunked"),
        ("expect", "100-continue"),
    ]
    assert call.is_running
    callback.go_on()
    call.result().close()


def unasked(peer: Peer) -> tuple[Upload, PeerConnection]:
    """An upload whose peer is not asked whether it wants the body."""
    url = parse_url(peer.url)
    upload = Upload(connect(url))
    upload.queue_head(url, [("a", "b")])
    return upload, peer.accept()


def test_an_unasked_head_leaves_with_the_first_chunk(peer: Peer) -> None:
    upload, connection = unasked(peer)
    assert select.select([connection.socket], [], [], 0.05)[0] == []
    upload.put(b"chunk")

    path = peer.url.partition(str(peer.port))[2]
    assert (
        connection.socket.recv(65536)
        == (
            f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1:{peer.port}\r\na: b\r\n"
            "transfer-encoding: chunked\r\n\r\n5\r\nchunk\r\n"
        ).encode()
    )
    upload.put_end([("x", "y")])
    assert connection.read_until(b"\r\n\r\n") == b"0\r\nx: y\r\n\r\n"
    assert upload.is_ended
    connection.answer(202)
    assert upload.wait_answer(10).status == 202
    upload.close()


def test_an_unasked_head_leaves_alone_when_it_is_pushed(peer: Peer) -> None:
    upload, connection = unasked(peer)
    upload.push()

    assert connection.read_head()[1][1:] == [("a", "b"), ("transfer-encoding", "chunked")]
    upload.close()


def test_many_pieces_arrive_whole_however_the_kernel_takes_them(peer: Peer) -> None:
    upload, connection = unasked(peer)
    chunks = [bytes([65 + n % 26]) * (70_000 * n) for n in range(1, 30)]
    for chunk in chunks:
        upload.put(chunk)
    upload.put_end()
    assert upload.has_unsent
    draining = Running(upload.drain)
    connection.read_head()
    for chunk in chunks:
        assert connection.read_chunk() == chunk
    assert connection.read_chunk() == b""

    draining.result()
    upload.close()


def test_100_may_come_byte_by_byte_and_after_other_interim_answers(peer: Peer) -> None:
    call = Running(open_upload, peer.url)
    callback = peer.accept_callback()
    for byte in b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n":
        callback.send(bytes([byte]))

    call.result().close()


@pytest.mark.parametrize("status", [404, 409, 410, 200, 302])
def test_a_final_answer_in_place_of_100_refuses(peer: Peer, status: int) -> None:
    """Also a redirect: nothing is followed, the URL is a secret."""
    call = Running(open_upload, peer.url)
    peer.accept_callback().answer(status, b'{"message":"no"}', "Location: http://127.0.0.1:1/")

    with pytest.raises(AnsweredEarlyError, match="no") as caught:
        call.result()

    assert caught.value.status == status


def test_nobody_listening_is_a_peer_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    with pytest.raises(PeerError, match=f"no connection to 127.0.0.1:{port}: Connection refused"):
        open_upload(f"http://127.0.0.1:{port}/")


def test_silence_ends_the_wait(peer: Peer) -> None:
    call = Running(open_upload, peer.url, answer_timeout_s=0.05)
    callback = peer.accept_callback()

    with pytest.raises(PeerError, match="did not say within the time-out"):
        call.result()
    assert callback.ends_with() == b""


@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_peer_that_hangs_up_is_a_peer_error(peer: Peer, how: str) -> None:
    call = Running(open_upload, peer.url)
    getattr(peer.accept_callback(), how)()

    with pytest.raises(PeerError, match=r"closed the connection|Connection reset"):
        call.result()


def test_rubbish_is_a_peer_error(peer: Peer) -> None:
    call = Running(open_upload, peer.url)
    peer.accept_callback().send(b"220 smtp.example ESMTP\r\n\r\n")

    with pytest.raises(PeerError, match="not understood"):
        call.result()


# --- sending -------------------------------------------------------------------------------------


def test_each_chunk_is_there_before_the_next_is_put(peer: Peer) -> None:
    upload, callback = opened(peer)

    for data in (b"a", b"b" * 1_000_000, b"c"):
        draining = Running(lambda data=data: (upload.put(data), upload.drain()))
        assert callback.read_chunk() == data
        draining.result()
    upload.put(b"")  # no chunk: it would be the end
    upload.put_end()

    assert callback.read_chunk() == b""
    callback.finish(b"")
    assert upload.wait_answer().status == 200
    upload.close()


def test_trailers_follow_the_last_chunk(peer: Peer) -> None:
    upload, callback = opened(peer)

    upload.put_end([("x-error", "1"), ("x-more", "2")])

    assert callback.read_until(b"\r\n\r\n") == b"0\r\nx-error: 1\r\nx-more: 2\r\n\r\n"
    upload.abort()


def test_a_peer_that_does_not_read_blocks_the_sender_until_it_does(peer: Peer) -> None:
    upload, callback = opened(peer)
    total = fill(upload)
    draining = Running(upload.drain)

    until(lambda: draining.is_running and upload.has_unsent)
    received = 0
    while received < total:
        received += len(callback.read_chunk())

    draining.result()
    assert received == total
    upload.abort()


def test_a_stalled_send_ends_at_its_time_out(peer: Peer) -> None:
    upload, _ = opened(peer)
    fill(upload)

    with pytest.raises(PeerError, match="took no bytes within the time-out"):
        upload.drain(timeout_s=0.05)
    upload.abort()


# --- answers that come early ---------------------------------------------------------------------


def test_an_early_answer_is_noticed_before_the_next_chunk(peer: Peer) -> None:
    upload, callback = opened(peer)
    upload.put(b"one")
    assert callback.read_chunk() == b"one"
    callback.answer(410, b'{"message":"the client has left"}')

    def put_until_told() -> None:
        while True:
            upload.put(b"")

    with pytest.raises(AnsweredEarlyError, match=r"410.*the client has left"):
        Running(put_until_told).result()
    with pytest.raises(AnsweredEarlyError):
        upload.put(b"two")
    assert upload.is_over
    upload.close()
    assert callback.ends_with() == b"", "nothing was sent after the answer"


def test_an_early_answer_is_noticed_while_a_send_is_blocked(peer: Peer) -> None:
    upload, callback = opened(peer)
    fill(upload)
    draining = Running(upload.drain)
    callback.answer(410)

    with pytest.raises(AnsweredEarlyError) as caught:
        draining.result()
    assert caught.value.status == 410
    upload.close()


def test_an_early_answer_is_found_after_a_send_has_failed(peer: Peer) -> None:
    """The peer answers and resets before we look: the answer must not be lost with the error."""
    upload, callback = opened(peer)
    fill(upload)
    callback.answer(410, b"gone")
    callback.close()  # with bytes unread: a reset follows the answer
    until(lambda: _has_failed(upload))

    with pytest.raises(AnsweredEarlyError, match="410 gone"):
        upload.drain()
    upload.close()


def _has_failed(upload: Upload) -> bool:
    """Whether the kernel knows of the reset; looking takes nothing away."""
    poll = select.poll()
    poll.register(upload.fileno(), select.POLLIN)
    return any(flags & (select.POLLERR | select.POLLHUP) for _, flags in poll.poll(0))


def test_an_end_without_an_answer_is_a_loss(peer: Peer) -> None:
    upload, callback = opened(peer)
    upload.put(b"one")
    callback.reset()
    until(lambda: _has_failed(upload))

    with pytest.raises(PeerError, match="broke") as caught:
        upload.put(b"two")
    assert not isinstance(caught.value, AnsweredEarlyError)
    with pytest.raises(PeerError):
        upload.put(b"three")
    upload.close()


def test_an_answer_in_the_middle_of_the_last_bytes_ends_the_wait(peer: Peer) -> None:
    """The end is queued, the peer answers 410 and reads no more: no reason to send the rest."""
    upload, callback = opened(peer)
    fill(upload)
    upload.put_end()
    waiting = Running(upload.wait_answer)
    callback.answer(410, b"left")
    callback.close()

    assert waiting.result().status == 410
    upload.close()


@pytest.mark.parametrize("days", [25, 1e10])
def test_an_answer_may_have_all_the_time_in_the_world(peer: Peer, days: float) -> None:
    """So local Runtime APIs say that there is no deadline."""
    upload, callback = opened(peer)
    count = fill(upload)
    upload.put_end()
    waiting = Running(upload.wait_answer, days * 86_400)
    callback.serve_rest()

    assert waiting.result().body == b'{"bytes": %d}' % count
    upload.close()


def test_a_missing_last_word_is_a_peer_error(peer: Peer) -> None:
    upload, callback = opened(peer)
    upload.put_end()
    with pytest.raises(PeerError, match="did not answer within the time-out"):
        upload.wait_answer(timeout_s=0.05)
    upload.close()

    upload, callback = opened(peer)
    upload.put_end()
    assert callback.read_chunk() == b""
    callback.close()
    with pytest.raises(PeerError, match="closed the connection"):
        upload.wait_answer()
    upload.close()


# --- breaking off --------------------------------------------------------------------------------


def test_an_abort_is_a_reset(peer: Peer) -> None:
    upload, callback = opened(peer)
    upload.put(b"one")
    assert callback.read_chunk() == b"one"

    upload.abort()
    upload.abort()

    assert callback.ends_with() is ConnectionResetError


# --- TLS -----------------------------------------------------------------------------------------

CERTIFICATE = Path(__file__).parent.parent / "tls" / "localhost.pem"  # self-signed, for loopback

UPLOAD_OVER_TLS = """
import asyncio, sys
from tailrace.net.blocking.upload import open_upload
from tailrace.net.blocking.async_upload import AsyncUpload

async def send(upload):
    watch = AsyncUpload(upload, print)
    upload.put(b"one")
    upload.put(b"x" * 3_000_000)
    await watch.drain()
    watch.detach()

upload = open_upload(sys.argv[1])
if sys.argv[2] == "async":
    asyncio.run(send(upload))
else:
    upload.put(b"one")
    upload.put(b"x" * 3_000_000)
    upload.drain()
upload.put_end()
print(upload.wait_answer().body.decode())
upload.close()
"""


def upload_over_tls(
    port: int, environment: dict[str, str], kind: str = "blocking"
) -> subprocess.Popen[str]:
    url = f"https://127.0.0.1:{port}/x"
    return subprocess.Popen(
        [sys.executable, "-X", "dev", "-c", UPLOAD_OVER_TLS, url, kind],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("kind", ["blocking", "async"])
def test_an_upload_over_tls_streams_and_verifies_its_peer(peer: Peer, kind: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    process = upload_over_tls(peer.port, {"SSL_CERT_FILE": str(CERTIFICATE)}, kind)
    sock, _ = peer.socket.accept()
    callback = Callback(context.wrap_socket(sock, server_side=True))
    peer.connections.append(callback)

    callback.go_on()
    assert callback.read_chunk() == b"one"
    assert callback.read_chunk() == b"x" * 3_000_000
    assert callback.read_chunk() == b""
    callback.answer(200, b"taken")

    out, errors = process.communicate(timeout=20)
    assert (out, errors, process.returncode) == ("taken\n", "", 0)


def test_a_certificate_that_nobody_trusts_is_refused(peer: Peer) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    process = upload_over_tls(peer.port, {})
    sock, _ = peer.socket.accept()
    with pytest.raises(ssl.SSLError):
        context.wrap_socket(sock, server_side=True)

    _, errors = process.communicate(timeout=20)
    assert "CERTIFICATE_VERIFY_FAILED" in errors
    assert "ResourceWarning" not in errors
