"""What invokes a function's process: a Runtime API, and a listener for its callbacks.

It answers at once and keeps nothing, so that what is measured is the process that it invokes.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from typing import Self

from bench.chain import FUNCTIONS
from tailrace.wire.capability import EXCHANGE_FIELD
from tailrace.wire.events.function_url import event_from_request
from tailrace.wire.integration import DELIMITER
from tailrace.wire.mark import keys_for_callback
from tailrace.wire.runtime_api import ACCEPTED_BODY, Invocation, next_headers

EXCHANGE_ID = "0a1b2c3d-0a1b-2c3d-4e5f-0123456789ab"
SECRET = "5ec2e75ec2e75ec2e75ec2e75ec2e75e"
REQUEST_ID = "8476a536-e9f4-11e8-9739-2dfe598c3fcd"
HEADERS = (
    ("host", "stream.example.com"),
    ("user-agent", "bench"),
    ("accept", "*/*"),
    ("x-forwarded-for", "192.0.2.1"),
    ("x-forwarded-port", "443"),
    ("x-forwarded-proto", "https"),
    ("x-amzn-trace-id", "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700"),
)
CONTINUE = f"HTTP/1.1 100 Continue\r\n{EXCHANGE_FIELD}: {EXCHANGE_ID}\r\n\r\n".encode()


class Invoker:
    """Invokes one process again and again: each event is the answer to its request for one.

    `next_event` is called when the process waits for one; None ends the process.
    """

    def __init__(self) -> None:
        self.next_event: Callable[[], bytes | None] = lambda: None
        self.port = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *unused: object) -> None:
        self._server.close()

    def event(self, chunks: int, has_callback: bool) -> bytes:
        """An event for `tokens` of the functions here: the gateway's, or that of a Function URL."""
        query = f"chunks={chunks}"
        event = event_from_request(
            method="GET",
            path="/",
            query=query,
            headers=HEADERS,
            body=b"",
            source_ip="192.0.2.1",
            request_id=EXCHANGE_ID,
            time_epoch_ms=0,
            host="stream.example.com",
        )
        if has_callback:
            url = f"http://127.0.0.1:{self.port}/{EXCHANGE_ID}/{SECRET}"
            event |= keys_for_callback(url, f"/?{query}", EXCHANGE_ID)
        return json.dumps(event, separators=(",", ":")).encode()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._answer(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the process has closed the connection, or has ended
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; return whether another may follow."""
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        if head.startswith(b"get "):
            event = self.next_event()
            if event is None:
                writer.write(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n")
                return False
            writer.write(next_answer(event))
            return True
        if b"\r\nexpect: 100-continue\r\n" in head:
            writer.write(CONTINUE)
        if b"\r\ntransfer-encoding: chunked\r\n" in head:
            response = await _read_chunked(reader)
        else:
            length = head.partition(b"\r\ncontent-length: ")[2].partition(b"\r\n")[0]
            response = await reader.readexactly(int(length))
        is_callback = head.startswith(b"post /" + EXCHANGE_ID.encode())
        status, body = "202 Accepted", ACCEPTED_BODY
        if is_callback:
            taken = len(response.partition(DELIMITER)[2])
            status, body = "200 OK", b'{"bytes":%d}' % taken
        is_last = is_callback or b"\r\nconnection: close\r\n" in head
        lines = [f"HTTP/1.1 {status}", f"content-length: {len(body)}"]
        lines += ["connection: close"] if is_last else []
        writer.write("\r\n".join((*lines, "", "")).encode() + body)
        return not is_last


def variables(port: int) -> dict[str, str]:
    """Those of Lambda that a runtime needs."""
    return {
        "PATH": os.environ["PATH"],
        "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{port}",
        "AWS_LAMBDA_FUNCTION_NAME": "bench",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
        "LAMBDA_TASK_ROOT": str(FUNCTIONS),
    }


async def _read_chunked(reader: asyncio.StreamReader) -> bytes:
    """Return a chunked body: an answer to a callback has the number of its bytes."""
    chunks = []
    while size := int(await reader.readline(), 16):
        chunks.append(await reader.readexactly(size))
        await reader.readline()
    await reader.readline()
    return b"".join(chunks)


def next_answer(event: bytes) -> bytes:
    """The answer to a request for an event."""
    invocation = Invocation(
        request_id=REQUEST_ID,
        deadline_ms=4_000_000_000_000,
        function_arn="arn:aws:lambda:us-east-1:123456789012:function:bench",
        trace_id="Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1",
        event=event,
    )
    lines = [f"{name}: {value}" for name, value in next_headers(invocation)]
    lines = ["HTTP/1.1 200 OK", *lines, f"content-length: {len(event)}", "", ""]
    return "\r\n".join(lines).encode() + event
