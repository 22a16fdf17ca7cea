"""A caller of InvokeWithResponseStream that takes one event after the other."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.emulator.harness import WAIT_S, Harness

from tailrace.wire.event_stream import Message, MessageDecoder


class Caller:
    """One call on a connection of its own, made with `calling`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer
        self._decoder = MessageDecoder()
        self._messages: list[Message] = []
        self.status = 0
        self.headers: dict[str, str] = {}

    async def head(self) -> int:
        """Read the head; return the status."""
        text = (await self._read(self._reader.readuntil(b"\r\n\r\n"))).decode()
        status_line, *lines = text.rstrip().split("\r\n")
        pairs = (line.partition(": ") for line in lines)
        self.headers = {name.lower(): value for name, _, value in pairs}
        self.status = int(status_line.split()[1])
        return self.status

    async def message(self) -> Message | None:
        """The next event; None at the end of the stream."""
        while not self._messages:
            size = int(await self._read(self._reader.readuntil(b"\r\n")), 16)
            data = (await self._read(self._reader.readexactly(size + 2)))[:-2]
            if not size:
                self._decoder.finish()
                return None
            self._messages = self._decoder.feed(data)
        return self._messages.pop(0)

    async def chunk(self) -> bytes:
        """The next event, which is a chunk."""
        message = await self.message()
        assert message is not None
        assert message.headers[":event-type"] == "PayloadChunk", message
        return message.payload

    async def rest(self) -> tuple[bytes, dict[str, Any]]:
        """All bytes that are left, and what the last event says. Nothing may follow it."""
        body = bytearray()
        while True:
            message = await self.message()
            assert message is not None, "the stream ended without InvokeComplete"
            if message.headers[":event-type"] == "InvokeComplete":
                break
            body += message.payload
        assert await self.message() is None
        complete: dict[str, Any] = json.loads(message.payload)
        return bytes(body), complete

    async def json(self) -> Any:
        """The body of an answer that is no stream."""
        size = int(self.headers.get("content-length", "0"))
        return json.loads(await self._read(self._reader.readexactly(size)))

    async def _read(self, reading: Any) -> bytes:
        async with asyncio.timeout(WAIT_S):
            data: bytes = await reading
        return data


@asynccontextmanager
async def calling(
    emulator: Harness, *steps: dict[str, Any], name: str = "f", body: bytes = b"", **headers: str
) -> AsyncIterator[Caller]:
    """Call a playing function with its steps, or with any body; the head is not read yet."""
    payload = body or json.dumps({"play": steps}).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", emulator.port)
    try:
        fields = {"host": "localhost", "content-length": str(len(payload))}
        fields.update((key.replace("_", "-"), value) for key, value in headers.items())
        lines = "".join(f"{key}: {value}\r\n" for key, value in fields.items())
        path = f"/2021-11-15/functions/{name}/response-streaming-invocations"
        writer.write(f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode() + payload)
        yield Caller(reader, writer)
    finally:
        writer.close()
        try:
            await writer.wait_closed()
        except ConnectionError:
            pass
