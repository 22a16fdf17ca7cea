"""The Runtime API of a function with SnapStart, played by a test."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.peers import Peer, PeerConnection
from tests.runtime_process import RuntimeProcess

from tailrace.wire.runtime_api import ACCEPTED_BODY, Invocation, next_headers

NEXT = "GET /2018-06-01/runtime/invocation/next HTTP/1.1"
RESTORE_NEXT = "GET /2018-06-01/runtime/restore/next HTTP/1.1"
RESTORE_ERROR = "POST /2018-06-01/runtime/restore/error HTTP/1.1"
INIT_ERROR = "POST /2018-06-01/runtime/init/error HTTP/1.1"
TYPE = "lambda-runtime-function-error-type"


class Script:
    """What a runtime asks, each on the connection that it opens for it.

    Arguments and options are those of `RuntimeProcess`.
    """

    def __init__(self, folder: Path, peer: Peer, *arguments: str, **options: Any) -> None:
        self.peer = peer
        kinds = {"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"}
        self.runtime = RuntimeProcess(folder, peer, *arguments, **{**kinds, **options})

    def receive(self) -> tuple[str, dict[str, str], bytes, PeerConnection]:
        """The next request, on a new connection."""
        connection = self.peer.accept()
        return *connection.read_message(), connection

    def restore(self, status: int = 200) -> None:
        """Answer the wait for the end of the snapshot; its connection is not used again."""
        line, _, _, connection = self.receive()
        assert line == RESTORE_NEXT
        connection.send(f"HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n".encode())
        if status == 200:
            assert connection.ends_with() == b""

    def error(self) -> tuple[str, str | None, Any]:
        """A report: request line, type in the header, error; without its frames."""
        line, headers, body, connection = self.receive()
        head = f"HTTP/1.1 202 X\r\ncontent-length: {len(ACCEPTED_BODY)}\r\n\r\n"
        connection.send(head.encode() + ACCEPTED_BODY)
        error = json.loads(body)
        error["stackTrace"] = error["stackTrace"][-1:]
        return line, headers.get(TYPE), error

    def result(self, event: Any = None) -> Any:
        """The result of an invocation."""
        line, _, _, connection = self.receive()
        assert line == NEXT
        body = json.dumps(event).encode()
        fields = next_headers(Invocation("r1", 1, "arn:f"))
        head = ["HTTP/1.1 200 X", f"content-length: {len(body)}"]
        head += [f"{name}: {value}" for name, value in fields]
        connection.send("\r\n".join([*head, "", ""]).encode() + body)
        report = connection.read_message()
        assert report[0] == "POST /2018-06-01/runtime/invocation/r1/response HTTP/1.1", report
        return json.loads(report[2])
