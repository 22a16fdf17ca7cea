"""One event as bytes: by the standard, whatever it holds, or a clear error."""

from __future__ import annotations

from typing import Any

import pytest

from tailrace.html import ServerEvent
from tailrace.html.limits import EVENT_ID_CHARS_MAX, RETRY_MS_MAX
from tailrace.html.streams.json_text import json_encoder
from tailrace.html.streams.server_event import DONE_ID, FAILED_ID, encode_event

to_json = json_encoder()


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (ServerEvent("one"), "data: one\n\n"),
        (ServerEvent(""), "data: \n\n"),
        (ServerEvent(" two spaces "), "data:  two spaces \n\n"),
        (ServerEvent("a\nb\r\nc\rd"), "data: a\ndata: b\ndata: c\ndata: d\n\n"),
        (ServerEvent("\n"), "data: \ndata: \n\n"),
        (ServerEvent("\r\n\n\r"), "data: \ndata: \ndata: \ndata: \n\n"),
        (ServerEvent("a\u2028b\x0bc\x85d"), "data: a\u2028b\x0bc\x85d\n\n"),
        (ServerEvent("\ufeff:a: b"), "data: \ufeff:a: b\n\n"),
        (ServerEvent("\ud83d\ude00 \ud83d"), "data: \U0001f600 \ufffd\n\n"),
        (ServerEvent({"a": [1, None, "ü"]}), 'data: {"a":[1,null,"ü"]}\n\n'),
        (ServerEvent(0), "data: 0\n\n"),
        (ServerEvent(False), "data: false\n\n"),
        (ServerEvent("x", name="tick", id=7), "id: 7\nevent: tick\ndata: x\n\n"),
        (ServerEvent("x", name=" a:b ", id=":"), "id: :\nevent:  a:b \ndata: x\n\n"),
        (ServerEvent("x", id=""), "id: \ndata: x\n\n"),
        (ServerEvent(retry_ms=0, id="job 7"), "retry: 0\nid: job 7\n\n"),
        (ServerEvent(retry_ms=7), "retry: 7\n"),
        (ServerEvent(), ""),
    ],
)
def test_an_event_is_encoded_by_the_standard(event: ServerEvent, text: str) -> None:
    assert encode_event(event, to_json) == text


@pytest.mark.parametrize("name", ["", "a\nb", "a\rb", "\0", "\ud800"])
def test_a_name_that_would_break_the_event_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="neither line ends nor NUL"):
        ServerEvent("x", name=name)


def test_a_name_without_data_is_refused() -> None:
    """Browsers do not dispatch such an event: it would be lost in silence."""
    with pytest.raises(ValueError, match="browsers ignore an event without data"):
        ServerEvent(name="ping")


@pytest.mark.parametrize(
    "wrong", ["a\nb", "a\rb", "a\0b", "ü", " a", "a ", "\t", "a" * (EVENT_ID_CHARS_MAX + 1)]
)
def test_an_id_that_no_header_can_bring_back_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="clients send it back in a header"):
        ServerEvent("x", id=wrong)


@pytest.mark.parametrize("reserved", [DONE_ID, FAILED_ID])
def test_the_ids_of_the_end_are_reserved(reserved: str) -> None:
    """After such an id, a client would get no more."""
    with pytest.raises(ValueError, match="reserved"):
        ServerEvent("x", id=reserved)


@pytest.mark.parametrize("retry_ms", [-1, RETRY_MS_MAX + 1])
def test_a_time_that_clients_do_not_take_is_refused(retry_ms: int) -> None:
    with pytest.raises(ValueError, match="from 0 to 2147483647"):
        ServerEvent("x", retry_ms=retry_ms)


@pytest.mark.parametrize("fields", [{"name": 1}, {"id": 1.5}, {"id": True}, {"retry_ms": 1.5}])
def test_a_field_of_another_type_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        ServerEvent("x", **fields)
