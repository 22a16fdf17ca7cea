"""Messages of a binary event stream, the answer of InvokeWithResponseStream, in both directions.

A message is a prelude (its length, the length of its headers, and the CRC of both), headers,
payload, and the CRC of all these; integers are big-endian.

Source: Smithy specification "Amazon Event Stream" and, for the messages of Lambda, Lambda API
reference, "InvokeWithResponseStream", read 2026-11. Bounds are those of botocore 1.44.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from struct import Struct
from struct import error as StructError
from typing import Final, NamedTuple
from zlib import crc32

from tailrace.errors import EventStreamError
from tailrace.limits import (
    EVENT_STREAM_HEADERS_BYTES_MAX,
    EVENT_STREAM_PAYLOAD_BYTES_MAX,
    HEADER_COUNT_MAX,
)

MEDIA_TYPE: Final = "application/vnd.amazon.eventstream"

_LENGTHS: Final = Struct(">II")
_CRC: Final = Struct(">I")
_STRING_LENGTH: Final = Struct(">H")
_PRELUDE_BYTES: Final = 12
_FRAMING_BYTES: Final = 16
_BYTES: Final = 6
_STRING: Final = 7
_SIZE_OF_TYPE: Final = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
"""Values of a fixed size: true, false, integers of 1 to 8 bytes, a time, a UUID."""
_JSON: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


class Message(NamedTuple):
    """One message. Only headers with a string are kept: Lambda sends no others."""

    headers: dict[str, str]
    payload: bytes


def encode_message(headers: Mapping[str, str], payload: bytes) -> bytes:
    """Return a message with string headers."""
    return _encode(_encode_headers(headers), payload)


def encode_chunk(payload: bytes) -> bytes:
    """Return a `PayloadChunk` with bytes of the response."""
    return _encode(_CHUNK_HEADERS, payload)


def encode_complete(
    error_code: str | None = None,
    error_details: str | None = None,
    log_result: str | None = None,
) -> bytes:
    """Return the `InvokeComplete` that ends the stream; with an error code the function has failed.

    `error_details` is the JSON text of the function's error, `log_result` the base64 of its log.
    """
    fields = {"ErrorCode": error_code, "ErrorDetails": error_details, "LogResult": log_result}
    given = {key: text for key, text in fields.items() if text is not None}
    return _encode(_COMPLETE_HEADERS, _JSON.encode(given).encode())


class MessageDecoder:
    """Reads messages from chunks of any size. After an error, every call raises it again.

    It holds at most one message and the bytes of one call.
    """

    __slots__ = (
        "_buffer",
        "_error",
        "_header_bytes",
        "_headers",
        "_payload_bytes_max",
        "_raw_headers",
        "_total_bytes",
    )

    def __init__(self, *, payload_bytes_max: int = EVENT_STREAM_PAYLOAD_BYTES_MAX) -> None:
        self._payload_bytes_max = payload_bytes_max
        self._buffer = bytearray()
        self._total_bytes = 0  # of the message whose prelude has been read; else 0
        self._header_bytes = 0
        self._raw_headers = b""  # of the last message: most messages repeat them
        self._headers: dict[str, str] = {}
        self._error: EventStreamError | None = None

    def feed(self, data: bytes) -> list[Message]:
        """Take the next bytes; return the messages that they complete.

        Raises:
            EventStreamError: a checksum is wrong, a message is malformed or over a limit.
        """
        return list(self.read(data))

    def read(self, data: bytes) -> Iterator[Message]:
        """As `feed`, one message at a time: a caller may stop at the last one that it needs.

        One chunk may have thousands of messages. Messages that are not read wait for the next call.
        """
        if self._error is not None:
            raise self._error
        self._buffer += data
        try:
            while (message := self._take_message()) is not None:
                yield message
        except EventStreamError as error:
            self._error = error
            self._buffer.clear()
            raise

    def finish(self) -> None:
        """End the input: no more bytes follow.

        Raises:
            EventStreamError: the stream ends inside a message, or was refused before.
        """
        if self._error is not None:
            raise self._error
        if self._buffer:
            raise EventStreamError(f"the stream ends {len(self._buffer)} bytes into a message")

    def _take_message(self) -> Message | None:
        """Return the first message of the buffer if it is complete."""
        buffer = self._buffer
        if not self._total_bytes:
            if len(buffer) < _PRELUDE_BYTES:
                return None
            self._read_prelude()
        total = self._total_bytes
        if len(buffer) < total:
            return None
        with memoryview(buffer) as view:
            body_crc = crc32(view[: total - 4])
            payload = bytes(view[_PRELUDE_BYTES + self._header_bytes : total - 4])
        raw_headers = bytes(buffer[_PRELUDE_BYTES : _PRELUDE_BYTES + self._header_bytes])
        _check_crc("message", body_crc, _CRC.unpack_from(buffer, total - 4)[0])
        del buffer[:total]
        self._total_bytes = 0
        if raw_headers != self._raw_headers:
            self._headers = _decode_headers(raw_headers)
            self._raw_headers = raw_headers
        return Message(self._headers.copy(), payload)

    def _read_prelude(self) -> None:
        """Read the lengths after their checksum has been verified."""
        prelude = bytes(self._buffer[:_PRELUDE_BYTES])
        _check_crc("prelude", crc32(prelude[:8]), _CRC.unpack_from(prelude, 8)[0])
        total, header_bytes = _LENGTHS.unpack_from(prelude)
        payload_bytes = total - header_bytes - _FRAMING_BYTES
        if payload_bytes < 0:
            raise EventStreamError(
                f"a message of {total} bytes has {header_bytes} bytes of headers"
            )
        if header_bytes > EVENT_STREAM_HEADERS_BYTES_MAX:
            raise EventStreamError(
                f"a message has {header_bytes} bytes of headers, "
                f"over the limit of {EVENT_STREAM_HEADERS_BYTES_MAX}"
            )
        if payload_bytes > self._payload_bytes_max:
            raise EventStreamError(
                f"a message has {payload_bytes} bytes of payload, "
                f"over the limit of {self._payload_bytes_max}"
            )
        self._total_bytes = total
        self._header_bytes = header_bytes


def _encode(headers: bytes, payload: bytes) -> bytes:
    assert len(payload) <= EVENT_STREAM_PAYLOAD_BYTES_MAX, "too long a payload"
    lengths = _LENGTHS.pack(_FRAMING_BYTES + len(headers) + len(payload), len(headers))
    start = b"".join((lengths, _CRC.pack(crc32(lengths)), headers))
    return b"".join((start, payload, _CRC.pack(crc32(payload, crc32(start)))))


def _encode_headers(headers: Mapping[str, str]) -> bytes:
    pieces: list[bytes] = []
    for name, value in headers.items():
        raw_name, raw_value = name.encode(), value.encode()
        assert 0 < len(raw_name) < 1 << 8 and len(raw_value) < 1 << 16, "too long a header"
        pieces += (bytes((len(raw_name),)), raw_name, bytes((_STRING,)))
        pieces += (_STRING_LENGTH.pack(len(raw_value)), raw_value)
    encoded = b"".join(pieces)
    assert len(encoded) <= EVENT_STREAM_HEADERS_BYTES_MAX, "too many headers"
    return encoded


def _decode_headers(raw: bytes) -> dict[str, str]:
    headers: dict[str, str] = {}
    seen: set[str] = set()
    place = 0
    try:
        while place < len(raw):
            name_end = place + 1 + raw[place]
            name = raw[place + 1 : name_end].decode()
            kind = raw[name_end]
            place = name_end + 1
            if kind in (_STRING, _BYTES):
                size = _STRING_LENGTH.unpack_from(raw, place)[0]
                place += _STRING_LENGTH.size
            else:
                size = _SIZE_OF_TYPE[kind]
            value = raw[place : place + size]
            place += size
            if name in seen:
                raise EventStreamError(f"a message has the header {name[:40]!r} twice")
            seen.add(name)
            if len(seen) > HEADER_COUNT_MAX:
                raise EventStreamError(f"a message has more than {HEADER_COUNT_MAX} headers")
            if kind == _STRING:
                headers[name] = value.decode()
        is_whole = place == len(raw)
    except (IndexError, KeyError, ValueError, StructError):
        is_whole = False
    if not is_whole:
        raise EventStreamError("the headers of a message are malformed")
    return headers


def _check_crc(what: str, computed: int, given: int) -> None:
    if computed != given:
        raise EventStreamError(
            f"the checksum of a {what} is {given:08x}, its bytes make {computed:08x}"
        )


def _event_headers(event_type: str, media_type: str) -> bytes:
    return _encode_headers(
        {":event-type": event_type, ":content-type": media_type, ":message-type": "event"}
    )


_CHUNK_HEADERS: Final = _event_headers("PayloadChunk", "application/octet-stream")
_COMPLETE_HEADERS: Final = _event_headers("InvokeComplete", "application/json")
