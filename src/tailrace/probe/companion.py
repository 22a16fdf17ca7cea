"""The function at the other end of the probe: it says when it wrote what.

Deployed as any function, by the handler `tailrace.probe.handler`; without the probe it answers as
well: `curl -N 'URL?count=5&interval_ms=1000'`. It must be cheap to import.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping

from tailrace.function import Head, streamify_response
from tailrace.probe.limits import (
    PROBE_COUNT_MAX,
    PROBE_INTERVAL_MS_MAX,
    PROBE_PAD_BYTES_MAX,
    PROBE_SIZE_BYTES_MAX,
    PROBE_STREAM_BYTES_MAX,
)
from tailrace.probe.protocol import ALIASES, FIELD, FORMS, VERSION, Form, mark, parse_parameters
from tailrace.records import NamedTuple

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from typing import Any, Final

    Body = Callable[[Any, Any], Iterator[Any]]

_environment: list[str] = []  # one name, from the first invocation on


class _Parameters(NamedTuple):
    """What a stream is to be."""

    chunk_count: int
    chunk_bytes: int
    interval_ms: int
    pad_bytes: int
    content_type: str


_NUMBERS: Final = {
    "count": (10, PROBE_COUNT_MAX),
    "size": (64, PROBE_SIZE_BYTES_MAX),
    "interval_ms": (500, PROBE_INTERVAL_MS_MAX),
    "pad": (0, PROBE_PAD_BYTES_MAX),
}
"""Each with its default and the highest value."""


def make_handler(clock_ns: Callable[[], int] = time.time_ns) -> Callable[..., Any]:
    """Return a handler whose times are those of a clock, in nanoseconds."""

    def handler(event: Any, context: Any = None) -> Any:
        """Answer a ping, or stream chunks that tell when they were written."""
        started_ns = clock_ns()
        try:
            asked = _asked(event)
        except ValueError as error:
            return streamify_response(_refusal(started_ns, str(error)))(event, context)
        if asked is None:
            return streamify_response(_ping(started_ns, clock_ns))(event, context)
        return _streamed(asked, _stream(started_ns, clock_ns, asked))(event, context)

    return handler


def environment_name() -> str:
    """Return this execution environment's name for itself.

    It is made by the first invocation: environments that start from one snapshot are several.
    """
    if not _environment:
        _environment.append(os.urandom(8).hex())
    return _environment[0]


def _streamed(asked: _Parameters, body: Body) -> Callable[..., Any]:
    if not asked.pad_bytes:
        return streamify_response(body)
    from tailrace.function import FlushPolicy

    policy = FlushPolicy(pad_bytes=asked.pad_bytes, pads_text=True)
    return streamify_response(body, flush=policy)


def _ping(started_ns: int, clock_ns: Callable[[], int]) -> Body:
    def answer(event: Any, context: Any) -> Iterator[Any]:
        yield _head(200, "application/json", started_ns)
        said = {"environment": environment_name(), "received_ns": started_ns}
        yield json.dumps({**said, "sent_ns": clock_ns()}) + "\n"

    return answer


def _refusal(started_ns: int, reason: str) -> Body:
    def answer(event: Any, context: Any) -> Iterator[Any]:
        yield _head(400, "text/plain; charset=utf-8", started_ns)
        yield f"{reason}\n"

    return answer


def _stream(started_ns: int, clock_ns: Callable[[], int], asked: _Parameters) -> Body:
    def answer(event: Any, context: Any) -> Iterator[Any]:
        form = FORMS[asked.content_type]
        charset = "; charset=utf-8" if asked.content_type.startswith("text/") else ""
        yield _head(200, asked.content_type + charset, started_ns)
        begun_s = time.monotonic()
        for index in range(asked.chunk_count):
            before, after = _around(form, index, asked)
            due_s = begun_s + index * asked.interval_ms / 1000
            time.sleep(max(0.0, due_s - time.monotonic()))
            yield before + mark(index, clock_ns()) + after
            if asked.pad_bytes:
                from tailrace.function import FLUSH

                yield FLUSH

    return answer


def _around(form: Form, index: int, asked: _Parameters) -> tuple[str, str]:
    """Return what stands before and behind a chunk's mark, so that it has its size."""
    before = (form.joint if index else form.first) + form.opening
    after = form.closing + (form.last if index == asked.chunk_count - 1 else "")
    missing = asked.chunk_bytes - len(before) - len(after) - len(mark(index, time.time_ns()))
    if missing <= 1:
        return before, after
    # Digits by chance: text that shrinks by half, as real text does when something compresses it.
    filler = os.urandom(missing // 2 + 1).hex()[: missing - 1]
    return f"{before}{filler} ", after


def _head(status: int, content_type: str, started_ns: int) -> Head:
    said = f"v={VERSION}; environment={environment_name()}; started_ns={started_ns}"
    return Head(
        status,
        {
            "content-type": content_type,
            "cache-control": "no-store",
            "x-content-type-options": "nosniff",
            FIELD: said,
        },
    )


# --- what is asked for ---------------------------------------------------------------------------


def _asked(event: Any) -> _Parameters | None:
    """Return what a stream is to be, None for a ping.

    Raises:
        ValueError: it cannot be.
    """
    fields = parse_parameters(_field(event))
    word = fields.pop("", "stream")
    if word == "ping":
        return None
    if word not in ("stream", ""):
        raise ValueError(f"{FIELD}: {word[:40]!r} is neither ping nor stream")
    given = {**_query(event), **fields}
    content_type = given.get("type", "text/plain")
    content_type = ALIASES.get(content_type, content_type)
    if content_type not in FORMS:
        raise ValueError(f"type: {content_type[:80]!r} is none of {', '.join(FORMS)}")
    chunk_count, chunk_bytes, interval_ms, pad_bytes = (
        _number(name, given.get(name, str(default)), highest)
        for name, (default, highest) in _NUMBERS.items()
    )
    if chunk_count * (chunk_bytes + pad_bytes) > PROBE_STREAM_BYTES_MAX:
        raise ValueError(f"count: with its size and pad over {PROBE_STREAM_BYTES_MAX} bytes in all")
    return _Parameters(chunk_count, chunk_bytes, interval_ms, pad_bytes, content_type)


def _number(name: str, text: str, highest: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 12 and int(text) <= highest):
        raise ValueError(f"{name}: {text[:40]!r} is no whole number from 0 to {highest}")
    return int(text)


def _field(event: Any) -> str:
    """Return the request's own field; some front ends keep the case in which it was sent."""
    fields = event.get("headers") if isinstance(event, dict) else None
    if not isinstance(fields, Mapping):
        return ""
    return next((str(value) for name, value in fields.items() if str(name).lower() == FIELD), "")


def _query(event: Any) -> dict[str, str]:
    query = event.get("queryStringParameters") if isinstance(event, dict) else None
    return {str(k): str(v) for k, v in query.items()} if isinstance(query, Mapping) else {}


handler = make_handler()
