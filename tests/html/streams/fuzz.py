"""Made-up events, and what a client by the standard makes of them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from hypothesis import strategies as st

from tailrace.html import ServerEvent

LINE_ENDS = "\r\n\u2028\u2029\x85\x0b\x0c\x1c\x1d\x1e"
TEXTS = st.text(st.sampled_from(LINE_ENDS + "\0\ufeff: a\ud83d\ude00") | st.characters())
NAMES = st.text(st.characters(exclude_characters="\r\n\0", codec="utf-8"), min_size=1).filter(
    lambda name: name not in ("open", "error", "done", "failed")
)
IDS = st.from_regex(r"(?:[!-~](?:[ -~]*[!-~])?)?", fullmatch=True).filter(
    lambda each: each not in ("~done", "~failed")
)
JSON = st.recursive(
    st.booleans() | st.integers() | TEXTS | st.floats(allow_nan=False, allow_infinity=False),
    lambda each: st.lists(each) | st.dictionaries(TEXTS, each),
    max_leaves=5,
)
EVENTS = st.builds(
    ServerEvent,
    TEXTS | JSON | st.just("x" * 100_000),
    name=st.none() | NAMES,
    id=st.none() | IDS | st.integers(),
)


class Received(NamedTuple):
    """An event that a client has dispatched."""

    name: str
    data: Any
    last_id: str


def expected(events: Iterable[ServerEvent]) -> list[Received]:
    """What a client dispatches, with the end of the stream."""
    last_id, received = "", []
    for event in events:
        last_id = last_id if event.id is None else event.id
        received.append(Received(event.name or "message", text_of(event.data), last_id))
    return [*received, Received("done", "{}", "~done")]


def text_of(data: Any) -> str:
    """The text that arrives: lines end with LF; what UTF-8 has not becomes U+FFFD."""
    if not isinstance(data, str):
        return json.dumps(data)  # compared as values
    joined = data.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return re.sub("\r\n?", "\n", joined)


def same(received: Iterable[Received], events: list[ServerEvent]) -> None:
    """Assert that a client has dispatched exactly these events."""
    received, wanted = list(received), expected(events)
    assert [(each.name, each.last_id) for each in received] == [
        (each.name, each.last_id) for each in wanted
    ]
    for event, got, want in zip(events, received, wanted, strict=False):
        if isinstance(event.data, str):
            assert got.data == want.data
        else:
            assert json.loads(got.data) == event.data
