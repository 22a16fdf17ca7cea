"""The gateway's keys of an event, in both directions."""

from __future__ import annotations

import json
from collections import UserDict
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import pytest

from tailrace.wire.mark import (
    FRAMES_VERSION,
    MARK_VERSION,
    Mark,
    keys_for_callback,
    keys_for_stream,
    read_mark,
)

ID = "8f5b6a0e-5d0e-4f1c-9a53-0e3a2b6f1c11"
URL = f"http://127.0.0.1:8081/{ID}/9d2c4b7a1e8f4c6db0a3f5e7c1d29b84"


def test_the_keys_of_a_callback() -> None:
    """As docs/reference/event.md lists them: functions without the SDK read the last three."""
    assert keys_for_callback(URL, "/a%20b?x=1", ID) == {
        "tailrace": {"v": 1, "callback": URL},
        "origin": URL,
        "url": "/a%20b?x=1",
        "requestId": ID,
    }


def test_the_keys_of_a_response_stream() -> None:
    mark = {"v": 1, "transport": "response-stream", "frames": 1}
    assert keys_for_stream() == {"tailrace": mark}


@pytest.mark.parametrize(
    ("keys", "mark"),
    [
        (keys_for_callback(URL, "/", ID), Mark(MARK_VERSION, URL, False, False)),
        (keys_for_stream(), Mark(MARK_VERSION, None, True, True)),
    ],
)
@pytest.mark.parametrize("form", [dict, UserDict, MappingProxyType])
def test_what_the_gateway_writes_is_what_the_sdk_reads(
    keys: dict[str, Any], mark: Mark, form: Callable[[dict[str, Any]], Mapping[str, Any]]
) -> None:
    event = json.loads(json.dumps({"version": "2.0", **keys}))

    assert read_mark(form({**event, "tailrace": form(event["tailrace"])})) == mark


@pytest.mark.parametrize("value", [None, {}, [], "callback", 1, True, [("callback", URL)]])
def test_an_event_without_a_mark_has_none(value: object) -> None:
    assert read_mark({}) is read_mark({"tailrace": value}) is None


@pytest.mark.parametrize(
    ("written", "mark"),
    [
        ({"v": 2, "callback": URL, "more": 1}, Mark(2, URL, False, False)),
        ({"v": "next", "frames": "x"}, Mark("next", None, False, False)),
        ({"callback": URL}, Mark(None, URL, False, False)),
        ({"v": 1, "callback": 7}, Mark(1, None, False, False)),
        ({"v": 1, "transport": "tunnel", "frames": 1}, Mark(1, None, False, False)),
        ({"v": 1, "transport": "response-stream"}, Mark(1, None, True, False)),
        (
            {"v": 1, "transport": "response-stream", "frames": FRAMES_VERSION + 1},
            Mark(1, None, True, False),
        ),
    ],
)
def test_a_mark_of_another_version_is_read_as_far_as_it_is_known(
    written: dict[str, object], mark: Mark
) -> None:
    assert read_mark({"tailrace": written}) == mark


def test_each_event_has_keys_of_its_own() -> None:
    """A caller may add to them."""
    keys_for_stream()["tailrace"]["v"] = 7

    assert keys_for_stream()["tailrace"]["v"] == 1
