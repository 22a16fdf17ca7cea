"""Where asynchronous invocations are recorded in the end: a file, or another function.

Source of the record: Lambda Developer Guide, "invocation-async-retain-records", read 2026-11.
Concurrency law: everything is a step of the event loop; a record is one write.
"""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final, Protocol

from tailrace import limits
from tailrace.config import FunctionConfig
from tailrace.emulator.invocation import Outcome
from tailrace.emulator.log import EmulatorLog
from tailrace.emulator.names import VERSION, FunctionName
from tailrace.emulator.report import timestamp
from tailrace.net import json_text
from tailrace.wire.capability import redact
from tailrace.wire.runtime_api import Invocation

_FLAGS: Final = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
_ARN_COLONS: Final = 6  # of one without a qualifier


class Condition(Enum):
    """How an event has come to its end; the values are those of the record."""

    SUCCESS = "Success"
    RETRIES_EXHAUSTED = "RetriesExhausted"
    EVENT_AGE_EXCEEDED = "EventAgeExceeded"
    NO_CONCURRENCY = "ZeroReservedConcurrency"


@dataclass(frozen=True, slots=True)
class EndedEvent:
    """An asynchronous event that will not be tried any more."""

    invocation: Invocation
    condition: Condition
    attempts: int
    outcome: Outcome | None
    """Of the last attempt; None when there was none, or it is not known any more."""
    hops: int
    """How many destinations it has come through."""


class Target(Protocol):
    """A function that takes records as its events."""

    def enqueue(self, invocation: Invocation, *, hops: int) -> bool:
        """Take an event; False when its queue is full."""


class Destinations:
    """Sends records on; what cannot be sent is logged, and nothing else is lost."""

    def __init__(self, find: Callable[[str], Target | None], log: EmulatorLog) -> None:
        self._find = find
        self._log = log

    def send(self, function: FunctionConfig, event: EndedEvent) -> None:
        """Record the end of an event of this function, if it wants that."""
        places = function.destinations
        is_success = event.condition is Condition.SUCCESS
        place = places.on_success if is_success else places.on_failure
        if place is None:
            return
        kind, _, name = place.partition(":")
        record = encode_record(event, time.time())
        problem = _append(name, record) if kind == "file" else self._forward(name, event, record)
        if problem is not None:
            request_id = event.invocation.request_id
            text = f"EVENT RequestId: {request_id} its record is lost: {problem}"
            self._log.write(function.name, text)

    def _forward(self, name: str, event: EndedEvent, record: bytes) -> str | None:
        """Give a record to a function; returns what is in the way, if anything."""
        if event.hops + 1 >= limits.DESTINATION_HOPS_MAX:
            count = limits.DESTINATION_HOPS_MAX
            return f"it has come through {count} functions, and Lambda stops such a loop"
        target = self._find(name)
        if target is None:
            return f"there is no function {name!r}"
        invocation = Invocation(
            request_id=str(uuid.uuid4()),
            deadline_ms=0,
            function_arn=FunctionName(name, None).arn,
            trace_id=event.invocation.trace_id,
            event=record,
        )
        if not target.enqueue(invocation, hops=event.hops + 1):
            return f"the queue of {name!r} is full"
        return None


def encode_record(event: EndedEvent, now_s: float) -> bytes:
    """Return the record of an event: one line of JSON, at most DESTINATION_RECORD_BYTES_MAX.

    A payload for which there is no room is null: the response before the request.
    """
    outcome = event.outcome
    request = _json_text(event.invocation.event)
    response = "null" if outcome is None else _json_text(outcome.payload)
    for texts in ((request, response), (request, "null"), ("null", "null")):
        record = _record(event, now_s, *texts).encode()
        if len(record) <= limits.DESTINATION_RECORD_BYTES_MAX:
            break
    return record


def _record(event: EndedEvent, now_s: float, request: str, response: str) -> str:
    arn = event.invocation.function_arn
    context = {
        "requestId": event.invocation.request_id,
        "functionArn": f"{arn}:{VERSION}" if arn.count(":") == _ARN_COLONS else arn,
        "condition": event.condition.value,
        "approximateInvokeCount": event.attempts,
    }
    result: dict[str, object] | None = None
    if event.outcome is not None:
        result = {"statusCode": 200, "executedVersion": VERSION}
        if event.outcome.error_type is not None:
            result["functionError"] = "Unhandled"
    members = {
        "version": '"1.0"',
        "timestamp": json.dumps(timestamp(now_s)),
        "requestContext": json.dumps(context),
        "requestPayload": request,
        "responseContext": json.dumps(result),
        "responsePayload": response,
    }
    return "{" + ", ".join(f'"{name}": {text}' for name, text in members.items()) + "}"


def _json_text(payload: bytes) -> str:
    """A payload as a member of a record: itself when it is JSON, else a text.

    Numbers are neither converted nor rounded. Line breaks in JSON are only layout.
    """
    text = payload.decode("utf-8", "replace")
    try:
        json_text.check(payload)
    except ValueError:
        return json.dumps(text)
    return text.replace("\n", " ").replace("\r", " ")


def _append(path: str, record: bytes) -> str | None:
    """Append a line to a file, whole or not at all; returns what is in the way, if anything.

    The callback's secret, which an event may carry, does not get to the disk.
    """
    line = redact(record.decode()).encode() + b"\n"
    try:
        descriptor = os.open(path, _FLAGS, 0o600)
        try:
            _write_whole(descriptor, line)
        finally:
            os.close(descriptor)
    except OSError as error:
        return f"{path}: {error.strerror}"
    return None


def _write_whole(descriptor: int, line: bytes) -> None:
    size = os.fstat(descriptor).st_size
    written = 0
    try:
        while written < len(line):
            written += os.write(descriptor, line[written:])
    except OSError:
        if written:
            os.ftruncate(descriptor, size)  # half a line would spoil the next one
        raise
