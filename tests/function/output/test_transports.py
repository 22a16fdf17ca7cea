"""The transports of a response: an upload to a peer, and a result that is returned."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tailrace.errors import ClientDisconnected, ResponseTooLargeError
from tailrace.function import Head
from tailrace.function.output.result import ResultTransport
from tailrace.function.output.upload import UploadTransport
from tailrace.limits import ALB_RESPONSE_BYTES_MAX, BUFFERED_RESPONSE_BYTES_MAX
from tailrace.net.blocking.upload import Upload
from tailrace.wire.events import EventCodec
from tailrace.wire.events.alb import ALB, ALB_MULTI_VALUE
from tailrace.wire.events.function_url import FUNCTION_URL

GONE = b"HTTP/1.1 410 Gone\r\ncontent-length: 4\r\n\r\nleft"
REFUSED = b"HTTP/1.1 503 Busy\r\ncontent-length: 4\r\n\r\nbusy"
HTML = Head(201, {"content-type": "text/html"}, ["a=1"])


class Line:
    """An upload, and the socket of the peer that takes it."""

    def __init__(self) -> None:
        here, self.peer = socket.socketpair()
        self.peer.settimeout(10)
        self.started: list[str] = []
        self.transport = UploadTransport(Upload(here), self.started.append)
        self.losses = 0
        self.transport.on_loss = self._on_loss

    def _on_loss(self) -> None:
        self.losses += 1


@pytest.fixture
def line() -> Iterator[Line]:
    line = Line()
    yield line
    line.transport.upload.close()
    line.peer.close()


def test_a_response_is_the_body_of_the_upload(line: Line) -> None:
    transport = line.transport
    assert (transport.has_started, line.started) == (False, [])

    transport.start(HTML, "text/html")
    transport.send(b"one")
    transport.send(b"two")
    transport.end()

    assert (transport.has_started, line.started, transport.is_ended) == (True, ["text/html"], True)
    assert line.peer.recv(100) == b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"
    assert (transport.peer, transport.loss, line.losses) == (transport, None, 0)


ACTS: list[Callable[[UploadTransport], None]] = [
    lambda transport: transport.send(b"x"),
    UploadTransport.push,
    UploadTransport.look,
    UploadTransport.end,
]


@pytest.mark.parametrize("act", ACTS, ids=["send", "push", "look", "end"])
@pytest.mark.parametrize(("answer", "level"), [(GONE, logging.INFO), (REFUSED, logging.WARNING)])
def test_a_peer_that_takes_no_more_is_one_loss_and_one_line_of_the_log(
    line: Line, act: Any, answer: bytes, level: int, caplog: pytest.LogCaptureFixture
) -> None:
    line.peer.sendall(answer)

    with caplog.at_level(logging.INFO):
        for each in (act, *ACTS):
            with pytest.raises(ClientDisconnected, match="nobody takes the response any more"):
                each(line.transport)

    (record,) = caplog.records
    assert record.levelno == level
    assert line.losses == 1


def test_a_response_that_is_aborted_does_not_look_complete(line: Line) -> None:
    line.transport.send(b"x")
    line.transport.abort()

    assert not line.peer.recv(100).endswith(b"0\r\n\r\n")


def test_a_complete_response_outlives_an_abort(line: Line) -> None:
    """A reset could take from the peer what it has not read."""
    line.transport.send(b"x")
    line.transport.end()
    line.transport.abort()

    assert line.peer.recv(100) == b"1\r\nx\r\n0\r\n\r\n"


@pytest.mark.parametrize("keeps_results", [False, True])
def test_a_plain_result_is_kept_for_a_runtime_that_reports_it(
    line: Line, keeps_results: bool
) -> None:
    transport = UploadTransport(line.transport.upload, keeps_results=keeps_results)

    assert transport.keep_result({"a": 1}) == keeps_results
    assert transport.result == ({"a": 1} if keeps_results else None)


# --- results -------------------------------------------------------------------------------------


def returned(codec: EventCodec | None, pieces: list[bytes], *, is_text: bool = True) -> Any:
    transport = ResultTransport(codec)
    transport.start(HTML, "text/html")
    for piece in pieces:
        transport.send(piece)
    transport.end()
    return transport.result(is_text=is_text)


def test_an_http_response_is_a_result_of_format_2() -> None:
    assert returned(FUNCTION_URL, [b"<p>", b"x"]) == {
        "statusCode": 201,
        "headers": {"content-type": "text/html"},
        "cookies": ["a=1"],
        "body": "<p>x",
        "isBase64Encoded": False,
    }


def test_any_other_response_is_its_body() -> None:
    assert returned(None, [b"<p>", b"x"]) == "<p>x"
    assert returned(None, [b"<p>", b"x"], is_text=False) == b"<p>x"


def test_a_plain_result_is_returned_as_it_is() -> None:
    result = object()
    transport = ResultTransport(FUNCTION_URL)

    assert transport.keep_result(result)
    assert transport.result(is_text=True) is result


def test_bytes_are_no_result_of_an_http_event() -> None:
    assert not ResultTransport(FUNCTION_URL).keep_result(b"x")
    assert ResultTransport(None).keep_result(b"x")


def test_an_http_response_is_a_result_in_the_form_of_the_event() -> None:
    assert returned(ALB_MULTI_VALUE, [b"<p>", b"x"]) == {
        "statusCode": 201,
        "statusDescription": "201 Created",
        "multiValueHeaders": {"content-type": ["text/html"], "set-cookie": ["a=1"]},
        "body": "<p>x",
        "isBase64Encoded": False,
    }


@pytest.mark.parametrize(
    ("codec", "size_max"),
    [
        (None, BUFFERED_RESPONSE_BYTES_MAX),
        (FUNCTION_URL, BUFFERED_RESPONSE_BYTES_MAX),
        (ALB, ALB_RESPONSE_BYTES_MAX),
    ],
)
def test_a_body_over_the_limit_is_an_error_of_the_write(
    codec: EventCodec | None, size_max: int
) -> None:
    transport = ResultTransport(codec)
    transport.start(HTML, "text/html")
    transport.send(bytes(size_max))

    with pytest.raises(ResponseTooLargeError, match="a streamed one has no such limit"):
        transport.send(b"x")


def test_base64_counts_towards_the_limit() -> None:
    with pytest.raises(ResponseTooLargeError):
        returned(FUNCTION_URL, [b"\xff" * BUFFERED_RESPONSE_BYTES_MAX])
