"""`python -m bench.calls`: the longest work that one message of a peer costs in one call.

Each row is the worst input that was found within its limits. What is counted is the CPU time of the
call; while it lasts, no other stream moves.
"""

from __future__ import annotations

import gzip
import io
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import NamedTuple

import msgspec

from tailrace import limits
from tailrace.emulator import runtime_answer, signature
from tailrace.emulator.gzip_decoder import GzipDecoder
from tailrace.emulator.log import EmulatorLog, EnvironmentLog, LastInit
from tailrace.errors import TailraceError
from tailrace.gateway.transports.stream_head import HeadFinder
from tailrace.gateway.transports.stream_messages import failure_in, split
from tailrace.net import json_text
from tailrace.net.server.parser import HttpLimits, RequestParser
from tailrace.wire import event_stream
from tailrace.wire.events.function_url import event_from_request
from tailrace.wire.http_head import RequestHead
from tailrace.wire.integration import PreludeParser
from tailrace.wire.stream_frames import FrameDecoder, encode_data

RUNS = 9
RESULT_BYTES = limits.BUFFERED_RESPONSE_BYTES_MAX - 1_000
LISTS = b"[" + b"[]," * (RESULT_BYTES // 3 - 100) + b"0]"
OBJECTS = b"[" + b"{}," * (RESULT_BYTES // 3 - 100) + b"0]"


class Case(NamedTuple):
    """One kind of message."""

    name: str
    """As in docs/topics/performance.md."""
    where: str
    prepare: Callable[[], Callable[[], object]]
    """Makes the message; the call that it returns is what is measured."""


def cases() -> Iterator[Case]:
    """Every case, in no order."""
    yield from _requests()
    yield from _results()
    yield from _streams()
    yield from _emulated()


def _requests() -> Iterator[Case]:
    both = "gateway, Function URL"
    yield Case("a request: 4.5 MB of bytes", both, lambda: _event(bytes(range(256)) * 17_578))
    quotes = b'"' * limits.STREAM_REQUEST_BODY_BYTES_MAX
    yield Case("a request: 4.5 MB of text, all quotes", both, lambda: _event(quotes))
    controls = b"\1" * limits.EVENT_CONTROLS_MAX + b"x" * 3_900_000
    yield Case("a request: 4.5 MB of text with many controls", both, lambda: _event(controls))
    query = "%a&" * (limits.TARGET_BYTES_MAX // 3)
    yield Case("a request: a query of 5,461 parameters", both, lambda: _event(b"", query))
    yield Case("a request: a read of chunks of one byte", "every listener", _one_byte_chunks)


def _results() -> Iterator[Case]:
    both = "gateway, Function URL"
    text = b'{"statusCode":200,"x":%b}' % OBJECTS
    yield Case("a result: 6 MB of empty objects", both, lambda: _result(text))
    body = b'{"statusCode":200,"isBase64Encoded":true,"body":"%b"}' % (
        b"A" * (RESULT_BYTES // 4 * 4 - 100)
    )
    yield Case("a result: 6 MB of base64", both, lambda: _result(body))
    escapes = b'{"statusCode":200,"body":"%b"}' % (b"\\n" * (RESULT_BYTES // 2 - 100))
    yield Case("a result: 6 MB of escapes", both, lambda: _result(escapes))
    yield Case(
        "a result: 64 KiB of lists, written again",
        "Function URL",
        lambda: _result(LISTS[:65_533] + b"0]"),
    )


def _streams() -> Iterator[Case]:
    stream, route = "response stream", "gateway, response-stream route"
    names = b",".join(b'"%x":1' % at for at in range(1_600))
    prelude = b'{"headers":{%b}}' % names + bytes(8)
    yield Case(
        "a prelude of 16 KiB, all headers", "gateway, Function URL", lambda: _prelude(prelude)
    )
    member = b'{"a":{%b' % (b'"":"",' * 2_700)
    yield Case("a stream's first 16 KiB, no prelude", route, lambda: _stream_head(member))
    yield Case(
        f"a {stream}: a message of 6 MB", route, lambda: _messages(encode_chunks(RESULT_BYTES))
    )
    small = event_stream.encode_chunk(b"x")
    yield Case(f"a {stream}: a read of tiny messages", route, lambda: _messages(small * 2_500))
    frames = encode_data(b"x") * (RESULT_BYTES // 6)
    yield Case(f"a {stream}: 6 MB of tiny frames, one turn", route, lambda: _frames(frames))
    ended = b'{"ErrorCode":"E","x":%b}' % OBJECTS
    yield Case(f"a {stream}: an end of 6 MB", route, lambda: _end(ended))


def _emulated() -> Iterator[Case]:
    yield Case(
        "an Invoke: 6 MB of empty objects",
        "Lambda API",
        lambda: _check(OBJECTS),
    )
    yield Case("an error report of 6 MB", "Runtime API", lambda: _error(b'{"x":%b}' % OBJECTS))
    yield Case(
        "a signature: 31,000 names",
        "Function URL, AWS_IAM",
        lambda: _signed("host" + ";a" * 31_000),
    )
    yield Case(
        "a signature: a query of 8,190 parameters",
        "Function URL, AWS_IAM",
        lambda: _signed("host", "a&" * 8_190),
    )
    yield Case(
        "gzip: empty members, one turn",
        "Function URL, decode_gzip",
        lambda: _gzip(gzip.compress(b"") * 50_000),
    )
    yield Case(
        "gzip: a bomb, one turn",
        "Function URL, decode_gzip",
        lambda: _gzip(gzip.compress(bytes(60_000_000))),
    )
    yield Case("output: one letter a line, one turn", "emulator", lambda: _output(b"a\n" * 32_768))
    yield Case(
        "output: a line of hyphens, one turn", "emulator", lambda: _output(b"-" * 65_535 + b"\n")
    )


# --- the calls ------------------------------------------------------------------------------------


def encode_chunks(size: int) -> bytes:
    """A message of a response stream with so many bytes."""
    return event_stream.encode_chunk(bytes(size))


def _event(body: bytes, query: str = "") -> Callable[[], object]:
    def encode() -> bytes:
        event = event_from_request(
            method="POST",
            path="/",
            query=query,
            headers=[("content-type", "text/plain" if body[:1] != b"\0" else "a/b")],
            body=body,
            source_ip="127.0.0.1",
            request_id="1",
            time_epoch_ms=0,
            host="localhost",
        )
        return msgspec.json.encode(event)

    return encode


def _one_byte_chunks() -> Callable[[], object]:
    head = b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"
    body = b"1\r\nx\r\n" * (limits.READ_BYTES_MAX // 6)

    def read() -> bytes:
        parser = RequestParser(HttpLimits())
        parser.feed(head)
        parser.feed(body)
        return parser.take_body()

    return read


def _result(text: bytes) -> Callable[[], object]:
    assert len(text) <= limits.BUFFERED_RESPONSE_BYTES_MAX
    return lambda: json_text.response_from_json(text)


def _prelude(data: bytes) -> Callable[[], object]:
    return lambda: PreludeParser().feed(data)


def _stream_head(data: bytes) -> Callable[[], object]:
    return lambda: HeadFinder(json_text.response_from_envelope).feed(data)


def _messages(data: bytes) -> Callable[[], object]:
    def read() -> object:
        # All but the last read only collect.
        start = max(0, len(data) - limits.READ_BYTES_MAX)
        decoder = event_stream.MessageDecoder(payload_bytes_max=limits.STREAM_FRAME_BYTES_MAX)
        decoder.feed(data[:start])
        return split(decoder.read(data[start:]))

    return read


def _frames(data: bytes) -> Callable[[], object]:
    return lambda: FrameDecoder().feed(data)


def _end(payload: bytes) -> Callable[[], object]:
    return lambda: failure_in(payload)


def _check(text: bytes) -> Callable[[], object]:
    return lambda: json_text.check(text)


def _error(text: bytes) -> Callable[[], object]:
    return lambda: runtime_answer.error_text(text, "errorType")


def _signed(names: str, query: str = "") -> Callable[[], object]:
    keys = signature.KeyPair("key", "secret")
    claim = f"Credential=key/19700101/us-east-1/lambda/aws4_request, SignedHeaders={names}"
    value = f"AWS4-HMAC-SHA256 {claim}, Signature={'0' * 64}".encode()
    headers = [(b"host", b"a"), (b"x-amz-date", b"19700101T000000Z"), (b"authorization", value)]
    headers += [(b"%d" % at, b"") for at in range(limits.HEADER_COUNT_MAX - 3)]
    head = RequestHead("POST", f"/?{query}", "1.1", headers)
    body = bytes(limits.SYNC_INVOKE_BYTES_MAX)
    return lambda: signature.find_fault(keys, head, body, now_s=0.0)


def _gzip(data: bytes) -> Callable[[], object]:
    def turn() -> None:
        decoder = GzipDecoder()
        decoder.feed(data)
        left_bytes = limits.READ_BYTES_MAX
        for _ in range(limits.GZIP_STEPS_PER_TURN):
            if left_bytes > 0:
                left_bytes -= len(decoder.step())

    return turn


class _Nowhere(io.StringIO):
    """A stream that keeps nothing."""

    def write(self, text: str) -> int:
        return len(text.encode())


def _output(data: bytes) -> Callable[[], object]:
    stream = _Nowhere()

    def turn() -> None:
        log = EnvironmentLog(EmulatorLog(stream), "function", LastInit())
        for _ in range(limits.OUTPUT_BYTES_PER_TURN_MAX // len(data)):
            log.feed(data)

    return turn


# --- the table ------------------------------------------------------------------------------------


def measure(case: Case, runs: int = RUNS) -> float:
    """The CPU time of a call in milliseconds, the median of some runs."""
    call = case.prepare()
    times = []
    for _ in range(runs):
        start_s = time.thread_time()
        with suppress(TailraceError):  # to refuse costs its time, too
            call()
        times.append(time.thread_time() - start_s)
    return sorted(times)[runs // 2] * 1000


def table(rows: list[tuple[Case, float]]) -> str:
    """The rows as Markdown, the longest first."""
    lines = ["| one message | where | ms |", "| --- | --- | --- |"]
    for case, ms in sorted(rows, key=lambda row: -row[1]):
        lines.append(f"| {case.name} | {case.where} | {ms:.3g} |")
    return "\n".join(lines)


def main() -> int:
    """Measure, and print the table."""
    print(table([(case, measure(case)) for case in cases()]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
