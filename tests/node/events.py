"""InvokeWithResponseStream by AWS's SDK for Python, read as it comes."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import boto3
from botocore.config import Config
from tests.e2e.chain import Chain
from tests.e2e.gate import WAIT_S, Gate


@contextmanager
def connected(chain: Chain) -> Iterator[Any]:
    """A client of the emulator."""
    client = boto3.client(
        "lambda",
        endpoint_url=chain.emulator_url,
        region_name="us-east-1",
        aws_access_key_id="tailrace",
        aws_secret_access_key="tailrace",
        config=Config(read_timeout=WAIT_S, retries={"total_max_attempts": 1}),
    )
    try:
        yield client
    finally:
        client.close()


class Events:
    """A response of InvokeWithResponseStream, read as it comes."""

    def __init__(self, answer: Mapping[str, Any]) -> None:
        self._stream = answer["EventStream"]
        self._events = iter(self._stream)
        self._unread = b""
        self.complete: dict[str, str] | None = None

    def body(self, size: int) -> bytes:
        """So many bytes."""
        while len(self._unread) < size:
            self._read()
        data, self._unread = self._unread[:size], self._unread[size:]
        return data

    def until(self, separator: bytes) -> bytes:
        """All before the separator, which is read as well."""
        while separator not in self._unread:
            self._read()
        data, _, self._unread = self._unread.partition(separator)
        return data

    def rest(self) -> bytes:
        """What is left; `complete` is there then."""
        while self.complete is None:
            self._read()
        assert list(self._events) == []
        return self._unread

    def close(self) -> None:
        self._stream.close()

    def _read(self) -> None:
        match next(self._events):
            case {"PayloadChunk": {"Payload": data}}:
                self._unread += data
            case {"InvokeComplete": complete}:
                self.complete = complete


@contextmanager
def invoked(api: Any, name: str, payload: bytes, gate: Gate | None = None) -> Iterator[Events]:
    """Call a function. A gate is opened once: the head comes with the function's first write."""
    opening = threading.Thread(target=gate.open if gate else None)
    opening.start()
    answer = api.invoke_with_response_stream(FunctionName=name, Payload=payload)
    opening.join()
    assert answer["StatusCode"] == 200
    events = Events(answer)
    try:
        yield events
    finally:
        events.close()
